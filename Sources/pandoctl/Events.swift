/// What has happened between two looks at a server.

struct Event: Hashable {
    var what: String
    /// Whom it is about: an address of a server, a client.
    var subject: String
    var detail = ""

    var text: String {
        let head = subject.isEmpty ? what : "\(what): \(Table.printable(subject))"
        return detail.isEmpty ? head : "\(head) (\(Table.printable(detail)))"
    }

    func json(at milliseconds: Int) -> JSONTree {
        [
            "time_ms": .integer(milliseconds), "event": .string(what), "subject": .string(subject),
            "detail": .string(detail),
        ]
    }
}

enum Events {
    /// In an order that makes sense: the server itself, others, links, limits.
    static func between(_ old: Report, _ new: Report) -> [Event] {
        // Another life of it: what it counts begins anew.
        if old.id != new.id { return [Event(what: "started again", subject: new.address, detail: new.stage)] }
        var events: [Event] = []
        if old.stage != new.stage { events.append(Event(what: new.stage, subject: new.address)) }
        events += members(old, new) + links(old, new) + limits(old, new)
        if old.isWhole != new.isWhole {
            events.append(Event(what: new.isWhole ? "the network is whole" : "the network is not whole", subject: ""))
        }
        if old.reload?["count"] != new.reload?["count"], let reload = new.reload {
            let isAccepted = reload["accepted"]?.boolean == true
            events.append(Event(what: isAccepted ? "settings read again" : "settings refused", subject: new.address))
        }
        return events
    }

    private static func members(_ old: Report, _ new: Report) -> [Event] {
        var events: [Event] = []
        let gone = old.present.filter { member in !new.present.contains { $0.id == member.id } }
        for member in new.present {
            guard let before = old.present.first(where: { $0.id == member.id }) else {
                // Where one takes the place of another, that is one thing.
                let isSuccessor = gone.contains { $0.address == member.address }
                events.append(
                    Event(what: isSuccessor ? "started again" : "joined", subject: member.address, detail: member.state)
                )
                continue
            }
            if before.state != member.state, !member.isOwn {
                let isBack = !before.isReachable && member.isReachable
                events.append(Event(what: isBack ? "reachable again" : member.state, subject: member.address))
            }
        }
        for member in gone where !new.present.contains(where: { $0.address == member.address }) {
            events.append(Event(what: "gone", subject: member.address))
        }
        return events
    }

    private static func links(_ old: Report, _ new: Report) -> [Event] {
        func open(_ report: Report) -> [Report.Link] { report.links.filter { $0.phase == "open" } }
        var events: [Event] = []
        for link in open(old) where !open(new).contains(where: { $0.neighbour == link.neighbour }) {
            let reason = new.linkEnds.first { $0.address == link.address }?.reason ?? ""
            events.append(Event(what: "link lost", subject: link.address, detail: reason))
        }
        for link in open(new) where !open(old).contains(where: { $0.neighbour == link.neighbour }) {
            events.append(
                Event(what: "link up", subject: link.address, detail: link.isDialled ? "dialled" : "accepted"))
        }
        return events
    }

    /// 80 percent, as the alerts have it.
    private static func limits(_ old: Report, _ new: Report) -> [Event] {
        new.limits.compactMap { limit in
            let before = old.limits.first { $0.name == limit.name }?.percent ?? 0
            guard (before >= 80) != (limit.percent >= 80), limit.name != "admin_connections" else { return nil }
            let what = limit.percent >= 80 ? "near its limit" : "far from its limit again"
            return Event(what: what, subject: limit.name, detail: "\(limit.percent) %")
        }
    }

    /// Clients that came and went, by the connections that there are, and those that have ended. Of many that ended
    /// between two looks only the last are known, with the others unseen.
    static func clients(_ old: JSONTree, _ new: JSONTree) -> [Event] {
        func key(_ client: JSONTree) -> String { client["connection"]?.string ?? "" }
        func subject(_ client: JSONTree) -> String {
            let user = client["user"]?.string ?? ""
            let address = client["address"]?.string ?? ""
            return user.isEmpty ? address : "\(user) at \(address)"
        }
        let before = Set(Clients.open(old).map(key))
        let ended = Set(Clients.closed(old).map(key))
        let came = Clients.open(new).filter { !before.contains(key($0)) }
        let went = Clients.closed(new).reversed().filter { !ended.contains(key($0)) }
        return went.map { Event(what: "client left", subject: subject($0), detail: $0["reason"]?.string ?? "") }
            + came.map { Event(what: "client came", subject: subject($0), detail: $0["state"]?.string ?? "") }
    }
}
