public import Codecs

/// One server of the network, as a pure state machine: inputs come with the instant at which they happened, outputs
/// are gathered in `outbox`. It reads no clock, opens no socket and draws no random number but from its own seeded
/// generator: the same inputs always give the same outputs.
///
/// The driver calls `start` first; then, for each thing that happens, the input of that name; after one or several
/// inputs `turnEnding`; then it carries out `outbox.outputs` in order and empties the outbox. Carrying out an output
/// never calls back: its result comes as a later input. `timeReached` is due at `nextDeadline`.
public struct Node {
    public private(set) var id: ServerID
    public var outbox = Outbox()

    public init(
        configuration: NodeConfiguration, cryptography: Cryptography, seed: UInt64, wallClock: UInt64, at now: Instant
    ) {
        id = ServerID(startStamp: wallClock, random: seed)
    }

    public mutating func start(at now: Instant) {}
    public mutating func clientOpened(_ id: SessionID, address: [UInt8], at now: Instant) {}
    public mutating func clientReceived(
        _ id: SessionID, _ bytes: Span<UInt8>, seen: Int, atEnd: Bool, at now: Instant
    ) -> Int { bytes.count }
    public mutating func clientClosed(_ id: SessionID, at now: Instant) {}
    public mutating func linkOpened(_ id: LinkID, dial: DialID?, at now: Instant) {}
    public mutating func linkReceived(_ id: LinkID, _ bytes: Span<UInt8>, at now: Instant) -> Int { bytes.count }
    public mutating func linkClosed(_ id: LinkID, at now: Instant) {}
    public mutating func dialFailed(_ id: DialID, text: String, at now: Instant) {}
    public mutating func hashed(_ id: HashID, digest: [UInt8]?, at now: Instant) {}
    public mutating func timeReached(at now: Instant) {}
    public mutating func turnEnding(at now: Instant) {}
    public mutating func shutdown(at now: Instant) {}
    public var nextDeadline: Instant? { nil }
    public var statistics: NodeStatistics { NodeStatistics() }
}
