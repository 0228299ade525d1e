import Codecs
import Testing

@testable import Node

/// Broadcast trees over redundant links: pruned, repaired, never cut off.
@Suite struct TreeTests {
    @Test func `what comes twice prunes the later link, never the parent`() {
        let desk = Desk()
        let first = desk.join(Peers.id(1), at: Peers.address(1))
        let second = desk.join(Peers.id(2), at: Peers.address(2))
        let origin = Peers.id(7)
        desk.say(Peers.records(origin, from: 1, ["a"]), over: first)
        for _ in 0..<3 { desk.say(Peers.records(origin, from: 1, ["a"]), over: first) }
        desk.say(Peers.records(origin, from: 1, ["a"]), over: second)
        desk.say(Peers.records(origin, from: 1, ["a"]), over: second)
        let prunes = { (link: LinkID) in desk.heard(over: link).filter { $0 == .frame(.prune(origin)) }.count }
        #expect(prunes(first) == 0)
        #expect(prunes(second) == 1)
        #expect(desk.node.statistics.recordsDuplicate == 5)
    }

    @Test func `the loss of the parent's link grafts the pruned one at once`() {
        let desk = Desk()
        let first = desk.join(Peers.id(1), at: Peers.address(1))
        let second = desk.join(Peers.id(2), at: Peers.address(2))
        let origin = Peers.id(7)
        desk.say(Peers.records(origin, from: 1, ["a"]), over: first)
        desk.say(Peers.records(origin, from: 1, ["a"]), over: second)
        _ = desk.heard(over: second)
        desk.end(first)
        #expect(desk.heard(over: second).contains(.frame(.graft(origin: origin, held: 1, announcement: 0))))
        #expect(desk.node.statistics.repairs == 0)
    }

    @Test func `a record that a digest told of and that does not come is asked for after the graft delay`() {
        let desk = Desk()
        let first = desk.join(Peers.id(1), at: Peers.address(1))
        let second = desk.join(Peers.id(2), at: Peers.address(2))
        let origin = Peers.id(7)
        desk.say(Peers.records(origin, from: 1, ["a"]), over: first)
        _ = desk.heard(over: second)
        desk.say(.have([PeerFrame.Digest(origin: origin, held: 3, announcement: 0)]), over: second)
        desk.pass(milliseconds: 99)
        #expect(!desk.heard(over: second).contains(.frame(.graft(origin: origin, held: 1, announcement: 0))))
        desk.pass(milliseconds: 2)
        #expect(desk.heard(over: second).contains(.frame(.graft(origin: origin, held: 1, announcement: 0))))
        desk.say(Peers.records(origin, from: 2, ["b", "c"]), over: second)
        desk.pass(milliseconds: 1000)
        #expect(desk.node.statistics.repairs == 1)
        #expect(desk.node.store.streams.map(\.held).max() == 3)
    }

    @Test func `the announcement of a silent server is asked for as records are`() {
        let desk = Desk()
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        desk.say(.have([PeerFrame.Digest(origin: Peers.id(7), held: 0, announcement: 4)]), over: link)
        _ = desk.heard(over: link)
        desk.pass(milliseconds: 150)
        #expect(desk.heard(over: link).contains(.frame(.graft(origin: Peers.id(7), held: 0, announcement: 0))))
        desk.say(.announcement(Peers.announcement(4, of: 7)), over: link)
        #expect(desk.reports.contains(.memberJoined(Peers.id(7), Peers.address(7))))
    }

    @Test func `a graft is answered with what comes after, and the edge pushes again`() {
        let desk = Desk()
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        let other = desk.join(
            Peers.id(2), at: Peers.address(2), holding: [PeerFrame.Level.Entry(origin: Peers.id(7), held: 0, oldest: 1)]
        )
        desk.say(.prune(Peers.id(7)), over: other)
        desk.say(Peers.records(Peers.id(7), from: 1, ["a", "b", "c"]), over: link)
        let records = { desk.heard(over: other).filter { if case .records = $0 { true } else { false } } }
        #expect(records() == [])
        desk.say(.graft(origin: Peers.id(7), held: 1, announcement: 0), over: other)
        #expect(records() == [.records(origin: Peers.id(7), first: 2, count: 2)])
        desk.say(Peers.records(Peers.id(7), from: 4, ["d"]), over: link)
        #expect(records() == [.records(origin: Peers.id(7), first: 4, count: 1)])
    }

    /// Grafts at the loss make a new tree at once, unless the lost server was above a whole part of it: then parents may
    /// point in a circle, which a digest and its graft delay (10 and 100 ms) resolve.
    @Test(arguments: 0..<10)
    func `after the death of any one of ten servers an activity reaches all others`(dead: Int) {
        let wires = Wires.network(10)
        wires.pass(milliseconds: 11_000)
        let clients = (0..<10).map { wires.anonymous(at: $0) }
        for client in clients { wires.post("before", by: client) }
        wires.pass(milliseconds: 50)
        wires.kill(dead)
        for client in clients where wires.clients[client].node != dead { wires.post("after", by: client) }
        wires.pass(milliseconds: 150)
        for client in clients where wires.clients[client].node != dead {
            #expect(wires.texts(client).filter { $0 == "after" }.count == 9)
            #expect(wires.texts(client).filter { $0 == "before" }.count == 10)
        }
    }

    @Test(arguments: 0..<6)
    func `a server that is killed and comes back gets what is new, once`(dead: Int) {
        let wires = Wires.network(6)
        wires.kill(dead)
        wires.pass(milliseconds: 1000)
        let sender = wires.anonymous(at: (dead + 1) % 6)
        wires.post("while away", by: sender)
        wires.restart(dead, bootstrap: (dead + 2) % 6)
        wires.pass(milliseconds: 3000)
        let client = wires.anonymous(at: dead)
        wires.post("new", by: sender)
        wires.pass(milliseconds: 100)
        #expect(wires.texts(client) == ["new"])
        #expect(wires.nodes.allSatisfy { $0.statistics.members == 6 })
    }
}
