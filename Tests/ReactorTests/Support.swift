import CEpollShim
import Glibc
import Testing

@testable import Reactor

/// Writes down what it is told; what it does is set by the test.
struct Recorder: ReactorHandler {
    enum Event: Equatable {
        case accepted(ConnectionID)
        case connected(ConnectionID)
        case received(ConnectionID, String, seen: Int, atEnd: Bool)
        case closed(ConnectionID, CloseReason)
        case signalled(Int32)
        case hungUp(ConnectionID)
        case woken
        case timer(UInt64)
    }

    var events: [Event] = []
    var accepted: [ConnectionID] = []
    var closed: [ConnectionID: CloseReason] = [:]
    var input: [ConnectionID: [UInt8]] = [:]
    /// Sizes of the spans that were shown.
    var shown: [Int] = []
    var peers: [SocketAddress] = []
    /// Consumes everything unless the test says otherwise.
    var onReceived: (ConnectionID, [UInt8], Bool, inout Reactor) -> Int = { _, bytes, _, _ in bytes.count }
    var onClosed: (ConnectionID, inout Reactor) -> Void = { _, _ in }
    var onOverdue: (ConnectionID, inout Reactor) -> Void = { _, _ in }
    var onTimer: (UInt64, inout Reactor) -> Void = { _, _ in }
    var onTurnEnding: (inout Reactor) -> Void = { _ in }

    mutating func accepted(
        _ id: ConnectionID, from peer: SocketAddress, listener: ListenerID, in reactor: inout Reactor
    ) {
        events.append(.accepted(id))
        accepted.append(id)
        peers.append(peer)
    }

    mutating func connected(_ id: ConnectionID, in reactor: inout Reactor) { events.append(.connected(id)) }

    mutating func received(
        _ id: ConnectionID, _ bytes: Span<UInt8>, seen: Int, atEnd: Bool, in reactor: inout Reactor
    ) -> Int {
        var copy: [UInt8] = []
        for index in bytes.indices { copy.append(bytes[index]) }
        shown.append(copy.count)
        let text = copy.count > 100 ? "\(copy.count) bytes" : String(decoding: copy, as: UTF8.self)
        events.append(.received(id, text, seen: seen, atEnd: atEnd))
        let consumed = onReceived(id, copy, atEnd, &reactor)
        input[id, default: []] += copy.prefix(consumed)
        return consumed
    }

    mutating func closed(_ id: ConnectionID, reason: CloseReason, in reactor: inout Reactor) {
        #expect(closed[id] == nil, "closed is told once")
        let isOpen = reactor.isOpen(id)
        #expect(!isOpen)
        events.append(.closed(id, reason))
        closed[id] = reason
        onClosed(id, &reactor)
    }

    mutating func signalled(_ signal: Int32, in reactor: inout Reactor) { events.append(.signalled(signal)) }
    mutating func hungUp(_ id: ConnectionID, in reactor: inout Reactor) { events.append(.hungUp(id)) }
    mutating func woken(in reactor: inout Reactor) { events.append(.woken) }

    mutating func overdue(_ id: ConnectionID, _ reason: CloseReason, in reactor: inout Reactor) {
        onOverdue(id, &reactor)
    }

    mutating func timerFired(_ token: UInt64, in reactor: inout Reactor) {
        events.append(.timer(token))
        onTimer(token, &reactor)
    }

    mutating func turnEnding(in reactor: inout Reactor) { onTurnEnding(&reactor) }
}

/// A reactor and its recorder, turned by the test.
final class Harness {
    var reactor: Reactor
    var handler = Recorder()
    private(set) var listener = ListenerID(index: 0)

    init(_ change: (inout ReactorConfiguration) -> Void = { _ in }) throws {
        var configuration = ReactorConfiguration(capacity: 64)
        configuration.ringCapacity = 1 << 20
        change(&configuration)
        reactor = try Reactor(configuration)
    }

    func turn(_ milliseconds: Int = 0) throws { try reactor.turn(&handler, timeoutMilliseconds: milliseconds) }

    /// Turns until something holds; ten seconds are a failure.
    func until(_ comment: Comment = "in time", _ condition: () -> Bool) throws {
        let limit = SystemClock.monotonicNanoseconds + 10_000_000_000
        while !condition() {
            try #require(SystemClock.monotonicNanoseconds < limit, comment)
            try turn(20)
        }
    }

    /// A connection over a socket pair, and the peer's end.
    func pair(buffer: Int32? = nil) throws -> (id: ConnectionID, peer: Peer) {
        var ends: [Int32] = [0, 0]
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        try #require(socketpair(AF_UNIX, kind, 0, &ends) == 0)
        if var size = buffer {
            for end in ends { setsockopt(end, SOL_SOCKET, SO_SNDBUF, &size, socklen_t(MemoryLayout<Int32>.size)) }
        }
        return (reactor.adopt(ends[0]), Peer(fd: ends[1]))
    }

    /// A connection over TCP that was accepted, and the peer's end.
    func tcp() throws -> (id: ConnectionID, peer: Peer) {
        if reactor.listeners.isEmpty { listener = try reactor.listen(on: .loopback(port: 0)) }
        let before = handler.accepted.count
        let address = try #require(localAddress)
        let peer = try Peer(connectingTo: address)
        try until("accepted") { handler.accepted.count > before }
        return (handler.accepted[before], peer)
    }

    // Macros of the testing library cannot take a value that is not copyable.
    func isOpen(_ id: ConnectionID) -> Bool { reactor.isOpen(id) }
    func unsent(_ id: ConnectionID) -> Int { reactor.unsent(id) }
    var readyCount: Int { reactor.fanOut.readyCount }
    var hasStall: Bool { reactor.stalls.next != nil }
    var hasDeadline: Bool { reactor.deadlines.next != nil }
    var localAddress: SocketAddress? { reactor.localAddress(of: listener) }

    func flags(_ id: ConnectionID) -> ConnectionFlags { reactor.connections[Int(id.slot)].flags }
}

/// The other end of a connection: a non-blocking descriptor in the hands of the test.
final class Peer {
    private(set) var fd: Int32

    init(fd: Int32) { self.fd = fd }

    init(connectingTo address: SocketAddress) throws {
        fd = ces_tcp_socket(address.family.rawValue)
        var raw = address.raw
        let result = ces_connect(fd, &raw)
        try #require(result == 0 || result == -EINPROGRESS)
        try wait(POLLOUT)
    }

    deinit { close() }

    func close() {
        if fd >= 0 { _ = ces_close(fd) }
        fd = -1
    }

    /// Closes so that the other end sees a reset.
    func reset() {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        close()
    }

    func shutdownWrite() { _ = ces_shutdown_write(fd) }

    func write(_ text: String) throws { try write(Array(text.utf8)) }

    func write(_ bytes: [UInt8]) throws { try #require(ces_send(fd, bytes, bytes.count) == bytes.count) }

    /// As many bytes as the kernel takes.
    func offer(_ bytes: [UInt8]) -> Int { max(0, ces_send(fd, bytes, bytes.count)) }

    /// What is there now; nil at the end of the stream or after an error.
    func read() -> [UInt8]? {
        var room = [UInt8](repeating: 0, count: 1 << 18)
        let got = ces_receive(fd, &room, room.count)
        if got == -Int(EAGAIN) { return [] }
        return got > 0 ? Array(room.prefix(got)) : nil
    }

    /// The outcome of one read: a count, 0 at the end of the stream, or a negated errno.
    func readOutcome() -> Int {
        var room = [UInt8](repeating: 0, count: 1 << 18)
        return ces_receive(fd, &room, room.count)
    }

    func wait(_ event: Int32) throws {
        var poll = pollfd(fd: fd, events: Int16(event), revents: 0)
        try #require(Glibc.poll(&poll, 1, 10_000) == 1)
    }
}

func line(_ number: Int, length: Int = 100) -> [UInt8] {
    let head = Array("\(number) ".utf8)
    return head + [UInt8](repeating: UInt8(ascii: "a") + UInt8(number % 26), count: length - head.count - 1) + [0x0A]
}
