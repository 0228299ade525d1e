public import Codecs

/// What an operator may look at: this server, its links, the members and the clients, as they are now. It changes
/// nothing, and nothing in the protocol reads it. Whatever grows with the network is told one by one, so that a driver
/// can take as much of it in a turn as it has time for.
extension Node {
    /// How far a server has come.
    public enum Stage: String, Hashable, Sendable {
        case joining, serving, leaving
    }

    /// How many members there are.
    public struct Membership: Hashable, Sendable {
        public var reachable = 0
        /// Silent, and still owed their records.
        public var unreachable = 0

        public init() {}
    }

    /// Something that has a bound, and how much of it is used.
    public struct LimitUse: Hashable, Sendable {
        public var name: String
        public var used: Int
        public var limit: Int

        public init(_ name: String, used: Int, limit: Int) {
            self.name = name
            self.used = used
            self.limit = limit
        }
    }

    /// One connection to another server.
    public struct LinkStatus: Hashable, Sendable {
        public var id: LinkID
        /// Nil before its introduction.
        public var neighbour: ServerID?
        /// Of the neighbour; before its introduction what was dialled; nil for an accepted link that is silent yet.
        public var address: PeerAddress?
        public var isDialled: Bool
        /// Of the protocol; 0 before the handshake has found one.
        public var version: UInt16
        /// It was proved by the secret by which this server proves itself.
        public var isBySecret: Bool
        public var phase: String
        public var opened: Instant
        public var lastHeard: Instant
        /// The neighbour's network time less ours when it introduced itself, in milliseconds.
        public var clockOffset: Int64
        /// Records and state that were pushed and that the neighbour has not consumed yet, in bytes.
        public var bytesUnderWay: UInt64
        /// There is more to push than the neighbour's credit allows.
        public var hasBacklog: Bool
        public var isWantedHere: Bool
        public var isWantedThere: Bool
        /// Streams that are pushed over it, and those that are pushed to us over it; the others are only announced.
        public var streamsPushed: Int
        public var streamsReceived: Int
    }

    /// One server of the network, as it is known here.
    public struct MemberStatus: Hashable, Sendable {
        public var id: ServerID
        public var address: PeerAddress
        public var status: String
        public var isOwn: Bool
        public var load: UInt32
        public var weight: UInt32
        public var isServing: Bool
        public var isLeaving: Bool
        public var heard: Instant
        /// The servers that it has links to, as it has announced.
        public var neighbours: [ServerID]
        /// The neighbour of ours from which its records come first; nil for ourselves and where there is no way.
        public var parent: ServerID?
        /// The neighbours of ours to which we push its records.
        public var pushedTo: [ServerID]
        /// Its own stream: held here, and gone to the clients here.
        public var held: UInt64
        public var delivered: UInt64
        /// Records of all streams that are held here and that it is not known to hold, with their bytes.
        public var recordsOwed: UInt64
        public var bytesOwed: Int
        /// When the oldest of them came.
        public var oldestOwed: Instant?
    }

    /// One client.
    public struct SessionStatus: Hashable, Sendable {
        public var state: String
        /// Nil before its login.
        public var user: [UInt8]?
        /// 16 bytes, IPv4 mapped.
        public var address: [UInt8]
    }

    public var stage: Stage {
        switch phase {
        case .joining: .joining
        case .serving: .serving
        case .leaving: .leaving
        }
    }

    public var address: PeerAddress { configuration.address }

    public var membership: Membership {
        var membership = Membership()
        for member in members {
            if member.status == .reachable { membership.reachable += 1 }
            if member.status == .unreachable { membership.unreachable += 1 }
        }
        return membership
    }

    public var limitUses: [LimitUse] {
        let limits = configuration.limits
        return [
            LimitUse("store_bytes", used: store.byteCount, limit: limits.storeBytes),
            LimitUse("members", used: servers.count, limit: limits.members),
            LimitUse("tombstones", used: tombstones.count, limit: limits.tombstones),
            LimitUse("links", used: links.count(where: \.isIntroduced), limit: limits.links),
            LimitUse("claims", used: registry.claims.count, limit: limits.claims),
            LimitUse("reservations", used: reservations.count, limit: limits.reservations),
            LimitUse("requests", used: requests.count, limit: limits.requests),
            LimitUse("hash_jobs", used: hashJobs.count, limit: limits.hashJobs),
            LimitUse("tickets", used: tickets.unusedCount, limit: limits.tickets),
        ]
    }

    /// How many clients are in each state. Complexity: linear in the table of sessions, a nanosecond or so each.
    public var sessionCounts: [(state: String, count: Int)] {
        var counts = [Int](repeating: 0, count: Int(UInt8.max) + 1)
        for session in sessions.sessions { counts[Int(session.state.rawValue)] += 1 }
        return counts.indices.compactMap { raw in
            guard let state = SessionTable.State(rawValue: UInt8(raw)), state != .free else { return nil }
            return ("\(state)", counts[raw])
        }
    }

    /// Whether a client has said who it is, and it was true.
    public func isLoggedIn(_ id: SessionID) -> Bool {
        sessions.slot(of: id).map { sessions.sessions[$0].isLoggedIn } ?? false
    }

    /// A client that is still there.
    public func sessionStatus(_ id: SessionID) -> SessionStatus? {
        guard let slot = sessions.slot(of: id) else { return nil }
        let session = sessions.sessions[slot]
        return SessionStatus(
            state: "\(session.state)", user: session.isLoggedIn ? sessions.user(of: slot).name : nil,
            address: sessions.address(of: slot))
    }

    public var linkStatuses: [LinkStatus] {
        let streams = servers.indices
        return links.map { link in
            let neighbour = link.isIntroduced ? link.neighbour : nil
            return LinkStatus(
                id: link.id, neighbour: neighbour.map { servers[$0] },
                address: neighbour.map { members[$0].address } ?? link.dialled, isDialled: link.dial != nil,
                version: link.version, isBySecret: !link.isByOtherSecret,
                phase: "\(link.phase)", opened: link.opened, lastHeard: link.lastHeard,
                clockOffset: link.clockOffset,
                bytesUnderWay: link.pushedBytes - min(link.pushedBytes, link.creditedBytes),
                hasBacklog: link.hasBacklog || link.owesState, isWantedHere: link.isWantedHere,
                isWantedThere: link.isWantedThere,
                streamsPushed: streams.count { $0 < link.edges.count && link.edges[$0].pushes },
                streamsReceived: streams.count { $0 < link.edges.count && link.edges[$0].receives })
        }
    }

    /// Of the server at the other end of a link, as far as it is known.
    public func address(of id: LinkID) -> PeerAddress? {
        guard let link = links.first(where: { $0.id == id }) else { return nil }
        return link.neighbour >= 0 ? members[link.neighbour].address : link.dialled
    }

    /// Places of ``memberStatus(at:)``; some are empty.
    public var memberPlaces: Range<Int> { members.indices }

    /// The member at a place; nil if it is empty, or nothing but its stream is known. This server is at place 0.
    ///
    /// - Complexity: linear in the streams and the links.
    public func memberStatus(at place: Int) -> MemberStatus? {
        guard members.indices.contains(place) else { return nil }
        let member = members[place]
        let isOwn = place == Self.ownIndex
        guard member.status != .vacant, member.status != .unheard || isOwn else { return nil }
        let owed = member.isOwed && !isOwn ? queues[place].depth(in: store) : (records: 0, bytes: 0)
        let parent = member.parent.flatMap { linkIndex($0) }.map { servers[links[$0].neighbour] }
        let open = links.filter(\.isOpen)
        return MemberStatus(
            id: servers[place], address: member.address, status: "\(member.status)", isOwn: isOwn,
            load: isOwn ? UInt32(clamping: sessions.presentCount) : member.load,
            weight: isOwn ? configuration.weight : member.announcement?.weight ?? 100,
            isServing: isOwn ? phase == .serving : member.announcement?.isServing ?? false,
            isLeaving: isOwn ? phase == .leaving : member.announcement?.isLeaving ?? false, heard: member.heard,
            neighbours: isOwn ? open.map { servers[$0.neighbour] } : member.announcement?.neighbours ?? [],
            parent: parent,
            pushedTo: open.filter { place < $0.edges.count && $0.edges[place].pushes && $0.id != member.parent }
                .map { servers[$0.neighbour] },
            held: store.streams[place].held, delivered: store.streams[place].delivered, recordsOwed: owed.records,
            bytesOwed: owed.bytes,
            oldestOwed: member.isOwed && !isOwn && owed.records > 0 ? queues[place].oldest(in: store) : nil)
    }
}
