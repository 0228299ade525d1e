/// From readiness to the handler: events of connections, reading within a budget, leftover input.
internal import CEpollShim

extension Reactor {
    /// One event of a connection. Interest is looked at again for each step, since the step before may have changed it.
    mutating func handleConnection<Handler: ReactorHandler & ~Copyable>(
        _ id: ConnectionID, _ mask: UInt32, _ handler: inout Handler
    ) {
        guard let slot = live(id) else {
            statistics.staleEvents += 1
            return
        }
        if connections[slot].state == .dialling { return finishDial(slot, &handler) }
        let isBroken = mask & (CES_ERR | CES_HUP) != 0
        if connections[slot].flags.contains(.blocked) && (isBroken || mask & CES_OUT != 0) {
            // There is room only because the peer has taken something.
            if !isBroken { stalls.cancel(UInt32(slot)) }
            unblock(slot)
        }
        if connections[slot].wantsInput {
            if isBroken || mask & (CES_IN | CES_RDHUP) != 0 { read(slot, &handler) }
        } else if isBroken {
            handleUnaskedHangUp(slot, &handler)
        }
    }

    /// A hang-up or error while no input is wanted: epoll repeats it until something is done about it.
    private mutating func handleUnaskedHangUp<Handler: ReactorHandler & ~Copyable>(
        _ slot: Int, _ handler: inout Handler
    ) {
        guard connections[slot].flags.contains(.inputEnded) else {
            // Paused. What the peer sent before may still be read when the user goes on, so only stop listening to
            // epoll.
            unpoll(slot)
            return handler.hungUp(id(slot), in: &self)
        }
        end(slot, .reset)
    }

    /// One read, at most the size of the shared buffer: a fast sender waits for its next turn like everybody else.
    private mutating func read<Handler: ReactorHandler & ~Copyable>(_ slot: Int, _ handler: inout Handler) {
        switch transportReceive(slot) {
        case .bytes(let count):
            if connections[slot].flags.contains(.discarding) { return }
            show(slot, fresh: count, &handler)
        case .ended:
            endInput(slot, &handler)
        case .blocked, .sealed:
            return
        case .established:
            establish(slot, &handler)
        case .broken(let reason):
            end(slot, reason)
        case .failed(let code):
            let failure: CloseReason = SystemErrno.isLost(code) ? .lost : .readFailed
            end(slot, SystemErrno.isReset(code) ? .reset : failure)
        }
    }

    private mutating func endInput<Handler: ReactorHandler & ~Copyable>(_ slot: Int, _ handler: inout Handler) {
        // After a failed write the end is that of a reset connection, although the kernel has told its error already.
        if connections[slot].flags.contains(.writeDead) { return end(slot, .reset) }
        connections[slot].flags.insert(.inputEnded)
        updateInterest(slot)
        guard connections[slot].isLive else { return }
        if connections[slot].flags.contains(.discarding) { return endIfFinished(slot) }
        show(slot, fresh: 0, &handler)
    }

    /// Shows the handler what is left and what just came, and keeps what it does not take.
    private mutating func show<Handler: ReactorHandler & ~Copyable>(
        _ slot: Int, fresh: Int, _ handler: inout Handler
    ) {
        let id = self.id(slot)
        let atEnd = connections[slot].flags.contains(.inputEnded)
        let leftover = Int(connections[slot].input.count)
        let seen = connections[slot].flags.contains(.rescan) ? 0 : leftover
        connections[slot].flags.remove(.rescan)
        // `fresh` bytes of the receive buffer were just filled.
        let received = unsafe UnsafeRawBufferPointer(start: receiveBuffer.start, count: fresh)
        if leftover > 0 { changeInput(slot) { unsafe $0.append(received) } }
        let shown = unsafe leftover > 0 ? connections[slot].input.bytes : received
        // Neither buffer is freed, moved or filled before the call returns: reads come from here alone, and buffers of
        // connections that end are freed in a later step.
        let span = unsafe Span<UInt8>(_bytes: RawSpan(_unsafeBytes: shown))
        let consumed = handler.received(id, span, seen: seen, atEnd: atEnd, in: &self)
        precondition(consumed >= 0 && consumed <= leftover + fresh, "more consumed than shown")
        guard live(id) != nil else { return }
        if leftover > 0 {
            changeInput(slot) { $0.consume(consumed) }
        } else if consumed < fresh {
            let rest = unsafe UnsafeRawBufferPointer(rebasing: received[consumed...])
            changeInput(slot) { unsafe $0.append(rest) }
        }
        settleLeftover(slot)
    }

    /// Enforces the limit on what was left; a pause suspends it, since nothing is read meanwhile.
    private mutating func settleLeftover(_ slot: Int) {
        guard !connections[slot].flags.contains(.paused) else { return }
        let flags = connections[slot].flags
        if flags.contains(.inputEnded) || flags.contains(.discarding) {
            if !flags.contains(.ready) { changeInput(slot) { $0.free() } }
            return endIfFinished(slot)
        }
        if flags.contains(.ready) { return }
        if connections[slot].input.count >= connections[slot].inputLimit { end(slot, .inputOverflow) }
    }

    /// A finishing connection ends when both directions have.
    mutating func endIfFinished(_ slot: Int) {
        let flags = connections[slot].flags
        guard flags.contains(.finishing), flags.contains(.writeShut), flags.contains(.inputEnded) else { return }
        // The handler is still to see the last bytes.
        if flags.contains(.ready) || flags.contains(.paused) { return }
        end(slot, connections[slot].reason)
    }

    /// Connections under TLS that have been left with bytes inside, until the budget is used up; less than a read each.
    mutating func resumeUndrained<Handler: ReactorHandler & ~Copyable>(_ handler: inout Handler) {
        guard !undrained.isEmpty else { return }
        let batch = undrained
        undrained = []
        let budget = WorkBudget(configuration)
        for (index, word) in batch.enumerated() {
            if index > 0, budget.isSpent {
                statistics.turnsCut += 1
                undrained = batch[index...] + undrained
                return
            }
            if let slot = takeUndrained(word) { read(slot, &handler) }
        }
    }

    /// Connections with leftover input that are to go on, until the budget is used up. What is added meanwhile waits
    /// for the next turn, behind what the budget has left.
    mutating func resumeReady<Handler: ReactorHandler & ~Copyable>(_ handler: inout Handler) {
        guard !ready.isEmpty else { return }
        let batch = ready
        ready = []
        var budget = WorkBudget(configuration)
        for (index, word) in batch.enumerated() {
            if index > 0, budget.isSpent {
                statistics.turnsCut += 1
                ready = batch[index...] + ready
                return
            }
            guard let slot = live(ConnectionID(rawValue: word)) else { continue }
            connections[slot].flags.remove(.ready)
            budget.spend(bytes: Int(connections[slot].input.count))
            let flags = connections[slot].flags
            if flags.contains(.paused) { continue }
            // A handler that paused when it was shown the end is shown it again, even if it had taken every byte.
            let isEndOwed = flags.contains(.inputEnded) && flags.contains(.rescan)
            if flags.contains(.discarding) || (connections[slot].input.isEmpty && !isEndOwed) {
                settleLeftover(slot)
            } else {
                show(slot, fresh: 0, &handler)
            }
        }
    }
}
