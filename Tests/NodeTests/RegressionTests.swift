import Codecs
import Testing

@testable import Node

/// Sequences of events that once went wrong.
@Suite struct RegressionTests {
    /// INTRODUCTION said "has not served"; the first client logs in before the other end's LEVEL is there.
    @Test func `a first client that comes during the handshake gets what a merge brings`() throws {
        let wires = Wires()
        wires.add()
        wires.cut = [[0, 1]]
        wires.add(bootstrap: 0)
        let sender = wires.anonymous(at: 1)
        wires.cut = []
        wires.hold(0, 1)
        wires.pass(milliseconds: 300)
        for _ in 0..<10 {
            let kinds = wires.waiting.map { piece in piece.bytes.starts(with: Preamble.bytes) ? 0 : piece.bytes[4] }
            if kinds.contains(PeerFrame.Kind.introduction.rawValue) { break }
            if !wires.deliverOne(0, 1) { wires.pass(milliseconds: 50) }
        }
        let reader = wires.anonymous(at: 0)
        wires.post("x", by: sender)
        while wires.deliverOne(0, 1) {}
        wires.release(0, 1)
        wires.pass(milliseconds: 50)
        wires.pass(milliseconds: 30_000)
        #expect(wires.texts(reader) == ["x"])
    }

    /// Two held on to a stream of which a third had never heard: all others had forgotten it before they met that one.
    @Test func `who never heard of a stream that others forgot says its end to those who still hold it`() throws {
        let desk = Desk()
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        var forgetful = Peers.announcement(1, of: 1)
        forgetful.ended = [StreamPosition(origin: Peers.id(7), seq: 3)]
        desk.say(.announcement(forgetful), over: link)
        desk.say(
            .announcement(Peers.announcement(1, of: 2, held: [StreamPosition(origin: Peers.id(7), seq: 3)])), over: link
        )
        desk.pass(milliseconds: 2 * desk.node.configuration.timing.announceInterval)
        let told = desk.heard(over: link).compactMap { item -> [StreamPosition]? in
            if case .frame(.announcement(let announcement)) = item { announcement.ended } else { nil }
        }
        #expect(told.joined().contains(StreamPosition(origin: Peers.id(7), seq: 3)))
    }

    /// A claim is lost while its session's ticket is asked for.
    @Test func `a session that is closed while its ticket is asked for stays closed`() throws {
        for isGranted in [true, false] {
            let desk = Desk()
            let link = desk.join(Peers.id(1), at: Peers.address(1))
            desk.say(.claims([Peers.claim("bob", stamp: 100, of: 2)]), over: link)
            desk.say(.announcement(Peers.announcement(1, of: 1, load: 50)), over: link)
            _ = desk.anonymous(address: 8)
            _ = desk.anonymous(address: 9)
            desk.say(.announcement(Peers.announcement(2, of: 1, load: 0, clock: 2)), over: link)
            _ = desk.heard(over: link)
            let bob = desk.connect()
            desk.say("{\"command\":\"LOGIN\",\"username\":\"bob\",\"secret\":\"s\"}\n", by: bob)
            desk.hash()
            var request: UInt64 = 0
            for case .frame(.unicast(let unicast)) in desk.heard(over: link) {
                if case .requestTicket = unicast.body { request = unicast.request }
            }
            #expect(request != 0)
            desk.say(.claims([Peers.claim("bob", stamp: 50, of: 3)]), over: link)
            #expect(desk.finished[bob] == .claimLost)
            let load = desk.node.statistics.sessions
            desk.say(
                .unicast(
                    Unicast(
                        source: Peers.id(1), destination: desk.node.id, request: request, hopLimit: 9,
                        body: .ticket(granted: isGranted ? 1 : 0, load: 0, loadClock: 3))), over: link)
            #expect(desk.replies[bob]?.count == 1)
            #expect(desk.node.statistics.sessions == load)
        }
    }

    /// A GAP on an open link steps over a claim's record; nothing brings the claim.
    @Test func `a gap loses no claims`() throws {
        let wires = Wires()
        let change: (inout NodeConfiguration) -> Void = {
            $0.limits.linkWindowBytes = 1024
            $0.limits.storeBytes = 100_000
        }
        wires.add(change: change)
        wires.add(bootstrap: 0, change: change)
        wires.pass(milliseconds: 1000)
        let a = wires.anonymous(at: 0)
        _ = wires.anonymous(at: 1, address: 2)
        wires.hold(1, 0)
        for n in 0..<40 { wires.post("fill\(n)" + String(repeating: "x", count: 100), by: a) }
        // registers with no answer from node 1
        _ = wires.register("bob", at: 0)
        wires.pass(milliseconds: 2000)
        for n in 0..<2500 { wires.post("more\(n)" + String(repeating: "x", count: 100), by: a) }
        let claims0 = wires.nodes[0].statistics.claims
        while wires.deliverOne(1, 0) {}
        wires.release(1, 0)
        wires.pass(milliseconds: 60_000)
        #expect(wires.nodes[1].statistics.claims == claims0)
    }

    /// A GAP for a stream that waits for a dependency throws away held records that were not delivered.
    @Test func `what is held is delivered before a gap is stepped over`() throws {
        let desk = Desk()
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        _ = desk.anonymous()
        let claim = Peers.claim("bob").id
        desk.say(
            Peers.records(
                Peers.id(1), from: 1, ["a"], claim: claim, dependency: StreamPosition(origin: Peers.id(2), seq: 1)),
            over: link)
        desk.say(Peers.records(Peers.id(1), from: 2, ["b", "c"]), over: link)
        #expect(desk.published.isEmpty)
        desk.say(.gap(StreamPosition(origin: Peers.id(1), seq: 10)), over: link)
        desk.say(Peers.records(Peers.id(2), from: 1, ["first"]), over: link)
        desk.pass(milliseconds: 20_000)
        #expect(desk.published.count == 4)
    }

    /// a baseline is told onward as a gap.
    @Test func `a baseline is not told onward as a gap`() throws {
        let wires = Wires()
        wires.add()
        let a = wires.anonymous(at: 0)
        for n in 0..<5 { wires.post("old\(n)", by: a) }
        wires.pass(milliseconds: 11_000)  // stable: alone
        wires.cut = [[0, 1], [0, 2]]
        wires.add(bootstrap: 0)
        wires.add(bootstrap: 1)
        wires.pass(milliseconds: 1000)
        _ = wires.anonymous(at: 1)
        _ = wires.anonymous(at: 2)
        wires.cut = [[0, 2]]
        wires.pass(milliseconds: 20_000)
        wires.post("new", by: a)
        wires.pass(milliseconds: 1000)
        #expect(wires.nodes.allSatisfy { $0.statistics.recordsSkipped == 0 })
    }

    /// A claim that replaces one that was sent already is not passed on to a link in mid transfer; news ignore credit.
    @Test func `claims that change during a transfer are passed on, within the credit`() throws {
        let desk = Desk { $0.limits.linkWindowBytes = 20_000 }
        let one = desk.join(Peers.id(1), at: Peers.address(1))
        desk.say(.claims((0..<600).map { Peers.claim("user\($0)", stamp: 100) }), over: one)
        let two = desk.prove()
        desk.say(
            .introduction(
                PeerFrame.Introduction(
                    id: Peers.id(2), address: Peers.address(2), networkTime: 1_700_000_000_000)), over: two)
        desk.say(.level(PeerFrame.Level(registryDigest: RegistryDigest(), entries: [])), over: two)
        var got: [Claim] = []
        func read() { for case .frame(.claims(let claims)) in desk.heard(over: two) { got += claims } }
        read()
        desk.say(.claims([Peers.claim("user0", stamp: 50, of: 3)]), over: one)
        read()
        for _ in 0..<10 {
            let pushed = try #require(desk.node.links.first { $0.id == two }).pushedBytes
            desk.say(.credit(consumed: pushed), over: two)
            read()
        }
        #expect(got.last { $0.name == Array("user0".utf8) }?.id.stamp == 50)
        // No credit now: what is learnt from the other link goes out all the same.
        for batch in 0..<100 {
            desk.say(.claims((0..<100).map { Peers.claim("late\(batch)-\($0)", stamp: 100) }), over: one)
        }
        let link = try #require(desk.node.links.first { $0.id == two })
        #expect(link.pushedBytes - link.creditedBytes < 60_000)
    }

    /// after the loss of the only link no parent is taken up with the new link until the origin announces itself.
    @Test func `a new link is a way to whom there was none`() throws {
        let wires = Wires()
        wires.cut = [[0, 2]]
        wires.add()
        wires.add(bootstrap: 0)
        wires.add(bootstrap: 1)
        wires.pass(milliseconds: 6000)
        let index2 = try #require(wires.nodes[0].servers.index(of: wires.nodes[2].id))
        let parent = wires.nodes[0].members[index2].parent
        #expect(parent != nil)
        wires.breakWires(between: 0, and: 1)
        wires.pass(milliseconds: 300)
        let dropped = wires.nodes[0].statistics.unicastsDropped
        for n in 0..<6 { _ = wires.register("user\(n)", at: 0) }
        wires.pass(milliseconds: 2000)
        #expect(wires.nodes[0].statistics.unicastsDropped == dropped)
    }

    /// who was away when a server left in order never hears of it.
    @Test func `a departure is heard of by who was away`() throws {
        let wires = Wires.network(3)
        for n in 0..<3 { _ = wires.anonymous(at: n, address: UInt8(n + 1)) }
        let leaver = wires.nodes[1].id
        wires.cut = [[0, 2], [1, 2]]
        wires.breakWires(between: 0, and: 2)
        wires.breakWires(between: 1, and: 2)
        wires.nodes[1].shutdown(at: wires.now)
        wires.settle()
        wires.kill(1)
        wires.pass(milliseconds: 20_000)
        wires.cut = []
        wires.pass(milliseconds: 120_000)
        let status = [0, 2].map { node in
            wires.nodes[node].members.first { $0.id == leaver }?.status
        }
        // Departed, and forgotten since.
        #expect(status == [nil, nil])
        let a = try #require(wires.clients.firstIndex { $0.node == 2 })
        for n in 0..<1000 { wires.post("m\(n)", by: a) }
        wires.pass(milliseconds: 60_000)
    }

    /// a newcomer takes a dead server for living, and sends its first clients there.
    @Test func `a newcomer does not take the dead for living`() throws {
        let wires = Wires.network(3)
        wires.kill(1)
        wires.kill(2)
        wires.pass(milliseconds: 60_000)
        wires.add(bootstrap: 0)
        wires.pass(milliseconds: 200)
        _ = wires.anonymous(at: 3, address: 1)
        let b = wires.anonymous(at: 3, address: 2)
        var waited: UInt64 = 0
        while wires.commands(b).isEmpty, waited < 10_000 {
            wires.pass(milliseconds: 100)
            waited += 100
        }
        #expect(wires.nodes[3].statistics.members == 2)
    }

    /// what goes with an orderly leave without a neighbour.
    @Test func `a new link beats one that has fallen silent`() throws {
        // The desk has the smaller identifier, has dialled peer 9; peer 9 loses the link and dials anew.
        let desk = Desk(bootstrap: Peers.address(9))
        var dial: DialID?
        for case .dial(let id, _) in desk.takeOutputs() { dial = id }
        let link = desk.accept(dial: dial)
        guard case .frame(let hello) = desk.heard(over: link).last else { return }
        var handshake = Handshake.accepting()
        desk.say(Preamble.bytes, over: link)
        if case .send(let challenge) = handshake.handle(
            hello, nonce: [UInt8](repeating: 3, count: 32), secrets: [Wires.secret], cryptography: Desk.cryptography)
        {
            desk.say(challenge, over: link)
        }
        guard case .frame(let proof) = desk.heard(over: link).last else { return }
        if case .proven(let welcome?) = handshake.handle(
            proof, nonce: [], secrets: [Wires.secret], cryptography: Desk.cryptography)
        {
            desk.say(welcome, over: link)
        }
        desk.say(
            .introduction(
                PeerFrame.Introduction(
                    id: Peers.id(9), address: Peers.address(9), networkTime: 1_700_000_000_000)), over: link)
        desk.say(.level(PeerFrame.Level(registryDigest: RegistryDigest(), entries: [])), over: link)
        desk.say(.stateEnd, over: link)
        desk.pass(milliseconds: 2000)
        // no byte for two seconds: the other end has lost it, and dials.
        let second = desk.prove()
        desk.say(
            .introduction(
                PeerFrame.Introduction(
                    id: Peers.id(9), address: Peers.address(9), networkTime: 1_700_000_000_000)), over: second)
        #expect(desk.closed[second] == nil)
    }

    /// a frame larger than the frame limit.
    @Test func `records of the largest size are replayed`() throws {
        let wires = Wires.network(2) {
            $0.limits.lineBytes = 32 << 20
            $0.limits.linkWindowBytes = 64 << 20
        }
        let a = wires.anonymous(at: 0)
        let b = wires.anonymous(at: 1, address: 2)
        wires.cut = [[0, 1]]
        wires.breakWires(between: 0, and: 1)
        wires.post("small" + String(repeating: "x", count: 20_000), by: a)
        wires.post("big" + String(repeating: "x", count: RecordHeader.payloadBytesMax - 200), by: a)
        wires.post("after", by: a)
        wires.cut = []
        wires.pass(milliseconds: 20_000)
        #expect(wires.texts(b).count == 3)
    }

    /// The tombstone was evicted, and two servers still hold the stream, unequally far, and say so within an interval:
    /// the lower end would let the one that holds more offer it again and again.
    @Test func `who has forgotten a stream tells the highest end that anybody holds`() {
        let desk = Desk { $0.limits.tombstones = 1 }
        let links = [1, 2].map { desk.join(Peers.id(UInt64($0)), at: Peers.address($0)) }
        desk.node.tombstones.insert(PeerFrame.Digest(origin: Peers.id(7), held: 0, announcement: 0))
        desk.node.tombstones.insert(PeerFrame.Digest(origin: Peers.id(8), held: 0, announcement: 0))
        for (number, held) in [(1, 23), (2, 0)] as [(UInt64, UInt64)] {
            let position = StreamPosition(origin: Peers.id(7), seq: held)
            desk.say(.announcement(Peers.announcement(1, of: number, held: [position])), over: links[Int(number) - 1])
        }
        let told = desk.node.endedToTell
        #expect(told == [StreamPosition(origin: Peers.id(7), seq: 23)])
    }
}
