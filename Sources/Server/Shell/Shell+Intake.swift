/// Back-pressure of the fan-out: when the clients cannot be served as fast as activities come in, input waits. So a
/// burst, or the backlog after a healed cut, closes no client as slow that is not slower than the others.
///
/// There are two ways to be too fast: for this server, which cannot offer every client everything soon enough; and for
/// a crowd of clients, which do not take it soon enough. A client that lags alone holds up nobody: it is overrun and
/// closed.
internal import Node
internal import Reactor

/// Which connections wait, and why.
struct Intake {
    fileprivate var held: [ConnectionID] = []
    /// When the held links were last let read.
    fileprivate var breathed = Instant(nanoseconds: 0)
    /// The end of the ring when the present turn began.
    fileprivate var turnStart: UInt64 = 0
    /// The end of the ring when a crowd was last looked for.
    fileprivate var checkedEnd: UInt64 = 0
    fileprivate var checked = Instant(nanoseconds: 0)
    /// Since when a crowd lags; nil if none does.
    fileprivate var crowdSince: Instant?
    /// A crowd lags, and it is worth waiting for it.
    fileprivate var waitsForCrowd = false

    mutating func forget(_ id: ConnectionID) {
        if !held.isEmpty { held.removeAll { $0 == id } }
    }

    /// A crowd is an eighth of the clients, and more than one: below, it is a matter of single clients. A guess.
    fileprivate static let crowdShare = 8
    fileprivate static let crowdMin = 2
    /// How long input waits for a crowd. Clients that have moved no further by then are dead weight, and no reason to
    /// hold up the network: they are overrun and closed one by one.
    fileprivate static let patienceMilliseconds: UInt64 = 3000
    /// How often a crowd is looked for while input waits.
    fileprivate static let checkMilliseconds: UInt64 = 10
}

extension Shell {
    /// Parts of the activity log. A quarter may be published in a turn, a quarter is what a crowd may lag, half is what
    /// this server may be behind: together they stay within the log.
    private func quarter(_ reactor: borrowing Reactor) -> Int { reactor.configuration.ringCapacity / 4 }

    private func isBehind(_ reactor: borrowing Reactor) -> Bool {
        intake.waitsForCrowd || Int(reactor.ringEnd - intake.turnStart) > quarter(reactor)
            || reactor.fanOutBacklog > 2 * quarter(reactor)
    }

    /// Whether a connection with input has to wait; then it is paused.
    mutating func holds(_ id: ConnectionID, in reactor: inout Reactor) -> Bool {
        guard isBehind(reactor) else { return false }
        let flags = connections.flags(of: id)
        if flags.contains(.mayBreathe) {
            connections.remove(.mayBreathe, of: id)
            return false
        }
        if intake.held.isEmpty { intake.breathed = instant(of: reactor) }
        if !flags.contains(.held) { intake.held.append(id) }
        connections.insert(.held, of: id)
        counts.inputsHeld += 1
        reactor.pauseReading(id)
        return true
    }

    /// At the end of each turn: lets held connections go on when there is room again. Until then each link is read once
    /// in a while: any byte is a sign of life, and a link that nobody reads looks dead.
    mutating func releaseIntake(in reactor: inout Reactor) {
        intake.turnStart = reactor.ringEnd
        lookForCrowd(in: reactor)
        guard !intake.held.isEmpty else { return }
        if !intake.waitsForCrowd, reactor.fanOutBacklog <= quarter(reactor) {
            let held = intake.held
            intake.held = []
            for id in held { release(id, in: &reactor) }
        } else if instant(of: reactor).milliseconds(since: intake.breathed) >= settings.breathMilliseconds {
            letLinksBreathe(in: &reactor)
        }
        // The turns of a reactor with nothing to send would wait for events.
        if !intake.held.isEmpty {
            reactor.setTimer(TimerToken.intake, afterMilliseconds: Int(Intake.checkMilliseconds))
        }
    }

    private mutating func letLinksBreathe(in reactor: inout Reactor) {
        intake.breathed = instant(of: reactor)
        let links = intake.held.filter { connections.role(of: $0) == .link }
        intake.held.removeAll { connections.role(of: $0) == .link }
        for id in links {
            connections.insert(.mayBreathe, of: id)
            release(id, in: &reactor)
        }
    }

    /// Looks for a crowd of lagging clients: after each sixteenth of the log, and regularly while input waits.
    private mutating func lookForCrowd(in reactor: borrowing Reactor) {
        let now = instant(of: reactor)
        let isDue = !intake.held.isEmpty && now.milliseconds(since: intake.checked) >= Intake.checkMilliseconds
        guard isDue || Int(reactor.ringEnd - intake.checkedEnd) >= quarter(reactor) / 4 else { return }
        (intake.checkedEnd, intake.checked) = (reactor.ringEnd, now)
        let lagging = reactor.subscribersLagging(byMoreThan: quarter(reactor))
        guard lagging >= max(Intake.crowdMin, reactor.subscriberCount / Intake.crowdShare) else {
            (intake.crowdSince, intake.waitsForCrowd) = (nil, false)
            return
        }
        let since = intake.crowdSince ?? now
        intake.crowdSince = since
        intake.waitsForCrowd = now.milliseconds(since: since) < Intake.patienceMilliseconds
    }

    private mutating func release(_ id: ConnectionID, in reactor: inout Reactor) {
        connections.remove(.held, of: id)
        if !connections.flags(of: id).contains(.paused) { reactor.resumeReading(id) }
    }

    /// The node wants input again; it comes when the fan-out wants it as well.
    mutating func resume(_ id: ConnectionID, in reactor: inout Reactor) {
        connections.remove(.paused, of: id)
        if !connections.flags(of: id).contains(.held) { reactor.resumeReading(id) }
    }
}
