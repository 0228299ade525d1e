/// The way in: what the reactor tells becomes inputs of the node.
internal import Codecs
internal import Logging
internal import Node
internal import Reactor

extension Shell: ReactorHandler {
    mutating func accepted(
        _ id: ConnectionID, from peer: SocketAddress, listener: ListenerID, in reactor: inout Reactor
    ) {
        if listener == admin?.listener { return acceptAdmin(id, in: &reactor) }
        connections.begin(id, as: .undetermined, address: peer)
        guard hasRoom(for: id, from: peer, in: &reactor) else { return }
        watch(id, in: &reactor)
        admit(id, in: &reactor)
        log.logger.debug("connection accepted", metadata: ["connection": "\(id)", "peer": "\(peer)"])
    }

    mutating func received(
        _ id: ConnectionID, _ bytes: Span<UInt8>, seen: Int, atEnd: Bool, in reactor: inout Reactor
    ) -> Int {
        switch connections.role(of: id) {
        case .undetermined: return receiveFirst(id, bytes, atEnd: atEnd, in: &reactor)
        case .client, .link:
            if !atEnd, holds(id, in: &reactor) { return 0 }
            return receive(id, bytes, seen: seen, atEnd: atEnd, in: &reactor)
        case .admin: return receiveAdmin(id, bytes, atEnd: atEnd, in: &reactor)
        case .none, .dialling, .refused: return bytes.count
        }
    }

    mutating func connected(_ id: ConnectionID, in reactor: inout Reactor) {
        guard let dial = dials.removeValue(forKey: id) else { return reactor.close(id, .internalError) }
        if reactor.isSecured(id) { tlsLinks[id] = "\(dial.target)" }
        openLink(id, dial: dial.id, in: &reactor)
        carryOut(in: &reactor)
    }

    /// A client that is gone while its secret is being checked has no answer to get, and what it may have said behind
    /// goes with it.
    mutating func hungUp(_ id: ConnectionID, in reactor: inout Reactor) {
        guard connections.role(of: id) == .client, node.hashUnderWay(of: SessionID(id)) != nil else { return }
        reactor.close(id, .reset)
    }

    mutating func closed(_ id: ConnectionID, reason: CloseReason, in reactor: inout Reactor) {
        let now = instant(of: reactor)
        admission.remove(id)
        noteEnd(of: id, reason, in: reactor)
        tellBrokenTLS(id, in: reactor)
        log.logger.debug("connection closed", metadata: ["connection": "\(id)", "reason": "\(reason)"])
        forgetUnproven(id)
        addresses.leave(id)
        switch connections.end(id) {
        case .client:
            cancelHash(of: SessionID(id))
            node.clientClosed(SessionID(id), acknowledged: reactor.lastAcknowledged, at: now)
        case .link: node.linkClosed(LinkID(id), at: now)
        case .dialling: dialEnded(id, reason, in: &reactor)
        case .undetermined, .refused, .admin, .none: return
        }
        carryOut(in: &reactor)
    }

    mutating func woken(in reactor: inout Reactor) {
        for result in helpers.hashes.drain() {
            hashes[result.id] = nil
            node.hashed(result.id, digest: result.digest, at: instant(of: reactor))
        }
        for result in helpers.names.drain() { resolved(result, in: &reactor) }
        drainState(in: reactor)
        drainFiles(in: &reactor)
        carryOut(in: &reactor)
    }

    mutating func timerFired(_ token: UInt64, in reactor: inout Reactor) {
        switch token {
        case TimerToken.node: nodeTimerFired(in: &reactor)
        case TimerToken.lastMoment: reactor.stop()
        case TimerToken.suppressed: counts.reportsSuppressed += UInt64(log.tellSuppressed())
        case TimerToken.pace: releasePaced(in: &reactor)
        case TimerToken.watchdog: tellAlive(in: &reactor)
        case TimerToken.serviceRetry: retryService(in: &reactor)
        case TimerToken.certificates:
            tls.warn(ofDays: reloading.inForce.tlsWarningDays, log.logger)
            watchCertificates(in: &reactor)
        default: break
        }
    }

    mutating func turnEnding(in reactor: inout Reactor) {
        let now = instant(of: reactor)
        // Before anybody is dialled, which takes a slot.
        closeSurplus(in: &reactor)
        closeBiggest(in: &reactor)
        giveDeferred(in: reactor)
        if isTimeDue {
            isTimeDue = false
            node.timeReached(at: now)
        }
        noteFed(in: &reactor)
        measure(in: &reactor)
        node.turnEnding(at: now, mayDeliver: mayDeliver(in: &reactor))
        carryOut(in: &reactor)
        if !fed.isEmpty { reactor.setTimer(TimerToken.feeding, afterMilliseconds: 1) }
        if life.isDrained, !life.isEnding { end(in: &reactor) }
        setNodeTimer(in: &reactor)
        releaseIntake(in: &reactor)
        if !deferred.isEmpty { reactor.setTimer(TimerToken.deferred, afterMilliseconds: 0) }
        if log.begsForTime() { reactor.setTimer(TimerToken.suppressed, afterMilliseconds: 1000) }
        closeOverdue(in: &reactor)
        continueAnswers(in: &reactor)
        if life.isEnding, reactor.statistics.open == 0 { reactor.stop() }
    }

    // MARK: First bytes

    /// One port serves both: a server's first bytes are the preamble, anything else is a client.
    private mutating func receiveFirst(
        _ id: ConnectionID, _ bytes: Span<UInt8>, atEnd: Bool, in reactor: inout Reactor
    ) -> Int {
        if !bytes.isEmpty, bytes[0] == Self.tlsFirstByte {
            refuseTLS(id, in: &reactor)
            return bytes.count
        }
        switch Preamble.speaker(of: bytes) {
        case .undecided where !atEnd:
            // The deadline of the first bytes holds until it is clear.
            return 0
        case .undecided, .client:
            guard mayBeClient(id, in: reactor) else {
                refusePlaintextClient(id, in: &reactor)
                return bytes.count
            }
            if let reason = refusal(of: id, in: reactor) {
                turnAway(id, reason, in: &reactor)
                return bytes.count
            }
            awaitLogin(of: id, in: &reactor)
            // It could be the first of a thousand that bring activities along. Servers introduce themselves first.
            if !atEnd, holds(id, in: &reactor) { return 0 }
            guard let address = connections.takeAddress(of: id) else {
                preconditionFailure("an undetermined connection has an address")
            }
            connections.setRole(.client, of: id)
            node.clientOpened(SessionID(id), address: address.mappedBytes, at: instant(of: reactor))
        case .server:
            guard mayBeLink(id, in: reactor) else {
                refuseLink(id, in: &reactor)
                return bytes.count
            }
            tlsLinks[id] = reactor.peerName(of: id)
            admission.remove(id)
            leaveUnproven(id, in: &reactor)
            addresses.leave(id)
            openLink(id, dial: nil, in: &reactor)
        }
        // Nothing of it has been looked at by the node yet.
        return receive(id, bytes, seen: 0, atEnd: atEnd, in: &reactor)
    }

    private mutating func openLink(_ id: ConnectionID, dial: DialID?, in reactor: inout Reactor) {
        connections.setRole(.link, of: id)
        reactor.setInputLimit(id, bytes: settings.linkInputBytes)
        reactor.setOutputLimit(id, bytes: settings.linkOutputBytes)
        let binding = reactor.exportedKey(of: id, label: Self.bindingLabel) ?? []
        node.linkOpened(LinkID(id), dial: dial, binding: binding, at: instant(of: reactor))
    }

    // MARK: Further bytes

    private mutating func receive(
        _ id: ConnectionID, _ bytes: Span<UInt8>, seen: Int, atEnd: Bool, in reactor: inout Reactor
    ) -> Int {
        let now = instant(of: reactor)
        let consumed: Int
        if connections.role(of: id) == .client {
            if refusesLine(id, bytes, in: &reactor) { return bytes.count }
            let acknowledged = atEnd ? reactor.outputProgress(of: id)?.acknowledged : nil
            let shown = pace.isOn ? admitted(id, bytes, seen: seen, in: reactor) : bytes.count
            consumed = node.clientReceived(
                SessionID(id), bytes.extracting(0..<shown), seen: min(seen, shown),
                atEnd: atEnd && shown == bytes.count, acknowledged: acknowledged, at: now)
            carryOut(in: &reactor)
            if pace.isOn {
                spend(id, bytes, seen: seen, consumed: consumed, isMoreLeft: shown < bytes.count, in: &reactor)
            }
            noteLines(of: id, consumed: consumed, of: bytes.count, in: &reactor)
        } else {
            consumed = node.linkReceived(LinkID(id), bytes, at: now)
            carryOut(in: &reactor)
            // Servers end both directions at once.
            if atEnd { reactor.close(id, .peerEnded) }
        }
        return consumed
    }

    // MARK: Time

    func instant(of reactor: borrowing Reactor) -> Instant { Instant(nanoseconds: reactor.now) }

    /// A deadline that is long over means that this process stood still (stopped, suspended, starved). The bytes that
    /// came meanwhile are read before the node learns the time: else it would declare everybody dead.
    private mutating func nodeTimerFired(in reactor: inout Reactor) {
        let lateness = deadline.map { instant(of: reactor).milliseconds(since: $0) } ?? 0
        deadline = nil
        if lateness >= Self.standstillMilliseconds, !isTimeDelayed {
            isTimeDelayed = true
            log.logger.notice("this process stood still", metadata: ["milliseconds": "\(lateness)"])
            reactor.setTimer(TimerToken.node, afterMilliseconds: 1)
            deadline = instant(of: reactor)
        } else {
            isTimeDelayed = false
            // Given to the node at the end of the turn, after what was read in it.
            isTimeDue = true
        }
    }

    /// Far above a busy turn, and below the shortest silence that is worth a failure.
    private static var standstillMilliseconds: UInt64 { 250 }

    mutating func setNodeTimer(in reactor: inout Reactor) {
        guard !isTimeDelayed, node.nextDeadline != deadline else { return }
        deadline = node.nextDeadline
        if let deadline {
            reactor.setTimer(TimerToken.node, atNanoseconds: deadline.nanoseconds)
        } else {
            reactor.cancelTimer(TimerToken.node)
        }
    }

    private mutating func giveDeferred(in reactor: borrowing Reactor) {
        let now = instant(of: reactor)
        guard !deferred.isEmpty else { return }
        let batch = deferred
        deferred = []
        for input in batch {
            switch input {
            case .dialFailed(let id, let text): node.dialFailed(id, text: text, at: now)
            case .hashed(let id): node.hashed(id, digest: nil, at: now)
            case .examine(let id):
                let (acknowledged, isStalled) = examine(id, in: reactor)
                node.clientExamined(
                    id, acknowledged: acknowledged, isStalled: isStalled,
                    isBehind: reactor.isBlocked(ConnectionID(id)), at: now)
            }
        }
    }
}

extension SessionID {
    init(_ id: ConnectionID) { self.init(slot: id.slot, generation: id.generation) }
}

extension LinkID {
    init(_ id: ConnectionID) { self.init(slot: id.slot, generation: id.generation) }
}

extension ConnectionID {
    init(_ id: SessionID) { self.init(slot: id.slot, generation: id.generation) }
    init(_ id: LinkID) { self.init(slot: id.slot, generation: id.generation) }
}
