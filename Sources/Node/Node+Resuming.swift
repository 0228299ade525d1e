import Codecs

/// Named sessions that outlive their connection. One whose connection breaks without LOGOUT is *detached*: its floor,
/// what its client has certainly been shown, is kept for the resume window. The next login of that claim, at any
/// server, begins there. Each floor is used once, the oldest first.
extension Node {
    var keepsSessions: Bool { configuration.timing.resumeWindow > 0 }

    // MARK: How far a client is

    /// What a session has been shown, if its connection's other end has acknowledged so many bytes of all that it was
    /// ever sent; nil: everything. Nothing that was acknowledged is left out, and nothing that was not is in it.
    mutating func floor(of slot: Int, acknowledged: UInt64?) -> Floor {
        guard let acknowledged else { return floor(of: slot) }
        let privateBytes = sessions.privateBytes(of: slot)
        var shown = store.delivered
        var unknown: [StreamPosition] = []
        if sessions.sessions[slot].state == .catchingUp, let index = feeding.index(of: sessions.id(of: slot)) {
            shown = feeding.feeds[index].shown
            unknown = feeding.feeds[index].unknown
        } else {
            let position = position(of: slot, acknowledged: acknowledged)
            if !publications.rollBack(to: position, &shown) { counters.floorsCut += 1 }
        }
        if acknowledged < privateBytes {
            fedLines[slot]?.rollBack(bytes: privateBytes - acknowledged, &shown)
        }
        return floor(shown: shown, unknown: unknown)
    }

    // MARK: Detaching

    /// The connection of a session has broken, or looks like it.
    mutating func detach(_ slot: Int, acknowledged: UInt64?) {
        let number = sessions.number(of: slot)
        guard sessions.sessions[slot].isPresent, number > 0, phase == .serving,
            let claim = sessions.user(of: slot).claim
        else { return }
        let floor = floor(of: slot, acknowledged: acknowledged)
        sessions.setNumber(0, of: slot)
        if isSuperseded(slot, acknowledged: acknowledged) {
            counters.floorsSuperseded += 1
            return tell(.sessionClosed, SessionRecord(number: number), of: claim)
        }
        counters.sessionsDetached += 1
        tell(.sessionDetached, SessionRecord(number: number, floor: floor), of: claim)
        keep(DetachedSessions.Entry(claim: claim, number: number, floor: floor, since: now))
    }

    mutating func keep(_ entry: DetachedSessions.Entry) {
        let dropped = detached.insert(entry)
        noteLimit("detached sessions", isReached: dropped != nil)
        if let dropped { giveUp(dropped) }
        timers.set(.detached, at: now.adding(milliseconds: configuration.timing.resumeWindow))
    }

    private mutating func giveUp(_ entry: DetachedSessions.Entry) {
        guard entry.taker == nil else { return }
        counters.floorsExpired += 1
        tell(.sessionClosed, SessionRecord(number: entry.number), of: entry.claim)
    }

    mutating func expireDetached() {
        let window = configuration.timing.resumeWindow
        guard now.nanoseconds >= window * 1_000_000 else { return }
        let expired = detached.expire(before: Instant(nanoseconds: now.nanoseconds - window * 1_000_000))
        for entry in expired { giveUp(entry) }
        if let next = detached.entries.first { timers.set(.detached, at: next.since.adding(milliseconds: window)) }
    }

    // MARK: Coming back

    /// How many other sessions of its claim, here and elsewhere, a login looks at.
    static let resumeAttempts = 4

    /// The client stays here. If an older session of its claim may have lost its connection, it goes on from there.
    ///
    /// - Parameter floor: where it begins if there is no older session.
    mutating func stay(_ slot: Int, at floor: Floor? = nil) {
        guard keepsSessions, let claim = sessions.user(of: slot).claim else { return succeed(slot, at: floor) }
        if let entry = takeDetached(claim) { return succeed(slot, at: entry.floor) }
        var job = SessionJob(session: sessions.id(of: slot), kind: .login, stage: .resuming, name: [], secret: [])
        if sessions.user(of: slot).sessions > 1 {
            let others = sessions.slots(of: claim).filter { sessions.number(of: $0) > 0 }
            job.suspects = others.prefix(Self.resumeAttempts).map { sessions.id(of: $0) }
        }
        job.places = Array(whereabouts.places(of: claim).prefix(Self.resumeAttempts))
        job.floor = floor
        guard !job.suspects.isEmpty || !job.places.isEmpty else { return succeed(slot, at: floor) }
        resumeNext(begin(job, slot: slot))
    }

    private mutating func takeDetached(_ claim: ClaimID) -> DetachedSessions.Entry? {
        guard let entry = detached.take(claim) else { return nil }
        counters.sessionsResumed += 1
        noteGoneOn(entry.number, from: id, of: claim)
        return entry
    }

    /// Looks at the next session of the claim, until one turns out to be detached.
    private mutating func resumeNext(_ id: UInt64) {
        guard var job = jobs[id], let slot = sessions.slot(of: job.session), let claim = sessions.user(of: slot).claim
        else { return }
        if let entry = takeDetached(claim) { return resume(id, at: entry.floor) }
        while !job.suspects.isEmpty || !job.places.isEmpty {
            if !job.suspects.isEmpty {
                let suspect = job.suspects.removeFirst()
                jobs[id] = job
                return examine(suspect, for: .job(id))
            }
            let place = job.places.removeFirst()
            job.place = place
            jobs[id] = job
            if isReachable(place.server) {
                if requests.count < configuration.limits.requests {
                    return request(.takeFloor(claim, number: place.number), of: place.server, for: id)
                }
                if waitsForRequest(id) { return }
            }
            if let floor = lastFloor(of: place, claim) { return resume(id, at: floor) }
        }
        resume(id, at: nil)
    }

    private func isReachable(_ server: ServerID) -> Bool {
        servers.index(of: server).map { members[$0].status == .reachable } ?? false
    }

    /// The server of an older session can be asked, but not now: a guess would show much again. As many may wait as may
    /// ask, and no longer than for an answer. Returns whether this one may.
    private mutating func waitsForRequest(_ id: UInt64) -> Bool {
        let isFull = waitingLogins.count >= configuration.limits.requests
        noteLimit("logins that wait to ask for an older session", isReached: isFull)
        guard !isFull, jobs[id]?.hasWaited == false else { return false }
        jobs[id]?.hasWaited = true
        waitingLogins.append((id, now))
        return true
    }

    /// Asks for those that wait, as far as there is room. (As long as there is none, requests wait, and wake this up.)
    mutating func askForWaiting() {
        while let first = waitingLogins.first {
            let isDue = now.milliseconds(since: first.since) >= configuration.timing.requestTimeout
            guard isDue || requests.count < configuration.limits.requests else { return }
            _ = waitingLogins.removeFirst()
            guard let place = jobs[first.job]?.place else { continue }
            jobs[first.job]?.places.insert(place, at: 0)
            resumeNext(first.job)
        }
    }

    private mutating func resume(_ id: UInt64, at floor: Floor?) {
        let claim = jobs[id].flatMap { sessions.slot(of: $0.session) }.flatMap { sessions.user(of: $0).claim }
        guard let (job, slot) = end(id) else {
            if let floor, let claim { keepUnused(floor, of: claim) }
            return
        }
        succeed(slot, at: floor ?? job.floor)
    }

    /// The client was gone again when the floor came: it is for its next login, wherever that is.
    private mutating func keepUnused(_ floor: Floor, of claim: ClaimID) {
        guard phase == .serving else { return }
        nextSession += 1
        tell(.sessionDetached, SessionRecord(number: nextSession, floor: floor), of: claim)
        keep(DetachedSessions.Entry(claim: claim, number: nextSession, floor: floor, since: now))
    }

    /// The server of a session has answered; nil: it has not.
    mutating func floorAnswered(_ answer: Unicast.FloorAnswer?, of claim: ClaimID, job id: UInt64) {
        guard let job = jobs[id], job.stage == .resuming, let place = job.place else {
            guard case .floor(let floor) = answer else { return }
            return keepUnused(floor, of: claim)
        }
        switch answer {
        case .floor(let floor):
            whereabouts.remove(place.number, at: place.server, of: claim)
            counters.sessionsResumed += 1
            resume(id, at: floor)
        case .gone:
            whereabouts.remove(place.number, at: place.server, of: claim)
            resumeNext(id)
        case .alive: resumeNext(id)
        case nil:
            if let floor = lastFloor(of: place, claim) { resume(id, at: floor) } else { resumeNext(id) }
        }
    }

    /// Where a session was that cannot be asked for: what its server last told, if that server was heard of within the
    /// window. It may have been shown more since.
    private mutating func lastFloor(of place: Whereabouts.Place, _ claim: ClaimID) -> Floor? {
        whereabouts.remove(place.number, at: place.server, of: claim)
        let silence = Self.silentIntervals * configuration.timing.announceInterval
        guard let server = servers.index(of: place.server),
            now.milliseconds(since: members[server].heard) <= configuration.timing.resumeWindow + silence
        else { return nil }
        // What was told when it began is what it had been shown beyond what all had: without that it is not known, and
        // from the beginning of all streams on would be much too early.
        guard place.isDetached || members[server].reached.last > 0 else {
            counters.floorsIncomplete += 1
            return nil
        }
        counters.sessionsResumed += 1
        counters.floorsGuessed += 1
        // Each floor is used once: its server cannot say that it is.
        noteGoneOn(place.number, from: place.server, of: claim)
        guard !place.isDetached else { return place.floor }
        return members[server].reached.floors(since: place.since).reduce(place.floor) { union($0, $1) }
    }

    // MARK: As the old server

    /// Another server has a login of the claim, and this one is known to have a session of it.
    mutating func takeFloor(_ claim: ClaimID, number: UInt64, for taker: DetachedSessions.Taker) {
        if let (isFirst, floor) = detached.take(number, by: taker) {
            if isFirst { noteGoneOn(number, from: id, of: claim) }
            return post(.floorTaken(.floor(floor)), to: taker.server, request: taker.request)
        }
        let slot = sessions.slots(of: claim).first { sessions.number(of: $0) == number }
        guard let slot else { return post(.floorTaken(.gone), to: taker.server, request: taker.request) }
        examine(sessions.id(of: slot), for: .server(taker, claim, number: number))
    }

    /// A session of this server has gone on elsewhere: nobody is to begin at its floor again. If it is still here, the
    /// other server could not ask: it only looks alive, or the user has two.
    mutating func forgetSession(_ number: UInt64, of claim: ClaimID) {
        guard number > 0 else { return }
        // Whoever is told of this stream alone, in the time of a later life, is told that as well.
        if phase == .serving { tell(.sessionClosed, SessionRecord(number: number), of: claim) }
        detached.remove(number)
        moves.forgetSession(number)
        let slot = sessions.slots(of: claim).first { sessions.number(of: $0) == number }
        guard let slot else { return }
        sessions.setNumber(0, of: slot)
        examine(sessions.id(of: slot), for: .nobody)
    }

    /// The client of a session has spoken. If its place was given to another one, it needs one of its own.
    mutating func noteAlive(_ slot: Int) {
        guard !sessions.sessions[slot].isAnonymous, sessions.number(of: slot) == 0,
            sessions.sessions[slot].isPresent, !sessions.sessions[slot].hasMove,
            examinations[sessions.id(of: slot)] == nil
        else { return }
        openSession(slot, at: floor(of: slot))
    }

    /// Who wants to know whether a session only looks alive.
    enum Examiner: Sendable {
        case nobody
        case job(UInt64)
        case server(DetachedSessions.Taker, ClaimID, number: UInt64)
        /// A move for balance, which is for those alone who would follow at once.
        case move(UInt64)
    }

    /// A session looks alive, and a later one of its claim begins: at what is new. If its client takes nothing more, it
    /// was broken by then already, and the later one is its client's: to go on from here once more would show all that
    /// the later one was shown again.
    private mutating func noteLookalike(_ slot: Int, acknowledged: UInt64?) {
        guard sessions.sessions[slot].state == .live, sessions.number(of: slot) > 0 else { return }
        let isFull = lookalikes.count >= configuration.limits.detached
        noteLimit("sessions that look alive", isReached: isFull)
        guard !isFull else { return }
        lookalikes[sessions.id(of: slot)] = position(of: slot, acknowledged: acknowledged)
    }

    /// Whether a session only looked alive when a later one of its claim began: it has acknowledged nothing since then
    /// of what it was sent.
    private func isSuperseded(_ slot: Int, acknowledged: UInt64?) -> Bool {
        guard let seen = lookalikes[sessions.id(of: slot)], sessions.sessions[slot].state == .live else { return false }
        let position = position(of: slot, acknowledged: acknowledged)
        return position <= seen && position < publications.end
    }

    /// Up to where in the log a live session has acknowledged so many bytes of all that it was ever sent; nil: all.
    /// Private lines that came later stand somewhere in it: then a little is repeated, and nothing is lost.
    private func position(of slot: Int, acknowledged: UInt64?) -> UInt64 {
        guard let acknowledged else { return publications.end }
        return sessions.followedFrom(of: slot) + (acknowledged - min(acknowledged, sessions.privateBytes(of: slot)))
    }

    mutating func examine(_ id: SessionID, for examiner: Examiner) {
        let isUnderWay = examinations[id] != nil
        examinations[id, default: []].append(examiner)
        if !isUnderWay { outbox.append(.examine(id)) }
    }

    /// What the driver found: how many bytes of all that the client was ever sent have been acknowledged (nil:
    /// everything), whether some have not for so long that the connection must be taken for broken, and whether it
    /// takes nothing more at present.
    public mutating func clientExamined(
        _ id: SessionID, acknowledged: UInt64?, isStalled: Bool, isBehind: Bool, at now: Instant
    ) {
        self.now = now
        guard let examiners = examinations.removeValue(forKey: id) else { return }
        let isMissed = examiners.contains { if case .move = $0 { false } else { true } }
        if isMissed, !isStalled, let slot = sessions.slot(of: id) { noteLookalike(slot, acknowledged: acknowledged) }
        if isStalled, isMissed, let slot = sessions.slot(of: id), sessions.sessions[slot].isPresent {
            detach(slot, acknowledged: acknowledged)
            finish(slot, .superseded, keepsReading: false)
        }
        for examiner in examiners {
            switch examiner {
            case .nobody: break
            case .job(let job): resumeNext(job)
            case .move(let move): if isStalled || isBehind { leaveOut(id, of: move) }
            case .server(let taker, let claim, let number):
                if let (isFirst, floor) = detached.take(number, by: taker) {
                    if isFirst { noteGoneOn(number, from: self.id, of: claim) }
                    post(.floorTaken(.floor(floor)), to: taker.server, request: taker.request)
                } else {
                    let isAlive = sessions.slot(of: id) != nil
                    post(.floorTaken(isAlive ? .alive : .gone), to: taker.server, request: taker.request)
                }
            }
        }
    }
}
