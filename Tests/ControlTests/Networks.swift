import Testing

@testable import pandoctl

/// What servers would say.
enum Sample {
    static func member(
        _ name: String, _ status: String = "reachable", isOwn: Bool = false, load: Int = 0, neighbours: [String] = [],
        pushedTo: [String] = [], parent: String? = nil, oldest: Int = 0, isServing: Bool = true
    ) -> JSONTree {
        var members: JSONTree = [
            "id": .string("id-" + name), "address": .string(name + ":1"), "status": .string(status),
            "self": .boolean(isOwn), "serving": .boolean(isServing), "leaving": false, "load": .integer(load),
            "heard_ms": 300, "neighbours": .array(neighbours.map { .string("id-" + $0) }),
            "pushed_to": .array(pushedTo.map { .string("id-" + $0) }), "held": 0, "delivered": 0,
            "queue_records": .integer(oldest > 0 ? 7 : 0), "queue_bytes": 0, "queue_oldest_ms": .integer(oldest),
        ]
        if let parent { members = members.with("parent", .string("id-" + parent)) }
        return members
    }

    static func link(_ name: String, roundTrip: Int = 1500) -> JSONTree {
        [
            "neighbour": .string("id-" + name), "address": .string(name + ":1"), "phase": "open",
            "dialled_here": true, "open_ms": 60_000, "round_trip_us": .integer(roundTrip), "under_way_bytes": 0,
            "unsent_bytes": 0, "tls": false,
        ]
    }

    /// Three servers, each with a link to each; `a` is asked.
    static let members = [
        member("a", isOwn: true, load: 3, neighbours: ["b", "c"], pushedTo: ["b"]),
        member("b", load: 2, neighbours: ["a", "c"], pushedTo: [], parent: "b"),
        member("c", load: 1, neighbours: ["a", "b"], parent: "b"),
    ]

    static let status: JSONTree = [
        "server": "id-a", "address": "a:1", "version": "0.1.0", "process": 4711, "time_ms": 1_000_000_000_000,
        "uptime_ms": 7_500_000, "stage": "serving", "ready": true, "whole": true, "reachable": 3, "unreachable": 0,
        "counters": [
            "activities_delivered": 100, "records_originated": 40, "claims": 5, "store_records": 1234,
            "store_bytes": 5_000_000,
        ],
        "limits": [
            ["name": "store_bytes", "used": 5_000_000, "limit": 268_435_456],
            ["name": "connections", "used": 10, "limit": 100], ["name": "none", "used": 0, "limit": 0],
        ],
        "certificates": [], "links": .array([link("b"), link("c", roundTrip: 25_000)]), "link_ends": [],
        "reload": ["count": 0], "members": .array(members),
    ]

    static func with(_ changes: KeyValuePairs<String, JSONTree>) -> Report {
        Report(changes.reduce(status) { $0.with($1.key, $1.value) })
    }
}

extension JSONTree {
    /// The same object with another value, or one more.
    func with(_ name: String, _ value: JSONTree) -> JSONTree {
        .object(members.filter { $0.name != name } + [Member(name: name, value: value)])
    }
}
