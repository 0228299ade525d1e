import Foundation
import Simulator

/// What one seed showed: a line of a worker, a line of a journal, and the report of a single run. All but the CPU time
/// and the memory depends on the seed and the options alone.
struct SeedResult: Codable, Sendable {
    var seed: UInt64
    /// The world in a sentence or two.
    var world: String
    var violations: [String] = []
    /// What the first violation that is about a record is about, and its causal story where it is told.
    var focus: Violation.Focus?
    var causes: [String] = []
    /// What was done to the network, with times; kept where there is a violation.
    var story: [String] = []
    var measures: [Measure] = []
    var rareStates: [RareState] = []
    /// More for a reader of a single run.
    var notes: [String] = []
    var activities: Int
    var deliveries: Int
    var events: UInt64
    /// Nanoseconds.
    var virtualTime: UInt64
    var traceDigest: UInt64
    var cpuSeconds = 0.0

    struct Measure: Codable, Sendable, Hashable {
        var name: String
        var values: [Double]
    }

    struct RareState: Codable, Sendable, Hashable {
        var name: String
        var count: UInt64
    }

    var isGood: Bool { violations.isEmpty }

    /// For a seed whose run did not come to an end.
    init(seed: UInt64, world: String, failure: String) {
        self.init(
            seed: seed, world: world, violations: [failure], activities: 0, deliveries: 0, events: 0,
            virtualTime: 0, traceDigest: 0)
    }

    init(
        seed: UInt64, world: String, violations: [String], activities: Int, deliveries: Int, events: UInt64,
        virtualTime: UInt64, traceDigest: UInt64
    ) {
        self.seed = seed
        self.world = world
        self.violations = violations
        self.activities = activities
        self.deliveries = deliveries
        self.events = events
        self.virtualTime = virtualTime
        self.traceDigest = traceDigest
    }

    mutating func measure(_ name: String, _ values: [Double]) {
        let rounded = values.map { ($0 * 1e6).rounded() / 1e6 }
        if !rounded.isEmpty { measures.append(Measure(name: name, values: rounded)) }
    }
}

// MARK: - One line

extension SeedResult {
    /// Without a line end. The story is of use with a violation only.
    func line() throws -> String {
        var brief = self
        brief.notes = []
        if isGood { brief.story = [] }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(brief), as: UTF8.self)
    }

    init(line: some StringProtocol) throws {
        self = try JSONDecoder().decode(SeedResult.self, from: Data(line.utf8))
    }
}

// MARK: - A report

extension SeedResult {
    /// The single run for a reader.
    var report: String {
        var lines = [
            "seed \(seed): \(world)",
            "\(activities) activities, \(deliveries) deliveries, \(events) events in "
                + "\(Text.number(Double(virtualTime) / 1e9)) s of virtual time",
        ]
        let width = measures.map(\.name.count).max() ?? 0
        for measure in measures {
            lines.append("  \(Text.left(measure.name, width))  \(Self.text(of: measure.values))")
        }
        let reached = rareStates.filter { $0.count > 0 }.map { "\($0.name) \($0.count)" }
        if !reached.isEmpty { lines.append("rare states: " + reached.joined(separator: ", ")) }
        lines += notes
        if !story.isEmpty { lines += ["what happened:"] + story.map { "  \($0)" } }
        return lines.joined(separator: "\n")
    }

    /// All violations, and the causal story.
    func printViolations() {
        for violation in violations { print("VIOLATION \(violation)") }
        if !causes.isEmpty { print("the story of its record:") }
        for line in causes { print("  \(line)") }
    }

    private static func text(of values: [Double]) -> String {
        guard let least = values.min(), let most = values.max(), values.count > 1 else {
            return values.first.map(Text.number) ?? "none"
        }
        return "\(Text.number(least)) to \(Text.number(most)) (\(values.count) values)"
    }
}

/// Numbers and columns.
enum Text {
    /// At most three digits behind the point, none that says nothing.
    static func number(_ value: Double) -> String {
        if value >= 1000 { return String(Int(value.rounded())) }
        let thousandths = Int((value * 1000).rounded())
        guard !thousandths.isMultiple(of: 1000) else { return String(thousandths / 1000) }
        var digits = String(abs(thousandths) % 1000)
        digits = String(repeating: "0", count: 3 - digits.count) + digits
        while digits.last == "0" { digits.removeLast() }
        return (value < 0 ? "-" : "") + "\(abs(thousandths) / 1000).\(digits)"
    }

    static func left(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    static func right(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }
}
