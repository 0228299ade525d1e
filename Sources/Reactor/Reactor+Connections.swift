/// The table of connections: how they begin, what can be asked of them, and the one path on which they end.
internal import CEpollShim

extension Reactor {
    // MARK: Questions

    /// Whether a connection still exists: accepted or dialled, and not closed, for whatever reason.
    public func isOpen(_ id: ConnectionID) -> Bool { live(id) != nil }

    /// The address of the peer; nil if the connection has ended or the peer is gone already.
    public func peerAddress(of id: ConnectionID) -> SocketAddress? {
        guard let slot = live(id) else { return nil }
        var raw = ces_address()
        // `raw` is ours.
        return unsafe ces_peer_address(connections[slot].fd, &raw) == 0 ? SocketAddress(raw) : nil
    }

    /// The address of our end; nil if the connection has ended.
    public func localAddress(of id: ConnectionID) -> SocketAddress? {
        guard let slot = live(id) else { return nil }
        var raw = ces_address()
        // `raw` is ours.
        return unsafe ces_local_address(connections[slot].fd, &raw) == 0 ? SocketAddress(raw) : nil
    }

    /// How long a byte and its acknowledgement take, as the system has measured it, in microseconds (tcp(7), TCP_INFO);
    /// nil if the connection has ended.
    public func roundTripMicroseconds(of id: ConnectionID) -> Int? {
        guard let slot = live(id) else { return nil }
        let time = ces_round_trip(connections[slot].fd)
        return time < 0 ? nil : Int(time)
    }

    /// Bytes that the kernel has not taken yet: private output, and what the ring still holds for a subscriber.
    public func unsent(_ id: ConnectionID) -> Int {
        guard let slot = live(id) else { return 0 }
        return Int(connections[slot].output.count) + ringLag(slot) + sealedBytes(slot)
    }

    /// Whether the kernel takes nothing more at present: the other end reads too slowly, or not at all.
    public func isBlocked(_ id: ConnectionID) -> Bool {
        live(id).map { connections[$0].flags.contains(.blocked) } ?? false
    }

    /// How far the other end of a plain connection is; nil if that is not known.
    public func outputProgress(of id: ConnectionID) -> OutputProgress? { live(id).flatMap { outputProgress($0) } }

    private func outputProgress(_ slot: Int) -> OutputProgress? {
        guard connections[slot].state == .open, connections[slot].transport == .plain else { return nil }
        var raw = ces_output_progress()
        // `raw` is ours.
        guard unsafe ces_progress(connections[slot].fd, &raw) == 0 else { return nil }
        // A first retransmission comes after 200 ms or so, a second after 600 ms: what is late once is not stalled.
        let isStalled = raw.in_flight > 0 && raw.retransmits >= 2
        return OutputProgress(
            acknowledged: raw.acknowledged, stalledMilliseconds: isStalled ? Int(raw.last_acknowledged_ms) : 0)
    }

    /// Bytes of private output that the kernel has not taken yet.
    public func privateOutput(_ id: ConnectionID) -> Int {
        guard let slot = live(id) else { return 0 }
        return Int(connections[slot].output.count)
    }

    // MARK: Dialling

    /// Begins to connect. `connected` or `closed` (with a reason that begins with `dial`) follows, never within this
    /// call.
    ///
    /// - Parameter tlsName: The name that the certificate of the other end must have; the connection is put under TLS,
    ///   and `connected` follows its handshake, within the deadline. Nil: without TLS.
    /// - Throws: if there is no slot (EMFILE) or no descriptor (socket(2)).
    public mutating func dial(
        _ address: SocketAddress, tlsName: String? = nil, deadlineMilliseconds: Int
    ) throws(SystemError) -> ConnectionID {
        guard hasFreeSlot else { throw SystemError(code: SystemErrno.tooManyFiles, call: "dial \(address)") }
        let fd = try SystemError.check(ces_tcp_socket(address.family.rawValue), "socket for \(address)")
        let slot = takeSlot(fd, .dialling)
        let id = self.id(slot)
        statistics.dialled += 1
        setOptions(fd)
        if let tlsName, !secureDial(slot, name: tlsName) {
            connections[slot].flags.insert(.unpolled)
            end(slot, .tlsFailed)
            return id
        }
        var raw = address.raw
        // `raw` is ours.
        let result = unsafe ces_connect(fd, &raw)
        // An interrupted connect goes on by itself (connect(2)).
        if result == 0 || result == -SystemErrno.inProgress || result == -SystemErrno.interrupted {
            register(slot)
            setDeadline(id, milliseconds: deadlineMilliseconds, .dialTimedOut)
        } else {
            connections[slot].flags.insert(.unpolled)
            end(slot, SystemErrno.dialReason(-result))
        }
        return id
    }

    /// A dial has an outcome.
    mutating func finishDial<Handler: ReactorHandler & ~Copyable>(_ slot: Int, _ handler: inout Handler) {
        let code = ces_take_socket_error(connections[slot].fd)
        guard code == 0 else { return end(slot, SystemErrno.dialReason(code)) }
        let id = self.id(slot)
        // The kernel may pick the dialled port as our own: then the socket is connected to itself, and nobody listens.
        guard let peer = peerAddress(of: id), peer != localAddress(of: id) else { return end(slot, .dialRefused) }
        connections[slot].state = .open
        updateInterest(slot)
        if connections[slot].transport == .tls { beginHandshake(slot) } else { establish(slot, &handler) }
    }

    /// A dial has become a connection, or an accepted connection is under TLS.
    mutating func establish<Handler: ReactorHandler & ~Copyable>(_ slot: Int, _ handler: inout Handler) {
        guard connections[slot].isLive, !connections[slot].flags.contains(.finishing) else { return }
        // A deadline for the first words of the conversation goes on.
        if !isAcceptedSession(slot) || connections[slot].deadlineReason == .tlsTimedOut {
            deadlines.cancel(UInt32(slot))
        }
        if !connections[slot].output.isEmpty { markDirty(slot) }
        guard !isAcceptedSession(slot) else { return handler.secured(id(slot), in: &self) }
        statistics.connected += 1
        handler.connected(id(slot), in: &self)
    }

    // MARK: Changing

    /// Stops telling input of a connection, from the next byte on. What has been shown and not consumed is kept.
    public mutating func pauseReading(_ id: ConnectionID) {
        guard let slot = live(id), !connections[slot].flags.contains(.discarding) else { return }
        connections[slot].flags.formUnion([.paused, .rescan])
        updateInterest(slot)
    }

    /// Goes on telling input: first what was left, without waiting for more bytes.
    public mutating func resumeReading(_ id: ConnectionID) {
        guard let slot = live(id), connections[slot].flags.contains(.paused) else { return }
        connections[slot].flags.remove(.paused)
        if connections[slot].transport == .tls { listUndrained(slot) }
        // Even if nothing is left now: the handler may be about to leave something, within the call that resumes.
        if !connections[slot].flags.contains(.ready) {
            connections[slot].flags.insert(.ready)
            ready.append(id.rawValue)
        }
        updateInterest(slot)
    }

    /// Changes how many unconsumed bytes a connection may hold. The handler is shown at least that many before it must
    /// take some.
    public mutating func setInputLimit(_ id: ConnectionID, bytes: Int) {
        precondition(bytes > 0 && bytes < 1 << 30)
        guard let slot = live(id) else { return }
        connections[slot].inputLimit = UInt32(bytes)
    }

    /// Changes how many unsent private bytes a connection may hold.
    public mutating func setOutputLimit(_ id: ConnectionID, bytes: Int) {
        precondition(bytes > 0 && bytes < 1 << 30)
        guard let slot = live(id) else { return }
        connections[slot].outputLimit = UInt32(bytes)
    }

    /// Sets, moves or (nil) removes the one deadline of a connection; when it passes, the connection is closed with
    /// `reason`. Does nothing once the connection is finishing: that has a deadline of its own.
    public mutating func setDeadline(_ id: ConnectionID, milliseconds: Int?, _ reason: CloseReason) {
        guard let slot = live(id), !connections[slot].flags.contains(.finishing) else { return }
        guard let milliseconds else { return deadlines.cancel(UInt32(slot)) }
        startDeadline(slot, milliseconds, reason)
    }

    mutating func startDeadline(_ slot: Int, _ milliseconds: Int, _ reason: CloseReason) {
        precondition(milliseconds >= 0)
        connections[slot].deadlineReason = reason
        deadlines.set(UInt32(slot), due: max(now + 1, now + UInt64(milliseconds) * 1_000_000))
    }

    // MARK: Ending

    /// Ends a connection at once; unsent output is lost and the peer may see a reset. `closed` follows later in this
    /// turn or in the next. Harmless if the connection has ended already.
    public mutating func close(_ id: ConnectionID, _ reason: CloseReason) {
        guard let slot = live(id) else { return }
        end(slot, reason)
    }

    /// Ends a connection in order: everything published or sent so far goes out first, then our side of the stream is
    /// ended, then input is read until the peer ends its side or the time is over; only then the connection is closed,
    /// so that unread input cannot turn into a reset that robs the peer of our last words. What is sent after this call
    /// and before the flush of this turn still goes out.
    ///
    /// - Parameters:
    ///   - reason: Why, in `closed`; also if the linger time passes or the peer resets meanwhile.
    ///   - lingerMilliseconds: How long writing the rest and waiting for the peer may take together.
    ///   - keepReading: Whether the handler goes on receiving input; else it is read and dropped.
    public mutating func finish(
        _ id: ConnectionID, _ reason: CloseReason, lingerMilliseconds: Int, keepReading: Bool
    ) {
        guard let slot = live(id), !connections[slot].flags.contains(.finishing) else { return }
        guard connections[slot].state == .open else { return end(slot, reason) }
        startDeadline(slot, lingerMilliseconds, reason)
        connections[slot].reason = reason
        connections[slot].flags.insert(.finishing)
        stopFollowing(slot)
        if !keepReading {
            connections[slot].flags.insert(.discarding)
            connections[slot].flags.remove(.paused)
        }
        markDirty(slot)
        updateInterest(slot)
    }

    /// The only way in which a connection ends: out of epoll and of every list at once, the rest after the batch.
    mutating func end(_ slot: Int, _ reason: CloseReason) {
        precondition(connections[slot].isLive)
        let isFinishing = connections[slot].flags.contains(.finishing)
        if !isFinishing { connections[slot].reason = reason }
        leaveSubscribers(slot)
        deadlines.cancel(UInt32(slot))
        stalls.cancel(UInt32(slot))
        endFollowing(slot)
        connections[slot].cursor = outputProgress(slot)?.acknowledged ?? Connection.unknown
        if connections[slot].transport == .tls { endTransport(slot) }
        if !connections[slot].flags.contains(.unpolled) {
            // It can only fail if the descriptor is not registered, and then nothing is to be done.
            _ = ces_epoll_remove(poller.fd, connections[slot].fd)
        }
        endedDescriptors.append(connections[slot].fd)
        connections[slot].fd = -1
        connections[slot].state = .closing
        ended.append(id(slot).rawValue)
        statistics.countClose(connections[slot].reason)
        statistics.open -= 1
    }

    /// Tells what has ended so far. What ends meanwhile waits for the next turn: a handler that dials again at once,
    /// and fails at once, must not keep the turn from ending.
    mutating func tellEnded<Handler: ReactorHandler & ~Copyable>(_ handler: inout Handler) {
        let count = ended.count
        guard count > 0 else { return }
        for index in 0..<count {
            let id = ConnectionID(rawValue: ended[index])
            let reason = connections[Int(id.slot)].reason
            let acknowledged = connections[Int(id.slot)].cursor
            lastAcknowledged = acknowledged == Connection.unknown ? nil : acknowledged
            releaseSlot(Int(id.slot))
            handler.closed(id, reason: reason, in: &self)
            if !tlsFailures.isEmpty { tlsFailures[id.rawValue] = nil }
        }
        ended.removeFirst(count)
        retryPausedListeners()
    }

    mutating func freeEnded() {
        guard !endedDescriptors.isEmpty else { return }
        for fd in endedDescriptors { _ = ces_close(fd) }
        endedDescriptors.removeAll(keepingCapacity: true)
        retryPausedListeners()
    }

    // MARK: Buffers

    /// Every change of a connection's buffers goes through these two, which count their memory.
    @inline(__always)
    mutating func changeInput(_ slot: Int, _ change: (inout ByteBuffer) -> Void) {
        let before = connections[slot].input.memoryBytes
        change(&connections[slot].input)
        statistics.bufferBytes += connections[slot].input.memoryBytes - before
    }

    @inline(__always)
    mutating func changeOutput(_ slot: Int, _ change: (inout ByteBuffer) -> Void) {
        let before = connections[slot].output.memoryBytes
        change(&connections[slot].output)
        statistics.bufferBytes += connections[slot].output.memoryBytes - before
    }

    /// What a connection takes of `bufferBytes`.
    public func bufferBytes(of id: ConnectionID) -> Int {
        guard let slot = live(id) else { return 0 }
        return connections[slot].input.memoryBytes + connections[slot].output.memoryBytes
    }

    // MARK: Slots

    /// The slot of a connection that has not ended.
    func live(_ id: ConnectionID) -> Int? {
        let slot = Int(id.slot)
        guard slot < slotsUsed, connections[slot].generation == id.generation, connections[slot].isLive else {
            return nil
        }
        return slot
    }

    func id(_ slot: Int) -> ConnectionID {
        ConnectionID(slot: UInt32(slot), generation: connections[slot].generation)
    }

    var hasFreeSlot: Bool { !freeSlots.isEmpty || slotsUsed < connections.capacity }

    /// Takes a free slot for a descriptor, with a generation that it never had. Precondition: there is one.
    mutating func takeSlot(_ fd: Int32, _ state: ConnectionState) -> Int {
        var fresh = Connection()
        let slot: Int
        if let free = freeSlots.popLast() {
            slot = Int(free)
            fresh.generation = connections[slot].generation
        } else {
            precondition(slotsUsed < connections.capacity)
            slot = slotsUsed
            slotsUsed += 1
        }
        fresh.generation = fresh.generation == .max ? 1 : fresh.generation + 1
        fresh.fd = fd
        fresh.state = state
        fresh.inputLimit = UInt32(configuration.inputLimit)
        fresh.outputLimit = UInt32(configuration.outputLimit)
        connections.initialize(slot, to: fresh)
        statistics.open += 1
        return slot
    }

    private mutating func releaseSlot(_ slot: Int) {
        precondition(connections[slot].state == .closing)
        changeInput(slot) { $0.free() }
        changeOutput(slot) { $0.free() }
        if connections[slot].transport == .tls { tlsSessions[UInt32(slot)] = nil }
        connections[slot].state = .free
        freeSlots.append(UInt32(slot))
    }

    // MARK: Polling

    private func wantedInterest(_ slot: Int) -> UInt16 { UInt16(wantedEvents(slot)) }

    private func wantedEvents(_ slot: Int) -> UInt32 {
        if connections[slot].state == .dialling { return CES_OUT }
        let input = connections[slot].wantsInput ? CES_IN | CES_RDHUP : 0
        return connections[slot].flags.contains(.blocked) ? input | CES_OUT : input
    }

    /// Enters a new connection into epoll. If the kernel refuses (no memory), the connection ends.
    mutating func register(_ slot: Int) {
        connections[slot].interest = wantedInterest(slot)
        let result = ces_epoll_add(
            poller.fd, connections[slot].fd, UInt32(connections[slot].interest), id(slot).rawValue)
        guard result < 0 else { return connections[slot].flags.subtract(.unpolled) }
        connections[slot].flags.insert(.unpolled)
        end(slot, .internalError)
    }

    /// Tells epoll what the connection now wants, if that changed.
    mutating func updateInterest(_ slot: Int) {
        guard connections[slot].isLive else { return }
        let wanted = wantedInterest(slot)
        if connections[slot].flags.contains(.unpolled) {
            if wanted != 0 { register(slot) }
            return
        }
        guard wanted != connections[slot].interest else { return }
        connections[slot].interest = wanted
        let result = ces_epoll_modify(poller.fd, connections[slot].fd, UInt32(wanted), id(slot).rawValue)
        if result < 0 { end(slot, .internalError) }
    }

    /// Takes a connection out of epoll that reports what nobody wants to hear; `updateInterest` brings it back.
    mutating func unpoll(_ slot: Int) {
        _ = ces_epoll_remove(poller.fd, connections[slot].fd)
        connections[slot].flags.insert(.unpolled)
    }

    /// Options that every connection gets. A socket that refuses one (its peer is gone already) works without.
    func setOptions(_ fd: Int32) {
        _ = ces_set_no_delay(fd)
        _ = ces_set_keep_alive(
            fd, Int32(clamping: configuration.keepAliveSeconds),
            Int32(clamping: configuration.keepAliveIntervalSeconds), Int32(clamping: configuration.keepAliveProbes))
    }
}
