/// P1 to P3 over a user's whole session, which may be a chain of visits to several servers; and P6, as far as clients
/// see it.
extension Checks {
    /// Who was moved, or has resumed, gets what was accepted meanwhile.
    func carriedReach(in history: History) -> [Violation] {
        var violations: [Violation] = []
        for presence in history.presences where presence.end == nil {
            guard let owed = history.owedSince(presence.session, of: presence.client), owed.time < presence.start else {
                continue
            }
            history.forEachActivity { mark, activity in
                guard let record = activity.record, owed.time < record.time, record.time <= presence.start,
                    !history.views[presence.client].has(activity.ordinal),
                    !history.isExcused(record, forSessionAt: owed.lives)
                else { return }
                let servers = owed.lives.reversed().map { "\(history.lives[$0].server)" }.joined(separator: ", ")
                violations.append(
                    Violation(
                        kind: .lostOnTheWay, seed: history.seed, time: record.time,
                        text: "activity \(mark) did not reach client \(presence.client), whose session has been at "
                            + "servers \(servers) since \(Trace.stamp(owed.time)), at the last one since "
                            + "\(Trace.stamp(presence.start)); " + history.story(of: activity, mark),
                        focus: history.focus(on: mark, at: presence.life)))
            }
        }
        return violations
    }

    /// P6: nobody is sent on and on. Who comes with a ticket is not sent on again for some time, unless the server that
    /// gave it has started anew since, or one of the two is emptying itself.
    func redirects(in history: History) -> [Violation] {
        history.visits.indices.flatMap { client -> [Violation] in
            var found: [Violation] = []
            var atLogin = 0
            var sentAt: UInt64?
            var askedAt: UInt64 = 0
            for visit in history.visits[client] {
                if !visit.isRedirected { (atLogin, sentAt) = (0, nil) }
                guard let end = visit.end, end.how == .redirected else { continue }
                func note(_ text: String) {
                    found.append(
                        Violation(
                            kind: .redirectedTooOften, seed: history.seed, time: end.time,
                            text: "server \(visit.server) sent client \(client) elsewhere, \(text)"))
                }
                atLogin = visit.presence == nil ? atLogin + 1 : 0
                if atLogin > Self.redirectsMax { note("for the \(atLogin). time at one login") }
                // By the time that the client hears of it the server may have started again.
                let sent = history.redirectTime(of: client, on: visit) ?? end.time
                if history.hasStarted(visit.server, since: askedAt, before: sent) { sentAt = nil }
                let wasDraining = history.wasDraining(visit.server, sent)
                if let sentAt, end.time < sentAt + history.restTime, !wasDraining {
                    note("as another one had done at \(Trace.stamp(sentAt))")
                }
                sentAt = wasDraining ? nil : sent
                // The ticket of who is sent on at its login was given after it came; that of others by a server that
                // may have died since, which was not known yet.
                askedAt = visit.presence == nil ? visit.start : sent - min(sent, History.newsPatience)
                // Or long before, if it stood still in between.
                if history.pathChanges.contains(where: { askedAt <= $0 && $0 <= sent }) { askedAt = visit.start }
            }
            return found
        }
    }

    /// At one login (client protocol: never more).
    private static let redirectsMax = 3
}

extension History {
    /// Whether a record need not have reached a client whose session was at these servers in turn: for one of them it
    /// need not have, or it was given up there before the client came, or was no longer held when it was to be fed.
    func isExcused(_ record: RecordPlace, forSessionAt lives: [Int]) -> Bool {
        lives.contains {
            isExcused(record, for: $0) || self.lives[$0].hasGivenUp(record) || self.lives[$0].hasStatedUnfed(record)
        }
    }

    /// Whether what came on a visit is wrong only if another visit is taken for the same session, and need not be.
    func isExcused(_ reception: FaultyReception) -> Bool {
        let mark = ActivityMark(sender: reception.sender, number: reception.number)
        guard let record = activity(mark)?.record else { return false }
        if reception.fault == .old { return mayBeOwed(record, on: reception.visit, of: reception.client) }
        guard let earlier = reception.earlierVisit else { return false }
        return !areTied(earlier, to: reception.visit, of: reception.client, for: mark)
    }

    /// Whether a server has started between two times: what had been told to its earlier life is lost.
    func hasStarted(_ server: Int, since earlier: UInt64, before later: UInt64) -> Bool {
        lives.contains { $0.server == server && earlier <= $0.start && $0.start < later }
    }

    /// Whether the server was emptying itself, which takes no account of when a client was moved last.
    func wasDraining(_ server: Int, _ time: UInt64) -> Bool {
        drains.contains { drain in
            drain.server == server && drain.time <= time
                && !lives.contains { $0.server == server && drain.time < $0.start && $0.start <= time }
        }
    }
}
