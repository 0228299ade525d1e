import Codecs

/// Acknowledged sending: a client that asks for it numbers its activities, is told when they are held by enough
/// servers, and may send again what it was not told of. The number travels in the record, so that every server knows
/// what it has.
extension Node {
    /// What the client of a session asks for beyond the protocol.
    mutating func ask(_ extensions: ClientExtensions, _ slot: Int) {
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
        if sendings.noteShown(sending.number, of: SendingTable.Key(claim: claim, run: sending.run)) { return true }
        counters.activitiesRepeated += 1
        // Sessions that are fed are not shown it either.
        repeated.append(StreamPosition(origin: servers[stream], seq: seq))
        if repeated.count > Self.repeatedMax { repeated.removeFirst() }
        return false
    }

    /// Repeated activities that are remembered: only a reconnect makes any.
    static let repeatedMax = 1024

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
