/// The way out: the node's outputs become calls of the reactor, in their order.
internal import Codecs
internal import Logging
internal import Node
internal import Reactor

extension Shell {
    /// Carries out what the node has asked for so far and empties its outbox.
    mutating func carryOut(in reactor: inout Reactor) {
        guard !node.outbox.isEmpty else { return }
        // Taken out of the node, so that its memory can be read while the shell changes. Nothing here calls the node.
        var outbox = Outbox()
        swap(&outbox, &node.outbox)
        var index = 0
        while index < outbox.outputs.count { index = carryOut(outbox, from: index, in: &reactor) }
        outbox.removeAll()
        swap(&outbox, &node.outbox)
        precondition(outbox.isEmpty, "carrying out an output is no input")
    }

    /// Carries out one output, together with those behind it that continue it; returns the index of the next.
    private mutating func carryOut(_ outbox: Outbox, from index: Int, in reactor: inout Reactor) -> Int {
        switch outbox.outputs[index] {
        case .sendLink, .reply, .publish:
            let run = outbox.run(from: index)
            send(outbox, run, in: &reactor)
            return run.next
        case .feed(let id, let range): feed(id, outbox.bytes.span.extracting(range), in: &reactor)
        case .closeLink(let id, let reason): close(id, reason, in: &reactor)
        case .dial(let id, let address): dial(id, address, in: &reactor)
        case .follow(let id): if !reactor.subscribe(ConnectionID(id)) { counts.followsRefused += 1 }
        case .unfollow(let id): reactor.unsubscribe(ConnectionID(id))
        case .pause(let id): pause(ConnectionID(id), in: &reactor)
        case .resume(let id): resume(ConnectionID(id), in: &reactor)
        case .finish(let id, let reason, let linger, let keepsReading):
            finish(id, reason, linger: linger, keepsReading: keepsReading, in: &reactor)
        case .examine(let id): deferred.append(.examine(id))
        case .measure: measuring = Measuring(reactor.beginMeasuring())
        case .hash(let id, let secret, let salt, let cost): hash(id, secret: secret, salt: salt, cost: cost)
        case .store(let rows): store(rows)
        case .accountAnswered(let id, let answer): answerOperator(id, answer, in: &reactor)
        case .report(let report): tell(report, in: &reactor)
        }
        return index + 1
    }

    private mutating func send(_ outbox: Outbox, _ run: Outbox.Run, in reactor: inout Reactor) {
        switch run.target {
        case .connection(let id):
            reactor.send(id, outbox.bytes.span.extracting(run.bytes))
        case .everybody:
            reactor.publish(outbox.bytes.span.extracting(run.bytes))
        }
    }

    /// One of the longest lines goes beyond what a client's private output may hold otherwise.
    private mutating func feed(_ id: SessionID, _ bytes: Span<UInt8>, in reactor: inout Reactor) {
        let id = ConnectionID(id)
        reactor.setOutputLimit(id, bytes: reactor.configuration.outputLimit + settings.publishBytes)
        reactor.send(id, bytes)
        fed.append(id)
    }

    /// Tells the node which of the clients that it feeds have been sent everything. There is no event for it: who is
    /// fed is looked at in each turn, and a turn comes within a millisecond.
    mutating func noteFed(in reactor: inout Reactor) {
        guard !fed.isEmpty else { return }
        let ids = fed
        fed = []
        for id in ids where reactor.isOpen(id) {
            if reactor.privateOutput(id) > 0 {
                fed.append(id)
            } else {
                node.clientHasRoom(SessionID(id), at: instant(of: reactor))
            }
        }
    }

    /// A connection that takes nothing for so long, in milliseconds, is taken for broken if its user logs in again.
    private static var stalledMilliseconds: Int { 1000 }

    func examine(_ id: SessionID, in reactor: borrowing Reactor) -> (acknowledged: UInt64?, isStalled: Bool) {
        guard let progress = reactor.outputProgress(of: ConnectionID(id)) else { return (nil, false) }
        return (progress.acknowledged, progress.stalledMilliseconds >= Self.stalledMilliseconds)
    }

    /// Looks at some of the clients that follow the log, and tells the node when all have been looked at.
    mutating func measure(in reactor: inout Reactor) {
        guard let round = measuring else { return }
        let (left, least) = reactor.measure(round.left, atMost: ShellSettings.measuredInTurn)
        measuring?.left = left
        measuring?.least = min(round.least, least)
        if left > 0 { return reactor.setTimer(TimerToken.feeding, afterMilliseconds: 1) }
        measuring = nil
        node.clientsReached(min(round.least, least), at: instant(of: reactor))
    }

    private mutating func close(_ id: LinkID, _ reason: LinkCloseReason, in reactor: inout Reactor) {
        let id = ConnectionID(id)
        guard markFinishing(id) else { return }
        closes.count(reason)
        admin?.closed.expect(id, reason.rawValue)
        if reason == .silent {
            // Nobody is there to read last words.
            reactor.close(id, .finished)
        } else {
            reactor.finish(
                id, .finished, lingerMilliseconds: ShellSettings.linkLingerMilliseconds, keepReading: false)
        }
    }

    private mutating func finish(
        _ id: SessionID, _ reason: SessionCloseReason, linger: UInt64, keepsReading: Bool, in reactor: inout Reactor
    ) {
        let id = ConnectionID(id)
        guard markFinishing(id) else { return }
        closes.count(reason)
        admin?.closed.expect(id, reason.rawValue)
        reactor.finish(id, .finished, lingerMilliseconds: Int(clamping: linger), keepReading: keepsReading)
    }

    /// The first reason counts: a redirected client that logs out was redirected. Returns whether this is the first.
    private mutating func markFinishing(_ id: ConnectionID) -> Bool {
        guard connections.role(of: id) != .none, !connections.flags(of: id).contains(.finishing) else { return false }
        connections.insert(.finishing, of: id)
        return true
    }

    // MARK: Hashes

    private mutating func hash(_ id: HashID, secret: [UInt8], salt: [UInt8], cost: UInt8) {
        hashes[id] = helpers.hashes.submit { HashResult(id: id, secret: secret, salt: salt, cost: cost) }
        if hashes[id] == nil { deferred.append(.hashed(id)) }
    }

    /// The client is about to be gone: who floods with registrations and leaves must not make the others wait.
    mutating func cancelHash(of session: SessionID) {
        guard let id = node.hashUnderWay(of: session), let ticket = hashes[id], helpers.hashes.cancel(ticket) else {
            return
        }
        hashes[id] = nil
        counts.hashesCancelled += 1
    }

    // MARK: Reports

    mutating func tell(_ report: Report, in reactor: inout Reactor) {
        log.tell(report, at: reactor.now)
        noteLinkEnd(report, in: reactor)
        switch report {
        case .ready: announceReady(in: &reactor)
        case .drained: life.isDrained = true
        case .joinRefused(let address, let refusal, let text):
            life.failure = .joinRefused(address, refusal, text)
            reactor.stop()
        default: break
        }
    }
}

/// Outputs that continue each other: bytes for one target, one range behind the other.
extension Outbox {
    enum Target: Equatable {
        case connection(ConnectionID)
        case everybody
    }

    struct Run {
        var target: Target
        var bytes: Range<Int>
        /// The index of the first output that is not part of it.
        var next: Int
    }

    /// As much as one call of the reactor is given: it must stay far below the activity log's size.
    private static var runBytes: Int { 256 << 10 }

    /// The run that begins with an output that has bytes.
    func run(from index: Int) -> Run {
        guard let (target, first) = bytes(of: index) else { preconditionFailure("an output with bytes begins a run") }
        var run = Run(target: target, bytes: first, next: index + 1)
        while run.next < outputs.count, let (target, range) = bytes(of: run.next) {
            guard target == run.target, range.lowerBound == run.bytes.upperBound,
                range.upperBound - run.bytes.lowerBound <= Self.runBytes
            else { break }
            run.bytes = run.bytes.lowerBound..<range.upperBound
            run.next += 1
        }
        return run
    }

    private func bytes(of index: Int) -> (Target, Range<Int>)? {
        switch outputs[index] {
        case .sendLink(let id, let range): (.connection(ConnectionID(id)), range)
        case .reply(let id, let range): (.connection(ConnectionID(id)), range)
        case .publish(let range): (.everybody, range)
        default: nil
        }
    }
}
