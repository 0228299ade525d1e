import Codecs

/// One broadcast tree per origin, over redundant links (Leitão, Pereira and Rodrigues: Epidemic Broadcast Trees, SRDS
/// 2007, called Plumtree).
///
/// A link is *eager* for an origin in one direction if records are pushed there, else *lazy*: only digests (IHAVE) go
/// there. All links start eager. The link over which the newest came is the origin's *parent*; what comes twice prunes
/// the link that was later. Announcements are broadcast down the same trees, so that the tree stands before the first
/// record and silent origins keep one too.
///
/// Whoever loses its parent grafts all its other links, and whoever is grafted by its own parent has lost its way with
/// it and does the same: the part that was cut off is where all links started, so whatever enters it reaches all of it,
/// and what comes twice prunes it again. Digests and a timer are behind that, for ways that fail without a word.
///
/// Invariants: a parent is never pruned, but for another that was grafted in its place. Parents make no circle: each
/// server of one would have the newest that it ever got from the next one, which had it earlier. (An announcement is
/// the newest if all records before it are held.)
extension Node {
    // MARK: Pushed to us

    /// Records of the origin came over a link, from the seq `first` on: something new, or copies only.
    mutating func noteRecords(from first: UInt64, of origin: Int, isNew: Bool, link index: Int) {
        let wasUnderWay = first <= links[index].edges[origin].askedHeld
        if !wasUnderWay { links[index].edges[origin].isAsked = false }
        guard isNew else { return noteCopy(of: origin, wasUnderWay: wasUnderWay, link: index) }
        adopt(origin, link: index)
        endWait(for: origin, announcement: members[origin].announcementNumber)
        takeFasterWay(to: origin)
    }

    /// The same of an announcement.
    mutating func notePush(_ announcement: Announcement, of origin: Int, isNew: Bool, link index: Int) {
        guard isNew else {
            let wasUnderWay = announcement.number <= links[index].edges[origin].askedAnnouncement
            return noteCopy(of: origin, wasUnderWay: wasUnderWay, link: index)
        }
        let before = announcement.held.first { $0.origin == announcement.id }?.seq ?? 0
        let held = store.streams[origin].held
        // Who lacks a record is no way to its origin, and would not be pushed it if it were the parent.
        if before == held, known(origin, by: index) >= held { adopt(origin, link: index) }
        endWait(for: origin, announcement: announcement.number)
    }

    /// The newest came over this link. What was under way when it was pruned does not make it the parent: nothing more
    /// will come there.
    private mutating func adopt(_ origin: Int, link index: Int) {
        let id = links[index].id
        guard links[index].edges[origin].receives, members[origin].parent != id else { return }
        // What the former parent was not told because it was the parent.
        if let former = members[origin].parent.flatMap({ linkIndex($0) }) { links[former].hasBacklog = true }
        members[origin].parent = id
        endChoice(of: origin)
        // They were faster than another.
        for index in links.indices where links[index].isIntroduced { links[index].edges[origin].lead = 0 }
    }

    /// A copy prunes the link, unless it was sent before the link's last graft: then what was asked for is still to
    /// come. One over the link that was chosen instead of the parent makes it the parent.
    private mutating func noteCopy(of origin: Int, wasUnderWay: Bool, link index: Int) {
        let isCareless = configuration.defect == .parentPruned
        guard let parent = members[origin].parent, links[index].edges[origin].receives,
            parent != links[index].id || isCareless
        else { return }
        guard !wasUnderWay || isCareless else {
            counters.prunesWithheld += 1
            return
        }
        if members[origin].chosen == links[index].id { return adopt(origin, link: index) }
        prune(origin, link: index)
    }

    /// What is new of the origin is not to come over this link any more.
    mutating func prune(_ origin: Int, link index: Int) {
        links[index].edges[origin].receives = false
        links[index].edges[origin].isAsked = false
        if members[origin].chosen == links[index].id { endChoice(of: origin) }
        counters.prunesSent += 1
        send(.prune(servers[origin]), link: index)
    }

    mutating func onPrune(_ origin: ServerID, link index: Int) {
        guard let origin = servers.index(of: origin) else { return }
        links[index].edges[origin].pushes = false
        // Nothing was lost for the neighbour, but its digest may be behind.
        markDirty(origin, link: index)
        // A link that is on no way away from the origin is on no way towards it, but to its child.
        let edge = links[index].edges[origin]
        guard edge.receives, !edge.isAsked, let parent = members[origin].parent, parent != links[index].id else {
            return
        }
        prune(origin, link: index)
    }

    /// Whether what is new of the origin is pushed over the link. The parent has it, or gets it where we would.
    func pushes(_ origin: Int, over index: Int) -> Bool {
        links[index].edges[origin].pushes && members[origin].parent != links[index].id
    }

    // MARK: Grafts

    /// Asks for all records of the origins after what is held, and for their announcements; but not who has given up
    /// what comes next.
    mutating func graft(_ origins: [Int], link index: Int) {
        let origins = origins.filter { !hasGap(in: $0, link: index) }
        guard !origins.isEmpty else { return }
        let wishes = origins.map { origin in
            PeerFrame.Digest(
                origin: servers[origin], held: store.streams[origin].held,
                announcement: members[origin].announcementNumber)
        }
        for (origin, wish) in zip(origins, wishes) {
            links[index].edges[origin].receives = true
            links[index].edges[origin].isAsked = true
            links[index].edges[origin].askedHeld = wish.held
            links[index].edges[origin].askedAnnouncement = wish.announcement
        }
        counters.graftsSent += UInt64(wishes.count)
        send(.graft(wishes), link: index)
    }

    mutating func onGraft(_ wishes: [PeerFrame.Digest], link index: Int) {
        let server = links[index].neighbour
        let id = links[index].id
        var lost: [Int] = []
        for wish in wishes {
            guard wish.held < 1 << 63 else { continue }
            guard let origin = servers.index(of: wish.origin) else {
                answerGraft(ofForgotten: wish, link: index)
                continue
            }
            links[index].edges[origin].pushes = true
            queues[server].acknowledge(origin, through: wish.held)
            queues[server].rewind(origin, to: wish.held)
            links[index].hasBacklog = true
            if let newer = members[origin].announcement, newer.number > wish.announcement {
                push(newer, of: origin, link: index)
            }
            // Or the two have just chosen each other.
            if members[origin].parent == id || members[origin].chosen == id { lost.append(origin) }
        }
        counters.graftsByParent += UInt64(lost.count)
        loseWay(to: lost, besides: id)
    }

    /// The neighbour has not forgotten the stream yet, and asks for what nobody has any more.
    private mutating func answerGraft(ofForgotten wish: PeerFrame.Digest, link index: Int) {
        guard let tombstone = tombstones[wish.origin], tombstone.held > wish.held else { return }
        send(.gap(StreamPosition(origin: wish.origin, seq: tombstone.held)), link: index)
    }

    /// The link is gone: so is the way to every origin of which it was the parent, or chosen to be.
    mutating func replaceParent(lost id: LinkID) {
        let lost = members.indices.filter { members[$0].parent == id || members[$0].chosen == id }
        loseWay(to: lost, besides: id)
        for origin in members.indices { settleGap(in: origin) }
    }

    private mutating func loseWay(to origins: [Int], besides lost: LinkID) {
        guard !origins.isEmpty else { return }
        for origin in origins {
            members[origin].parent = nil
            endChoice(of: origin)
        }
        for index in links.indices where links[index].isOpen && links[index].id != lost {
            graft(origins, link: index)
        }
    }

    /// Records came with a gap before them, which a link in good order never brings: all after what is held is asked
    /// for, once.
    mutating func recoverOrder(_ origin: Int, link index: Int) {
        // That is still missing, and what follows it is asked for when that has come, or will not.
        guard !hasGap(in: origin, link: index) else { return }
        counters.recordsOutOfOrder += 1
        if !links[index].edges[origin].isAsked { graft([origin], link: index) }
    }

    // MARK: Digests

    /// What is held of a stream has changed: each neighbour that does not learn it by push is told by digest. It may be
    /// news for it, and its origin may wait to know that somebody else has it; for others it is an acknowledgement.
    mutating func markDirty(_ origin: Int) {
        let held = store.streams[origin].held
        for index in links.indices where links[index].isIntroduced {
            let hasIt = members[origin].parent == links[index].id || known(origin, by: index) >= held
            markDirty(origin, link: index, isUrgent: !hasIt || links[index].neighbour == origin)
        }
    }

    /// - Parameter isUrgent: false if nobody waits for it: an acknowledgement, or a newer announcement, of which a
    ///   large network makes many. These are gathered for longer.
    mutating func markDirty(_ origin: Int, link index: Int, isUrgent: Bool = true) {
        links[index].markDirty(origin)
        let delay = configuration.timing.digestDelay
        let due = now.adding(milliseconds: isUrgent ? delay : Self.unhurriedDigests * delay)
        if let present = links[index].digestsDue, present <= due { return }
        links[index].digestsDue = due
        timers.set(.digests, at: due)
    }

    /// So many times as long are digests gathered that nobody waits for.
    static let unhurriedDigests: UInt64 = 10

    /// One IHAVE a link for all that has changed. It is an acknowledgement for the neighbour that pushed, and news for
    /// one that is lazy.
    mutating func sendDigests() {
        for index in links.indices {
            guard let due = links[index].digestsDue else { continue }
            guard due <= now else {
                timers.set(.digests, at: due)
                continue
            }
            links[index].digestsDue = nil
            if links[index].isOpen { sendDigest(link: index) }
        }
    }

    private mutating func sendDigest(link index: Int) {
        var digests: [PeerFrame.Digest] = []
        for origin in links[index].dirty {
            let edge = links[index].edges[origin]
            let held = store.streams[origin].held
            let number = members[origin].announcementNumber
            links[index].edges[origin].isDirty = false
            guard held > edge.toldHeld || number > max(edge.toldAnnouncement, edge.announcement) else { continue }
            links[index].edges[origin].toldHeld = held
            links[index].edges[origin].toldAnnouncement = number
            let age = now.microseconds(since: members[origin].arrivals.last)
            digests.append(
                PeerFrame.Digest(
                    origin: servers[origin], held: held, announcement: number, age: UInt32(clamping: age)))
        }
        links[index].dirty.removeAll(keepingCapacity: true)
        guard !digests.isEmpty else { return }
        counters.digestsSent += 1
        send(links[index].takesAges ? .haveSince(digests) : .have(digests), link: index)
    }

    mutating func onIHave(_ digests: [PeerFrame.Digest], link index: Int) {
        let server = links[index].neighbour
        for digest in digests {
            guard digest.held < 1 << 63, let origin = streamIndex(of: digest.origin, through: digest.held) else {
                continue
            }
            let known = version(of: origin, by: index)
            queues[server].acknowledge(origin, through: digest.held)
            let edge = links[index].edges[origin]
            links[index].edges[origin].announcement = max(edge.announcement, digest.announcement)
            guard origin != Self.ownIndex else {
                confirmClaims()
                continue
            }
            if version(of: origin, by: index) - known == 1 { compare(digest, of: origin, link: index) }
            if isMissing(digest.held, digest.announcement, of: origin), members[origin].awaited?.hasCome != false {
                wait(for: digest, of: origin, since: now)
            }
        }
    }

    func known(_ origin: Int, by link: Int) -> UInt64 { queues[links[link].neighbour].acknowledged[origin] }

    private func isMissing(_ held: UInt64, _ announcement: UInt64, of origin: Int) -> Bool {
        if held > store.streams[origin].held { return true }
        return announcement > members[origin].announcementNumber && configuration.defect != .announcementsNotRepaired
    }

    // MARK: Patience

    /// How long what a digest told of may take to come by itself. A tree of slow links may be later than a digest over
    /// a fast one, and a graft for what is on its way would be a wasted copy: so, like a retransmission timer, it
    /// follows what was seen.
    private var patience: UInt64 {
        max(configuration.timing.graftDelay, min(2 * treeLag.milliseconds, Self.patienceMax))
    }

    static let patienceMax: UInt64 = 2000

    private mutating func wait(for digest: PeerFrame.Digest, of origin: Int, since: Instant) {
        members[origin].awaited = Awaited(digest: digest, since: since, asked: now)
        timers.set(.graft(origin), at: now.adding(milliseconds: patience))
    }

    /// Something new of the origin has come, and its announcement of this number is known.
    private mutating func endWait(for origin: Int, announcement: UInt64) {
        guard let awaited = members[origin].awaited, !awaited.hasCome,
            awaited.digest.held <= store.streams[origin].held, awaited.digest.announcement <= announcement
        else { return }
        members[origin].awaited?.hasCome = true
        treeLag.note(now.milliseconds(since: awaited.since))
    }

    /// What a digest told of has not come by itself: ask the neighbour that has most of it.
    mutating func graftMissing(_ origin: Int) {
        guard let awaited = members[origin].awaited else { return }
        let due = awaited.asked.adding(milliseconds: patience)
        // The timer was for an earlier one, or trees have turned out to be slower.
        guard now >= due else { return timers.set(.graft(origin), at: due) }
        members[origin].awaited = nil
        let candidates = links.indices.filter { index in
            links[index].isOpen && !hasGap(in: origin, link: index)
                && isMissing(known(origin, by: index), links[index].edges[origin].announcement, of: origin)
        }
        guard let best = candidates.max(by: { known(origin, by: $0) < known(origin, by: $1) }) else { return }
        let newest = PeerFrame.Digest(
            origin: servers[origin], held: known(origin, by: best),
            announcement: links[best].edges[origin].announcement)
        // What was waited for has come; what a later digest told of gets its own time.
        guard isMissing(awaited.digest.held, awaited.digest.announcement, of: origin) else {
            return wait(for: newest, of: origin, since: now)
        }
        counters.repairs += 1
        graft([origin], link: best)
        // Should that link fail as well, ask again.
        wait(for: newest, of: origin, since: awaited.since)
    }
}
