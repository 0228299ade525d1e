import Codecs
import Testing

@testable import Node

/// What a neighbour lacks: it grows while the way is broken, is replayed in order, and falls to nothing.
@Suite struct StoreAndForwardQueueTests {
    private func backlog(_ wires: Wires, of node: Int, to neighbour: Int) -> NodeStatistics.Queue? {
        wires.nodes[node].statistics.queues.first { $0.address == wires.address(neighbour) }
    }

    /// Two nodes whose wires are cut; what they had to tell each other is told.
    private func parted(change: (inout NodeConfiguration) -> Void = { _ in }) -> Wires {
        let wires = Wires.network(2, change: change)
        wires.pass(milliseconds: 6000)
        wires.cut = [[0, 1]]
        wires.breakWires(between: 0, and: 1)
        wires.recordFrames = []
        return wires
    }

    @Test func `the queue rises by what the replay then carries, keeps its order and falls to nothing`() throws {
        let wires = parted()
        let sender = wires.anonymous(at: 0)
        let reader = wires.anonymous(at: 1)
        #expect(backlog(wires, of: 0, to: 1)?.records == 0)
        var depths: [UInt64] = []
        var sizes: [Int] = []
        let begun = wires.now
        for number in 0..<50 {
            wires.post("\(number)" + String(repeating: "x", count: number), by: sender)
            let queue = try #require(backlog(wires, of: 0, to: 1))
            depths.append(queue.records)
            sizes.append(queue.bytes)
            #expect(queue.oldest == begun)
            #expect(!queue.isLinked)
            wires.pass(milliseconds: 1)
        }
        #expect(depths == Array(1...50))
        #expect(zip(sizes, sizes.dropFirst()).allSatisfy { $1 > $0 })
        #expect(wires.texts(reader).isEmpty)

        wires.cut = []
        wires.pass(milliseconds: 12_000)
        let replay = wires.recordFrames.filter { $0.from == 0 && $0.to == 1 }
        #expect(replay.reduce(0) { $0 + $1.prefix.count } == 50)
        #expect(replay.reduce(0) { $0 + $1.byteCount } == sizes.last)
        #expect(wires.texts(reader).map { $0.filter { $0 != "x" } } == (0..<50).map(String.init))
        let end = try #require(backlog(wires, of: 0, to: 1))
        #expect(end.records == 0 && end.bytes == 0 && end.oldest == nil && end.isLinked)
    }

    @Test func `each activity adds the bytes of its record`() throws {
        let wires = parted()
        let sender = wires.anonymous(at: 0)
        var before = 0
        for text in ["", "a", "some more"] {
            wires.post(text, by: sender)
            let line =
                "{\"command\":\"ACTIVITY_BROADCAST\",\"activity\":"
                + "{\"text\":\"\(text)\",\"authenticated_user\":\"anonymous\"}}\n"
            let now = try #require(backlog(wires, of: 0, to: 1)).bytes
            #expect(now - before == line.utf8.count + RecordHeader(kind: 1).size)
            before = now
        }
    }

    @Test func `a fresh record of one server is not behind the backlog of another`() throws {
        let desk = Desk { $0.limits.linkWindowBytes = 256 << 10 }
        let source = desk.join(Peers.id(1), at: Peers.address(1))
        let text = String(repeating: "x", count: 1000)
        for frame in 0..<20 {
            desk.say(
                Peers.records(
                    Peers.id(1), from: UInt64(frame * 100) + 1, [String](repeating: text, count: 100)), over: source)
        }
        desk.say(Peers.records(Peers.id(2), from: 1, ["fresh"]), over: source)
        let held = [1, 2].map { PeerFrame.Level.Entry(origin: Peers.id($0), held: 0, oldest: 1) }
        let link = desk.prove()
        desk.say(
            .introduction(
                PeerFrame.Introduction(
                    id: Peers.id(3), address: Peers.address(3), networkTime: 0)), over: link)
        desk.say(.level(PeerFrame.Level(registryDigest: RegistryDigest(), entries: held)), over: link)
        let records = desk.heard(over: link).compactMap { said -> ServerID? in
            if case .records(let origin, _, _) = said { origin } else { nil }
        }
        #expect(Set(records.prefix(2)) == [Peers.id(1), Peers.id(2)])
        #expect(records.count < 20)
    }

    /// A link that stays without credit until the test gives some.
    private func unread(_ desk: Desk, _ peer: UInt64, holding entries: [PeerFrame.Level.Entry]) -> LinkID {
        let link = desk.prove()
        desk.say(
            .introduction(
                PeerFrame.Introduction(
                    id: Peers.id(peer), address: Peers.address(Int(peer)), networkTime: 0,
                    known: ServerID(startStamp: 0, random: 0))), over: link)
        desk.say(.level(PeerFrame.Level(registryDigest: RegistryDigest(), entries: entries)), over: link)
        desk.say(.stateEnd, over: link)
        return link
    }

    /// Gives credit for all that is on the way; returns what came for it.
    private func read(_ desk: Desk, _ link: LinkID) throws -> [Desk.Said] {
        let state = try #require(desk.node.links.first { $0.id == link })
        desk.say(.credit(consumed: state.pushedBytes), over: link)
        return desk.heard(over: link)
    }

    @Test func `fresh records of others wait for one round behind a backlog, also when the credit ends in it`() throws {
        let desk = Desk { $0.limits.linkWindowBytes = 100 << 10 }
        let source = desk.join(Peers.id(1), at: Peers.address(1))
        let text = String(repeating: "x", count: 1000)
        for frame in 0..<50 as Range<UInt64> {
            for peer in 1...4 as ClosedRange<UInt64> {
                let texts = [String](repeating: text, count: 30)
                desk.say(Peers.records(Peers.id(peer), from: frame * 30 + 1, texts), over: source)
            }
        }
        let link = unread(
            desk, 9, holding: (1...5).map { PeerFrame.Level.Entry(origin: Peers.id($0), held: 0, oldest: 1) })
        _ = desk.heard(over: link)
        for seq in 1...6 as ClosedRange<UInt64> {
            desk.say(Peers.records(Peers.id(5), from: seq, ["fresh"]), over: source)
            #expect(desk.heard(over: link) == [], "there is no credit")
            // Four frames use up the credit; the fresh record is one of the next five.
            let said = try read(desk, link) + read(desk, link)
            #expect(said.contains(.records(origin: Peers.id(5), first: seq, count: 1)))
        }
        #expect(desk.node.statistics.creditExhausted >= 12)
    }

    @Test func `fresh records and the state take turns`() throws {
        let desk = Desk { $0.limits.linkWindowBytes = 100 << 10 }
        let source = desk.join(Peers.id(1), at: Peers.address(1))
        for batch in 0..<40 {
            desk.say(.claims((0..<250).map { Peers.claim("user\(batch)-\($0)") }), over: source)
        }
        let link = unread(desk, 9, holding: [PeerFrame.Level.Entry(origin: Peers.id(1), held: 0, oldest: 1)])
        _ = desk.heard(over: link)
        var claims = 0
        var isComplete = false
        for seq in 1...100 as ClosedRange<UInt64> where !isComplete {
            desk.say(Peers.records(Peers.id(1), from: seq, ["fresh"]), over: source)
            let said = try read(desk, link)
            #expect(said.contains(.records(origin: Peers.id(1), first: seq, count: 1)))
            for case .frame(.claims(let some)) in said { claims += some.count }
            isComplete = said.contains(.frame(.stateEnd))
        }
        #expect(isComplete)
        #expect(claims > 5000, "most came after the first window")
    }

    /// What is for the slow one waits in the store, which is bounded; everybody else gets everything.
    @Test func `a slow link holds up nobody else, and memory is bounded`() throws {
        let wires = Wires.network(4) {
            $0.limits.linkWindowBytes = 100 << 10
            $0.limits.storeBytes = 400 << 10
        }
        let clients = (0..<4).map { wires.anonymous(at: $0) }
        for other in 0..<3 { wires.hold(other, 3) }
        let text = String(repeating: "x", count: 1000)
        for number in 0..<1000 {
            wires.post("\(number)" + text, by: clients[number % 3])
            let isBounded = wires.nodes.allSatisfy { $0.statistics.storeBytes <= 400 << 10 }
            try #require(isBounded)
        }
        for client in clients[0..<3] { #expect(wires.texts(client).count == 1000) }
        let pending = (0..<3).map { node in
            wires.waiting.filter { $0.from == node }.reduce(0) { $0 + $1.bytes.count }
        }
        for bytes in pending { #expect(bytes < 250 << 10) }
        let givenUp = wires.nodes[0..<3].map(\.statistics.recordsGivenUp)
        #expect(givenUp.allSatisfy { $0 > 0 })
        for other in 0..<3 { wires.release(other, 3) }
        wires.post("after", by: clients[0])
        #expect(wires.texts(clients[3]).last == "after")
        #expect(wires.nodes[3].statistics.recordsSkipped > 0)
    }

    /// The last frame of one stream may use up the credit while another stream still waits.
    @Test(arguments: [10, 20, 30, 40, 50, 64, 100])
    func `a backlog goes on after every credit until nothing is left`(window: Int) {
        let desk = Desk { $0.limits.linkWindowBytes = window << 10 }
        let source = desk.join(Peers.id(1), at: Peers.address(1))
        let text = String(repeating: "x", count: 1000)
        for peer in 1...5 as ClosedRange<UInt64> {
            for frame in 0..<peer {
                desk.say(
                    Peers.records(Peers.id(peer), from: frame * 31 + 1, [String](repeating: text, count: 31)),
                    over: source)
            }
        }
        let link = desk.join(
            Peers.id(9), at: Peers.address(9),
            holding: (1...5).map { PeerFrame.Level.Entry(origin: Peers.id($0), held: 0, oldest: 1) })
        for _ in 0..<100 {
            let node = desk.node
            let index = node.linkIndex(link)
            desk.say(.credit(consumed: index.map { node.links[$0].pushedBytes } ?? 0), over: link)
        }
        let server = desk.node.servers.index(of: Peers.id(9)) ?? 0
        for peer in 1...5 as ClosedRange<UInt64> {
            let origin = desk.node.servers.index(of: Peers.id(peer)) ?? 0
            #expect(desk.node.queues[server].sent[origin] == peer * 31)
        }
    }

    @Test(arguments: [1000, 10_000, 100_000])
    func `never more than the window and one frame is on the way`(window: Int) throws {
        let desk = Desk { $0.limits.linkWindowBytes = window }
        let client = desk.anonymous()
        let link = desk.join(
            Peers.id(1), at: Peers.address(1),
            holding: [PeerFrame.Level.Entry(origin: desk.node.id, held: 0, oldest: 1)])
        for number in 0..<500 {
            desk.say(
                "{\"command\":\"ACTIVITY_MESSAGE\",\"username\":\"anonymous\",\"activity\":{\"n\":\(number),"
                    + "\"t\":\"\(String(repeating: "x", count: 1000))\"}}\n", by: client)
            let present = try #require(desk.node.links.first { $0.id == link })
            let onTheWay = present.pushedBytes - present.creditedBytes
            #expect(onTheWay <= UInt64(window + Node.frameBytes + 2000))
            if number % 50 == 49 { desk.say(.credit(consumed: present.pushedBytes), over: link) }
        }
        #expect(desk.node.statistics.recordsSent > 0)
        #expect(desk.node.statistics.recordsSent < 500 || window == 100_000)
    }

    @Test func `a window smaller than the reader's steps of credit does not stop the link`() {
        let wires = Wires()
        wires.add { $0.limits.linkWindowBytes = 4 << 10 }
        wires.add(bootstrap: 0)
        wires.pass(milliseconds: 1000)
        let reader = wires.anonymous(at: 1)
        let sender = wires.anonymous(at: 0)
        for number in 0..<20 {
            wires.post("\(number) " + String(repeating: "x", count: 1000), by: sender)
        }
        wires.pass(milliseconds: 10_000)
        #expect(wires.texts(reader).count == 20)
    }

    @Test(arguments: [1, 2, .max] as [UInt64])
    func `credit for what was not sent ends the link`(excess: UInt64) {
        let desk = Desk()
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        desk.say(.credit(consumed: excess), over: link)
        #expect(desk.closed[link] == .brokenFrame)
    }
}
