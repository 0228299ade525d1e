import Codecs
import DequeModule

/// Forgetting what is over. A server that is gone leaves its stream; when every member holds the stream to the same
/// end, it moves out of the vectors into a tombstone. So a thousand restarts leave vectors and tables of the size of
/// the living network, and a part that returns with the stream finds out how much of it was delivered.
///
/// There is no round of agreement: each server decides alone, from what the members' announcements acknowledge. Whoever
/// has forgotten a stream and sees it in another one's vector says the end (`Announcement.ended`), which acknowledges
/// all of it.
extension Node {
    // MARK: Into the tombstone

    /// Forgets every departed server whose stream is the same everywhere.
    mutating func forgetEnded() {
        for index in members.indices.dropFirst() where isForgettable(index) { forget(index) }
    }

    private func isForgettable(_ index: Int) -> Bool {
        guard members[index].status == .departed, !links.contains(where: { $0.neighbour == index }) else {
            return false
        }
        let stream = store.streams[index]
        guard stream.delivered == stream.held else { return false }
        // A session that comes back within the window may be owed its last records, or to be told that they are gone.
        if keepsSessions, let until = stream.until,
            now.milliseconds(since: until) < configuration.timing.resumeWindow
        {
            return false
        }
        return members.indices.dropFirst().allSatisfy { member in
            member == index || !members[member].isOwed || queues[member].acknowledged[index] == stream.held
        }
    }

    private mutating func forget(_ index: Int) {
        if configuration.defect != .forgottenDeliveredAgain {
            bury(
                PeerFrame.Digest(
                    origin: servers[index], held: store.streams[index].held,
                    announcement: members[index].announcementNumber))
        }
        counters.originsForgotten += 1
        noteForgotten(StreamPosition(origin: servers[index], seq: store.streams[index].held))
        feeding.end(index)
        publications.forget(index)
        fedLines.changeAll { $0.forget(index) }
        whereabouts.remove(server: servers[index])
        for link in links.indices { links[link].clear(index) }
        for queue in queues.indices { queues[queue].clear(index) }
        queues[index] = StoreAndForwardQueue()
        queues[index].ensure(streams: servers.capacity)
        store.clear(index)
        advanced.removeAll { $0 == index }
        waiting.removeAll { $0 == index }
        postponed.removeAll { $0 == index }
        members[index] = Member(id: ServerID(startStamp: 0, random: 0), heard: now)
        members[index].status = .vacant
        servers.remove(index)
    }

    private mutating func bury(_ ended: PeerFrame.Digest) {
        tombstones.insert(ended)
        // What follows something of it need wait no more.
        deliverWaiting()
        // From now on something may be stepped over that never came.
        noteLimit("tombstones", isReached: tombstones.evictions > 0)
    }

    /// The table of servers is full: the departed server that started first is forgotten, although somebody may lack
    /// a record of it; if none has departed, one of which nothing but its stream was ever told. (Each life that ends
    /// while it joins may leave one.) Last come unreachable servers with a later incarnation at their address: who was
    /// told of several that cannot be reached has heard of none, and they would keep out the one that lives. Returns
    /// false if all are members.
    mutating func forgetOldest() -> Bool {
        func oldest(_ status: Member.Status, for milliseconds: UInt64 = 0, where fits: (Int) -> Bool = { _ in true })
            -> Int?
        {
            let candidates = members.indices.dropFirst().filter { index in
                members[index].status == status && now.milliseconds(since: members[index].heard) >= milliseconds
                    && !links.contains { $0.neighbour == index } && fits(index)
            }
            return candidates.min { members[$0].id < members[$1].id }
        }
        func oldestSucceeded() -> Int? {
            let shared = sharedAddresses()
            return oldest(.unreachable) { shared.contains(members[$0].address) && outranking($0) != nil }
        }
        // A server that lives announces itself within an interval.
        let patience = 2 * configuration.timing.announceInterval
        guard let oldest = oldest(.departed) ?? oldest(.unheard, for: patience) ?? oldestSucceeded() else {
            return false
        }
        if members[oldest].status == .unreachable { depart(oldest, .succeeded) }
        let stream = store.streams[oldest]
        if stream.held >= stream.oldest {
            let records = stream.held - stream.oldest + 1
            counters.recordsGivenUp += records
            outbox.report(.givenUp(StreamPosition(origin: servers[oldest], seq: stream.held), records: records))
        }
        deliverAll(oldest)
        counters.originsForgottenEarly += 1
        forget(oldest)
        return true
    }

    // MARK: Out of the tombstone

    /// The server that has just got this index may be one that was forgotten: its stream goes on where it ended.
    mutating func recall(_ index: Int) {
        if let tombstone = tombstones[servers[index]] {
            store.step(index, over: tombstone.held)
            members[index].numberForgotten = tombstone.announcement
            tombstones.remove(servers[index])
            counters.tombstonesRevived += 1
        } else {
            let isDoubtful = tombstones.mayHaveForgotten(servers[index])
            members[index].doubt = isDoubtful ? Member.Doubt(since: now) : nil
        }
    }

    /// The index of a stream of which a neighbour holds, or sends, records up to `seq`; nil if that is nothing new of a
    /// forgotten one, may be that, or there is no room.
    mutating func streamIndex(of origin: ServerID, through seq: UInt64) -> Int? {
        if let index = servers.index(of: origin) {
            if members[index].doubt != nil { stepOverForgotten(index, through: seq) }
            return index
        }
        if let tombstone = tombstones[origin], seq <= tombstone.held { return nil }
        // As long as it does not announce itself, it is one of the dead whose tombstone was evicted.
        if tombstones.mayHaveForgotten(origin) {
            counters.forgottenHits += 1
            return nil
        }
        guard hasRoom(for: origin) else { return nil }
        let index = serverIndex(of: origin)
        if members[index].doubt != nil { stepOverForgotten(index, through: seq) }
        return index
    }

    /// A server that goes on announcing itself lives, and says how far its stream has come: what is beyond that was
    /// never delivered here, whatever its start stamp. A part that returns brings one late announcement of a dead one.
    mutating func noteBeginning(_ announcement: Announcement, of index: Int) {
        guard let doubt = members[index].doubt else { return }
        guard let first = doubt.number else {
            members[index].doubt?.number = announcement.number
            return
        }
        guard announcement.number > first,
            now.milliseconds(since: doubt.since) >= 2 * configuration.timing.announceInterval,
            let own = announcement.held.first(where: { $0.origin == announcement.id }), own.seq < 1 << 63
        else { return }
        stepOverForgotten(index, through: own.seq)
        members[index].doubt = nil
    }

    /// Nobody can tell whether these records were delivered here once: nothing comes twice, before everything comes.
    private mutating func stepOverForgotten(_ index: Int, through seq: UInt64) {
        let held = store.streams[index].held
        guard seq > held else { return }
        counters.forgottenHits += 1
        noteGap(through: StreamPosition(origin: servers[index], seq: seq), since: held)
        store.step(index, over: seq)
        self.held(index)
    }

    /// Whether an announcement can be of a server that is not forgotten, or tells that a forgotten one lives.
    func isNews(_ announcement: Announcement, as arrival: Arrival) -> Bool {
        guard servers.index(of: announcement.id) == nil, let tombstone = tombstones[announcement.id] else {
            return true
        }
        return announcement.number > tombstone.announcement && arrival != .toldUnreachable
    }

    // MARK: Telling the end

    /// Another server holds a stream that is forgotten here, and perhaps its tombstone as well.
    mutating func noteStillHeld(_ position: StreamPosition) {
        let end: UInt64
        if let tombstone = tombstones[position.origin], position.seq <= tombstone.held {
            end = tombstone.held
        } else if tombstones.mayHaveForgotten(position.origin) {
            end = position.seq
        } else {
            return
        }
        if let told = endedToTell.firstIndex(where: { $0.origin == position.origin }) {
            // Of several that hold it each is owed the end that acknowledges all that it holds.
            endedToTell[told].seq = max(endedToTell[told].seq, end)
            return
        }
        guard endedToTell.count < configuration.limits.members else { return }
        endedToTell.append(StreamPosition(origin: position.origin, seq: end))
    }

    /// The ends that others want to be told. They are asked for again as long as somebody still holds the streams.
    mutating func takeEndedToTell() -> [StreamPosition] {
        defer { endedToTell = [] }
        return endedToTell
    }

    /// So many times as long is waited while what is held of the stream is not shown yet.
    private static let behindIntervals: UInt64 = 4

    /// Another server has forgotten this stream, which it had up to `end`: its origin is gone. (If its tombstone is
    /// gone as well, it tells no more than what it was told; then what it acknowledged before counts.) What is missing
    /// here before the end may still come from somebody else; if it has not after an announce interval, it is given up.
    mutating func noteEnded(_ index: Int, at end: UInt64) {
        if linkIndex(toServer: index) == nil, [.unreachable, .unheard].contains(members[index].status) {
            depart(index, .told)
        }
        guard members[index].status == .departed else {
            members[index].ended = nil
            return
        }
        // One that had less of it says an earlier end.
        guard end > store.streams[index].held else { return }
        guard let told = members[index].ended, end <= told.end else {
            members[index].ended = Member.Ended(end: end, since: now)
            for link in links.indices where links[link].isOpen && !hasGap(in: index, link: link) {
                graft([index], link: link)
            }
            return
        }
        let patience = (isBehind(index) ? Self.behindIntervals : 1) * configuration.timing.announceInterval
        guard now.milliseconds(since: told.since) >= patience else { return }
        stepOver(index, through: end)
    }

    /// Another server has forgotten a stream that is unknown here, and by way of that server it cannot come any more.
    /// Whoever still holds it waits for this server's word as well, which its tombstone gives.
    mutating func noteEnded(unknown position: StreamPosition) {
        guard !tombstones.mayHaveForgotten(position.origin) else { return }
        buryUnknown(PeerFrame.Digest(origin: position.origin, held: position.seq, announcement: 0))
    }

    /// What this server forgot at a lower seq went on elsewhere, and is over there as well: the rest may still come
    /// from who holds it, as long as any other stream's would.
    private mutating func buryUnknown(_ ended: PeerFrame.Digest) {
        guard hasServed, let known = tombstones[ended.origin], known.held < ended.held else { return bury(ended) }
        // Room is not made for it: whoever told of it may be the one that would have to go.
        if servers.count < configuration.limits.members {
            noteEnded(serverIndex(of: ended.origin), at: ended.held)
        } else {
            noteGap(through: StreamPosition(origin: ended.origin, seq: ended.held), since: known.held)
            bury(ended)
        }
    }

    /// What a neighbour has forgotten, as it says when the link opens.
    mutating func receive(ended: [PeerFrame.Digest], link index: Int) {
        for digest in ended {
            if let origin = servers.index(of: digest.origin) {
                guard origin != Self.ownIndex, origin != links[index].neighbour else { continue }
                let neighbour = links[index].neighbour
                queues[neighbour].acknowledge(origin, through: digest.held)
                noteEnded(origin, at: queues[neighbour].acknowledged[origin])
            } else {
                buryUnknown(digest)
            }
        }
    }
}
