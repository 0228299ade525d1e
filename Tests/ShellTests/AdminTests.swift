import Foundation
import Node
import Testing

@testable import Reactor
@testable import Server

@Suite struct AdminTests {
    // MARK: Metrics

    private func rows(_ source: Metric.Source) -> [String] {
        Metric.all.filter { $0.source == source }.map(\.field).sorted()
    }

    @Test func `every counter is a metric`() {
        #expect(rows(.node) == Shell.fields(of: NodeStatistics()).keys.sorted())
        #expect(rows(.reactor) == Shell.fields(of: ReactorStatistics()).keys.sorted())
        #expect(rows(.shell) == Shell.fields(of: ShellCounts()).keys.sorted())
    }

    @Test func `names follow the conventions`() {
        #expect(Set(Metric.all.map(\.name)).count == Metric.all.count)
        for metric in Metric.all {
            #expect(metric.name.wholeMatch(of: /(pando|process)(_[a-z]+)+/) != nil, "\(metric.name)")
            #expect(metric.name.hasSuffix("_total") == (metric.kind == .counter), "\(metric.name)")
            #expect(metric.help.hasSuffix("."), "\(metric.name)")
            for unit in ["_ms", "_milliseconds", "_nanoseconds", "_kb", "_mb"] {
                #expect(!metric.name.contains(unit), "\(metric.name)")
            }
        }
    }

    @Test func `the documents name every metric`() throws {
        let root = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
        let text = try String(contentsOfFile: root + "/docs/metrics.md", encoding: .utf8)
        let told = text.components(separatedBy: "\n").filter {
            $0.hasPrefix("| `pando_") || $0.hasPrefix("| `process_")
        }
        let expected = Metric.all.map { metric in
            let label = metric.source == .family && !metric.field.isEmpty ? "{\(metric.field)}" : ""
            return "| `\(metric.name)\(label)` | \(metric.kind.rawValue) | \(metric.help) |"
        }
        #expect(told == expected)
    }

    @Test func `values stand for themselves, labels are escaped, and no label comes twice`() throws {
        let plain = try #require(Metric.all.first { $0.name == "pando_members" })
        let labelled = try #require(Metric.all.first { $0.name == "pando_queue_records" })
        var text = MetricsText()
        text.add(plain, Shell.number(3))
        text.add(labelled, [("a\"\\\nb", Shell.number(0.5)), ("x", "1"), ("x", "2")])
        text.add(labelled, [])
        #expect(
            String(decoding: text.bytes, as: UTF8.self) == """
                # HELP pando_members \(plain.help)
                # TYPE pando_members gauge
                pando_members 3
                # HELP pando_queue_records \(labelled.help)
                # TYPE pando_queue_records gauge
                pando_queue_records{neighbour="a\\"\\\\\\nb"} 0.5
                pando_queue_records{neighbour="x"} 2

                """)
    }

    // MARK: Requests

    private func read(_ text: String) -> HTTPRequest.Reading { HTTPRequest.read(Array(text.utf8).span) }

    @Test func `a request is read when it is whole`() {
        let text = "GET /metrics?x=1 HTTP/1.1\r\nhost: a:1\r\nAUTHORIZATION: Bearer b c\r\nX: y\r\n\r\n"
        for count in 0..<text.utf8.count {
            #expect(HTTPRequest.read(Array(text.utf8.prefix(count)).span) == .incomplete, "\(count)")
        }
        let request = HTTPRequest(
            method: .get, path: "/metrics", host: "a:1", authorization: "Bearer b c", hasBody: false,
            bodyBytes: 0, headBytes: text.utf8.count, isAmbiguous: false, majorVersion: 1, minorVersion: 1)
        #expect(read(text) == .complete(request))
        #expect(read(text + "GET") == .complete(request))
        #expect(read("\u{16}\u{3}") == .malformed)
    }

    @Test func `a head tells how long its body is`() {
        let head = "POST /users HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n"
        guard case .complete(let request) = read(head + "twelve") else {
            Issue.record("the head is whole")
            return
        }
        #expect(request.method == .post && request.hasBody)
        #expect(request.bodyBytes == 12 && request.headBytes == head.utf8.count)
    }

    @Test func `a change of a user is an action, a name and a secret where one is needed`() {
        func read(_ text: String) -> AccountChange? { AccountChange(body: Array(text.utf8)) }
        #expect(
            read(#"{"secret":"s\u0041","action":"set-secret","username":"ada"}"#)
                == AccountChange(.setSecret, name: Array("ada".utf8), secret: Array("sA".utf8)))
        #expect(read(#"{"action":"kick","username":"ada"}"#) == AccountChange(.kick, name: Array("ada".utf8)))
        for text in [
            "", "{}", "[]", #"{"action":"kick"}"#, #"{"action":"kick","username":"ada","secret":"s"}"#,
            #"{"action":"add","username":"ada"}"#, #"{"action":"drop","username":"ada"}"#,
            #"{"action":"kick","username":1}"#, #"{"action":"kick","action":"remove","username":"ada"}"#,
            #"{"action":"kick","username":"ada","force":"yes"}"#, #"{"action":"kick","username":"ada"} x"#,
        ] {
            #expect(read(text) == nil, "\(text)")
        }
    }

    @Test(arguments: [
        ("localhost", true), ("LOCALHOST:80", true), ("127.0.0.1", true), ("127.0.0.1:3790", true), ("[::1]", true),
        ("[::1]:3790", true), ("::1", true), ("10.0.0.1:1", true), ("", false), (":", false),
        ("localhost:80:90", false),
        ("localhost.", false), ("localhost.example.org", false), ("127.0.0.1.example.org", false), ("a", false),
        ("a:80", false), ("localhost:x", false), ("[::1", false),
    ])
    func `only names that no page can have are taken for ours`(host: String, isOurs: Bool) {
        #expect(AdminAccess.isOfThisHost(host) == isOurs)
    }

    @Test func `base 64 is read as others write it`() {
        for count in 0..<50 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 91 + count * 37) }
            #expect(AdminAccess.decodeBase64(Data(bytes).base64EncodedString().utf8) == bytes)
        }
        for text in ["a", "ab", "abc", "a=bc", "ab=", "ab===", "a b=", "====", "ab-_"] {
            #expect(AdminAccess.decodeBase64(text.utf8) == nil, "\(text)")
        }
    }

    @Test func `a token is the bearer's, or anybody's password`() {
        #expect(AdminAccess.token("Bearer a b") == Array("a b".utf8))
        #expect(AdminAccess.token("bEARER  x") == Array("x".utf8))
        #expect(AdminAccess.token("Basic " + Data("u:p:q".utf8).base64EncodedString()) == Array("p:q".utf8))
        #expect(AdminAccess.token("Basic " + Data("none".utf8).base64EncodedString()) == nil)
        for field in ["", "Bearer", "Digest x", "Basic *"] { #expect(AdminAccess.token(field) == nil, "\(field)") }
    }

    // MARK: What is remembered

    @Test func `the last connections that ended are told, the last one first`() {
        var closed = ClosedConnections()
        for count in 1...(ClosedConnections.entriesMax + 3) {
            let id = ConnectionID(slot: UInt32(count), generation: 1)
            closed.add(
                .init(id: id, role: .client, address: "", user: nil, reason: "", at: Instant(nanoseconds: 0)))
            let slots = closed.entries.map(\.id.slot)
            let first = UInt32(max(1, count - ClosedConnections.entriesMax + 1))
            #expect(slots == (first...UInt32(count)).reversed())
        }
    }

    @Test func `the node's reason for an end goes before the reactor's`() {
        var closed = ClosedConnections()
        let id = ConnectionID(slot: 1, generation: 1)
        closed.expect(id, "logout")
        #expect(closed.takeReason(of: id, otherwise: .finished) == "logout")
        #expect(closed.takeReason(of: id, otherwise: .reset) == "reset")
    }

    // MARK: Addresses

    @Test(arguments: [
        ("3790", "127.0.0.1:3790", true), ("localhost:1", "127.0.0.1:1", true), ("[::1]:2", "[::1]:2", true),
        ("0.0.0.0:3", "0.0.0.0:3", false), ("[::]:4", "[::]:4", false), ("192.0.2.1:5", "192.0.2.1:5", false),
    ])
    func `an admin address is a port or a numeric address with one`(text: String, full: String, isLoopback: Bool) {
        let address = AdminAddress(text)
        #expect(address?.text == full)
        #expect(address?.isLoopback == isLoopback)
    }

    @Test(arguments: ["", "x", "65536", "127.0.0.1", "red.example.org:1", "::1:2", "127.0.0.1:", "localhost"])
    func `anything else is no admin address`(text: String) { #expect(AdminAddress(text) == nil) }
}
