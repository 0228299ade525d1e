import Codecs

/// Who is in the network: announcements, and what follows from their absence.
extension Node {
    /// An interval without an announcement may be chance; three are not.
    static let silentIntervals: UInt64 = 3

    // MARK: Own announcement

    /// Announces this server soon: at once, unless the last announcement was just now.
    mutating func announceSoon() {
        guard phase != .leaving else { return }
        let earliest = announced?.adding(milliseconds: configuration.timing.announceGap)
        timers.set(.announceSoon, at: max(now, earliest ?? now))
    }

    mutating func announce() {
        guard phase != .joining || links.contains(where: \.isOpen) else { return }
        announced = now
        storeBytesAnnounced = store.byteCount
        raiseRank()
        let number = members[Self.ownIndex].announcementNumber + 1
        let isWhole = number % Self.wholeEvery == 1 || phase == .leaving
        let own = Announcement(
            id: id, number: number, rank: ownRank,
            address: configuration.address,
            weight: configuration.weight, load: load, loadClock: loadClock, isServing: phase == .serving,
            isLeaving: phase == .leaving, registryDigest: registry.digest,
            neighbours: links.filter(\.isOpen).map { servers[$0.neighbour] },
            held: takeVector(for: number, isWhole: isWhole), isWhole: isWhole,
            ended: takeEndedToTell())
        members[Self.ownIndex].announcement = own
        counters.announcementsSent += 1
        broadcast(own, of: Self.ownIndex, as: .pushed, besides: nil)
    }

    /// Every so many announcements the whole vector is told; between them, what has changed since a few announcements:
    /// only the newest one is passed on, so one may be missed. What is missed beyond that is told with the next whole.
    static let wholeEvery: UInt64 = 8
    static let tellingsOfChange: UInt64 = 3

    private mutating func takeVector(for number: UInt64, isWhole: Bool) -> [StreamPosition] {
        var vector: [StreamPosition] = []
        for index in servers.indices {
            let held = store.streams[index].held
            if held != members[index].heldTold {
                members[index].heldTold = held
                members[index].heldToldIn = number
            }
            // Who gets it must know whether it holds all that came before it.
            guard isWhole || index == Self.ownIndex || number - members[index].heldToldIn < Self.tellingsOfChange else {
                continue
            }
            vector.append(StreamPosition(origin: servers[index], seq: held))
        }
        return vector
    }

    // MARK: Others' announcements

    /// How an announcement came.
    enum Arrival {
        /// Down the tree of its server: a sign of life.
        case pushed
        /// As part of a state transfer.
        case told
        /// The same, of a server that the neighbour cannot reach: owed its records, but no sign of life.
        case toldUnreachable
    }

    mutating func receive(_ announcement: Announcement, link index: Int, as arrival: Arrival) {
        guard announcement.id != id, isNews(announcement, as: arrival), hasRoom(for: announcement.id) else { return }
        if announcement.address == configuration.address { return noteNamesake(announcement) }
        counters.announcementsReceived += 1
        let origin = serverIndex(of: announcement.id)
        let edge = links[index].edges[origin]
        links[index].edges[origin].announcement = max(edge.announcement, announcement.number)
        let isNew = announcement.number > members[origin].announcementNumber
        if arrival == .pushed { notePush(announcement, of: origin, isNew: isNew, link: index) }
        guard isNew, members[origin].status != .departed || arrival != .toldUnreachable else { return }
        members[origin].announcement = announcement
        let hasRisen = announcement.rank > members[origin].rank
        members[origin].rank = max(members[origin].rank, announcement.rank)
        members[origin].noteLoad(announcement.load, clock: announcement.loadClock)
        if arrival == .pushed { noteBeginning(announcement, of: origin) }
        acknowledge(announcement, of: origin)
        compareRegistry(with: announcement, of: origin)
        if arrival == .toldUnreachable { return noteUnreachable(origin, address: announcement.address) }
        broadcast(announcement, of: origin, as: arrival, besides: links[index].id)
        if announcement.isLeaving {
            depart(origin, .left)
        } else {
            noteAlive(origin, address: announcement.address, isAtFirstHand: arrival == .pushed)
            if hasRisen { departSucceeded(at: announcement.address) }
        }
    }

    // MARK: Incarnations at one address

    /// This server's rank among the incarnations at its address.
    var ownRank: UInt64 { members[Self.ownIndex].rank }

    /// Another server is told to be at our address: an earlier life of this one. If it answers to a raised rank by
    /// raising its own, it lives, and somebody has configured one of the two wrongly.
    private mutating func noteNamesake(_ announcement: Announcement) {
        let origin = serverIndex(of: announcement.id)
        guard announcement.number > members[origin].announcementNumber else { return }
        let isAnswer = members[origin].announcement != nil && announcement.rank > members[origin].rank
        if isAnswer { outbox.report(.addressConflict(announcement.id, announcement.address)) }
        members[origin].announcement = announcement
        members[origin].address = announcement.address
        members[origin].rank = max(members[origin].rank, announcement.rank)
        members[origin].status = .departed
        acknowledge(announcement, of: origin)
        // Two that live answer each other no faster than they announce themselves anyhow.
        noteNamesake(rank: announcement.rank, isUrgent: !isAnswer)
    }

    /// Another incarnation at our address has this rank: ours must be higher.
    mutating func noteNamesake(rank: UInt64, isUrgent: Bool = true) {
        guard rank >= ownRank else { return }
        namesakeRank = max(namesakeRank, rank)
        if isUrgent { announceSoon() }
    }

    private mutating func raiseRank() {
        guard namesakeRank >= ownRank, namesakeRank < .max else { return }
        members[Self.ownIndex].rank = namesakeRank + 1
        counters.rankRaises += 1
    }

    // MARK: Acknowledgements

    private mutating func acknowledge(_ announcement: Announcement, of origin: Int) {
        for position in announcement.held where position.seq < 1 << 63 {
            if let stream = servers.index(of: position.origin) {
                queues[origin].acknowledge(stream, through: position.seq)
            } else {
                noteStillHeld(position)
            }
        }
        for position in announcement.ended where position.seq < 1 << 63 {
            guard let stream = servers.index(of: position.origin) else {
                noteEnded(unknown: position)
                continue
            }
            guard stream != Self.ownIndex else { continue }
            queues[origin].acknowledge(stream, through: position.seq)
            noteEnded(stream, at: position.seq)
        }
        confirmClaims()
    }

    /// Passes an announcement on down the tree of its server.
    private mutating func broadcast(
        _ announcement: Announcement, of origin: Int, as arrival: Arrival, besides source: LinkID?
    ) {
        for index in links.indices where links[index].isOpen && links[index].id != source {
            guard links[index].edges[origin].announcement < announcement.number else { continue }
            if arrival == .told, links[index].neighbour != origin {
                // A belief is passed on as one.
                links[index].edges[origin].announcement = announcement.number
                send(.members([announcement], unreachable: []), link: index)
            } else if pushes(origin, over: index) {
                push(announcement, of: origin, link: index)
            } else {
                markDirty(origin, link: index)
            }
        }
    }

    mutating func push(_ announcement: Announcement, of origin: Int, link index: Int) {
        // The server itself needs no news of itself.
        guard links[index].neighbour != origin else { return }
        links[index].edges[origin].announcement = announcement.number
        send(.announcement(announcement), link: index)
    }

    // MARK: Status

    /// The server has shown itself: an introduction or a new announcement.
    ///
    /// - Parameter isAtFirstHand: false if another one only believes that it can be reached.
    mutating func noteAlive(_ server: Int, address: PeerAddress, isAtFirstHand: Bool = true) {
        members[server].heard = now
        if isAtFirstHand { members[server].lastSign = now }
        if address == bootstrap { bootstrapWasReached = true }
        if members[server].address != address {
            members[server].address = address
            overlayIsDirty = true
        }
        switch members[server].status {
        case .reachable, .vacant: return
        case .departed where isSucceeded(server): return
        case .departed:
            counters.membersRevived += 1
            outbox.report(.memberReachable(servers[server], address))
        case .unheard: outbox.report(.memberJoined(servers[server], address))
        case .unreachable: outbox.report(.memberReachable(servers[server], address))
        }
        members[server].status = .reachable
        overlayIsDirty = true
        announceSoon()
        departSucceeded(at: address)
    }

    /// A server that was never heard of is known to be owed its records; who was heard of keeps its status.
    private mutating func noteUnreachable(_ server: Int, address: PeerAddress) {
        guard members[server].status == .unheard else { return }
        members[server].address = address
        members[server].status = .unreachable
        overlayIsDirty = true
        departSucceeded(at: address)
    }

    /// Another incarnation at the same address has a higher rank, and has been heard of since. One with a lower rank
    /// that was heard of later has only not heard of the other one yet.
    private func isSucceeded(_ server: Int) -> Bool {
        guard let other = outranking(server) else { return false }
        // Of one that can be reached, as others say, the first sign is still to come.
        if members[server].status == .reachable, members[server].lastSign.nanoseconds == 0 { return false }
        return members[other].lastSign > members[server].lastSign
    }

    /// The incarnation at the same address with the highest rank, if there is a higher one.
    private func outranking(_ server: Int) -> Int? {
        let others = members.indices.dropFirst().filter { other in
            members[other].isOwed && members[other].address == members[server].address
        }
        let highest = others.max { (members[$0].rank, members[$0].id) < (members[$1].rank, members[$1].id) }
        guard let highest, (members[highest].rank, members[highest].id) > (members[server].rank, members[server].id)
        else { return nil }
        return highest
    }

    /// A server that lives announces itself with a lower rank than a dead one at its address: it is told of that one,
    /// back on the way by which it is heard of.
    private mutating func tellOfPredecessor(_ server: Int) {
        guard let other = outranking(server), let announcement = members[other].announcement,
            let index = linkIndex(toServer: server) ?? members[server].parent.flatMap({ linkIndex($0) }),
            links[index].isOpen
        else { return }
        send(.members([], unreachable: [announcement]), link: index)
    }

    /// Of several incarnations at one address only one lives.
    mutating func departSucceeded(at address: PeerAddress) {
        let incarnations = members.indices.dropFirst().filter { members[$0].isOwed && members[$0].address == address }
        guard incarnations.count > 1 else { return }
        for server in incarnations where isSucceeded(server) { depart(server, .succeeded) }
    }

    mutating func depart(_ server: Int, _ cause: DepartureCause) {
        let wasOwed = members[server].isOwed
        members[server].status = .departed
        guard wasOwed else { return }
        counters.membersDeparted += 1
        overlayIsDirty = true
        let address = members[server].address
        if cause == .silent {
            if configuration.defect != .departureStopsDialling {
                overlay.remember(address, limit: configuration.limits.departedAddresses)
            }
            giveUp(owedTo: server)
        }
        outbox.report(.memberDeparted(servers[server], address, cause))
    }

    /// Nothing is kept any more for a member that departed in silence: what it lacked is given up.
    private mutating func giveUp(owedTo server: Int) {
        for index in servers.indices where index != server {
            let stream = store.streams[index]
            let first = max(queues[server].acknowledged[index] + 1, stream.oldest)
            guard first <= stream.held else { continue }
            let records = stream.held + 1 - first
            counters.recordsGivenUp += records
            outbox.report(.givenUp(StreamPosition(origin: servers[index], seq: stream.held), records: records))
        }
    }

    /// The server did not answer in time. Without a link to it, that is all there is to judge by: it is no arbiter and
    /// no target of load until it is heard of again.
    mutating func suspect(_ server: Int) {
        guard members[server].status == .reachable, linkIndex(toServer: server) == nil else { return }
        setUnreachable(server)
    }

    private mutating func setUnreachable(_ server: Int) {
        members[server].status = .unreachable
        overlayIsDirty = true
        outbox.report(.memberUnreachable(servers[server], members[server].address))
    }

    /// Who was silent for too long is unreachable: no arbiter and no target of load.
    mutating func checkMembers() {
        let patience = Self.silentIntervals * max(configuration.timing.announceInterval, configuration.timing.silence)
        for server in members.indices.dropFirst() where members[server].status == .reachable {
            guard linkIndex(toServer: server) == nil, now.milliseconds(since: members[server].heard) >= patience else {
                continue
            }
            setUnreachable(server)
        }
        for server in members.indices.dropFirst() {
            switch members[server].status {
            case .departed, .vacant: break
            case .reachable where isSucceeded(server), .unreachable where isSucceeded(server):
                depart(server, .succeeded)
            case .reachable: tellOfPredecessor(server)
            case .unreachable, .unheard:
                guard linkIndex(toServer: server) == nil,
                    now.milliseconds(since: members[server].heard) >= configuration.timing.departure
                else { break }
                depart(server, .silent)
            }
        }
        resendLacked()
        releaseStable()
        forgetEnded()
    }

    /// Members that are reachable, this one not included.
    var reachableOthers: [Int] { members.indices.dropFirst().filter { members[$0].status == .reachable } }
}
