import Codecs
import Testing

@testable import Node

/// A link until both ends know each other: proof, introduction, and who is refused why.
@Suite struct HandshakeTests {
    private let nonce = [UInt8](repeating: 7, count: 32)

    private func introduction(
        _ id: ServerID = Peers.id(1), at address: PeerAddress = Peers.address(1),
        known: ServerID = ServerID(startStamp: 0, random: 0)
    ) -> PeerFrame {
        .introduction(
            PeerFrame.Introduction(
                id: id, address: address, networkTime: 1_700_000_000_000, known: known))
    }

    @Test func `two that know the secret prove it, introduce themselves and level`() throws {
        let desk = Desk()
        let link = desk.accept()
        #expect(desk.heard(over: link) == [.preamble])
        var (handshake, hello) = Handshake.dialling(nonce: nonce)
        desk.say(Preamble.bytes, over: link)
        desk.say(hello, over: link)
        let heard = desk.heard(over: link)
        guard case .frame(let challenge) = try #require(heard.first), heard.count == 1,
            case .send(let proof) = handshake.handle(
                challenge, nonce: [], secrets: [Wires.secret], cryptography: Desk.cryptography)
        else {
            Issue.record("no challenge but \(heard)")
            return
        }
        desk.say(proof, over: link)
        guard case .frame(let welcome) = try #require(desk.heard(over: link).first),
            case .proven(nil) = handshake.handle(
                welcome, nonce: [], secrets: [Wires.secret], cryptography: Desk.cryptography)
        else {
            Issue.record("no welcome")
            return
        }
        desk.say(introduction(), over: link)
        let answer = PeerFrame.Introduction(
            id: desk.node.id, address: Desk.address, networkTime: 1_700_000_000_000)
        let entries = [desk.node.id, Peers.id(1)].map { PeerFrame.Level.Entry(origin: $0, held: 0, oldest: 1) }
        #expect(
            desk.heard(over: link).prefix(2) == [
                .frame(.introduction(answer)),
                .frame(.level(PeerFrame.Level(registryDigest: RegistryDigest(), entries: entries))),
            ])
    }

    @Test func `a wrong secret is refused, and nothing was told before`() {
        let desk = Desk()
        let link = desk.prove(secret: Array("another".utf8))
        #expect(
            desk.heard(over: link) == [
                .frame(.refusal(.wrongSecret, text: "the network's secret is another one"))
            ])
        #expect(desk.closed[link] == .wrongSecret)
    }

    @Test func `the dialler refuses an acceptor that does not know the secret`() {
        let wires = Wires()
        wires.add()
        wires.add(bootstrap: 0, secret: Array("another".utf8))
        #expect(
            wires.reports[1].contains(
                .joinRefused(wires.address(0), .wrongSecret, "the network's secret is another one")))
        #expect(wires.nodes[0].statistics.members == 1)
    }

    /// A server between the two, with a channel to each, hands everything on as it is.
    @Test(arguments: [([1, 2], [1, 2], true), ([1, 2], [1, 3], false), ([], [1, 2], false)])
    func `a proof is good for its channel alone`(here: [UInt8], there: [UInt8], isProven: Bool) throws {
        var (dialler, frame) = Handshake.dialling(nonce: nonce)
        var acceptor = Handshake.accepting()
        (dialler.binding, acceptor.binding) = (here, there)
        var turns = [acceptor, dialler, acceptor]
        for index in turns.indices {
            if index == 2 { turns[2] = turns[0] }
            let result = turns[index].handle(
                frame, nonce: nonce, secrets: [Wires.secret], cryptography: Desk.cryptography)
            switch (index, result) {
            case (0...1, .send(let next)): frame = next
            case (2, .proven): #expect(isProven)
            case (2, .refuse(.wrongSecret, _, _)): #expect(!isProven)
            default: Issue.record("\(index): \(result)")
            }
        }
    }

    @Test func `a proof sent back to who made it is refused`() {
        // The dialler's own proof as the acceptor's welcome.
        var (dialler, _) = Handshake.dialling(nonce: nonce)
        guard
            case .send(.proof(let proof)) = dialler.handle(
                .challenge(version: 1, nonce: nonce), nonce: [], secrets: [Wires.secret],
                cryptography: Desk.cryptography)
        else {
            Issue.record("no proof")
            return
        }
        let result = dialler.handle(
            .welcome(proof), nonce: [], secrets: [Wires.secret], cryptography: Desk.cryptography)
        guard case .refuse(.wrongSecret, .wrongSecret, _) = result else {
            Issue.record("a reflected proof passed: \(result)")
            return
        }
    }

    @Test func `a version that is not spoken here is refused in words`() {
        let desk = Desk()
        let link = desk.accept()
        desk.say(Preamble.bytes, over: link)
        let (own, theirs) = (PeerFrame.versions, PeerFrame.versions.upperBound + 1)
        desk.say(.hello(versions: theirs...99, nonce: nonce), over: link)
        let text = "it speaks versions \(theirs) to 99, this server \(own.lowerBound) to \(own.upperBound)"
        #expect(desk.heard(over: link) == [.preamble, .frame(.refusal(.version, text: text))])
        #expect(desk.reports.last == .linkRefused(link, .version, remote: nil, text: text))
        #expect(desk.closed[link] == .versionMismatch)
    }

    @Test func `a range of versions around ours is taken`() {
        let desk = Desk()
        let link = desk.accept()
        desk.say(Preamble.bytes, over: link)
        desk.say(.hello(versions: 0...9, nonce: nonce), over: link)
        guard case .frame(.challenge(PeerFrame.versions.upperBound, _)) = desk.heard(over: link).last else {
            Issue.record("no challenge")
            return
        }
    }

    @Test(arguments: [
        PeerFrame.proof([UInt8](repeating: 0, count: 32)), .welcome([UInt8](repeating: 0, count: 32)), .heartbeat,
        .stateEnd, .want(true), .challenge(version: 1, nonce: [UInt8](repeating: 0, count: 32)), .claims([]),
    ])
    func `a frame out of turn ends the link`(frame: PeerFrame) {
        let desk = Desk()
        let link = desk.accept()
        desk.say(Preamble.bytes, over: link)
        desk.say(frame, over: link)
        #expect(desk.closed[link] == .unexpectedFrame)
        let proven = desk.prove()
        desk.say(frame, over: proven)
        #expect(desk.closed[proven] == .unexpectedFrame)
    }

    @Test func `a frame over 512 bytes before the proof is not waited for`() {
        let desk = Desk()
        let link = desk.accept()
        desk.say(Preamble.bytes + [1, 2, 0, 0, 1], over: link)
        #expect(desk.closed[link] == .frameTooLong)
    }

    @Test(arguments: ["{\"command\":\"LOGIN\"}\n", "GET / HTTP/1.1\r\n", "\u{16}\u{03}\u{01}"])
    func `what is no server is not answered`(text: String) {
        let desk = Desk()
        let link = desk.accept()
        _ = desk.heard(over: link)
        desk.say(Array(text.utf8), over: link)
        #expect(desk.heard(over: link) == [])
        #expect(desk.closed[link] == .notAPeer)
    }

    @Test func `who says nothing for five seconds is closed`() {
        let desk = Desk()
        let silent = desk.accept()
        let proven = desk.prove()
        desk.pass(milliseconds: 4900)
        #expect(desk.closed.isEmpty)
        desk.pass(milliseconds: 600)
        #expect(desk.closed == [silent: .handshakeTimeout, proven: .handshakeTimeout])
    }

    // MARK: Who is it

    @Test func `two that dial each other keep one link, the same at both ends`() {
        let wires = Wires()
        wires.cut = [[0, 1]]
        wires.add()
        wires.add(bootstrap: 0)
        wires.pass(milliseconds: 2000)
        for way in [(0, 1), (1, 0)] { wires.hold(way.0, way.1) }
        wires.cut = []
        wires.pass(milliseconds: 6000)
        for way in [(0, 1), (1, 0)] { wires.release(way.0, way.1) }
        wires.pass(milliseconds: 1000)
        // Now both know each other and both dial after a break.
        wires.breakWires(between: 0, and: 1)
        wires.pass(milliseconds: 10_000)
        #expect(wires.neighbours(of: 0) == [1])
        #expect(wires.nodes.map(\.statistics.links) == [1, 1])
        #expect(wires.nodes.map(\.statistics.members) == [2, 2])
    }

    @Test(arguments: [true, false])
    func `of two dials that cross, the one of the smaller server stays`(isOursSmaller: Bool) throws {
        // The desk dials the peer, and the peer dials the desk.
        let desk = Desk(bootstrap: Peers.address(1))
        let dial = try #require(
            desk.takeOutputs().compactMap { if case .dial(let id, _) = $0 { id } else { nil } }.first)
        let peer = ServerID(startStamp: isOursSmaller ? .max : 1, random: 1)
        let accepted = desk.join(peer, at: Peers.address(1))
        let dialled = desk.accept(dial: dial)
        let hello = desk.heard(over: dialled)
        var acceptor = Handshake.accepting()
        guard case .frame(let first) = hello.last,
            case .send(let challenge) = acceptor.handle(
                first, nonce: nonce, secrets: [Wires.secret], cryptography: Desk.cryptography)
        else {
            Issue.record("no hello")
            return
        }
        desk.say(Preamble.bytes, over: dialled)
        desk.say(challenge, over: dialled)
        guard case .frame(let proof) = desk.heard(over: dialled).last,
            case .proven(.some(let welcome)) = acceptor.handle(
                proof, nonce: nonce, secrets: [Wires.secret], cryptography: Desk.cryptography)
        else {
            Issue.record("no proof")
            return
        }
        desk.say(welcome, over: dialled)
        desk.say(introduction(peer), over: dialled)
        #expect(desk.closed == [isOursSmaller ? accepted : dialled: .duplicateLink])
    }

    @Test func `a server that dials itself stops at once`() {
        let wires = Wires()
        wires.add { $0.bootstrap = PeerAddress(host: "node0", port: 3780) }
        wires.pass(milliseconds: 60_000)
        #expect(wires.neighbours(of: 0) == [])
        let refusals = wires.reports[0].filter { if case .joinRefused(_, .oneself, _) = $0 { true } else { false } }
        #expect(refusals.count == 1)
    }

    @Test func `the address of a living server is refused to a newcomer`() {
        let desk = Desk()
        _ = desk.join(Peers.id(1), at: Peers.address(1))
        let second = desk.prove()
        _ = desk.heard(over: second)
        desk.say(introduction(Peers.id(2)), over: second)
        #expect(
            desk.heard(over: second) == [
                .frame(
                    .refusal(.addressTaken, text: "peer1:3780 is held by the living server \(Peers.id(1))"))
            ])
        #expect(desk.closed[second] == .addressTaken)
    }

    @Test func `a newcomer takes the address of a server that has gone silent`() {
        let desk = Desk()
        _ = desk.join(Peers.id(1), at: Peers.address(1))
        desk.pass(milliseconds: 2500)
        let second = desk.prove()
        desk.say(introduction(Peers.id(2)), over: second)
        #expect(desk.closed[second] == nil)
        #expect(desk.reports.contains(.memberDeparted(Peers.id(1), Peers.address(1), .succeeded)))
    }

    @Test func `a server whose clock went back takes a higher rank and joins`() {
        let wires = Wires()
        wires.add()
        wires.add(bootstrap: 0, wallClock: 1_700_000_500_000)
        wires.drop(wires.register("ada", at: 0))
        wires.pass(milliseconds: 1000)
        let old = wires.nodes[1].id
        wires.kill(1)
        wires.pass(milliseconds: 100)
        wires.restart(1, bootstrap: 0, wallClock: 1_600_000_000_000)
        let client = wires.login("ada", at: 1)
        wires.pass(milliseconds: 2000)
        #expect(wires.nodes[1].id < old)
        #expect(wires.nodes[1].ownRank > old.startStamp)
        #expect(wires.nodes.map(\.statistics.members) == [2, 2])
        // It must not have served before it had the state: ada would have been unknown.
        #expect(wires.reports[1].contains(.ready(alone: false)))
        #expect(!wires.reports[1].contains(.ready(alone: true)))
        #expect(wires.commands(client) == ["LOGIN_SUCCESS"])
    }
}
