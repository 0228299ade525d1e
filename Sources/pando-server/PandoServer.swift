/// The program: options in, a running server out. The options are grouped in files of their own.
import ArgumentParser
import Configuration
import Glibc
import Server

@main
struct PandoServer: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pando-server",
        abstract: "One server of a network that behaves like one.",
        discussion: """
            Clients connect to any server; what one sends reaches every client in the network, once and in order. \
            Servers connect to each other on the same port. There is no coordinator: tell each new server of \
            any one that runs.

            EXAMPLES
              Begin a network; the secret is printed:
                pando-server -lh red.example.org
              Join it from another host:
                pando-server -lh blue.example.org -rh red.example.org -s SECRET
              Three servers on one host, for a try:
                pando-server -lp 3780 -lh localhost -s x
                pando-server -lp 3781 -lh localhost -s x -rh localhost -rp 3780
                pando-server -lp 3782 -lh localhost -s x -rh localhost -rp 3781

            When it serves clients, it prints one line to the standard output:
              pando-server VERSION ready on ADDRESS:PORT as HOST:PORT id ID
            The log goes to the standard error stream or a file (--log-file). Where that stream is the system's \
            journal, lines carry their priority and no time.

            CONFIGURATION
              Each setting is an option, a variable of the environment and a line of the configuration file: \
            --max-store-mb 64, PANDO_MAX_STORE_MB=64, max-store-mb: 64. An option wins over the environment, that over \
            the file, the file over the default. The secret does not stand in the file; secret-file: PATH does.

            LIMITS
              The longest line of a client is 1 MiB (--max-line-bytes). Records for servers that are cut off are kept \
            up to 256 MiB (--max-store-mb), oldest given up first, counted and logged. A client may lag behind by \
            8 MiB of activities (--activity-log-mb). Connections are limited by the hard limit of open files \
            (ulimit -Hn), less 64; clients leave 320 of them, a quarter if they are few, to servers.

            SIGNALS
              SIGTERM, SIGINT: leave in order, within 3 s; a second one ends at once. \
            SIGUSR2: move the clients to other servers first, within 30 s or --drain-grace-ms, as SIGTERM does with \
            that option. \
            SIGUSR1: write the statistics (--statistics-file), and open the log file again. \
            SIGHUP: read the configuration file and the files of TLS again; what can change while it runs (the log's \
            settings, certificates) changes for the connections to come, what needs a new start is named in the log, \
            and one mistake leaves everything as it is.

            EXIT STATUS
              0 ended in order; 1 the network refuses this server (wrong secret, address taken); 64 wrong usage; \
            65 the file in --state-dir is damaged or of a later version; \
            69 the address to listen on is taken or not of this host; 71 the operating system refused something else; \
            77 listening there is forbidden; 78 a mistake in the configuration file or the environment.
            """,
        version: Server.version,
        // Without -h: the parser would find it inside -lh and -rh, and answer any wrong option beside them with the
        // help.
        helpNames: .long)

    @OptionGroup(title: "Configuration") var source: SourceOptions
    @OptionGroup(title: "Network") var network: NetworkOptions
    @OptionGroup(title: "State") var state: StateOptions
    @OptionGroup(title: "TLS") var security: TLSOptions
    @OptionGroup(title: "Log and statistics") var insight: InsightOptions
    @OptionGroup(title: "Admin endpoint") var admin: AdminOptions
    @OptionGroup(title: "Limits") var limits: LimitOptions
    @OptionGroup(title: "Connections") var connections: ConnectionOptions
    @OptionGroup(title: "Logins") var logins: LoginOptions
    @OptionGroup(title: "Times (milliseconds)") var times: TimeOptions

    /// The one table of all that can be set.
    private var groups: [ServerSettings] {
        [
            ServerSettings("Network", network.settings),
            ServerSettings("State", state.settings),
            ServerSettings("TLS", security.settings),
            ServerSettings("Log and statistics", insight.settings),
            ServerSettings("Admin endpoint", admin.settings),
            ServerSettings("Limits", limits.settings),
            ServerSettings("Connections", connections.settings),
            ServerSettings("Logins", logins.settings),
            ServerSettings("Times (milliseconds)", times.settings),
        ]
    }

    private static let rules =
        NetworkOptions.rules + TLSOptions.rules + AdminOptions.rules + LimitOptions.rules + ConnectionOptions.rules
        + TimeOptions.rules

    func run() throws {
        // Swift reads the arguments from /proc. In a root without it a server with none of its options would start.
        guard !CommandLine.arguments.isEmpty else {
            TextFile.write("pando-server: the arguments cannot be read: mount /proc\n", to: STDERR_FILENO)
            throw ExitCode(ExitStatus.system)
        }
        let resolution = source.resolve(groups, Self.rules)
        guard resolution.mistakes.isEmpty else {
            source.tell(resolution.mistakes)
            let isUsage = resolution.mistakes.allSatisfy { if case .option = $0.origin { true } else { false } }
            throw ExitCode(isUsage ? ExitStatus.usage : ExitStatus.configuration)
        }
        if source.printConfig { return source.print(resolution, groups) }
        if source.checkConfig { return source.tellThatAllIsWell() }
        do throws(ServerFailure) {
            var configuration = resolution.target
            if let versions = source.peerVersions { configuration.peerVersions = versions.range }
            let hasFiles = source.path != nil || configuration.secretPath != nil
            let reader: Reload.Reader? = if hasFiles { { reload($0) } } else { nil }
            try Server.run(configuration, reload: reader)
        } catch {
            error.tell()
            throw ExitCode(error.exitStatus)
        }
    }

    /// Reads everything again; only the files can say something new.
    private func reload(_ inForce: ServerConfiguration) -> Reload {
        let resolution = source.resolve(groups, Self.rules)
        guard resolution.mistakes.isEmpty else { return .refused(resolution.mistakes.map(\.description)) }
        let change = resolution.change(from: inForce, groups)
        return .accepted(change.target, changed: change.changed, waiting: change.waiting)
    }
}
