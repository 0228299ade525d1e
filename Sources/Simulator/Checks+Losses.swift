import Node

/// What may excuse an activity that did not come, or came late: decided from the state of all servers, never by what
/// one says of itself alone.
extension History {
    /// Whether the record need not have reached the clients of a server's life.
    func isExcused(_ record: RecordPlace, for life: Int) -> Bool {
        hasOverflown || isLost(record, for: life) || isForeign(record, for: life) || isGivenUp(record, for: life)
    }

    /// Some server's table of what is over was too small: once is promised then, reach is not.
    var hasOverflown: Bool { lives.contains(where: \.hasOverflown) }

    /// Only killed servers ever held it, and none of them had time to pass it on; or servers that left when one of
    /// those had it as well, or that had reported that they gave it up. A record that was under way when its server was
    /// killed and arrives all the same is held by who gets it.
    private func isLost(_ record: RecordPlace, for life: Int) -> Bool {
        lives.indices.allSatisfy { holder in
            guard lives[holder].hasHeld(record) else { return true }
            guard let end = lives[holder].end, let held = lives[holder].heldAt(record) else { return false }
            if let left = lives[holder].leftAt, held <= left, !isHeld(record, at: left, besidesBy: holder),
                !lives[holder].hasGivenUp(record)
            {
                return false
            }
            return !hasCalm(of: Self.lossPatience, from: max(held, lives[life].start), to: end)
        }
    }

    /// Whether another server that lived at a time, for all that was known, had the record then.
    private func isHeld(_ record: RecordPlace, at time: UInt64, besidesBy life: Int) -> Bool {
        lives.indices.contains { other in
            let patience = lives[other].fellSilent ? silenceNoticed : Self.newsPatience
            return other != life && lives[other].hasHeld(record)
                && lives[other].heldAt(record).map { $0 <= time } ?? false
                && lives[other].end.map { $0 + patience > time } ?? true
        }
    }

    /// How long a server may not know yet that another one's process has died. (A guess: longer than most resets are
    /// under way.)
    static let newsPatience: UInt64 = 500_000_000

    /// A server that held a record for so long in a connected network has passed it on. (A guess: more than any way
    /// over slow links and queues takes in the worlds so far.)
    private static let lossPatience: UInt64 = 30_000_000_000

    /// The origin and that server had not both heard of each other: their networks had not met. What is still held when
    /// they meet comes all the same; what is not is stepped over.
    private func isForeign(_ record: RecordPlace, for life: Int) -> Bool {
        let haveMet =
            lives[record.origin].hadMet(life, at: record.time) && lives[life].hadMet(record.origin, at: record.time)
        guard record.origin != life, !haveMet else { return false }
        let isSteppedOver = lives[life].heldAt(record) != nil && !lives[life].hasHeld(record)
        return isSteppedOver || !lives[life].knew(record.origin, at: .max)
    }

    /// The server has reported that it gave the record up itself, before its clients were ready for it; or it has
    /// reported the gap, and another one that records were given up there or that this server was.
    private func isGivenUp(_ record: RecordPlace, for life: Int) -> Bool {
        if lives[life].hasGivenUp(record), !hasPublished(record, life) { return true }
        guard !lives[life].hasHeld(record) else { return false }
        let isGivenUp = lives.contains { other in
            other.hasGivenUp(record) || other.departures.contains { $0.life == life }
        }
        if lives[life].hasReportedGap(over: record) || lives[life].hasBegun(after: record) {
            return isGivenUp || lives.contains { $0.hasForgotten(record) }
        }
        // Of what is before all that it ever saw of a stream a server does not know that it is a gap.
        return isGivenUp && lives[life].heldAt(record) == nil && !lives[life].knew(record.origin, at: .max)
    }

    /// The client did not follow the log then, but was fed, and the server has said that it could not feed this.
    func isUnfed(_ record: RecordPlace, on presence: Int) -> Bool {
        fed[presence] != nil && lives[presences[presence].life].hasStatedUnfed(record)
    }

    private func hasPublished(_ record: RecordPlace, _ life: Int) -> Bool {
        lives[life].log.contains { activity($0.mark)?.record == record }
    }

    /// Whether a later activity of the same sender may be shown before an earlier one by a server: if it was sent at a
    /// server that did not know of the earlier one, or has waited for it for so long that order yields to reach.
    func mayOvertake(_ number: Int, _ mark: ActivityMark, at life: Int) -> Bool {
        guard let earlier = activity(mark), let later = activity(ActivityMark(sender: mark.sender, number: number)),
            let early = earlier.record, let late = later.record
        else { return false }
        guard early.origin != late.origin else {
            // Who leaves a connection with bytes still under way, and sends on another one, lets the two race.
            return late.seq < early.seq && earlier.connection != later.connection
        }
        // The anonymous user is many people: nothing ties two of his connections together.
        guard clientNames[mark.sender] != nil else { return true }
        // Nor two claims to a name that was asked for twice: the first one may have been lost with its server.
        if let name = clientNames[mark.sender], asked[name] ?? 0 > 1 { return true }
        let origin = lives[late.origin]
        guard origin.hasHeld(early), let known = origin.deliveredAt(early), known < late.time else {
            return !areMoved(earlier, to: later, of: mark.sender)
        }
        if let held = lives[life].heldAt(late), let delivered = lives[life].deliveredAt(late),
            // A stream waits as one: what came behind the record that waits has waited less.
            delivered - held >= Node.dependencyPatienceMilliseconds * 1_000_000 / 2
        {
            return true
        }
        // An activity tells of the one that its server delivered last, and that one of the one before it. Nothing ties
        // the two together if one between them was given up here, or is for other servers' clients; or if the last one
        // was taken by a server that had not delivered the earlier one.
        return (0..<number).contains { between in
            guard between != mark.number,
                let record = activity(ActivityMark(sender: mark.sender, number: between))?.record
            else { return false }
            if between > mark.number, !lives[life].hasHeld(record) || !hasPublished(record, life) { return true }
            guard record.origin != early.origin, let last = origin.deliveredAt(record), last >= known, last <= late.time
            else { return false }
            return lives[record.origin].deliveredAt(early).map { $0 >= record.time } ?? true
        }
    }

    /// Whether what ties a later activity of a sender to an earlier one was not held any more when both were fed to a
    /// client: an activity between them, as its server has said.
    func isUntied(_ later: Int, from reception: FaultyReception) -> Bool {
        let visits = visits[reception.client]
        guard visits.indices.contains(reception.visit - 1), let presence = visits[reception.visit - 1].presence else {
            return false
        }
        return (reception.number + 1..<later).contains { between in
            guard let record = activity(ActivityMark(sender: reception.sender, number: between))?.record else {
                return false
            }
            return isUnfed(record, on: presence)
        }
    }

    // MARK: Calm

    /// Whether all servers could reach each other, and nothing happened to the ways between them, for so long at a
    /// stretch within a time.
    func hasCalm(of length: UInt64, from start: UInt64, to end: UInt64) -> Bool {
        var begin: UInt64?
        for look in connectedTimes where look >= start && look <= end {
            if let present = begin, pathChanges.contains(where: { present <= $0 && $0 <= look }) { begin = nil }
            let present = begin ?? look
            begin = present
            if look - present >= length { return true }
        }
        return false
    }

    /// Whether nothing kept the servers from knowing each other in all of a time: they were connected before it, and
    /// at most so many servers came or went since. Those that are asked about were there already: who has just started
    /// may be alone without anybody's fault.
    func isCalm(from start: UInt64, to end: UInt64, changesMax: Int, among asked: [Int]) -> Bool {
        guard let look = connectedTimes.last(where: { $0 <= start }), asked.allSatisfy({ lives[$0].start < look })
        else {
            return false
        }
        let range = look...end
        guard !pathChanges.contains(where: range.contains) else { return false }
        let starts = lives.count { range.contains($0.start) }
        let ends = lives.count { $0.end.map(range.contains) ?? false }
        return starts + ends <= changesMax
    }
}

extension Checks {
    /// A server says of another that it is over only if that is so; "told" repeats what a third one found.
    func departures(in history: History) -> [Violation] {
        history.lives.indices.flatMap { life in
            history.lives[life].departures.compactMap { departure in
                let isWrong =
                    switch departure.cause {
                    case "succeeded": !history.hasSuccessor(departure)
                    case "silent": history.hasBeenHeard(departure, by: life)
                    default: false
                    }
                guard isWrong else { return nil }
                let other = history.lives[departure.life]
                return Violation(
                    kind: .departedWrongly, seed: history.seed, time: departure.time,
                    text:
                        "server \(history.lives[life].server) took life \(departure.life), of server \(other.server), "
                        + "for \(departure.cause)")
            }
        }
    }

    /// P8: what has come within the window of resuming is held as long as there is room.
    func needlessReleases(in history: History) -> [Violation] {
        history.lives.flatMap { life in
            life.unfed.compactMap { span in
                guard let came = span.came, !span.wasFull, span.time < came + history.resumeWindow / 10 * 9 else {
                    return nil
                }
                return Violation(
                    kind: .releasedNeedlessly, seed: history.seed, time: span.time,
                    text:
                        "server \(life.server) held records \(span.seqs) of life \(span.origin) no more, of which the "
                        + "last had come at \(Trace.stamp(came)), with room for them")
            }
        }
    }

    /// P8: what is given up is given up at a bound, or because its last debtor has departed.
    func needlessLosses(in history: History) -> [Violation] {
        history.lives.flatMap { life in
            life.givenUp.compactMap { span in
                if span.wasFull || life.departures.contains(where: { $0.time == span.time }) { return nil }
                return Violation(
                    kind: .givenUpNeedlessly, seed: history.seed, time: span.time,
                    text:
                        "server \(life.server) gave up records \(span.seqs) of life \(span.origin), with room for them")
            }
        }
    }
}

extension Checks {
    /// P1: what one server has given up comes from another one that still has it.
    func needlessGaps(in history: History) -> [Violation] {
        history.lives.flatMap { life in
            life.gaps.compactMap { span in
                // Once before reach: what may have been forgotten here is taken from nobody; nor is what has no room.
                guard let holder = span.holder, !span.wasFull else { return nil }
                return Violation(
                    kind: .skippedNeedlessly, seed: history.seed, time: span.time,
                    text:
                        "server \(life.server) stepped over records \(span.seqs) of life \(span.origin); server "
                        + "\(history.lives[holder].server), a neighbour, has some of them")
            }
        }
    }
}

extension History {
    /// Whether there was a later life; or an earlier one that its clock makes look later, until the living one hears of
    /// it and refutes that.
    fileprivate func hasSuccessor(_ departure: Life.Departure) -> Bool {
        let life = lives[departure.life]
        return lives.contains { other in
            guard other.server == life.server, other.start != life.start, other.start <= departure.time else {
                return false
            }
            return other.start > life.start || other.wallClock >= life.wallClock
        }
    }

    /// Whether both were in a connected network later than the departure time allows.
    fileprivate func hasBeenHeard(_ departure: Life.Departure, by life: Int) -> Bool {
        let other = lives[departure.life]
        return connectedTimes.contains { look in
            look + departureAfter > departure.time && look < departure.time && other.start < look
                && other.end.map { look < $0 } ?? true && lives[life].start < look
        }
    }
}
