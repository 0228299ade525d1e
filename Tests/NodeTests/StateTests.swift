import Codecs
import Testing

@testable import Node

/// State is never lost: registries become equal, losers are told, clocks do not decide, who leaves takes nothing along.
@Suite struct StateTests {
    /// Two networks of one server each, with a user of the same name in both, that meet then.
    private func conflict(skew: UInt64 = 0) -> Wires {
        let wires = Wires()
        wires.cut = [[0, 1]]
        wires.add()
        wires.add(bootstrap: 0, wallClock: 1_700_000_000_000 + skew)
        wires.pass(milliseconds: 100)
        wires.drop(wires.register("ada", secret: "first", at: 0))
        wires.pass(milliseconds: 100)
        wires.drop(wires.register("ada", secret: "second", at: 1))
        wires.pass(milliseconds: 100)
        return wires
    }

    @Test func `the loser of a name is told so when it logs in later`() {
        let wires = conflict()
        wires.cut = []
        wires.pass(milliseconds: 10_000)
        for node in 0..<2 {
            let winner = wires.login("ada", secret: "first", at: node)
            let loser = wires.login("ada", secret: "second", at: node)
            let stranger = wires.login("ada", secret: "third", at: node)
            wires.pass(milliseconds: 100)
            #expect(wires.commands(winner) == ["LOGIN_SUCCESS"])
            #expect(wires.clients[loser].lines.last?.contains("earlier in another part of the network") == true)
            #expect(wires.clients[stranger].lines.last?.contains("wrong secret") == true)
            wires.drop(winner)
        }
        #expect(wires.nodes.map(\.statistics.loginsOfLosers) == [1, 1])
        #expect(wires.nodes[0].statistics.registryDigest == wires.nodes[1].statistics.registryDigest)
    }

    @Test func `losing claims are remembered up to a limit`() {
        var registry = Registry(limit: 100, losersLimit: 2)
        for (number, name) in ["a", "b", "c"].enumerated() {
            _ = registry.merge(Peers.claim(name, stamp: 1))
            let late = Peers.claim(name, stamp: 2 + UInt64(number), of: 2)
            #expect(registry.merge(late) == .lost)
            #expect(registry.merge(late) == .lost)
        }
        #expect(registry.losers.map(\.name) == [Array("b".utf8), Array("c".utf8)])
    }

    @Test func `networks that meet with unequal times are told so`() {
        let wires = conflict(skew: 3_600_000)
        wires.cut = []
        wires.pass(milliseconds: 10_000)
        let offsets = wires.reports.map { reports in
            reports.compactMap { if case .clockOffset(_, _, let milliseconds) = $0 { milliseconds } else { nil } }.first
        }
        #expect(offsets == [3_600_000, -3_600_000])
        // The claim of the network whose time is earlier wins, everywhere.
        #expect(wires.nodes[0].statistics.registryDigest == wires.nodes[1].statistics.registryDigest)
    }

    @Test func `a claim from the near future moves the clock, one from the far future does not`() {
        let desk = Desk()
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        let time = desk.node.networkTime()
        desk.say(.claims([Peers.claim("near", stamp: time + 4000)]), over: link)
        #expect(desk.node.networkTime() == time + 4000)
        desk.say(.claims([Peers.claim("far", stamp: time + 400_000)]), over: link)
        #expect(desk.node.networkTime() == time + 4000)
        #expect(desk.node.statistics.clockAhead == 1)
    }

    @Test func `a network that tells an absurd time does not stop the clock`() {
        let desk = Desk()
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        desk.node.networkTimeBase = .max - 1
        desk.pass(milliseconds: 100)
        let time = desk.node.networkTime()
        desk.say(.claims([Peers.claim("ada", stamp: time + 4000)]), over: link)
        #expect(desk.node.networkTime() == time + 4000)
    }

    /// Nothing known loses a claim; so one is taken away by force.
    @Test func `registries that differ at equal vectors are repaired`() {
        let wires = Wires.network(3)
        for name in ["ada", "bob"] { wires.drop(wires.register(name, at: 0)) }
        wires.pass(milliseconds: 11_000)
        wires.nodes[1].registry = Registry(limit: 100, losersLimit: 100)
        // Two whole vectors of one neighbour.
        wires.pass(milliseconds: 100_000)
        #expect(Set(wires.nodes.map(\.statistics.registryDigest)).count == 1)
        #expect(wires.nodes.map(\.statistics.claims) == [2, 2, 2])
        let repairs = wires.nodes.reduce(0) { $0 + $1.statistics.registryRepairs }
        #expect(repairs > 0)
        wires.pass(milliseconds: 100_000)
        #expect(wires.nodes.reduce(0) { $0 + $1.statistics.registryRepairs } == repairs)
    }

    @Test func `who leaves in order passes on more than a window`() {
        let wires = Wires.network(2) { $0.limits.linkWindowBytes = 10_000 }
        let reader = wires.anonymous(at: 1)
        let sender = wires.anonymous(at: 0, address: 2)
        wires.hold(0, 1)
        for number in 0..<50 { wires.post("\(number) " + String(repeating: "x", count: 1000), by: sender) }
        wires.nodes[0].shutdown(at: wires.now)
        wires.settle()
        wires.release(0, 1)
        #expect(wires.texts(reader).count == 50)
        #expect(wires.neighbours(of: 0) == [])
    }

    @Test func `who leaves does not wait for ever`() {
        let wires = Wires.network(2) { $0.limits.linkWindowBytes = 10_000 }
        let sender = wires.anonymous(at: 0)
        wires.hold(0, 1)
        for number in 0..<50 { wires.post("\(number) " + String(repeating: "x", count: 1000), by: sender) }
        wires.nodes[0].shutdown(at: wires.now)
        wires.settle()
        #expect(wires.neighbours(of: 0) == [1])
        wires.pass(milliseconds: 2000)
        #expect(wires.neighbours(of: 0) == [])
    }

    @Test func `a process that stood still reads before it takes others for silent`() {
        let desk = Desk()
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        desk.pass(milliseconds: 1000)
        // Nothing runs for a minute; then the timers come first.
        desk.now = desk.now.adding(milliseconds: 60_000)
        desk.node.timeReached(at: desk.now)
        desk.settle()
        #expect(desk.closed[link] == nil)
        #expect(desk.node.statistics.pauses == 1)
        #expect(desk.node.statistics.members == 2)
        desk.pass(milliseconds: 5000)
        #expect(desk.closed[link] == .silent)
    }
}

/// The vector of an announcement is an acknowledgement to all; it costs as much as has changed.
@Suite struct AnnouncedVectorTests {
    @Test func `announcements tell what has changed, and now and then the whole`() {
        let desk = Desk()
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        desk.say(Peers.records(Peers.id(2), from: 1, ["a"]), over: link)
        var told: [[ServerID: UInt64]] = []
        var wholes = 0
        for _ in 0..<24 {
            for _ in 0..<5 {
                desk.pass(milliseconds: 1000)
                desk.say(.heartbeat, over: link)
            }
            for case .frame(.announcement(let own)) in desk.heard(over: link) where own.id == desk.node.id {
                told.append(Dictionary(uniqueKeysWithValues: own.held.map { ($0.origin, $0.seq) }))
                if own.isWhole { wholes += 1 }
            }
            desk.say(.announcement(Peers.announcement(UInt64(told.count) + 1, of: 1)), over: link)
        }
        #expect(wholes >= 2)
        #expect(told.filter { $0.count == 3 }.count >= wholes)
        #expect(told.filter { $0.count == 1 }.count > told.count / 2)
        #expect(told.compactMap { $0[Peers.id(2)] }.allSatisfy { $0 == 1 })
    }
}
