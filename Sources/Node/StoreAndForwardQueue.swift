import Codecs

/// What one neighbour lacks of the streams that this server holds.
///
/// No record is in it: records are kept once, in `StreamStore`; the queue is the neighbour's vector. It grows while the
/// link is down, is replayed in order when the link is back (round-robin over origins, so that fresh records do not
/// wait behind a backlog), and falls to nothing by acknowledgement. It outlives the link.
struct StoreAndForwardQueue: Sendable {
    /// By stream: the highest contiguous seq that the neighbour is known to hold.
    private(set) var acknowledged: [UInt64] = []
    /// By stream: the highest seq that was pushed over the present link, or need not be. Empty before the first link:
    /// most servers never are neighbours.
    private(set) var sent: [UInt64] = []
    /// Whose turn it is in the round over the origins.
    var nextOrigin = 0

    mutating func ensure(streams count: Int) {
        while acknowledged.count < count {
            acknowledged.append(0)
            if !sent.isEmpty { sent.append(0) }
        }
    }

    /// The stream is forgotten.
    mutating func clear(_ index: Int) {
        guard index < acknowledged.count else { return }
        acknowledged[index] = 0
        if !sent.isEmpty { sent[index] = 0 }
    }

    /// The neighbour says, or shows by what it sends, that it holds the stream up to `seq`.
    mutating func acknowledge(_ index: Int, through seq: UInt64) {
        guard seq > acknowledged[index] else { return }
        acknowledged[index] = seq
        if !sent.isEmpty { sent[index] = max(sent[index], seq) }
    }

    mutating func markSent(_ index: Int, through seq: UInt64) {
        precondition(seq >= sent[index], "one cursor an origin, and it only advances")
        sent[index] = seq
    }

    /// The link is new: what the neighbour does not hold is pushed.
    mutating func rewindAll() { sent = acknowledged }

    /// Push again from what the neighbour holds: it asked for it.
    mutating func rewind(_ index: Int, to seq: UInt64) { sent[index] = seq }

    /// Records of the streams that the neighbour lacks, and their bytes.
    func depth(in store: StreamStore) -> (records: UInt64, bytes: Int) {
        var records: UInt64 = 0
        var bytes = 0
        for index in acknowledged.indices {
            let stream = store.streams[index]
            let from = max(acknowledged[index] + 1, stream.oldest)
            guard from <= stream.held else { continue }
            records += stream.held + 1 - from
            bytes += store.byteCount(after: from - 1, in: index)
        }
        return (records, bytes)
    }

    /// When the oldest record came that the neighbour lacks.
    func oldest(in store: StreamStore) -> Instant? {
        var oldest: Instant?
        for index in acknowledged.indices where acknowledged[index] < store.streams[index].held {
            guard let since = store.since(after: acknowledged[index], in: index) else { continue }
            oldest = oldest.map { min($0, since) } ?? since
        }
        return oldest
    }
}
