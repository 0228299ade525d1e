import Codecs

/// Something of an origin that a digest told of before it came.
struct Awaited: Sendable {
    var digest: PeerFrame.Digest
    /// When it was told of, and when the present wait for it began.
    var since: Instant
    var asked: Instant
    var hasCome = false
}

/// How much later than digests the trees have brought something: the most of the present period and the one before.
struct TreeLag: Sendable {
    private var present: UInt64 = 0
    private var last: UInt64 = 0

    var milliseconds: UInt64 { max(present, last) }

    mutating func note(_ milliseconds: UInt64) { present = max(present, milliseconds) }

    mutating func beginPeriod() { (last, present) = (present, 0) }
}
