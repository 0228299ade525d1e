// Hundreds or thousands of clients in one thread, over poll(2). Each behaves like the real ones: it logs in, follows
// REDIRECT, and never asks for anything. What each receives is checked per sender: lost, doubled, out of order.

import Foundation
import Glibc
import TLS

final class ClientSwarm {
    struct Member {
        enum State { case connecting, loggingIn, loggedIn, closed }

        var state = State.connecting
        /// The port of the server that it is connected to now.
        var port: Int
        var user: String?
        var secret: String?
        var redirects = 0
        fileprivate var output: [UInt8] = []
        fileprivate var partial: [UInt8] = []
        /// By sender: the number seen last; `unseen` before the first.
        fileprivate var last: [Int32]
        /// By sender: the highest number that may be the first one seen.
        fileprivate var firstAtMost: [Int32]
        fileprivate var isPaused = false
        fileprivate var hasBeenLoggedIn = false
    }

    private struct Sender {
        let member: Int
        var sent: Int32 = 0
        var target: Int32 = 0
    }

    private(set) var members: [Member] = []
    /// What must never happen: the first few, in words.
    private(set) var violations: [String] = []
    private(set) var violationCount = 0
    private(set) var deliveries = 0

    private var descriptors: [pollfd] = []
    /// With a context, clients that connect from now on are under TLS.
    var security: TLSContext?
    private var sessions: [TLSSession?] = []
    private var senders: [Sender] = []
    private var senderOfMember: [Int: Int] = [:]
    private var outstanding = 0
    private var window: Int32 = 8
    private var padding = ""
    private var buffer = [UInt8](repeating: 0, count: 256 * 1024)

    private static let unseen: Int32 = -1

    init() { _ = Sockets.prepared }

    deinit {
        for entry in descriptors where entry.fd >= 0 { Sockets.closeWithReset(entry.fd) }
    }

    // MARK: Connecting

    /// Begins to connect a client. It logs in by itself; anonymously without a name.
    @discardableResult
    func add(port: Int, user: String? = nil, secret: String? = nil) throws -> Int {
        let member = Member(
            port: port, user: user, secret: secret, last: Array(repeating: Self.unseen, count: senders.count),
            firstAtMost: senders.map { $0.sent + 1 })
        members.append(member)
        descriptors.append(pollfd(fd: -1, events: 0, revents: 0))
        sessions.append(nil)
        try connect(members.count - 1, host: "127.0.0.1", port: port)
        return members.count - 1
    }

    /// Adds clients, the ports in turn, and waits until all are logged in.
    func fill(_ ports: [Int], each count: Int, seconds: Double = 60) throws {
        for _ in 0..<count { for port in ports { try add(port: port) } }
        try runUntilLoggedIn(seconds: seconds)
    }

    func runUntilLoggedIn(seconds: Double = 60) throws {
        try run("all logged in", seconds: seconds) {
            members.allSatisfy { $0.state == .loggedIn || $0.state == .closed }
        }
    }

    var loggedIn: Int { members.count { $0.state == .loggedIn } }

    /// How many clients each server has, by port.
    func load(of ports: [Int]) -> [Int] {
        ports.map { port in members.count { $0.port == port && $0.state == .loggedIn } }
    }

    private func connect(_ index: Int, host: String, port: Int) throws {
        let fd = try Sockets.dial(host: host, port: port)
        members[index].state = .connecting
        members[index].port = port
        members[index].partial = []
        let line = Line.login(members[index].user ?? "anonymous", members[index].secret)
        members[index].output = Array(line.utf8)
        sessions[index] = try security.map { try TLSSession(dialling: host, $0, isLink: false) }
        descriptors[index] = pollfd(fd: fd, events: Int16(POLLIN | POLLOUT), revents: 0)
    }

    /// Stops or resumes reading at one client.
    func setPaused(_ index: Int, _ isPaused: Bool) {
        members[index].isPaused = isPaused
        descriptors[index].events = isPaused ? 0 : Int16(POLLIN)
    }

    // MARK: Talking

    /// Lets the `indices` send `count` activities each and runs until every logged-in client has received all.
    ///
    /// - Parameter window: how many of its own activities a sender may be ahead of what it has received back.
    func exchange(
        senders indices: [Int], each count: Int, window: Int = 8, padding: Int = 40, seconds: Double = 60
    ) throws {
        try begin(senders: indices, each: count, window: window, padding: padding)
        try finish(seconds: seconds)
    }

    func begin(senders indices: [Int], each count: Int, window: Int = 8, padding: Int = 40) throws {
        self.window = Int32(window)
        self.padding = String(repeating: "x", count: padding)
        for index in indices { senders[makeSender(index)].target += Int32(count) }
        outstanding = 0
        for member in members where !member.isPaused && member.state == .loggedIn {
            for (sender, last) in zip(senders, member.last) { outstanding += Int(sender.target - max(0, last)) }
        }
        pump()
    }

    func finish(seconds: Double = 60) throws {
        try run("all delivered", seconds: seconds) { outstanding <= 0 && senders.allSatisfy { $0.sent == $0.target } }
        // What comes too much comes late: listen a little longer.
        step(milliseconds: 50)
    }

    private func makeSender(_ index: Int) -> Int {
        if let known = senderOfMember[index] { return known }
        senders.append(Sender(member: index))
        senderOfMember[index] = senders.count - 1
        for other in members.indices {
            members[other].last.append(Self.unseen)
            members[other].firstAtMost.append(1)
        }
        return senders.count - 1
    }

    /// Queues what the windows allow.
    private func pump() {
        for number in senders.indices where senders[number].sent < senders[number].target { pump(sender: number) }
    }

    private func pump(sender number: Int) {
        let index = senders[number].member
        guard members[index].state == .loggedIn else { return }
        while senders[number].sent < senders[number].target,
            senders[number].sent - max(0, members[index].last[number]) < window
        {
            senders[number].sent += 1
            let activity = #"{"from":\#(number),"n":\#(senders[number].sent),"pad":"\#(padding)"}"#
            let user = members[index].user ?? "anonymous"
            members[index].output += Array(Line.activity(activity, as: user, members[index].secret).utf8)
        }
        flush(index)
    }

    // MARK: The loop

    /// Runs until `condition` holds.
    ///
    /// - Throws: `HarnessError` with the state of the swarm if it does not hold in time.
    func run(_ what: String, seconds: Double, until condition: () throws -> Bool) throws {
        let deadline = Deadline(seconds: seconds)
        while try !condition() {
            if deadline.isOver { throw HarnessError("waited in vain for: \(what); \(summary)") }
            step(milliseconds: 20)
        }
    }

    var summary: String {
        "\(loggedIn) of \(members.count) logged in, \(deliveries) deliveries, \(outstanding) outstanding, "
            + "\(violationCount) violations \(violations), lacking: \(lacking.prefix(10))"
    }

    /// Who has not received what, in words.
    private var lacking: [String] {
        members.indices.filter { members[$0].state == .loggedIn && !members[$0].isPaused }.flatMap { index in
            senders.indices.filter { members[index].last[$0] < senders[$0].target }.map {
                "client \(index) at \(members[index].port): \(members[index].last[$0]) of sender \($0)'s "
                    + "\(senders[$0].sent) sent, \(senders[$0].target) planned"
            }
        }
    }

    /// One turn: waits at most this long, then handles all that is ready.
    func step(milliseconds: Int32) {
        guard poll(&descriptors, nfds_t(descriptors.count), milliseconds) > 0 else { return }
        for index in descriptors.indices where descriptors[index].revents != 0 {
            handle(index, Int32(descriptors[index].revents))
        }
    }

    private func handle(_ index: Int, _ events: Int32) {
        if members[index].state == .connecting {
            let code = Sockets.pendingError(descriptors[index].fd)
            if code != 0 { return end(index, "cannot connect: \(String(cString: strerror(code)))") }
            members[index].state = .loggingIn
        }
        if events & POLLOUT != 0 { flush(index) }
        if events & (POLLIN | POLLHUP | POLLERR) != 0 { receive(index) }
    }

    private func flush(_ index: Int) {
        guard members[index].state != .closed, members[index].state != .connecting else { return }
        let fd = descriptors[index].fd
        while !members[index].output.isEmpty {
            let count = transmit(index, fd, members[index].output)
            guard count > 0 else { break }
            members[index].output.removeFirst(count)
        }
        let reading = members[index].isPaused ? 0 : POLLIN
        let isShaking = sessions[index]?.isEstablished == false
        let isFull = isShaking ? (sessions[index]?.outputCount ?? 0) > 0 : !members[index].output.isEmpty
        descriptors[index].events = Int16(isFull ? reading | POLLOUT : reading)
    }

    private func receive(_ index: Int) {
        let fd = descriptors[index].fd
        let count = obtain(index, fd)
        if count < 0, errno == EAGAIN || errno == EINTR { return }
        guard count > 0 else { return end(index, count == 0 ? "closed by the server" : "reset by the server") }
        var start = 0
        while start < count, descriptors[index].fd == fd {
            guard let length = distanceToNewline(from: start, to: count) else { break }
            if members[index].partial.isEmpty {
                buffer.withUnsafeBytes { take(UnsafeRawBufferPointer(rebasing: $0[start..<start + length]), index) }
            } else {
                let line = members[index].partial + buffer[start..<start + length]
                members[index].partial = []
                line.withUnsafeBytes { take($0, index) }
            }
            start += length + 1
        }
        if start < count, descriptors[index].fd == fd { members[index].partial += buffer[start..<count] }
        if let sender = senderOfMember[index] { pump(sender: sender) }
    }

    // MARK: TLS

    /// As send(2), through the session if there is one.
    private func transmit(_ index: Int, _ fd: Int32, _ bytes: [UInt8]) -> Int {
        guard let session = sessions[index] else {
            return bytes.withUnsafeBytes { send(fd, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        }
        if !session.isEstablished { _ = session.handshake() }
        guard push(session, fd), session.isEstablished,
            case .bytes(let count) = bytes.withUnsafeBytes({ session.write($0) })
        else { return -1 }
        _ = push(session, fd)
        return count
    }

    /// Whether the socket has taken everything.
    private func push(_ session: TLSSession, _ fd: Int32) -> Bool {
        while session.outputCount > 0 {
            let count = send(fd, session.output.baseAddress, session.outputCount, Int32(MSG_NOSIGNAL))
            guard count > 0 else { return false }
            session.consumeOutput(count)
        }
        return true
    }

    /// As recv(2) into the buffer, through the session if there is one.
    private func obtain(_ index: Int, _ fd: Int32) -> Int {
        guard let session = sessions[index] else { return recv(fd, &buffer, buffer.count, 0) }
        // What is plain is shorter than what is not.
        let count = recv(fd, &buffer, buffer.count, 0)
        guard count > 0 else { return count }
        buffer[..<count].withUnsafeBytes { session.feed($0) }
        if !session.isEstablished {
            _ = session.handshake()
            if session.isEstablished { flush(index) }
        }
        var filled = 0
        while session.isEstablished, filled < buffer.count,
            case .bytes(let more) = buffer[filled...].withUnsafeMutableBytes({ session.read(into: $0) })
        { filled += more }
        _ = push(session, fd)
        if let failure = session.failure { violate("client \(index): TLS: \(failure)") }
        if filled == 0 { errno = EAGAIN }
        return filled == 0 ? -1 : filled
    }

    private func distanceToNewline(from start: Int, to end: Int) -> Int? {
        buffer.withUnsafeBytes { bytes -> Int? in
            guard let base = bytes.baseAddress, let found = memchr(base + start, 10, end - start) else { return nil }
            return UnsafeRawPointer(found) - (base + start)
        }
    }

    private func end(_ index: Int, _ how: String) {
        close(descriptors[index].fd)
        descriptors[index].fd = -1
        members[index].state = .closed
        violate("client \(index): \(how)")
    }

    private func violate(_ what: String) {
        violationCount += 1
        if violations.count < 20 { violations.append(what) }
    }

    // MARK: Lines

    private func take(_ line: UnsafeRawBufferPointer, _ index: Int) {
        if let from = Self.number(after: #""from":"#, in: line), let n = Self.number(after: #""n":"#, in: line),
            Self.contains("ACTIVITY_BROADCAST", line)
        {
            guard members[index].state == .loggedIn else { return violate("client \(index): a broadcast before login") }
            deliveries += 1
            return deliver(from: from, number: Int32(n), to: index)
        }
        do { try takeControl(Reply(line: Array(line)), index) } catch { violate("client \(index): \(error)") }
    }

    private func deliver(from: Int, number: Int32, to index: Int) {
        guard senders.indices.contains(from) else { return violate("client \(index): unknown sender \(from)") }
        let last = members[index].last[from]
        let isNext = last == Self.unseen ? number <= members[index].firstAtMost[from] : number == last + 1
        if !isNext { violate("client \(index): number \(number) of sender \(from) after \(last)") }
        if number > last {
            outstanding -= Int(number - max(0, last))
            members[index].last[from] = number
        }
    }

    private func takeControl(_ reply: Reply, _ index: Int) throws {
        switch reply.command {
        case "LOGIN_SUCCESS":
            members[index].state = .loggedIn
            // After a move it is owed what came since its first login; a fresh one only what is sent from now on.
            if !members[index].hasBeenLoggedIn { members[index].firstAtMost = senders.map { $0.sent + 1 } }
            members[index].hasBeenLoggedIn = true
        case "REDIRECT":
            let port = reply.json["port"]?.integer ?? 0
            if port == members[index].port { violate("client \(index): redirected to the same server") }
            members[index].redirects += 1
            close(descriptors[index].fd)
            try connect(index, host: reply.json["hostname"]?.string ?? "", port: port)
        case "ACTIVITY_BROADCAST": break
        default: violate("client \(index): \(reply)")
        }
    }

    private static func find(_ text: StaticString, _ line: UnsafeRawBufferPointer) -> Int? {
        guard let base = line.baseAddress else { return nil }
        let length = text.utf8CodeUnitCount
        var position = 0
        while position + length <= line.count {
            let rest = line.count - length - position + 1
            guard let found = memchr(base + position, Int32(text.utf8Start[0]), rest) else { return nil }
            if memcmp(found, text.utf8Start, length) == 0 { return UnsafeRawPointer(found) - base }
            position = UnsafeRawPointer(found) - base + 1
        }
        return nil
    }

    private static func contains(_ text: StaticString, _ line: UnsafeRawBufferPointer) -> Bool {
        find(text, line) != nil
    }

    private static func number(after text: StaticString, in line: UnsafeRawBufferPointer) -> Int? {
        guard let start = find(text, line) else { return nil }
        var position = start + text.utf8CodeUnitCount
        var value = 0
        let first = position
        while position < line.count, line[position] >= 48, line[position] <= 57, value < 1 << 40 {
            value = value * 10 + Int(line[position] - 48)
            position += 1
        }
        return position > first ? value : nil
    }
}
