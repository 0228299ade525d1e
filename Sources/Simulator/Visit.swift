import Node

/// One connection of a client, as the client knows it: whom it dialled and why, when it was welcomed, and how it ended.
/// A user's session is a chain of visits: moved by REDIRECT, or resumed by the user's next login. What was sent between
/// two visits that belong together is owed as if there had been one connection, and so are once and order.
public struct Visit: Sendable {
    public enum Ending: Sendable, Hashable {
        case redirected
        case loggedOut
        /// The connection ended, and the client was told.
        case broke
        /// The client closed it, without LOGOUT.
        case left
        /// The client's machine was off: the server does not know.
        case fellSilent
        /// The server said that the client cannot go on.
        case refused
    }

    public var server: Int
    /// A REDIRECT has led here.
    public var isRedirected: Bool
    public var start: UInt64
    /// When its server sent LOGIN_SUCCESS: what it delivers from then on may be shown.
    public var answeredAt: UInt64?
    /// When LOGIN_SUCCESS came.
    public var welcomedAt: UInt64?
    /// How it ended first, and when.
    public var end: (how: Ending, time: UInt64)?
    /// When its server learnt that the connection had ended.
    public var noticedAt: UInt64?
    /// Its presence in the history; nil if it was sent on, or left, before it was fed.
    public var presence: Int?
    /// From the client's last byte on its way to the server until an answer could be back, at most; in nanoseconds.
    public var roundTrip: UInt64 = 0

    public init(server: Int, isRedirected: Bool, start: UInt64) {
        self.server = server
        self.isRedirected = isRedirected
        self.start = start
    }
}

// MARK: - Writing

extension History {
    /// The client dials. Its visits are numbered from 1, as its sessions are.
    mutating func beginVisit(of client: Int, to server: Int, isRedirected: Bool, at time: UInt64) {
        visits[client].append(Visit(server: server, isRedirected: isRedirected, start: time))
    }

    mutating func noteAnswer(to client: Int, visit number: Int, at time: UInt64) {
        guard visits[client].indices.contains(number - 1), visits[client][number - 1].answeredAt == nil else { return }
        visits[client][number - 1].answeredAt = time
    }

    mutating func noteWelcome(of client: Int, at time: UInt64) {
        guard let last = visits[client].indices.last, visits[client][last].welcomedAt == nil else { return }
        visits[client][last].welcomedAt = time
    }

    mutating func noteRoundTrip(of client: Int, _ time: UInt64) {
        guard let last = visits[client].indices.last else { return }
        visits[client][last].roundTrip = time
    }

    /// What ends it first is how it ended.
    mutating func endVisit(of client: Int, _ how: Visit.Ending, at time: UInt64) {
        guard let last = visits[client].indices.last, visits[client][last].end == nil else { return }
        visits[client][last].end = (how, time)
    }

    /// The server learnt that the connection is broken before it read what the client had said last: for all it knows
    /// there was no LOGOUT.
    mutating func noteUnheard(on presence: Int) {
        let (client, last) = (presences[presence].client, presences[presence].session - 1)
        guard visits[client].indices.contains(last), visits[client][last].end?.how == .loggedOut else { return }
        visits[client][last].end?.how = .left
    }

    mutating func noteEndNoticed(on presence: Int, at time: UInt64) {
        let (client, last) = (presences[presence].client, presences[presence].session - 1)
        guard visits[client].indices.contains(last), visits[client][last].noticedAt == nil else { return }
        visits[client][last].noticedAt = time
    }

    /// A presence has begun on the visit of this number: the first one, unless its server meant to send it elsewhere
    /// and could not.
    mutating func notePresence(_ presence: Int, of client: Int, visit number: Int) {
        guard visits[client].indices.contains(number - 1), visits[client][number - 1].presence == nil else { return }
        visits[client][number - 1].presence = presence
    }

    /// An activity is sent to one client alone, which lacks it.
    mutating func noteFed(_ mark: ActivityMark, on presence: Int, at time: UInt64) {
        guard let activity = activity(mark) else { return }
        fed[presence, default: [:]][activity.ordinal] = time
    }

    /// When a client was shown an activity on a visit, if it was.
    private func shownAt(_ mark: ActivityMark, on number: Int, of client: Int) -> UInt64? {
        guard let presence = visits[client][number - 1].presence, let activity = activity(mark),
            let record = activity.record
        else { return nil }
        return fed[presence]?[activity.ordinal] ?? lives[presences[presence].life].deliveredAt(record)
    }
}

// MARK: - What two visits owe each other

extension History {
    /// What ties a visit to the one before it.
    enum Tie: Equatable {
        /// Nothing: the client begins anew.
        case none
        /// The server need not have known in time; it may have.
        case loose
        /// The server could not know yet that the connection was over, so that the session begins with what is new:
        /// what came meanwhile is not owed. Nothing comes twice but what is new at the later server alone, which is
        /// behind; and order holds.
        case unnoticed
        /// The same; or it has learnt of it just in time: then what it handed out since the time may come again.
        case unnoticedOrRepeating(since: UInt64)
        /// Nothing is lost. What the first server handed out since the time may come again: the connection broke before
        /// it was acknowledged; or the server died, and what it had announced last is all that was known.
        case repeating(since: UInt64)
        /// Nothing is lost, nothing comes twice, order holds.
        case exact

        /// What was handed out since then may come again.
        var repeatsSince: UInt64? {
            switch self {
            case .repeating(let since), .unnoticedOrRepeating(let since): since
            case .none, .loose, .unnoticed, .exact: nil
            }
        }
    }

    /// The latest visit before one on which the client was welcomed.
    func visitBefore(_ number: Int, of client: Int) -> Int? {
        guard number > 1, visits[client].count >= number else { return nil }
        return visits[client][..<(number - 1)].lastIndex { $0.welcomedAt != nil }.map { $0 + 1 }
    }

    /// How a visit is tied to the latest one before it on which the client was welcomed.
    func tie(of number: Int, of client: Int) -> Tie {
        guard let earlier = visitBefore(number, of: client), let end = visits[client][earlier - 1].end else {
            return .none
        }
        let visit = visits[client][number - 1]
        let isMoved = visit.isRedirected && earlier == number - 1
        if end.how != .redirected, wasSentOn(client, from: visits[client][earlier - 1], to: visit) { return .loose }
        if end.how == .loggedOut || end.how == .refused {
            return isKnown(end.time, of: visits[client][earlier - 1], on: visit) ? .none : .loose
        }
        let patience = max(isMoved ? ticketTime : 0, clientNames[client] == nil ? 0 : resumeWindow)
        guard patience > 0 else { return isMoved ? .loose : .none }
        // An anonymous client that was sent on at its login begins with what is new.
        if clientNames[client] == nil, visits[client][earlier - 1].presence == nil { return .loose }
        guard let welcome = visit.welcomedAt, let present = visit.presence.map({ presences[$0] }),
            let life = life(of: visits[client][earlier - 1])
        else { return .loose }
        // Half of the time, since the two servers and the client count it from different instants.
        let left = redirectTime(of: client, on: visits[client][earlier - 1]) ?? end.time
        guard welcome <= left + patience / 2 else { return .loose }
        if let death = lives[life].end, death <= present.start {
            return tieAfterCrash(of: life, at: death, from: visits[client][earlier - 1], to: present)
        }
        guard isCalm(from: end.time, to: welcome, changesMax: 0, among: [life, present.life]) else { return .loose }
        if end.how == .fellSilent, !hasNoticed(life, silenceSince: end.time, by: visit.start) { return .unnoticed }
        let isNoticed = hasNoticed(visits[client][earlier - 1], inTimeFor: visit, isSameLife: life == present.life)
        if end.how == .left, !isNoticed { return .unnoticed }
        guard end.how == .broke else { return .exact }
        // A client that has just gone on reading may have got what was handed out long before.
        let unacknowledged = end.time - min(end.time, 2 * visits[client][earlier - 1].roundTrip)
        let since = stalls.contains { unacknowledged <= $0 && $0 <= end.time } ? 0 : unacknowledged
        // A connection that broke on the way may break later for the server than the client dials again.
        return isNoticed ? .repeating(since: since) : .unnoticedOrRepeating(since: since)
    }

    /// Whether a server can have told, from what a client did not acknowledge, that its machine is off: until then the
    /// connection is as good as any.
    private func hasNoticed(_ life: Int, silenceSince start: UInt64, by time: UInt64) -> Bool {
        guard let first = lives[life].log.first(where: { $0.time >= start }) else { return false }
        return first.time + SimulatedServer.stallTime <= time
    }

    /// Whether a server had learnt of the end of a connection, which was on its way, when the next one's login was
    /// answered; if that was at another server, when it asked.
    private func hasNoticed(_ earlier: Visit, inTimeFor later: Visit, isSameLife: Bool) -> Bool {
        guard let noticed = earlier.noticedAt, let answered = later.answeredAt else { return false }
        return noticed <= (isSameLife ? answered : later.start)
    }

    /// When the server said the REDIRECT that ended a visit. A client that stands still reads it much later, and its
    /// ticket does not wait for that.
    func redirectTime(of client: Int, on visit: Visit) -> UInt64? {
        guard let end = visit.end, end.how == .redirected else { return nil }
        return sentOn[client]?.last { $0.isTold && visit.start <= $0.time && $0.time <= end.time }?.time
    }

    /// The client was told to go elsewhere and did not hear it, or said something else meanwhile: its server kept its
    /// place for whoever turns up next as that user. Or it turns up where it is expected, told or not.
    private func wasSentOn(_ client: Int, from earlier: Visit, to later: Visit) -> Bool {
        // A server that empties itself, and leaves when its time is up, has begun to send everybody on.
        if let end = earlier.end, end.how == .broke, wasDraining(earlier.server, end.time) { return true }
        return sentOn[client]?.contains { sent in
            earlier.start <= sent.time && sent.time <= later.welcomedAt ?? .max
                && (sent.target == later.server || sent.isTold && clientNames[client] != nil)
        } ?? false
    }

    /// The visit on which a client without a name was sent on to the server of a later one. It is known by its address
    /// alone: until its ticket is out of date it is taken for who is expected there, wherever it has been since. (Who
    /// has a name is known to have gone on elsewhere.)
    private func visitExpected(on number: Int, of client: Int) -> Int? {
        let visit = visits[client][number - 1]
        guard clientNames[client] == nil, let answered = visit.answeredAt,
            let sent = sentOn[client]?.first(where: {
                $0.target == visit.server && $0.time <= answered && answered <= $0.time + ticketTime
            })
        else { return nil }
        return visits[client][..<(number - 1)].lastIndex { $0.start <= sent.time }.map { $0 + 1 }
    }

    /// Whether the server of a visit has heard of its end, and the one of a later visit as well.
    private func isKnown(_ end: UInt64, of earlier: Visit, on later: Visit) -> Bool {
        guard let welcome = later.welcomedAt, let life = life(of: earlier), let other = self.life(of: later) else {
            return false
        }
        // A LOGOUT to a machine that is off is heard by nobody.
        guard lives[life].end ?? .max > end else { return false }
        return isCalm(from: end, to: welcome, changesMax: 0, among: [life, other])
    }

    /// The first server died and nothing else happened: what it announced last is known.
    private func tieAfterCrash(of life: Int, at death: UInt64, from visit: Visit, to present: Presence) -> Tie {
        let announced = death - min(death, announcedWithin)
        guard clientNames[present.client] != nil, let start = visit.presence.map({ presences[$0].start }),
            start < announced,
            isCalm(from: announced, to: present.start, changesMax: 1, among: [life, present.life])
        else { return .loose }
        return .repeating(since: stalls.contains { start <= $0 && $0 <= death } ? 0 : announced)
    }

    /// The life of the server that a visit was with.
    func life(of visit: Visit) -> Int? {
        visit.presence.map { presences[$0].life }
            ?? lives.lastIndex { $0.server == visit.server && $0.start <= visit.start }
    }
}

// MARK: - Chains

extension History {
    /// Since when a client is owed everything on a visit: since it was there, or since the first visit that this one is
    /// tied to; and the lives of the servers that it was with since then.
    func owedSince(_ number: Int, of client: Int) -> (time: UInt64, lives: [Int])? {
        guard visits[client].indices.contains(number - 1), let presence = visits[client][number - 1].presence else {
            return nil
        }
        var since = presences[presence].start
        var lives = [presences[presence].life]
        var present = number
        while true {
            switch tie(of: present, of: client) {
            case .none, .loose, .unnoticed, .unnoticedOrRepeating: return (since, lives)
            case .repeating, .exact: break
            }
            guard let earlier = visitBefore(present, of: client) else { return (since, lives) }
            let visit = visits[client][earlier - 1]
            if let presence = visit.presence.map({ presences[$0] }) {
                since = min(since, presence.start)
                lives.append(presence.life)
            } else if let welcome = visit.welcomedAt {
                since = min(since, welcome)
            }
            present = earlier
        }
    }

    /// Whether a client may be shown on a visit what its server had delivered before it was present: it was on the same
    /// visit before, until its server meant to send it elsewhere; or on an earlier one, to which this one is tied, or
    /// may be, for all that the server knows.
    func mayBeOwed(_ record: RecordPlace, on number: Int, of client: Int) -> Bool {
        var present = number
        while visits[client].indices.contains(present - 1) {
            let visit = visits[client][present - 1]
            // A server that means to send it elsewhere at its login, and cannot, feeds it later what came since.
            let start = visit.answeredAt ?? visit.presence.map { presences[$0].start } ?? visit.start
            guard let life = life(of: visit), let delivered = lives[life].deliveredAt(record), delivered < start else {
                return true
            }
            let tied = tie(of: present, of: client) == .none ? nil : visitBefore(present, of: client)
            guard let earlier = [tied, visitExpected(on: present, of: client)].compactMap(\.self).min() else {
                return false
            }
            present = earlier
        }
        return false
    }

    /// Whether a client was only moved by its servers between two activities: then the later one waits for the earlier,
    /// but not for ever.
    func areMoved(_ earlier: Activity, to later: Activity, of client: Int) -> Bool {
        func visit(of activity: Activity) -> Int? {
            visits[client].lastIndex { $0.start <= activity.sentAt }.map { $0 + 1 }
        }
        guard let first = visit(of: earlier), let last = visit(of: later), first < last,
            later.acceptedAt ?? 0 < visits[client][last - 1].start + Node.arrivalPatience * 1_000_000
        else { return false }
        return (first + 1...last).allSatisfy {
            visits[client][$0 - 1].isRedirected && tie(of: $0, of: client) == .exact
        }
    }

    /// Whether the server of a visit delivered an activity when the session had begun.
    private func isNew(_ mark: ActivityMark, on visit: Visit) -> Bool {
        guard let record = activity(mark)?.record, let life = life(of: visit), let answered = visit.answeredAt else {
            return false
        }
        return lives[life].deliveredAt(record) ?? .max >= answered
    }

    /// Whether a server had not heard yet, when the session of a visit began there, of the one that the client had
    /// before at another server: so it begins with what is new. When it hears of that place, nobody can tell it from
    /// that of another client of the same user, and the next login goes on from there.
    private func mayFollowUnheardOf(_ number: Int, of client: Int) -> Bool {
        guard let earlier = visitBefore(number, of: client).map({ visits[client][$0 - 1] }),
            let before = earlier.presence.map({ presences[$0] }),
            let present = visits[client][number - 1].presence.map({ presences[$0] }), before.life != present.life,
            let opened = lives[before.life].held(of: before.life, at: before.start)
        else { return false }
        let record = RecordPlace(origin: before.life, seq: opened, time: before.start)
        return lives[present.life].deliveredAt(record) ?? .max > present.start
    }

    /// Whether all visits from one to another are tied so that an activity that was shown on the first one cannot come
    /// on the last one.
    func areTied(_ earlier: Int, to later: Int, of client: Int, for mark: ActivityMark) -> Bool {
        var present = later
        while present > earlier {
            let tie = tie(of: present, of: client)
            guard tie != .none, tie != .loose, let before = visitBefore(present, of: client),
                !mayFollowUnheardOf(before, of: client)
            else { return false }
            switch tie {
            case .unnoticed, .unnoticedOrRepeating:
                if isNew(mark, on: visits[client][present - 1]) { return false }
            case .none, .loose, .repeating, .exact: break
            }
            if before == earlier, let since = tie.repeatsSince {
                return (shownAt(mark, on: earlier, of: client) ?? 0) < since
            }
            present = before
        }
        return present == earlier
    }
}
