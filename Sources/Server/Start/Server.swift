/// The life of a server process: from its settings to its end.
internal import Codecs
internal import Glibc
internal import Logging
internal import Node
internal import Reactor
internal import TLS

/// A server process.
public enum Server {
    public static let version = "0.2.0"

    /// Runs a server until it is told to end or cannot go on. To be called on the main thread, once.
    ///
    /// - Parameter reload: reads the settings again at SIGHUP; nil if there is nothing that could have changed.
    /// - Throws: why it could not start, or why it had to end.
    public static func run(
        _ configuration: ServerConfiguration, reload: Reload.Reader? = nil
    ) throws(ServerFailure) {
        // Before anything else can open a descriptor.
        LogStream.occupyAll()
        let statisticsFile = try checkedStatisticsFile(configuration)
        let descriptors = try system { () throws(SystemError) in try DescriptorLimit.raise() }
        var reactor = try makeReactor(configuration, descriptors: descriptors)
        // Before any thread is started, since threads inherit what is blocked.
        try system { () throws(SystemError) in try reactor.watchSignals(Shell.signals) }
        let sink = try makeSink(configuration)
        defer { sink.flush(milliseconds: LogSink.lastMilliseconds) }
        let output = try system { () throws(SystemError) in try LogSink(.output) }
        defer { output.flush(milliseconds: LogSink.lastMilliseconds) }
        let reloading = Reloading(read: reload, inForce: configuration) { configuration in
            Logger(label: "pando-server") { _ in
                LineLogHandler(level: configuration.logLevel, format: configuration.logFormat, sink: sink)
            }
        }
        let logger = reloading.makeLogger(configuration)
        if configuration.showsSecret {
            logger.warning(
                "the secret stands in the list of processes: better give it by PANDO_SECRET or --secret-file")
        }
        configuration.secret?.tell(logger)
        let tls = try makeTLS(configuration)
        tls.tell(configuration, logger)
        reactor.tls = tls.setup
        let (listener, bound) = try listen(configuration, in: &reactor)
        logger.info(
            "limits of this process",
            metadata: ["descriptors": "\(descriptors)", "connections": "\(reactor.configuration.capacity)"])
        let helpers = try makeHelpers(configuration, reloads: reloading.canReload, waker: reactor.waker)
        let settings = makeSettings(
            configuration, listener, bound, connectionsMax: reactor.configuration.capacity, statisticsFile,
            output: output, logSink: sink)
        // The only copy: with a second one its tables would be copied at the first change, without what they reserved.
        var shell = Shell(
            node: makeNode(configuration, settings), settings: settings, helpers: helpers, reloading: reloading,
            tls: tls)
        try shell.restoreState(configuration.statePath, waker: reactor.waker)
        shell.admin = try openAdmin(configuration, logger, in: &reactor)
        shell.service = serviceManager(logger)
        shell.start(in: &reactor)
        let outcome = Result { () throws(SystemError) in try reactor.run(&shell) }
        shell.writeLastStatistics(of: reactor)
        shell.writeLastState()
        if let failure = shell.life.failure { throw failure }
        try system { () throws(SystemError) in try outcome.get() }
        shell.log.logger.notice("ended", metadata: ["in_order": "\(reactor.statistics.open == 0)"])
    }

    /// A failure of the operating system that has no better explanation.
    private static func system<Value>(_ body: () throws(SystemError) -> Value) throws(ServerFailure) -> Value {
        do throws(SystemError) {
            return try body()
        } catch {
            throw ServerFailure("\(error)", exitStatus: ExitStatus.system)
        }
    }

    // MARK: Parts

    /// Descriptors that are no connections: epoll, listener, signals, standard streams, name look-ups, files.
    private static let descriptorReserve = 64
    /// A limit of billions (some containers have it) is no reason to reserve tables of that size.
    private static let connectionsMax = 1 << 20
    /// Unsent private lines of a client: replies are short, so this is a client that only sends and never reads.
    private static let clientOutputBytes = 1 << 20

    private static func makeReactor(
        _ configuration: ServerConfiguration, descriptors: Int
    ) throws(ServerFailure) -> Reactor {
        let limits = configuration.connections
        let capacity = min(descriptors - descriptorReserve, limits.connectionsMax ?? connectionsMax)
        guard capacity > 0 else {
            let text =
                "the limit of open files is \(descriptors): at least \(descriptorReserve + 1) are needed (ulimit -n)"
            throw ServerFailure(text, exitStatus: ExitStatus.system)
        }
        var settings = ReactorConfiguration(capacity: capacity)
        settings.ringCapacity = configuration.activityLogSize
        // Two bytes more than a line: then the node sees that it is too long before the reactor does.
        settings.inputLimit = configuration.limits.lineBytes + 2
        settings.outputLimit = clientOutputBytes
        settings.acceptBudget = limits.acceptsInTurn
        settings.writeStallMilliseconds = Int(clamping: limits.writeMilliseconds)
        settings.tlsHandshakeMilliseconds = Int(clamping: configuration.tlsHandshakeMilliseconds)
        settings.tlsHandshakesMax = configuration.tlsHandshakesMax
        settings.batchesSends = configuration.batchesSends
        do throws(SystemError) {
            return try Reactor(settings)
        } catch {
            throw ServerFailure("\(error)", exitStatus: ExitStatus.system)
        }
    }

    /// One that cannot be told anything is no reason not to serve.
    private static func serviceManager(_ logger: Logger) -> ServiceManager? {
        do throws(SystemError) {
            return try ServiceManager.ofProcess()
        } catch {
            logger.warning("the service manager cannot be told anything", metadata: ["error": "\(error)"])
            return nil
        }
    }

    private static func makeTLS(_ configuration: ServerConfiguration) throws(ServerFailure) -> ServerTLS {
        do throws(TLSError) {
            return try ServerTLS(configuration)
        } catch {
            throw ServerFailure("TLS cannot be set up: \(error)", exitStatus: ExitStatus.usage)
        }
    }

    private static func makeSink(_ configuration: ServerConfiguration) throws(ServerFailure) -> LogSink {
        let place = configuration.logPath.map { LogPlace.file($0) } ?? .error
        do throws(SystemError) {
            return try LogSink(place) { trouble in
                let (message, metadata): (String, Logger.Metadata) =
                    switch trouble {
                    case .dropped(let count):
                        ("log lines were dropped: nobody took them in time", ["lines": "\(count)"])
                    case .notReopened(let error):
                        ("the log file cannot be opened again: the old one stays in use", ["error": "\(error)"])
                    }
                return LogLine.make(
                    configuration.logFormat, isForJournal: place.isJournal,
                    milliseconds: SystemClock.realtimeMilliseconds, level: .warning, message: message,
                    metadata: metadata)
            }
        } catch {
            let isFile = configuration.logPath != nil
            throw ServerFailure(
                isFile ? "--log-file cannot be written: \(error)" : "\(error)",
                exitStatus: isFile ? ExitStatus.usage : ExitStatus.system)
        }
    }

    private static func checkedStatisticsFile(
        _ configuration: ServerConfiguration
    ) throws(ServerFailure) -> StatisticsFile? {
        guard let path = configuration.statisticsPath else { return nil }
        if let refusal = StatisticsFile.refusal(of: path) {
            throw ServerFailure("--statistics-file \(refusal)", exitStatus: ExitStatus.usage)
        }
        return StatisticsFile(path: path)
    }

    private static func makeHelpers(
        _ configuration: ServerConfiguration, reloads: Bool, waker: Waker
    ) throws(ServerFailure) -> Helpers {
        try system { () throws(SystemError) in
            try Helpers(
                hashThreads: configuration.helperThreads ?? max(1, processors - 1),
                hashLimit: configuration.limits.hashJobs, usesFiles: reloads || configuration.statisticsPath != nil,
                waker: waker)
        }
    }

    private static func makeSettings(
        _ configuration: ServerConfiguration, _ listener: ListenerID, _ bound: SocketAddress,
        connectionsMax: Int, _ statisticsFile: StatisticsFile?, output: LogSink, logSink: LogSink
    ) -> ShellSettings {
        let host = configuration.host ?? OwnAddress.guess(bound: bound, remoteHost: configuration.remote?.host)
        return ShellSettings(
            boundAddress: bound, advertised: PeerAddress(host: host, port: bound.port), listener: listener,
            version: version, connectionsMax: connectionsMax,
            linkOutputBytes: 2 * configuration.limits.linkWindowBytes + PeerFrame.Limit.provenBytes,
            linkInputBytes: configuration.limits.frameLimit + 16, publishBytes: configuration.deliveryBytes,
            dialMilliseconds: Int(clamping: configuration.timing.handshake),
            breathMilliseconds: configuration.timing.silence / 4, limits: configuration.connections,
            drainMilliseconds: configuration.drainGrace, statisticsFile: statisticsFile, output: output,
            logSink: logSink)
    }

    private static func makeNode(_ configuration: ServerConfiguration, _ shell: ShellSettings) -> Node {
        let secret = secret(configuration, output: shell.output)
        var settings = NodeConfiguration(address: shell.advertised, secrets: secret.keys)
        settings.versions = configuration.peerVersions
        settings.bootstrap = configuration.remote
        settings.weight = configuration.weight
        settings.timing = configuration.timing
        // More often than the regular announcement is what a gap allows, so it is never the longer of the two.
        settings.timing.announceGap = min(configuration.timing.announceGap, configuration.timing.announceInterval)
        settings.limits = configuration.limits
        settings.limits.deliveryBytes = configuration.deliveryBytes
        settings.limits.publishedLineBytes = configuration.deliveryBytes
        settings.limits.indexedBytes = max(configuration.limits.indexedBytes, 2 * configuration.activityLogSize)
        settings.keepsState = configuration.statePath != nil
        settings.allowsHugeIntegers = configuration.allowsHugeIntegers
        settings.hashCost = configuration.hashCost
        settings.acknowledgingServers = configuration.acknowledgingServers
        settings.sessionsExpected = shell.connectionsMax
        let cryptography = Cryptography(
            hmac: { key, message in
                // HMAC-SHA-256 has no failure but the lack of memory.
                guard let mac = try? Crypto.hmacSHA256(key: key, message: message) else {
                    preconditionFailure("HMAC-SHA-256 failed: out of memory?")
                }
                return mac
            }, wipe: { Crypto.wipe(&$0) })
        return Node(
            configuration: settings, cryptography: cryptography, seed: SystemRandom.word(),
            wallClock: UInt64(clamping: SystemClock.realtimeMilliseconds),
            at: Instant(nanoseconds: SystemClock.monotonicNanoseconds))
    }

    /// The network's secret; a new one is told, on a line of its own.
    private static func secret(_ configuration: ServerConfiguration, output: LogSink) -> NetworkSecret {
        if let given = configuration.secret { return given }
        let drawn = NetworkSecret.draw()
        output.write(Array("Secret for the system: \(drawn.present)\n".utf8))
        return drawn
    }

    private static var processors: Int { sysconf(Int32(_SC_NPROCESSORS_ONLN)) }
}
