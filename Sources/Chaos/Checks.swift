public import Simulator

/// The promises as questions to a history. Each answer is a list of violations: at most a few of a kind, since one
/// fault usually breaks a promise a thousand times.
public struct Checks: Sendable {
    /// Names may be registered twice while the network is apart.
    public var allowsConflicts = false
    /// Violations of one kind that are told one by one.
    public var toldMax = 5

    public init() {}

    public func violations(in history: History) -> [Violation] {
        var found: [Violation] = []
        found += limited(reach(in: history), in: history)
        found += limited(acceptance(in: history), in: history)
        found += limited(onceAndOrder(in: history), in: history)
        found += limited(registrations(in: history), in: history)
        return found
    }

    private func limited(_ all: [Violation], in history: History) -> [Violation] {
        guard all.count > toldMax, let last = all.last else { return all }
        let rest = Violation(
            kind: last.kind, seed: history.seed, time: last.time,
            text: "and \(all.count - toldMax) more, the last one: \(last.text)")
        return all.prefix(toldMax) + [rest]
    }

    // MARK: P1, reach

    /// Every accepted activity reaches every client that was there when it was accepted and stayed, unless only killed
    /// servers had it.
    func reach(in history: History) -> [Violation] {
        var violations: [Violation] = []
        let received = history.receivedActivities()
        let stayers = history.presences.filter { $0.end == nil }
        history.forEachActivity { sender, number, activity in
            guard let accepted = activity.acceptedAt, !history.isLostWithServers(activity) else { return }
            for presence in stayers where presence.start <= accepted {
                if received[presence.client].has(sender, number) { continue }
                violations.append(
                    Violation(
                        kind: .notReached, seed: history.seed, time: accepted,
                        text: "activity \(sender)/\(number) did not reach client \(presence.client), at server "
                            + "\(presence.server) since \(Trace.stamp(presence.start)); "
                            + history.story(of: activity)))
            }
        }
        return violations
    }

    /// An activity that a client sent on a connection that stayed is accepted.
    func acceptance(in history: History) -> [Violation] {
        var violations: [Violation] = []
        var stays = [History.Presence?](repeating: nil, count: history.clientNames.count)
        for presence in history.presences where presence.end == nil { stays[presence.client] = presence }
        history.forEachActivity { sender, number, activity in
            guard activity.acceptedAt == nil, let stay = stays[sender], stay.start <= activity.sentAt else { return }
            violations.append(
                Violation(
                    kind: .notAccepted, seed: history.seed, time: activity.sentAt,
                    text: "activity \(sender)/\(number) was sent to server \(activity.sentTo), which the sender is "
                        + "still connected to, and was never published"))
        }
        return violations
    }

    // MARK: P2 and P3, once and in order

    /// Within a session the numbers of each sender rise.
    func onceAndOrder(in history: History) -> [Violation] {
        history.receptions.indices.flatMap { client in
            Self.disorder(in: history.receptions[client], senders: history.clientNames.count).map { kind, index in
                let reception = history.receptions[client][index]
                let what = kind == .repeated ? "came again" : "came after a later one of its sender"
                return Violation(
                    kind: kind, seed: history.seed, time: reception.time,
                    text: "activity \(reception.sender)/\(reception.number) \(what) to client \(client)")
            }
        }
    }

    private static func disorder(
        in receptions: [History.Reception], senders: Int
    ) -> [(kind: Violation.Kind, index: Int)] {
        var found: [(Violation.Kind, Int)] = []
        var session = 0
        var latest = [Int](repeating: -1, count: senders)
        var seen = NumberSets(senders: senders)
        for (index, reception) in receptions.enumerated() {
            if reception.session != session {
                session = reception.session
                latest = [Int](repeating: -1, count: senders)
                seen = NumberSets(senders: senders)
            }
            if seen.has(reception.sender, reception.number) {
                found.append((.repeated, index))
            } else if reception.number < latest[reception.sender] {
                found.append((.reordered, index))
            }
            seen.insert(reception.sender, reception.number)
            latest[reception.sender] = max(latest[reception.sender], reception.number)
        }
        return found
    }

    // MARK: P5, one name, one user

    /// Of all who asked for a name, exactly one got it.
    func registrations(in history: History) -> [Violation] {
        var violations: [Violation] = []
        var names: [String] = []
        for registration in history.registrations where !names.contains(registration.name) {
            names.append(registration.name)
        }
        for name in names {
            let answers = history.registrations.filter { $0.name == name }
            let granted = answers.filter(\.isGranted)
            let story = answers.map(\.text).joined(separator: "; ")
            let time = answers.last?.time ?? 0
            if granted.count > 1, !allowsConflicts {
                violations.append(
                    Violation(kind: .registeredTwice, seed: history.seed, time: time, text: "\(name): \(story)"))
            } else if granted.isEmpty, history.deaths.isEmpty {
                violations.append(
                    Violation(kind: .registeredNever, seed: history.seed, time: time, text: "\(name): \(story)"))
            }
        }
        return violations
    }
}

// MARK: - Reading a history

/// Sets of numbers by sender, as bits: histories are long.
struct NumberSets {
    private var bits: [[Bool]]

    init(senders: Int) { bits = Array(repeating: [], count: senders) }

    func has(_ sender: Int, _ number: Int) -> Bool { number < bits[sender].count && bits[sender][number] }

    mutating func insert(_ sender: Int, _ number: Int) {
        while bits[sender].count <= number { bits[sender].append(false) }
        bits[sender][number] = true
    }
}

extension History {
    func forEachActivity(_ body: (_ sender: Int, _ number: Int, _ activity: Activity) -> Void) {
        for sender in activities.indices {
            for number in activities[sender].indices { body(sender, number, activities[sender][number]) }
        }
    }

    /// What each client received, over all its sessions.
    func receivedActivities() -> [NumberSets] {
        receptions.map { receptions in
            var sets = NumberSets(senders: clientNames.count)
            for reception in receptions { sets.insert(reception.sender, reception.number) }
            return sets
        }
    }

    /// Every server that published it was killed afterwards.
    func isLostWithServers(_ activity: Activity) -> Bool {
        activity.publications.allSatisfy { publication in
            deaths.contains { $0.server == publication.server && $0.time >= publication.time }
        }
    }

    /// When it was sent, and which servers handed it out when.
    func story(of activity: Activity) -> String {
        let servers = activity.publications.map { "\($0.server) at \(Trace.stamp($0.time))" }.joined(separator: ", ")
        return "sent to server \(activity.sentTo) at \(Trace.stamp(activity.sentAt)), published by servers \(servers)"
    }
}

extension History.Registration {
    var text: String {
        "client \(client) at server \(server) was \(isGranted ? "granted" : "refused") it at \(Trace.stamp(time))"
    }
}
