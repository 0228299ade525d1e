import Foundation
import Glibc
import Testing

@testable import Server

/// What listens where a service manager would.
private final class DatagramSocket {
    let path: String
    private let fd: Int32

    init() throws {
        path = NSTemporaryDirectory() + "pando-notify-\(UUID().uuidString)"
        fd = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let name = Array(path.utf8)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(fd, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(result == 0)
    }

    deinit {
        close(fd)
        unlink(path)
    }

    /// What has come so far.
    func receiveAll() -> [String] {
        var (texts, room) = ([String](), [UInt8](repeating: 0, count: 4096))
        while case let count = recv(fd, &room, room.count, 0), count >= 0 {
            texts.append(String(decoding: room[..<count], as: UTF8.self))
        }
        return texts
    }
}

@Suite struct ServiceTests {
    @Test func `half of the time within which it is to be heard passes between two signs of life`() throws {
        func period(_ watchdog: String?, _ watched: String?) throws -> Int? {
            try ServiceManager(path: "/x", watchdog: watchdog, watched: watched).watchdogMilliseconds
        }
        #expect(try period("30000000", nil) == 15_000)
        #expect(try period("30000000", "\(getpid())") == 15_000)
        #expect(try period("1", nil) == 1)
        #expect(try period(nil, nil) == nil)
        #expect(try period("soon", nil) == nil)
        // Asked of another process, whose environment this one has.
        #expect(try period("30000000", "1") == nil)
    }

    @Test(arguments: ["x", "", "vsock:2:1", "/" + String(repeating: "x", count: 107)])
    func `what is no name of a socket is refused`(path: String) {
        #expect(throws: (any Error).self) { try ServiceManager(path: path, watchdog: nil, watched: nil) }
    }

    @Test func `a manager that is busy is told later, in order`() throws {
        let socket = try DatagramSocket()
        var service = try ServiceManager(path: socket.path, watchdog: nil, watched: nil)
        var (count, isFull) = (0, false)
        // The system keeps a few datagrams for it, ten or five hundred.
        while !isFull, count < 10_000 {
            service.add("\(count)")
            count += 1
            if case .full = service.send() { isFull = true }
        }
        #expect(isFull)
        service.add("last")
        var told: [String] = []
        while true {
            let some = socket.receiveAll()
            if some.isEmpty { break }
            told += some
            guard case .sent = service.send() else { continue }
        }
        #expect(told == (0..<count).map { "\($0)" } + ["last"])
    }

    @Test func `a manager that reads nothing costs a bounded number of texts, the newest`() throws {
        let socket = try DatagramSocket()
        var service = try ServiceManager(path: socket.path, watchdog: nil, watched: nil)
        for number in 0..<(3 * ServiceManager.waitingMax) { service.add("\(number)") }
        while case .full = service.send() { _ = socket.receiveAll() }
        #expect(socket.receiveAll().last == "\(3 * ServiceManager.waitingMax - 1)")
        service.add("again")
        guard case .sent = service.send() else { throw Missing() }
        #expect(socket.receiveAll() == ["again"])
    }

    @Test func `a manager that is gone is no harm, and one that is back is told again`() throws {
        var socket: DatagramSocket? = try DatagramSocket()
        let path = try #require(socket?.path)
        var service = try ServiceManager(path: path, watchdog: nil, watched: nil)
        socket = nil
        service.add("lost")
        guard case .failed = service.send() else { throw Missing() }
        guard case .sent = service.send() else { throw Missing() }
    }

    private struct Missing: Error {}
}
