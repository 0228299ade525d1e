import Codecs

/// Listens on every link between servers: which frames pass, which copies of which record, over how many hops. What it
/// measures is what the wire carried, whatever the nodes say of themselves.
struct LinkTap {
    /// Frames sent, by type; the sum of their bytes.
    private(set) var frames = FrameTally()
    /// By connection: the pipe of what its dialler sends, then that of what its acceptor sends.
    private var pipes: [PipeTap] = []
    private var streams: [ServerID: StreamTally] = [:]
    /// Streams in the order in which they were first seen: dictionaries have no order of their own.
    private var order: [ServerID] = []
    /// Kept for a story only.
    var watch: Watch?

    /// What the last bytes completed.
    struct Watch {
        /// Where they were sent.
        var frames: [[UInt8]] = []
        /// Where they arrived.
        var landed: [(origin: ServerID, seqs: Range<UInt64>, sender: Int)] = []
    }

    /// One direction of a link.
    private struct PipeTap {
        /// Bytes of a frame that is not complete.
        var partial: [UInt8] = []
        var sawPreamble = false
        var sentBytes = 0
        var arrivedBytes = 0
        /// Records under way: where their frame ends in the pipe.
        var underWay: [(end: Int, records: Copies)] = []
    }

    /// Consecutive records of one origin in one frame.
    private struct Copies {
        var origin: ServerID
        var first: UInt64
        var count: Int
        var sender: Int
    }

    struct RecordTally {
        var firstSentAt: UInt64
        /// Copies that arrived, over all servers.
        var copies = 0
        /// Hops from the origin by server; nil where it never came.
        var hops: [Int?] = []
    }

    private struct StreamTally {
        var records: [UInt64: RecordTally] = [:]
        /// In the order in which they were first sent.
        var seqs: [UInt64] = []
    }

    // MARK: Sending

    /// Bytes that a server appends to a link. Returns the names of the frames that they complete.
    mutating func sent(
        _ bytes: ArraySlice<UInt8>, by server: Int, on connection: Int, from side: Side, at now: UInt64
    ) -> [PeerFrame.Kind?] {
        watch?.frames.removeAll()
        let place = Self.place(connection, side)
        while pipes.count <= place { pipes.append(PipeTap()) }
        // Taken out and put back, so that it is changed in place.
        var pipe = PipeTap()
        swap(&pipe, &pipes[place])
        pipe.partial.append(contentsOf: bytes)
        pipe.sentBytes += bytes.count
        var offset = 0
        if !pipe.sawPreamble, case .server = Preamble.speaker(of: pipe.partial.span) {
            offset = Preamble.bytes.count
            pipe.sawPreamble = true
        }
        var kinds: [PeerFrame.Kind?] = []
        while pipe.sawPreamble, let header = Self.header(of: pipe.partial, at: offset) {
            guard pipe.partial.count - offset >= header.size else { break }
            let kind = PeerFrame.Kind(rawValue: header.kind)
            frames.note(kind, bytes: header.size)
            kinds.append(kind)
            watch?.frames.append(Array(pipe.partial[offset..<offset + header.size]))
            if kind == .records {
                noteRecords(in: &pipe, frame: offset..<offset + header.size, by: server, at: now)
            }
            offset += header.size
        }
        pipe.partial.removeFirst(offset)
        swap(&pipe, &pipes[place])
        return kinds
    }

    private static func place(_ connection: Int, _ side: Side) -> Int { 2 * connection + (side == .dialler ? 0 : 1) }

    private static func header(of bytes: [UInt8], at offset: Int) -> PeerFrame.Header? {
        try? PeerFrame.header(of: bytes.span, at: offset, limit: PeerFrame.Limit.provenBytes)
    }

    private mutating func noteRecords(in pipe: inout PipeTap, frame: Range<Int>, by server: Int, at now: UInt64) {
        guard let prefix = try? RecordsFrame.prefix(of: pipe.partial.span, frame: frame) else { return }
        let end = pipe.sentBytes - pipe.partial.count + frame.upperBound
        let copies = Copies(origin: prefix.origin, first: prefix.first, count: prefix.count, sender: server)
        pipe.underWay.append((end, copies))
        if streams[prefix.origin] == nil {
            streams[prefix.origin] = StreamTally()
            order.append(prefix.origin)
        }
        for seq in prefix.first..<prefix.first + UInt64(prefix.count)
        where streams[prefix.origin]?.records[seq] == nil {
            streams[prefix.origin]?.records[seq] = RecordTally(firstSentAt: now)
            streams[prefix.origin]?.seqs.append(seq)
        }
    }

    // MARK: Arriving

    /// Bytes of a link reach the server at its other end. `side` is the sender's.
    mutating func arrived(_ count: Int, at server: Int, on connection: Int, from side: Side) {
        watch?.landed.removeAll()
        let place = Self.place(connection, side)
        guard place < pipes.count, pipes[place].sawPreamble else { return }
        pipes[place].arrivedBytes += count
        guard let next = pipes[place].underWay.first, next.end <= pipes[place].arrivedBytes else { return }
        var pipe = PipeTap()
        swap(&pipe, &pipes[place])
        var complete = 0
        while complete < pipe.underWay.count, pipe.underWay[complete].end <= pipe.arrivedBytes {
            noteArrival(of: pipe.underWay[complete].records, at: server)
            complete += 1
        }
        pipe.underWay.removeFirst(complete)
        swap(&pipe, &pipes[place])
    }

    private mutating func noteArrival(of copies: Copies, at server: Int) {
        let seqs = copies.first..<copies.first + UInt64(copies.count)
        watch?.landed.append((copies.origin, seqs, copies.sender))
        for seq in seqs {
            streams[copies.origin]?.records[seq]?.noteCopy(at: server, from: copies.sender)
        }
    }

    // MARK: Reading

    /// Every record that was first sent at or after `start`, in an order that is the same in each run.
    func records(since start: UInt64) -> [(origin: ServerID, tally: RecordTally)] {
        order.flatMap { origin -> [(ServerID, RecordTally)] in
            guard let stream = streams[origin] else { return [] }
            return stream.seqs.compactMap { seq in stream.records[seq].map { (origin, $0) } }
                .filter { $0.1.firstSentAt >= start }
        }
    }
}

extension LinkTap.RecordTally {
    /// The sender of a record that never arrived at it is its origin.
    mutating func noteCopy(at server: Int, from sender: Int) {
        copies += 1
        while hops.count <= max(server, sender) { hops.append(nil) }
        if hops[server] == nil { hops[server] = (hops[sender] ?? 0) + 1 }
    }

    /// Hops to the server that it reached last.
    var hopsMax: Int { hops.reduce(0) { max($0, $1 ?? 0) } }
}

/// Frames on links by type.
public struct FrameTally: Sendable, Hashable {
    private var counts = [UInt64](repeating: 0, count: 256)
    private var sizes = [UInt64](repeating: 0, count: 256)
    public private(set) var bytes: UInt64 = 0
    /// Frames of types that this version does not know.
    public private(set) var unknown: UInt64 = 0

    public init() {}

    public var total: UInt64 { counts.reduce(unknown, +) }

    mutating func note(_ kind: PeerFrame.Kind?, bytes size: Int) {
        bytes += UInt64(size)
        guard let kind else { return unknown += 1 }
        counts[Int(kind.rawValue)] += 1
        sizes[Int(kind.rawValue)] += UInt64(size)
    }

    /// What passed since an earlier reading.
    public func since(_ earlier: FrameTally) -> FrameTally {
        var difference = self
        for index in counts.indices {
            difference.counts[index] -= earlier.counts[index]
            difference.sizes[index] -= earlier.sizes[index]
        }
        difference.bytes -= earlier.bytes
        difference.unknown -= earlier.unknown
        return difference
    }

    /// Messages that say what is held.
    public var digests: UInt64 {
        counts[Int(PeerFrame.Kind.have.rawValue)] + counts[Int(PeerFrame.Kind.haveSince.rawValue)]
    }

    /// Each type that occurred with its count and its bytes, in the order of the protocol.
    public var byKind: [(name: String, count: UInt64, bytes: UInt64)] {
        PeerFrame.Kind.allCases.compactMap { kind in
            let index = Int(kind.rawValue)
            return counts[index] == 0 ? nil : ("\(kind)", counts[index], sizes[index])
        }
    }
}
