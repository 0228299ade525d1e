import Simulator

/// A round begins and ends with a network that is whole, silent and level. Histories are written by the round, so that
/// they stay small however long it all lasts.
extension RealNetwork {
    /// Forgets the last round: who is there now is owed what is sent from now on.
    public func beginRound() {
        round += 1
        violations = []
        story = []
        delays = []
        listener.forgetMarks()
        for client in clients where client.role != .regular { hangUp(client, withReset: false) }
        clients.removeAll { $0.role != .regular }
        var fresh = Chronicle(seed: options.seed)
        for (index, client) in clients.enumerated() {
            client.index = index
            fresh.clientNames.append(client.name)
            fresh.activities.append([])
            fresh.receptions.append([])
            client.presence = nil
            client.roundSession = client.session
            if client.isLoggedIn {
                fresh.presences.append(Chronicle.Presence(client: index, server: client.server, start: now))
                client.presence = fresh.presences.count - 1
            }
        }
        history = fresh
    }

    /// Mends everything: wires, stopped and dead servers.
    public func mendAll() {
        stopTraffic()
        // What was planned holds this network: it would never be freed, and its servers with it.
        plans = []
        healAll()
        for slot in slots {
            resume(slot.index)
            restart(slot.index)
        }
    }

    /// Waits until the network is whole and all that is owed has come; then asks the checkers. Returns the time that
    /// it took.
    @discardableResult
    public func endRound(seconds: Double = 60) -> UInt64 {
        let begin = now
        var checkedAt: UInt64 = 0
        var wasWhole = false
        run(seconds: seconds) {
            // To check costs some milliseconds.
            guard now - checkedAt > 100_000_000, isWhole, areAllLoggedIn else { return false }
            checkedAt = now
            wasWhole = true
            findCrashes()
            return history.owed().isEmpty
        }
        let took = now - begin
        if !wasWhole { found(.notWhole, wholenessText) }
        // What comes too much comes late.
        run(seconds: 0.3)
        checkUsers()
        violations += history.violations()
        findCrashes()
        return took
    }

    private func findCrashes() {
        for slot in slots {
            if let how = slot.crash(now: now) { found(.brokenContract, "server \(slot.index) ended by itself: \(how)") }
        }
    }

    /// Runs until each client of these servers has heard something of every other one that was sent after this call.
    /// Returns how long that took; nil if it does not happen in time.
    public func untilFresh(among servers: [Int], seconds: Double = 30) -> UInt64? {
        let begin = now
        let hearers = clients.filter { $0.role == .regular && $0.isLoggedIn && servers.contains($0.server) }.map(
            \.index)
        var read = hearers.map { history.receptions[$0].count }
        var missing = hearers.map { Set(hearers).subtracting([$0]) }
        var took: UInt64 = 0
        let isDone = run(seconds: seconds) {
            for (place, client) in hearers.enumerated() {
                let receptions = history.receptions[client]
                for reception in receptions[read[place]...] where missing[place].contains(reception.sender) {
                    let activity = history.activities[reception.sender][reception.number]
                    guard activity.sentAt >= begin else { continue }
                    missing[place].remove(reception.sender)
                    took = max(took, reception.time - begin)
                }
                read[place] = receptions.count
            }
            return missing.allSatisfy(\.isEmpty)
        }
        return isDone ? took : nil
    }

    // MARK: Whole

    /// Every server lives, knows every other one, and all have the same users. Asks them from time to time.
    public var isWhole: Bool {
        // One that is not ready would not answer.
        guard slots.allSatisfy({ $0.isAwake && $0.isReady }) else {
            askedAt = 0
            return false
        }
        guard askedAt > 0 else {
            askAll()
            return false
        }
        // They take a moment to answer.
        guard now - askedAt > 30_000_000 else { return false }
        let answers = slots.compactMap(\.statistics)
        if answers.count < slots.count, now - askedAt < 1_000_000_000 { return false }
        askedAt = 0
        guard answers.count == slots.count, let first = answers.first else { return false }
        return answers.allSatisfy {
            $0.members == slots.count && ($0.links > 0 || slots.count == 1)
                && $0.registryDigest == first.registryDigest
        }
    }

    private func askAll() {
        for slot in slots { slot.askStatistics() }
        askedAt = now
    }

    public var wholenessText: String {
        let answers = slots.map { slot in
            let text = slot.statistics.map {
                "members \($0.members), links \($0.links), registry \($0.registryDigest)"
            }
            return "\(slot.index): \(text ?? (slot.isUp ? "no answer" : "dead"))"
        }
        let away = clients.filter { $0.role == .regular && !$0.isLoggedIn }
            .map { "client \($0.index) at server \($0.server) is \($0.state) (\($0.farewell ?? ""))" }
        return (answers + away).joined(separator: "; ")
    }

    /// What the servers logged last.
    public var recentLogs: String {
        slots.map { "server \($0.index):\n\($0.recentLog)" }.joined(separator: "\n")
    }

    /// The counters of all servers; nil for one that does not answer.
    public func statistics() -> [ServerStatistics?] {
        askAll()
        run(seconds: 5) { slots.allSatisfy { !$0.isAwake || $0.statistics != nil } }
        return slots.map(\.statistics)
    }

    // MARK: Users

    /// P5 from outside: each name that somebody was granted has one user, the same at every server; who lost it is
    /// gone.
    func checkUsers() {
        var granted: [(name: String, client: Client)] = []
        for client in clients where client.role != .probe && client.wasGranted == true {
            if let name = client.name { granted.append((name, client)) }
        }
        var probes: [(client: Client, user: Client)] = []
        for (name, user) in granted {
            let places = user.role == .rival ? Array(slots.indices) : [random.below(slots.count)]
            for server in places {
                let probe = addClient(.probe, name: name, server: server, secret: user.secret, isRegistered: true)
                probes.append((probe, user))
            }
        }
        run(seconds: 20) { probes.allSatisfy { $0.client.state == .ended } }
        for name in Set(granted.map(\.name)).sorted() { judge(name, probes.filter { $0.user.name == name }) }
    }

    private func judge(_ name: String, _ probes: [(client: Client, user: Client)]) {
        let users = probes.map(\.user.index)
        var winners: [Int] = []
        for user in Set(users).sorted() {
            let answers = probes.filter { $0.user.index == user }.map(\.client.wasGranted)
            if answers.contains(true) { winners.append(user) }
            if Set(answers).count > 1 { found(.registeredTwice, "\(name): servers answer client \(user) \(answers)") }
            if answers.contains(false), clients[user].isLoggedIn {
                found(.registeredTwice, "\(name): client \(user) lost it and is still logged in")
            }
        }
        let isLost = history.grants.contains { grant in
            grant.name == name && history.deaths.contains { $0.server == grant.server && $0.time >= grant.time }
        }
        if winners.count != 1, !(winners.isEmpty && isLost) {
            found(winners.isEmpty ? .registeredNever : .registeredTwice, "\(name): the users now are \(winners)")
        }
    }
}
