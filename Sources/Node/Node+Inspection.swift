public import Codecs
import DequeModule

/// A look inside, for a simulator and for tests: what is held of each stream, and whether the invariants stand that
/// the components promise each other. It changes nothing, and nothing in the protocol reads it.
extension Node {
    /// What this server has of one stream.
    public struct StreamState: Hashable, Sendable {
        public var origin: ServerID
        /// The lowest seq whose record is still here; `held` + 1 if none is.
        public var oldest: UInt64
        public var held: UInt64
        public var delivered: UInt64
    }

    /// What became of a stream since it was looked at last.
    public struct StreamChange: Sendable {
        /// Its place in the table of streams; 0 is this server's own.
        public var index: Int
        /// Another origin stands in this place.
        public var isNew: Bool
        public var heldBefore: UInt64
        public var state: StreamState
    }

    /// What all streams were when they were looked at last.
    public struct SeenStreams: Sendable {
        public fileprivate(set) var states: [StreamState] = []
        /// Room in the store of records and in the table of servers: without it something has to be given up.
        public fileprivate(set) var spareBytes = 0
        /// More is held than may be held for sessions that are to come back.
        public fileprivate(set) var isCrowded = false
        public fileprivate(set) var spareServers = 0
        fileprivate var revision: UInt64 = 0

        public init() {}
    }

    /// Compares all streams with what they were, and brings `seen` up to date. Complexity: linear in the streams if one
    /// has changed, else constant.
    ///
    /// It changes nothing in the node; as a mutation it is made in place, where a reading from a class's property would
    /// copy the node first.
    public mutating func changes(since seen: inout SeenStreams) -> [StreamChange] {
        seen.spareBytes = configuration.limits.storeBytes - store.byteCount
        seen.isCrowded = store.byteCount > configuration.limits.storeBytes / Self.resumeShare
        seen.spareServers = configuration.limits.members - servers.count
        guard seen.revision != store.revision || seen.states.count < servers.capacity else { return [] }
        seen.revision = store.revision
        var changes: [StreamChange] = []
        for index in servers.ids.indices {
            let (held, delivered) = (store.streams[index].held, store.streams[index].delivered)
            let isNew = index >= seen.states.count || seen.states[index].origin != servers[index]
            if !isNew, seen.states[index].held == held, seen.states[index].delivered == delivered { continue }
            let state = streamState(index)
            let heldBefore = isNew ? 0 : seen.states[index].held
            if index < seen.states.count { seen.states[index] = state } else { seen.states.append(state) }
            // The place may be vacant: whoever gets it is new there.
            guard servers.isKnown(index) else { continue }
            changes.append(StreamChange(index: index, isNew: isNew, heldBefore: heldBefore, state: state))
        }
        return changes
    }

    /// How long a record waits for the one that its sender sent before it elsewhere, in milliseconds.
    public static var dependencyPatienceMilliseconds: UInt64 { dependencyPatience }

    /// All streams, this server's own first.
    public var streamStates: [StreamState] { servers.indices.map(streamState) }

    private func streamState(_ index: Int) -> StreamState {
        let held = store.streams[index].held
        return StreamState(
            origin: servers[index], oldest: store.streams[index].oldest, held: held,
            delivered: store.streams[index].delivered)
    }

    /// The line of an activity that arose here; nil for other records, and for what is here no longer.
    public func ownActivity(_ seq: UInt64) -> [UInt8]? {
        guard let place = store.location(of: seq, in: Self.ownIndex) else { return nil }
        let bytes = store.streams[Self.ownIndex].segments[place.segment].bytes
        guard let (header, payload) = try? RecordHeader.decode(in: bytes.span, at: place.range),
            header.kind == RecordKind.activity.rawValue
        else { return nil }
        return Array(bytes[payload])
    }

    public var isServing: Bool { phase == .serving }
    /// The servers that are members and reachable, this one among them; ordered by when they were heard of.
    public var reachableServers: [ServerID] {
        members.indices.filter { members[$0].status == .reachable }.map { servers[$0] }
    }
    public var registryDigest: RegistryDigest { registry.digest }
    public var storeBytes: Int { store.byteCount }

    /// Whether this server has heard of another one.
    public func knows(_ id: ServerID) -> Bool { servers.index(of: id) != nil }

    /// The number of the newest announcement of a server that is known here.
    public func announcementNumber(of id: ServerID) -> UInt64? {
        servers.index(of: id).map { members[$0].announcementNumber }
    }

    /// Servers to which a link has been open for so long, in milliseconds.
    public func neighbours(for milliseconds: UInt64) -> [ServerID] {
        links.filter { $0.isOpen && now.milliseconds(since: $0.opened) >= milliseconds }.map { servers[$0.neighbour] }
    }

    /// Up to where a stream is held here, or was stepped over.
    public func held(of id: ServerID) -> UInt64 { servers.index(of: id).map { store.streams[$0].held } ?? 0 }

    /// The first record of a span of a stream that is here.
    public func firstRecord(of id: ServerID, in seqs: ClosedRange<UInt64>) -> UInt64? {
        guard let index = servers.index(of: id) else { return nil }
        let first = max(seqs.lowerBound, store.streams[index].oldest)
        return first <= min(seqs.upperBound, store.streams[index].held) ? first : nil
    }

    /// What is here of each stream and another server is not known to have: what it has, and what is held.
    public func recordsOwed(to id: ServerID) -> [(origin: ServerID, acknowledged: UInt64, held: UInt64)] {
        guard let server = servers.index(of: id) else { return [] }
        return servers.indices.compactMap { index in
            let acknowledged = queues[server].acknowledged[index]
            let stream = store.streams[index]
            guard max(acknowledged + 1, stream.oldest) <= stream.held else { return nil }
            return (servers[index], acknowledged, stream.held)
        }
    }

    /// Whether the table of servers has room for one more, without another one having to go.
    public var hasRoomForServers: Bool { servers.count < configuration.limits.members }

    /// The table of what is over has lost entries, of which this may be one: it is stepped over when it is first met.
    public func mayHaveForgotten(_ id: ServerID) -> Bool { tombstones.mayHaveForgotten(id) }

    /// The claim by which a name is held here.
    public func claim(of name: [UInt8]) -> Claim? { registry.claim(of: name) }
}

// MARK: - Sessions on the way

extension Node {
    /// What is kept of sessions that are not connected, or not yet as they should be, and must have gone some time
    /// after nothing happens any more; only what is not empty.
    public var sessionRemains: [(name: String, count: Int)] {
        [
            ("detached sessions", detached.count), ("tickets", tickets.count), ("moves", moves.count),
            ("newcomers that wait", newcomers.count), ("sessions that catch up", feeding.count),
            ("connections that are looked at", examinations.count),
        ].filter { $0.count > 0 }
    }
}

extension Node {
    /// The server that has been told, or is being told, to expect this session, whose client was told nothing yet.
    public func expectedBy(_ id: SessionID) -> ServerID? {
        guard let slot = sessions.slot(of: id), let move = sessions.move(of: slot) else { return nil }
        return moves[move].flatMap { $0.stage == .handingOver ? $0.target : nil }
    }
}

// MARK: - Invariants

extension Node {
    /// Every invariant that does not hold between two turns, in words. Complexity: linear in all tables.
    ///
    /// - Parameter isLight: the digest of the registry is not made anew.
    public func brokenInvariants(besidesRegistry isLight: Bool = false) -> [String] {
        var broken = BrokenInvariants()
        checkSizes(&broken)
        // What follows looks up one table by the indices of another.
        guard broken.texts.isEmpty else { return broken.texts }
        checkTables(&broken)
        if !isLight { broken.unless(registry.hasRightDigest, "the registry's digest is that of its claims") }
        checkStore(&broken)
        checkDelivery(&broken)
        checkTrees(&broken)
        checkGaps(&broken)
        checkQueues(&broken)
        checkSessions(&broken)
        checkLimits(&broken)
        return broken.texts
    }

    private func checkSizes(_ broken: inout BrokenInvariants) {
        let count = servers.capacity
        broken.unless(members.count == count, "as many members as servers")
        broken.unless(queues.count == count, "as many queues as servers")
        broken.unless(store.streams.count == count, "as many streams as servers")
        for link in links {
            broken.unless(link.edges.count == count, "link \(link.id) has an edge for each stream")
        }
    }

    private func checkTables(_ broken: inout BrokenInvariants) {
        broken.unless(servers.index(of: id) == Self.ownIndex, "this server has index 0")
        for index in servers.indices {
            broken.unless(servers.index(of: servers[index]) == index, "server \(servers[index]) has one index")
            broken.unless(members[index].id == servers[index], "member \(index) is server \(index)")
        }
        for link in links {
            broken.unless(
                Set(link.dirty).count == link.dirty.count && link.edges.count(where: \.isDirty) == link.dirty.count
                    && link.dirty.allSatisfy { link.edges[$0].isDirty }, "link \(link.id) lists its dirty edges")
            broken.unless(!link.isIntroduced || link.neighbour > 0, "link \(link.id) has a neighbour")
        }
        let neighbours = links.filter(\.isIntroduced).map(\.neighbour)
        broken.unless(Set(neighbours).count == neighbours.count, "one link a neighbour")
    }

    private func checkStore(_ broken: inout BrokenInvariants) {
        var bytes = 0
        for index in store.streams.indices {
            let stream = store.streams[index]
            let name = "stream \(servers[index])"
            broken.unless(stream.delivered <= stream.held, "\(name): what is delivered is held")
            var next = stream.oldest
            for segment in stream.segments {
                broken.unless(segment.first == next && !segment.starts.isEmpty, "\(name): segments follow each other")
                next = segment.last + 1
                bytes += segment.bytes.count
            }
            broken.unless(next == stream.held + 1, "\(name): the last segment ends at what is held")
            broken.unless(
                stream.segments.isEmpty || stream.oldest <= stream.delivered + 1,
                "\(name): what is not delivered is still here")
        }
        broken.unless(bytes == store.byteCount, "the store's size is that of its segments: \(bytes)")
    }

    private func checkDelivery(_ broken: inout BrokenInvariants) {
        for index in store.streams.indices {
            let stream = store.streams[index]
            let isPostponed = postponed.contains(index)
            let name = "stream \(servers[index])"
            if let position = stream.waitsFor {
                broken.unless(waiting.contains(index), "\(name) waits and is listed")
                let dependency = servers.index(of: position.origin)
                broken.unless(
                    dependency.map { store.streams[$0].delivered < position.seq } ?? true,
                    "\(name) waits for what is not delivered")
            }
            // A numbered activity waits for those who shall hold it, a second at most.
            let isUnheld = index == Self.ownIndex && unheldSince != nil
            broken.unless(
                stream.delivered == stream.held || stream.waitsFor != nil || isPostponed || isUnheld,
                "\(name): what is held and not delivered waits for something")
        }
        broken.unless(Set(waiting).count == waiting.count, "a stream waits once")
        broken.unless(Set(postponed).count == postponed.count, "a stream is postponed once")
    }

    private func checkTrees(_ broken: inout BrokenInvariants) {
        for origin in members.indices {
            guard let parent = members[origin].parent else { continue }
            let name = "the parent of \(servers[origin])"
            broken.unless(origin != Self.ownIndex, "this server is nobody's child for its own stream")
            guard let index = linkIndex(parent) else {
                broken.unless(false, "\(name) is a link that is there")
                continue
            }
            broken.unless(links[index].isOpen, "\(name) is an open link")
            let isReplaced = members[origin].chosen.flatMap { linkIndex($0) }.map { links[$0].isOpen } ?? false
            broken.unless(
                links[index].edges[origin].receives || isReplaced, "\(name) was not pruned but for another")
        }
    }

    private func checkGaps(_ broken: inout BrokenInvariants) {
        for origin in members.indices {
            let tellers = links.filter { $0.isOpen && $0.edges[origin].gap > 0 }
            let name = "the gap in \(servers[origin])"
            broken.unless(tellers.isEmpty == (members[origin].gapSince == nil), "\(name) was told and is waited for")
            for link in tellers {
                broken.unless(link.edges[origin].gap > store.streams[origin].held, "\(name) is open")
                broken.unless(!link.edges[origin].receives, "who told \(name) is not asked")
            }
        }
    }

    private func checkQueues(_ broken: inout BrokenInvariants) {
        for server in queues.indices {
            let queue = queues[server]
            broken.unless(queue.acknowledged.count == servers.capacity, "queue \(servers[server]) has all streams")
            guard linkIndex(toServer: server).map({ links[$0].isOpen }) ?? false else { continue }
            for origin in servers.ids.indices {
                broken.unless(
                    queue.sent[origin] <= max(store.streams[origin].held, queue.acknowledged[origin]),
                    "what was sent of \(servers[origin]) to \(servers[server]) is held")
            }
        }
        for link in links where link.isOpen {
            broken.unless(link.creditedBytes <= link.pushedBytes, "credit of link \(link.id) is for what was pushed")
            broken.unless(link.toldBytes <= link.consumedBytes, "credit told on link \(link.id) is for what came")
        }
    }

    private func checkSessions(_ broken: inout BrokenInvariants) {
        let live = sessions.sessions.count { $0.state == .live }
        broken.unless(live == sessions.liveCount, "live sessions are counted: \(live)")
        let present = sessions.sessions.count { $0.isPresent }
        broken.unless(present == sessions.presentCount, "the load is the number of present sessions: \(present)")
        let away = sessions.sessions.count { $0.state == .away }
        broken.unless(present - live - away == feeding.count, "who is catching up is fed: \(present - live - away)")
        for session in sessions.sessions.indices where sessions.sessions[session].hasJob {
            let job = sessions.job(of: session).flatMap { jobs[$0] }
            broken.unless(job?.session == sessions.id(of: session), "session \(session) knows its job")
        }
    }

    private func checkLimits(_ broken: inout BrokenInvariants) {
        let limits = configuration.limits
        broken.unless(store.byteCount <= limits.storeBytes, "the store keeps its bound: \(store.byteCount)")
        broken.unless(servers.count <= limits.members, "members keep their bound: \(servers.count)")
        broken.unless(reservations.count <= limits.reservations, "reservations keep their bound")
        broken.unless(requests.count <= limits.requests, "requests keep their bound: \(requests.count)")
        broken.unless(waitingLogins.count <= limits.requests, "and those who wait to make one")
        broken.unless(hashJobs.count <= limits.hashJobs, "hashes keep their bound: \(hashJobs.count)")
        broken.unless(tickets.unusedCount <= limits.tickets, "tickets keep their bound: \(tickets.unusedCount)")
        broken.unless(feeding.catchingUpCount <= limits.catchingUp, "who catches up: \(feeding.catchingUpCount)")
        broken.unless(toldPositions.count <= limits.toldPositions, "who is told positions: \(toldPositions.count)")
        for feed in feeding.feeds where feed.told != nil {
            broken.unless(toldPositions.contains(Int(feed.session.slot)), "\(feed.session) has a place to be told")
        }
        broken.unless(links.count(where: \.isIntroduced) <= limits.links, "links keep their bound")
        broken.unless(registry.claims.count <= limits.claims, "claims keep their bound")
        for link in links where link.isOpen {
            broken.unless(
                link.changedClaims.count <= Self.changedClaimsMax, "changed claims of link \(link.id) keep their bound")
        }
    }
}

extension Registry {
    /// The digest is kept up to date claim by claim; this makes it anew.
    var hasRightDigest: Bool {
        var recomputed = RegistryDigest()
        for place in claims.indices { recomputed.add(account(at: place)) }
        return recomputed == digest
    }
}

/// Gathers what does not hold.
private struct BrokenInvariants {
    var texts: [String] = []

    mutating func unless(_ holds: Bool, _ text: @autoclosure () -> String) {
        if !holds { texts.append(text()) }
    }
}
