public import Node

/// All that decides a run. Two worlds with equal options and equal scripts behave alike, byte for byte.
public struct WorldOptions: Sendable {
    public var seed: UInt64
    /// One-way delay of a connection in milliseconds, drawn once a connection (iroh-gossip's simulator: 10 to 100 ms).
    public var latencyMilliseconds: ClosedRange<UInt64> = 10...100
    /// What may come on top for each segment, in permille of the connection's delay. It never reorders a connection.
    public var jitterPermille: UInt64 = 250
    /// How often what is written at once is cut once more, in permille: readers must cope with any boundary.
    public var splitPermille: UInt64 = 300
    /// From an input's arrival to the server's turn, in microseconds: what comes in between shares the turn.
    public var turnDelayMicroseconds: ClosedRange<UInt64> = 0...200
    /// How far the servers' wall clocks are apart, in milliseconds.
    public var clockSkewMilliseconds: UInt64 = 50
    /// How much faster or slower than true time a monotonic clock may be, in millionths.
    public var clockDriftMillionths: UInt64 = 0
    /// How long a hash of a secret takes, in milliseconds (scrypt of cost 10, measured for the real server).
    public var hashMilliseconds: UInt64 = 3
    /// Until an attempt to reach a silent address is given up, in milliseconds (a guess at a patient dialler).
    public var connectTimeoutMilliseconds: UInt64 = 3000
    /// What the kernel of a process that stands still takes in from each connection (a guess: Linux has 128 KiB at
    /// first, and up to 6 MiB).
    public var socketBufferBytes = 256 << 10
    /// Every fourth client sends its first activity with its LOGIN.
    public var hasHastyClients = false
    public var timing = NodeConfiguration.Timing()
    public var limits = NodeConfiguration.Limits()
    public var traces: Trace.Mode = .off
    /// The record of which a story is told; nothing else of the run depends on it.
    public var focus: Violation.Focus?
    /// A fault of the *simulated shell*, planted to show that the checkers find it.
    public var defect: PlantedDefect?
    /// A mistake that every node makes.
    public var nodeDefect: NodeDefect?

    public init(seed: UInt64) {
        self.seed = seed
        // These clients begin anew, and so they are judged.
        timing.resumeWindow = 0
    }
}

/// Faults that the promises forbid. Each hits one line of every `every` that a server sends to its clients.
public enum PlantedDefect: Hashable, Sendable {
    case losesLine(every: Int)
    case repeatsLine(every: Int)
    /// A line is held back until after the next one.
    case swapsLines(every: Int)
}

/// Whom each server is told of when it starts.
public enum Topology: String, Hashable, Sendable, CaseIterable {
    /// Its predecessor.
    case chain
    /// The first server.
    case star
    /// Any one before it.
    case random
}
