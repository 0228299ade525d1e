import Codecs

/// What logins leave uneven: a server that joins late and empty, one that returns, a part that was cut off, many
/// clients leaving one server. A server with more than its share moves sessions to where there are fewer, a few at a
/// time, until no move would make the shares more equal; then nothing moves.
///
/// Each single move is allowed by both ends with their present loads, and only if the target, with the session, still
/// has no larger share than the source without it. So each move makes the sum of the squared shares smaller: nothing
/// goes back and forth, and it ends. How many moves it takes is near the least: who has no more than its share, rounded
/// up, gives nothing away as long as another one has more.
extension Node {
    /// How long loads have to be uneven before a session is moved: logins and those who come back even out much by
    /// themselves. A guess.
    static let unevenPatience: UInt64 = 1000
    /// While logins are sent on they even out the rest, and who was sent on is not to be moved again: a burst is waited
    /// for, but not for ever. A guess.
    static let burstPatience: UInt64 = 10_000
    /// Time between two batches, and the sessions in one: 80 a second go from one server.
    static let rebalancePeriod: UInt64 = 100
    static let rebalanceBatch = 8
    /// Moves that are under way at a time: a target that does not answer is waited for.
    static let rebalanceMovesMax = 64
    /// A session that was moved stays for so long, in seconds.
    static let movedRest: UInt32 = 60

    /// What this server would have without the sessions that are about to go.
    var ownBurden: Burden {
        let own = UInt64(max(0, Int(load) - sessionsOnTheirWay))
        let isHasty = configuration.defect == .movesBackAndForth && own > 0
        return Burden(load: isHasty ? own + 1 : own, weight: configuration.weight)
    }

    /// Loads come to be known one by one, so their sum may be too small for a moment, as who looks from elsewhere sees
    /// it: the largest one of so long a time is believed, for who takes its share for too small gives too much. And for
    /// so long the sum has to stay the same before those give who have no more than their share. A guess.
    static let loadsPatience: UInt64 = 2000

    /// To be called when this server's load or another one's may have changed.
    mutating func considerRebalancing() {
        loadSum.note(loadOfAll, at: now)
        guard phase == .serving, !isDraining, isUneven else {
            unevenSince = nil
            return
        }
        guard unevenSince == nil else { return }
        unevenSince = now
        timers.set(.rebalance, at: now.adding(milliseconds: Self.unevenPatience))
    }

    /// Some server would be a better place for a session of this one.
    private var isUneven: Bool { sessions.presentCount > 0 && bestTarget(for: ownBurden) != nil }

    /// Of all servers that take clients.
    private var loadOfAll: UInt64 {
        reachableOthers.reduce(ownBurden.load) { $0 + (burden(of: $1)?.load ?? 0) }
    }

    /// This server has more than its share, rounded up; or nobody has a larger one.
    private var isToGive: Bool {
        let own = ownBurden
        guard let share = share(of: own) else { return false }
        return own.load > share
            || loadSum.isSettled(at: now) && !reachableOthers.contains { burden(of: $0)?.isHeavier(than: own) ?? false }
    }

    /// Who has its share, rounded up, gives what comes on, so that each such session would be moved twice: that the
    /// others take nobody at the moment is no reason.
    private func isToTake(_ server: ServerID) -> Bool {
        guard let burden = servers.index(of: server).flatMap({ burden(of: $0) }), let share = share(of: burden) else {
            return false
        }
        return burden.load < share
    }

    /// A server's part of all sessions, rounded up; nil if no server wants any.
    private func share(of burden: Burden) -> UInt64? {
        let own = ownBurden
        let others = reachableOthers.compactMap { self.burden(of: $0) }
        let load = max(others.reduce(own.load) { $0 + $1.load }, loadSum.most)
        let weight = others.reduce(own.weight) { $0 + $1.weight }
        // Some thousand loads below 2^33 and a weight below 2^17: the product fits.
        return weight > 0 ? (load * burden.weight + weight - 1) / weight : nil
    }

    /// Moves a few sessions, and looks again soon.
    mutating func rebalance() {
        guard let since = unevenSince else { return }
        let patience = now.milliseconds(since: since)
        guard patience >= Self.unevenPatience else {
            return timers.set(.rebalance, at: since.adding(milliseconds: Self.unevenPatience))
        }
        if patience < Self.burstPatience, now.milliseconds(since: sentOn) < Self.unevenPatience {
            return timers.set(.rebalance, at: now.adding(milliseconds: Self.unevenPatience))
        }
        unevenSince = nil
        guard phase == .serving, !isDraining, isUneven else { return }
        unevenSince = since
        var left = min(Self.rebalanceBatch, Self.rebalanceMovesMax - moves.count)
        let refusing = refusingServers
        while left > 0, isToGive, let target = bestTarget(for: ownBurden, besides: refusing), isToTake(target) {
            let group = nextToMove(limit: roomForMore(at: target, limit: left), besidesRested: true)
            guard let first = group.first else {
                // All have been moved lately, or are busy.
                return timers.set(.rebalance, at: now.adding(milliseconds: Self.unevenPatience))
            }
            move(group, ticketHolder(first), to: target, .balance)
            left -= group.count
        }
        timers.set(.rebalance, at: now.adding(milliseconds: Self.rebalancePeriod))
    }

    /// How many sessions the target is to have before it has no more than this server.
    private func roomForMore(at target: ServerID, limit: Int) -> Int {
        guard let server = servers.index(of: target), let burden = burden(of: server) else { return 0 }
        let own = ownBurden
        return (1...limit).last { own.mayGive(UInt64($0), to: burden) } ?? 0
    }

    /// Sessions to be moved next: one of a user, if there is one that is not about to go anyhow; else as many as may be
    /// of one address, which cannot be told from each other there and have to begin at one place.
    func nextToMove(limit: Int, besidesRested isResting: Bool = false) -> [Int] {
        guard limit > 0, requests.count < configuration.limits.requests else { return [] }
        let busy = Set(moves.all.filter(\.isBeforeRedirect).map(\.holder))
        var anonymous: [Int] = []
        var address: Unicast.TicketHolder?
        for slot in sessions.sessions.indices where mayMove(slot, isResting: isResting) {
            let holder = ticketHolder(slot)
            guard !busy.contains(holder) else { continue }
            if case .claim = holder { return [slot] }
            guard sessions.sessions[slot].state == .live, address == nil || address == holder else { continue }
            address = holder
            if anonymous.count < limit { anonymous.append(slot) }
        }
        return anonymous
    }

    private func mayMove(_ slot: Int, isResting: Bool) -> Bool {
        let session = sessions.sessions[slot]
        guard session.isPresent, !session.hasMove, !session.hasJob else { return false }
        return !isResting || session.moved == 0 || seconds + 1 - session.moved >= Self.movedRest
    }
}

/// The sum of all loads, as far as it is known here.
struct LoadSum: Sendable {
    /// The largest one of late.
    private(set) var most: UInt64 = 0
    private var mostAt = Instant(nanoseconds: 0)
    private var last: UInt64 = 0
    private var changedAt = Instant(nanoseconds: 0)

    mutating func note(_ sum: UInt64, at now: Instant) {
        if sum != last { (last, changedAt) = (sum, now) }
        if sum >= most || now.milliseconds(since: mostAt) >= Node.loadsPatience { (most, mostAt) = (sum, now) }
    }

    func isSettled(at now: Instant) -> Bool { now.milliseconds(since: changedAt) >= Node.loadsPatience }
}
