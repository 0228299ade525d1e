import Testing

@testable import pandoctl

@Suite struct TextTests {
    @Test func `the status is a page for people`() {
        #expect(
            Sample.with([:]).statusLines == [
                "a:1  serving, the network is whole", "version 0.1.0, up 2 h 5 min, id id-a", "servers: 3 reachable",
                "clients: 6 in the network, 3 here; users: 5", "store: 1.2 k records, 4.7 MiB", "",
                "LINK TO  DIRECTION  OPEN  ROUND TRIP  UNDER WAY  UNSENT  TLS",
                "b:1      dialled    60 s      1.5 ms        0 B     0 B  no",
                "c:1      dialled    60 s       25 ms        0 B     0 B  no",
            ])
    }

    @Test func `servers are a table, the one that was asked with a star`() {
        let members = [
            Sample.members[0], Sample.members[1], Sample.member("c", "unreachable", oldest: 90_000),
            Sample.member("d", "departed"),
        ]
        #expect(
            Sample.with(["members": .array(members)]).serverLines == [
                "SERVER  STATE        CLIENTS   HEARD  LINK    WAITING  OLDEST",
                "a:1 *   serving            3                        0",
                "b:1     serving            2  300 ms  1.5 ms        0",
                "c:1     unreachable        0  300 ms  25 ms         7    90 s",
            ])
    }

    @Test func `clients are a table, and their names stay on a line`() throws {
        let document: JSONTree = [
            "connections": [
                ["connection": "1.1", "role": "link", "address": "x"],
                [
                    "connection": "2.1", "role": "client", "address": "10.0.0.1", "state": "live", "paused": true,
                    "user": "a\n\u{1B}[2J\u{202E}b", "unsent_bytes": 2048, "tls": true,
                ],
            ],
            "closed": [["connection": "3.1", "role": "client", "user": "carol", "reason": "logout", "ago_ms": 4000]],
        ]
        #expect(
            Clients.lines(document, areClosed: false) == [
                "CLIENT                    ADDRESS   STATE         UNSENT  TLS",
                "a\\u{a}\\u{1b}[2J\\u{202e}b  10.0.0.1  live, waits  2.0 KiB  yes",
            ])
        #expect(
            Clients.lines(document, areClosed: true) == [
                "CLIENT  ADDRESS  AGO  REASON", "carol            4 s  logout",
            ])
        let nobody: JSONTree = ["connections": [["connection": "1.1", "role": "link", "address": "x"]], "closed": []]
        #expect(Clients.lines(nobody, areClosed: false) == ["no clients"])
        #expect(Clients.lines(nobody, areClosed: true) == ["no client has left"])
    }

    @Test(arguments: [
        (0, "0"), (999, "999"), (1000, "1.0 k"), (9999, "9.9 k"), (10_000, "10 k"), (1_234_567, "1.2 M"),
        (5_000_000_000, "5.0 G"),
    ])
    func `counts are short`(value: Int, text: String) { #expect(Quantity.count(value) == text) }

    @Test(arguments: [
        (0, "0 ms"), (999, "999 ms"), (1000, "1 s"), (119_999, "119 s"), (120_000, "2 min"), (7_200_000, "2 h 0 min"),
        (200_000_000, "2 d 7 h"),
    ])
    func `times are short`(milliseconds: Int, text: String) {
        #expect(Quantity.time(milliseconds: milliseconds) == text)
    }

    // MARK: Rates

    @Test func `rates are of the time between two looks of the server itself`() {
        let old = Sample.with([:])
        let new = Sample.with([
            "uptime_ms": 7_502_000, "counters": ["activities_delivered": 300, "records_originated": 40],
        ])
        let rates = Rates(from: old, to: new)
        #expect(rates["activities_delivered"] == 100 && rates["records_originated"] == 0)
        #expect(rates.text("bytes_sent") == "…")
        // Another life counts from 0 again.
        #expect(Rates(from: old, to: Sample.with(["server": "id-z", "uptime_ms": 9_999_999])).perSecond.isEmpty)
        #expect(Rates(from: nil, to: new).perSecond.isEmpty)
        #expect(Top.lines(from: old, to: new)[1] == "activities/s  made here 0  shown here 100")
        #expect(Top.json(from: old, to: new)["per_second"] == ["activities_delivered": 100, "records_originated": 0])
    }

    // MARK: Graphs

    @Test func `the drawing has every server and every link once`() throws {
        let graph = try Graph(Sample.with([:]))
        #expect(graph.edges.map { [$0.from, $0.to] } == [[0, 1], [0, 2], [1, 2]])
        #expect(graph.edges.map(\.isOnTree) == [true, false, false])
        #expect(
            graph.lines == [
                "● a:1  3 clients, serving, asked", "├══ b:1  1.5 ms", "└── c:1  25 ms", "● b:1  2 clients, serving",
                "├══ a:1  1.5 ms", "└── c:1", "● c:1  1 client, serving", "├── a:1  25 ms", "└── b:1",
            ])
    }

    @Test func `the way of another server's activities leads to its parent`() throws {
        let graph = try Graph(Sample.with([:]), origin: "c:1")
        #expect(graph.edges.map(\.isOnTree) == [true, false, false])
        #expect(throws: Failure(what: "there is no server x:1", advice: "there are a:1, b:1, c:1")) {
            try Graph(Sample.with([:]), origin: "x:1")
        }
    }

    @Test func `a dead server is of another form, and a link of one end dashed`() throws {
        let members = [
            Sample.member("a", isOwn: true, neighbours: ["b"]), Sample.member("b", "unreachable"),
            Sample.member("c", isServing: false), Sample.member("d", isServing: false).with("draining", true),
        ]
        let graph = try Graph(Sample.with(["members": .array(members), "links": []]))
        #expect(
            graph.lines == [
                "● a:1  0 clients, serving, asked", "└┄┄ b:1", "✗ b:1  0 clients, unreachable", "└┄┄ a:1",
                "◌ c:1  0 clients, joining", "◌ d:1  0 clients, draining",
            ])
        #expect(
            graph.dot == [
                "graph pando {", "  layout=circo; node [shape=circle, fontname=\"sans-serif\"];",
                "  n0 [label=\"a:1\\n0\", penwidth=2];",
                "  n1 [label=\"b:1\\nunreachable\", shape=box, style=dashed];", "  n2 [label=\"c:1\\n0\"];",
                "  n3 [label=\"d:1\\n0\"];",
                "  n0 -- n1 [style=dashed];", "}",
            ])
        let svg = graph.svg.joined(separator: "\n")
        #expect(svg.contains("stroke-dasharray='5 4'/>\n<circle") && svg.contains(">✗</text>"))
        #expect(graph.json["links"] == [["from": "a:1", "to": "b:1", "on_tree": false, "told_by_both": false]])
    }
}
