/// What the commands show of a report: text for people, line by line.

extension Report {
    /// The server that was asked, and what it thinks of the network.
    var statusLines: [String] {
        var lines = [
            "\(address)  \(stage), \(isWhole ? "the network is whole" : "the network is not whole")",
            "version \(version), up \(Quantity.time(milliseconds: uptimeMilliseconds)), id \(id)",
            "servers: \(present.count - unreachable.count) reachable"
                + (unreachable.isEmpty ? "" : ", \(unreachable.count) not: " + addresses(of: unreachable)),
            "clients: \(clients) in the network, \(members.first(where: \.isOwn)?.load ?? 0) here; "
                + "users: \(counters["claims"] ?? 0)",
            "store: \(Quantity.count(counters["store_records"] ?? 0)) records, "
                + Quantity.bytes(counters["store_bytes"] ?? 0),
        ]
        for limit in limits where limit.percent >= 50 {
            lines.append("limit: \(limit.name) \(limit.percent) % (\(limit.used) of \(limit.limit))")
        }
        for certificate in certificates {
            let days = certificate.daysLeft(at: timeMilliseconds)
            lines.append("certificate for \(certificate.use): \(Table.printable(certificate.name)), \(days) days left")
        }
        if !links.isEmpty { lines += [""] + linkLines }
        return lines
    }

    private func addresses(of members: [Member]) -> String { members.map(\.address).joined(separator: ", ") }

    private var linkLines: [String] {
        var table = Table(
            ("link to", .left), ("direction", .left), ("open", .right), ("round trip", .right), ("under way", .right),
            ("unsent", .right), ("tls", .left))
        for link in links.sorted(by: { $0.address < $1.address }) {
            table.add(
                link.address, link.isDialled ? "dialled" : "accepted",
                link.phase == "open" ? Quantity.time(milliseconds: link.openMilliseconds) : link.phase,
                link.roundTripMicroseconds.map { Quantity.time(microseconds: $0) } ?? "",
                Quantity.bytes(link.underWayBytes), Quantity.bytes(link.unsentBytes), link.isUnderTLS ? "yes" : "no")
        }
        return table.lines
    }

    /// All servers, as the one that was asked knows them.
    var serverLines: [String] {
        var table = Table(
            ("server", .left), ("state", .left), ("clients", .right), ("heard", .right), ("link", .left),
            ("waiting", .right), ("oldest", .right))
        for member in present {
            table.add(
                member.address + (member.isOwn ? " *" : ""), member.state, "\(member.load)",
                member.isOwn ? "" : Quantity.time(milliseconds: member.heardMilliseconds),
                member.isOwn
                    ? ""
                    : link(to: member).map { Quantity.time(microseconds: $0.roundTripMicroseconds ?? 0) } ?? "none",
                Quantity.count(member.queueRecords),
                member.queueRecords == 0 ? "" : Quantity.time(milliseconds: member.queueOldestMilliseconds))
        }
        return table.lines
    }
}

/// `/connections.json` for people.
enum Clients {
    static func lines(_ json: JSONTree, areClosed: Bool) -> [String] {
        areClosed ? closedLines(json) : openLines(json)
    }

    static func open(_ json: JSONTree) -> [JSONTree] {
        (json["connections"]?.elements ?? []).filter { $0["role"]?.string == "client" }
    }

    static func closed(_ json: JSONTree) -> [JSONTree] {
        (json["closed"]?.elements ?? []).filter { $0["role"]?.string == "client" }
    }

    private static func openLines(_ json: JSONTree) -> [String] {
        guard !open(json).isEmpty else { return ["no clients"] }
        var table = Table(
            ("client", .left), ("address", .left), ("state", .left), ("unsent", .right), ("tls", .left))
        for client in open(json) {
            let isPaused = client["paused"]?.boolean ?? false
            table.add(
                client["user"]?.string ?? "", client["address"]?.string ?? "",
                (client["state"]?.string ?? "") + (isPaused ? ", waits" : ""),
                Quantity.bytes(client["unsent_bytes"]?.integer ?? 0), client["tls"]?.boolean == true ? "yes" : "no")
        }
        return table.lines
    }

    private static func closedLines(_ json: JSONTree) -> [String] {
        guard !closed(json).isEmpty else { return ["no client has left"] }
        var table = Table(("client", .left), ("address", .left), ("ago", .right), ("reason", .left))
        for client in closed(json) {
            table.add(
                client["user"]?.string ?? "", client["address"]?.string ?? "",
                Quantity.time(milliseconds: client["ago_ms"]?.integer ?? 0), client["reason"]?.string ?? "")
        }
        return table.lines
    }
}
