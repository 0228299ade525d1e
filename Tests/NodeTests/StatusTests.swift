import Codecs
import Testing

@testable import Node

/// What an operator is told of links, members, clients and limits is what holds.
@Suite struct StatusTests {
    private func member(_ number: Int, of node: Int, _ wires: Wires) -> Node.MemberStatus? {
        let own = wires.nodes[node]
        return own.memberPlaces.compactMap { own.memberStatus(at: $0) }.first { $0.address == wires.address(number) }
    }

    @Test func `a joiner is no server of clients yet`() {
        var configuration = NodeConfiguration(address: Peers.address(1), secrets: [[1]])
        let cryptography = Cryptography { _, message in message }
        let start = Instant(nanoseconds: 1)
        var first = Node(
            configuration: configuration, cryptography: cryptography, seed: 1, wallClock: 1, at: start)
        first.start(at: start)
        #expect(first.stage == .serving)
        configuration.bootstrap = Peers.address(2)
        var joiner = Node(
            configuration: configuration, cryptography: cryptography, seed: 1, wallClock: 1, at: start)
        joiner.start(at: start)
        #expect(joiner.stage == .joining)
        #expect(joiner.membership.reachable == 1)
        #expect(joiner.memberStatus(at: 0)?.isOwn == true)
        #expect(joiner.memberStatus(at: 0)?.isServing == false)
        #expect(joiner.memberStatus(at: 1) == nil)
        joiner.shutdown(at: start)
        #expect(joiner.stage == .leaving)
    }

    @Test func `links and ways are told from both ends`() throws {
        let wires = Wires.standing(3)
        let client = wires.anonymous(at: 0)
        // Each prunes what came twice; then the tree stands.
        for text in ["a", "b", "c", "d"] {
            wires.post(text, by: client)
            wires.pass(milliseconds: 1000)
        }
        wires.pass(milliseconds: 60_000)
        for node in 0..<3 {
            let links = wires.nodes[node].linkStatuses
            #expect(Set(links.map(\.neighbour)) == Set(wires.neighbours(of: node).map { wires.nodes[$0].id }))
            #expect(links.allSatisfy { $0.phase == "open" && $0.bytesUnderWay == 0 && !$0.hasBacklog })
            for link in links {
                let other = try #require(wires.nodes.first { $0.id == link.neighbour })
                let back = try #require(other.linkStatuses.first { $0.neighbour == wires.nodes[node].id })
                #expect(back.isDialled != link.isDialled)
                #expect(wires.nodes[node].address(of: link.id) == other.address)
                #expect(link.address == other.address)
                #expect(link.clockOffset == 0, "a joiner takes the network's time")
            }
        }
        let ways = try (0..<3).map { try #require(member(0, of: $0, wires)) }
        // The stream crosses as many links as there are others, and each has it from whom it is pushed to.
        #expect(ways.flatMap(\.pushedTo).count == 2)
        for node in 1..<3 {
            let parent = try #require(wires.nodes.firstIndex { $0.id == ways[node].parent })
            #expect(ways[parent].pushedTo.contains(wires.nodes[node].id))
            #expect(ways[node].load == 1 && ways[node].isServing && !ways[node].isLeaving)
            #expect(Set(ways[node].neighbours) == Set(wires.neighbours(of: 0).map { wires.nodes[$0].id }))
        }
        #expect(ways.allSatisfy { $0.held == ways[0].held && $0.delivered == $0.held && $0.recordsOwed == 0 })
        #expect(ways[0].isOwn && ways[0].parent == nil && ways[0].held == 4)
    }

    @Test func `whoever is silent is unreachable, and owed what it lacks`() throws {
        let wires = Wires.standing(2)
        let client = wires.anonymous(at: 0)
        wires.pass(milliseconds: 6000)
        wires.cut = [[0, 1]]
        wires.breakWires(between: 0, and: 1)
        let begun = wires.now
        wires.post("a", by: client)
        wires.post("b", by: client)
        wires.pass(milliseconds: 30_000)
        #expect(wires.nodes[0].membership.reachable == 1)
        #expect(wires.nodes[0].membership.unreachable == 1)
        #expect(wires.nodes[0].linkStatuses.allSatisfy { $0.phase != "open" })
        let absent = try #require(member(1, of: 0, wires))
        #expect(absent.status == "unreachable")
        #expect(absent.recordsOwed == 2)
        #expect(absent.bytesOwed > 0)
        #expect(absent.oldestOwed == begun)
    }

    @Test func `clients are counted by state and told one by one`() throws {
        let desk = Desk()
        let idle = desk.connect()
        let live = desk.anonymous(address: 9)
        let counts = Dictionary(uniqueKeysWithValues: desk.node.sessionCounts.map { ($0.state, $0.count) })
        #expect(counts["new"] == 1)
        #expect(counts["live"] == 1)
        #expect(desk.node.sessionStatus(idle)?.state == "new")
        #expect(desk.node.sessionStatus(idle)?.user == nil)
        let status = try #require(desk.node.sessionStatus(live))
        #expect(status.state == "live")
        #expect(status.user == Array("anonymous".utf8))
        #expect(status.address.count == 16)
        #expect(desk.node.sessionStatus(SessionID(slot: live.slot, generation: live.generation + 1)) == nil)
    }

    @Test func `limits tell what is used of them`() throws {
        let wires = Wires.standing(2)
        _ = wires.register("anna", at: 0)
        let uses = wires.nodes[0].limitUses
        #expect(Set(uses.map(\.name)).count == uses.count)
        #expect(uses.allSatisfy { $0.used >= 0 && $0.used <= $0.limit })
        func used(_ name: String) -> Int? { uses.first { $0.name == name }?.used }
        #expect(used("members") == 2)
        #expect(used("links") == 1)
        #expect(used("claims") == 1)
        #expect(used("store_bytes") == wires.nodes[0].storeBytes)
    }
}
