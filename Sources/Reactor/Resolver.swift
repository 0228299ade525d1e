/// Host names to addresses. The call blocks, for many seconds if a name server is silent: it belongs into a helper's
/// job.
internal import CEpollShim

/// What a look-up came to.
public enum Resolution: Hashable, Sendable {
    /// The addresses in the order in which they should be tried (RFC 6724); at least one.
    case addresses([SocketAddress])
    /// There are none; the text says why, with the host's name.
    case failed(String)
}

/// Looks names up.
public enum Resolver {
    /// No more addresses of a name than this are used. A guess: names with more are pools, and then any of them will
    /// do.
    static let addressesMax = 16

    /// Resolves a name or a numeric address (getaddrinfo(3)). Blocks.
    public static func resolve(host: String, port: UInt16) -> Resolution {
        var found = [ces_address](repeating: ces_address(), count: addressesMax)
        var cause: Int32 = 0
        // Room for as many as are asked for.
        let count = unsafe found.withUnsafeMutableBufferPointer { room in
            guard let start = room.baseAddress else { return Int32(0) }
            return unsafe ces_resolve(host, port, start, Int32(room.count), &cause)
        }
        if count < 0 {
            // A static text of the C library.
            let text = unsafe cause > 0 ? SystemError.text(of: cause) : String(cString: ces_resolve_text(count))
            return .failed("\(host): \(text)")
        }
        let addresses = found.prefix(Int(count)).compactMap { SocketAddress($0) }
        return addresses.isEmpty ? .failed("\(host): no address") : .addresses(addresses)
    }
}
