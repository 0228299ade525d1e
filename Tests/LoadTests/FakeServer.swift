// A server that gets one thing wrong, so that the load generator has something to find.

import Foundation
import Glibc

/// What it does to the activity `number` (from 1 on) on the way to the connection `victim` (from 0 on).
enum Mischief: String, CaseIterable, Sendable {
    case none, lose, double, loseAndDouble, swap, cutOff, garble, loseLast, refuse
    /// It is sent away, comes back, and gets what was sent meanwhile; or does not.
    case move, moveBadly
}

/// One thread, blocking, lines by string search: good for a few clients.
final class FakeServer: @unchecked Sendable {
    let port: Int
    private let listener: Int32
    private let mischief: Mischief
    private let number: Int
    private let victim: Int
    private var connections: [Connection] = []
    private var serial = 0
    private var activities = 0
    private var heldBack = ""
    /// The victim is between two connections.
    private var isAway = false
    private let ended = DispatchSemaphore(value: 0)
    private let stop: [Int32]

    private struct Connection {
        let serial: Int
        var fd: Int32
        var partial: [UInt8] = []
        var isLoggedIn = false
    }

    /// - Parameter number: the activity that it happens to.
    init(_ mischief: Mischief, number: Int = 5, victim: Int = 2) throws {
        self.victim = victim
        self.mischief = mischief
        self.number = number
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = self.listener
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, size) == 0 && listen(listener, 64) == 0 && getsockname(listener, $0, &size) == 0
            }
        }
        var ends: [Int32] = [-1, -1]
        guard bound, pipe(&ends) == 0 else { throw TestTrouble("no socket") }
        stop = ends
        port = Int(UInt16(bigEndian: address.sin_port))
        let thread = Thread { [self] in
            serve()
            ended.signal()
        }
        thread.start()
    }

    /// Ends its thread and its connections.
    func end() {
        close(stop[1])
        ended.wait()
        for connection in connections { close(connection.fd) }
        close(listener)
        close(stop[0])
    }

    private func serve() {
        while true {
            let fds = [stop[0], listener] + connections.map(\.fd)
            var polls = fds.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            guard poll(&polls, nfds_t(polls.count), -1) > 0 else { continue }
            if polls[0].revents != 0 { return }
            for index in connections.indices where polls[index + 2].revents != 0 { readable(index) }
            connections.removeAll { $0.fd < 0 }
            if polls[1].revents != 0 { accepted() }
        }
    }

    private func accepted() {
        connections.append(Connection(serial: serial, fd: accept(listener, nil, nil)))
        serial += 1
    }

    private func readable(_ index: Int) {
        var room = [UInt8](repeating: 0, count: 65_536)
        let count = recv(connections[index].fd, &room, room.count, 0)
        guard count > 0 else {
            close(connections[index].fd)
            return connections[index].fd = -1
        }
        connections[index].partial += room[..<count]
        while connections[index].fd >= 0, let end = connections[index].partial.firstIndex(of: 10) {
            let line = String(decoding: connections[index].partial[..<end], as: UTF8.self)
            connections[index].partial.removeSubrange(...end)
            take(line, from: index)
        }
    }

    private func take(_ line: String, from index: Int) {
        if line.contains("LOGIN") {
            connections[index].isLoggedIn = mischief != .refuse
            let answer = mischief == .refuse ? "LOGIN_FAILED" : "LOGIN_SUCCESS"
            say("{\"command\":\"\(answer)\",\"info\":\"x\"}\n", to: index)
            if isAway {
                isAway = false
                if mischief == .move { say(heldBack, to: index) }
            }
            return
        }
        guard let range = line.range(of: #""activity":"#) else { return }
        activities += 1
        let activity = line[range.upperBound...].dropLast(2)
        let broadcast =
            #"{"command":"ACTIVITY_BROADCAST","activity":"# + activity + #","authenticated_user":"anonymous"}}"# + "\n"
        if isAway { heldBack += broadcast }
        for index in connections.indices where connections[index].isLoggedIn && connections[index].fd >= 0 {
            let isVictim = connections[index].serial == victim && activities >= number
            say(isVictim ? spoilt(broadcast, index) : broadcast, to: index)
        }
    }

    /// The victim's own version.
    private func spoilt(_ line: String, _ index: Int) -> String {
        let isFirst = activities == number
        switch mischief {
        case .none, .refuse: return line
        case .lose: return isFirst ? "" : line
        case .loseLast: return ""
        case .loseAndDouble: return isFirst ? "" : activities == number + 1 ? line + line : line
        case .double: return isFirst ? line + line : line
        case .garble: return isFirst ? line.replacingOccurrences(of: "load", with: "lost") : line
        case .swap:
            if isFirst { heldBack = line }
            return isFirst ? "" : activities == number + 1 ? line + heldBack : line
        case .move, .moveBadly:
            guard isFirst else { return line }
            isAway = true
            heldBack = line
            connections[index].isLoggedIn = false
            return "{\"command\":\"REDIRECT\",\"hostname\":\"127.0.0.1\",\"port\":\(port)}\n"
        case .cutOff:
            shutdown(connections[index].fd, Int32(SHUT_RDWR))
            connections[index].isLoggedIn = false
            return ""
        }
    }

    private func say(_ text: String, to index: Int) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                send(connections[index].fd, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
}
