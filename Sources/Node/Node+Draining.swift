import Codecs

/// An orderly end that nobody notices: no new clients are taken, all sessions are moved to other servers, what the
/// neighbours lack is passed on; then the driver is told, and ends.
extension Node {
    /// Time between two batches, a half more or less by chance: servers that are drained together must not keep step.
    static let drainPeriod: UInt64 = 100
    /// Sessions in a batch at least, and the part of all that is left: 160 a second, and no more than 15 s for however
    /// many.
    static let drainBatchMin = 16
    static let drainShare = 20
    /// Moves under way at a time.
    static let drainMovesMax = 1024

    /// Takes no new clients, moves all sessions elsewhere, and reports `drained` when that is done or when it has taken
    /// `milliseconds`.
    public mutating func drain(within milliseconds: UInt64, at now: Instant) {
        self.now = now
        guard phase != .leaving, !isDraining else { return }
        isDraining = true
        unevenSince = nil
        announceSoon(isUrgent: true)
        timers.set(.drain, at: now)
        timers.set(.drainEnds, at: now.adding(milliseconds: milliseconds))
    }

    /// Moves some more sessions, and looks again soon.
    mutating func drainFurther() {
        guard isDraining, phase != .leaving else { return }
        guard !isDrained else { return endDraining() }
        let jitter = random.next() % Self.drainPeriod
        timers.set(.drain, at: now.adding(milliseconds: Self.drainPeriod / 2 + jitter))
        var left = min(
            max(Self.drainBatchMin, sessions.presentCount / Self.drainShare), Self.drainMovesMax - moves.count)
        let refusing = refusingServers
        while left > 0, let target = bestTarget(for: nil, besides: refusing) {
            let group = nextToMove(limit: left)
            guard let first = group.first else { return }
            move(group, ticketHolder(first), to: target, .drain)
            left -= group.count
        }
    }

    /// Everybody is gone, and somebody has everything that is here.
    private var isDrained: Bool {
        guard moves.isEmpty, jobs.isEmpty, sessions.presentCount == 0,
            !sessions.sessions.contains(where: { $0.state == .redirected })
        else { return false }
        return recordsLeft == 0
    }

    mutating func endDraining() {
        guard isDraining, !isDrainingOver else { return }
        isDrainingOver = true
        outbox.report(.drained(sessionsLeft: sessions.presentCount, recordsLeft: recordsLeft))
    }

    /// How many of the records that are here the neighbour lacks that has most; without one, those that somebody is
    /// owed who is away.
    private var recordsLeft: UInt64 {
        func lacks(_ server: Int) -> UInt64 { queues[server].depth(in: store).records }
        let neighbours = reachableOthers.filter { linkIndex(toServer: $0) != nil }
        return neighbours.map(lacks).min()
            ?? members.indices.dropFirst().filter { members[$0].isOwed }.map(lacks).max() ?? 0
    }
}
