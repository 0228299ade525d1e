/// Counters of a reactor since its start. Each event that gives something up has one (nothing is dropped silently).

/// Counters of a reactor since its start, in units of one unless the name says otherwise.
public struct ReactorStatistics: Sendable {
    /// Connections accepted.
    public internal(set) var accepted: UInt64 = 0
    /// Dials begun.
    public internal(set) var dialled: UInt64 = 0
    /// Dials that succeeded.
    public internal(set) var connected: UInt64 = 0
    /// Connections open now, dialling ones included.
    public internal(set) var open = 0
    /// Subscribers of the ring now.
    public internal(set) var subscribers = 0
    /// Memory of partial lines, and of private or sealed output that waits.
    public internal(set) var bufferBytes = 0
    /// Times that a listener's turn ended at its budget; who came later waits for the next one.
    public internal(set) var acceptsCut: UInt64 = 0
    /// Bytes read from connections.
    public internal(set) var bytesReceived: UInt64 = 0
    /// Bytes written to connections.
    public internal(set) var bytesSent: UInt64 = 0
    /// Bytes published to the ring.
    public internal(set) var bytesPublished: UInt64 = 0
    /// Reads that returned bytes or an end.
    public internal(set) var receives: UInt64 = 0
    /// Writes that took bytes.
    public internal(set) var sends: UInt64 = 0
    /// System calls that carried writes of many connections.
    public internal(set) var sendBatches: UInt64 = 0
    /// Writes that took less than was offered (the connection then waits for writability).
    public internal(set) var partialWrites: UInt64 = 0
    /// Turns of the loop.
    public internal(set) var turns: UInt64 = 0
    /// The longest turn, in nanoseconds, waiting excluded.
    public internal(set) var longestTurnNanoseconds: UInt64 = 0
    /// The longest turn in processor time of its thread, in nanoseconds: of those turns over a millisecond that follow
    /// another one.
    public internal(set) var longestTurnProcessorNanoseconds: UInt64 = 0
    /// Steps of turns that were cut at their budget of input or time; the rest went on in the next turn.
    public internal(set) var turnsCut: UInt64 = 0
    /// Events for connections that had ended within the same batch.
    public internal(set) var staleEvents: UInt64 = 0
    /// Times that a listener was paused because descriptors or memory ran out.
    public internal(set) var acceptPausesNoDescriptors: UInt64 = 0
    /// Times that a listener was paused because all slots were taken.
    public internal(set) var acceptPausesNoSlots: UInt64 = 0
    /// Subscribers closed because the ring overran them.
    public internal(set) var ringOverruns: UInt64 = 0
    /// Turns whose fan-out was cut at the slice, in sends or in bytes.
    public internal(set) var fanOutSlices: UInt64 = 0
    /// Bytes given to `send` after the connection had stopped sending, and dropped.
    public internal(set) var bytesDroppedAfterEnd: UInt64 = 0
    /// Handshakes of TLS that were completed.
    public internal(set) var tlsHandshakes: UInt64 = 0
    /// Accepted connections in the midst of a handshake.
    public internal(set) var tlsHandshakesUnderWay = 0
    /// Ends by reason, indexed by the reason's raw value.
    private var closes = [UInt64](repeating: 0, count: CloseReason.allCases.count)

    /// How many connections ended for a reason.
    public func closed(_ reason: CloseReason) -> UInt64 { closes[Int(reason.rawValue)] }

    /// How many connections ended.
    public var closedTotal: UInt64 { closes.reduce(0, +) }

    mutating func countClose(_ reason: CloseReason) { closes[Int(reason.rawValue)] += 1 }
}
