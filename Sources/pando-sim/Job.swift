import Foundation
import Node
import Simulator

/// What is run for each seed.
struct Job {
    /// The options that give this job, without those that choose seeds.
    let options: [String]
    private let body: Body

    typealias Body = (_ seed: UInt64, _ traces: Trace.Mode, _ focus: Violation.Focus?) -> SeedResult

    init(options: [String], body: @escaping Body) {
        self.options = options
        self.body = body
    }

    func run(seed: UInt64, traces: Trace.Mode = .off) -> SeedResult {
        let start = clock()
        var result = body(seed, traces, nil)
        result.cpuSeconds = Double(clock() - start) / Double(CLOCKS_PER_SEC)
        return result
    }

    /// The causal story of the first violation that is about a record, by a second run that looks at that record alone.
    func causes(of result: SeedResult) -> [String] {
        result.focus.map { body(result.seed, .off, $0).causes } ?? []
    }

    /// The command that runs one seed again, event by event.
    func replay(seed: UInt64) -> String {
        (["pando-sim", "--seed", "\(seed)"] + options.map(Self.quoted) + ["--trace"]).joined(separator: " ")
    }

    private static func quoted(_ word: String) -> String {
        let isPlain = word.utf8.allSatisfy { byte in
            Character(Unicode.Scalar(byte)).isLetter || Character(Unicode.Scalar(byte)).isNumber
                || "-_./=".utf8.contains(byte)
        }
        return isPlain && !word.isEmpty ? word : "'" + word.replacingOccurrences(of: "'", with: "'\\''") + "'"
    }
}

// MARK: - Scenarios

extension Job {
    /// The network that the options or a file describe.
    static func scenario(_ scenario: Scenario, world: String, options: [String]) -> Job {
        Job(options: options) { seed, traces, focus in
            var scenario = scenario
            scenario.world.seed = seed
            scenario.world.traces = traces
            scenario.world.focus = focus
            return SeedResult(scenario.run(), of: scenario, world: world)
        }
    }

    /// Worlds of which the seed draws all that is not set.
    static func randomWorld(options: [String], _ set: @escaping (inout RandomWorld) -> Void) -> Job {
        Job(options: options) { seed, traces, focus in
            var world = RandomWorld(seed: seed)
            set(&world)
            world.traces = traces
            world.focus = focus
            return SeedResult(world.run())
        }
    }
}

extension SeedResult {
    init(_ outcome: RandomWorld.Outcome) {
        let measures = outcome.measures
        self.init(
            seed: outcome.seed, world: outcome.parameters, violations: outcome.violations.map(\.description),
            activities: measures.activities, deliveries: measures.deliveries, events: measures.events,
            virtualTime: measures.duration, traceDigest: outcome.traceDigest)
        focus = outcome.violations.lazy.compactMap(\.focus).first
        (story, causes) = (outcome.story, outcome.causes)
        rareStates = outcome.rareStates.map { RareState(name: $0.name, count: $0.count) }
        measure("whole again, s", measures.repairs.map { Double($0) / 1e9 })
        guard measures.records > 0 else { return }
        measure("hops to the last server, mean", [measures.hopsMean])
        measure("hops to the last server, most", [Double(measures.hopsMax)])
        measure("copies a record", [Double(measures.copies) / Double(measures.records)])
    }
}

extension SeedResult {
    init(_ outcome: Scenario.Outcome, of scenario: Scenario, world: String) {
        self.init(
            seed: outcome.seed, world: world, violations: outcome.violations.map(\.description),
            activities: outcome.activities, deliveries: outcome.deliveries, events: outcome.events,
            virtualTime: outcome.duration, traceDigest: outcome.traceDigest)
        focus = outcome.violations.lazy.compactMap(\.focus).first
        (story, causes) = (outcome.story, outcome.causes)
        measure("whole after the start, s", outcome.wholeAfter.map { [Double($0) / 1e9] } ?? [])
        measure("whole again, s", outcome.repairs.map { Double($0) / 1e9 })
        measure("even again, s", outcome.evenings.map { Double($0.time) / 1e9 })
        measure("moves until then", outcome.evenings.map { Double($0.moves) })
        measure("moves needed", outcome.evenings.map { Double($0.movesNeeded) })
        let economy = outcome.economy
        let servers = Double(scenario.servers)
        if economy.records > 0 {
            let records = Double(economy.records)
            measure("hops to the last server, mean", [economy.hopsMean])
            measure("hops to the last server, most", [Double(economy.hopsMax)])
            if let paths = economy.paths {
                measure("hops to a server, mean", [paths.mean])
                measure("hops to a server in a flood, mean", [paths.ofFlood])
                measure("hops to a server at least, mean", [paths.least])
            }
            measure("redundancy (RMR)", [economy.redundancy])
            measure("frames a record and server", [Double(outcome.frames.total) / records / servers])
            measure("digests a record and server", [Double(outcome.frames.digests) / records / servers])
            if let ends = economy.lazyEnds, ends > 0 {
                measure(
                    "digests a record, server and lazy link", [Double(outcome.frames.digests) / records / Double(ends)])
            }
            measure("bytes on links a record and server", [Double(outcome.frames.bytes) / records / servers])
        }
        let share = servers * Double(outcome.measured) / 1e9
        guard share > 0 else { return }
        notes.append("frames a server and second, by type:")
        let kinds = outcome.frames.byKind
        let width = kinds.map(\.name.count).max() ?? 0
        for kind in kinds {
            let (count, bytes) = (Double(kind.count) / share, Double(kind.bytes) / share)
            notes.append(
                "  \(Text.left(kind.name, width)) \(Text.right(Text.number(count), 9))"
                    + " \(Text.right(Text.number(bytes), 9)) bytes")
        }
    }
}
