/// What `/status.json` says, in types. What an older server does not say has a value that means nothing.

struct Report {
    var address: String
    var id: String
    var version: String
    var stage: String
    var isReady: Bool
    var isWhole: Bool
    var uptimeMilliseconds: Int
    var timeMilliseconds: Int
    /// The process, if the server tells.
    var process: Int?
    var counters: [String: Int]
    var links: [Link]
    var linkEnds: [LinkEnd]
    var limits: [Limit]
    var certificates: [Certificate]
    /// In the order of their addresses.
    var members: [Member]
    var reload: JSONTree?

    struct Link: Hashable {
        var neighbour: String
        var address: String
        var phase: String
        var isDialled: Bool
        var openMilliseconds: Int
        var roundTripMicroseconds: Int?
        var underWayBytes: Int
        var unsentBytes: Int
        var isUnderTLS: Bool
    }

    struct LinkEnd: Hashable {
        var address: String
        var reason: String
        var agoMilliseconds: Int
    }

    struct Limit: Hashable {
        var name: String
        var used: Int
        var limit: Int

        /// Of 100.
        var percent: Int { limit > 0 ? used * 100 / limit : 0 }
    }

    struct Certificate: Hashable {
        var name: String
        var use: String
        var kind: String
        var expirySeconds: Int

        func daysLeft(at milliseconds: Int) -> Int { (expirySeconds - milliseconds / 1000) / 86_400 }
    }

    struct Member: Hashable {
        var id: String
        var address: String
        var status: String
        var isOwn: Bool
        var isServing: Bool
        var isLeaving: Bool
        var isDraining: Bool
        var load: Int
        var heardMilliseconds: Int
        var neighbours: [String]
        var pushedTo: [String]
        var parent: String?
        var queueRecords: Int
        var queueBytes: Int
        var queueOldestMilliseconds: Int

        var isReachable: Bool { isOwn || status == "reachable" }
    }

    init(_ json: JSONTree) {
        func text(_ name: String) -> String { json[name]?.string ?? "" }
        address = text("address")
        id = text("server")
        version = text("version")
        stage = text("stage")
        isReady = json["ready"]?.boolean ?? false
        isWhole = json["whole"]?.boolean ?? false
        uptimeMilliseconds = json["uptime_ms"]?.integer ?? 0
        timeMilliseconds = json["time_ms"]?.integer ?? 0
        process = json["process"]?.integer
        counters = [:]
        for member in json["counters"]?.members ?? [] { counters[member.name] = member.value.integer }
        links = (json["links"]?.elements ?? []).map(Link.init)
        linkEnds = (json["link_ends"]?.elements ?? []).map {
            LinkEnd(
                address: $0["address"]?.string ?? "?", reason: $0["reason"]?.string ?? "?",
                agoMilliseconds: $0["ago_ms"]?.integer ?? 0)
        }
        limits = (json["limits"]?.elements ?? []).map {
            Limit(name: $0["name"]?.string ?? "?", used: $0["used"]?.integer ?? 0, limit: $0["limit"]?.integer ?? 0)
        }
        certificates = (json["certificates"]?.elements ?? []).map {
            Certificate(
                name: $0["name"]?.string ?? "?", use: $0["use"]?.string ?? "?", kind: $0["kind"]?.string ?? "?",
                expirySeconds: $0["expiry_seconds"]?.integer ?? 0)
        }
        members = (json["members"]?.elements ?? []).map(Member.init).sorted {
            ($0.address, $0.id) < ($1.address, $1.id)
        }
        reload = json["reload"]
    }

    /// Those that count: not the former ones.
    var present: [Member] { members.filter { $0.isReachable || $0.status == "unreachable" } }
    var clients: Int { present.filter(\.isReachable).reduce(0) { $0 + $1.load } }
    var unreachable: [Member] { present.filter { !$0.isReachable } }
    func link(to member: Member) -> Link? { links.first { $0.neighbour == member.id && $0.phase == "open" } }
}

extension Report.Link {
    init(_ json: JSONTree) {
        neighbour = json["neighbour"]?.string ?? ""
        address = json["address"]?.string ?? "?"
        phase = json["phase"]?.string ?? "?"
        isDialled = json["dialled_here"]?.boolean ?? false
        openMilliseconds = json["open_ms"]?.integer ?? 0
        roundTripMicroseconds = json["round_trip_us"]?.integer
        underWayBytes = json["under_way_bytes"]?.integer ?? 0
        unsentBytes = json["unsent_bytes"]?.integer ?? 0
        isUnderTLS = json["tls"]?.boolean ?? false
    }
}

extension Report.Member {
    init(_ json: JSONTree) {
        id = json["id"]?.string ?? ""
        address = json["address"]?.string ?? "?"
        status = json["status"]?.string ?? "?"
        isOwn = json["self"]?.boolean ?? false
        isServing = json["serving"]?.boolean ?? false
        isLeaving = json["leaving"]?.boolean ?? false
        isDraining = json["draining"]?.boolean ?? false
        load = json["load"]?.integer ?? 0
        heardMilliseconds = json["heard_ms"]?.integer ?? 0
        neighbours = (json["neighbours"]?.elements ?? []).compactMap(\.string)
        pushedTo = (json["pushed_to"]?.elements ?? []).compactMap(\.string)
        parent = json["parent"]?.string
        queueRecords = json["queue_records"]?.integer ?? 0
        queueBytes = json["queue_bytes"]?.integer ?? 0
        queueOldestMilliseconds = json["queue_oldest_ms"]?.integer ?? 0
    }

    /// In a word.
    var state: String {
        if !isReachable { return status }
        return isLeaving ? "leaving" : isDraining ? "draining" : isServing ? "serving" : "joining"
    }
}
