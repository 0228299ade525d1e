/// What may be used up.
import ArgumentParser
import Node
import Server

struct LimitOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Longest line of a client.", valueName: "bytes"))
    var maxLineBytes = 1 << 20

    @Flag(
        help: """
            Accept activities with integers outside 64 bits. They are refused otherwise: most of the existing clients \
            fall silent for good when they receive one.
            """)
    var allowHugeIntegers = false

    @Option(help: ArgumentHelp("Memory for records that others still lack.", valueName: "MiB"))
    var maxStoreMb = 256

    @Option(
        help: ArgumentHelp(
            "Memory of the activity log: how far a client may lag behind. (default: 8, or 4 of the longest lines)",
            valueName: "MiB"))
    var activityLogMb: Int?

    @Option(
        help: ArgumentHelp(
            "Cost of new users' hashes: the binary logarithm of scrypt's N. Each step doubles the time.",
            valueName: "1-20"))
    var hashCost: UInt8 = 10

    @Option(
        help: ArgumentHelp("Threads that hash secrets. (default: processors less one, at least 1)", valueName: "count"))
    var helperThreads: Int?

    /// A TiB: beyond it a number is a slip of the keyboard.
    private static let mebibytesMax = 1 << 20
    private static let threadsMax = 256

    func validate() throws {
        let lines = ServerConfiguration.lineBytesRange
        guard lines.contains(maxLineBytes) else {
            throw ValidationError("--max-line-bytes: \(lines.lowerBound) to \(lines.upperBound) bytes.")
        }
        guard (1...Self.mebibytesMax).contains(maxStoreMb) else {
            throw ValidationError("--max-store-mb: 1 to \(Self.mebibytesMax) MiB.")
        }
        guard ServerConfiguration.hashCostRange.contains(hashCost) else {
            let range = ServerConfiguration.hashCostRange
            throw ValidationError("--hash-cost: \(range.lowerBound) to \(range.upperBound).")
        }
        if let helperThreads, !(1...Self.threadsMax).contains(helperThreads) {
            throw ValidationError("--helper-threads: 1 to \(Self.threadsMax).")
        }
        try checkActivityLog()
    }

    private func checkActivityLog() throws {
        guard let activityLogMb else { return }
        guard (1...1024).contains(activityLogMb) else { throw ValidationError("--activity-log-mb: 1 to 1024 MiB.") }
        let needed = ServerConfiguration.activityLogBytesMin(lineBytes: maxLineBytes)
        guard activityLogMb << 20 >= needed else {
            throw ValidationError(
                "--activity-log-mb \(activityLogMb): it must hold \(ServerConfiguration.linesInLogMin) of the longest "
                    + "lines, \(needed) bytes with --max-line-bytes \(maxLineBytes).")
        }
    }

    func apply(to configuration: inout ServerConfiguration) {
        configuration.limits.lineBytes = maxLineBytes
        configuration.limits.storeBytes = maxStoreMb << 20
        configuration.allowsHugeIntegers = allowHugeIntegers
        configuration.activityLogBytes = activityLogMb.map { $0 << 20 }
        configuration.hashCost = hashCost
        configuration.helperThreads = helperThreads
    }
}
