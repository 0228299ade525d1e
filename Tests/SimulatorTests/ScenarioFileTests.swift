import Foundation
import Simulator
import Testing

@testable import pando_sim

/// Scenario files: what they can say, and what they answer to mistakes.
@Suite struct ScenarioFileTests {
    private static let folder = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("config/simulations")

    private static func scenario(_ text: String) throws -> Scenario {
        try ScenarioReader(path: "x.yaml").scenario(from: text)
    }

    private static func mistake(_ text: String) -> String {
        do {
            _ = try scenario(text)
            return "none"
        } catch {
            return "\(error)"
        }
    }

    static var shipped: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).sorted()
    }

    @Test func theShippedOnesAreThere() {
        let expected = ["chain", "datacentre-loss", "herd", "partition", "rolling-drain", "rolling-restart"].map {
            $0 + ".yaml"
        }
        #expect(Self.shipped == expected)
    }

    @Test(arguments: shipped) func everyShippedOneKeepsThePromises(name: String) throws {
        var scenario = try ScenarioReader.scenario(atPath: Self.folder.appendingPathComponent(name).path)
        #expect(!scenario.timeline.entries.isEmpty)
        scenario.world.seed = 2
        let outcome = scenario.run()
        #expect(outcome.violations.map(\.description) == [])
        #expect(outcome.story.count == scenario.timeline.entries.count)
        #expect(outcome.activities > 300)
    }

    @Test func everythingCanBeSaid() throws {
        let scenario = try Self.scenario(
            """
            servers: 4 # a comment
            clients: 3
            named: 25
            rate: 7.5
            topology: chain
            latency: 5-15
            absent: [2, 3]
            timeline:
              - {at: 9, start: [2, 3]}
              - {at: 1, kill: 0, how: machine}
              - {at: 2.5, restart: 1, after: 3}
              - {at: 3, part: [[0], [1, 2]], how: abruptly}
              - {at: 4, part: [[0], [3]]}
              - {at: 5, heal: [1, 3]}
              - {at: 10, pause: 2, after: 5}
              - {at: 11, between: [[0], [1]], loss: 2.5, bandwidth: 50000}
              - {at: 6, break: all}
              - {at: 7, arrive: 20, to: 1}
              - {at: 8, burst: 100}
              - {at: 12, drain: 0, within: 7}
            weights: [100, 100, 50]
            ways:
              - {between: [[0, 1], [2, 3]], latency: 40-120}
            seconds: 30
            expect:
              whole-within: 12
              redundancy: 0.5
              even-within: 40
            """)
        #expect(scenario.servers == 4)
        #expect(scenario.clientsPerServer == 3)
        #expect(scenario.namedPermille == 250)
        #expect(scenario.rate == 7.5)
        #expect(scenario.topology == .chain)
        #expect(scenario.world.latencyMilliseconds == 5...15)
        #expect(scenario.absent == [2, 3])
        #expect(scenario.seconds == 30)
        #expect(scenario.wholeLimitSeconds == 12)
        #expect(scenario.redundancyMax == 0.5)
        #expect(scenario.weights == [100, 100, 50])
        #expect(scenario.evenLimitSeconds == 40)
        let slow = PathQuality(latencyMicroseconds: 5000...15_000, lossPermille: 25, bytesPerSecond: 50_000)
        let actions: [Timeline.Action] = [
            .kill([0], .machine), .kill([1], .process), .part([[0], [1, 2]], .abruptly), .part([[0], [3]], .silently),
            .heal([1, 3]), .start([1]), .breakLinks([0, 1, 2, 3]), .arrive(clients: 20, server: 1), .burst(100),
            .start([2, 3]), .pause([2]), .way([[0], [1]], slow),
            .drain([0], withinMilliseconds: 7000), .goOn([2]),
        ]
        #expect(scenario.timeline.entries.map(\.action) == actions)
        #expect(scenario.timeline.entries.map(\.seconds) == [1, 2.5, 3, 4, 5, 5.5, 6, 7, 8, 9, 10, 11, 12, 15])
        #expect(scenario.ways.map(\.groups) == [[[0, 1], [2, 3]]])
        #expect(scenario.ways.map(\.quality) == [PathQuality(latencyMicroseconds: 40_000...120_000)])
    }

    @Test(arguments: [
        ("servrs: 3", "x.yaml:1:1: 'servrs' is not known; did you mean 'servers'?"),
        ("servers: 3\ncolour: red", "x.yaml:2:1: 'colour' is not known; known here: servers, clients,"),
        ("servers: many", "x.yaml:1:10: 'servers' is a number from 1 to 1000."),
        ("servers: 0", "x.yaml:1:10: 'servers' is a number from 1 to 1000."),
        ("servers: 3\nservers: 4", "said more than once"),
        ("topology: ring", "x.yaml:1:11: 'topology' is chain or star or random."),
        ("latency: fast", "x.yaml:1:10: 'latency' is milliseconds, for example 10-100"),
        ("timeline: soon", "x.yaml:1:11: here stands a list of entries."),
        ("timeline:\n  - kill: 1", "x.yaml:2:5: this entry has no 'at'"),
        ("timeline:\n  - at: 1", "x.yaml:2:5: an entry says one of start, kill,"),
        ("timeline:\n  - {at: 1, kil: 0}", "x.yaml:2:13: 'kil' is not known; did you mean 'kill'?"),
        ("timeline:\n  - {at: 1, kill: 0, start: 1}", "x.yaml:2:5: an entry says one of"),
        ("timeline:\n  - {at: 1, kill: 0, why: 1}", "x.yaml:2:22: 'why' is not known; known here: at, kill, how."),
        ("timeline:\n  - {at: 1, heal: all, to: 1}", "x.yaml:2:24: 'to' is not known; known here: at, heal."),
        ("timeline:\n  - {at: 1, kill: 5}", "x.yaml:2:19: a server is a number from 0 to 4"),
        ("timeline:\n  - {at: 1, kill: 0, how: softly}", "x.yaml:2:27: 'how' is process or machine."),
        ("timeline:\n  - {at: 1, part: [[0, 1], [1]]}", "x.yaml:2:19: here stand two groups or more"),
        ("ways:\n  - {latency: 3}", "x.yaml:2:5: this way has no 'between'"),
        ("ways:\n  - {between: [[0], [1]], loss: 100}", "x.yaml:2:33: 'loss' is a number from 0 to 90."),
        ("expect:\n  whole_within: 3", "x.yaml:2:3: 'whole_within' is not known; did you mean 'whole-within'?"),
        ("timeline: [", "(not YAML)"), ("", "is empty"), ("just words", "x.yaml:1:1: a scenario is made of lines"),
    ]) func mistakesAreToldWithTheirPlace(text: String, answer: String) {
        let mistake = Self.mistake(text)
        #expect(mistake.contains(answer), "\(mistake)")
    }

    @Test func whatStaysBrokenIsAViolation() throws {
        var scenario = try Self.scenario(
            """
            servers: 3
            clients: 1
            rate: 5
            timeline:
              - {at: 1, part: [[0], [1, 2]]}
            expect: {whole-within: 30}
            """)
        scenario.world.seed = 3
        #expect(scenario.run().violations.contains { $0.kind == .notWhole })
    }
}

/// Long runs in parts: numbers and journals.
@Suite struct SummaryTests {
    private static func result(seed: UInt64, _ values: [Double], violation: String? = nil) -> SeedResult {
        var result = SeedResult(
            seed: seed, world: "w", violations: violation.map { [$0] } ?? [], activities: 2, deliveries: 3, events: 4,
            virtualTime: 3_600_000_000_000, traceDigest: 5)
        result.measure("hops", values)
        result.rareStates = [.init(name: "gap", count: seed % 2), .init(name: "never", count: 0)]
        return result
    }

    @Test func percentilesAreValuesThatOccurred() throws {
        let values = (1...200).map { (value: Double($0), seed: UInt64($0)) }
        let percentiles = try #require(Percentiles(values.reversed()))
        #expect(percentiles.median == 100)
        #expect(percentiles.ninety == 180)
        #expect(percentiles.ninetyNine == 198)
        #expect(percentiles.max == 200)
        #expect(percentiles.seedOfMax == 200)
        #expect(Percentiles([(7, 3), (7, 2)])?.seedOfMax == 2)
        #expect(Percentiles([]) == nil)
    }

    @Test func theOrderOfSeedsDoesNotMatter() {
        let results = (1...9).map { seed in
            Self.result(seed: seed, [Double(seed), 0.1], violation: seed == 4 ? "broken" : nil)
        }
        var (one, other) = (Summary(), Summary())
        for result in results { one.add(result) }
        for result in results.reversed() { other.add(result) }
        #expect(one.report == other.report)
        #expect(one.report.contains("9 seeds: 8 kept every promise, 1 did not; 9 simulated hours, 18 activities"))
        #expect(one.report.contains("never"))
        #expect(one.failed.map(\.seed) == [4])
    }

    @Test func aLineHoldsAResult() throws {
        var result = Self.result(seed: 4, [0.1, 2], violation: "it \"broke\"\n")
        result.story = ["s"]
        let line = try result.line()
        #expect(!line.contains("\n"))
        let read = try SeedResult(line: line)
        #expect(read.measures == result.measures)
        #expect(read.violations == result.violations)
        #expect(read.story == ["s"])
        #expect(throws: (any Error).self) { try SeedResult(line: line.dropLast()) }
    }

    @Test func aJournalGoesOnWhereItEnds() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
        defer { try? FileManager.default.removeItem(atPath: path) }
        func seeds(code: String = "a", options: [String] = [], isNew: Bool = false, adding: [UInt64]) throws -> [UInt64]
        {
            var seen: [UInt64] = []
            let header = Journal.Header(code: code, options: options)
            let journal = try Journal(path: path, header: header, isNew: isNew) { seen.append($0.seed) }
            for seed in adding { try journal.append(Self.result(seed: seed, [1])) }
            journal.close()
            return seen
        }
        #expect(try seeds(adding: [1, 2]) == [])
        #expect(try seeds(adding: [5]) == [1, 2])
        // A kill in the middle of a line.
        let file = try #require(FileHandle(forWritingAtPath: path))
        try file.seekToEnd()
        try file.write(contentsOf: Data(#"{"seed":6,"wor"#.utf8))
        try file.close()
        #expect(try seeds(adding: [7]) == [1, 2, 5])
        #expect(try seeds(adding: []) == [1, 2, 5, 7])
        #expect(throws: Journal.Refusal.self) { try seeds(code: "b", adding: []) }
        #expect(throws: Journal.Refusal.self) { try seeds(options: ["--servers", "2"], adding: []) }
        #expect(try seeds(code: "b", isNew: true, adding: [9]) == [])
        #expect(try seeds(code: "b", adding: []) == [9])
        try Data("something else\n".utf8).write(to: URL(fileURLWithPath: path))
        #expect(throws: Journal.Refusal.self) { try seeds(adding: []) }
    }

    @Test(arguments: [
        (0.0, "0"), (1.5, "1.5"), (0.0004, "0"), (0.0016, "0.002"), (12.34, "12.34"), (999.9996, "1000"),
        (-0.5, "-0.5"),
        (1234.5, "1235"),
    ]) func numbersSayNoMoreThanTheyKnow(value: Double, text: String) { #expect(Text.number(value) == text) }
}
