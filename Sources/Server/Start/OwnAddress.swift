/// The address by which other hosts reach this one, as far as it can be known without asking them.
internal import Glibc
internal import Reactor

enum OwnAddress {
    /// What to advertise if nobody says so: the address bound to, if it is one; else the IPv4 address from which this
    /// host would talk to `remote` or to the world; else that of any network interface; else `localhost`.
    static func guess(bound: SocketAddress, remoteHost: String?) -> String {
        if !bound.isUnspecified { return bound.ip }
        // 192.0.2.1 is nobody (RFC 5737): its route is the default one.
        for target in [remoteHost, "192.0.2.1"].compactMap({ $0 }) {
            guard let address = SocketAddress(ip: target, port: 9), address.family == .ipv4 else { continue }
            if let source = source(towards: address.ipBytes), !source.isUnspecified { return source.ip }
        }
        return ofAnyInterface()?.ip ?? "localhost"
    }

    /// The kernel's choice of a source address: a UDP socket that is connected sends nothing, but has one.
    private static func source(towards target: [UInt8]) -> SocketAddress? {
        let fd = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard fd >= 0 else { return nil }
        defer { close(fd) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(9).bigEndian
        address.sin_addr.s_addr = target.reversed().reduce(0) { $0 << 8 | UInt32($1) }
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        // Both calls are given a local of that very size.
        let result = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                unsafe connect(fd, pointer, size) == 0 ? getsockname(fd, pointer, &size) : -1
            }
        }
        return result == 0 ? socketAddress(address) : nil
    }

    /// The first IPv4 address of an interface that is up and not the loopback (getifaddrs(3)).
    private static func ofAnyInterface() -> SocketAddress? {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard unsafe getifaddrs(&list) == 0 else { return nil }
        // Every pointer is the list's own, which is freed at the end.
        defer { unsafe freeifaddrs(list) }
        var next = unsafe list
        while let entry = unsafe next {
            unsafe next = entry.pointee.ifa_next
            let flags = unsafe Int32(truncatingIfNeeded: entry.pointee.ifa_flags)
            guard flags & Int32(IFF_UP) != 0, flags & Int32(IFF_LOOPBACK) == 0,
                let address = unsafe entry.pointee.ifa_addr, unsafe Int32(address.pointee.sa_family) == AF_INET
            else { continue }
            let found = unsafe address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { unsafe $0.pointee }
            return socketAddress(found)
        }
        return nil
    }

    private static func socketAddress(_ address: sockaddr_in) -> SocketAddress? {
        let word = address.sin_addr.s_addr
        return SocketAddress(ipBytes: (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * UInt32($0))) }, port: 0)
    }
}
