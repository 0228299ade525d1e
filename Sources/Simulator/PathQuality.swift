/// What a way between two parties is like, in both directions.
public struct PathQuality: Hashable, Sendable {
    /// One-way delay in microseconds, drawn once a connection.
    public var latencyMicroseconds: ClosedRange<UInt64>
    /// What may come on top for each segment, in permille of the connection's delay. It never reorders a connection.
    public var jitterPermille: UInt64
    /// How often a segment is lost, in permille. A connection is TCP: what is lost is sent again after a while, and
    /// what follows waits for it.
    public var lossPermille: UInt64
    /// Bytes a second in each direction of each connection; nil is without limit.
    public var bytesPerSecond: UInt64?

    public init(
        latencyMicroseconds: ClosedRange<UInt64>, jitterPermille: UInt64 = 250, lossPermille: UInt64 = 0,
        bytesPerSecond: UInt64? = nil
    ) {
        self.latencyMicroseconds = latencyMicroseconds
        self.jitterPermille = jitterPermille
        self.lossPermille = lossPermille
        self.bytesPerSecond = bytesPerSecond
    }

    /// Machines in one room.
    public static let local = PathQuality(latencyMicroseconds: 50...1000)
    /// Places in one country.
    public static let regional = PathQuality(latencyMicroseconds: 2000...20_000)
    /// Places on different continents.
    public static let distant = PathQuality(latencyMicroseconds: 40_000...120_000)
    /// The first wait before a lost segment is sent again, in nanoseconds; it doubles (Linux: 200 ms at least).
    static let retransmission: UInt64 = 200_000_000
    /// Losses of one segment in a row: more would be a cut.
    static let lossesMax = 5
}
