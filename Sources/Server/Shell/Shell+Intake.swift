/// Back-pressure of the fan-out: when the clients cannot be served as fast as activities come in, input and delivery
/// wait. So a burst, or the backlog after a healed cut, closes no client as slow that is not slow.
///
/// There are two ways to be too fast: for this server, which cannot offer every client everything soon enough; and for
/// clients, which do not take it soon enough. A client that lags is waited for as long as it moves:
///
/// - alone, at 256 KiB/s (2,000 activities of 128 bytes a second) or more, over each second in which it lags;
/// - where several lag and are a crowd, an eighth of the clients, each at its share of 256 KiB/s, but at 16 KiB/s or
///   more (a thousand of them behind a line of 128 Mbit/s), over each three seconds.
///
/// One that takes less is waited for no more until it moves as fast again: it is overrun and closed (`slowConsumer`) if
/// the others go on so fast. Who has taken nothing for three seconds before it lags so much is not waited for at all.
/// So a client that stands still holds up the others for one second once at most, one that trickles likewise, and one
/// that moves just fast enough slows the server to what it takes. A longer patience would help the stalled and harm
/// everybody; a higher rate would close clients on a line of 2 Mbit/s whenever somebody floods.
internal import Node
internal import Reactor

/// Which connections wait, and why.
struct Intake {
    /// May name connections that have ended since; their generation tells.
    fileprivate var held: [ConnectionID] = []
    /// When the held links were last let read.
    fileprivate var breathed = Instant(nanoseconds: 0)
    /// The end of the ring when the subscribers were last surveyed.
    fileprivate var surveyedEnd: UInt64 = 0
    fileprivate var surveyed = Instant(nanoseconds: 0)
    /// Some of those that lag keep up well enough to be waited for.
    fileprivate var waitsForReaders = false

    /// A crowd is an eighth of the clients, and more than one: below, it is a matter of single clients. A guess.
    fileprivate static let crowdShare = 8
    fileprivate static let crowdMin = 2
    /// The least rate of a client that is waited for, and in a crowd, in bytes a second. See above.
    fileprivate static let leastRate = 256 << 10
    fileprivate static let leastRateInCrowd = 16 << 10
    /// How long a client may take to show that rate, in seconds. A crowd has longer: its machine may be busy.
    fileprivate static let periodSeconds = 1
    fileprivate static let periodSecondsOfCrowd = 3
    /// How often the subscribers are surveyed while something waits for them.
    fileprivate static let surveyMilliseconds = 10
    /// How soon it is looked again whether the fan-out has caught up. Every turn looks; this is for a loop without any
    /// other work, whose last round has just ended.
    fileprivate static let pauseMilliseconds = 1
}

extension Shell {
    /// Parts of the activity log. A quarter may be published between two ends of a turn, a quarter is what a client may
    /// lag (noticed after a sixteenth), half is what this server may be behind: together they stay within the log.
    private func quarter(_ reactor: borrowing Reactor) -> Int { reactor.configuration.ringCapacity / 4 }

    /// Whether nothing more is to be published for now.
    private func isBehind(_ reactor: borrowing Reactor) -> Bool {
        intake.waitsForReaders || reactor.fanOutBacklog > 2 * quarter(reactor)
    }

    /// Whether the node may publish, asked at the end of each turn: the readers are looked at first.
    mutating func mayDeliver(in reactor: inout Reactor) -> Bool {
        surveyReaders(in: &reactor)
        return !isBehind(reactor)
    }

    /// Whether a connection with input has to wait; then it is paused.
    mutating func holds(_ id: ConnectionID, in reactor: inout Reactor) -> Bool {
        let isShareUsedUp = node.hasPostponedDeliveries
        guard isShareUsedUp || isBehind(reactor) else { return false }
        // Whoever else has input would be paused as well, one by one.
        if isShareUsedUp { reactor.endEvents() }
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
        guard !intake.held.isEmpty || node.hasPostponedDeliveries else { return }
        if !node.hasPostponedDeliveries, !intake.waitsForReaders, reactor.fanOutBacklog <= quarter(reactor) {
            let held = intake.held
            intake.held = []
            for id in held { release(id, in: &reactor) }
        } else if instant(of: reactor).milliseconds(since: intake.breathed) >= settings.breathMilliseconds {
            letLinksBreathe(in: &reactor)
        }
        // The turns of a reactor with nothing to send would wait for events.
        if !intake.held.isEmpty || node.hasPostponedDeliveries {
            let pause = intake.waitsForReaders ? Intake.surveyMilliseconds : Intake.pauseMilliseconds
            reactor.setTimer(TimerToken.intake, afterMilliseconds: pause)
        }
    }

    /// Also forgets the connections that have ended, so that the list stays as long as what waits.
    private mutating func letLinksBreathe(in reactor: inout Reactor) {
        intake.breathed = instant(of: reactor)
        let links = intake.held.filter { connections.role(of: $0) == .link }
        intake.held.removeAll { connections.role(of: $0) == .link || connections.role(of: $0) == .none }
        for id in links {
            connections.insert(.mayBreathe, of: id)
            release(id, in: &reactor)
        }
    }

    /// Looks for clients that lag and still keep up: after each sixteenth of the log, and regularly while some do.
    private mutating func surveyReaders(in reactor: inout Reactor) {
        let now = instant(of: reactor)
        let isDue =
            intake.waitsForReaders && now.milliseconds(since: intake.surveyed) >= UInt64(Intake.surveyMilliseconds)
        guard isDue || Int(reactor.ringEnd - intake.surveyedEnd) >= quarter(reactor) / 4 else { return }
        (intake.surveyedEnd, intake.surveyed) = (reactor.ringEnd, now)
        let lagging = reactor.lagging(by: quarter(reactor))
        let isCrowd = lagging >= max(Intake.crowdMin, reactor.subscriberCount / Intake.crowdShare)
        let share = max(Intake.leastRateInCrowd, Intake.leastRate / max(1, lagging))
        let seconds = isCrowd ? Intake.periodSecondsOfCrowd : Intake.periodSeconds
        let keepingUp = reactor.surveySubscribers(
            laggingBy: quarter(reactor), leastBytes: (isCrowd ? share : Intake.leastRate) * seconds,
            periodMilliseconds: seconds * 1000, stillMilliseconds: Intake.periodSecondsOfCrowd * 1000)
        intake.waitsForReaders = keepingUp > 0
    }

    private mutating func release(_ id: ConnectionID, in reactor: inout Reactor) {
        connections.remove(.held, of: id)
        readOn(id, in: &reactor)
    }

    /// The node wants input again; it comes when the fan-out wants it as well.
    mutating func resume(_ id: ConnectionID, in reactor: inout Reactor) {
        noteWaited(id, in: reactor)
        noteLogin(of: id, in: &reactor)
        readOn(id, in: &reactor)
    }

    /// The node wants no input for now: it has something to do for the client.
    mutating func pause(_ id: ConnectionID, in reactor: inout Reactor) {
        if connections.flags(of: id).intersection([.unproven, .paused]) == .unproven { unproven.leave() }
        connections.insert(.paused, of: id)
        reactor.pauseReading(id)
    }

    private mutating func noteWaited(_ id: ConnectionID, in reactor: borrowing Reactor) {
        if connections.flags(of: id).isSuperset(of: [.unproven, .paused]) {
            unproven.enter(id, turn: reactor.statistics.turns)
        }
        connections.remove(.paused, of: id)
    }

    /// It is among the unproven ones no more.
    mutating func forgetUnproven(_ id: ConnectionID) {
        if connections.flags(of: id).intersection([.unproven, .paused]) == .unproven { unproven.leave() }
        connections.remove(.unproven, of: id)
    }

    /// Reads on, unless there is another reason to wait.
    func readOn(_ id: ConnectionID, in reactor: inout Reactor) {
        if connections.flags(of: id).isDisjoint(with: .waiting) { reactor.resumeReading(id) }
    }
}
