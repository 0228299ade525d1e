import Testing

@testable import Simulator

/// What trees are measured by: a flood over the same links, and the shortest ways.
struct OverlayTests {
    /// A square with one slow side, and a diagonal that is slower than two sides.
    private static let overlay = Overlay(
        servers: 5,
        links: [
            Overlay.Link(first: 0, second: 1, delay: 10), Overlay.Link(first: 1, second: 2, delay: 10),
            Overlay.Link(first: 2, second: 3, delay: 10), Overlay.Link(first: 0, second: 3, delay: 50),
            Overlay.Link(first: 0, second: 2, delay: 25),
        ])

    @Test func aFloodGoesTheFastestWay() {
        #expect(Self.overlay.floodHops(from: 0) == [0, 1, 2, 3, nil])
        #expect(Self.overlay.leastHops(from: 0) == [0, 1, 1, 1, nil])
    }

    @Test func pathsAreMeansOverAllDeliveries() throws {
        let hops: [Int?] = [nil, 1, 1, 2, nil]
        let paths = try #require(Economy.Paths([(0, hops), (3, [1, nil, nil, nil, nil])], over: Self.overlay))
        #expect(paths.mean == 1.25)
        #expect(paths.ofFlood == 2.25)
        #expect(paths.least == 1)
        #expect(Economy.Paths([], over: Self.overlay) == nil)
    }

    @Test func treesNeedAllButTheRedundantLinks() {
        #expect(Self.overlay.redundantLinks == 1)
        #expect(Overlay(servers: 2, links: []).redundantLinks == 0)
    }

    /// Without faults, on average over some worlds. A tree that has just been formed is somewhat longer; digests that
    /// come before the records improve it.
    @Test(arguments: [2, 3, 5, 8]) func treesAreAsShortAsFloods(servers: Int) throws {
        var sums = (tree: 0.0, flood: 0.0)
        for seed in 1...6 as ClosedRange<UInt64> {
            var scenario = Scenario(seed: seed)
            scenario.servers = servers
            scenario.clientsPerServer = 1
            scenario.seconds = 3
            let outcome = scenario.run()
            #expect(outcome.violations.map(\.description) == [])
            let paths = try #require(outcome.economy.paths)
            sums = (sums.tree + paths.mean, sums.flood + paths.ofFlood)
        }
        #expect(sums.tree <= 1.15 * sums.flood, "\(sums)")
    }
}
