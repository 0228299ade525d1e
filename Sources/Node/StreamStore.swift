import Codecs
import DequeModule

/// Every record that some member may still lack, kept once, in memory, whatever the number of neighbours.
///
/// A *stream* is what arose at one server, its origin: records 1, 2, 3 … Streams are addressed by the dense index that
/// `ServerTable` gives their origin. Each keeps two counters: `held`, the highest contiguous seq that this server has,
/// decides new, duplicate and gap; `delivered`, what has gone to the clients' log, lags behind only while a record
/// waits for its dependency, or for leave to be published. All ways in (push, replay, graft, gap, baseline) change
/// `held` here and nowhere else.
struct StreamStore: Sendable {
    struct Stream: Sendable {
        var held: UInt64 = 0
        var delivered: UInt64 = 0
        /// Bytes of all records ever appended: differences of it are sizes of parts of the stream.
        var endByte: UInt64 = 0
        var segments = Deque<Segment>()
        /// When the last record came, held or not any more; nil: none ever did.
        var until: Instant?
        /// Records up to this one are for other servers' clients: they were sent before this server had any.
        var silentThrough: UInt64 = 0
        /// Up to here nothing was held, or was for others, when this server first heard of the stream.
        var baseline: UInt64 = 0
        /// What the record after `delivered` waits for.
        var waitsFor: StreamPosition?
        var waitsSince = Instant(nanoseconds: 0)
        /// The last claim among the records that were given up: whoever is told of the gap needs the state as well.
        var givenUpClaim: UInt64 = 0
        /// What is not held, beyond this, was waited for in vain, as long as no more is held.
        var missedAfter: UInt64?
        /// What is held, beyond this, was waited for in vain, as long as no more is delivered.
        var stuckAfter: UInt64?

        /// The lowest seq still held; `held` + 1 if none is.
        var oldest: UInt64 { segments.first?.first ?? held + 1 }
    }

    /// Consecutive records in one piece of memory, in the form in which they cross links.
    struct Segment: Sendable {
        var first: UInt64
        /// Bytes of the stream before this segment.
        var startByte: UInt64
        /// When the first record came.
        var since: Instant
        /// When the last record came.
        var until: Instant
        var bytes: [UInt8] = []
        /// Where each record begins in `bytes`.
        var starts: [UInt32] = []

        var last: UInt64 { first + UInt64(starts.count) - 1 }

        /// The last record about a user of the registry, if there is one.
        var lastOfState: UInt64? {
            let index = starts.lastIndex {
                RecordKind(rawValue: bytes[Int($0) + RecordHeader.kindOffset])?.isAboutUsers ?? false
            }
            return index.map { first + UInt64($0) }
        }

        func range(of seq: UInt64) -> Range<Int> {
            let index = Int(seq - first)
            let end = index + 1 < starts.count ? Int(starts[index + 1]) : bytes.count
            return Int(starts[index])..<end
        }
    }

    /// A segment takes no further record beyond this size: small enough to be freed soon, large enough to be rare.
    static let segmentBytes = 64 << 10

    /// Nor so many milliseconds after its first: the age of a record is told by its segment's.
    static let segmentSpan: UInt64 = 5000

    private(set) var streams: [Stream] = []
    /// Bytes of all records that are held.
    private(set) var byteCount = 0
    /// Rises whenever a stream is held or delivered further, or begins.
    private(set) var revision: UInt64 = 0

    mutating func ensure(streams count: Int) {
        while streams.count < count { streams.append(Stream()) }
    }

    // MARK: Ways in

    /// Appends the next record of a stream; `write` appends its bytes, header included.
    mutating func append(to index: Int, at now: Instant, write: (inout [UInt8]) -> Void) {
        revision += 1
        streams[index].openSegment(at: now)
        let last = streams[index].segments.count - 1
        let start = streams[index].segments[last].bytes.count
        write(&streams[index].segments[last].bytes)
        let added = streams[index].segments[last].bytes.count - start
        precondition(added > 0, "a record is not empty")
        streams[index].segments[last].starts.append(UInt32(start))
        streams[index].segments[last].until = now
        streams[index].until = now
        streams[index].held += 1
        streams[index].endByte += UInt64(added)
        byteCount += added
        precondition(streams[index].segments[last].last == streams[index].held, "segments end at what is held")
    }

    /// The stream is taken to be held and delivered up to `seq`, without its records: a joiner owes nobody the past,
    /// and what a sender has given up cannot come.
    mutating func step(_ index: Int, over seq: UInt64) {
        guard seq > streams[index].held else { return }
        revision += 1
        release(index, through: streams[index].held)
        streams[index].held = seq
        streams[index].delivered = max(streams[index].delivered, seq)
        streams[index].waitsFor = nil
    }

    /// The stream's records up to `seq` are not shown to clients.
    mutating func silence(_ index: Int, through seq: UInt64) {
        streams[index].silentThrough = max(streams[index].silentThrough, seq)
        noteBaseline(index, seq)
    }

    /// Nothing more of the stream will come that is not to be shown.
    mutating func endSilence(_ index: Int) {
        streams[index].silentThrough = min(streams[index].silentThrough, streams[index].delivered)
    }

    /// What was in the stream up to `seq` before this server heard of it is owed to nobody here.
    mutating func noteBaseline(_ index: Int, _ seq: UInt64) {
        streams[index].baseline = max(streams[index].baseline, seq)
    }

    mutating func setDelivered(_ index: Int, _ seq: UInt64) {
        precondition(seq <= streams[index].held, "what is delivered is held")
        revision += 1
        streams[index].delivered = seq
        streams[index].waitsFor = nil
    }

    mutating func setWaiting(_ index: Int, for position: StreamPosition, since: Instant) {
        streams[index].waitsFor = position
        streams[index].waitsSince = since
    }

    /// The dependency is delivered, although the stream's next record is not yet.
    mutating func stopWaiting(_ index: Int) { streams[index].waitsFor = nil }

    /// What comes after what is held of this stream was waited for in vain.
    mutating func setMissed(_ index: Int) { streams[index].missedAfter = streams[index].held }

    /// The delivery of what is held of this stream was waited for in vain.
    mutating func setStuck(_ index: Int) { streams[index].stuckAfter = streams[index].delivered }

    // MARK: Reading

    /// Of each stream, up to where it has gone to the clients.
    var delivered: [UInt64] { streams.map(\.delivered) }

    /// Where the record is, nil if it is not held any more.
    func location(of seq: UInt64, in index: Int) -> (segment: Int, range: Range<Int>)? {
        guard seq >= streams[index].oldest, seq <= streams[index].held else { return nil }
        let segment = streams[index].segmentIndex(of: seq)
        return (segment, streams[index].segments[segment].range(of: seq))
    }

    /// Appends one frame with records of the stream from `seq` on: as many as one segment has, up to `limit` bytes but
    /// at least one.
    func appendFrame(
        of index: Int, origin: ServerID, from seq: UInt64, limit: Int, into bytes: inout [UInt8]
    ) -> (count: Int, byteCount: Int) {
        let segmentIndex = streams[index].segmentIndex(of: seq)
        let start = Int(seq - streams[index].segments[segmentIndex].first)
        let starts = streams[index].segments[segmentIndex].starts
        let from = Int(starts[start])
        let size = streams[index].segments[segmentIndex].bytes.count
        func endByte(_ record: Int) -> Int { record + 1 < starts.count ? Int(starts[record + 1]) : size }
        var end = start + 1
        while end < starts.count, endByte(end) - from <= limit { end += 1 }
        let to = endByte(end - 1)
        RecordsFrame.encodeHeader(origin: origin, first: seq, count: end - start, recordBytes: to - from, into: &bytes)
        bytes.append(contentsOf: streams[index].segments[segmentIndex].bytes[from..<to])
        return (end - start, to - from)
    }

    /// Bytes of the records after `seq`, as far as they are held.
    func byteCount(after seq: UInt64, in index: Int) -> Int {
        let stream = streams[index]
        guard seq < stream.held else { return 0 }
        let from = max(seq + 1, stream.oldest)
        guard let place = location(of: from, in: index) else { return 0 }
        return Int(stream.endByte - stream.segments[place.segment].startByte) - place.range.lowerBound
    }

    /// When the segment of the first held record after `seq` was begun: that record came at most `segmentSpan` later.
    func since(after seq: UInt64, in index: Int) -> Instant? {
        guard let place = location(of: max(seq + 1, streams[index].oldest), in: index) else { return nil }
        return streams[index].segments[place.segment].since
    }

    /// Records that are held, over all streams.
    var recordCount: UInt64 { streams.reduce(0) { $0 + ($1.held + 1 - $1.oldest) } }

    // MARK: Ways out

    /// Drops the segments whose records are all at or below `seq`, up to one whose last record came at an instant that
    /// `isKept`.
    mutating func release(_ index: Int, through seq: UInt64, unless isKept: (Instant) -> Bool = { _ in false }) {
        while let first = streams[index].segments.first, first.last <= seq, !isKept(first.until) {
            byteCount -= first.bytes.count
            streams[index].segments.removeFirst()
        }
    }

    /// The stream of another origin begins in the place of a forgotten one.
    mutating func noteBeginning() { revision += 1 }

    /// Forgets the stream.
    mutating func clear(_ index: Int) {
        revision += 1
        release(index, through: streams[index].held)
        precondition(streams[index].segments.isEmpty, "every segment ends at or before what is held")
        streams[index] = Stream()
    }

    /// Gives up the oldest segment of all streams; returns the stream and what it held, nil if nothing is held.
    mutating func giveUpOldest() -> (index: Int, segment: Segment)? {
        var oldest: Int?
        for index in streams.indices {
            guard let first = streams[index].segments.first else { continue }
            if let best = oldest, streams[best].segments[0].since <= first.since { continue }
            oldest = index
        }
        guard let oldest else { return nil }
        let segment = streams[oldest].segments[0]
        if let claim = segment.lastOfState { streams[oldest].givenUpClaim = claim }
        release(oldest, through: segment.last)
        return (oldest, segment)
    }
}

extension StreamStore.Stream {
    mutating func openSegment(at now: Instant) {
        let last = segments.last
        let isFull = last.map { $0.bytes.count >= StreamStore.segmentBytes } ?? false
        if let last, !isFull, now.milliseconds(since: last.since) < StreamStore.segmentSpan { return }
        var segment = StreamStore.Segment(first: held + 1, startByte: endByte, since: now, until: now)
        if isFull, let full = last {
            // It will be about as large: growing would copy it several times over.
            segment.bytes.reserveCapacity(StreamStore.segmentBytes + StreamStore.segmentBytes / 32)
            segment.starts.reserveCapacity(full.starts.count + full.starts.count / 32)
        }
        segments.append(segment)
    }

    /// Complexity: logarithmic in the number of segments.
    func segmentIndex(of seq: UInt64) -> Int {
        var low = 0
        var high = segments.count - 1
        precondition(high >= 0, "only a held record is looked for")
        // Nearly always it is one of the newest.
        if segments[high].first <= seq { low = high }
        while low < high {
            let middle = (low + high + 1) / 2
            if segments[middle].first <= seq { low = middle } else { high = middle - 1 }
        }
        precondition(segments[low].first <= seq && seq <= segments[low].last, "only a held record is looked for")
        return low
    }
}
