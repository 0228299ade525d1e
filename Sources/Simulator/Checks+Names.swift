extension Checks {
    // MARK: P5, one name, one user

    /// A name is granted once, unless the network was apart; and it is granted to somebody.
    func registrations(in history: History) -> [Violation] {
        var names: [String] = []
        var answers: [String: [History.Registration]] = [:]
        for registration in history.registrations {
            if answers[registration.name] == nil { names.append(registration.name) }
            answers[registration.name, default: []].append(registration)
        }
        return names.compactMap { name in
            let answers = answers[name] ?? []
            let story = answers.map { history.text(of: $0) }.joined(separator: "; ")
            let time = answers.last?.time ?? 0
            let granted = answers.filter(\.isGranted)
            if granted.isEmpty {
                guard history.mustGrant(name, answers) else { return nil }
                return Violation(kind: .registeredNever, seed: history.seed, time: time, text: "\(name): \(story)")
            }
            let isDoubled = granted.indices.contains { later in
                granted[..<later].contains { history.excludes($0, granted[later]) }
            }
            guard isDoubled else { return nil }
            return Violation(kind: .registeredTwice, seed: history.seed, time: time, text: "\(name): \(story)")
        }
    }

    /// Who is told that the name was registered earlier is not the only one who ever asked for it.
    func expulsions(in history: History) -> [Violation] {
        history.expulsions.compactMap { client, time in
            guard let name = history.clientNames[client], history.asked[name] ?? 0 <= 1 else { return nil }
            return Violation(
                kind: .ownerExpelled, seed: history.seed, time: time,
                text: "client \(client) alone asked for \(name), and was told that it is another's")
        }
    }
}

extension History {
    /// Whether a name that was granted once could not be granted again.
    func excludes(_ first: Registration, _ second: Registration) -> Bool {
        let start = min(first.askedAt, second.askedAt)
        let end = max(first.time, second.time)
        if isCalm(from: start, to: end, changesMax: 1, among: [first.life, second.life]) { return true }
        // Both servers were in the network when all registries were equal, after the first and before the second.
        return wholeTimes.contains { look in
            first.time <= look && look <= second.askedAt && isAlive(first.life, at: look)
                && isAlive(second.life, at: look)
        }
    }

    private func isAlive(_ life: Int, at time: UInt64) -> Bool {
        lives[life].start < time && lives[life].end.map { $0 > time } ?? true
    }

    /// Somebody must get a name for which several ask in a calm network. Who vanished before the answer may have got
    /// it, and who is told that a bound is reached may not.
    func mustGrant(_ name: String, _ answers: [Registration]) -> Bool {
        guard !answers.contains(where: \.wasBusy), asked[name] ?? answers.count == answers.count,
            let start = answers.map(\.askedAt).min(), let end = answers.map(\.time).max()
        else { return false }
        return isCalm(from: start, to: end, changesMax: 1, among: answers.map(\.life))
    }

    func text(of registration: Registration) -> String {
        "client \(registration.client) at server \(lives[registration.life].server) was "
            + "\(registration.isGranted ? "granted" : "refused") it at \(Trace.stamp(registration.time)), asked at "
            + Trace.stamp(registration.askedAt)
    }
}
