import Testing

@testable import pandoctl

@Suite struct CheckTests {
    @Test func `a sound network is well`() {
        let check = Check(Sample.with([:]))
        #expect(check.severity == .ok)
        #expect(
            check.line == "PANDO OK - all is well | servers=3 unreachable=0 clients=6 own_clients=3 "
                + "store_bytes=5000000;;;0;268435456")
        #expect(check.json == ["status": "ok", "problems": []])
    }

    private func judge(_ changes: KeyValuePairs<String, JSONTree>) -> String {
        String(Check(Sample.with(changes)).line.prefix { $0 != "|" })
    }

    @Test func `each trouble has its weight, the worst comes first`() {
        #expect(
            judge(["ready": false, "stage": "joining"])
                == "PANDO CRITICAL - it serves no clients: it is joining ")
        #expect(
            judge(["ready": false, "stage": "draining"])
                == "PANDO CRITICAL - it serves no clients: it is draining ")
        let members = [Sample.members[0], Sample.member("b", "unreachable"), Sample.member("c", oldest: 61_000)]
        let limits: JSONTree = [
            ["name": "connections", "used": 95, "limit": 100], ["name": "claims", "used": 80, "limit": 100],
            ["name": "admin_connections", "used": 16, "limit": 16],
        ]
        #expect(
            judge(["members": .array(members), "limits": limits]) == "PANDO CRITICAL - connections 95 %; "
                + "out of reach: b:1; claims 80 %; c:1 has not taken a record for 61 s ")
    }

    @Test func `who has no link, or a minute, is not late`() {
        let late = Sample.member("c", oldest: 600_000)
        #expect(judge(["members": .array([Sample.members[0], late]), "links": []]) == "PANDO OK - all is well ")
        let patient = Sample.member("c", oldest: 60_000)
        #expect(judge(["members": .array([Sample.members[0], patient])]) == "PANDO OK - all is well ")
    }

    @Test(arguments: [(31, "OK"), (29, "WARNING"), (6, "CRITICAL"), (-3, "CRITICAL")])
    func `certificates expire`(days: Int, word: String) {
        let end = 1_000_000_000 + days * 86_400 + 3600
        let certificates: JSONTree = [
            ["name": "red", "use": "links", "kind": "own", "expiry_seconds": .integer(end)]
        ]
        let check = Check(Sample.with(["certificates": certificates]))
        #expect(check.severity.word == word)
        #expect(check.problems.first?.text == (word == "OK" ? nil : "red: \(max(0, days)) days left"))
    }

    @Test func `silence is critical, a refusal unknown`() {
        #expect(Check(Failure(what: "a", advice: "b", isSilence: true)).line == "PANDO CRITICAL - a; b")
        #expect(Check(Failure(what: "a|\nb", advice: "c")).line == "PANDO UNKNOWN - a  b; c")
    }
}

@Suite struct EventTests {
    private func texts(_ old: Report, _ new: Report) -> [String] { Events.between(old, new).map(\.text) }

    @Test func `nothing new is no event`() {
        #expect(texts(Sample.with([:]), Sample.with(["uptime_ms": 8_000_000, "time_ms": 2])) == [])
    }

    @Test func `a server dies, and comes back as another`() {
        let well = Sample.with([:])
        let dead = Sample.with([
            "members": .array([Sample.members[0], Sample.members[1], Sample.member("c", "unreachable")]),
            "links": .array([Sample.link("b")]), "whole": false,
            "link_ends": [["neighbour": "id-c", "address": "c:1", "reason": "lost", "ago_ms": 5]],
        ])
        #expect(texts(well, dead) == ["unreachable: c:1", "link lost: c:1 (lost)", "the network is not whole"])
        #expect(texts(dead, well) == ["reachable again: c:1", "link up: c:1 (dialled)", "the network is whole"])
        var another = Sample.member("c", isServing: false).with("id", "id-c2")
        let next = Sample.with([
            "members": .array([Sample.members[0], Sample.members[1], another]), "links": .array([Sample.link("b")]),
        ])
        #expect(texts(dead, next) == ["started again: c:1 (joining)", "the network is whole"])
        another = another.with("serving", true)
        let serving = Sample.with([
            "members": .array([Sample.members[0], Sample.members[1], another]), "links": .array([Sample.link("b")]),
        ])
        #expect(texts(next, serving) == ["serving: c:1"])
        let two = Sample.with([
            "members": .array(Array(Sample.members[..<2])), "links": .array([Sample.link("b")]),
        ])
        #expect(texts(two, serving) == ["joined: c:1 (serving)"])
        #expect(texts(serving, two) == ["gone: c:1"])
    }

    @Test func `the server itself starts again, leaves, reads its settings again`() {
        let old = Sample.with([:])
        #expect(texts(old, Sample.with(["server": "id-z", "stage": "joining"])) == ["started again: a:1 (joining)"])
        #expect(texts(old, Sample.with(["stage": "leaving"])) == ["leaving: a:1"])
        #expect(
            texts(old, Sample.with(["reload": ["count": 1, "accepted": true]])) == ["settings read again: a:1"])
        #expect(texts(old, Sample.with(["reload": ["count": 2, "accepted": false]])) == ["settings refused: a:1"])
    }

    @Test func `limits come near and go`() {
        let near = Sample.with(["limits": [["name": "connections", "used": 80, "limit": 100]]])
        #expect(texts(Sample.with([:]), near) == ["near its limit: connections (80 %)"])
        #expect(texts(near, Sample.with([:])) == ["far from its limit again: connections (10 %)"])
    }

    @Test func `clients come and go`() {
        func client(_ id: String, _ user: String, _ reason: String? = nil) -> JSONTree {
            let client: JSONTree = [
                "connection": .string(id), "role": "client", "user": .string(user), "address": "10.0.0.1",
                "state": "live",
            ]
            return reason.map { client.with("reason", .string($0)) } ?? client
        }
        let old: JSONTree = ["connections": [client("1.1", "alice"), client("2.1", "bob")], "closed": []]
        let new: JSONTree = [
            "connections": [client("2.1", "bob"), client("1.2", "carol")],
            // The last one first.
            "closed": [client("3.1", "dave", "slowConsumer"), client("1.1", "alice", "logout")],
        ]
        #expect(
            Events.clients(old, new).map(\.text) == [
                "client left: alice at 10.0.0.1 (logout)", "client left: dave at 10.0.0.1 (slowConsumer)",
                "client came: carol at 10.0.0.1 (live)",
            ])
        #expect(Events.clients(new, new) == [])
    }
}
