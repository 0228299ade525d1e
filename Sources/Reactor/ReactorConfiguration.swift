/// Every limit of the reactor in one place, with its default and where the number comes from.

/// The limits of a reactor.
public struct ReactorConfiguration: Sendable {
    /// Connections at the same time. At the limit, accepting pauses. The default leaves room for other descriptors
    /// below the usual hard limit of 20,000.
    public var capacity: Int
    /// Bytes of the broadcast ring, rounded up to whole pages. 8 MiB is 64,000 lines of 128 bytes: a guess at what a
    /// reader may lag behind.
    public var ringCapacity = 8 << 20
    /// Unconsumed input that a connection may hold, in bytes. Can be changed for each connection.
    public var inputLimit = 64 << 10
    /// Unsent private output that a connection may hold, in bytes. Can be changed for each connection.
    public var outputLimit = 1 << 20
    /// Sends to subscribers in one turn. Measured: 6-8 µs each, so that others wait 4 ms at most.
    public var fanOutSlice = 512
    /// Bytes written to subscribers in one turn, and as many to connections with private output or that have become
    /// writable. 512 sends of a large lag took half a second; 4 MiB take 2-4 ms.
    public var flushBytes = 4 << 20
    /// Whether a slice of sends is handed to the kernel in one call, where it has io_uring (Linux 5.18) and allows it.
    /// Measured: 0.7-0.8 of the cost.
    public var batchesSends = true
    /// Accepts for each listener in one turn. Measured: 7-10 µs each, so about half a millisecond.
    public var acceptBudget = 64
    /// Bytes read from one connection in one turn. 64 KiB, the usual size of a socket's receive window at first.
    public var readBudget = 64 << 10
    /// How long the handshake of an accepted connection under TLS may take, in milliseconds. Three round trips of a bad
    /// line: a guess.
    public var tlsHandshakeMilliseconds = 10_000
    /// Handshakes of accepted connections at the same time; beyond that the oldest gives way. Each holds some 40 KiB.
    public var tlsHandshakesMax = 1024
    /// Connections with private output, or that have become writable, that are written to in one turn: as long as a
    /// slice of the fan-out.
    public var flushBudget = 512
    /// How long a peer may take nothing of what waits for it, in milliseconds: about as long as silence is borne.
    public var writeStallMilliseconds = 300_000
    /// TCP_NOTSENT_LOWAT of subscribers, in bytes (tcp(7)). Measured: without it a stalled reader holds 4 MiB of kernel
    /// memory.
    public var notSentLowWater = 16 << 10
    /// Events fetched by one epoll_wait. More would only lengthen the list that is gone through before epoll is asked
    /// again; the length of a turn is kept by the two budgets below. A guess.
    public var eventBatch = 512
    /// Bytes read in one turn, and bytes of leftover input shown. 600 connections with 64 KiB each made turns of
    /// 230-470 ms; 2 MiB of short lines are some 10 ms.
    public var turnReadBytes = 2 << 20
    /// Time for the events of one turn, and as much for leftover input: whatever an event costs, timers wait no longer.
    /// As long as a slice of the fan-out: 250 logins.
    public var turnEventMicroseconds = 5_000
    /// Timers set at the same time; more is an error of the user. A guess.
    public var timerLimit = 1 << 20
    /// Silence after which the kernel probes a connection, in seconds. With the probes, who answers nothing is given
    /// up after four and a half minutes: a laptop may sleep, a train may pass a tunnel, and most clients do not connect
    /// again by themselves. One setting for all: among servers heartbeats find out much sooner.
    public var keepAliveSeconds = 120
    /// Time between two probes, in seconds.
    public var keepAliveIntervalSeconds = 30
    /// Probes without an answer after which a connection is lost.
    public var keepAliveProbes = 5
    /// First pause of a listener when descriptors or slots run out, in milliseconds; doubles up to the second number.
    public var acceptPauseMilliseconds = 10
    /// Longest pause of a listener, in milliseconds.
    public var acceptPauseMaxMilliseconds = 1_000

    /// Creates the default configuration for a number of connections.
    public init(capacity: Int = 19_000) {
        self.capacity = capacity
    }
}
