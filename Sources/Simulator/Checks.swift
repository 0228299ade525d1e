/// The promises as questions to a history. Each answer is a list of violations: at most a few of a kind, since one
/// fault usually breaks a promise a thousand times.
///
/// This file has P1 to P3 and P7; `Checks+Losses` what may excuse a missing activity, `Checks+Names` P5.
public struct Checks: Sendable {
    /// At the end the network is whole: all living servers hold, have delivered and are owed the same, which is
    /// everything, and their registries are equal.
    public var expectsLevel = true
    /// Violations of one kind that are told one by one.
    public var toldMax = 5

    public init() {}

    public func violations(in history: History) -> [Violation] {
        var found: [Violation] = []
        found += limited(reach(in: history))
        found += limited(carriedReach(in: history))
        found += limited(acceptance(in: history))
        found += limited(farewells(in: history))
        found += limited(faultyReceptions(in: history))
        found += limited(registrations(in: history))
        found += limited(expulsions(in: history))
        found += limited(departures(in: history))
        found += limited(needlessLosses(in: history))
        found += limited(needlessReleases(in: history))
        found += limited(needlessGaps(in: history))
        found += limited(redirects(in: history))
        return found
    }

    func limited(_ all: [Violation]) -> [Violation] {
        guard all.count > toldMax, let last = all.last else { return all }
        let rest = Violation(
            kind: last.kind, seed: last.seed, time: last.time,
            text: "and \(all.count - toldMax) more, the last one: \(last.text)", focus: last.focus)
        return all.prefix(toldMax) + [rest]
    }

    // MARK: P1, reach

    /// Every accepted activity reaches every client that was there when it was accepted and stayed, unless it was lost
    /// or given up in a way that the promises allow.
    func reach(in history: History) -> [Violation] {
        var violations: [Violation] = []
        let stayers = history.presences.indices.filter { history.presences[$0].end == nil }
        history.forEachActivity { mark, activity in
            guard let record = activity.record else { return }
            for number in stayers where history.presences[number].start < record.time {
                let presence = history.presences[number]
                if history.views[presence.client].has(activity.ordinal) { continue }
                if history.isExcused(record, for: presence.life) || history.isUnfed(record, on: number) { continue }
                violations.append(
                    Violation(
                        kind: .notReached, seed: history.seed, time: record.time,
                        text: "activity \(mark) did not reach client \(presence.client), at server "
                            + "\(history.lives[presence.life].server) since \(Trace.stamp(presence.start)); "
                            + history.story(of: activity, mark), focus: history.focus(on: mark, at: presence.life)))
            }
        }
        return violations
    }

    // MARK: P7, acceptance

    /// An activity that a client sent on a connection that stayed is accepted.
    func acceptance(in history: History) -> [Violation] {
        var violations: [Violation] = []
        var stays = [History.Presence?](repeating: nil, count: history.clientNames.count)
        for presence in history.presences where presence.end == nil { stays[presence.client] = presence }
        history.forEachActivity { mark, activity in
            guard activity.record == nil, let stay = stays[mark.sender], stay.start <= activity.sentAt else { return }
            violations.append(
                Violation(
                    kind: .notAccepted, seed: history.seed, time: activity.sentAt,
                    text: "activity \(mark) was sent to server \(activity.sentTo), which the sender is still "
                        + "connected to, and never became a record"))
        }
        return violations
    }

    /// What a client had sent before it could know of a REDIRECT is accepted, if nothing happened to its server.
    func farewells(in history: History) -> [Violation] {
        history.farewells.compactMap { mark, life, time in
            guard let activity = history.activity(mark), activity.record == nil else { return nil }
            let end = time + Self.farewellPatience
            guard end <= history.endTime, history.lives[life].end.map({ $0 > end }) ?? true,
                !history.pathChanges.contains(where: { activity.sentAt <= $0 && $0 <= end })
            else { return nil }
            return Violation(
                kind: .notAccepted, seed: history.seed, time: activity.sentAt,
                text: "activity \(mark) was sent before REDIRECT came from server \(activity.sentTo) and was dropped")
        }
    }

    /// From a REDIRECT's arrival until what was sent before it has long come. (A guess: more than any way takes.)
    private static let farewellPatience: UInt64 = 1_000_000_000

    // MARK: P2 and P3, once and in order

    /// Within a session, over all its visits, no activity comes twice, none before an earlier one of its sender, and
    /// none from before it.
    func faultyReceptions(in history: History) -> [Violation] {
        history.faultyReceptions.compactMap { reception in
            let mark = ActivityMark(sender: reception.sender, number: reception.number)
            if history.isExcused(reception) { return nil }
            let kind: Violation.Kind
            let what: String
            switch reception.fault {
            case .repeated: (kind, what) = (.repeated, "came again to")
            case .disordered(let later):
                guard !history.mayOvertake(later, mark, at: reception.life), !history.isUntied(later, from: reception)
                else {
                    return nil
                }
                (kind, what) = (.reordered, "came after \(mark.sender)/\(later) to")
            case .old: (kind, what) = (.shownOld, "was sent and delivered before the login of, and came to,")
            }
            return Violation(
                kind: kind, seed: history.seed, time: reception.time,
                text: "activity \(mark) \(what) client \(reception.client)",
                focus: history.focus(on: mark, at: reception.life))
        }
    }
}

// MARK: - Reading a history

extension History {
    func forEachActivity(_ body: (_ mark: ActivityMark, _ activity: Activity) -> Void) {
        for sender in activities.indices {
            for number in activities[sender].indices {
                body(ActivityMark(sender: sender, number: number), activities[sender][number])
            }
        }
    }

    /// The activity's record, seen from a life where it went wrong and from those that live and lack it.
    func focus(on mark: ActivityMark, at life: Int) -> Violation.Focus? {
        guard let record = activity(mark)?.record else { return nil }
        let others = lives.indices.filter { number in
            let other = lives[number]
            return number != life && other.end == nil && other.start < record.time && !other.hasHeld(record)
        }
        let servers = Set(([record.origin, life] + others).map { lives[$0].server })
        return Violation.Focus(
            mark: mark, origin: record.origin, seq: record.seq, lives: [life] + others, servers: servers.sorted())
    }

    /// When it was sent, and which servers held it and handed it out when.
    func story(of activity: Activity, _ mark: ActivityMark) -> String {
        guard let record = activity.record else { return "sent at \(Trace.stamp(activity.sentAt))" }
        let holders = lives.filter { $0.hasHeld(record) }.map { life in
            let published = life.log.first { $0.mark == mark }.map { ", published \(Trace.stamp($0.time))" } ?? ""
            let killed = life.end.map { ", killed \(Trace.stamp($0))" } ?? ""
            return "server \(life.server) at \(Trace.stamp(life.heldAt(record) ?? 0))" + published + killed
        }
        return "sent to server \(activity.sentTo) at \(Trace.stamp(activity.sentAt)), record \(record.seq) of life "
            + "\(record.origin), held by \(holders.isEmpty ? "nobody" : holders.joined(separator: "; "))"
    }
}
