import Codecs
import Foundation
import Testing

@testable import Node

/// What is over is forgotten, and only that: dead incarnations, members that were silent for long, their tombstones.
@Suite struct ForgettingTests {
    /// Times short enough that a test sees many lives.
    private func hurry(_ configuration: inout NodeConfiguration) {
        configuration.timing.announceInterval = 200
        configuration.timing.announceGap = 20
        configuration.timing.heartbeat = 100
        configuration.timing.silence = 300
        configuration.timing.redialMin = 20
        configuration.timing.redialMax = 100
    }

    private func network(_ count: Int, departure: UInt64 = 86_400_000) -> Wires {
        let wires = Wires()
        for index in 0..<count {
            wires.add(bootstrap: index == 0 ? nil : 0) { configuration in
                hurry(&configuration)
                configuration.timing.departure = departure
                configuration.timing.departedRedial = 1000
            }
        }
        wires.pass(milliseconds: 1000)
        return wires
    }

    private func isolate(_ node: Int, in wires: Wires) {
        for other in wires.nodes.indices where other != node {
            wires.cut.insert([node, other].sorted())
            wires.breakWires(between: node, and: other)
        }
    }

    /// A thousand with `scripts/test --full`.
    @Test func `many restarts leave tables of the size of the living network`() {
        let lives = ProcessInfo.processInfo.environment["PANDO_FULL"] == "1" ? 1000 : 150
        let wires = network(3)
        let reader = wires.anonymous(at: 0)
        for life in 0..<lives {
            wires.forgetClosed()
            let sender = wires.anonymous(at: 2, address: 9)
            wires.post("life \(life)", by: sender)
            wires.kill(2)
            wires.restart(2, bootstrap: life % 2, wallClock: 1_700_000_000_000 + UInt64(life), change: hurry)
            wires.pass(milliseconds: 500)
        }
        wires.pass(milliseconds: 2000)
        #expect(wires.texts(reader) == (0..<lives).map { "life \($0)" })
        for node in wires.nodes {
            #expect(node.statistics.serversKnown == 3)
            #expect(node.servers.capacity < 12)
            #expect(node.statistics.storeRecords == 0)
        }
        #expect(wires.nodes[0].statistics.tombstones >= lives - 1)
    }

    @Test func `a restart with an earlier clock that has served clients is not taken for its predecessor`() {
        let wires = network(3)
        let reader = wires.anonymous(at: 0)
        isolate(2, in: wires)
        wires.kill(2)
        wires.restart(2, bootstrap: 0, wallClock: 1_600_000_000_000, change: hurry)
        let sender = wires.anonymous(at: 2)
        wires.post("alone", by: sender)
        wires.pass(milliseconds: 2000)
        wires.cut = []
        wires.pass(milliseconds: 2000)
        wires.post("together", by: sender)
        wires.pass(milliseconds: 500)
        #expect(wires.texts(reader) == ["alone", "together"])
        #expect(wires.nodes.map(\.statistics.members) == [3, 3, 3])
        #expect(wires.nodes[2].statistics.rankRaises == 1)
        #expect(wires.nodes.map(\.statistics.serversKnown) == [3, 3, 3])
    }

    @Test func `a member that was silent for the departure time goes, and returns`() {
        let wires = network(3, departure: 5000)
        let readers = (0..<3).map { wires.anonymous(at: $0, address: UInt8($0 + 1)) }
        for (index, reader) in readers.enumerated() { wires.post("before \(index)", by: reader) }
        wires.pass(milliseconds: 500)
        isolate(2, in: wires)
        wires.pass(milliseconds: 10_000)
        #expect(wires.nodes.map(\.statistics.members) == [2, 2, 1])
        #expect(wires.nodes.map(\.statistics.membersDeparted) == [1, 1, 2])
        #expect(wires.nodes.map(\.statistics.serversKnown) == [2, 2, 1])
        wires.cut = []
        wires.pass(milliseconds: 5000)
        #expect(wires.nodes.map(\.statistics.members) == [3, 3, 3])
        for (index, reader) in readers.enumerated() { wires.post("after \(index)", by: reader) }
        wires.pass(milliseconds: 500)
        let all = ["before 0", "before 1", "before 2", "after 0", "after 1", "after 2"]
        for reader in readers { #expect(wires.texts(reader) == all) }
        #expect(wires.nodes.allSatisfy { $0.statistics.recordsSkipped == 0 && $0.statistics.tombstonesRevived > 0 })
    }

    @Test func `what a departed member lacked is counted as given up`() {
        let wires = network(3, departure: 3000)
        let sender = wires.anonymous(at: 0)
        isolate(2, in: wires)
        for number in 0..<5 { wires.post("\(number)", by: sender) }
        wires.pass(milliseconds: 5000)
        #expect(wires.nodes.map(\.statistics.recordsGivenUp) == [5, 5, 0])
    }

    @Test func `who forgot a stream earlier than another one does not put off its end`() throws {
        let wires = network(3, departure: 3000)
        isolate(2, in: wires)
        var node = wires.nodes[0]
        let index = try #require(node.servers.index(of: wires.nodes[2].id))
        node.depart(index, .silent)
        let held = node.store.streams[index].held
        for _ in 0..<2 {
            for end in [held + 2, held, held + 1] { node.noteEnded(index, at: end) }
            #expect(node.store.streams[index].held == held, "it may still come from somebody else")
            node.now = node.now.adding(milliseconds: node.configuration.timing.announceInterval / 2)
        }
        for end in [held + 2, held] { node.noteEnded(index, at: end) }
        #expect(node.store.streams[index].held == held + 2)
    }

    @Test func `what is released while a member was departed is told as a gap`() {
        let wires = network(3, departure: 3000)
        let readers = (0..<3).map { wires.anonymous(at: $0, address: UInt8($0 + 1)) }
        wires.post("seen", by: readers[0])
        wires.pass(milliseconds: 500)
        isolate(2, in: wires)
        // A segment is released as a whole: one line of its size, and the next begins another.
        wires.post(String(repeating: "x", count: 70_000), by: readers[0])
        wires.post("last", by: readers[0])
        wires.pass(milliseconds: 8000)
        wires.cut = []
        wires.pass(milliseconds: 5000)
        let skipped = wires.nodes[2].statistics.recordsSkipped
        #expect(skipped > 0)
        #expect(wires.texts(readers[2]).first == "seen")
        let gaps = wires.reports[2].filter { if case .gap = $0 { true } else { false } }
        #expect(!gaps.isEmpty)
        wires.post("fresh", by: readers[0])
        wires.pass(milliseconds: 500)
        #expect(wires.texts(readers[2]).last == "fresh")
    }

    @Test func `the one known neighbour is found again by those who were told of it, though it left in order`() {
        let wires = network(3)
        wires.nodes[0].shutdown(at: wires.now)
        wires.settle()
        wires.kill(0)
        wires.pass(milliseconds: 1000)
        #expect(wires.nodes[1].statistics.members == 2)
        // It comes back told of nobody.
        wires.restart(0, wallClock: 1_700_000_000_001, change: hurry)
        wires.pass(milliseconds: 2000)
        for node in wires.nodes { #expect(node.statistics.members == 3) }
    }

    @Test func `beyond the tombstones' limit nothing comes twice`() {
        let wires = Wires()
        for index in 0..<3 {
            wires.add(bootstrap: index == 0 ? nil : 0) { configuration in
                hurry(&configuration)
                configuration.limits.tombstones = 4
                configuration.timing.departure = 3000
                configuration.timing.departedRedial = 1000
            }
        }
        wires.pass(milliseconds: 1000)
        let reader = wires.anonymous(at: 0)
        let sender = wires.anonymous(at: 2, address: 9)
        wires.post("once", by: sender)
        wires.pass(milliseconds: 500)
        isolate(2, in: wires)
        wires.pass(milliseconds: 6000)
        // Other servers come and go until the tombstone of the third is evicted.
        for life in 0..<8 {
            wires.kill(1)
            wires.restart(1, bootstrap: 0, wallClock: 1_700_001_000_000 + UInt64(life)) { configuration in
                hurry(&configuration)
                configuration.limits.tombstones = 4
            }
            wires.pass(milliseconds: 1000)
        }
        #expect(wires.nodes[0].tombstones.evictions > 0)
        wires.cut = []
        wires.pass(milliseconds: 5000)
        #expect(wires.nodes[0].statistics.forgottenHits == 1)
        wires.post("again", by: sender)
        wires.pass(milliseconds: 500)
        #expect(wires.texts(reader) == ["once", "again"])
    }

    /// Who was away when they came is told of it on coming back, and can be only as long as the stream is known.
    @Test func `a stream is not forgotten within the window, although its records are held no more`() throws {
        let wires = network(3)
        for node in wires.nodes.indices { wires.nodes[node].configuration.timing.resumeWindow = 10_000 }
        let reader = wires.anonymous(at: 0)
        let id = wires.clients[reader].id
        let slot = try #require(wires.nodes[0].sessions.slot(of: id))
        let floor = wires.nodes[0].floor(of: slot)
        wires.post("lost", by: wires.anonymous(at: 2))
        let origin = wires.nodes[2].id
        let stream = try #require(wires.nodes[0].servers.index(of: origin))
        wires.kill(2)
        wires.restart(2, bootstrap: 0, wallClock: 1_700_000_001_000, change: hurry)
        wires.nodes[0].store.release(stream, through: wires.nodes[0].store.streams[stream].held)
        wires.pass(milliseconds: 5000)
        #expect(wires.nodes[0].canFeed(from: floor) == false)
        #expect(wires.nodes[0].servers.index(of: origin) != nil)
        wires.pass(milliseconds: 10_000)
        #expect(wires.nodes[0].servers.index(of: origin) == nil)
    }

    @Test func `a full table of servers makes room by forgetting the dead`() {
        let wires = Wires()
        for index in 0..<3 {
            wires.add(bootstrap: index == 0 ? nil : 0) { configuration in
                hurry(&configuration)
                configuration.limits.members = 5
            }
        }
        wires.pass(milliseconds: 1000)
        // The second is owed everything, so that nothing of the dead can be forgotten in order.
        isolate(1, in: wires)
        for life in 0..<6 {
            let sender = wires.anonymous(at: 2, address: 9)
            wires.post("life \(life)", by: sender)
            wires.kill(2)
            wires.restart(2, bootstrap: 0, wallClock: 1_700_001_000_000 + UInt64(life)) { configuration in
                hurry(&configuration)
                configuration.limits.members = 5
            }
            wires.pass(milliseconds: 1000)
        }
        let statistics = wires.nodes[0].statistics
        #expect(statistics.serversKnown <= 5)
        #expect(statistics.originsForgottenEarly > 0)
        #expect(statistics.recordsGivenUp > 0)
        #expect(wires.nodes[0].statistics.members == 2)
    }

    @Test func `a full table of servers makes room by forgetting whom nobody announced`() {
        let desk = Desk { $0.limits.members = 4 }
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        // Lives that ended while they joined: their neighbours tell of their streams, and nothing more ever comes.
        desk.say(.have((11..<20).map { .init(origin: Peers.id($0), held: 0, announcement: 1) }), over: link)
        desk.pass(milliseconds: 2 * desk.node.configuration.timing.announceInterval)
        let newcomer = desk.join(Peers.id(2), at: Peers.address(2))
        #expect(desk.closed[newcomer] == nil)
        #expect(desk.node.statistics.members == 3)
        #expect(desk.node.statistics.serversKnown <= 4)
    }

    /// Who joins is told of several lives at one address, none of which it ever hears of: none has proved another over.
    @Test func `a full table of servers makes room by forgetting earlier lives at an address`() {
        let desk = Desk { $0.limits.members = 5 }
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        let lives = (11...13).map { Peers.announcement(1, of: $0, address: Peers.address(2)) }
        desk.say(.members([], unreachable: lives), over: link)
        #expect(desk.node.statistics.serversKnown == 5)
        let newcomer = desk.join(Peers.id(14), at: Peers.address(2))
        #expect(desk.closed[newcomer] == nil)
        #expect(desk.node.statistics.members == 3)
        #expect(desk.node.statistics.serversKnown <= 5)
    }

    @Test func `members that departed in silence are dialled for ever, up to a limit`() {
        var overlay = Overlay(waits: Overlay.Waits(min: 100, max: 1000, remembered: 60_000))
        let start = Instant(nanoseconds: 0)
        for number in 0..<5 { overlay.remember(Peers.address(number), limit: 3) }
        overlay.setTargets([], at: start)
        #expect(overlay.targets.map(\.address) == (2..<5).map { Peers.address($0) })
        #expect(overlay.takeDue(at: start).isEmpty)
        var random = SplitMix64(seed: 1)
        var now = start
        for _ in 0..<10 {
            now = now.adding(milliseconds: 60_000)
            overlay.setTargets([], at: now)
            let due = overlay.takeDue(at: now)
            #expect(due.count == 3)
            for (dial, _) in due { overlay.attemptEnded(dial, at: now, random: &random) }
        }
        overlay.forget(Peers.address(2))
        overlay.setTargets([Peers.address(3)], at: now)
        // What is wanted is dialled at once.
        #expect(overlay.takeDue(at: now).map(\.1) == [Peers.address(3)])
    }
}
