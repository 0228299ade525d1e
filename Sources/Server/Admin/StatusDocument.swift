/// `/status.json`: this server and the network as it sees it. The first part is about this server, its links and its
/// limits; then come the members, some in each part, since each has a queue to be counted.
internal import Codecs
internal import Glibc
internal import Node
internal import Reactor

/// How far a status document is.
struct StatusProgress {
    /// The next place in the table of members; nil before the first part.
    fileprivate var place: Int?
    fileprivate var hasMembers = false
    /// The members that move their clients elsewhere, and then end.
    fileprivate var draining: Set<ServerID> = []
    /// The member that lacks the oldest record, among those passed.
    fileprivate var waitedFor: Node.MemberStatus?

    /// Each takes as many steps as there are members.
    fileprivate static let membersInPart = 32
}

extension Shell {
    func statusPart(
        _ progress: inout StatusProgress, in reactor: borrowing Reactor
    ) -> (bytes: [UInt8], isLast: Bool) {
        guard let first = progress.place else {
            progress.place = 0
            progress.draining = Set(node.statistics.servers.filter(\.isDraining).map(\.id))
            var head = statusHead(in: reactor)
            head.open("members")
            return (head.unfinished, false)
        }
        let now = instant(of: reactor)
        let places = first..<min(first + StatusProgress.membersInPart, node.memberPlaces.upperBound)
        var bytes: [UInt8] = []
        for place in places {
            guard let member = node.memberStatus(at: place) else { continue }
            if let oldest = member.oldestOwed, oldest < progress.waitedFor?.oldestOwed ?? .init(nanoseconds: .max) {
                progress.waitedFor = member
            }
            if progress.hasMembers { bytes.append(UInt8(ascii: ",")) }
            progress.hasMembers = true
            bytes += Self.object(of: member, isDraining: progress.draining.contains(member.id), at: now).finished
        }
        progress.place = places.upperBound
        // Nobody else has a place behind these; a part is never empty, since this server is in the first.
        guard places.upperBound >= node.memberPlaces.upperBound else {
            return (bytes.isEmpty ? [UInt8(ascii: "\n")] : bytes, false)
        }
        return (bytes + statusTail(progress, at: now), true)
    }

    private func statusTail(_ progress: StatusProgress, at now: Instant) -> [UInt8] {
        var tail = Array("]".utf8)
        if let member = progress.waitedFor, let oldest = member.oldestOwed {
            var object = JSONObject()
            object.set("age_ms", now.milliseconds(since: oldest))
            object.set("waits_for", "\(member.id)")
            object.set("address", "\(member.address)")
            tail += Array(",\"oldest_unstable\":".utf8) + object.finished
        }
        return tail + Array("}\n".utf8)
    }

    // MARK: This server

    private func statusHead(in reactor: borrowing Reactor) -> JSONObject {
        let now = instant(of: reactor)
        var document = JSONObject()
        document.set("server", "\(node.id)")
        document.set("address", "\(node.address)")
        document.set("version", settings.version)
        document.set("process", getpid())
        document.set("time_ms", SystemClock.realtimeMilliseconds)
        document.set("uptime_ms", admin.map { now.milliseconds(since: $0.started) } ?? 0)
        document.set("stage", stageName)
        document.set("ready", isReady)
        document.set("whole", isWhole)
        document.set("reachable", node.membership.reachable)
        document.set("unreachable", node.membership.unreachable)
        document.set("counters", rates(of: reactor))
        var sessions = JSONObject()
        for (state, count) in node.sessionCounts { sessions.set(StatisticsDocument.snakeCase(state), count) }
        document.set("sessions", sessions)
        var roles = JSONObject()
        for role in ConnectionTable.Role.allCases where role != .none {
            roles.set("\(role)", connections.count(role))
        }
        document.set("connections", roles)
        document.set("limits", limitUses(in: reactor).map { Self.object(of: $0) })
        document.set("certificates", tls.certificates.map { StatisticsDocument.certificate($0) })
        var links: [JSONObject] = []
        for link in node.linkStatuses { links.append(object(of: link, in: reactor)) }
        document.set("links", links)
        document.set("reload", lastReload(at: now))
        document.set("link_ends", (admin?.linkEnds.entries ?? []).map { Self.object(of: $0, at: now) })
        return document
    }

    /// What came of reading the settings again.
    private func lastReload(at now: Instant) -> JSONObject {
        var object = JSONObject()
        object.set("count", reloading.count)
        guard let last = reloading.last else { return object }
        object.set("ago_ms", now.milliseconds(since: last.at))
        object.set("accepted", last.mistakes.isEmpty)
        object.set("changed", last.changed)
        object.set("waiting", last.waiting)
        object.set("mistakes", last.mistakes)
        return object
    }

    /// What a reader makes rates of.
    private func rates(of reactor: borrowing Reactor) -> JSONObject {
        let statistics = node.statistics
        var object = JSONObject()
        object.set("activities_delivered", statistics.activitiesDelivered)
        object.set("records_originated", statistics.recordsOriginated)
        object.set("records_received", statistics.recordsReceived)
        object.set("records_duplicate", statistics.recordsDuplicate)
        object.set("records_sent", statistics.recordsSent)
        object.set("claims", statistics.claims)
        object.set("registry_digest", "\(statistics.registryDigest)")
        object.set("store_records", statistics.storeRecords)
        object.set("store_bytes", statistics.storeBytes)
        object.set("bytes_received", reactor.statistics.bytesReceived)
        object.set("bytes_sent", reactor.statistics.bytesSent)
        return object
    }

    /// Everything that has a bound and can be used up.
    func limitUses(in reactor: borrowing Reactor) -> [Node.LimitUse] {
        node.limitUses + [
            Node.LimitUse("connections", used: reactor.statistics.open, limit: settings.connectionsMax),
            Node.LimitUse("client_connections", used: connections.callers, limit: admission.callersMax),
            Node.LimitUse("unproven_connections", used: unproven.count, limit: unproven.limit),
            Node.LimitUse("buffer_bytes", used: reactor.statistics.bufferBytes, limit: settings.limits.bufferBytes),
            Node.LimitUse("admin_connections", used: connections.count(.admin), limit: admin?.connectionsMax ?? 0),
            Node.LimitUse(
                "activity_log_backlog_bytes", used: reactor.fanOutBacklog, limit: reactor.configuration.ringCapacity),
        ]
    }

    private static func object(of use: Node.LimitUse) -> JSONObject {
        var object = JSONObject()
        object.set("name", use.name)
        object.set("used", use.used)
        object.set("limit", use.limit)
        return object
    }

    // MARK: Others

    private func object(of link: Node.LinkStatus, in reactor: borrowing Reactor) -> JSONObject {
        let (now, id) = (instant(of: reactor), ConnectionID(link.id))
        var object = JSONObject()
        object.set("connection", "\(id)")
        if let neighbour = link.neighbour { object.set("neighbour", "\(neighbour)") }
        if let address = link.address { object.set("address", "\(address)") }
        object.set("dialled_here", link.isDialled)
        object.set("phase", link.phase)
        object.set("version", Int(link.version))
        object.set("by_present_secret", link.isBySecret)
        object.set("open_ms", now.milliseconds(since: link.opened))
        object.set("heard_ms", now.milliseconds(since: link.lastHeard))
        if let time = reactor.roundTripMicroseconds(of: id) { object.set("round_trip_us", time) }
        object.set("clock_offset_ms", link.clockOffset)
        object.set("tls", reactor.isSecured(id))
        object.set("under_way_bytes", link.bytesUnderWay)
        object.set("unsent_bytes", reactor.unsent(id))
        object.set("backlog", link.hasBacklog)
        object.set("wanted_here", link.isWantedHere)
        object.set("wanted_there", link.isWantedThere)
        object.set("streams_pushed", link.streamsPushed)
        object.set("streams_received", link.streamsReceived)
        if let end = admin?.linkEnds.last(at: link.address) { object.set("last_end", end.reason) }
        return object
    }

    private static func object(of end: LinkEnds.Entry, at now: Instant) -> JSONObject {
        var object = JSONObject()
        object.set("neighbour", "\(end.neighbour)")
        object.set("address", "\(end.address)")
        object.set("reason", end.reason)
        object.set("ago_ms", now.milliseconds(since: end.at))
        return object
    }

    private static func object(
        of member: Node.MemberStatus, isDraining: Bool, at now: Instant
    ) -> JSONObject {
        var object = JSONObject()
        object.set("id", "\(member.id)")
        object.set("address", "\(member.address)")
        object.set("status", member.status)
        object.set("self", member.isOwn)
        object.set("serving", member.isServing && !isDraining)
        object.set("draining", isDraining)
        object.set("leaving", member.isLeaving)
        object.set("load", member.load)
        object.set("weight", member.weight)
        object.set("heard_ms", member.isOwn ? 0 : now.milliseconds(since: member.heard))
        object.set("neighbours", member.neighbours.map { "\($0)" })
        if let parent = member.parent { object.set("parent", "\(parent)") }
        object.set("pushed_to", member.pushedTo.map { "\($0)" })
        object.set("held", member.held)
        object.set("delivered", member.delivered)
        object.set("queue_records", member.recordsOwed)
        object.set("queue_bytes", member.bytesOwed)
        object.set("queue_oldest_ms", member.oldestOwed.map { now.milliseconds(since: $0) } ?? 0)
        return object
    }
}
