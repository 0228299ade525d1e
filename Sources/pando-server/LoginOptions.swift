/// Who may guess at secrets, and how many secrets may wait to be checked: docs/security.md says what happens.
import ArgumentParser
import Configuration
import Node
import Server

struct LoginOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Failed logins of one address, IPv6: of one network of 64 bits, before it has to wait, longer each time; "
                + "0: any number. (default: \(Guesses.failuresDefault), any number from this host itself)",
            valueName: "count"))
    var failedLogins: String?

    @Option(
        help: ArgumentHelp("Secrets that may wait to be hashed; logins beyond are refused.", valueName: "count"))
    var hashQueue = Given(standard: ServerConfiguration().limits.hashJobs)

    /// Beyond it a number is a slip of the keyboard.
    private static let countMax = 1 << 20

    var settings: [ServerSetting] {
        [
            ServerSetting(
                "failed-logins", failedLogins, \.limits.failedLogins, Kind.number(0...Self.countMax).orNone,
                otherwise: "\(Guesses.failuresDefault), any number from this host itself"),
            ServerSetting("hash-queue", hashQueue.text, \.limits.hashJobs, .number(1...Self.countMax)),
        ]
    }
}
