import Codecs
import Node

/// What the simulator sees by looking into all nodes at once, turn by turn: the truth that the checkers judge by. It
/// plans no event and draws no number, so that a run is the same whether it is looked at or not.
struct Witness {
    /// The server's present life in the history.
    var life = 0
    /// The node's present identifier: it may have taken another one before it served.
    fileprivate var id: ServerID?
    /// What its node had of each stream when it was looked at last, and the life in which the stream arose.
    fileprivate var streams = Node.SeenStreams()
    fileprivate var origins: [Int?] = []
    /// Its store, or its table of servers, had reached its bound when it was looked at.
    fileprivate var wasFull = false
    /// When it last held so much that it need not have kept it for sessions that are to come back; 0: never.
    fileprivate var crowdedAt: UInt64 = 0
    /// The registry's digest when it was inspected last.
    fileprivate var registryDigest: RegistryDigest?
}

extension SimulatedServer {
    /// Its node is a new one.
    func beginLife(in world: World) {
        witness = Witness(life: world.history.beginLife(of: index, at: world.now))
    }

    /// Looks at what the node holds now. To be called in each turn when all inputs are in, before the node forgets
    /// anything: a record that is lost again at once was held all the same.
    func look(at node: inout Node, in world: World) {
        if node.id != witness.id {
            witness.id = node.id
            world.lifeOf[node.id] = witness.life
        }
        let changes = node.changes(since: &witness.streams)
        // What the turn still adds at its end may fill it, and what it made room for may not have come.
        witness.wasFull = witness.streams.spareBytes < 2048 || witness.streams.spareServers <= 1
        if witness.streams.isCrowded || witness.wasFull { witness.crowdedAt = world.now }
        for change in changes { note(change, of: &node, in: world) }
    }

    private func note(_ change: Node.StreamChange, of node: inout Node, in world: World) {
        while witness.origins.count < witness.streams.states.count { witness.origins.append(nil) }
        if change.isNew || witness.origins[change.index] == nil {
            witness.origins[change.index] = world.lifeOf[change.state.origin]
            if let origin = witness.origins[change.index] {
                world.history.lives[witness.life].noteAcquaintance(with: origin, at: world.now)
            }
        }
        guard let origin = witness.origins[change.index], change.state.held > 0 else { return }
        let from = max(change.heldBefore + 1, change.state.oldest)
        let stored = from <= change.state.held ? from...change.state.held : nil
        world.history.lives[witness.life].noteStream(
            origin, held: change.state.held, delivered: change.state.delivered, stored: stored, at: world.now)
        world.tellStream(
            origin, before: change.heldBefore, held: change.state.held, stored: stored, at: self)
        guard origin == witness.life, let stored else { return }
        for seq in stored {
            guard let line = node.ownActivity(seq), case .broadcast(let mark, _) = world.reader.read(line) else {
                continue
            }
            world.history.noteRecord(mark, of: origin, seq: seq, at: world.now)
            world.tellRecord(mark, seq: seq, at: self)
        }
    }

    /// What the node says of losses: it counts only together with what others show.
    func note(_ report: Report, in world: World) {
        switch report {
        case .gap(let position, let records):
            guard let origin = world.lifeOf[position.origin], records > 0, records <= position.seq else { return }
            let seqs = position.seq - records + 1...position.seq
            let isForgotten = core.map {
                $0.node.mayHaveForgotten(position.origin) || !$0.node.hasRoomForServers
            }
            let holder = world.holder(of: seqs, from: position.origin, near: self)
            world.history.lives[witness.life].noteGap(
                of: origin, seqs, wasFull: isForgotten ?? false, holder: holder, at: world.now)
        case .givenUp(let position, let records):
            guard let origin = world.lifeOf[position.origin], records > 0, records <= position.seq else { return }
            let seqs = position.seq - records + 1...position.seq
            world.history.lives[witness.life].noteGivenUp(
                of: origin, seqs, wasFull: witness.wasFull, at: world.now)
        case .floorGap(let position, let records):
            guard let origin = world.lifeOf[position.origin], records > 0, records <= position.seq else { return }
            let seqs = position.seq - records + 1...position.seq
            // That everybody has had it is no excuse for who still holds it.
            guard core?.node.firstRecord(of: position.origin, in: seqs) == nil else { return }
            world.history.lives[witness.life].noteUnfed(of: origin, seqs, crowdedAt: witness.crowdedAt, at: world.now)
        case .limitReached("tombstones"): world.history.lives[witness.life].hasOverflown = true
        case .memberDeparted(let id, _, let cause):
            guard let life = world.lifeOf[id] else { return }
            let other = world.servers[world.history.lives[life].server].witness
            // An identifier that its server has put away is over, although the server lives on.
            if other.life == life, other.id != id { return }
            world.history.lives[witness.life].noteDeparture(of: life, cause: cause.rawValue, at: world.now)
        default: break
        }
    }
}

// MARK: - Losses

extension World {
    /// A neighbour that has had some record of a span for so long, over a link that has been open for so long, that it
    /// must have told of it and passed it on. (Whoever is further away passes nothing through servers that have no use
    /// for it themselves; and a link that has just opened may be slower than the patience for a gap.)
    fileprivate func holder(of seqs: ClosedRange<UInt64>, from origin: ServerID, near asker: SimulatedServer) -> Int? {
        servers.first { other in
            other.isUp && !other.isPaused && areLinked(asker, other, for: Self.passingPatience)
                && network.hasWay(between: asker.index, and: other.index) && hasHad(seqs, of: origin, at: other)
        }?.witness.life
    }

    private func hasHad(_ seqs: ClosedRange<UInt64>, of origin: ServerID, at server: SimulatedServer) -> Bool {
        guard let first = server.core?.node.firstRecord(of: origin, in: seqs), let life = lifeOf[origin] else {
            return false
        }
        let record = History.RecordPlace(origin: life, seq: first, time: 0)
        guard let held = history.lives[server.witness.life].heldAt(record) else { return false }
        return held + Self.passingPatience * 1_000_000 <= now
    }

    private func areLinked(_ one: SimulatedServer, _ other: SimulatedServer, for milliseconds: UInt64) -> Bool {
        guard one.index != other.index, let first = one.core?.node, let second = other.core?.node else { return false }
        return first.neighbours(for: milliseconds).contains(second.id)
            && second.neighbours(for: milliseconds).contains(first.id)
    }

    /// Milliseconds. (A guess: several times the patience for a gap.)
    private static let passingPatience: UInt64 = 5000
}

// MARK: - Looks

extension World {
    /// Nanoseconds between two looks at the whole network.
    static let lookInterval: UInt64 = 200_000_000

    /// Looks at the network as a whole, and into one server in turn.
    func look() {
        if isConnected {
            // A cut that nobody has noticed yet looks like a connection.
            let isSettled = history.pathChanges.last.map { now >= $0 + silenceNoticed } ?? true
            if isSettled { history.connectedTimes.append(now) }
            if areRegistriesEqual { history.wholeTimes.append(now) }
        }
        noteMeetings()
        lookCount += 1
        // Looking into a server costs more than a look at all: one a second, in turn.
        guard lookCount.isMultiple(of: 5), !servers.isEmpty else { return }
        let turn = lookCount / 5
        inspect(servers[turn % servers.count], isThorough: (turn / servers.count).isMultiple(of: 8))
    }

    /// Who has an announcement of whom by now. Two lives that are over meet nobody.
    private func noteMeetings() {
        let living = livingServers
        for server in living {
            guard let node = server.core else { continue }
            for other in living where other.index != server.index {
                let (life, one) = (other.witness.life, server.witness.life)
                guard let id = other.nodeID, !history.lives[one].hasMet(life) else { continue }
                if node.node.announcementNumber(of: id) ?? 0 > 0 { history.lives[one].noteMeeting(with: life, at: now) }
            }
        }
    }

    /// Within this time a server that is silent is unreachable for the others: three intervals, and one until they
    /// look.
    var silenceNoticed: UInt64 {
        let timing = options.timing
        return (3 * max(timing.announceInterval, timing.silence) + 2 * timing.announceInterval) * 1_000_000
    }

    /// To digest a registry anew costs more than all the rest: it is done when it has changed, now and then, and at
    /// the end.
    private func inspect(_ server: SimulatedServer, isThorough: Bool) {
        guard let core = server.core else { return }
        let digest = core.node.registryDigest
        let isDue = isThorough || server.witness.registryDigest != digest
        server.witness.registryDigest = digest
        for text in core.node.brokenInvariants(besidesRegistry: !isDue) where !brokenInvariants.contains(text) {
            // Once broken, an invariant usually stays so.
            brokenInvariants.insert(text)
            found(.brokenInvariant, "server \(server.index): \(text)")
        }
    }

    /// Every living server serves, and the living servers are those that it counts as reachable members: who is dead
    /// and not yet missed may make the numbers equal, though two parts do not hear of each other.
    var isConnected: Bool {
        let living = livingServers.compactMap(\.nodeID).sorted()
        return livingServers.allSatisfy { server in
            server.core.map { Self.isServing(&$0.node, reaching: living) } ?? false
        }
    }

    /// By reference: a node that is looked at in place is copied first.
    private static func isServing(_ node: inout Node, reaching living: [ServerID]) -> Bool {
        node.isServing && node.reachableServers.sorted() == living
    }

    var areRegistriesEqual: Bool {
        var digest: RegistryDigest?
        for server in servers where server.isUp {
            guard let other = server.core?.node.registryDigest, other == digest ?? other else { return false }
            digest = other
        }
        return true
    }
}

// MARK: - Announcements

extension World {
    /// The newest announcement of each living server.
    var announced: [(server: Int, id: ServerID, number: UInt64)] {
        livingServers.compactMap { server in
            guard let id = server.nodeID, let number = server.core?.node.announcementNumber(of: id) else { return nil }
            return (server.index, id, number)
        }
    }

    /// By now every living server knows these announcements, or later ones.
    func judgeInformed(of announced: [(server: Int, id: ServerID, number: UInt64)]) {
        for server in livingServers {
            for (other, id, number) in announced where server.core?.node.announcementNumber(of: id) ?? 0 < number {
                found(.notInformed, "server \(server.index) lacks announcement \(number) of server \(other)")
            }
        }
    }
}

// MARK: - The end

extension World {
    /// Every violation of what was promised: those met on the way, and those that the checkers find in the history and
    /// in the servers as they are now.
    public func verdict(_ checks: Checks) -> [Violation] {
        for server in livingServers { inspect(server, isThorough: true) }
        history.settle(at: now)
        var found = violations + checks.violations(in: history)
        found += checks.limited(keptLosers())
        found += checks.limited(registryRepairs())
        if checks.expectsLevel {
            found += checks.limited(digestViolations() + levelViolations() + debts())
            found += checks.limited(miscountedSessions())
        }
        return found
    }

    /// All hold and have delivered the same, and nobody owes anybody anything.
    var isLevel: Bool { levelViolations().isEmpty && debts().isEmpty }

    private func digestViolations() -> [Violation] {
        areRegistriesEqual
            ? [] : [Violation(kind: .digestsDiffer, seed: options.seed, time: now, text: wholenessText)]
    }

    /// Claims come with records, or with the state after a gap: none is ever missed, so that it has to be found out.
    /// But what a table of tombstones that has overflowed makes a server step over, the repair brings.
    private func registryRepairs() -> [Violation] {
        if history.hasOverflown { return [] }
        return servers.flatMap { server in
            server.reports.compactMap { timed in
                guard case .registryRepaired(let id, _) = timed.report else { return nil }
                return Violation(
                    kind: .registryRepaired, seed: options.seed, time: timed.time,
                    text: "server \(server.index) and \(id) held the same records and other claims")
            }
        }
    }

    /// What is held is delivered, and the same everywhere.
    private func levelViolations() -> [Violation] {
        var found: [Violation] = []
        func note(_ text: String) {
            found.append(Violation(kind: .notLevel, seed: options.seed, time: now, text: text))
        }
        let living = livingServers
        let states = living.map { $0.core?.node.streamStates ?? [] }
        // By origin: the furthest and where.
        var most: [ServerID: (held: UInt64, server: Int)] = [:]
        for (server, streams) in zip(living, states) {
            for stream in streams {
                if stream.delivered != stream.held {
                    note(
                        "server \(server.index) holds \(stream.held) records of \(stream.origin) and has delivered "
                            + "\(stream.delivered)")
                }
                if stream.held > most[stream.origin]?.held ?? 0 { most[stream.origin] = (stream.held, server.index) }
            }
        }
        for (server, streams) in zip(living, states) {
            for stream in streams {
                guard let best = most[stream.origin], best.held > stream.held else { continue }
                // A dead origin may come back out of an evicted tombstone, and goes again by and by.
                if history.hasOverflown, !living.contains(where: { $0.nodeID == stream.origin }) { continue }
                note(
                    "server \(server.index) holds \(stream.held) records of \(stream.origin), server \(best.server) "
                        + "\(best.held)")
            }
            for other in living where other.index != server.index {
                guard let id = other.nodeID, let held = other.core?.node.streamStates.first?.held, held > 0 else {
                    continue
                }
                if server.core?.node.knows(id) != true {
                    note("server \(server.index) does not know server \(other.index)")
                }
            }
        }
        return found
    }

    /// No store-and-forward queue owes a living server anything.
    private func debts() -> [Violation] {
        if history.hasOverflown { return [] }
        return livingServers.flatMap { server in
            livingServers.compactMap { other in
                guard let id = other.nodeID, id != server.nodeID, let owed = server.core?.node.recordsOwed(to: id),
                    !owed.isEmpty
                else { return nil }
                let streams = owed.map { "\($0.origin) after \($0.acknowledged) of \($0.held)" }
                return Violation(
                    kind: .stillOwed, seed: options.seed, time: now,
                    text: "server \(server.index) believes that server \(other.index) lacks records of "
                        + streams.joined(separator: ", "))
            }
        }
    }

    /// Of two who registered one name while the network was apart, one keeps it; the other is told and closed.
    private func keptLosers() -> [Violation] {
        clients.compactMap { client in
            guard client.isLoggedIn, let name = client.name, let server = client.server,
                let claim = servers[server].core?.node.claim(of: Array(name.utf8))
            else { return nil }
            let digest = ToyCryptography.passwordDigest(
                secret: Array(client.secret.utf8), salt: claim.salt, cost: claim.cost)
            if digest == claim.digest { return nil }
            return Violation(
                kind: .loserKept, seed: options.seed, time: now,
                text: "client \(client.index) is logged in at server \(server) as \(name), which is somebody else's")
        }
    }
}
