import Codecs

/// Who is in the network: announcements, and what follows from their absence.
extension Node {
    /// An interval without an announcement may be chance; three are not.
    static let silentIntervals: UInt64 = 3

    // MARK: Own announcement

    /// What all servers together say besides one announcement each an interval: a second, as long as load changes.
    static let announcementsPerSecond: UInt64 = 100

    /// Announces this server soon: at once, unless the last announcement was just now. The larger the network, the more
    /// each has to hear: the less often it says something that is not urgent.
    mutating func announceSoon(isUrgent: Bool = false) {
        guard phase != .leaving else { return }
        let turn = UInt64(servers.count) * 1000 / Self.announcementsPerSecond
        let share = isUrgent ? 0 : min(turn, configuration.timing.announceInterval)
        let earliest = announced?.adding(milliseconds: max(configuration.timing.announceGap, share))
        timers.set(.announceSoon, at: max(now, earliest ?? now))
    }

    mutating func announce() {
        guard phase != .joining || links.contains(where: \.isOpen) else { return }
        announced = now
        storeBytesAnnounced = store.byteCount
        raiseRank()
        let isWhole = vector.isNextWhole || phase == .leaving
        let own = Announcement(
            id: id, number: members[Self.ownIndex].announcementNumber + 1, rank: ownRank,
            address: configuration.address,
            weight: configuration.weight, load: load, loadClock: loadClock, isServing: phase == .serving && !isDraining,
            isLeaving: phase == .leaving, registryDigest: registry.digest,
            neighbours: links.filter(\.isOpen).map { servers[$0.neighbour] },
            held: takeVector(isWhole: isWhole), isWhole: isWhole, ended: takeEndedToTell(),
            isDraining: isDraining)
        members[Self.ownIndex].announcement = own
        noteNews(of: Self.ownIndex)
        counters.announcementsSent += 1
        broadcast(own, of: Self.ownIndex, as: .pushed, besides: nil)
    }

    /// How much of the vector the announcements tell. All servers hear of what each one holds: so it is told once an
    /// interval, or when room is wanted, and not with each announcement of another load.
    struct VectorTelling: Sendable {
        /// Every so many times the whole vector is told; between them, what has changed since the last two: only the
        /// newest announcement is passed on, so one may be missed. What is missed beyond that comes with the next
        /// whole.
        static let wholeEvery: UInt64 = 8
        static let tellingsOfChange: UInt64 = 2

        /// Tellings so far.
        var count: UInt64 = 0
        /// The next announcement tells what has changed.
        var isDue = true
        /// A member has come that knows nothing yet.
        var isWholeDue = true

        var isNextWhole: Bool { isDue && (isWholeDue || count.isMultiple(of: Self.wholeEvery)) }
    }

    private mutating func takeVector(isWhole: Bool) -> [StreamPosition] {
        // Who gets it must know whether it holds all that came before it.
        var positions = [StreamPosition(origin: id, seq: store.streams[Self.ownIndex].held)]
        guard vector.isDue || isWhole else { return positions }
        vector.count += 1
        vector.isDue = false
        vector.isWholeDue = vector.isWholeDue && !isWhole
        for index in servers.indices where index != Self.ownIndex {
            let held = store.streams[index].held
            if held != members[index].heldTold {
                members[index].heldTold = held
                members[index].heldToldIn = vector.count
            }
            guard isWhole || vector.count - members[index].heldToldIn < VectorTelling.tellingsOfChange else { continue }
            positions.append(StreamPosition(origin: servers[index], seq: held))
        }
        return positions
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
        members[origin].announcement = announcement.brief
        noteNews(of: origin)
        if arrival == .pushed { takeFasterWay(to: origin) }
        members[origin].refusedUntil = nil
        let hasRisen = announcement.rank > members[origin].rank
        members[origin].rank = max(members[origin].rank, announcement.rank)
        members[origin].noteLoad(announcement.load, clock: announcement.loadClock)
        considerRebalancing()
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
        members[origin].announcement = announcement.brief
        noteNews(of: origin)
        members[origin].refusedUntil = nil
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
        if isUrgent { announceSoon(isUrgent: true) }
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
            noteEnded(stream, at: queues[origin].acknowledged[stream])
        }
        confirmClaims()
    }

    /// Passes an announcement on down the tree of its server.
    private mutating func broadcast(
        _ announcement: Announcement, of origin: Int, as arrival: Arrival, besides source: LinkID?
    ) {
        // Written once, whatever the number of links.
        var frame: Range<Int>?
        for index in links.indices where links[index].isOpen && links[index].id != source {
            guard links[index].edges[origin].announcement < announcement.number else { continue }
            if arrival == .told, links[index].neighbour != origin {
                // A belief is passed on as one.
                links[index].edges[origin].announcement = announcement.number
                send(.members([announcement], unreachable: []), link: index)
            } else if !pushes(origin, over: index) {
                markDirty(origin, link: index, isUrgent: false)
            } else if links[index].neighbour != origin {
                // The server itself needs no news of itself.
                links[index].edges[origin].announcement = announcement.number
                let written = frame ?? outbox.write(.announcement(announcement))
                frame = written
                outbox.append(.sendLink(links[index].id, written))
                links[index].lastSent = now
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
        storing.note(address, at: networkTime())
        overlayIsDirty = true
        vector.isWholeDue = true
        announceSoon()
        listSessions(of: server)
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
    func outranking(_ server: Int) -> Int? {
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

    /// Where several incarnations are that are owed something. Looked up, never iterated.
    func sharedAddresses() -> Set<PeerAddress> {
        var seen: Set<PeerAddress> = []
        var shared: Set<PeerAddress> = []
        for member in members.dropFirst() where member.isOwed && !seen.insert(member.address).inserted {
            shared.insert(member.address)
        }
        return shared
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
        // Whoever says that it is over may be the only one that dials it, and die. And the one known neighbour may come
        // back after it left, told of nobody or of others: those that were told of it find it again.
        let mayReturn = cause == .silent || cause == .told || cause == .left && address == configuration.bootstrap
        if mayReturn, configuration.defect != .departureStopsDialling,
            !members.contains(where: { $0.isOwed && $0.address == address })
        {
            overlay.remember(
                address, limit: configuration.limits.departedAddresses, unlessFull: cause == .told)
        }
        if cause == .silent { giveUp(owedTo: server) }
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
        let shared = sharedAddresses()
        for server in members.indices.dropFirst() {
            let isShared = members[server].isOwed && shared.contains(members[server].address)
            switch members[server].status {
            case .departed, .vacant: break
            case .reachable where isShared && isSucceeded(server), .unreachable where isShared && isSucceeded(server):
                depart(server, .succeeded)
            case .reachable: if isShared { tellOfPredecessor(server) }
            case .unreachable, .unheard:
                guard linkIndex(toServer: server) == nil,
                    now.milliseconds(since: members[server].heard) >= configuration.timing.departure
                else { break }
                depart(server, .silent)
            }
        }
        resendLacked()
        endFloors()
        listSessions()
        releaseStable()
        forgetEnded()
    }

    /// Members that are reachable, this one not included.
    var reachableOthers: [Int] { members.indices.dropFirst().filter { members[$0].status == .reachable } }
}
