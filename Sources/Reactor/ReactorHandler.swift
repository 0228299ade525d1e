/// What the reactor tells its user. Statically dispatched: `Reactor.run` is generic over the handler, so that no
/// existential and no closure stands between a byte and the code that reads it.

/// The user of a reactor. Every call comes on the reactor's thread, with the reactor at hand to act on.
///
/// A call may close any connection, its own included; no further call but `closed` follows for that one.
public protocol ReactorHandler: ~Copyable {
    /// A connection came in at `listener`.
    mutating func accepted(
        _ id: ConnectionID, from peer: SocketAddress, listener: ListenerID, in reactor: inout Reactor)

    /// A dial succeeded.
    mutating func connected(_ id: ConnectionID, in reactor: inout Reactor)

    /// An accepted connection turned out to be under TLS, and its handshake is complete; its first bytes are still to
    /// come, and no deadline of the handshake holds any more.
    mutating func secured(_ id: ConnectionID, in reactor: inout Reactor)

    /// The deadline of an open connection has passed. It is closed with the reason, unless it is finished in this call,
    /// or gets another deadline.
    mutating func overdue(_ id: ConnectionID, _ reason: CloseReason, in reactor: inout Reactor)

    /// Bytes are waiting. Returns how many were consumed; the rest is kept (bounded by the connection's input limit)
    /// and shown again together with what comes next.
    ///
    /// The handler must consume every complete unit in `bytes`, or pause reading: what it leaves is not shown again
    /// before more bytes come, or reading is resumed. If it leaves as much as the input limit without having paused,
    /// the connection is closed with `inputOverflow`.
    ///
    /// - Parameters:
    ///   - bytes: What waits. Valid during the call only.
    ///   - seen: How many of the leading bytes have been shown before, so that a scanner need not look at a long
    ///     partial line again. 0 after a pause, since then they may hold complete units.
    ///   - atEnd: Whether the peer has ended its stream: nothing more will come, and what is not consumed is dropped.
    ///     Comes once, even without bytes (again only if the handler pauses in that very call and resumes later). The
    ///     connection is still open for writing then: it is the handler's turn to close or finish it.
    /// - Returns: The number of bytes consumed, from 0 to the count.
    mutating func received(
        _ id: ConnectionID, _ bytes: Span<UInt8>, seen: Int, atEnd: Bool, in reactor: inout Reactor
    ) -> Int

    /// The peer of a connection whose reading is paused has reset it or was lost. What it sent before may still be read
    /// after a resume; a handler that has no use for it closes. May come more than once.
    mutating func hungUp(_ id: ConnectionID, in reactor: inout Reactor)

    /// The connection is gone. Comes exactly once for each that was accepted or dialled (failed dials included), after
    /// every other call for it.
    mutating func closed(_ id: ConnectionID, reason: CloseReason, in reactor: inout Reactor)

    /// One of the watched signals arrived.
    mutating func signalled(_ signal: Int32, in reactor: inout Reactor)

    /// A ``Waker`` was used: drain the helpers' results.
    mutating func woken(in reactor: inout Reactor)

    /// A timer is due. It is forgotten before the call, so the same token can be set again.
    mutating func timerFired(_ token: UInt64, in reactor: inout Reactor)

    /// All events of the turn have been told; what is sent and published here goes out in this turn's flush.
    mutating func turnEnding(in reactor: inout Reactor)
}

extension ReactorHandler where Self: ~Copyable {
    public mutating func connected(_ id: ConnectionID, in reactor: inout Reactor) {}
    public mutating func secured(_ id: ConnectionID, in reactor: inout Reactor) {}
    public mutating func overdue(_ id: ConnectionID, _ reason: CloseReason, in reactor: inout Reactor) {}
    public mutating func hungUp(_ id: ConnectionID, in reactor: inout Reactor) {}
    public mutating func signalled(_ signal: Int32, in reactor: inout Reactor) {}
    public mutating func woken(in reactor: inout Reactor) {}
    public mutating func timerFired(_ token: UInt64, in reactor: inout Reactor) {}
    public mutating func turnEnding(in reactor: inout Reactor) {}
}
