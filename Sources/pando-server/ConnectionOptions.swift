/// What connections may take, whoever is at their other ends: docs/security.md says what happens at each limit.
import ArgumentParser
import Configuration
import Server

struct ConnectionOptions: ParsableArguments {
    private static let defaults = ConnectionLimits()

    @Option(
        help: ArgumentHelp(
            "Connections at a time. (default: as many as this process may have open files, less 64)",
            valueName: "count"))
    var maxConnections: String?

    @Option(
        help: ArgumentHelp(
            "Of them, those that clients leave to servers. (default: 320, a quarter if they are few)",
            valueName: "count"))
    var reservedConnections: String?

    @Option(help: ArgumentHelp("Connections accepted in one turn of the loop.", valueName: "count"))
    var acceptsPerTurn = Given(standard: defaults.acceptsInTurn)

    @Option(
        help: ArgumentHelp(
            "Connections that have neither logged in nor turned out to be of servers; the oldest gives way.",
            valueName: "count"))
    var unprovenConnections = Given(standard: defaults.unprovenMax)

    @Option(
        help: ArgumentHelp(
            "Connections from one address, IPv6: from one network of 64 bits; 0: any number. "
                + "(default: \(ConnectionLimits.perAddressDefault), any number from this host itself)",
            valueName: "count"))
    var connectionsPerAddress: String?

    @Option(
        help: ArgumentHelp(
            "Memory of unfinished lines and unsent answers: beyond it clients that come are refused.", valueName: "MiB")
    )
    var maxBufferMb = Given(standard: defaults.bufferBytes >> 20)

    @Option(
        help: ArgumentHelp(
            "Lines a second of a client; what comes faster waits in its own machine. 0: as fast as they come.",
            valueName: "count"))
    var activitiesPerSecond = Given(standard: defaults.activitiesPerSecond)

    @Option(help: ArgumentHelp("Longest line of a client that has not logged in.", valueName: "bytes"))
    var loginLineBytes = Given(standard: defaults.loginLineBytes)

    @Option(
        help: ArgumentHelp(
            "How long a connection may leave open whether a server or a client speaks: its first bytes tell.",
            valueName: "ms"))
    var firstByteMs = Given(standard: defaults.firstByteMilliseconds)

    @Option(
        help: ArgumentHelp(
            "From a client's first byte to its login; while it waits for this server no time is counted.",
            valueName: "ms"))
    var loginMs = Given(standard: defaults.loginMilliseconds)

    @Option(
        help: ArgumentHelp(
            "From the beginning of a line to its end, of a client that has logged in.", valueName: "ms"))
    var lineMs = Given(standard: defaults.lineMilliseconds)

    @Option(
        help: ArgumentHelp(
            "How long the other end of a connection may take nothing of what waits for it.", valueName: "ms"))
    var writeStallMs = Given(standard: defaults.writeMilliseconds)

    /// More than any process has descriptors.
    private static let connectionsMax = 1 << 20
    /// A TiB, and a line in a microsecond.
    private static let mebibytesMax = 1 << 20
    private static let rateMax = 1_000_000
    /// A month: beyond it a number is a slip of the keyboard.
    private static let longest: UInt64 = 31 * 86_400_000

    private static let milliseconds = Kind<UInt64>.number(1...longest, "ms")
    private static let count = Kind<Int>.number(1...connectionsMax)

    var settings: [ServerSetting] {
        [
            ServerSetting(
                "max-connections", maxConnections, \.connections.connectionsMax, Self.count.orNone,
                otherwise: "as many as this process may have open files, less 64"),
            ServerSetting(
                "reserved-connections", reservedConnections, \.connections.reserved,
                Kind.number(0...Self.connectionsMax).orNone, otherwise: "320, a quarter if they are few"),
            ServerSetting("accepts-per-turn", acceptsPerTurn.text, \.connections.acceptsInTurn, Self.count),
            ServerSetting(
                "unproven-connections", unprovenConnections.text, \.connections.unprovenMax, Self.count),
            ServerSetting(
                "connections-per-address", connectionsPerAddress, \.connections.perAddress,
                Kind.number(0...Self.connectionsMax).orNone,
                otherwise: "\(ConnectionLimits.perAddressDefault), any number from this host itself"),
            ServerSetting(
                "max-buffer-mb", maxBufferMb.text, \.connections.bufferBytes, .mebibytes(1...Self.mebibytesMax)),
            ServerSetting(
                "activities-per-second", activitiesPerSecond.text, \.connections.activitiesPerSecond,
                .number(0...Self.rateMax)),
            ServerSetting(
                "login-line-bytes", loginLineBytes.text, \.connections.loginLineBytes,
                .number(ServerConfiguration.lineBytesRange, "bytes")),
            ServerSetting(
                "first-byte-ms", firstByteMs.text, \.connections.firstByteMilliseconds, Self.milliseconds),
            ServerSetting("login-ms", loginMs.text, \.connections.loginMilliseconds, Self.milliseconds),
            ServerSetting("line-ms", lineMs.text, \.connections.lineMilliseconds, Self.milliseconds),
            ServerSetting(
                "write-stall-ms", writeStallMs.text, \.connections.writeMilliseconds, Self.milliseconds),
        ]
    }

    static let rules = [
        ServerRule(
            ["max-connections", "reserved-connections"], "reserved-connections must be less than max-connections."
        ) { ($0.target.connections.reserved ?? 0) < $0.target.connections.connectionsMax ?? .max }
    ]
}
