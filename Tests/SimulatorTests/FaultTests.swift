import Testing

@testable import Simulator

/// The ways in which a world can be hurt, and that it recovers.
@Suite(.serialized) struct FaultTests {
    /// A whole network with two clients at each server and traffic for a minute.
    private static func network(seed: UInt64, servers: Int) -> World {
        let world = World(options: WorldOptions(seed: seed))
        world.addServers(servers, .random)
        world.startAll(spreadMilliseconds: 500 * UInt64(servers), isShuffled: false)
        world.run(milliseconds: 500 * UInt64(servers))
        let isWhole = world.run(limitMilliseconds: 20_000) { $0.isWhole }
        #expect(isWhole, "\(world.wholenessText)")
        for server in 0..<servers {
            world.addClient(name: "user\(server)", steps: [.connect(server: server), .register, .login])
            world.addClient(name: nil, steps: [.connect(server: server), .login])
        }
        world.run(milliseconds: 4000)
        world.startTraffic(perSecond: 20, seconds: 60)
        world.run(milliseconds: 5000)
        return world
    }

    private static func settle(_ world: World) {
        world.run(milliseconds: 90_000)
        #expect(world.isWhole, "\(world.wholenessText)")
        #expect(world.verdict(Checks()).map(\.description) == [])
    }

    @Test(arguments: [World.Death.process, .machine], 1...3 as ClosedRange<UInt64>)
    func aKilledServerIsMissedByNobodyElse(death: World.Death, seed: UInt64) {
        let world = Self.network(seed: seed, servers: 5)
        world.kill(2, death)
        Self.settle(world)
    }

    @Test(arguments: [World.Death.process, .machine], 1...3 as ClosedRange<UInt64>)
    func aRestartedServerComesBack(death: World.Death, seed: UInt64) {
        let world = Self.network(seed: seed, servers: 4)
        world.kill(1, death)
        world.run(milliseconds: 2000 * seed)
        world.start(1)
        world.run(milliseconds: 5000)
        let guest = world.addClient(name: nil, steps: [.connect(server: 1), .login])
        Self.settle(world)
        #expect(guest.isLoggedIn)
        #expect(world.servers[1].life == 2)
    }

    /// Whoever does not answer is replaced by the next on the ring, until one does.
    @Test(arguments: [World.Death.process, .machine], 0...2 as ClosedRange<Int>)
    func survivorsOfManyDeathsFindEachOther(death: World.Death, first: Int) {
        let world = Self.network(seed: UInt64(first) + 1, servers: 8)
        let survivors = [first, (first + 3) % 8]
        for server in 0..<8 where !survivors.contains(server) { world.kill(server, death) }
        world.run(milliseconds: 60_000)
        #expect(survivors.map { world.servers[$0].statistics?.links } == [1, 1])
    }

    @Test(arguments: [World.Cut.silently, .abruptly], 1...3 as ClosedRange<UInt64>)
    func aPartitionHeals(cut: World.Cut, seed: UInt64) {
        let world = Self.network(seed: seed, servers: 5)
        world.partition([0, 1], from: [2, 3, 4], cut)
        world.run(milliseconds: 10_000 * seed)
        world.healAll()
        Self.settle(world)
    }

    @Test(arguments: 1...3 as ClosedRange<UInt64>) func brokenLinksAreReplaced(seed: UInt64) {
        let world = Self.network(seed: seed, servers: 4)
        for (first, second) in [(0, 1), (1, 2), (2, 3), (0, 3), (0, 2), (1, 3)] {
            world.breakLinks(first, second)
            world.run(milliseconds: 700)
        }
        Self.settle(world)
    }

    /// A joiner that is the only way between two parts passes on what it has no clients for itself.
    @Test(arguments: 1...10 as ClosedRange<UInt64>) func aJoinerGivesNothingUpForOthers(seed: UInt64) {
        let world = Self.network(seed: seed, servers: 4)
        world.partition([3], from: [0, 1, 2], .abruptly)
        world.kill(1, .process)
        world.run(milliseconds: 8000)
        world.start(1)
        world.run(milliseconds: 8000)
        world.healAll()
        Self.settle(world)
    }
}
