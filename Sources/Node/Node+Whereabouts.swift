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
        if let reached, !floor.covers(reached) { tellReached(reached.intersection(floor)) }
        nextSession += 1
        sessions.setNumber(nextSession, of: slot)
        let beyond = floor.positions.filter { $0.origin != id && $0.seq > reached?[$0.origin] ?? 0 }
        tell(.sessionOpened, SessionRecord(number: nextSession, floor: Floor(beyond)), of: claim)
        timers.set(.measure, at: now.adding(milliseconds: configuration.timing.checkpoint))
    }

    /// The session is over, and nothing of it is kept.
    mutating func closeSession(_ slot: Int) {
        let number = sessions.sessions[slot].number
        guard number > 0 else { return }
        sessions.setNumber(0, of: slot)
        tell(.sessionClosed, SessionRecord(number: number), of: sessions.user(of: slot).claim)
    }

    private mutating func tellReached(_ floor: Floor) {
        reached = floor
        tell(.sessionsReached, SessionRecord(number: 0, floor: floor), of: nil)
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
        var isExact = feeding.isEmpty
        for slot in fedLines.keys.sorted() where sessions.sessions[slot].state == .live {
            // What it was fed, and that alone, stands before the place from which it follows.
            if position < sessions.sessions[slot].followedFrom { isExact = false } else { fedLines[slot] = nil }
        }
        var shown = store.delivered
        guard isExact, position != measuredAt, keepsSessions, phase == .serving,
            publications.rollBack(to: position, &shown)
        else { return }
        measuredAt = position
        tellReached(floor(shown: shown))
    }

    // MARK: Hearing

    /// A record about named sessions of another server.
    mutating func note(_ kind: RecordKind, _ record: SessionRecord, of claim: ClaimID?, origin: Int, seq: UInt64) {
        let server = servers[origin]
        guard let claim else {
            if kind == .sessionsReached { members[origin].reached = record.floor }
            return
        }
        var place = Whereabouts.Place(server: server, number: record.number, floor: record.floor)
        var hasRoom = true
        switch kind {
        case .sessionOpened:
            place.floor = record.floor.union(Floor([StreamPosition(origin: server, seq: seq)]))
            hasRoom = whereabouts.open(place, of: claim)
        case .sessionDetached:
            place.isDetached = true
            hasRoom = whereabouts.detach(place, of: claim)
        case .sessionMoved:
            for position in record.floor.positions {
                whereabouts.remove(position.seq, at: position.origin, of: claim)
                if position.origin == id { detached.remove(position.seq) }
            }
        case .sessionClosed: whereabouts.remove(record.number, at: server, of: claim)
        default: break
        }
        noteLimit("named sessions elsewhere", isReached: !hasRoom)
    }
}
