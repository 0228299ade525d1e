import Node
import Testing

@testable import Simulator

/// Sessions on the move: servers that join empty, that are drained, that have other shares; and what shows if a node
/// makes a mistake about it, in worlds that are written for it.
@Suite struct MoveTests {
    /// Two servers near each other with clients, and a third one, far from both, that starts later.
    private static func world(_ seed: UInt64, clients: Int = 12, defect: NodeDefect? = nil) -> World {
        var options = WorldOptions(seed: seed)
        options.latencyMilliseconds = 2...6
        options.nodeDefect = defect
        let world = World(options: options)
        world.addServers(3, .star)
        world.setPath(0, 1, .local)
        for server in 0...1 { world.setPath(server, 2, .distant) }
        world.startAll(spreadMilliseconds: 100, isShuffled: false, except: [2])
        world.run(milliseconds: 30_000)
        for number in 0..<clients {
            let isNamed = number % 4 != 3
            world.addClient(
                name: isNamed ? "user\(number)" : nil,
                steps: [.connect(server: number % 2)] + (isNamed ? [.register] : []) + [.login])
        }
        world.run(milliseconds: 5000)
        return world
    }

    /// The third server joins while everybody speaks; its own readers may be behind then, so that it is, too.
    private static func join(_ seed: UInt64, isBehind: Bool = false, defect: NodeDefect? = nil) -> World {
        let world = world(seed, defect: defect)
        world.startTraffic(perSecond: 300, seconds: 5)
        world.run(milliseconds: 500)
        world.start(2)
        if isBehind {
            _ = world.run(limitMilliseconds: 5000) { $0.servers[2].statistics?.isServing == true }
            // Who has no client is never behind.
            world.addClient(name: nil, steps: [.connect(server: 2), .login])
            world.run(milliseconds: 300)
            world.setBehind(2, true)
            world.run(milliseconds: 3000)
            world.setBehind(2, false)
        }
        world.run(milliseconds: 15_000)
        return world
    }

    private static func kinds(_ world: World) -> Set<Violation.Kind> { Set(world.verdict(Checks()).map(\.kind)) }

    @Test(arguments: 1...2 as ClosedRange<UInt64>) func `who is moved loses nothing and sees nothing twice`(
        seed: UInt64
    ) {
        let world = Self.join(seed)
        #expect(world.verdict(Checks()).map(\.description) == [])
        #expect(world.isEven, "\(world.loadText)")
        #expect(world.moves(since: 0) == 4, "four of twelve clients belong to the third server")
        #expect(world.clients.allSatisfy { $0.isLoggedIn })
    }

    @Test(arguments: 1...2 as ClosedRange<UInt64>) func `a server that is drained is left by all`(seed: UInt64) {
        let world = Self.world(seed)
        world.startTraffic(perSecond: 100, seconds: 12)
        world.start(2)
        world.run(milliseconds: 6000)
        world.drain(0, withinMilliseconds: 20_000)
        let isGone = world.run(limitMilliseconds: 20_000) { !$0.servers[0].isUp }
        #expect(isGone && world.history.lives[0].hasLeft)
        world.run(milliseconds: 10_000)
        #expect(world.clients.allSatisfy { $0.isLoggedIn && $0.server != 0 })
        #expect(world.isEven, "\(world.loadText)")
        #expect(world.verdict(Checks()).map(\.description) == [])
    }

    @Test func `servers get their shares`() {
        let world = Self.world(5, clients: 0)
        world.start(2)
        world.run(milliseconds: 10_000)
        for (server, weight) in [100, 100, 200].enumerated() where server == 2 {
            world.kill(server, .process)
            world.servers[server].weight = UInt32(weight)
            world.start(server)
        }
        world.run(milliseconds: 10_000)
        for number in 0..<40 {
            world.addClient(name: nil, steps: [.wait(milliseconds: UInt64(number) * 20), .connect(server: 0), .login])
        }
        world.run(milliseconds: 30_000)
        #expect(world.isEven, "\(world.loadText)")
        #expect(world.loads.map(\.sessions) == [10, 10, 20], "\(world.loadText)")
    }

    // MARK: Mistakes

    @Test func `a session that is live before its floor is reached is found`() {
        let found = (1...2).map { Self.kinds(Self.join($0, isBehind: true, defect: .liveBeforeFloor)) }
        #expect(found.contains { $0.contains(.repeated) }, "\(found)")
        #expect((1...2).allSatisfy { Self.kinds(Self.join($0, isBehind: true)) == [] })
    }

    @Test func `words that overtake those at the server before are found`() {
        #expect((1...12).contains { Self.kinds(Self.join($0, defect: .arrivalNotAwaited)).contains(.reordered) })
    }

    /// Who was moved logs out and in again at once.
    @Test func `a floor that is used twice is found`() {
        func kinds(_ defect: NodeDefect?) -> Set<Violation.Kind> {
            let world = Self.world(2, defect: defect)
            world.startTraffic(perSecond: 200, seconds: 6)
            world.start(2)
            let isThere = world.run(limitMilliseconds: 10_000) { world in
                world.clients.contains { $0.name != nil && $0.server == 2 && $0.isLoggedIn }
            }
            #expect(isThere)
            for client in world.clients where client.name != nil && client.server == 2 && client.isLoggedIn {
                client.append([.wait(milliseconds: 300), .logout, .connect(server: 2), .login], in: world)
            }
            world.run(milliseconds: 20_000)
            return Self.kinds(world)
        }
        #expect(kinds(.floorUsedTwice).contains(.shownOld))
        #expect(kinds(nil) == [])
    }

    static func joinOfAnEmptyServer(_ defect: NodeDefect?) -> Scenario.Outcome {
        var scenario = Scenario(seed: 3)
        scenario.world.nodeDefect = defect
        scenario.servers = 3
        scenario.absent = [2]
        scenario.clientsPerServer = 7
        scenario.seconds = 5
        scenario.timeline.add(.start([2]), atSeconds: 1)
        scenario.evenLimitSeconds = 90
        scenario.redundancyMax = .infinity
        return scenario.run()
    }

    @Test func `an empty server that joins gets its part, with the fewest moves, and then nobody moves`() throws {
        let outcome = Self.joinOfAnEmptyServer(nil)
        #expect(outcome.violations.map(\.description) == [])
        let evening = try #require(outcome.evenings.first)
        #expect(evening.movesNeeded == 4 && evening.moves == 4)
    }

    @Test func `sessions that go back and forth are found`() {
        let kinds = Self.joinOfAnEmptyServer(.movesBackAndForth).violations.map(\.kind)
        #expect(kinds.contains(.movedNeedlessly), "\(kinds)")
    }
}
