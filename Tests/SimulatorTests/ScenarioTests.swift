import Testing

@testable import Simulator

/// The standard run over sizes, shapes and seeds; and that its checkers bite.
@Suite(.serialized) struct ScenarioTests {
    private static func scenario(seed: UInt64, servers: Int, _ topology: Topology = .random) -> Scenario {
        var scenario = Scenario(seed: seed)
        scenario.servers = servers
        scenario.topology = topology
        scenario.clientsPerServer = 2
        // So soon trees still improve, which costs copies: `steadyTreesCostNothingExtra` judges them later.
        (scenario.warmUpSeconds, scenario.seconds, scenario.redundancyMax) = (5, 5, 0.05)
        return scenario
    }

    @Test(arguments: [1, 2, 3, 5, 10], Topology.allCases)
    func networksBecomeWholeAndKeepTheirPromises(servers: Int, topology: Topology) {
        for seed in 1...2 as ClosedRange<UInt64> {
            let outcome = Self.scenario(seed: seed, servers: servers, topology).run()
            #expect(outcome.violations.map(\.description) == [])
            #expect(outcome.activities > 150)
            #expect(outcome.deliveries == outcome.activities * servers * 2, "nobody comes late or leaves in this run")
        }
    }

    /// Trees once formed are trees: each record crosses n - 1 edges, also where paths are slower than the graft timer.
    @Test(arguments: [2, 5, 12], [1...10, 10...100] as [ClosedRange<UInt64>])
    func steadyTreesCostNothingExtra(servers: Int, latency: ClosedRange<UInt64>) {
        var scenario = Self.scenario(seed: 1, servers: servers)
        scenario.world.latencyMilliseconds = latency
        (scenario.warmUpSeconds, scenario.redundancyMax) = (Scenario(seed: 1).warmUpSeconds, 0)
        let outcome = scenario.run()
        #expect(outcome.violations.map(\.description) == [])
        #expect(outcome.economy.redundancy == 0)
        #expect(outcome.economy.copies == outcome.economy.records * (servers - 1))
    }

    @Test func whoStartsOneByOneIsWholeAtOnce() {
        for seed in 1...5 as ClosedRange<UInt64> {
            let world = World(options: WorldOptions(seed: seed))
            world.addServers(5, .chain)
            world.startAll(spreadMilliseconds: 8000, isShuffled: false)
            world.run(milliseconds: 8000)
            #expect(world.run(limitMilliseconds: 2000) { $0.isWhole }, "\(world.wholenessText)")
        }
    }

    @Test func oneSeedGivesOneTrace() {
        func digest(seed: UInt64) -> UInt64 {
            var scenario = Self.scenario(seed: seed, servers: 3)
            scenario.world.traces = .digest
            return scenario.run().traceDigest
        }
        #expect(digest(seed: 11) == digest(seed: 11))
        #expect(digest(seed: 11) != digest(seed: 12))
    }

    @Test(arguments: [
        (PlantedDefect.losesLine(every: 50), Violation.Kind.notReached), (.repeatsLine(every: 50), .repeated),
        (.swapsLines(every: 50), .reordered),
    ]) func plantedDefectsAreFound(defect: PlantedDefect, kind: Violation.Kind) {
        // One client only, so that two lines in a row are of one sender.
        var scenario = Self.scenario(seed: 1, servers: 1)
        scenario.clientsPerServer = 1
        scenario.world.defect = defect
        let kinds = Set(scenario.run().violations.map(\.kind))
        #expect(kinds.contains(kind))
    }
}
