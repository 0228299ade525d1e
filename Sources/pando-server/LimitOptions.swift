/// What may be used up.
import ArgumentParser
import Configuration
import Node
import Server

struct LimitOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Longest line of a client.", valueName: "bytes"))
    var maxLineBytes = Given(standard: 1 << 20)

    @Option(help: ArgumentHelp("How deeply objects and arrays may nest in a line of a client.", valueName: "levels"))
    var maxJsonDepth = Given(standard: 64)

    @Option(
        help: ArgumentHelp(
            "Longest frame of another server: the longest line of any of them has to fit.", valueName: "MiB"))
    var maxFrameMb = Given(standard: 16)

    @Flag(
        inversion: .prefixedNo,
        help: """
            Accept activities with integers outside 64 bits. They are refused otherwise: most of the existing clients \
            fall silent for good when they receive one.
            """)
    var allowHugeIntegers: Bool?

    @Option(help: ArgumentHelp("Memory for records that others still lack.", valueName: "MiB"))
    var maxStoreMb = Given(standard: 256)

    @Option(
        help: ArgumentHelp(
            "Memory of the activity log: how far a client may lag behind. (default: 8, or 4 of the longest lines)",
            valueName: "MiB"))
    var activityLogMb: String?

    @Flag(
        inversion: .prefixedNo,
        help: "Hand the kernel many sends in one call, where it has io_uring and allows it. (default: true)")
    var batchedSends: Bool?

    @Option(
        help: ArgumentHelp(
            "Cost of new users' hashes: the binary logarithm of scrypt's N. Each step doubles the time.",
            valueName: "1-20"))
    var hashCost = Given(standard: 10)

    @Option(
        help: ArgumentHelp("Threads that hash secrets. (default: processors less one, at least 1)", valueName: "count"))
    var helperThreads: String?

    @Option(
        help: ArgumentHelp(
            "Servers that must hold an activity before a client that asks for it is told, if there are so many.",
            valueName: "count"))
    var acknowledgingServers = Given(standard: 2)

    /// A TiB: beyond it a number is a slip of the keyboard.
    private static let mebibytesMax = 1 << 20
    private static let threadsMax = 256
    /// As many as a server can know.
    private static let serversMax = 4096

    var settings: [ServerSetting] {
        [
            ServerSetting(
                "max-line-bytes", maxLineBytes.text, \.limits.lineBytes,
                .number(ServerConfiguration.lineBytesRange, "bytes")),
            ServerSetting(
                "max-json-depth", maxJsonDepth.text, \.limits.jsonDepth,
                .number(ServerConfiguration.jsonDepthRange)),
            ServerSetting(
                "max-frame-mb", maxFrameMb.text, \.limits.frameBytes,
                .mebibytes(ServerConfiguration.frameMebibytesRange)),
            ServerSetting(
                "allow-huge-integers", allowHugeIntegers.map(String.init), \.allowsHugeIntegers, .truth),
            ServerSetting(
                "max-store-mb", maxStoreMb.text, \.limits.storeBytes, .mebibytes(1...Self.mebibytesMax)),
            ServerSetting(
                "activity-log-mb", activityLogMb, \.activityLogBytes, Kind.mebibytes(1...1024).orNone,
                otherwise: "8, or 4 of the longest lines"),
            ServerSetting("batched-sends", batchedSends.map(String.init), \.batchesSends, .truth),
            ServerSetting("hash-cost", hashCost.text, \.hashCost, .number(ServerConfiguration.hashCostRange)),
            ServerSetting(
                "helper-threads", helperThreads, \.helperThreads, Kind.number(1...Self.threadsMax).orNone,
                otherwise: "processors less one, at least 1"),
            ServerSetting(
                "acknowledging-servers", acknowledgingServers.text, \.acknowledgingServers,
                .number(1...Self.serversMax)),
        ]
    }

    static let rules = [
        ServerRule(["max-frame-mb", "max-line-bytes"], "max-frame-mb must hold a line of max-line-bytes.") {
            $0.target.limits.frameBytes >= ServerConfiguration.frameBytesMin(lineBytes: $0.target.limits.lineBytes)
        },
        ServerRule(
            ["activity-log-mb", "max-line-bytes"],
            "activity-log-mb must hold \(ServerConfiguration.linesInLogMin) lines of max-line-bytes: more of the one, "
                + "or less of the other."
        ) {
            let needed = ServerConfiguration.activityLogBytesMin(lineBytes: $0.target.limits.lineBytes)
            return $0.target.activityLogBytes ?? needed >= needed
        },
    ]
}
