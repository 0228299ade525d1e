import Codecs
import DequeModule

/// Records: made here, accepted from links, delivered to clients, pushed to neighbours, forgotten.
extension Node {
    // MARK: Made here

    /// Appends a record to this server's own stream; `payload` appends exactly `payloadBytes` bytes. Returns its seq.
    @discardableResult
    mutating func originate(
        _ header: RecordHeader, payloadBytes: Int, payload: (inout [UInt8]) -> Void
    ) -> UInt64 {
        store.append(to: Self.ownIndex, at: now) { bytes in
            header.encode(payloadBytes: payloadBytes, into: &bytes)
            let start = bytes.count
            payload(&bytes)
            precondition(bytes.count - start == payloadBytes, "a payload is as large as was said")
        }
        counters.recordsOriginated += 1
        noteHeld(header, origin: Self.ownIndex, seq: store.streams[Self.ownIndex].held)
        // What was registered here is a past, even if nobody has logged in.
        hasServed = true
        held(Self.ownIndex)
        return store.streams[Self.ownIndex].held
    }

    // MARK: Accepted from links

    /// A frame of records: every record of a peer comes in here, whether pushed, replayed or grafted.
    mutating func receiveRecords(
        _ bytes: Span<UInt8>, frame: Range<Int>, link index: Int
    ) throws(FrameFault) {
        let prefix = try RecordsFrame.prefix(of: bytes, frame: frame)
        let last = prefix.first &+ UInt64(max(1, prefix.count)) &- 1
        guard let origin = streamIndex(of: prefix.origin, through: last) else { return }
        var offset = prefix.recordsStart
        var isNew = false
        for number in 0..<prefix.count {
            let size = try RecordHeader.recordSize(in: bytes.extracting(0..<frame.upperBound), at: offset)
            let range = offset..<offset + size
            switch try accept(bytes, range, of: origin, seq: prefix.first + UInt64(number)) {
            case .new: isNew = true
            case .duplicate: counters.recordsDuplicate += 1
            case .outOfOrder:
                // It is not kept, but who sends it holds it.
                queues[links[index].neighbour].acknowledge(origin, through: prefix.first + UInt64(number))
                return recoverOrder(origin, link: index)
            }
            offset += size
        }
        guard offset == frame.upperBound else { throw .trailingBytes(frame.upperBound - offset) }
        guard prefix.count > 0 else { return }
        counters.recordsReceived += UInt64(prefix.count)
        queues[links[index].neighbour].acknowledge(origin, through: prefix.first + UInt64(prefix.count) - 1)
        noteRecords(from: prefix.first, of: origin, isNew: isNew, link: index)
    }

    enum Acceptance {
        case new, duplicate
        /// A seq before it is missing.
        case outOfOrder
    }

    /// The one way into a stream of another server: order and uniqueness rest on it alone.
    private mutating func accept(
        _ bytes: Span<UInt8>, _ range: Range<Int>, of origin: Int, seq: UInt64
    ) throws(FrameFault) -> Acceptance {
        // A record of ours from elsewhere is a copy: nobody else appends to this server's stream.
        guard origin != Self.ownIndex else { return .duplicate }
        let isConfused = configuration.defect == .deliveredCountedAsHeld
        let held = isConfused ? store.streams[origin].delivered : store.streams[origin].held
        if seq <= held { return .duplicate }
        if seq > held + 1 {
            guard configuration.defect == .replayOvertaken else { return .outOfOrder }
            store.step(origin, over: seq - 1)
        }
        let (header, payload) = try RecordHeader.decode(in: bytes, at: range)
        if !header.isKnown { counters.recordsUnknown += 1 }
        let kind = RecordKind(rawValue: header.kind)
        if let kind, kind.isAboutUsers {
            var content: [UInt8] = []
            content.append(bytes: bytes.extracting(payload))
            var reader = WireReader(content)
            let account = try kind == .claim ? Account(Claim(from: &reader)) : Account(from: &reader)
            try reader.finish()
            merge(account)
        }
        let session = kind?.isAboutSessions == true ? try Self.sessionRecord(bytes.extracting(payload)) : nil
        store.append(to: origin, at: now) { segment in
            segment.append(bytes: bytes.extracting(range))
        }
        noteHeld(header, origin: origin, seq: seq)
        if let session, let kind { note(kind, session, of: header.claim, origin: origin, seq: seq) }
        self.held(origin)
        return .new
    }

    private static func sessionRecord(_ payload: Span<UInt8>) throws(FrameFault) -> SessionRecord {
        var content: [UInt8] = []
        content.append(bytes: payload)
        var reader = WireReader(content)
        let record = try SessionRecord(from: &reader)
        try reader.finish()
        return record
    }

    /// A stream has a new record or was stepped over some: deliver, push on, tell by digest.
    mutating func held(_ index: Int) {
        if advanced.last != index { advanced.append(index) }
        noteNews(of: index)
        // A server holds what arose at it: nobody need tell it.
        queues[index].acknowledge(index, through: store.streams[index].held)
        if members[index].gapSince != nil { closeGaps(in: index) }
        deliver(index)
        markDirty(index)
    }

    // MARK: Delivered

    /// Delivers what the stream has, and what waited for it.
    private mutating func deliver(_ index: Int) {
        // A stream that was stepped over some has nothing to deliver, but others may have waited for these.
        _ = deliverStream(index)
        deliverWaiting()
    }

    /// Goes on with what arose at this server.
    mutating func deliverOwn() { deliver(Self.ownIndex) }

    /// Delivers what waits for nothing any more.
    mutating func deliverWaiting() {
        var isProgress = !waiting.isEmpty
        while isProgress {
            isProgress = false
            for index in waiting where deliverStream(index) { isProgress = true }
            waiting.removeAll { store.streams[$0].waitsFor == nil }
        }
    }

    /// Gives leave to publish so many bytes, and goes on with what had none.
    mutating func deliverPostponed(bytes: Int) {
        deliveryLeft = bytes
        guard bytes > 0, let first = postponed.first else { return }
        let batch = postponed
        postponed = []
        for index in batch { deliver(index) }
        // A stream that used the leave up lets the others go first next time.
        if postponed.count > 1, postponed.first == first { postponed.append(postponed.removeFirst()) }
    }

    /// Delivers all that the stream holds, whatever it waits for: it is about to be stepped over, and would be lost.
    ///
    /// - Parameter behind: streams that wait for this one, and are about to be stepped over.
    mutating func deliverAll(_ index: Int, behind: [Int] = []) {
        guard store.streams[index].delivered < store.streams[index].held else { return }
        let left = deliveryLeft
        deliveryLeft = .max
        if index == Self.ownIndex { showsUnheld = true }
        while true {
            _ = deliverStream(index)
            guard let position = store.streams[index].waitsFor else { break }
            let origin = servers.index(of: position.origin)
            if let origin, origin != index, !behind.contains(origin), store.streams[origin].held >= position.seq {
                // It is here, and lacks nothing but leave to be published.
                deliverAll(origin, behind: behind + [index])
            } else {
                counters.dependenciesExpired += 1
                forgive(index)
            }
        }
        precondition(store.streams[index].delivered == store.streams[index].held, "nothing is left to wait for")
        deliveryLeft = max(0, left - (Int.max - deliveryLeft))
        waiting.removeAll { $0 == index }
        postponed.removeAll { $0 == index }
    }

    /// What came of a record that is next in its stream.
    private enum Delivery {
        case done
        /// What its sender sent before is not delivered yet.
        case waits
        /// There is no leave to publish it now.
        case postponed
        /// It was made here, and too few servers hold it yet.
        case unheld
    }

    /// Delivers the stream's records in order, as far as they wait for nothing. Returns whether there was one.
    private mutating func deliverStream(_ index: Int) -> Bool {
        let before = store.streams[index].delivered
        while store.streams[index].delivered < store.streams[index].held {
            let seq = store.streams[index].delivered + 1
            guard let place = store.location(of: seq, in: index) else {
                store.setDelivered(index, store.streams[index].oldest - 1)
                continue
            }
            let delivery = deliverRecord(seq, of: index, segment: place.segment, range: place.range)
            if delivery == .postponed { postpone(index) }
            if delivery == .unheld { awaitHolders() }
            guard delivery == .done else { break }
            store.setDelivered(index, seq)
        }
        return store.streams[index].delivered > before
    }

    private mutating func deliverRecord(
        _ seq: UInt64, of index: Int, segment: Int, range: Range<Int>
    ) -> Delivery {
        let bytes = store.streams[index].segments[segment].bytes
        guard let (header, payload) = try? RecordHeader.decode(in: bytes.span, at: range) else {
            preconditionFailure("a record's header was decoded before it was stored")
        }
        guard header.kind == RecordKind.activity.rawValue else { return .done }
        // What is not shown is followed in order all the same: the sender's next activity here depends on its latest.
        // But a stream that a joiner was told nothing of will not come.
        let isSilent = seq <= store.streams[index].silentThrough
        if let dependency = header.dependency, !isDelivered(dependency),
            !isSilent || servers.index(of: dependency.origin) != nil
        {
            wait(index, for: dependency)
            return .waits
        }
        if isSilent {
            _ = isFirst(header, of: index, seq)
            if let claim = header.claim {
                noteActivity(of: claim, at: StreamPosition(origin: servers[index], seq: seq))
            }
            return .done
        }
        guard payload.count <= configuration.limits.publishedLineBytes else {
            // Another server allows longer lines than this one's log can take.
            counters.linesTooLongForLog += 1
            outbox.report(.limitReached("the length of a line in the activity log"))
            return .done
        }
        guard index == Self.ownIndex || ActivityRenderer.isLine(bytes.span.extracting(payload)) else {
            counters.linesMalformed += 1
            return .done
        }
        if header.sending != nil, index == Self.ownIndex, !mayShow(seq) { return .unheld }
        guard hasLeave(toPublish: payload.count) else { return .postponed }
        if let claim = header.claim { noteActivity(of: claim, at: StreamPosition(origin: servers[index], seq: seq)) }
        guard isFirst(header, of: index, seq) else { return .done }
        counters.activitiesDelivered += 1
        guard sessions.liveCount > 0 else { return .done }
        deliveryLeft -= min(deliveryLeft, payload.count)
        let start = outbox.bytes.count
        outbox.bytes.append(bytes: bytes.span.extracting(payload))
        outbox.append(.publish(start..<outbox.bytes.count))
        publications.append(payload.count, stream: index, seq: seq)
        return .done
    }

    /// A line that is larger than the whole leave takes all of it: it must be delivered some time.
    private func hasLeave(toPublish count: Int) -> Bool {
        guard sessions.liveCount > 0, configuration.defect != .backlogPublishedAtOnce else { return true }
        return count <= deliveryLeft || (deliveryLeft > 0 && deliveryLeft == configuration.limits.deliveryBytes)
    }

    private mutating func postpone(_ index: Int) {
        store.stopWaiting(index)
        guard !postponed.contains(index) else { return }
        counters.deliveriesPostponed += 1
        postponed.append(index)
    }

    /// The table is as large as that of the claims: what is beyond it was made up by a faulty peer.
    private mutating func noteActivity(of claim: ClaimID, at position: StreamPosition) {
        // What follows in this server's own stream comes after it anyhow.
        guard position.origin != id else { return }
        guard lastActivity.count < configuration.limits.claims || lastActivity[claim] != nil else { return }
        lastActivity[claim] = position
    }

    /// What the stream waits for is late. No stream waits for anything of that origin any more until more of it comes.
    private mutating func forgive(_ index: Int) {
        guard let position = store.streams[index].waitsFor else { return }
        store.stopWaiting(index)
        if isHeld(position), let origin = servers.index(of: position.origin) {
            store.setStuck(origin)
        } else if let origin = servers.index(of: position.origin) {
            store.setMissed(origin)
        } else {
            // At the limit they are waited for anew.
            if missedOrigins.count >= configuration.limits.members { missedOrigins.removeAll() }
            missedOrigins.insert(position.origin)
        }
    }

    func isDelivered(_ position: StreamPosition) -> Bool {
        // Streams begin with 1: a faulty peer's record that depends on 0 waits for nothing.
        guard position.seq > 0 else { return true }
        guard let index = servers.index(of: position.origin) else {
            return tombstones.mayHaveForgotten(position.origin) || missedOrigins.contains(position.origin)
                || tombstones[position.origin].map { position.seq <= $0.held } ?? false
        }
        let stream = store.streams[index]
        let isForgiven =
            position.seq > stream.held ? stream.missedAfter == stream.held : stream.stuckAfter == stream.delivered
        if isForgiven { return true }
        return (configuration.defect == .heldCountedAsDelivered ? stream.held : stream.delivered) >= position.seq
    }

    private mutating func wait(_ index: Int, for dependency: StreamPosition) {
        guard store.streams[index].waitsFor != dependency else { return }
        counters.dependenciesAwaited += 1
        store.setWaiting(index, for: dependency, since: now)
        if !waiting.contains(index) { waiting.append(index) }
        timers.set(.dependency, at: now.adding(milliseconds: Self.dependencyPatience))
    }

    /// How long a record waits for the one that its sender sent before it elsewhere. What is this late was given up or
    /// forgotten; order yields to reach.
    static let dependencyPatience: UInt64 = 10_000

    /// The same if that one is here, and its own stream waits: that ends, and order is kept, unless a faulty peer's
    /// dependencies make a circle or a long row.
    static let heldDependencyPatience = 3 * dependencyPatience

    private func isHeld(_ position: StreamPosition) -> Bool {
        servers.index(of: position.origin).map { position.seq <= store.streams[$0].held } ?? false
    }

    mutating func expireDependencies() {
        // What is late because there is no leave to publish it is not lost: it comes, and in order.
        guard postponed.isEmpty else {
            return timers.set(.dependency, at: now.adding(milliseconds: Self.dependencyPatience / 10))
        }
        // One that expires may free others.
        for index in waiting {
            guard let position = store.streams[index].waitsFor else { continue }
            let since = store.streams[index].waitsSince
            let patience = isHeld(position) ? Self.heldDependencyPatience : Self.dependencyPatience
            guard now.milliseconds(since: since) >= patience else {
                timers.set(.dependency, at: since.adding(milliseconds: patience))
                continue
            }
            counters.dependenciesExpired += 1
            forgive(index)
            deliver(index)
        }
        waiting.removeAll { store.streams[$0].waitsFor == nil }
    }

    // MARK: Pushed

    /// Pushes to each neighbour what it lacks of the streams on whose tree the link is eager.
    mutating func pushRecords() {
        for index in links.indices where links[index].isOpen {
            let hadCredit = hasCredit(index)
            if !links[index].hasBacklog {
                for origin in advanced where !push(origin, link: index) { links[index].hasBacklog = true }
            }
            if links[index].hasBacklog || links[index].owesState { pushBacklog(link: index) }
            if hadCredit, !hasCredit(index) { counters.creditExhausted += 1 }
        }
    }

    /// A chunk of state and a frame of records in turn, a frame of each stream in turn, until nothing is left or the
    /// credit is used up: fresh records wait neither behind the backlog of another stream nor behind the state.
    private mutating func pushBacklog(link index: Int) {
        while hasCredit(index) {
            let isStatesTurn = links[index].owesState && !links[index].stateWasLast
            links[index].stateWasLast = isStatesTurn
            if isStatesTurn {
                pushState(link: index)
            } else if !pushFrame(link: index), !links[index].owesState {
                links[index].hasBacklog = false
                return
            }
        }
        links[index].hasBacklog = true
    }

    /// Pushes a frame of the next stream of which the neighbour lacks something. Returns whether there was one.
    private mutating func pushFrame(link index: Int) -> Bool {
        let server = links[index].neighbour
        for _ in 0..<servers.capacity {
            let origin = queues[server].nextOrigin % servers.capacity
            queues[server].nextOrigin = origin + 1
            guard !push(origin, link: index, frames: 0) else { continue }
            _ = push(origin, link: index, frames: 1)
            return true
        }
        return false
    }

    /// Bytes of one frame of records, unless a single record is larger.
    static let frameBytes = 32 << 10

    func hasCredit(_ index: Int) -> Bool {
        links[index].pushedBytes - links[index].creditedBytes < UInt64(configuration.limits.linkWindowBytes)
    }

    /// Pushes records of one stream. Returns whether nothing of it is left to push over this link.
    private mutating func push(_ origin: Int, link index: Int, frames: Int = .max) -> Bool {
        guard pushes(origin, over: index) else { return true }
        let server = links[index].neighbour
        var frames = frames
        while queues[server].sent[origin] < store.streams[origin].held {
            guard frames > 0, hasCredit(index) else { return false }
            frames -= 1
            let next = queues[server].sent[origin] + 1
            let oldest = store.streams[origin].oldest
            if next < oldest {
                send(.gap(StreamPosition(origin: servers[origin], seq: oldest - 1)), link: index)
                queues[server].markSent(origin, through: oldest - 1)
                // Activities are log, everything else is state: it is not lost with the records that it came in.
                if store.streams[origin].givenUpClaim >= next, configuration.defect != .claimDroppedWithGap {
                    counters.gapsWithState += 1
                    links[index].nextClaim = 0
                }
                continue
            }
            let start = outbox.bytes.count
            let (count, _) = store.appendFrame(
                of: origin, origin: servers[origin], from: next, limit: Self.frameBytes, into: &outbox.bytes)
            outbox.append(.sendLink(links[index].id, start..<outbox.bytes.count))
            links[index].pushedBytes += UInt64(outbox.bytes.count - start)
            links[index].lastSent = now
            counters.recordsSent += UInt64(count)
            queues[server].markSent(origin, through: next + UInt64(count) - 1)
            links[index].edges[origin].toldHeld = queues[server].sent[origin]
        }
        return true
    }

    /// Sends again what a neighbour was sent, has consumed, and does not hold: it may have forgotten the stream, or had
    /// no room for it, when it came. One that says the same at two checks in a row means it.
    mutating func resendLacked() {
        for index in links.indices where links[index].isOpen && !links[index].hasBacklog {
            let server = links[index].neighbour
            let isUnderWay = links[index].creditedBytes < links[index].pushedBytes
            for origin in servers.indices where links[index].edges[origin].pushes {
                let held = queues[server].acknowledged[origin]
                let isLacking = !isUnderWay && held < queues[server].sent[origin]
                guard isLacking, links[index].edges[origin].lackedSince == held else {
                    links[index].edges[origin].lackedSince = isLacking ? held : nil
                    continue
                }
                links[index].edges[origin].lackedSince = nil
                queues[server].rewind(origin, to: held)
                links[index].hasBacklog = true
                counters.resends += 1
            }
        }
    }

    // MARK: Credit

    /// Bytes of records or state were taken in; the other end is told after every quarter of its window.
    mutating func consume(_ count: Int, link index: Int) {
        links[index].consumedBytes += UInt64(count)
        let quarter = UInt64(configuration.limits.linkWindowBytes / 4)
        guard links[index].consumedBytes - links[index].toldBytes >= quarter, links[index].phase != .closing else {
            return
        }
        tellCredit(link: index)
    }

    /// Also told by and by when nothing comes: the other end's window may be smaller than a quarter of ours.
    mutating func tellCredit(link index: Int) {
        guard links[index].consumedBytes > links[index].toldBytes else { return }
        links[index].toldBytes = links[index].consumedBytes
        send(.credit(consumed: links[index].consumedBytes), link: index)
    }

    mutating func receiveCredit(_ consumed: UInt64, link index: Int) {
        guard consumed >= links[index].creditedBytes, consumed <= links[index].pushedBytes else {
            return refuse(index, .protocolError, .brokenFrame, "credit for what was not sent")
        }
        links[index].creditedBytes = consumed
    }

    // MARK: Forgotten

    /// The highest seq of a stream that every member that is owed it has acknowledged; its origin holds it anyhow.
    private func stable(_ index: Int) -> UInt64 {
        // The one server that it was told of was never reached: there is a network that is owed everything.
        if bootstrap != nil, !bootstrapWasReached { return 0 }
        var stable = store.streams[index].held
        for member in members.indices.dropFirst() where members[member].isOwed && member != index {
            stable = min(stable, queues[member].acknowledged[index])
        }
        return stable
    }

    /// Who knows of no other server may have been restarted, and its network may be about to dial it: records are kept
    /// for so long all the same, in milliseconds.
    static let aloneRetention: UInt64 = 60_000
    /// Announce intervals for which records are kept that everybody has who is known: somebody may be about to become
    /// known, and is owed them by others.
    static let retainedIntervals: UInt64 = 2
    /// This part of the store may be filled with what everybody has.
    static let retainedShare = 16

    /// This part of the store may be filled with what everybody has and a session that comes back may be owed.
    static let resumeShare = 4

    /// Forgets what everybody has, if it is old enough or room is wanted.
    mutating func releaseStable(isUrgent: Bool = false) {
        let isAlone = !members.dropFirst().contains(where: \.isOwed)
        let isRoomy = !isUrgent && store.byteCount <= configuration.limits.storeBytes / Self.retainedShare
        let retention =
            isAlone ? Self.aloneRetention : Self.retainedIntervals * configuration.timing.announceInterval
        let isHasty = isUrgent || configuration.defect == .releasedBelowFloor
        var age = max(isRoomy && !isHasty ? retention : 0, isHasty ? 0 : configuration.timing.resumeWindow)
        let floors = isHasty ? [] : leastFloors()
        releaseStable(olderThan: age, floors)
        // Where the window does not fit, a shorter one is kept rather than none.
        while age > 0, store.byteCount > configuration.limits.storeBytes / Self.resumeShare {
            age = age < 1000 ? 0 : age / 2
            releaseStable(olderThan: age, floors)
        }
        releaseAtBytes = store.byteCount + max(Self.releaseStep, store.byteCount / 4)
    }

    private mutating func releaseStable(olderThan age: UInt64, _ floors: [UInt64]) {
        for index in store.streams.indices where store.streams[index].oldest <= store.streams[index].held {
            // What is not delivered yet is still needed here.
            var seq = min(stable(index), store.streams[index].delivered)
            if !floors.isEmpty { seq = min(seq, floors[index]) }
            store.release(index, through: seq, unless: { now.milliseconds(since: $0) < age })
        }
    }

    /// Of each stream, up to where everybody was shown it who is detached or catching up; empty if nobody is.
    private func leastFloors() -> [UInt64] {
        guard !feeding.isEmpty || detached.count > 0 else { return [] }
        return store.streams.indices.map { index in
            var least = feeding.least(of: index) ?? .max
            for entry in detached.entries where entry.taker == nil {
                least = min(least, entry.floor[servers[index]])
            }
            return least
        }
    }

    /// Keeps the store within its bound: what is stable goes first; if that does not suffice, the oldest is given up,
    /// counted and told.
    mutating func boundStore() {
        if store.byteCount >= releaseAtBytes { releaseStable() }
        if store.byteCount > storeBytesAnnounced + configuration.limits.storeBytes / 16 {
            // The others' acknowledgements come with their announcements; so do ours for them.
            storeBytesAnnounced = store.byteCount
            vector.isDue = true
            announceSoon(isUrgent: true)
        }
        guard store.byteCount > configuration.limits.storeBytes else { return }
        releaseStable(isUrgent: true)
        while store.byteCount > configuration.limits.storeBytes, let (index, segment) = store.giveUpOldest() {
            // What is not delivered is owed to the clients here, whoever else has it.
            let done = min(stable(index), store.streams[index].delivered)
            if store.streams[index].delivered < segment.last {
                noteUndelivered(segment, of: index)
                deliver(index)
            }
            let firstOwed = max(segment.first, done + 1)
            guard firstOwed <= segment.last else { continue }
            let records = segment.last - firstOwed + 1
            counters.recordsGivenUp += records
            outbox.report(.givenUp(StreamPosition(origin: servers[index], seq: segment.last), records: records))
        }
    }

    /// What is given up before it is delivered here is delivered elsewhere: what its senders say here next comes after
    /// it.
    private mutating func noteUndelivered(_ segment: StreamStore.Segment, of index: Int) {
        for seq in max(segment.first, store.streams[index].delivered + 1)...segment.last {
            guard let (header, _) = try? RecordHeader.decode(in: segment.bytes.span, at: segment.range(of: seq)) else {
                preconditionFailure("a record's header was decoded before it was stored")
            }
            guard header.kind == RecordKind.activity.rawValue, let claim = header.claim else { continue }
            noteActivity(of: claim, at: StreamPosition(origin: servers[index], seq: seq))
        }
    }

    // MARK: Insight

    var queueStatistics: [NodeStatistics.Queue] {
        var result: [NodeStatistics.Queue] = []
        for server in members.indices.dropFirst() where members[server].isOwed {
            guard members[server].wasNeighbour else { continue }
            let depth = queues[server].depth(in: store)
            let oldest = queues[server].oldest(in: store)
            result.append(
                NodeStatistics.Queue(
                    neighbour: servers[server], address: members[server].address,
                    isLinked: linkIndex(toServer: server) != nil, records: depth.records, bytes: depth.bytes,
                    oldest: oldest))
        }
        return result
    }
}
