import Foundation

/// What many seeds showed together. It does not depend on the order in which they come.
struct Summary {
    private(set) var seeds = 0
    private(set) var failures: [SeedResult] = []
    private(set) var cpuSeconds: [Double] = []
    private var activities = 0
    private var deliveries = 0
    private var events: UInt64 = 0
    /// Nanoseconds.
    private var virtualTime: UInt64 = 0
    private var measures: [(name: String, values: [(value: Double, seed: UInt64)])] = []
    private var rareStates: [(name: String, total: UInt64, seeds: Int)] = []

    mutating func add(_ result: SeedResult) {
        seeds += 1
        activities += result.activities
        deliveries += result.deliveries
        events += result.events
        virtualTime += result.virtualTime
        cpuSeconds.append(result.cpuSeconds)
        if !result.isGood { failures.append(result) }
        for measure in result.measures {
            let index = measures.firstIndex { $0.name == measure.name } ?? measures.endIndex
            if index == measures.endIndex { measures.append((measure.name, [])) }
            measures[index].values += measure.values.map { ($0, result.seed) }
        }
        for state in result.rareStates {
            let index = rareStates.firstIndex { $0.name == state.name } ?? rareStates.endIndex
            if index == rareStates.endIndex { rareStates.append((state.name, 0, 0)) }
            rareStates[index].total += state.count
            rareStates[index].seeds += state.count > 0 ? 1 : 0
        }
    }

    /// The failed seeds in their order.
    var failed: [SeedResult] { failures.sorted { $0.seed < $1.seed } }

    /// Adds causal stories to the first failures.
    mutating func tellCauses(of count: Int, _ causes: (SeedResult) -> [String]) {
        failures = failed
        for index in failures.indices.prefix(count) { failures[index].causes = causes(failures[index]) }
    }

    var simulatedHours: Double { Double(virtualTime) / 3.6e12 }

    var cpuMean: Double { cpuSeconds.isEmpty ? 0 : cpuSeconds.reduce(0, +) / Double(cpuSeconds.count) }
}

// MARK: - Percentiles

/// The distribution of some values: each percentile is a value that occurred (the nearest rank).
struct Percentiles: Codable, Hashable {
    var count: Int
    var median: Double
    var ninety: Double
    var ninetyNine: Double
    var max: Double
    /// The lowest seed that has the maximum.
    var seedOfMax: UInt64

    init?(_ values: [(value: Double, seed: UInt64)]) {
        let sorted = values.sorted { ($0.value, $1.seed) < ($1.value, $0.seed) }
        guard let last = sorted.last else { return nil }
        func rank(_ percent: Int) -> Double { sorted[(sorted.count * percent + 99) / 100 - 1].value }
        count = sorted.count
        (median, ninety, ninetyNine) = (rank(50), rank(90), rank(99))
        (max, seedOfMax) = (last.value, last.seed)
    }
}

// MARK: - For a reader

extension Summary {
    /// Depends on the seeds and the options alone.
    var report: String {
        var lines = [verdict]
        let width = (measures.map(\.name.count) + rareStates.map(\.name.count)).max() ?? 0
        if !measures.isEmpty {
            lines.append("")
            lines.append(row("", ["values", "50 %", "90 %", "99 %", "max", "seed of max"], width))
        }
        for measure in measures {
            guard let percentiles = Percentiles(measure.values) else { continue }
            let numbers = [percentiles.median, percentiles.ninety, percentiles.ninetyNine, percentiles.max]
            let columns = ["\(percentiles.count)"] + numbers.map(Text.number) + ["\(percentiles.seedOfMax)"]
            lines.append(row(measure.name, columns, width))
        }
        if !rareStates.isEmpty { lines += ["", row("rare states", ["total", "seeds"], width)] }
        for state in rareStates { lines.append(row(state.name, ["\(state.total)", "\(state.seeds)"], width)) }
        return lines.joined(separator: "\n")
    }

    private var verdict: String {
        let bad = failures.count
        let judgement = bad == 0 ? "every promise held" : "\(seeds - bad) kept every promise, \(bad) did not"
        return "\(seeds) seeds: \(judgement); \(Text.number(simulatedHours)) simulated hours, "
            + "\(activities) activities, \(deliveries) deliveries, \(events) events"
    }

    private func row(_ name: String, _ columns: [String], _ width: Int) -> String {
        Text.left(name, width) + columns.map { Text.right($0, 12) }.joined()
    }

    /// What differs from run to run.
    func cost(wallSeconds: Double) -> String {
        guard let most = cpuSeconds.max() else { return "no seed was run" }
        return "CPU seconds a seed: \(Text.number(cpuMean)) on average, at most \(Text.number(most)); "
            + "\(Text.number(wallSeconds)) s in all"
    }
}

// MARK: - For programs

extension Summary {
    /// `code` is the digest of the program.
    func json(code: String, options: [String], replay: (UInt64) -> String) throws -> String {
        struct Failure: Encodable {
            var seed: UInt64
            var world: String
            var violations: [String]
            var story: [String]
            var causes: [String]
            var replay: String
        }
        struct Rare: Encodable {
            var total: UInt64
            var seeds: Int
        }
        struct Document: Encodable {
            var code: String
            var options: [String]
            var seeds: Int
            var failures: [Failure]
            var simulatedHours: Double
            var activities: Int
            var deliveries: Int
            var events: UInt64
            var cpuSecondsMean: Double
            var measures: [String: Percentiles]
            var rareStates: [String: Rare]
        }
        let document = Document(
            code: code, options: options, seeds: seeds,
            failures: failed.map { result in
                Failure(
                    seed: result.seed, world: result.world, violations: result.violations, story: result.story,
                    causes: result.causes, replay: replay(result.seed))
            },
            simulatedHours: simulatedHours, activities: activities, deliveries: deliveries, events: events,
            cpuSecondsMean: cpuMean,
            measures: Dictionary(
                uniqueKeysWithValues: measures.compactMap { entry in Percentiles(entry.values).map { (entry.name, $0) }
                }
            ),
            rareStates: Dictionary(
                uniqueKeysWithValues: rareStates.map { ($0.name, Rare(total: $0.total, seeds: $0.seeds)) }))
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(document), as: UTF8.self)
    }
}
