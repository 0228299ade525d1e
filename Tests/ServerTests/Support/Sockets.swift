// The few socket calls that the test clients need, with deadlines. All descriptors are close-on-exec: a server that a
// test starts must not inherit the test's connections, or closing them would not be seen.

import Foundation
import Glibc

enum Sockets {
    /// More descriptors, and no death by SIGPIPE. Done once, before the first socket.
    static let prepared: Void = {
        signal(SIGPIPE, SIG_IGN)
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }()

    static let stream = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    static let nonBlockingStream = stream | Int32(SOCK_NONBLOCK.rawValue)

    static func reason(_ call: String) -> HarnessError { HarnessError("\(call): \(String(cString: strerror(errno)))") }

    static func set(_ fd: Int32, level: Int32, option: Int32, to value: Int32) {
        var value = value
        setsockopt(fd, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    /// A numeric address, IPv4 or IPv6, as the system wants it. `localhost` is taken as 127.0.0.1.
    static func withAddress<Result>(
        _ host: String, _ port: Int, _ body: (UnsafePointer<sockaddr>, socklen_t, Int32) throws -> Result
    ) throws -> Result {
        var four = sockaddr_in()
        four.sin_family = sa_family_t(AF_INET)
        four.sin_port = in_port_t(truncatingIfNeeded: port).bigEndian
        if inet_pton(AF_INET, host == "localhost" ? "127.0.0.1" : host, &four.sin_addr) == 1 {
            return try withUnsafePointer(to: four) {
                try $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    try body($0, socklen_t(MemoryLayout<sockaddr_in>.size), AF_INET)
                }
            }
        }
        var six = sockaddr_in6()
        six.sin6_family = sa_family_t(AF_INET6)
        six.sin6_port = in_port_t(truncatingIfNeeded: port).bigEndian
        guard inet_pton(AF_INET6, host, &six.sin6_addr) == 1 else { throw HarnessError("no numeric address: \(host)") }
        return try withUnsafePointer(to: six) {
            try $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                try body($0, socklen_t(MemoryLayout<sockaddr_in6>.size), AF_INET6)
            }
        }
    }

    /// A socket that is connecting, or connected already. It does not block.
    ///
    /// - Parameter source: the address of this host that it comes from; nil leaves that to the system.
    static func dial(
        host: String, port: Int, from source: String? = nil, receiveBuffer: Int32? = nil
    ) throws -> Int32 {
        _ = prepared
        return try withAddress(host, port) { address, length, family in
            let fd = socket(family, nonBlockingStream, 0)
            guard fd >= 0 else { throw reason("socket") }
            set(fd, level: Int32(IPPROTO_TCP), option: TCP_NODELAY, to: 1)
            if let receiveBuffer { set(fd, level: SOL_SOCKET, option: SO_RCVBUF, to: receiveBuffer) }
            if let source {
                let result = try withAddress(source, 0) { own, length, _ in bind(fd, own, length) }
                guard result == 0 else { throw reason("bind to \(source)") }
            }
            guard connect(fd, address, length) == 0 || errno == EINPROGRESS else {
                defer { close(fd) }
                throw reason("connect to \(host):\(port)")
            }
            return fd
        }
    }

    /// Waits for `events`. False if the deadline came first.
    static func wait(_ fd: Int32, for events: Int32, _ deadline: Deadline) -> Bool {
        while true {
            var entry = pollfd(fd: fd, events: Int16(events), revents: 0)
            let count = poll(&entry, 1, deadline.milliseconds)
            if count > 0 { return true }
            if count == 0, deadline.isOver { return false }
        }
    }

    static func pendingError(_ fd: Int32) -> Int32 {
        var code: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &length)
        return code
    }

    /// Closes at once and lets the other side see a reset. Leaves no TIME_WAIT behind.
    static func closeWithReset(_ fd: Int32) {
        var value = linger(l_onoff: 1, l_linger: 0)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &value, socklen_t(MemoryLayout<linger>.size))
        close(fd)
    }

    /// A socket that listens on a free port of the loopback address, and from which nobody accepts.
    static func listen() throws -> (fd: Int32, port: Int) {
        let port = try freePort()
        return try withAddress("127.0.0.1", port) { address, length, family in
            let fd = socket(family, stream, 0)
            guard bind(fd, address, length) == 0, Glibc.listen(fd, 16) == 0 else {
                defer { close(fd) }
                throw reason("listen on \(port)")
            }
            return (fd, port)
        }
    }

    /// Whether one can listen there now.
    static func isFree(host: String = "127.0.0.1", port: Int) -> Bool {
        let result = try? withAddress(host, port) { address, length, family in
            let fd = socket(family, stream, 0)
            defer { close(fd) }
            set(fd, level: SOL_SOCKET, option: SO_REUSEADDR, to: 1)
            return bind(fd, address, length) == 0 && Glibc.listen(fd, 1) == 0
        }
        return result ?? false
    }

    /// A port on which nobody listens, below the range from which the kernel takes ports for outgoing connections.
    static func freePort() throws -> Int {
        for _ in 0..<200 {
            let port = Int.random(in: 12_000..<30_000)
            if isFree(port: port) { return port }
        }
        throw HarnessError("no free port found")
    }

    static let hasIPv6: Bool = isFree(host: "::1", port: 0)
}
