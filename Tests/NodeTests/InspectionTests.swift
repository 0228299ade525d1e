import Codecs
import Testing

@testable import Node

/// The look inside finds what is broken: each invariant is broken by hand once.
@Suite struct InspectionTests {
    /// Two links and a stream of three records that came over the first.
    private static func node() -> Node {
        let desk = Desk()
        let first = desk.join(Peers.id(1), at: Peers.address(1))
        _ = desk.join(Peers.id(2), at: Peers.address(2))
        desk.say(Peers.records(Peers.id(7), from: 1, ["a", "b", "c"]), over: first)
        return desk.node
    }

    private static func broken(_ change: (inout Node) -> Void) -> [String] {
        var node = Self.node()
        change(&node)
        return node.brokenInvariants()
    }

    @Test func `a healthy node has no broken invariant`() { #expect(Self.node().brokenInvariants() == []) }

    @Test func `tables are equally long`() {
        #expect(Self.broken { $0.members.removeLast() }.contains { $0.contains("members") })
        #expect(Self.broken { $0.queues.removeLast() }.contains { $0.contains("queues") })
        #expect(Self.broken { $0.links[0].edges.removeLast() }.contains { $0.contains("edge for each stream") })
    }

    @Test func `dirty edges are listed`() {
        let texts = Self.broken { node in
            let edge = node.links[0].edges.indices.first { !node.links[0].edges[$0].isDirty }
            if let edge { node.links[0].edges[edge].isDirty = true } else { node.links[0].dirty = [] }
        }
        #expect(texts.contains { $0.contains("dirty") })
    }

    @Test func `what is held is delivered or waits`() {
        let texts = Self.broken { node in
            let index = node.servers.index(of: Peers.id(7)) ?? 0
            node.store.setDelivered(index, 1)
        }
        #expect(texts.contains { $0.contains("waits for something") })
        #expect(!Self.broken { $0.postponed = [1, 1] }.isEmpty)
        #expect(!Self.broken { $0.waiting = [1, 1] }.isEmpty)
    }

    @Test func `a parent is an open link that was not pruned`() throws {
        let origin = try #require(Self.node().servers.index(of: Peers.id(7)))
        #expect(
            Self.broken { $0.members[origin].parent = LinkID(slot: 99, generation: 1) }
                .contains { $0.contains("a link that is there") })
        #expect(Self.broken { $0.links[0].edges[origin].receives = false }.contains { $0.contains("pruned") })
        #expect(Self.broken { $0.members[0].parent = $0.links[0].id }.contains { $0.contains("own stream") })
    }

    @Test func `what was sent is held`() throws {
        let texts = Self.broken { node in
            node.queues[node.links[0].neighbour].markSent(Node.ownIndex, through: 9)
        }
        #expect(texts.contains { $0.contains("what was sent") })
        #expect(
            Self.broken { $0.links[0].creditedBytes = $0.links[0].pushedBytes + 1 }.contains { $0.contains("credit") })
    }
}
