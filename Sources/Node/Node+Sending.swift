import Codecs

/// Acknowledged sending: a client that asks for it numbers its activities, is told when they are held by enough
/// servers, and may send again what it was not told of. The number travels in the record, so that every server knows
/// what it has.
extension Node {
    /// What the client of a session asks for beyond the protocol.
    mutating func ask(_ extensions: ClientExtensions, _ slot: Int) {
        var extensions = extensions
        // A second LOGIN on a connection changes who it is, not where.
        extensions.positions = sessions.sessions[slot].isPresent ? nil : extensions.positions.map { admitted($0) }
        asked[slot] = extensions.isEmpty ? nil : extensions
        unacknowledged[slot] = nil
    }

    mutating func forgetAsked(_ slot: Int) {
        asked[slot] = nil
        unacknowledged[slot] = nil
    }

    /// The sending of an activity that this session has numbered; nil if it does not number.
    func sending(of line: Span<UInt8>, _ slot: Int) -> Sending? {
        guard let run = asked[slot]?.run, sessions.user(of: slot).claim != nil else { return nil }
        return ClientExtensions.number(ofActivity: line).map { Sending(run: run, number: $0) }
    }

    /// Whether the activity is known: it was sent again, and is only acknowledged again.
    mutating func isKnown(_ sending: Sending, of claim: ClaimID, _ slot: Int) -> Bool {
        guard let run = sendings[SendingTable.Key(claim: claim, run: sending.run)], sending.number <= run.held else {
            return false
        }
        counters.activitiesRepeated += 1
        awaitHolders(sending.number, at: run.position, slot)
        return true
    }

    /// The session is told of the activity when it is safe.
    mutating func awaitHolders(_ number: UInt64, at position: StreamPosition, _ slot: Int) {
        // To who was sent elsewhere nothing is said any more: it sends again there.
        guard sessions.sessions[slot].isPresent else { return }
        let limit = configuration.limits.unacknowledged
        unacknowledged.change(slot, otherwise: Unacknowledged()) { $0.append(number, at: position, limit: limit) }
    }

    /// A numbered activity is held here.
    mutating func noteHeld(_ header: RecordHeader, origin: Int, seq: UInt64) {
        guard let sending = header.sending, let claim = header.claim else { return }
        sendings.noteHeld(
            sending.number, of: SendingTable.Key(claim: claim, run: sending.run),
            at: StreamPosition(origin: servers[origin], seq: seq))
    }

    /// Whether an activity is to be shown: one that was sent again at another server, before the first one was known
    /// there, comes twice as a record.
    mutating func isFirst(_ header: RecordHeader, of stream: Int, _ seq: UInt64) -> Bool {
        guard let sending = header.sending, let claim = header.claim else { return true }
        let key = SendingTable.Key(claim: claim, run: sending.run)
        if sendings.noteShown(sending.number, of: key) { return true }
        counters.activitiesRepeated += 1
        // Sessions that are fed are not shown it either.
        let position = StreamPosition(origin: servers[stream], seq: seq)
        repeated.append(RepeatedActivity(position: position, key: key, number: sending.number))
        if repeated.count > Self.repeatedMax { repeated.removeFirst() }
        return false
    }

    /// Repeated activities that are remembered: only a reconnect makes any.
    static let repeatedMax = 1024

    // MARK: Shown when it is held

    /// Whether a numbered activity of this server's own stream may be shown. If this server dies, its client sends it
    /// again: that is known for a repetition only where the first one is held. (The same trade as semisynchronous
    /// replication in MySQL, and with the same way out: after some time without an answer it goes on without.)
    mutating func mayShow(_ seq: UInt64) -> Bool {
        guard showsUnheld || isHeldByEnough(seq) else { return false }
        unheldSince = nil
        return true
    }

    private func isHeldByEnough(_ seq: UInt64) -> Bool {
        let others = reachableOthers
        let wanted = min(configuration.acknowledgingServers, others.count + 1)
        return isHeld(StreamPosition(origin: id, seq: seq), by: wanted, others)
    }

    mutating func awaitHolders() {
        guard unheldSince == nil else { return }
        unheldSince = now
        timers.set(.holders, at: now.adding(milliseconds: Self.holdersPatience))
    }

    /// How long an activity waits for those who shall hold it, in milliseconds: a link that is this slow is as good as
    /// silent.
    static let holdersPatience: UInt64 = 1000

    mutating func expireHolders() {
        guard let since = unheldSince else { return }
        guard now.milliseconds(since: since) >= Self.holdersPatience else {
            return timers.set(.holders, at: since.adding(milliseconds: Self.holdersPatience))
        }
        counters.holdersAwaitedInVain += 1
        (unheldSince, showsUnheld) = (nil, true)
        deliverOwn()
    }

    /// Shows what is held by enough servers now.
    mutating func deliverHeld() {
        if showsUnheld, isHeldByEnough(store.streams[Self.ownIndex].held) { showsUnheld = false }
        if unheldSince != nil { deliverOwn() }
    }

    // MARK: Acknowledged

    /// Tells each session up to which of its numbers enough servers hold them.
    mutating func acknowledgeActivities() {
        guard !unacknowledged.isEmpty else { return }
        let others = reachableOthers
        let wanted = min(configuration.acknowledgingServers, others.count + 1)
        for slot in unacknowledged.slots {
            guard var waiting = unacknowledged[slot] else { continue }
            let highest = waiting.take { isHeld($0, by: wanted, others) }
            unacknowledged[slot] = waiting.isEmpty ? nil : waiting
            if let highest, sessions.sessions[slot].isPresent {
                reply(.activityAcknowledged(number: highest), to: slot)
            }
        }
    }

    private func isHeld(_ position: StreamPosition, by wanted: Int, _ others: [Int]) -> Bool {
        // Who has forgotten the stream knows that everybody has it.
        guard let stream = servers.index(of: position.origin) else { return true }
        guard store.streams[stream].held >= position.seq else { return false }
        return 1 + others.count { queues[$0].acknowledged[stream] >= position.seq } >= wanted
    }
}
