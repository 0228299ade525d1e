import Node
import Testing

@testable import Simulator

/// Mistakes that a drawn world hardly ever shows: each is found in a world that is written for it.
@Suite struct WrittenDefectTests {
    // In the world of seed 2 the claim comes from somebody else.
    @Test(arguments: [1, 3, 4] as [UInt64]) func `a claim that is dropped with a gap is found`(seed: UInt64) {
        let found = Self.violationsAfterGap(seed, defect: .claimDroppedWithGap)
        #expect(found.contains { $0.kind == .registryRepaired || $0.kind == .digestsDiffer }, "\(found)")
        #expect(Self.violationsAfterGap(seed, defect: nil).map(\.description) == [])
    }

    @Test(arguments: [1, 2, 3] as [UInt64]) func `an announcement that digests do not repair is found`(seed: UInt64) {
        let found = Self.violationsOfDeafness(seed, defect: .announcementsNotRepaired)
        #expect(found.contains { $0.kind == .notInformed }, "\(found)")
        #expect(Self.violationsOfDeafness(seed, defect: nil).map(\.description) == [])
    }

    @Test(arguments: [1, 2, 3] as [UInt64]) func `a single arbiter is found`(seed: UInt64) {
        let found = Self.violationsAtJoin(seed, defect: .oneArbiter)
        #expect(found.contains { $0.kind == .registeredTwice }, "\(found)")
        #expect(Self.violationsAtJoin(seed, defect: nil).map(\.description) == [])
    }

    @Test(arguments: [1, 2, 3] as [UInt64]) func `a gap that is not put off is found`(seed: UInt64) {
        let activities = 50
        #expect(Self.activitiesPastGap(seed, of: activities, defect: .gapNotPutOff) < activities)
        #expect(Self.activitiesPastGap(seed, of: activities, defect: nil) == activities)
    }

    /// A whole network without clients.
    private static func network(_ seed: UInt64, servers: Int, _ change: (inout WorldOptions) -> Void) -> World {
        var options = WorldOptions(seed: seed)
        options.latencyMilliseconds = 5...20
        change(&options)
        let world = World(options: options)
        world.addServers(servers, .star)
        return world
    }

    /// Two servers whose ways to the third one are slow give up a claim that it does not have yet.
    private static func violationsAfterGap(_ seed: UInt64, defect: NodeDefect?) -> [Violation] {
        let world = network(seed, servers: 3) { options in
            options.limits.storeBytes = 20_000
            options.limits.linkWindowBytes = 4000
            // A slow way is not taken for a dead one.
            options.timing.silence = 30_000
            options.nodeDefect = defect
        }
        world.startAll(spreadMilliseconds: 100, isShuffled: false)
        world.run(milliseconds: 8000)
        let sender = world.addClient(name: nil, steps: [.connect(server: 0), .login])
        world.run(milliseconds: 3000)
        var slow = world.path(0, 2)
        slow.bytesPerSecond = 3000
        for server in 0...1 { world.setPath(server, 2, slow) }
        sender.append([.burst(count: 200, bytes: 0)], in: world)
        world.run(milliseconds: 300)
        world.addClient(name: "late", steps: [.connect(server: 0), .register])
        world.run(milliseconds: 2000)
        sender.append([.burst(count: 400, bytes: 0)], in: world)
        world.run(milliseconds: 60_000)
        return world.verdict(Checks())
    }

    /// A server that sends nothing announces what the one way to its neighbour loses; a third one has it, and says so.
    /// The next announcements fare alike, and the link does not end in time to help.
    private static func violationsOfDeafness(_ seed: UInt64, defect: NodeDefect?) -> [Violation] {
        let world = network(seed, servers: 3) { options in
            options.timing.silence = 60_000
            options.timing.announceInterval = 1000
            options.nodeDefect = defect
        }
        world.startAll(spreadMilliseconds: 100, isShuffled: false)
        world.run(milliseconds: 20_000)
        world.cutOneWay(from: 0, to: 1)
        // Its load is worth telling.
        world.addClient(name: nil, steps: [.connect(server: 0), .login])
        world.run(milliseconds: 1000)
        let announced = world.announced
        world.run(milliseconds: 5000)
        world.judgeInformed(of: announced)
        world.heal(0, 1)
        world.run(milliseconds: 30_000)
        return world.verdict(Checks())
    }

    /// Two sites far from each other, and a server that joins at one of them: before the other one has heard of it, many
    /// names are asked for at both. Each name's first arbiter is the new server for some who ask, and not for others.
    private static func violationsAtJoin(_ seed: UInt64, defect: NodeDefect?) -> [Violation] {
        let world = network(seed, servers: 5) { options in
            options.latencyMilliseconds = 1...2
            options.nodeDefect = defect
        }
        for first in 0..<5 {
            for second in first + 1..<5 where (second - first) % 2 == 1 { world.setPath(first, second, .distant) }
        }
        world.startAll(spreadMilliseconds: 100, isShuffled: false, except: [4])
        // So long that the checkers, too, take the network for connected.
        world.run(milliseconds: 30_000)
        let users = (0..<60).flatMap { number in
            (0...1).map { world.addClient(name: "user\(number)", steps: [.connect(server: $0)]) }
        }
        world.run(milliseconds: 1000)
        world.start(4)
        let isKnown = world.run(limitMilliseconds: 5000) { $0.servers[0].core?.node.reachableServers.count == 5 }
        #expect(isKnown && world.servers[1].core?.node.reachableServers.count == 4)
        for user in users { user.append([.register], in: world) }
        world.run(milliseconds: 20_000)
        return world.verdict(Checks())
    }

    /// Server 2 is alone when a client of server 1 sends something; then servers 0 and 1 lose each other, and server 0 gives
    /// up what server 1 keeps. Server 2 hears of the gap, and a moment later it has a way to who can fill it. Returns how
    /// much comes to its client. (The checkers excuse a server that steps over a gap that it was told.)
    private static func activitiesPastGap(_ seed: UInt64, of activities: Int, defect: NodeDefect?) -> Int {
        let world = network(seed, servers: 3) { options in
            options.limits.storeBytes = 40_000
            options.timing.redialMax = 100
            options.connectTimeoutMilliseconds = 100
            options.nodeDefect = defect
        }
        world.startAll(spreadMilliseconds: 100, isShuffled: false)
        world.run(milliseconds: 8000)
        let clients = (0..<3).map { world.addClient(name: nil, steps: [.connect(server: $0), .login]) }
        world.run(milliseconds: 3000)
        for other in 0...1 { world.cut(other, 2, .silently) }
        world.run(milliseconds: 6000)
        clients[1].append([.burst(count: activities, bytes: 0)], in: world)
        world.run(milliseconds: 2000)
        world.cut(0, 1, .abruptly)
        world.run(milliseconds: 2000)
        clients[0].append([.burst(count: 100, bytes: 1000)], in: world)
        world.run(milliseconds: 2000)
        world.heal(0, 2)
        world.run(milliseconds: 300)
        world.heal(1, 2)
        world.run(milliseconds: 20_000)
        world.history.settle(at: world.now)
        let view = world.history.views[clients[2].index]
        return world.history.activities[clients[1].index].count { view.has($0.ordinal) }
    }
}
