/// Back-pressure of the fan-out: when the readers that keep up cannot be served as fast as activities come in, input waits.
/// So a burst, or the backlog after a healed cut, closes no client as slow that is not slow itself.
internal import Node
internal import Reactor

/// Which connections wait because the fan-out is behind.
struct Intake {
    fileprivate(set) var held: [ConnectionID] = []
    /// When the held links were last let read.
    fileprivate var breathed = Instant(nanoseconds: 0)

    mutating func forget(_ id: ConnectionID) {
        if !held.isEmpty { held.removeAll { $0 == id } }
    }
}

extension Shell {
    /// Half of the log is waiting to be offered: what comes in now waits until it is a quarter.
    private func isBehind(_ reactor: borrowing Reactor) -> Bool {
        reactor.fanOutBacklog > reactor.configuration.ringCapacity / 2
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

    /// Lets the held connections go on when the fan-out has caught up. Until then each link is read once in a while: any
    /// byte is a sign of life, and a link that nobody reads looks dead. While somebody is held, the reactor's turns follow
    /// each other without a wait, so this is called often enough.
    mutating func releaseIntake(in reactor: inout Reactor) {
        guard !intake.held.isEmpty else { return }
        if reactor.fanOutBacklog <= reactor.configuration.ringCapacity / 4 {
            let held = intake.held
            intake.held = []
            for id in held { release(id, in: &reactor) }
        } else if instant(of: reactor).milliseconds(since: intake.breathed) >= settings.breathMilliseconds {
            intake.breathed = instant(of: reactor)
            let links = intake.held.filter { connections.role(of: $0) == .link }
            intake.held.removeAll { connections.role(of: $0) == .link }
            for id in links {
                connections.insert(.mayBreathe, of: id)
                release(id, in: &reactor)
            }
        }
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
