import CEpollShim
import Glibc
import TLS
import Testing

@testable import Reactor

/// A reactor that dials and one that listens, turned by the test.
private final class Ends {
    let dialler: Harness
    let acceptor: Harness
    private(set) var dialled = ConnectionID(rawValue: 0)
    /// What TLS said at the end of a connection.
    private final class Texts { var dialler = "", acceptor = "" }
    private let texts = Texts()

    var diallerText: String { texts.dialler }
    var acceptorText: String { texts.acceptor }
    var accepted: ConnectionID { acceptor.handler.accepted.first ?? ConnectionID(rawValue: 0) }

    init(
        dialler: TLSContext?, acceptor: TLSContext?, name: String = "red",
        _ change: (inout ReactorConfiguration) -> Void = { _ in }
    ) throws {
        self.dialler = try Harness(change)
        self.acceptor = try Harness(change)
        self.dialler.reactor.tls.links = dialler
        self.acceptor.reactor.tls.links = acceptor
        self.dialler.handler.onClosed = { [texts] id, reactor in texts.dialler = reactor.tlsFailure(of: id) ?? "" }
        self.acceptor.handler.onClosed = { [texts] id, reactor in texts.acceptor = reactor.tlsFailure(of: id) ?? "" }
        let listener = try self.acceptor.reactor.listen(on: .loopback(port: 0))
        let address = self.acceptor.reactor.localAddress(of: listener)
        dialled = try self.dialler.reactor.dial(
            try #require(address), tlsName: dialler == nil ? nil : name, deadlineMilliseconds: 10_000)
    }

    func until(_ comment: Comment, _ condition: () -> Bool) throws {
        let limit = SystemClock.monotonicNanoseconds + 20_000_000_000
        while !condition() {
            try #require(SystemClock.monotonicNanoseconds < limit, comment)
            try dialler.turn(1)
            try acceptor.turn(1)
        }
    }

    var areSecured: Bool {
        dialler.reactor.isSecured(dialled) && acceptor.reactor.isSecured(accepted)
    }

    var isOver: Bool { dialler.handler.closed[dialled] != nil && !acceptor.handler.closed.isEmpty }
    var diallerReason: CloseReason? { dialler.handler.closed[dialled] }
    var acceptorReason: CloseReason? { acceptor.handler.closed[accepted] }
}

private func secured(_ change: (inout ReactorConfiguration) -> Void = { _ in }) throws -> Ends {
    let ends = try Ends(
        dialler: try Certificates.context("one/blue"), acceptor: try Certificates.context("one/red"), change)
    try ends.until("secured") { ends.areSecured }
    return ends
}

@Suite struct TLSTests {
    @Test func costsAPlainConnectionNoMemory() { #expect(MemoryLayout<Connection>.size == 56) }

    @Test func agreesAndKnowsTheOtherEnd() throws {
        let ends = try secured()
        #expect(ends.dialler.handler.events == [.connected(ends.dialled)])
        let names = (
            ends.dialler.reactor.peerName(of: ends.dialled), ends.acceptor.reactor.peerName(of: ends.accepted)
        )
        #expect(names.0 == "red" && names.1 == "blue")
        let keys = (
            ends.dialler.reactor.exportedKey(of: ends.dialled, label: "EXPORTER-test"),
            ends.acceptor.reactor.exportedKey(of: ends.accepted, label: "EXPORTER-test")
        )
        #expect(keys.0 != nil && keys.0 == keys.1)
        let another = try secured()
        let other = another.dialler.reactor.exportedKey(of: another.dialled, label: "EXPORTER-test")
        #expect(other != nil && other != keys.0, "the key is of this channel alone")
    }

    @Test func carriesBytesAndTellsTheEnd() throws {
        let ends = try secured()
        ends.acceptor.handler.onReceived = { id, bytes, atEnd, reactor in
            reactor.send(id, bytes)
            if atEnd { reactor.finish(id, .peerEnded, lingerMilliseconds: 5_000, keepReading: false) }
            return bytes.count
        }
        ends.dialler.reactor.send(ends.dialled, Array("hello\n".utf8))
        ends.dialler.reactor.finish(ends.dialled, .finished, lingerMilliseconds: 10_000, keepReading: true)
        try ends.until("over") { ends.isOver }
        #expect(ends.dialler.handler.input[ends.dialled] == Array("hello\n".utf8))
        #expect(ends.diallerReason == .finished && ends.acceptorReason == .peerEnded)
        #expect(ends.diallerText == "" && ends.acceptorText == "")
    }

    @Test func servesPlainConnectionsOnTheSamePort() throws {
        let ends = try Ends(dialler: nil, acceptor: try Certificates.context("one/red"))
        try ends.until("connected") { ends.dialler.handler.events == [.connected(ends.dialled)] }
        ends.dialler.reactor.send(ends.dialled, Array("plain\n".utf8))
        try ends.until("received") { ends.acceptor.handler.input[ends.accepted] == Array("plain\n".utf8) }
        #expect(!ends.areSecured)
    }

    // MARK: Refusals

    @Test func theDiallerRefusesAnotherAuthority() throws {
        let ends = try Ends(
            dialler: try Certificates.context("one/blue", trusting: "two"),
            acceptor: try Certificates.context("one/red"))
        try ends.until("over") { ends.isOver }
        #expect(ends.diallerReason == .tlsFailed && ends.acceptorReason == .tlsFailed)
        #expect(ends.diallerText.contains("not accepted"), "\(ends.diallerText)")
        #expect(ends.acceptorText.contains("the other end refuses"), "\(ends.acceptorText)")
        #expect(!ends.dialler.handler.events.contains(.connected(ends.dialled)))
    }

    @Test func theAcceptorRefusesAnotherAuthority() throws {
        let ends = try Ends(
            dialler: try Certificates.context("two/blue", trusting: "one"),
            acceptor: try Certificates.context("one/red"))
        try ends.until("over") { ends.isOver }
        #expect(ends.diallerReason == .tlsFailed && ends.acceptorReason == .tlsFailed)
        #expect(ends.diallerText.contains("the other end refuses"), "\(ends.diallerText)")
        #expect(ends.acceptorText.contains("not accepted"), "\(ends.acceptorText)")
    }

    @Test(arguments: [("green", true), ("127.0.0.2", true), ("localhost", false), ("127.0.0.1", false)])
    func theNameMustBeTheDialledOne(_ name: String, isRefused: Bool) throws {
        let ends = try Ends(
            dialler: try Certificates.context("one/blue"), acceptor: try Certificates.context("one/red"), name: name)
        try ends.until("settled") { isRefused ? ends.isOver : ends.areSecured }
        guard isRefused else { return }
        #expect(ends.diallerReason == .tlsFailed && ends.acceptorReason == .tlsFailed)
        #expect(ends.diallerText.contains("mismatch"), "\(ends.diallerText)")
        #expect(ends.acceptorText.contains("the other end refuses"), "\(ends.acceptorText)")
    }

    @Test func anExpiredCertificateIsRefused() throws {
        let ends = try Ends(
            dialler: try Certificates.context("one/blue"), acceptor: try Certificates.context("one/old"), name: "old")
        try ends.until("over") { ends.isOver }
        #expect(ends.diallerText.contains("expired") && ends.acceptorText.contains("expired"))
    }

    @Test func aDialledServerWithoutTLSIsRefused() throws {
        let ends = try Ends(dialler: try Certificates.context("one/blue"), acceptor: nil)
        ends.acceptor.handler.onReceived = { id, bytes, _, reactor in
            reactor.send(id, Array(#"{"command":"INVALID_MESSAGE"}"#.utf8))
            reactor.finish(id, .peerEnded, lingerMilliseconds: 100, keepReading: false)
            return bytes.count
        }
        try ends.until("over") { ends.isOver }
        #expect(ends.diallerReason == .tlsFailed)
        #expect(ends.diallerText.contains("does not speak TLS"), "\(ends.diallerText)")
    }

    @Test func aHandshakeThatStandsStillIsOver() throws {
        let harness = try Harness { $0.tlsHandshakeMilliseconds = 30 }
        harness.reactor.tls.links = try Certificates.context("one/red")
        let (id, peer) = try harness.tcp()
        try peer.write([0x16, 0x03])
        try harness.until { harness.handler.closed[id] != nil }
        #expect(harness.handler.closed[id] == .tlsTimedOut)
        #expect(harness.reactor.tlsSessions.isEmpty)
    }

    @Test func anEndWithoutAWordIsACut() throws {
        let ends = try secured()
        // The dialler's end is closed behind its back, as if somebody on the way had forged the end of the stream.
        _ = ces_shutdown_write(ends.dialler.reactor.connections[Int(ends.dialled.slot)].fd)
        try ends.until("over") { !ends.acceptor.handler.closed.isEmpty }
        #expect(ends.acceptorReason == .tlsTruncated)
        #expect(ends.acceptorText.contains("cut"))
        let wasShownAnEnd = ends.acceptor.handler.events.contains {
            if case .received(_, _, _, true) = $0 { true } else { false }
        }
        #expect(!wasShownAnEnd)
        #expect(ends.acceptor.reactor.tlsSessions.isEmpty && ends.acceptor.reactor.tlsFailures.isEmpty)
    }

    @Test func bytesThatWereChangedOnTheWayEndIt() throws {
        let ends = try secured()
        let fd = ends.dialler.reactor.connections[Int(ends.dialled.slot)].fd
        let forged: [UInt8] = [0x17, 0x03, 0x03, 0x00, 0x20] + [UInt8](repeating: 7, count: 32)
        #expect(ces_send(fd, forged, forged.count) == forged.count)
        try ends.until("over") { !ends.acceptor.handler.closed.isEmpty }
        #expect(ends.acceptorReason == .tlsFailed && ends.acceptor.handler.input.isEmpty)
    }

    // MARK: Amounts

    /// A small receive buffer leaves bytes inside of the session, small buffers of the kernel make every write short.
    @Test(arguments: [1_000, 64 << 10])
    func carriesMuchBothWaysThroughNarrowPipes(readBudget: Int) throws {
        let ends = try secured { configuration in
            configuration.readBudget = readBudget
            configuration.outputLimit = 16 << 20
        }
        for fd in [
            ends.dialler.reactor.connections[Int(ends.dialled.slot)].fd,
            ends.acceptor.reactor.connections[Int(ends.accepted.slot)].fd,
        ] {
            var size: Int32 = 4_096
            setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, socklen_t(MemoryLayout<Int32>.size))
            setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        }
        let count = 300_000
        let there = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 ^ $0 >> 8) }
        let back = Array(there.reversed())
        // The acceptor pauses after each read and is resumed by the test.
        ends.acceptor.handler.onReceived = { id, bytes, _, reactor in
            reactor.pauseReading(id)
            return bytes.count
        }
        ends.dialler.reactor.send(ends.dialled, there)
        ends.acceptor.reactor.send(ends.accepted, back)
        try ends.until("all has come") {
            ends.acceptor.reactor.resumeReading(ends.accepted)
            return ends.acceptor.handler.input[ends.accepted]?.count == count
                && ends.dialler.handler.input[ends.dialled]?.count == count
        }
        #expect(ends.acceptor.handler.input[ends.accepted] == there)
        #expect(ends.dialler.handler.input[ends.dialled] == back)
        #expect(ends.dialler.reactor.statistics.partialWrites > 0)
        #expect(ends.dialler.unsent(ends.dialled) == 0)
    }

    /// One by one or many in a call of the kernel, which may take less than it is offered.
    @Test(arguments: [true, false], [nil, 4_096] as [Int32?])
    func aSubscriberUnderTLSFollowsTheRing(inBatches: Bool, buffer: Int32?) throws {
        let ends = try secured { $0.batchesSends = inBatches }
        let fd = ends.acceptor.reactor.connections[Int(ends.accepted.slot)].fd
        if var size = buffer {
            setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        }
        let follows = ends.acceptor.reactor.subscribe(ends.accepted)
        #expect(follows)
        var expected: [UInt8] = []
        // Small and large shares, up to more than is sealed at once.
        for count in [1, 3, 200, 600, 1, 1_000] {
            let news = (0..<count).flatMap { line($0) }
            expected += news
            ends.acceptor.reactor.publish(news)
            if count < 10 {
                try ends.until("the lines") { ends.dialler.handler.input[ends.dialled]?.count == expected.count }
            }
        }
        try ends.until("all lines") { ends.dialler.handler.input[ends.dialled]?.count == expected.count }
        #expect(ends.dialler.handler.input[ends.dialled] == expected)
        if buffer != nil { #expect(ends.acceptor.reactor.statistics.partialWrites > 0) }
    }

    @Test func bytesInsideOfAPausedSessionAreNotLost() throws {
        let ends = try secured { $0.readBudget = 100 }
        ends.acceptor.handler.onReceived = { id, bytes, _, reactor in
            reactor.pauseReading(id)
            return bytes.count
        }
        // One record: after the first read the socket is quiet for ever.
        ends.dialler.reactor.send(ends.dialled, [UInt8](repeating: 0x61, count: 1_000))
        try ends.until("the first part") { ends.acceptor.handler.input[ends.accepted]?.count == 100 }
        for _ in 0..<5 { try ends.acceptor.turn() }
        #expect(ends.acceptor.handler.input[ends.accepted]?.count == 100, "paused")
        try ends.until("the rest") {
            ends.acceptor.reactor.resumeReading(ends.accepted)
            return ends.acceptor.handler.input[ends.accepted]?.count == 1_000
        }
    }
}

/// Clients at a listening reactor, by hand: sessions over sockets, without a reactor of their own.
private final class Visitors {
    let harness: Harness
    private(set) var all: [(peer: Peer, session: TLSSession)] = []

    init(_ change: (inout ReactorConfiguration) -> Void = { _ in }) throws {
        harness = try Harness(change)
        harness.reactor.tls.clients = try TLSContext(server: try Certificates.identity("one/red"))
    }

    func come(_ count: Int) throws {
        let context = try TLSContext(client: try Certificates.path("one/ca.pem"))
        for _ in 0..<count {
            all.append((try harness.tcp().peer, try TLSSession(dialling: "red", context, isLink: false)))
        }
    }

    /// What each has to say goes out, what has come goes in.
    func step() throws {
        for (peer, session) in all where session.failure == nil {
            if !session.isEstablished { _ = session.handshake() }
            if session.outputCount > 0 { session.consumeOutput(peer.offer(Array(session.output))) }
            if let bytes = peer.read(), !bytes.isEmpty { bytes.withUnsafeBytes { session.feed($0) } }
        }
    }

    func until(_ comment: Comment, _ condition: () -> Bool) throws {
        let limit = SystemClock.monotonicNanoseconds + 20_000_000_000
        while !condition() {
            try #require(SystemClock.monotonicNanoseconds < limit, comment)
            try step()
            try harness.turn(1)
        }
    }

    var handshakes: Int { Int(harness.reactor.statistics.tlsHandshakes) }
    var underWay: Int { harness.reactor.statistics.tlsHandshakesUnderWay }
}

@Suite struct TLSBudgetTests {
    /// A crowd of handshakes is spread over turns, so that who is connected is served between them.
    @Test func aTurnHasABudgetOfHandshakes() throws {
        let visitors = try Visitors { $0.turnEventMicroseconds = 1 }
        try visitors.come(6)
        var before = 0
        try visitors.until("all are secured") {
            #expect(visitors.handshakes - before <= 1, "one event, and the time is used up")
            before = visitors.handshakes
            return visitors.handshakes == 6
        }
        #expect(visitors.harness.reactor.statistics.turnsCut > 0 && visitors.underWay == 0)
    }

    /// Those that do not go on give way to those that do.
    @Test func theOldestOfTooManyHandshakesGivesWay() throws {
        let visitors = try Visitors { $0.tlsHandshakesMax = 2 }
        let harness = visitors.harness
        let silent = try (0..<3).map { _ in try harness.tcp() }
        for (_, peer) in silent {
            try peer.write([0x16, 0x03, 0x01])
            for _ in 0..<3 { try harness.turn() }
        }
        try harness.until { harness.handler.closed[silent[0].id] == .tlsCrowdedOut }
        #expect(visitors.underWay == 2 && harness.handler.closed.count == 1)
        try visitors.come(1)
        try visitors.until("the one that goes on is secured") { visitors.handshakes == 1 }
        #expect(harness.handler.closed[silent[1].id] == .tlsCrowdedOut && harness.isOpen(silent[2].id))
        silent[2].peer.close()
        try harness.until { harness.handler.closed[silent[2].id] == .tlsFailed }
        #expect(visitors.underWay == 0)
    }

    /// The time for the handshake is not one for what comes after it.
    @Test func theDeadlineOfTheHandshakeEndsWithIt() throws {
        let visitors = try Visitors { $0.tlsHandshakeMilliseconds = 3_600_000 }
        try visitors.come(1)
        try visitors.until("it begins") { visitors.underWay == 1 }
        #expect(visitors.harness.hasDeadline)
        try visitors.until("secured") { visitors.handshakes == 1 }
        #expect(!visitors.harness.hasDeadline)
    }

    /// Whatever the order in which things go: sockets, sessions, contexts, the reactor.
    @Test func everyOrderOfEndingIsSafe() throws {
        let visitors = try Visitors()
        let harness = visitors.harness
        try visitors.come(3)
        try visitors.until("secured") { visitors.handshakes == 3 }
        // Closed by the handler, in the midst of its own bytes and in the midst of another's.
        let accepted = harness.handler.accepted
        harness.handler.onReceived = { id, bytes, _, reactor in
            for other in accepted { reactor.close(other, .finished) }
            return bytes.count
        }
        harness.reactor.tls = TLSSetup()
        let session = visitors.all[0].session
        let said = Array("x".utf8).withUnsafeBytes { session.write($0) }
        guard case .bytes(1) = said else { throw TestFailure() }
        try visitors.until("all closed") { harness.handler.closed.count == 3 }
        #expect(harness.reactor.tlsSessions.isEmpty && visitors.underWay == 0)
        // The reactor goes with sessions in it, one of them in the midst of its handshake.
        let more = try Visitors()
        try more.come(1)
        try more.until("secured") { more.handshakes == 1 }
        try more.come(1)
        try more.until("begun") { more.underWay == 1 }
    }

    @Test func policiesOfClientsAndLinksAreApart() throws {
        let visitors = try Visitors()
        visitors.harness.reactor.tls = TLSSetup(links: try Certificates.context("one/red"))
        try visitors.come(1)
        try visitors.until("refused") {
            visitors.harness.handler.closed.count == 1 && visitors.all[0].session.failure != nil
        }
        #expect(visitors.all[0].session.failure?.contains("access denied") == true)
    }
}

private struct TestFailure: Error {}
