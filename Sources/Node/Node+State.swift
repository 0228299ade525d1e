import Codecs

/// Levelling a link, and the transfer of state: claims and members. A join, a merge and a gap all use it.
extension Node {
    /// Says what this server holds. The vector is read before the state is sent, so that nothing has to be frozen: what
    /// changes meanwhile comes as a record.
    mutating func sendLevel(link index: Int) {
        var entries: [PeerFrame.Level.Entry] = []
        for origin in servers.indices {
            let stream = store.streams[origin]
            entries.append(PeerFrame.Level.Entry(origin: servers[origin], held: stream.held, oldest: stream.oldest))
            links[index].edges[origin].toldHeld = stream.held
        }
        send(
            .level(PeerFrame.Level(registryDigest: registry.digest, entries: entries, ended: tombstones.entries)),
            link: index)
    }

    /// What the neighbour holds. From here on the link carries records.
    mutating func receive(_ level: PeerFrame.Level, link index: Int) {
        let server = links[index].neighbour
        receive(ended: level.ended, link: index)
        for entry in level.entries {
            guard let origin = streamIndex(of: entry.origin, through: entry.held) else { continue }
            adoptBaseline(entry, origin: origin, link: index)
            queues[server].acknowledge(origin, through: entry.held)
        }
        // What the neighbour itself will make was never delivered here.
        members[server].doubt = nil
        queues[server].rewindAll()
        if configuration.defect == .replayOvertaken {
            for origin in servers.indices { queues[server].rewind(origin, to: store.streams[origin].held) }
        }
        links[index].phase = .open
        links[index].hasBacklog = true
        members[server].wasNeighbour = true
        for origin in servers.indices { markDirty(origin, link: index) }
        sendMembers(link: index)
        links[index].nextClaim = level.registryDigest == registry.digest ? registry.claims.count : 0
        send(.want(links[index].isWantedHere), link: index)
        confirmClaims()
    }

    /// A stream that was never seen here begins with what the neighbour still holds of it: records for others pass
    /// through here, so none of them is given up. A server that has served nobody shows none of them: a client is not
    /// owed what was sent before its login, and should not be shown it. What a server is owed is a gap, which the
    /// neighbour tells as such.
    private mutating func adoptBaseline(_ entry: PeerFrame.Level.Entry, origin: Int, link index: Int) {
        guard origin != Self.ownIndex else { return }
        if !hasServed { store.silence(origin, through: entry.held) }
        guard store.streams[origin].held == 0, entry.oldest > 1 else { return }
        let isOwed = hasServed && members[origin].announcement != nil
        let isElsewhere = links.indices.contains { $0 != index && mayFillGap(in: origin, link: $0) }
        guard !isOwed, !isElsewhere else { return }
        stepOver(origin, through: entry.oldest - 1)
    }

    // MARK: Sending

    static let claimsPerFrame = 256
    static let membersPerFrame = 16

    /// The announcements of all members that are not gone for good. The neighbour tells its own by itself.
    private mutating func sendMembers(link index: Int) {
        var reachable: [Announcement] = []
        var unreachable: [Announcement] = []
        for origin in members.indices where origin != links[index].neighbour && members[origin].isOwed {
            guard let announcement = members[origin].announcement else { continue }
            links[index].edges[origin].announcement = announcement.number
            if members[origin].status == .reachable {
                reachable.append(announcement)
            } else {
                unreachable.append(announcement)
            }
            guard reachable.count + unreachable.count == Self.membersPerFrame else { continue }
            send(.members(reachable, unreachable: unreachable), link: index)
            (reachable, unreachable) = ([], [])
        }
        send(.members(reachable, unreachable: unreachable), link: index)
    }

    /// Sends a chunk of the claims that are owed, and after the last one that the state is complete; then what was
    /// learnt from others' states. Claims come in any order, so records may go between the chunks.
    mutating func pushState(link index: Int) {
        if let place = links[index].nextClaim {
            let end = min(place + Self.claimsPerFrame, registry.claims.count)
            if place < end { send(accounts: place..<end, link: index) }
            links[index].nextClaim = end < registry.claims.count ? end : nil
            if links[index].nextClaim == nil { send(.stateEnd, link: index) }
        } else {
            let batch = links[index].changedClaims.prefix(Self.claimsPerFrame)
            links[index].changedClaims.removeFirst(batch.count)
            send(accounts: batch, link: index)
        }
    }

    /// More changed claims than this are not remembered one by one: the whole state is sent again.
    static let changedClaimsMax = 65_536

    /// The claim at this place is new to the neighbour, unless the transfer under way has still to come to it.
    private mutating func noteChangedClaim(_ place: Int, link index: Int) {
        if let next = links[index].nextClaim, place >= next { return }
        if links[index].changedClaims.count < Self.changedClaimsMax {
            links[index].changedClaims.append(place)
        } else {
            links[index].changedClaims = []
            links[index].nextClaim = 0
        }
    }

    /// Those of which nothing but the claim is known go as claims, which every version understands.
    private mutating func send(accounts seats: some Collection<Int>, link index: Int) {
        let start = outbox.bytes.count
        send(.claims(seats.filter { registry.isPlain($0) }.map { registry.claims[$0] }), link: index)
        let changed = seats.filter { !registry.isPlain($0) }.map { registry.account(at: $0) }
        if !changed.isEmpty { send(.accounts(changed), link: index) }
        links[index].pushedBytes += UInt64(outbox.bytes.count - start)
    }

    // MARK: Receiving

    /// Accounts from a neighbour's state. What is new here is told to the other neighbours: they may never get the
    /// records of which it came.
    mutating func receive(_ accounts: some Sequence<Account>, link index: Int) {
        for account in accounts where merge(account) {
            guard let place = registry.place(of: account.name) else { continue }
            for other in links.indices where other != index && links[other].isOpen {
                noteChangedClaim(place, link: other)
            }
        }
    }

    /// Merges what is known of a name into the registry. Returns whether that changed it.
    @discardableResult
    mutating func merge(_ account: Account) -> Bool {
        var isNews = false
        if let removed = account.removed { isNews = remove(account.name, through: removed) }
        if let claim = account.claim, merge(claim, revision: account.revision) { isNews = true }
        if isNews, let place = registry.place(of: account.name) { storing.note(place) }
        return isNews
    }

    /// Merges a claim into the registry. Returns whether that changed it.
    private mutating func merge(_ claim: Claim, revision: ClaimID?) -> Bool {
        var claim = claim
        if configuration.defect == .stampsClamped { claim.id.stamp = min(claim.id.stamp, networkTime()) }
        followClock(claim.id.stamp)
        reservations.release(claim.id, name: claim.name)
        if let revision { followClock(revision.stamp) }
        switch registry.merge(claim, revision: revision) {
        case .inserted:
            // Somebody is logged in by a claim that an arbiter kept, and that came to nothing.
            if let kept = unrecordedLogins.removeValue(forKey: claim.name), kept.id != claim.id { claimLost(kept) }
            return true
        case .known: return false
        case .replaced(let loser):
            claimLost(loser)
            return true
        case .changed:
            tickets.forgetVerifiers(of: claim.id)
            closeSessions(of: claim.id, .kicked, "an operator has ended the sessions of this user")
            return true
        case .removed:
            unrecordedLogins[claim.name] = nil
            closeSessions(of: claim.id, .userRemoved, "an operator has removed this user")
            return false
        case .lost:
            claimLost(claim)
            return false
        case .full:
            noteLimit("claims", isReached: true)
            return false
        }
    }

    /// Stamps further ahead than this, in milliseconds, do not move this server's network time.
    static let clockFollowMax: UInt64 = 5000

    /// A claim that is made after this one was seen has a later stamp.
    private mutating func followClock(_ stamp: UInt64) {
        let time = networkTime()
        guard stamp > time else { return }
        if stamp - time <= Self.clockFollowMax { networkTimeBase &+= stamp - time } else { counters.clockAhead += 1 }
    }

    /// A neighbour has the same records as this server, but another registry: something was lost that is never to be
    /// lost, and the state is transferred again. What is under way may look like it, but not for an announce interval.
    mutating func compareRegistry(with announcement: Announcement, of server: Int) {
        let theirs = announcement.registryDigest
        guard theirs != registry.digest, let index = linkIndex(toServer: server), links[index].isOpen,
            links[index].nextClaim == nil
        else {
            members[server].unequalRegistry = nil
            return
        }
        guard announcement.isWhole else { return }
        guard isOurVector(announcement.held) else {
            members[server].unequalRegistry = nil
            return
        }
        let found = members[server].unequalRegistry
        guard let found, found.ours == registry.digest, found.theirs == theirs else {
            members[server].unequalRegistry = Member.UnequalRegistry(
                ours: registry.digest, theirs: theirs, since: now)
            return
        }
        guard now.milliseconds(since: found.since) >= configuration.timing.announceInterval else { return }
        members[server].unequalRegistry = nil
        counters.registryRepairs += 1
        outbox.report(.registryRepaired(servers[server], members[server].address))
        links[index].nextClaim = 0
    }

    private func isOurVector(_ held: [StreamPosition]) -> Bool {
        guard held.count == servers.count else { return false }
        return held.allSatisfy { position in
            servers.index(of: position.origin).map { store.streams[$0].held == position.seq } ?? false
        }
    }

    /// The claim gave way to an older one: whoever is logged in by it is told and closed.
    private mutating func claimLost(_ claim: Claim) {
        counters.claimConflicts += 1
        outbox.report(.claimConflict(name: claim.name, loser: claim.id))
        counters.claimLosersClosed += closeSessions(
            of: claim.id, .claimLost, "the name was registered earlier in another part of the network")
    }

    /// Removes the claims to a name. Returns whether that changed the registry.
    private mutating func remove(_ name: [UInt8], through removed: ClaimID) -> Bool {
        followClock(removed.stamp)
        let (claim, isNews) = registry.remove(name, through: removed)
        if let claim { closeSessions(of: claim.id, .userRemoved, "an operator has removed this user") }
        return isNews
    }

    /// Tells the sessions of a claim why, and closes them. What is kept for later ones goes with them.
    @discardableResult
    private mutating func closeSessions(
        of claim: ClaimID, _ reason: SessionCloseReason, _ text: InfoText
    ) -> UInt64 {
        var count: UInt64 = 0
        for slot in sessions.slots(of: claim) where sessions.sessions[slot].state != .closing {
            count += 1
            reply(.authenticationFail(text), to: slot)
            finish(slot, reason, keepsReading: false)
        }
        return count
    }
}
