import Codecs

/// Who is connected where: records about named sessions, which every server keeps as hints, and now and then the floor
/// that all sessions of a server have reached: what is left of them if it dies.
extension Node {
    // MARK: Telling

    /// Makes a record about a named session.
    mutating func tell(_ kind: RecordKind, _ record: SessionRecord, of claim: ClaimID?) {
        originate(RecordHeader(kind: kind.rawValue, claim: claim), payloadBytes: record.size) { bytes in
            record.encode(into: &bytes)
        }
    }

    /// A session has begun that has been shown what `floor` covers.
    mutating func openSession(_ slot: Int, at floor: Floor) {
        guard keepsSessions, phase == .serving, let claim = sessions.user(of: slot).claim else { return }
        if sessions.numberedCount == 0 {
            // It is all there are: who asks for the sessions is told this of it.
            if floor != reached { tellReached(floor) }
        } else if let reached, !floor.covers(reached) {
            tellReached(reached.intersection(floor))
        }
        nextSession += 1
        sessions.setNumber(nextSession, of: slot)
        let beyond = floor.positions.filter { $0.seq > reached?[$0.origin] ?? 0 }
        tell(.sessionOpened, SessionRecord(number: nextSession, floor: Floor(beyond)), of: claim)
        timers.set(.measure, at: now.adding(milliseconds: configuration.timing.checkpoint))
    }

    /// The session is over, and nothing of it is kept.
    mutating func closeSession(_ slot: Int) {
        let number = sessions.number(of: slot)
        guard number > 0 else { return }
        sessions.setNumber(0, of: slot)
        // A server that leaves closes its clients, and they go on elsewhere from what it told last.
        guard phase != .leaving else { return }
        tell(.sessionClosed, SessionRecord(number: number), of: sessions.user(of: slot).claim)
    }

    private mutating func tellReached(_ floor: Floor) {
        reached = floor
        tell(.sessionsReached, SessionRecord(number: 0, floor: floor), of: nil)
    }

    /// This server leaves: what was published so far is still sent to everybody.
    mutating func tellLastPlaces() {
        guard keepsSessions, sessions.numberedCount > 0 else { return }
        let floors = feeding.feeds.filter { $0.told == nil }.map { floor(shown: $0.shown, unknown: $0.unknown) }
        let live = floor(shown: store.delivered)
        tellReached(floors.reduce(live) { $0.intersection($1) })
    }

    // MARK: Checkpoints

    /// As long as there are named sessions, and something was delivered, the driver is asked how far they are.
    mutating func measure() {
        guard sessions.numberedCount > 0 else { return }
        timers.set(.measure, at: now.adding(milliseconds: configuration.timing.checkpoint))
        if publications.end != measuredAt { outbox.append(.measure) }
    }

    /// Everybody who follows the log has acknowledged it up to a position: the count of all bytes ever published.
    public mutating func clientsReached(_ position: UInt64, at now: Instant) {
        self.now = now
        // Who is told where it is needs nobody to remember it.
        var isExact = feeding.feeds.allSatisfy { $0.told != nil }
        for (slot, lines) in fedLines.entries where sessions.sessions[slot].state == .live {
            // What it was fed, and that alone, stands before the place from which it follows.
            if position < lines.followedFrom { isExact = false } else { fedLines[slot] = nil }
        }
        var shown = store.delivered
        guard isExact, position != measuredAt, keepsSessions, phase == .serving,
            publications.rollBack(to: position, &shown)
        else { return }
        measuredAt = position
        tellReached(floor(shown: shown))
    }

    // MARK: Listing

    /// Sessions in one answer.
    static let sessionsPerList = 256

    /// As many servers are asked at a time as there may be requests; each answer makes room for the next one.
    mutating func listSessions() {
        for server in members.indices.dropFirst() { listSessions(of: server) }
    }

    /// A server that this one has just heard of has sessions from before; their records may be gone.
    mutating func listSessions(of server: Int) {
        guard keepsSessions, members[server].status == .reachable, !members[server].isListingSessions,
            let number = members[server].sessionsToList, requests.count < configuration.limits.requests
        else { return }
        members[server].isListingSessions = true
        request(.listSessions(after: number), of: servers[server], for: 0)
    }

    func sessionList(after number: UInt64) -> Unicast.SessionList {
        let slots = sessions.sessions.indices.filter { sessions.number(of: $0) > number }
        let chosen = slots.sorted { sessions.number(of: $0) < sessions.number(of: $1) }
        let entries = chosen.prefix(Self.sessionsPerList).compactMap { slot in
            sessions.user(of: slot).claim.map {
                Unicast.SessionList.Entry(claim: $0, number: sessions.number(of: slot))
            }
        }
        // No session here has been shown less than what was told last.
        return Unicast.SessionList(
            entries: entries, reached: reached ?? Floor(), isLast: slots.count <= Self.sessionsPerList)
    }

    /// The answer, nil if none came: then it is asked again at the next announce interval.
    mutating func sessionsListed(_ list: Unicast.SessionList?, by id: ServerID) {
        guard let server = servers.index(of: id) else { return }
        members[server].isListingSessions = false
        guard let list else { return }
        // It is what was told by a record after this one, if not by this one.
        let reached = list.reached[id] &+ 1
        if members[server].reached.last == 0, !list.entries.isEmpty {
            members[server].reached.note(list.reached, seq: reached)
        }
        for entry in list.entries {
            let place = Whereabouts.Place(server: id, number: entry.number, floor: list.reached, since: reached)
            // One whose record has come is known better.
            guard !whereabouts.knows(place, of: entry.claim) else { continue }
            noteLimit("named sessions elsewhere", isReached: !whereabouts.open(place, of: entry.claim))
        }
        members[server].sessionsToList = list.isLast ? nil : list.entries.last?.number
        listSessions()
    }

    // MARK: Hearing

    /// A record about named sessions of another server.
    mutating func note(_ kind: RecordKind, _ record: SessionRecord, of claim: ClaimID?, origin: Int, seq: UInt64) {
        let server = servers[origin]
        guard let claim else {
            if kind == .sessionsReached { members[origin].reached.note(record.floor, seq: seq) }
            return
        }
        var place = Whereabouts.Place(
            server: server, number: record.number, floor: record.floor, since: members[origin].reached.last)
        var hasRoom = true
        switch kind {
        case .sessionOpened, .sessionDetached:
            place.isDetached = kind == .sessionDetached
            hasRoom = whereabouts.open(place, of: claim)
        case .sessionMoved:
            for position in record.floor.positions {
                whereabouts.noteGone(position.seq, from: position.origin, of: claim)
                if position.origin == id { forgetSession(position.seq, of: claim) }
            }
        case .sessionClosed: whereabouts.remove(record.number, at: server, of: claim)
        default: break
        }
        noteLimit("named sessions elsewhere", isReached: !hasRoom)
    }
}
