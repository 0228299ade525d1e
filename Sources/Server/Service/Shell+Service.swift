/// What the service manager is told: when clients are served, when settings are read again, when the end begins, and
/// now and then that the loop turns.
internal import Logging
internal import Node
internal import Reactor

extension TimerToken {
    /// The service manager wants to hear that the loop turns.
    static let watchdog: UInt64 = 32
    /// Something could not be told and is told again.
    static let serviceRetry: UInt64 = 33
}

extension Shell {
    /// Begins to tell that the loop turns. It is told by a timer of the loop itself and by nobody else: a loop that is
    /// stuck tells nothing.
    mutating func startWatchdog(in reactor: inout Reactor) {
        guard let period = service?.watchdogMilliseconds else { return }
        reactor.setTimer(TimerToken.watchdog, afterMilliseconds: period)
    }

    mutating func tellAlive(in reactor: inout Reactor) {
        startWatchdog(in: &reactor)
        tellService("WATCHDOG=1\nSTATUS=\(situation)", in: &reactor)
    }

    mutating func tellReady(in reactor: inout Reactor) {
        tellService("READY=1\nSTATUS=\(situation)", in: &reactor)
    }

    /// Until the next ``tellReady(in:)``. Of a server that is not ready yet only that is awaited.
    mutating func tellReloading(in reactor: inout Reactor) {
        guard life.isAnnounced else { return }
        tellService("RELOADING=1\nMONOTONIC_USEC=\(SystemClock.monotonicNanoseconds / 1000)", in: &reactor)
    }

    mutating func tellReloaded(in reactor: inout Reactor) {
        if life.isAnnounced { tellReady(in: &reactor) }
    }

    mutating func tellStopping(in reactor: inout Reactor) {
        tellService("STOPPING=1\nSTATUS=leaving the network", in: &reactor)
    }

    /// The end follows when the clients are elsewhere, and may take longer than the manager would wait by itself.
    mutating func tellDraining(within milliseconds: UInt64, in reactor: inout Reactor) {
        let limit = (milliseconds + UInt64(ShellSettings.shutdownMilliseconds)) * 1000
        tellService("STOPPING=1\nEXTEND_TIMEOUT_USEC=\(limit)\nSTATUS=moving clients elsewhere", in: &reactor)
    }

    mutating func retryService(in reactor: inout Reactor) {
        tellService(nil, in: &reactor)
    }

    /// One line, for people.
    private var situation: String {
        let membership = node.membership
        let clients = connections.count(.client)
        var text = "\(stageName); clients: \(clients); servers reachable: \(membership.reachable)"
        if membership.unreachable > 0 { text += ", unreachable: \(membership.unreachable)" }
        return text
    }

    private mutating func tellService(_ text: String?, in reactor: inout Reactor) {
        guard var service else { return }
        defer { self.service = service }
        if let text { service.add(text) }
        switch service.send() {
        case .sent: service.isHeard = true
        case .full:
            reactor.setTimer(TimerToken.serviceRetry, afterMilliseconds: ServiceManager.retryMilliseconds)
        case .failed(let error):
            // It may be back when there is something to tell again. Until then one line will do.
            if service.isHeard {
                log.logger.warning("the service manager cannot be told anything", metadata: ["error": "\(error)"])
            }
            service.isHeard = false
        }
    }
}
