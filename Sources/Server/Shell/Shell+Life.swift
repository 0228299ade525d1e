/// The course of the process: ready, signals, statistics, the end.
internal import Codecs
internal import Glibc
internal import Logging
internal import Node
internal import Reactor

/// How far the process has come.
struct Life {
    var isAnnounced = false
    /// Clients are moved elsewhere, and the end follows.
    var isDraining = false
    /// That is done: the end is due.
    var isDrained = false
    /// The end has begun: nothing new is started.
    var isEnding = false
    /// A second signal: not even last words.
    var isUrgent = false
    /// Why it cannot go on.
    var failure: ServerFailure?
    /// Statistics were asked for while the file's writer was busy.
    var wantsStatistics = false
}

extension Shell {
    /// The signals that are read as events.
    static let signals = [SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGHUP]

    /// Begins: the node may announce itself ready at once.
    mutating func start(in reactor: inout Reactor) {
        node.start(at: instant(of: reactor))
        carryOut(in: &reactor)
        watchCertificates(in: &reactor)
        startWatchdog(in: &reactor)
        // Without it a server that is alone would wait for its first event, however long that takes.
        setNodeTimer(in: &reactor)
    }

    /// One line for scripts and people that wait for it.
    mutating func announceReady(in reactor: inout Reactor) {
        guard !life.isAnnounced else { return }
        life.isAnnounced = true
        let place = "on \(settings.boundAddress) as \(settings.advertised)"
        settings.output.write(Array("pando-server \(settings.version) ready \(place) id \(node.id)\n".utf8))
        tellReady(in: &reactor)
    }

    // MARK: Signals

    mutating func signalled(_ signal: Int32, in reactor: inout Reactor) {
        switch signal {
        case SIGTERM where settings.drainMilliseconds > 0 && !life.isDraining && !life.isEnding:
            drain(within: settings.drainMilliseconds, in: &reactor)
        case SIGUSR2:
            drain(
                within: settings.drainMilliseconds > 0 ? settings.drainMilliseconds : ShellSettings.drainMilliseconds,
                in: &reactor)
        case SIGTERM, SIGINT: life.isEnding ? endNow(in: &reactor) : end(in: &reactor)
        case SIGUSR1:
            // Somebody has moved the file away, as logrotate(8) does.
            if settings.logSink.isFile { settings.logSink.reopen() }
            if settings.statisticsFile != nil || !settings.logSink.isFile { writeStatistics(in: &reactor) }
        default: reload(in: &reactor)
        }
    }

    /// Moves the clients to other servers; then the end follows.
    private mutating func drain(within milliseconds: UInt64, in reactor: inout Reactor) {
        guard !life.isDraining, !life.isEnding else { return }
        life.isDraining = true
        log.logger.notice("draining", metadata: ["within_ms": "\(milliseconds)"])
        tellDraining(within: milliseconds, in: &reactor)
        node.drain(within: milliseconds, at: instant(of: reactor))
        carryOut(in: &reactor)
    }

    /// Leaves the network in order, within a few seconds.
    mutating func end(in reactor: inout Reactor) {
        log.logger.notice("shutting down", metadata: ["connections": "\(reactor.statistics.open)"])
        life.isEnding = true
        tellStopping(in: &reactor)
        reactor.closeListener(settings.listener)
        endAdmin(in: &reactor)
        node.shutdown(at: instant(of: reactor))
        carryOut(in: &reactor)
        for id in connections.connections(.undetermined) {
            reactor.finish(
                id, .shutdown, lingerMilliseconds: ShellSettings.linkLingerMilliseconds, keepReading: false)
        }
        for id in connections.connections(.dialling) { reactor.close(id, .shutdown) }
        reactor.setTimer(TimerToken.lastMoment, afterMilliseconds: ShellSettings.shutdownMilliseconds)
    }

    private mutating func endNow(in reactor: inout Reactor) {
        life.isUrgent = true
        reactor.stop()
    }

    // MARK: Statistics

    /// The document is made here, in less than a millisecond; a helper writes it.
    mutating func writeStatistics(in reactor: inout Reactor) {
        guard let file = settings.statisticsFile, let files = helpers.files else {
            return log.logger.notice("SIGUSR1: no statistics are written without --statistics-file")
        }
        let (document, number) = (statistics(of: reactor), file.nextNumber())
        let ticket = files.submit { .statistics(file.write(document, number: number)) }
        life.wantsStatistics = ticket == nil
    }

    mutating func drainFiles(in reactor: inout Reactor) {
        guard let files = helpers.files else { return }
        for result in files.drain() {
            switch result {
            case .statistics(nil): break
            case .statistics(let failure?):
                log.logger.warning("the statistics cannot be written", metadata: ["error": "\(failure)"])
            case .reload(let result): reloaded(result, in: &reactor)
            }
        }
        if life.wantsStatistics { writeStatistics(in: &reactor) }
        if reloading.isWanted { reload(in: &reactor) }
    }

    /// The last document, when the reactor has ended and waiting does no harm. One that a helper is still writing does
    /// not replace it.
    func writeLastStatistics(of reactor: borrowing Reactor) {
        guard let file = settings.statisticsFile else { return }
        if let failure = file.write(statistics(of: reactor), number: file.nextNumber()) {
            log.logger.warning("the statistics cannot be written", metadata: ["error": "\(failure)"])
        }
    }

    private func statistics(of reactor: borrowing Reactor) -> [UInt8] {
        StatisticsDocument.make(
            id: node.id, version: settings.version, node: nodeStatistics, reactor: reactor.statistics, shell: counts,
            closes: closes, certificates: tls.certificates, now: instant(of: reactor))
    }
}
