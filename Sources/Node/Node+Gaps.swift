import Codecs

/// Gaps: records that a neighbour has given up at its bound, and tells so (GAP).
///
/// Bounds are each server's own: another neighbour may still hold what this one gave up. So the gap stays open for a
/// while: the neighbour that told it is pruned for the stream, since what follows the gap is of no use yet, and the
/// others are grafted. When the records have come, or all have told the gap, or nothing comes any more, the gap is
/// closed, if need be by stepping over it, and the tree goes on with whoever has more.
///
/// It is no state of its own but a mark on the edge of the link over which it was told, so it goes with the link:
/// whoever comes after it tells what it has got. A neighbour with a mark is not asked, so GAP and GRAFT make no circle.
extension Node {
    mutating func receiveGap(_ position: StreamPosition, link index: Int) {
        guard position.seq < 1 << 63, let origin = streamIndex(of: position.origin, through: position.seq),
            origin != Self.ownIndex
        else { return }
        queues[links[index].neighbour].acknowledge(origin, through: position.seq)
        guard position.seq > store.streams[origin].held else { return }
        links[index].edges[origin].gap = position.seq
        let isFirst = members[origin].gapSince == nil
        if isFirst { members[origin].gapSince = now }
        settleGap(in: origin)
        guard hasGap(in: origin, link: index) else { return }
        if members[origin].parent == links[index].id { members[origin].parent = nil }
        if links[index].edges[origin].receives { prune(origin, link: index) }
        guard isFirst else { return }
        counters.gapsPutOff += 1
        // Who was not pruned pushes by itself what is lacking here.
        for other in links.indices where links[other].isOpen && !links[other].edges[origin].receives {
            graft([origin], link: other)
        }
    }

    /// Whether the neighbour has given up what comes next of the stream.
    func hasGap(in origin: Int, link index: Int) -> Bool { links[index].edges[origin].gap > 0 }

    /// Whether what comes next of the stream may come over a link. Who knows nothing of the stream has nothing of it.
    func mayFillGap(in origin: Int, link index: Int) -> Bool {
        links[index].isIntroduced && !hasGap(in: origin, link: index) && known(origin, by: index) > 0
    }

    /// Whether what one neighbour has given up may come from another: one that has something of the stream; or, if the
    /// link is so young that a part of the network is just coming back, one that is still to be linked.
    private func mayFillGap(in origin: Int, toldBy teller: Int) -> Bool {
        if configuration.defect == .gapNotPutOff { return false }
        if links.indices.contains(where: { mayFillGap(in: origin, link: $0) }) { return true }
        let isYoung = now.milliseconds(since: links[teller].opened) < configuration.timing.gapPatience
        return isYoung && reachableOthers.contains { linkIndex(toServer: $0) == nil }
    }

    /// The longest wait for a gap to be filled, in units of the patience.
    private static let gapExtensions: UInt64 = 10

    /// Steps over the gap as far as everybody has told it, or if nothing has come for too long.
    mutating func settleGap(in origin: Int) {
        guard let since = members[origin].gapSince else { return }
        let tellers = links.indices.filter { links[$0].isOpen && hasGap(in: origin, link: $0) }
        guard let least = tellers.min(by: { links[$0].edges[origin].gap < links[$1].edges[origin].gap }) else {
            // Who told it is gone, and will tell it again.
            members[origin].gapSince = nil
            return
        }
        let due = since.adding(milliseconds: configuration.timing.gapPatience)
        if mayFillGap(in: origin, toldBy: least), now < due { return timers.set(.gap(origin), at: due) }
        // While the readers here are behind, little is read from the other neighbours either.
        let isLate = now >= since.adding(milliseconds: Self.gapExtensions * configuration.timing.gapPatience)
        guard !isBehind(origin) || isLate else {
            return timers.set(.gap(origin), at: now.adding(milliseconds: configuration.timing.gapPatience))
        }
        stepOver(origin, through: links[least].edges[origin].gap)
        // Another one may have told a longer gap.
        settleGap(in: origin)
    }

    /// What is held of the stream is to be shown before it is stepped over: at once that might be more than readers can
    /// take.
    func isBehind(_ origin: Int) -> Bool {
        !postponed.isEmpty || store.streams[origin].delivered < store.streams[origin].held
    }

    /// More of the stream is held: who has told a gap that is closed by it is asked for what follows.
    mutating func closeGaps(in origin: Int) {
        let held = store.streams[origin].held
        members[origin].gapSince = nil
        for index in links.indices where links[index].isOpen && hasGap(in: origin, link: index) {
            guard links[index].edges[origin].gap <= held else {
                members[origin].gapSince = now
                continue
            }
            links[index].edges[origin].gap = 0
            if !links[index].edges[origin].receives { graft([origin], link: index) }
        }
        let isHere = store.streams[origin].oldest <= held
        if members[origin].gapSince == nil, isHere { counters.gapsFilled += 1 }
    }

    /// Nothing of the stream up to `seq` will come any more.
    mutating func stepOver(_ origin: Int, through seq: UInt64) {
        let held = store.streams[origin].held
        guard seq > held else { return }
        // The stream of a server that was never heard of here begins after the gap: what was before is a baseline, and
        // not owed. So is it for who has served nobody.
        if held > 0 || (hasServed && members[origin].announcement != nil) {
            noteGap(through: StreamPosition(origin: servers[origin], seq: seq), since: held)
        } else {
            store.noteBaseline(origin, seq)
        }
        deliverAll(origin)
        store.step(origin, over: seq)
        self.held(origin)
    }

    /// Records after `held` up to a position will not come.
    mutating func noteGap(through position: StreamPosition, since held: UInt64) {
        // A faulty peer may tell of gaps whose sum is beyond 64 bits.
        counters.recordsSkipped &+= position.seq - held
        outbox.report(.gap(position, records: position.seq - held))
    }
}
