/// Every time that the network's protocol waits for. The defaults are those of `NodeConfiguration.Timing`; tests and
/// networks over slow lines choose others.
import ArgumentParser
import Configuration
import Node
import Server

struct TimeOptions: ParsableArguments {
    private static let defaults = NodeConfiguration.Timing()

    @Option(
        name: [.customShort("a"), .customLong("announce-interval-ms")],
        help: ArgumentHelp("How often this server announces itself and its load.", valueName: "ms"))
    var announceInterval = Given(standard: defaults.announceInterval)

    @Option(
        name: .customLong("announce-gap-ms"),
        help: ArgumentHelp("Least time between two announcements of changes.", valueName: "ms"))
    var announceGap = Given(standard: defaults.announceGap)

    @Option(
        name: .customLong("heartbeat-ms"),
        help: ArgumentHelp("How often an otherwise silent link says that it lives.", valueName: "ms"))
    var heartbeat = Given(standard: defaults.heartbeat)

    @Option(
        name: .customLong("silence-ms"),
        help: ArgumentHelp("A link that is silent for so long has failed.", valueName: "ms"))
    var silence = Given(standard: defaults.silence)

    @Option(
        name: .customLong("handshake-ms"),
        help: ArgumentHelp(
            "From a link's first byte to both introductions; also for each address of a dial.", valueName: "ms"))
    var handshake = Given(standard: defaults.handshake)

    @Option(
        name: .customLong("redial-min-ms"),
        help: ArgumentHelp("First wait before a failed dial is tried again; it doubles.", valueName: "ms"))
    var redialMin = Given(standard: defaults.redialMin)

    @Option(name: .customLong("redial-max-ms"), help: ArgumentHelp("Longest wait between two dials.", valueName: "ms"))
    var redialMax = Given(standard: defaults.redialMax)

    @Option(
        name: .customLong("digest-delay-ms"),
        help: ArgumentHelp("How long digests are gathered for one message.", valueName: "ms"))
    var digestDelay = Given(standard: defaults.digestDelay)

    @Option(
        name: .customLong("graft-delay-ms"),
        help: ArgumentHelp("How long a record that others hold may be missing before it is asked for.", valueName: "ms")
    )
    var graftDelay = Given(standard: defaults.graftDelay)

    @Option(
        name: .customLong("gap-patience-ms"),
        help: ArgumentHelp(
            "How long records that one neighbour has given up may take to come from another one.",
            valueName: "ms"))
    var gapPatience = Given(standard: defaults.gapPatience)

    @Option(
        name: .customLong("request-retry-ms"),
        help: ArgumentHelp("Until a request to another server is sent again.", valueName: "ms"))
    var requestRetry = Given(standard: defaults.requestRetry)

    @Option(
        name: .customLong("request-timeout-ms"),
        help: ArgumentHelp("Until the next server is asked instead.", valueName: "ms"))
    var requestTimeout = Given(standard: defaults.requestTimeout)

    @Option(
        name: .customLong("claim-ack-ms"),
        help: ArgumentHelp("How long a registration waits for a second server that holds it.", valueName: "ms"))
    var claimAcknowledgement = Given(standard: defaults.claimAcknowledgement)

    @Option(
        name: .customLong("reservation-ms"),
        help: ArgumentHelp("How long a name is kept for a registration under way.", valueName: "ms"))
    var reservation = Given(standard: defaults.reservation)

    @Option(
        name: .customLong("ticket-ms"),
        help: ArgumentHelp("How long a redirected client is expected at the other server.", valueName: "ms"))
    var ticket = Given(standard: defaults.ticket)

    @Option(
        name: .customLong("join-patience-ms"),
        help: ArgumentHelp("How long a joining server waits for the network's state before it serves.", valueName: "ms")
    )
    var joinPatience = Given(standard: defaults.joinPatience)

    @Option(
        name: .customLong("linger-ms"),
        help: ArgumentHelp("How long a redirected or refused client may take to close.", valueName: "ms"))
    var linger = Given(standard: defaults.linger)

    @Option(
        name: .customLong("drain-grace-ms"),
        help: ArgumentHelp(
            "How long SIGTERM may take to move the clients elsewhere; 0 closes them at once.", valueName: "ms"))
    var drainGrace = Given(standard: ServerConfiguration().drainGrace)

    @Option(
        name: .customLong("surplus-grace-ms"),
        help: ArgumentHelp("How long a link that neither end wants is kept.", valueName: "ms"))
    var surplusGrace = Given(standard: defaults.surplusGrace)

    @Option(
        name: .customLong("departure-ms"),
        help: ArgumentHelp(
            "A server that was silent for so long has departed: nothing is kept for it any more.", valueName: "ms"))
    var departure = Given(standard: defaults.departure)

    @Option(
        name: .customLong("departed-redial-ms"),
        help: ArgumentHelp(
            "How often a server that departed in silence, or the remote host after it left, is dialled, for ever.",
            valueName: "ms"))
    var departedRedial = Given(standard: defaults.departedRedial)

    @Option(
        name: .customLong("resume-window-ms"),
        help: ArgumentHelp(
            "How long a named client whose connection broke may come back to what it missed; 0 turns it off.",
            valueName: "ms"))
    var resumeWindow = Given(standard: defaults.resumeWindow)

    @Option(
        name: .customLong("checkpoint-ms"),
        help: ArgumentHelp(
            "How often this server tells how far its named clients are: what they may see twice if it dies.",
            valueName: "ms"))
    var checkpoint = Given(standard: defaults.checkpoint)

    /// A month: beyond it a number is a slip of the keyboard.
    private static let longest: UInt64 = 31 * 86_400_000

    private static let milliseconds = Kind<UInt64>.number(1...longest, "ms")

    var settings: [ServerSetting] {
        [
            ServerSetting(
                "announce-interval-ms", short: "-a", announceInterval.text, \.timing.announceInterval, Self.milliseconds
            ),
            ServerSetting("announce-gap-ms", announceGap.text, \.timing.announceGap, Self.milliseconds),
            ServerSetting("heartbeat-ms", heartbeat.text, \.timing.heartbeat, Self.milliseconds),
            ServerSetting("silence-ms", silence.text, \.timing.silence, Self.milliseconds),
            ServerSetting("handshake-ms", handshake.text, \.timing.handshake, Self.milliseconds),
            ServerSetting("redial-min-ms", redialMin.text, \.timing.redialMin, Self.milliseconds),
            ServerSetting("redial-max-ms", redialMax.text, \.timing.redialMax, Self.milliseconds),
            ServerSetting("digest-delay-ms", digestDelay.text, \.timing.digestDelay, Self.milliseconds),
            ServerSetting("graft-delay-ms", graftDelay.text, \.timing.graftDelay, Self.milliseconds),
            ServerSetting("gap-patience-ms", gapPatience.text, \.timing.gapPatience, Self.milliseconds),
            ServerSetting("request-retry-ms", requestRetry.text, \.timing.requestRetry, Self.milliseconds),
            ServerSetting("request-timeout-ms", requestTimeout.text, \.timing.requestTimeout, Self.milliseconds),
            ServerSetting("claim-ack-ms", claimAcknowledgement.text, \.timing.claimAcknowledgement, Self.milliseconds),
            ServerSetting("reservation-ms", reservation.text, \.timing.reservation, Self.milliseconds),
            ServerSetting("ticket-ms", ticket.text, \.timing.ticket, Self.milliseconds),
            ServerSetting("join-patience-ms", joinPatience.text, \.timing.joinPatience, Self.milliseconds),
            ServerSetting("linger-ms", linger.text, \.timing.linger, Self.milliseconds),
            ServerSetting("drain-grace-ms", drainGrace.text, \.drainGrace, .number(0...Self.longest, "ms")),
            ServerSetting("surplus-grace-ms", surplusGrace.text, \.timing.surplusGrace, Self.milliseconds),
            ServerSetting("departure-ms", departure.text, \.timing.departure, Self.milliseconds),
            ServerSetting("departed-redial-ms", departedRedial.text, \.timing.departedRedial, Self.milliseconds),
            ServerSetting(
                "resume-window-ms", resumeWindow.text, \.timing.resumeWindow, .number(0...Self.longest, "ms")),
            ServerSetting("checkpoint-ms", checkpoint.text, \.timing.checkpoint, Self.milliseconds),
        ]
    }

    static let rules = [
        // A link must have a chance to be heard before it is given up.
        ServerRule(["heartbeat-ms", "silence-ms"], "heartbeat-ms must be less than silence-ms.") {
            $0.target.timing.heartbeat < $0.target.timing.silence
        },
        ServerRule(["redial-min-ms", "redial-max-ms"], "redial-min-ms must not be more than redial-max-ms.") {
            $0.target.timing.redialMin <= $0.target.timing.redialMax
        },
        ServerRule(
            ["request-retry-ms", "request-timeout-ms"], "request-retry-ms must not be more than request-timeout-ms."
        ) { $0.target.timing.requestRetry <= $0.target.timing.requestTimeout },
    ]
}
