/// Every time that the network's protocol waits for. The defaults are those of `NodeConfiguration.Timing`; tests and
/// networks over slow lines choose others.
import ArgumentParser
import Node
import Server

struct TimeOptions: ParsableArguments {
    private static let defaults = NodeConfiguration.Timing()

    @Option(
        name: [.customShort("a"), .customLong("announce-interval-ms")],
        help: ArgumentHelp("How often this server announces itself and its load.", valueName: "ms"))
    var announceInterval = defaults.announceInterval

    @Option(
        name: .customLong("announce-gap-ms"),
        help: ArgumentHelp("Least time between two announcements of changes.", valueName: "ms"))
    var announceGap = defaults.announceGap

    @Option(
        name: .customLong("heartbeat-ms"),
        help: ArgumentHelp("How often an otherwise silent link says that it lives.", valueName: "ms"))
    var heartbeat = defaults.heartbeat

    @Option(
        name: .customLong("silence-ms"),
        help: ArgumentHelp("A link that is silent for so long has failed.", valueName: "ms"))
    var silence = defaults.silence

    @Option(
        name: .customLong("handshake-ms"),
        help: ArgumentHelp(
            "From a link's first byte to both introductions; also for each address of a dial.", valueName: "ms"))
    var handshake = defaults.handshake

    @Option(
        name: .customLong("redial-min-ms"),
        help: ArgumentHelp("First wait before a failed dial is tried again; it doubles.", valueName: "ms"))
    var redialMin = defaults.redialMin

    @Option(name: .customLong("redial-max-ms"), help: ArgumentHelp("Longest wait between two dials.", valueName: "ms"))
    var redialMax = defaults.redialMax

    @Option(
        name: .customLong("digest-delay-ms"),
        help: ArgumentHelp("How long digests are gathered for one message.", valueName: "ms"))
    var digestDelay = defaults.digestDelay

    @Option(
        name: .customLong("graft-delay-ms"),
        help: ArgumentHelp("How long a record that others hold may be missing before it is asked for.", valueName: "ms")
    )
    var graftDelay = defaults.graftDelay

    @Option(
        name: .customLong("gap-patience-ms"),
        help: ArgumentHelp(
            "How long records that one neighbour has given up may take to come from another one.",
            valueName: "ms"))
    var gapPatience = defaults.gapPatience

    @Option(
        name: .customLong("request-retry-ms"),
        help: ArgumentHelp("Until a request to another server is sent again.", valueName: "ms"))
    var requestRetry = defaults.requestRetry

    @Option(
        name: .customLong("request-timeout-ms"),
        help: ArgumentHelp("Until the next server is asked instead.", valueName: "ms"))
    var requestTimeout = defaults.requestTimeout

    @Option(
        name: .customLong("claim-ack-ms"),
        help: ArgumentHelp("How long a registration waits for a second server that holds it.", valueName: "ms"))
    var claimAcknowledgement = defaults.claimAcknowledgement

    @Option(
        name: .customLong("reservation-ms"),
        help: ArgumentHelp("How long a name is kept for a registration under way.", valueName: "ms"))
    var reservation = defaults.reservation

    @Option(
        name: .customLong("ticket-ms"),
        help: ArgumentHelp("How long a redirected client is expected at the other server.", valueName: "ms"))
    var ticket = defaults.ticket

    @Option(
        name: .customLong("join-patience-ms"),
        help: ArgumentHelp("How long a joining server waits for the network's state before it serves.", valueName: "ms")
    )
    var joinPatience = defaults.joinPatience

    @Option(
        name: .customLong("linger-ms"),
        help: ArgumentHelp("How long a redirected or refused client may take to close.", valueName: "ms"))
    var linger = defaults.linger

    @Option(
        name: .customLong("surplus-grace-ms"),
        help: ArgumentHelp("How long a link that neither end wants is kept.", valueName: "ms"))
    var surplusGrace = defaults.surplusGrace

    @Option(
        name: .customLong("departure-ms"),
        help: ArgumentHelp(
            "A server that was silent for so long has departed: nothing is kept for it any more.", valueName: "ms"))
    var departure = defaults.departure

    @Option(
        name: .customLong("departed-redial-ms"),
        help: ArgumentHelp("How often a server that departed in silence is dialled, for ever.", valueName: "ms"))
    var departedRedial = defaults.departedRedial

    /// A month: beyond it a number is a slip of the keyboard.
    private static let longest: UInt64 = 31 * 86_400_000

    func validate() throws {
        for (value, name) in all where value == 0 || value > Self.longest {
            throw ValidationError("--\(name): 1 to \(Self.longest) ms.")
        }
        // A link must have a chance to be heard before it is given up.
        try require(heartbeat < silence, "--heartbeat-ms must be less than --silence-ms")
        try require(redialMin <= redialMax, "--redial-min-ms must not be more than --redial-max-ms")
        try require(requestRetry <= requestTimeout, "--request-retry-ms must not be more than --request-timeout-ms")
    }

    private func require(_ condition: Bool, _ text: String) throws {
        if !condition { throw ValidationError("\(text).") }
    }

    private var all: [(value: UInt64, name: String)] {
        [
            (announceInterval, "announce-interval-ms"),
            (announceGap, "announce-gap-ms"),
            (heartbeat, "heartbeat-ms"),
            (silence, "silence-ms"),
            (handshake, "handshake-ms"),
            (redialMin, "redial-min-ms"),
            (redialMax, "redial-max-ms"),
            (digestDelay, "digest-delay-ms"),
            (graftDelay, "graft-delay-ms"),
            (gapPatience, "gap-patience-ms"),
            (requestRetry, "request-retry-ms"),
            (requestTimeout, "request-timeout-ms"),
            (claimAcknowledgement, "claim-ack-ms"),
            (reservation, "reservation-ms"),
            (ticket, "ticket-ms"),
            (joinPatience, "join-patience-ms"),
            (linger, "linger-ms"),
            (surplusGrace, "surplus-grace-ms"),
            (departure, "departure-ms"),
            (departedRedial, "departed-redial-ms"),
        ]
    }

    func apply(to configuration: inout ServerConfiguration) {
        configuration.timing.announceInterval = announceInterval
        // More often than the regular announcement is what a gap allows, so it is never the longer of the two.
        configuration.timing.announceGap = min(announceGap, announceInterval)
        configuration.timing.heartbeat = heartbeat
        configuration.timing.silence = silence
        configuration.timing.handshake = handshake
        configuration.timing.redialMin = redialMin
        configuration.timing.redialMax = redialMax
        configuration.timing.digestDelay = digestDelay
        configuration.timing.graftDelay = graftDelay
        configuration.timing.gapPatience = gapPatience
        configuration.timing.requestRetry = requestRetry
        configuration.timing.requestTimeout = requestTimeout
        configuration.timing.claimAcknowledgement = claimAcknowledgement
        configuration.timing.reservation = reservation
        configuration.timing.ticket = ticket
        configuration.timing.joinPatience = joinPatience
        configuration.timing.linger = linger
        configuration.timing.surplusGrace = surplusGrace
        configuration.timing.departure = departure
        configuration.timing.departedRedial = departedRedial
    }
}
