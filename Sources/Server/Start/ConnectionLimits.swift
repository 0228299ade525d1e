/// What connections may take of this server, whoever is at their other ends.

/// Limits of connections, with their defaults. Times are milliseconds.
public struct ConnectionLimits: Sendable {
    /// All connections: of clients, of servers, of whoever looks. Nil: as many as this process may have open files.
    public var connectionsMax: Int?
    /// Connections that clients leave to servers. Nil: 320, a quarter of a small table.
    public var reserved: Int?
    /// Connections accepted in one turn of the loop: half a millisecond, and less than a hundredth of a second.
    public var acceptsInTurn = 64
    /// Connections that have not logged in and are not of servers. Beyond it the oldest gives way: who logs in at once
    /// gets in, however many do not.
    public var unprovenMax = 4096
    /// Connections from one address (IPv6: one network of 64 bits) that are not of servers; 0: any number. Nil: the
    /// default, and any number from this host itself.
    public var perAddress: Int?
    /// Memory of partial lines and of private output that waits. Beyond it clients that come are refused; beyond an
    /// eighth more those that hold the most are closed.
    public var bufferBytes = 256 << 20
    /// Lines a second that a client is read with; 0: as fast as they come.
    public var activitiesPerSecond = 0
    /// Longest line before the login. A registration of the longest name and secret, with every byte escaped, fits.
    public var loginLineBytes = 16 << 10
    /// Until it is clear who speaks: a server, or a client.
    public var firstByteMilliseconds: UInt64 = 30_000
    /// From a client's first byte to its login; while it waits for this server no time is counted.
    public var loginMilliseconds: UInt64 = 60_000
    /// From the beginning of a line to its end, after the login: 17 KiB/s for the longest.
    public var lineMilliseconds: UInt64 = 60_000
    /// How long the other end may take nothing of what waits for it. Long: a laptop may sleep.
    public var writeMilliseconds: UInt64 = 300_000

    public init() {}

    /// A tenth of the connections of a large server: many people may be behind one address.
    public static let perAddressDefault = 2048

    /// The limit for an address; nil: none.
    func perAddress(isLoopback: Bool) -> Int? {
        let limit = perAddress ?? (isLoopback ? 0 : Self.perAddressDefault)
        return limit == 0 ? nil : limit
    }
}
