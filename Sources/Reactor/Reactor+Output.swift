/// From the user to the kernel: private output, the broadcast ring, and the one flush of a turn.
///
/// The order of a connection's bytes: the rest of a line of the ring that has been begun; private output; the ring.
/// Only after `unsubscribe` or `finish` the ring's remaining bytes go before what is sent privately from then on.
internal import CEpollShim

extension Reactor {
    // MARK: Private output

    /// Queues bytes for one connection; they go out in the flush of this turn, as far as the kernel takes them. To a
    /// subscriber of the ring they go between two of its lines, so they should be whole lines.
    ///
    /// If more than the output limit is waiting then, the connection is closed with `outputOverflow`. Once the
    /// connection has ended its side of the stream, or the peer is gone, the bytes are dropped and counted.
    public mutating func send(_ id: ConnectionID, _ bytes: Span<UInt8>) {
        // The span is valid during the call.
        unsafe bytes.withUnsafeBytes { unsafe sendBytes(id, $0) }
    }

    /// Queues bytes for one connection; see the variant for spans.
    public mutating func send(_ id: ConnectionID, _ bytes: [UInt8]) {
        // The array is valid during the call.
        unsafe bytes.withUnsafeBytes { unsafe sendBytes(id, $0) }
    }

    private mutating func sendBytes(_ id: ConnectionID, _ bytes: UnsafeRawBufferPointer) {
        guard let slot = live(id), bytes.count > 0 else { return }
        guard !connections[slot].isOutputClosed else {
            statistics.bytesDroppedAfterEnd += UInt64(bytes.count)
            return
        }
        guard Int(connections[slot].output.count) + bytes.count <= Int(connections[slot].outputLimit) else {
            return end(slot, .outputOverflow)
        }
        // Valid by the caller's word; copied here.
        changeOutput(slot) { unsafe $0.append(bytes) }
        markDirty(slot)
    }

    // MARK: The ring

    /// The position behind the last published byte: the count of all bytes ever published.
    public var ringEnd: UInt64 { ring.end }

    /// Bytes published that some subscriber, ready to take them, has not been offered yet. Who keeps this below the
    /// ring's capacity, by publishing less in a turn, makes sure that only a reader that is slow itself is closed as
    /// slow.
    public var fanOutBacklog: Int { Int(ring.end - fanOut.servedEnd) }

    /// The subscribers now.
    public var subscriberCount: Int { fanOut.count }

    /// Looks for subscribers that have more than so many bytes of the ring still to get, blocked ones included, and at
    /// whether they move. Who publishes no more while one of them keeps up loses none but the slow.
    ///
    /// A subscriber found lagging keeps up for one period; it earns the next by taking `leastBytes` within it. One that
    /// does not is too slow until it takes as much within a period, or lags no more.
    ///
    /// - Complexity: linear in the subscribers, some nanoseconds each: not for every turn.
    public mutating func surveySubscribers(
        laggingBy bytes: Int, leastBytes: Int, periodMilliseconds: Int
    ) -> SubscriberSurvey {
        let time = now / 1_000_000
        var survey = SubscriberSurvey()
        for entry in fanOut.slots {
            let slot = Int(entry)
            guard ringLag(slot) > bytes else {
                forgetMark(slot)
                continue
            }
            let cursor = connections[slot].cursor
            let mark = marks[entry]
            let hasEarned = mark.map { Int(cursor - $0.cursor) >= leastBytes } ?? true
            let isOver = mark.map { Int(time - $0.milliseconds) >= periodMilliseconds } ?? true
            if hasEarned {
                connections[slot].flags.insert(.lagging)
                connections[slot].flags.remove(.tooSlow)
            } else if isOver {
                connections[slot].flags.insert(.tooSlow)
            }
            if hasEarned || isOver { marks[entry] = ProgressMark(milliseconds: time, cursor: cursor) }
            survey.lagging += 1
            if !connections[slot].flags.contains(.tooSlow) { survey.keepingUp += 1 }
        }
        return survey
    }

    /// Where a look at how far all subscribers are begins: how many there are, and the end of the ring.
    public func beginMeasuring() -> (count: Int, end: UInt64) { (fanOut.count, ring.end) }

    /// Looks at some of the subscribers that are left, the last ones first: who joins or leaves meanwhile makes none be
    /// left out. Returns how many are left then, and the least position of the ring up to which one of those looked at
    /// has acknowledged everything.
    public func measure(_ left: Int, atMost count: Int) -> (left: Int, least: UInt64) {
        var left = min(left, fanOut.count)
        let end = max(0, left - count)
        var least = UInt64.max
        while left > end {
            left -= 1
            let slot = Int(fanOut.slots[left])
            let waiting = max(0, Int(ces_unacknowledged(connections[slot].fd))) + Int(connections[slot].output.count)
            least = min(least, connections[slot].cursor - min(connections[slot].cursor, UInt64(waiting)))
        }
        return (left, least)
    }

    /// Makes a connection follow the ring from its present end.
    ///
    /// - Returns: Whether it follows from here. False if it has ended or is ending, follows already, or has
    ///   unsubscribed and not yet been sent all that was published before.
    @discardableResult
    public mutating func subscribe(_ id: ConnectionID) -> Bool {
        guard let slot = live(id), connections[slot].state == .open else { return false }
        guard !connections[slot].isOutputClosed else { return false }
        guard connections[slot].flags.isDisjoint(with: [.finishing, .following]) else { return false }
        // A socket that refuses (a test's socket pair) only holds more unsent bytes.
        _ = ces_set_not_sent_low_water(connections[slot].fd, Int32(clamping: configuration.notSentLowWater))
        connections[slot].cursor = ring.end
        connections[slot].flags.insert(.following)
        connections[slot].subscriberIndex = fanOut.add(UInt32(slot))
        statistics.subscribers = fanOut.count
        return true
    }

    /// Ends following at the present end of the ring: what has been published so far is still delivered, then what is
    /// sent privately from now on.
    public mutating func unsubscribe(_ id: ConnectionID) {
        guard let slot = live(id) else { return }
        stopFollowing(slot)
    }

    /// Publishes whole lines, ending with a newline, to all subscribers. They go out in the flush of this turn, and,
    /// where they are more than a slice or more than the kernel takes, of later turns.
    ///
    /// - Precondition: at most the ring's capacity.
    public mutating func publish(_ bytes: Span<UInt8>) {
        statistics.bytesPublished += UInt64(bytes.count)
        // The span is valid during the call; the ring copies.
        unsafe bytes.withUnsafeBytes { unsafe ring.append($0) }
    }

    /// Publishes whole lines; see the variant for spans.
    public mutating func publish(_ bytes: [UInt8]) { publish(bytes.span) }

    /// Makes the present end of the ring the end of what a subscriber gets from it.
    mutating func stopFollowing(_ slot: Int) {
        guard connections[slot].subscriberIndex != Connection.notSubscribed else { return }
        leaveSubscribers(slot)
        if connections[slot].cursor == ring.end {
            endFollowing(slot)
        } else {
            connections[slot].flags.insert(.stopping)
            stops[UInt32(slot)] = RingStop(end: ring.end, outputAhead: connections[slot].output.count)
            markDirty(slot)
        }
    }

    mutating func leaveSubscribers(_ slot: Int) {
        let index = connections[slot].subscriberIndex
        guard index != Connection.notSubscribed else { return }
        if let moved = fanOut.remove(at: index) { connections[Int(moved)].subscriberIndex = index }
        connections[slot].subscriberIndex = Connection.notSubscribed
        statistics.subscribers = fanOut.count
        forgetMark(slot)
    }

    /// It lags no more.
    private mutating func forgetMark(_ slot: Int) {
        guard connections[slot].flags.contains(.lagging) else { return }
        connections[slot].flags.subtract([.lagging, .tooSlow])
        marks[UInt32(slot)] = nil
    }

    /// It gets nothing more of the ring.
    mutating func endFollowing(_ slot: Int) {
        if connections[slot].flags.contains(.stopping) { stops[UInt32(slot)] = nil }
        connections[slot].flags.subtract([.following, .stopping, .midLine])
    }

    /// The position in the ring behind the last byte that it gets.
    private func ringEnd(_ slot: Int) -> UInt64 {
        guard connections[slot].flags.contains(.stopping), let stop = stops[UInt32(slot)] else { return ring.end }
        return stop.end
    }

    /// Bytes of the ring that a connection has still to get.
    func ringLag(_ slot: Int) -> Int {
        guard connections[slot].flags.contains(.following) else { return 0 }
        return Int(ringEnd(slot) - connections[slot].cursor)
    }

    // MARK: Flushing

    mutating func markDirty(_ slot: Int) {
        guard !connections[slot].flags.contains(.dirty) else { return }
        connections[slot].flags.insert(.dirty)
        dirty.append(id(slot).rawValue)
    }

    /// Writes for connections with private output, or that became writable, or that finish.
    mutating func flushPrivateOutput() {
        let end = min(dirty.count, configuration.flushBudget)
        let bytesBefore = statistics.bytesSent
        var count = 0
        while count < end, statistics.bytesSent - bytesBefore < configuration.flushBytes {
            let id = ConnectionID(rawValue: dirty[count])
            count += 1
            guard let slot = live(id) else { continue }
            connections[slot].flags.remove(.dirty)
            flush(slot)
        }
        if count == dirty.count { dirty.removeAll(keepingCapacity: true) } else { dirty.removeFirst(count) }
    }

    /// Offers the ring's news to subscribers, at most a slice of them a turn. Blocked ones cost no send: they are only
    /// checked for having been overrun, and go on when they become writable.
    mutating func flushSubscribers() {
        var sends = 0
        let bytesBefore = statistics.bytesSent
        while let next = fanOut.next(end: ring.end) {
            let slot = Int(next)
            if connections[slot].flags.contains(.blocked) {
                _ = closeIfOverrun(slot)
                continue
            }
            guard connections[slot].cursor != ring.end else { continue }
            if !connections[slot].hasOnlyNews {
                flush(slot)
            } else if batch.isOpen {
                addNews(slot)
            } else {
                sendNews(slot)
            }
            sends += 1
            // What is in the batch may be more than the kernel will take.
            if statistics.bytesSent - bytesBefore + batch.bytes >= configuration.flushBytes { sendBatch() }
            if sends == configuration.fanOutSlice || statistics.bytesSent - bytesBefore >= configuration.flushBytes {
                statistics.fanOutSlices += 1
                break
            }
        }
        sendBatch()
    }

    /// What nearly every visit comes to: the connection has nothing to say of its own, and gets all between its cursor
    /// and the end in one send. `flush` would do the same with three times the instructions.
    private mutating func sendNews(_ slot: Int) {
        if closeIfOverrun(slot) { return }
        let bytes = unsafe ring.bytes(connections[slot].cursor, ring.end)
        // The ring stays as it is during the send.
        switch unsafe transportSend(slot, bytes) {
        // Lines are appended whole: the cursor is not inside one.
        case .bytes(bytes.count): connections[slot].cursor = ring.end
        case .bytes(let count), .sealed(let count):
            advance(slot, .ring(ring.end), count)
            block(slot)
        case .failed(let code): failWrite(slot, code)
        default: block(slot)
        }
    }

    /// The same as `sendNews`, later in this flush. The cursor is taken to arrive, so that a round which begins
    /// meanwhile passes the connection by.
    private mutating func addNews(_ slot: Int) {
        if closeIfOverrun(slot) { return }
        // The ring stays as it is until the batch has been sent, and so does what a session has made of it.
        let news = unsafe ring.bytes(connections[slot].cursor, ring.end)
        guard let bytes = unsafe connections[slot].transport == .tls ? sealed(slot, news) : news else {
            return sendNews(slot)
        }
        unsafe batch.add(slot, connections[slot].fd, bytes)
        connections[slot].cursor = ring.end
        if batch.isFull { sendBatch() }
    }

    /// Sends what `addNews` has gathered, before anything else is looked at: nobody meets a connection whose cursor is
    /// ahead of what it was sent.
    private mutating func sendBatch() {
        guard batch.count > 0 else { return }
        statistics.sendBatches += 1
        batch.send()
        for index in 0..<batch.count {
            let (slot, offered, result) = batch[index]
            if result >= 0 {
                statistics.sends += 1
                statistics.bytesSent += UInt64(result)
            }
            // What the kernel has not taken is offered again: from the ring, or by the session, which has taken all.
            if connections[slot].transport == .tls {
                consumeSealed(slot, result)
            } else if result != offered {
                connections[slot].cursor -= UInt64(offered)
                if result >= 0 { advance(slot, .ring(ring.end), result) }
            }
            if result == offered { continue }
            if result >= 0 || result == -Int(SystemErrno.wouldBlock) {
                block(slot)
            } else {
                failWrite(slot, Int32(-result))
            }
        }
        batch.removeAll()
    }

    @inline(__always)
    private mutating func closeIfOverrun(_ slot: Int) -> Bool {
        guard connections[slot].flags.contains(.following), connections[slot].cursor < ring.start else { return false }
        statistics.ringOverruns += 1
        end(slot, .slowConsumer)
        return true
    }

    /// Writes until nothing is left or the kernel takes no more, and asks for writability in that case only.
    private mutating func flush(_ slot: Int) {
        guard connections[slot].state == .open, !connections[slot].flags.contains(.blocked) else { return }
        if closeIfOverrun(slot) { return }
        switch pushTransport(slot) {
        case .done: break
        case .blocked: return block(slot)
        case .failed(let code): return failWrite(slot, code)
        }
        guard isTransportReady(slot) else { return updateInterest(slot) }
        while let source = nextSource(slot) {
            // The ring and the buffer stay as they are during the send.
            let bytes = unsafe pending(slot, source)
            switch unsafe transportSend(slot, bytes) {
            case .bytes(let count):
                advance(slot, source, count)
                if count == bytes.count { continue }
                return block(slot)
            case .sealed(let count):
                advance(slot, source, count)
                return block(slot)
            case .failed(let code):
                return failWrite(slot, code)
            default:
                return block(slot)
            }
        }
        endOutputIfFinishing(slot)
        updateInterest(slot)
    }

    private mutating func block(_ slot: Int) {
        statistics.partialWrites += 1
        connections[slot].flags.insert(.blocked)
        if !stalls.contains(UInt32(slot)) {
            stalls.set(UInt32(slot), due: now + UInt64(configuration.writeStallMilliseconds) * 1_000_000)
        }
        updateInterest(slot)
    }

    /// Where the next bytes of a connection come from.
    private enum Source {
        /// Private output, that many bytes.
        case output(Int)
        /// The ring, from the cursor to a position.
        case ring(UInt64)
    }

    private func nextSource(_ slot: Int) -> Source? {
        let flags = connections[slot].flags
        let waiting = connections[slot].output.count
        guard flags.contains(.following) else { return waiting > 0 ? .output(Int(waiting)) : nil }
        let ahead = flags.contains(.stopping) ? stops[UInt32(slot)]?.outputAhead ?? 0 : waiting
        if ahead > 0 {
            return flags.contains(.midLine) ? .ring(ring.endOfLine(connections[slot].cursor)) : .output(Int(ahead))
        }
        let stop = ringEnd(slot)
        return connections[slot].cursor < stop ? .ring(stop) : nil
    }

    private func pending(_ slot: Int, _ source: Source) -> UnsafeRawBufferPointer {
        switch source {
        // `nextSource` gives at most what is waiting.
        case .output(let count): unsafe UnsafeRawBufferPointer(rebasing: connections[slot].output.bytes[..<count])
        // `closeIfOverrun` came before, so the cursor is held by the ring.
        case .ring(let stop): unsafe ring.bytes(connections[slot].cursor, stop)
        }
    }

    private mutating func advance(_ slot: Int, _ source: Source, _ count: Int) {
        guard case .ring = source else {
            changeOutput(slot) { $0.consume(count) }
            if connections[slot].flags.contains(.stopping) { stops[UInt32(slot)]?.outputAhead -= UInt32(count) }
            return
        }
        connections[slot].cursor += UInt64(count)
        if ring.isLineStart(connections[slot].cursor) {
            connections[slot].flags.remove(.midLine)
        } else {
            connections[slot].flags.insert(.midLine)
        }
        if connections[slot].flags.contains(.stopping) && connections[slot].cursor == ringEnd(slot) {
            endFollowing(slot)
        }
    }

    /// Everything is written: a finishing connection ends its side of the stream.
    private mutating func endOutputIfFinishing(_ slot: Int) {
        let flags = connections[slot].flags
        guard flags.contains(.finishing), !connections[slot].isOutputClosed else { return }
        guard transportEnd(slot) else { return block(slot) }
        connections[slot].flags.insert(.writeShut)
        endIfFinished(slot)
    }

    /// The peer takes nothing more. After a reset, what it had sent before can still be read, and is: a client that
    /// sends its last line and dies is heard.
    private mutating func failWrite(_ slot: Int, _ code: Int32) {
        guard SystemErrno.isReset(code) else { return end(slot, SystemErrno.isLost(code) ? .lost : .writeFailed) }
        let flags = connections[slot].flags
        if flags.contains(.inputEnded) || flags.contains(.discarding) { return end(slot, .reset) }
        connections[slot].flags.insert(.writeDead)
        endFollowing(slot)
        leaveSubscribers(slot)
        statistics.bytesDroppedAfterEnd += UInt64(connections[slot].output.count)
        changeOutput(slot) { $0.free() }
        stalls.cancel(UInt32(slot))
        updateInterest(slot)
    }
}
