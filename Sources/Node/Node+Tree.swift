import Codecs

/// One broadcast tree per origin, over redundant links (Leitão, Pereira and Rodrigues: Epidemic Broadcast Trees, SRDS
/// 2007, called Plumtree).
///
/// A link is *eager* for an origin in one direction if records are pushed there, else *lazy*: only digests (IHAVE) go
/// there. All links start eager. Whoever gets something twice prunes the link that was later; whoever learns from a
/// digest that something is missing, or loses the link towards the origin (its *parent*), grafts a lazy one.
/// Announcements are broadcast down the same trees, so that the tree stands before the first record and silent origins
/// keep one too. Invariant: a parent is never pruned.
extension Node {
    // MARK: Pushed to us

    /// Something of the origin was pushed over a link: new, or the second copy.
    mutating func notePush(of origin: Int, isNew: Bool, link index: Int) {
        let id = links[index].id
        if isNew {
            // What was under way when we pruned the link does not make it the parent: nothing more will come there.
            if links[index].edges[origin].receives, members[origin].parent != id { members[origin].parent = id }
        } else if members[origin].parent != id, members[origin].parent != nil, links[index].edges[origin].receives {
            prune(origin, link: index)
        }
    }

    private mutating func prune(_ origin: Int, link index: Int) {
        precondition(members[origin].parent != links[index].id, "a parent is never pruned")
        links[index].edges[origin].receives = false
        counters.prunesSent += 1
        send(.prune(servers[origin]), link: index)
    }

    mutating func onPrune(_ origin: ServerID, link index: Int) {
        guard let origin = servers.index(of: origin) else { return }
        links[index].edges[origin].pushes = false
        // Nothing was lost for the neighbour, but its digest may be behind.
        markDirty(origin, link: index)
    }

    // MARK: Grafts

    /// Asks for all records of the origin after what is held, and for its announcement; the link becomes its parent.
    mutating func graft(_ origin: Int, link index: Int) {
        links[index].edges[origin].receives = true
        members[origin].parent = links[index].id
        counters.graftsSent += 1
        send(
            .graft(
                origin: servers[origin], held: store.streams[origin].held,
                announcement: members[origin].announcementNumber),
            link: index)
    }

    mutating func onGraft(_ origin: ServerID, held: UInt64, announcement: UInt64, link index: Int) {
        guard held < 1 << 63 else { return }
        guard let origin = servers.index(of: origin) else {
            // The neighbour has not forgotten it yet, and asks for what nobody has any more.
            guard let tombstone = tombstones[origin], tombstone.held > held else { return }
            return send(.gap(StreamPosition(origin: origin, seq: tombstone.held)), link: index)
        }
        let server = links[index].neighbour
        links[index].edges[origin].pushes = true
        queues[server].acknowledge(origin, through: min(held, store.streams[origin].held))
        queues[server].rewind(origin, to: held)
        links[index].hasBacklog = true
        if let newer = members[origin].announcement, newer.number > announcement {
            push(newer, of: origin, link: index)
        }
        // The neighbour asks us although we were its child: it has lost the way to the origin, and so have we.
        if members[origin].parent == links[index].id {
            members[origin].parent = nil
            graftElsewhere(origin, besides: links[index].id)
        }
    }

    /// The link is gone: every stream that came over it is grafted to another at once.
    mutating func replaceParent(lost id: LinkID) {
        for origin in members.indices where origin != Self.ownIndex && members[origin].parent == id {
            members[origin].parent = nil
            graftElsewhere(origin, besides: id)
        }
    }

    private mutating func graftElsewhere(_ origin: Int, besides lost: LinkID) {
        // A neighbour whose copies we pruned has another way to the origin than us; of these, who has most.
        let candidates = links.indices.filter { links[$0].isOpen && links[$0].id != lost }
        let best = candidates.max { left, right in
            let leftKey = (links[left].edges[origin].receives ? 0 : 1, known(origin, by: left))
            let rightKey = (links[right].edges[origin].receives ? 0 : 1, known(origin, by: right))
            return leftKey < rightKey
        }
        if let best { graft(origin, link: best) }
    }

    private func known(_ origin: Int, by link: Int) -> UInt64 { queues[links[link].neighbour].acknowledged[origin] }

    // MARK: Digests

    /// What is held of a stream has changed: each neighbour that does not learn it by push is told by digest.
    mutating func markDirty(_ origin: Int) {
        for index in links.indices where links[index].isIntroduced { markDirty(origin, link: index) }
    }

    mutating func markDirty(_ origin: Int, link index: Int) {
        guard links[index].markDirty(origin) else { return }
        timers.set(.digests, at: now.adding(milliseconds: configuration.timing.digestDelay))
    }

    /// One IHAVE a link for all that has changed. It is an acknowledgement for the neighbour that pushed, and news for
    /// one that is lazy.
    mutating func sendDigests() {
        for index in links.indices where links[index].isOpen {
            var digests: [PeerFrame.Digest] = []
            for origin in links[index].dirty {
                let edge = links[index].edges[origin]
                let held = store.streams[origin].held
                let number = members[origin].announcementNumber
                links[index].edges[origin].isDirty = false
                guard held > edge.toldHeld || number > max(edge.toldAnnouncement, edge.announcement) else { continue }
                links[index].edges[origin].toldHeld = held
                links[index].edges[origin].toldAnnouncement = number
                digests.append(PeerFrame.Digest(origin: servers[origin], held: held, announcement: number))
            }
            links[index].dirty.removeAll(keepingCapacity: true)
            guard !digests.isEmpty else { continue }
            counters.digestsSent += 1
            send(.have(digests), link: index)
        }
    }

    mutating func onIHave(_ digests: [PeerFrame.Digest], link index: Int) {
        let server = links[index].neighbour
        for digest in digests {
            guard digest.held < 1 << 63, let origin = streamIndex(of: digest.origin, through: digest.held) else {
                continue
            }
            queues[server].acknowledge(origin, through: digest.held)
            let edge = links[index].edges[origin]
            links[index].edges[origin].announcement = max(edge.announcement, digest.announcement)
            if origin == Self.ownIndex {
                confirmClaims()
            } else if isMissing(digest.held, digest.announcement, of: origin), members[origin].awaited == nil {
                wait(for: digest, of: origin)
            }
        }
    }

    private mutating func wait(for digest: PeerFrame.Digest, of origin: Int) {
        members[origin].awaited = digest
        timers.set(.graft(origin), at: now.adding(milliseconds: configuration.timing.graftDelay))
    }

    private func isMissing(_ held: UInt64, _ announcement: UInt64, of origin: Int) -> Bool {
        held > store.streams[origin].held || announcement > members[origin].announcementNumber
    }

    /// What a digest told of has not come by itself: ask the neighbour that has most of it.
    mutating func graftMissing(_ origin: Int) {
        guard let awaited = members[origin].awaited else { return }
        members[origin].awaited = nil
        let candidates = links.indices.filter { index in
            links[index].isOpen
                && isMissing(known(origin, by: index), links[index].edges[origin].announcement, of: origin)
        }
        guard let best = candidates.max(by: { known(origin, by: $0) < known(origin, by: $1) }) else { return }
        let newest = PeerFrame.Digest(
            origin: servers[origin], held: known(origin, by: best),
            announcement: links[best].edges[origin].announcement)
        // What was waited for has come; what a later digest told of gets its own time.
        guard isMissing(awaited.held, awaited.announcement, of: origin) else { return wait(for: newest, of: origin) }
        counters.repairs += 1
        graft(origin, link: best)
        // Should that link fail as well, ask again.
        wait(for: newest, of: origin)
    }
}
