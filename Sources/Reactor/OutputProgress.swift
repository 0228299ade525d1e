/// How far the other end of a connection is with what it was sent.
public struct OutputProgress: Hashable, Sendable {
    /// Bytes of the connection that its machine has acknowledged.
    public var acknowledged: UInt64
    /// For how long it has acknowledged nothing although bytes are under way and were sent again; 0 if that is not so.
    public var stalledMilliseconds: Int
}
