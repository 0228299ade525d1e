import Glibc

/// Makes one TCP connection without blocking on it: tries the addresses of a name one after the other.
///
/// Resolving the name does block; a client has nothing else to do meanwhile.
struct Dialer {
    enum Step {
        /// Wait until the socket can be written, then call `advance`.
        case pending(socket: Int32)
        case connected(socket: Int32)
        case failed(String)
    }

    private struct Address {
        var family: Int32
        var bytes: [UInt8]
    }

    private var addresses: ArraySlice<Address> = []
    private var socket: Int32 = -1
    private var lastError = "no address"

    /// Begins to connect.
    mutating func start(host: [UInt8], port: UInt16) -> Step {
        cancel()
        switch Self.resolve(host, port) {
        case .success(let found): addresses = found[...]
        case .failure(let fault): return .failed(fault.words)
        }
        return tryNext()
    }

    /// The pending socket can be written, or has failed.
    mutating func advance() -> Step {
        var code: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        // An Int32 and its size, both alive during the call.
        guard unsafe getsockopt(socket, SOL_SOCKET, SO_ERROR, &code, &size) == 0, code == 0 else {
            return closeAndTryNext(code == 0 ? errno : code)
        }
        return finish()
    }

    /// Gives up; the pending socket, if any, is closed.
    mutating func cancel() {
        if socket >= 0 { _ = close(socket) }
        socket = -1
        addresses = []
    }

    private mutating func tryNext() -> Step {
        guard let address = addresses.popFirst() else { return .failed(lastError) }
        socket = Glibc.socket(address.family, Int32(SOCK_STREAM.rawValue), 0)
        guard socket >= 0 else { return closeAndTryNext(errno) }
        Descriptor.setNonBlocking(socket)
        let result = unsafe address.bytes.withUnsafeBytes { bytes in
            // getaddrinfo made these bytes: a socket address of its own length. The array's storage is aligned for
            // any type, and connect copies it.
            unsafe connect(
                socket, bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count))
        }
        if result == 0 { return finish() }
        return errno == EINPROGRESS ? .pending(socket: socket) : closeAndTryNext(errno)
    }

    private mutating func closeAndTryNext(_ code: Int32) -> Step {
        lastError = Descriptor.words(code)
        if socket >= 0 { _ = close(socket) }
        socket = -1
        return tryNext()
    }

    private mutating func finish() -> Step {
        defer { socket = -1 }
        // Lines are short and wait for nothing; and a dead server shows only through keep-alive.
        Self.set(socket, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        Self.set(socket, SOL_SOCKET, SO_KEEPALIVE, 1)
        Self.set(socket, Int32(IPPROTO_TCP), TCP_KEEPIDLE, 30)
        Self.set(socket, Int32(IPPROTO_TCP), TCP_KEEPINTVL, 10)
        Self.set(socket, Int32(IPPROTO_TCP), TCP_KEEPCNT, 3)
        return .connected(socket: socket)
    }

    private static func set(_ socket: Int32, _ level: Int32, _ option: Int32, _ value: Int32) {
        var value = value
        // An Int32 and its size. Failure costs comfort only.
        _ = unsafe setsockopt(socket, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    // MARK: Names

    private struct ResolveFault: Error {
        var words: String
    }

    private static func resolve(_ host: [UInt8], _ port: UInt16) -> Result<[Address], ResolveFault> {
        // A name with a zero byte would be looked up cut short.
        guard !host.contains(0) else { return .failure(ResolveFault(words: "no such name")) }
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        unsafe hints.ai_flags = AI_NUMERICSERV
        var list: UnsafeMutablePointer<addrinfo>?
        // Swift terminates the strings and keeps them alive during the call; the list is freed below, once.
        let code = unsafe getaddrinfo(String(decoding: host, as: UTF8.self), String(port), &hints, &list)
        guard code == 0 else {
            // A constant, terminated text of the library.
            return .failure(ResolveFault(words: unsafe String(cString: gai_strerror(code))))
        }
        defer { unsafe freeaddrinfo(list) }
        var addresses: [Address] = []
        var next = unsafe list
        while let entry = unsafe next {
            // Each entry of the list is valid until it is freed, and ai_addr points to ai_addrlen bytes.
            let bytes = unsafe UnsafeRawBufferPointer(
                start: entry.pointee.ai_addr, count: Int(entry.pointee.ai_addrlen))
            addresses.append(Address(family: unsafe entry.pointee.ai_family, bytes: unsafe Array(bytes)))
            unsafe next = entry.pointee.ai_next
        }
        return .success(addresses)
    }
}
