import Codecs
import DequeModule

/// Sessions that begin at a floor: *catching up* until they can be *live*.
///
/// A live session is a cursor into the log, which is in the order in which this server delivered. A session that comes
/// from elsewhere has been shown other records: some that are not delivered here yet, and not some that are. So it is
/// fed from the store what it was not shown, and turns live at a moment at which the two agree in every stream: what
/// went into the log before, it has; what comes after, it has not.
extension Node {
    // MARK: Floors

    /// What a session has been shown when everything has arrived that it was sent so far.
    mutating func floor(of slot: Int) -> Floor {
        let id = sessions.id(of: slot)
        if sessions.sessions[slot].state == .away, let floor = sessions.move(of: slot).flatMap({ moves[$0]?.floor }) {
            return floor
        }
        if sessions.sessions[slot].state == .catchingUp, let index = feeding.index(of: id) {
            return floor(shown: feeding.feeds[index].shown, unknown: feeding.feeds[index].unknown)
        }
        return floor(shown: store.delivered)
    }

    /// The floor of who was shown so much of each stream.
    mutating func floor(shown: [UInt64], unknown: [StreamPosition] = []) -> Floor {
        let known = servers.indices.map { StreamPosition(origin: servers[$0], seq: shown[$0]) }
        // Where it is used a stream may not be forgotten yet that is here, or be over at a later record: then a gap was
        // stated here, and is not to be stated again there.
        dropLongForgotten()
        let forgotten = recentlyForgotten.map { (position, _) in
            StreamPosition(
                origin: position.origin, seq: max(position.seq, tombstones[position.origin]?.held ?? position.seq))
        }
        return limited(known + unknown + forgotten)
    }

    /// What either of two floors covers.
    mutating func union(_ one: Floor, _ other: Floor) -> Floor { limited(one.positions + other.positions) }

    /// A floor of these positions. If they are more than it may hold, those of streams that are unknown here go: what a
    /// session was shown of them may come again.
    private mutating func limited(_ positions: [StreamPosition]) -> Floor {
        let (floor, leftOut) = Floor.limited(positions) { servers.index(of: $0) != nil }
        counters.positionsLeftOut += UInt64(leftOut)
        return floor
    }

    /// What counts of what a client says of itself. It may name any servers, and its floor is told to all others: of
    /// those that are unknown here the last to start count, which are the least likely to be over.
    mutating func admitted(_ floor: Floor) -> Floor {
        let unknown = floor.positions.count { servers.index(of: $0.origin) == nil }
        var surplus = unknown - configuration.limits.unknownPositions
        guard surplus > 0 else { return floor }
        counters.positionsLeftOut += UInt64(surplus)
        return Floor(
            floor.positions.filter { position in
                guard surplus > 0, servers.index(of: position.origin) == nil else { return true }
                surplus -= 1
                return false
            })
    }

    /// Forgotten streams that floors name at most: what a floor has room for beside as many members, however few of
    /// them this server may know at a time. The fewer those are, the more are forgotten.
    static let forgottenMax = Floor.positionsMax / 2

    /// As many floors name always: a part of the network that was away has still got them.
    private static let forgottenAlways = 64

    /// For how long floors name more forgotten streams, in milliseconds. Who has still got it keeps its records for the
    /// window of resuming from when they came there, which may have been when it was forgotten here. (A guess: so long
    /// once more.)
    private var forgottenMemory: UInt64 {
        2 * configuration.timing.resumeWindow + Self.forgottenIntervals * configuration.timing.announceInterval
    }

    /// Announce intervals within which everybody else forgets a stream, if nothing is kept for sessions.
    private static let forgottenIntervals: UInt64 = 4

    mutating func noteForgotten(_ position: StreamPosition) {
        dropLongForgotten()
        recentlyForgotten.append((position, now))
        let isFull = recentlyForgotten.count > Self.forgottenMax
        noteLimit("streams that were forgotten lately", isReached: isFull)
        if isFull { recentlyForgotten.removeFirst() }
    }

    private mutating func dropLongForgotten() {
        while recentlyForgotten.count > Self.forgottenAlways, let first = recentlyForgotten.first,
            now.milliseconds(since: first.since) > forgottenMemory
        {
            recentlyForgotten.removeFirst()
        }
    }

    // MARK: Beginning

    /// The session, which has had its LOGIN_SUCCESS, gets everything from now on, or everything that a floor does not
    /// cover. At the limit of sessions that are catching up it begins now: what it misses comes no more.
    mutating func begin(_ slot: Int, at floor: Floor? = nil) {
        let state = sessions.sessions[slot].state
        precondition(state == .new || state == .away, "a session begins once")
        let said = takePositions(slot)
        if said != nil { beginTelling(slot) }
        // Who knows where it is knows it better than its old server.
        let start = beginShowing(slot, at: said.flatMap { $0.positions.isEmpty ? nil : $0 } ?? floor)
        loadChanged()
        // Nobody comes back to an anonymous one.
        guard sessions.user(of: slot).claim != nil else { return }
        openSession(slot, at: start ?? self.floor(shown: store.delivered))
    }

    /// What the client has said of where it is, if it asks for positions: it is true when its session begins.
    private mutating func takePositions(_ slot: Int) -> Floor? {
        guard sessions.user(of: slot).claim != nil, let said = asked[slot]?.positions else { return nil }
        asked[slot]?.positions = nil
        return said
    }

    /// The client asks to be told where it is. Who is told is fed for as long as it is here, so those are counted apart
    /// from all others: else there would be no room left for who catches up. Who is told nothing from the beginning
    /// knows that it is not; who has been told is told again when a move has failed.
    private mutating func beginTelling(_ slot: Int) {
        let isFull = toldPositions.count >= configuration.limits.toldPositions
        noteLimit("clients that are told positions", isReached: isFull)
        if isFull { counters.positionsRefused += 1 } else { toldPositions.insert(slot) }
    }

    /// Returns the floor at which it begins; nil: now.
    private mutating func beginShowing(_ slot: Int, at floor: Floor?) -> Floor? {
        let isTold = toldPositions.contains(slot)
        guard let floor = floor ?? (isTold ? self.floor(shown: store.delivered) : nil) else {
            turnLive(slot)
            return nil
        }
        counters.floorsUsed += 1
        let isFull = feeding.catchingUpCount >= configuration.limits.catchingUp
        if !isTold { noteLimit("sessions that are catching up", isReached: isFull) }
        guard isTold || !isFull else {
            counters.floorsRefused += 1
            turnLive(slot)
            return nil
        }
        var feed = Feed(
            session: sessions.id(of: slot), shown: [UInt64](repeating: 0, count: servers.capacity),
            missed: [Feed.Missed](repeating: Feed.Missed(), count: servers.capacity), unknown: [], since: now)
        for position in floor.positions {
            if let index = servers.index(of: position.origin) {
                feed.shown[index] = position.seq
            } else {
                feed.unknown.append(position)
            }
        }
        sessions.setState(.catchingUp, of: slot)
        if isTold {
            feed.told = [UInt64](repeating: 0, count: feed.shown.count)
            feeding.feeds.append(feed)
            let start = outbox.bytes.count
            tellPositions(feeding.count - 1, isBeginning: true)
            outbox.append(.reply(feed.session, start..<outbox.bytes.count))
        } else {
            feeding.feeds.append(feed)
        }
        if self.feed(feeding.count - 1) { feeding.feeds.removeLast() }
        return floor
    }

    private mutating func turnLive(_ slot: Int) {
        sessions.follow(slot, from: publications.end)
        fedLines[slot]?.followedFrom = publications.end
        outbox.append(.follow(sessions.id(of: slot)))
    }

    // MARK: Feeding

    /// What was fed to a client is sent, and there is room for more.
    public mutating func clientHasRoom(_ id: SessionID, at now: Instant) {
        self.now = now
        guard let index = feeding.index(of: id) else { return }
        feeding.feeds[index].isFull = false
        feeding.feeds[index].settledAt = nil
    }

    /// Feeds every session that is catching up as far as it has room; who has everything turns live.
    mutating func feedSessions() {
        guard !feeding.isEmpty else { return }
        var live: Set<Int> = []
        for index in feeding.feeds.indices where feed(index) { live.insert(index) }
        guard !live.isEmpty else { return }
        feeding.feeds = feeding.feeds.indices.filter { !live.contains($0) }.map { feeding.feeds[$0] }
    }

    /// Returns whether the session has turned live.
    private mutating func feed(_ index: Int) -> Bool {
        guard !feeding.feeds[index].isFull, feeding.feeds[index].settledAt != store.revision else { return false }
        dropForgotten(of: index)
        let isReached = isReached(index)
        let start = outbox.bytes.count
        let end = start + configuration.limits.feedBytes
        var isProgress = true
        while isProgress, outbox.bytes.count < end {
            isProgress = false
            for stream in servers.indices
            where feed(stream, to: index, until: end, isReached: isReached) { isProgress = true }
            // What follows something that is no longer held comes when nothing else is left: nobody knows what that
            // followed. What follows something that may still come waits for as long as the session waits anyhow.
            // Dependencies in a circle are a faulty peer's: order yields to reach.
            for order in [FeedOrder.owedOrComing, .owed, .none] where !isProgress {
                guard order == .owedOrComing || isReached else { break }
                for stream in servers.indices where !isProgress && lacks(stream, index) {
                    isProgress = feed(
                        stream, to: index, until: outbox.bytes.count + 1, isReached: isReached, in: order)
                }
            }
        }
        if outbox.bytes.count > start {
            tellPositions(index)
            outbox.append(.feed(feeding.feeds[index].session, start..<outbox.bytes.count))
            feeding.feeds[index].isFull = true
        }
        let lacksSome = servers.indices.contains { lacks($0, index) }
        feeding.feeds[index].settledAt = lacksSome ? nil : store.revision
        guard !lacksSome, feeding.feeds[index].told == nil, isReached,
            let slot = sessions.slot(of: feeding.feeds[index].session)
        else {
            return false
        }
        counters.sessionsCaughtUp += 1
        turnLive(slot)
        return true
    }

    /// Tells a client that asks for it, behind what it was fed, of which records that is all up to where.
    private mutating func tellPositions(_ index: Int, isBeginning: Bool = false) {
        guard feeding.feeds[index].told != nil else { return }
        var positions: [StreamPosition] = []
        for stream in servers.indices {
            let seq = feeding.feeds[index].shown[stream]
            guard isBeginning || seq != feeding.feeds[index].told?[stream] else { continue }
            feeding.feeds[index].told?[stream] = seq
            positions.append(StreamPosition(origin: servers[stream], seq: seq))
        }
        let start = outbox.bytes.count
        ServerReply.position(positions).render(into: &outbox.bytes)
        sessions.addPrivate(outbox.bytes.count - start, to: Int(feeding.feeds[index].session.slot))
    }

    /// Whether the activity was sent twice, and is the one of the two that was not shown here, or the session was shown
    /// the other one elsewhere.
    private func isRepeated(_ header: RecordHeader, _ seq: UInt64, of stream: Int, _ index: Int) -> Bool {
        guard !repeated.isEmpty, let sending = header.sending, let claim = header.claim else { return false }
        let key = SendingTable.Key(claim: claim, run: sending.run)
        let position = StreamPosition(origin: servers[stream], seq: seq)
        return repeated.contains { other in
            guard other.number == sending.number, other.key == key else { return false }
            return other.position == position
                || servers.index(of: other.position.origin).map { feeding.feeds[index].shown[$0] >= other.position.seq }
                    ?? false
        }
    }

    /// Whether the session was not shown yet what is delivered of the stream.
    private func lacks(_ stream: Int, _ index: Int) -> Bool {
        feeding.feeds[index].shown[stream] < store.streams[stream].delivered
    }

    /// Whether this server has delivered everything that the session was shown, and everything that it will not show to
    /// those who follow the log.
    private func isReached(_ index: Int) -> Bool {
        configuration.defect == .liveBeforeFloor
            || feeding.feeds[index].unknown.isEmpty
                && servers.indices.allSatisfy { stream in
                    let needed = max(feeding.feeds[index].shown[stream], store.streams[stream].silentThrough)
                    return needed <= store.streams[stream].delivered
                }
    }

    /// After which others a record is fed.
    private enum FeedOrder: Comparable {
        case none
        /// After its sender's activity before it, from elsewhere, if that is still owed.
        case owed
        /// The same, and not yet if that is not delivered here and may come.
        case owedOrComing
        /// The same, and not yet if the session was owed that and it is no longer held.
        case owedOrComingOrMissed
    }

    /// Feeds records of one stream, up to one that has to wait. A numbered one may be a repetition of what the session
    /// was shown elsewhere, and waits until that is here. Returns whether there was one.
    private mutating func feed(
        _ stream: Int, to index: Int, until end: Int, isReached: Bool, in order: FeedOrder = .owedOrComingOrMissed
    ) -> Bool {
        let first = feeding.feeds[index].shown[stream]
        while lacks(stream, index), outbox.bytes.count < end {
            let seq = feeding.feeds[index].shown[stream] + 1
            guard let place = store.location(of: seq, in: stream) else {
                missed(stream, from: seq, index)
                continue
            }
            let bytes = store.streams[stream].segments[place.segment].bytes
            guard let (header, payload) = try? RecordHeader.decode(in: bytes.span, at: place.range) else {
                preconditionFailure("a record's header was decoded before it was stored")
            }
            if header.kind == RecordKind.activity.rawValue {
                if let dependency = header.dependency, waits(for: dependency, index, in: order) { break }
                if header.sending != nil, !isReached { break }
                if !isRepeated(header, seq, of: stream, index) { feed(bytes[payload], of: stream, seq, to: index) }
            }
            feeding.feeds[index].shown[stream] = seq
        }
        return feeding.feeds[index].shown[stream] > first
    }

    private mutating func feed(_ line: ArraySlice<UInt8>, of stream: Int, _ seq: UInt64, to index: Int) {
        // It is not in the log either.
        guard line.count <= configuration.limits.publishedLineBytes, ActivityRenderer.isLine(line.span) else { return }
        outbox.bytes.append(contentsOf: line)
        counters.recordsFed += 1
        let slot = Int(feeding.feeds[index].session.slot)
        sessions.addPrivate(line.count, to: slot)
        guard keepsSessions else { return }
        fedLines.change(slot, otherwise: FedLines()) { $0.append(line.count, stream: stream, seq: seq) }
    }

    /// Whether what follows this record has to wait. A server that has just joined shows what follows a record to those
    /// who were owed it elsewhere; that record may come later, or the news of its stream.
    private func waits(for position: StreamPosition, _ index: Int, in order: FeedOrder) -> Bool {
        guard order > .none else { return false }
        let mayCome = order > .owed && !isDelivered(position)
        guard let stream = servers.index(of: position.origin) else {
            let missed = feeding.feeds[index].missedOfForgotten[position.origin]
            if order > .owedOrComing, let missed, missed.contains(position.seq) { return true }
            return mayCome && !isShown(position, among: feeding.feeds[index].unknown)
        }
        if order > .owedOrComing, feeding.feeds[index].missed[stream].contains(position.seq) { return true }
        return feeding.feeds[index].shown[stream] < position.seq
            && (position.seq <= store.streams[stream].delivered || mayCome)
    }

    private func isShown(_ position: StreamPosition, among positions: [StreamPosition]) -> Bool {
        positions.contains { $0.origin == position.origin && $0.seq >= position.seq }
    }

    /// What the session is owed is not held any more: a stated gap.
    private mutating func missed(_ stream: Int, from seq: UInt64, _ index: Int) {
        let last = min(store.streams[stream].oldest - 1, store.streams[stream].delivered)
        feeding.feeds[index].shown[stream] = last
        // Of a stream that was unknown where the floor was made, what was before this server heard of it is a baseline.
        let shown = seq > 1 ? seq - 1 : store.streams[stream].baseline
        if last > shown { feeding.feeds[index].missed[stream].add(after: shown, through: last) }
        missed(StreamPosition(origin: servers[stream], seq: shown), through: last)
    }

    /// What a session is owed after a position will not come.
    private mutating func missed(_ position: StreamPosition, through last: UInt64) {
        guard last > position.seq else { return }
        // A faulty peer may tell of ends whose sum is beyond 64 bits.
        counters.recordsMissed &+= last - position.seq
        outbox.report(
            .floorGap(StreamPosition(origin: position.origin, seq: last), records: last - position.seq))
    }

    /// Whether all that a floor does not cover, and that is delivered here, is held as well. Of a stream that it does
    /// not name nothing was shown, and what was in it before this server heard of it is a baseline.
    func canFeed(from floor: Floor) -> Bool {
        let areUnknownOver = floor.positions.allSatisfy { position in
            servers.index(of: position.origin) != nil
                || tombstones[position.origin].map { $0.held <= position.seq } ?? true
        }
        return areUnknownOver
            && servers.indices.allSatisfy { stream in
                let shown = floor[servers[stream]]
                return store.streams[stream].oldest - 1 <= (shown > 0 ? shown : store.streams[stream].baseline)
            }
    }

    // MARK: Ends of floors

    /// A stream that was shown elsewhere and is over and forgotten here will not come.
    private mutating func dropForgotten(of index: Int) {
        guard !feeding.feeds[index].unknown.isEmpty else { return }
        let unknown = feeding.feeds[index].unknown
        feeding.feeds[index].unknown.removeAll()
        for position in unknown {
            if let tombstone = tombstones[position.origin] {
                feeding.feeds[index].missedOfForgotten[position.origin] = Feed.Missed(
                    after: position.seq, through: tombstone.held)
                missed(position, through: tombstone.held)
            } else if !tombstones.mayHaveForgotten(position.origin) {
                feeding.feeds[index].unknown.append(position)
            }
        }
    }

    /// A floor that is ahead of what this server has waits for it, unless the origin is gone and all members that can
    /// be reached agree that there is no more of it.
    mutating func endFloors() {
        let patience = Self.floorIntervals * configuration.timing.announceInterval
        for index in feeding.feeds.indices {
            let waited = now.milliseconds(since: feeding.feeds[index].since)
            guard waited >= patience else { continue }
            let isLate = waited >= Self.lateFloorFactor * patience
            for stream in servers.indices {
                let needed = max(feeding.feeds[index].shown[stream], store.streams[stream].silentThrough)
                guard needed > store.streams[stream].delivered, isOver(stream, isLate: isLate) else { continue }
                store.endSilence(stream)
                feeding.feeds[index].shown[stream] = store.streams[stream].delivered
                counters.floorsEnded += 1
            }
            counters.floorsEnded += UInt64(feeding.feeds[index].unknown.count)
            feeding.feeds[index].unknown = []
            feeding.feeds[index].settledAt = nil
        }
    }

    /// Announce intervals after which everybody who can be reached has told what is held of a stream.
    static let floorIntervals: UInt64 = 3
    /// After so many times as long it does not matter any more what the others have told: each may have had it once,
    /// and believe that of the other.
    static let lateFloorFactor: UInt64 = 5

    private func isOver(_ stream: Int, isLate: Bool) -> Bool {
        let held = store.streams[stream].held
        return stream != Self.ownIndex && members[stream].status != .reachable
            && store.streams[stream].delivered == held
            && (isLate || reachableOthers.allSatisfy { queues[$0].acknowledged[stream] <= held })
    }
}
