import Foundation
import Testing

@testable import Node
@testable import Reactor
@testable import Server

/// The alerts and the dashboard ask for what the server tells, and the documents explain each alert.
@Suite struct MonitoringTests {
    private static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

    private func text(_ path: String) throws -> String {
        try String(contentsOfFile: Self.root + "/" + path, encoding: .utf8)
    }

    private func names(in text: String, _ pattern: Regex<(Substring, Substring)>) -> Set<String> {
        Set(text.matches(of: pattern).map { String($0.1) })
    }

    @Test(arguments: ["config/prometheus/pando.rules.yml", "config/grafana/pando.json"])
    func `every metric that is asked for exists, and so does each of its labels' values`(path: String) throws {
        let text = try text(path).replacing("\\\"", with: "\"")
        let asked = names(in: text, /\b((?:pando|process)_[a-z_]+)\b/)
        #expect(asked.count > 10)
        #expect(asked.subtracting(Metric.all.map(\.name)) == [])
        let limits =
            try self.text("Sources/Node/Node+Status.swift") + self.text("Sources/Server/Admin/StatusDocument.swift")
        #expect(names(in: text, /limit="([a-z_]+)"/).subtracting(names(in: limits, /LimitUse\(\s*"([a-z_]+)"/)) == [])
        let reasons = CloseReason.allCases.map { "\($0)" } + SessionCloseReason.allCases.map(\.rawValue)
        #expect(names(in: text, /reason="([a-zA-Z]+)"/).subtracting(reasons) == [])
        let labels = ["instance", "job", "limit", "neighbour", "reason", "state", "version"]
        #expect(names(in: text, /\{\{ *\$?(?:labels\.)?([a-z]+)/).subtracting(labels + ["value"]) == [])
    }

    @Test func `every alert is tested, and explained`() throws {
        let alerts = names(in: try text("config/prometheus/pando.rules.yml"), /- alert: (Pando[A-Za-z]+)/)
        #expect(alerts.count > 10)
        let tests = try text("config/prometheus/pando.rules.test.yml")
        // Once when it has to be silent and once when it has to fire.
        #expect(names(in: tests, /alertname: (Pando[A-Za-z]+), exp_alerts: \[\]/) == alerts)
        #expect(names(in: tests, /alertname: (Pando[A-Za-z]+)\n +exp_alerts:\n/) == alerts)
        #expect(names(in: try text("docs/operations.md"), /### (Pando[A-Za-z]+)/) == alerts)
        #expect(names(in: try text("config/grafana/pando.json"), /(Pando[A-Z][A-Za-z]+)/).subtracting(alerts) == [])
    }
}
