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
        let own = Announcement(
            id: id, number: members[Self.ownIndex].announcementNumber + 1, address: configuration.address,
            weight: configuration.weight, load: load, loadClock: loadClock, isServing: phase == .serving,
            isLeaving: phase == .leaving, registryDigest: registry.digest,
            neighbours: links.filter(\.isOpen).map { servers[$0.neighbour] },
            held: servers.ids.indices.map { StreamPosition(origin: servers[$0], seq: store.streams[$0].held) })
        members[Self.ownIndex].announcement = own
        counters.announcementsSent += 1
        broadcast(own, of: Self.ownIndex, besides: nil)
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
        guard announcement.id != id, hasRoom(for: announcement.id) else { return }
        if announcement.address == configuration.address { return noteNamesake(announcement) }
        counters.announcementsReceived += 1
        let origin = serverIndex(of: announcement.id)
        let edge = links[index].edges[origin]
        links[index].edges[origin].announcement = max(edge.announcement, announcement.number)
        let isNew = announcement.number > members[origin].announcementNumber
        if arrival == .pushed { notePush(announcement, of: origin, isNew: isNew, link: index) }
        guard isNew, members[origin].status != .departed else { return }
        members[origin].announcement = announcement
        members[origin].noteLoad(announcement.load, clock: announcement.loadClock)
        acknowledge(announcement, of: origin)
        if arrival == .toldUnreachable { return noteUnreachable(origin, address: announcement.address) }
        broadcast(announcement, of: origin, besides: links[index].id)
        if announcement.isLeaving {
            depart(origin, .left)
        } else {
            noteAlive(origin, address: announcement.address)
        }
    }

    /// Another server is told to be at our address: an earlier life of this one, or, if it came after us, one that
    /// somebody configured wrongly.
    private mutating func noteNamesake(_ announcement: Announcement) {
        guard announcement.id < id else {
            return outbox.report(.addressConflict(announcement.id, announcement.address))
        }
        let origin = serverIndex(of: announcement.id)
        members[origin].announcement = announcement
        members[origin].status = .departed
    }

    private mutating func acknowledge(_ announcement: Announcement, of origin: Int) {
        for position in announcement.held where position.seq < 1 << 63 {
            guard let stream = servers.index(of: position.origin) else { continue }
            queues[origin].acknowledge(stream, through: position.seq)
        }
        confirmClaims()
    }

    /// Passes an announcement on down the tree of its server.
    private mutating func broadcast(_ announcement: Announcement, of origin: Int, besides source: LinkID?) {
        for index in links.indices where links[index].isOpen && links[index].id != source {
            guard links[index].edges[origin].announcement < announcement.number else { continue }
            if pushes(origin, over: index) {
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
    mutating func noteAlive(_ server: Int, address: PeerAddress) {
        members[server].heard = now
        if address == bootstrap { bootstrapWasReached = true }
        if members[server].address != address {
            members[server].address = address
            overlayIsDirty = true
        }
        switch members[server].status {
        case .reachable, .departed: return
        case .unheard: outbox.report(.memberJoined(servers[server], address))
        case .unreachable: outbox.report(.memberReachable(servers[server], address))
        }
        members[server].status = .reachable
        overlayIsDirty = true
        announceSoon()
        departPredecessors(of: server)
    }

    /// A server that was never heard of is known to be owed its records; who was heard of keeps its status.
    private mutating func noteUnreachable(_ server: Int, address: PeerAddress) {
        guard members[server].status == .unheard else { return }
        members[server].address = address
        members[server].status = .unreachable
        overlayIsDirty = true
        departPredecessors(of: server)
    }

    /// An older incarnation at the same address has been followed by this one; an older one is heard of late.
    private mutating func departPredecessors(of server: Int) {
        let address = members[server].address
        let incarnations = members.indices.dropFirst().filter { members[$0].isOwed && members[$0].address == address }
        guard let latest = incarnations.max(by: { members[$0].id < members[$1].id }) else { return }
        for other in incarnations where other != latest { depart(other, .succeeded) }
    }

    private mutating func depart(_ server: Int, _ cause: DepartureCause) {
        guard members[server].status != .departed else { return }
        members[server].status = .departed
        overlayIsDirty = true
        outbox.report(.memberDeparted(servers[server], members[server].address, cause))
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
        releaseStable()
    }

    /// Members that are reachable, this one not included.
    var reachableOthers: [Int] { members.indices.dropFirst().filter { members[$0].status == .reachable } }
}
