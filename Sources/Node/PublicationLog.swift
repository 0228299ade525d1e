import DequeModule

/// What stands where in the log that clients follow: so that it can be told what a client has been shown by how much of
/// it has arrived.
///
/// A position is the count of all bytes ever published. Of the newest part each line has an entry; what is further back
/// than the driver's log and the kernel's buffers nobody asks for.
struct PublicationLog: Sendable {
    private struct Entry {
        /// The position behind the line.
        var end: UInt64
        var seq: UInt64
        var stream: Int32
    }

    private var entries = Deque<Entry>()
    /// The position up to which there are no entries any more.
    private var start: UInt64 = 0
    /// The position behind the last line.
    private(set) var end: UInt64 = 0
    /// Bytes of the log for which entries are kept; 0 keeps none.
    let limit: Int

    init(limit: Int) { self.limit = limit }

    var count: Int { entries.count }

    /// Entries for which there is room from the first one on: 96 KiB, where growing would cost every early line.
    private static let entriesMin = 4096

    mutating func append(_ count: Int, stream: Int, seq: UInt64) {
        end += UInt64(count)
        guard limit > 0 else { return start = end }
        if entries.isEmpty { entries.reserveCapacity(Self.entriesMin) }
        entries.append(Entry(end: end, seq: seq, stream: Int32(truncatingIfNeeded: stream)))
        while let first = entries.first, end - start > UInt64(limit) {
            start = first.end
            entries.removeFirst()
        }
    }

    /// Takes back, from what was delivered of each stream, what stands beyond a position. Returns false if that is
    /// further back than what is known: then only that is taken back.
    ///
    /// Complexity: linear in the lines beyond the position.
    func rollBack(to position: UInt64, _ shown: inout [UInt64]) -> Bool {
        for entry in entries.reversed() {
            guard entry.end > position else { break }
            if entry.stream >= 0 { shown[Int(entry.stream)] = entry.seq - 1 }
        }
        return position >= start
    }

    /// The index of a stream is given to another one. Complexity: linear in the entries.
    mutating func forget(_ stream: Int) {
        for index in entries.indices where entries[index].stream == Int32(stream) { entries[index].stream = -1 }
    }
}

/// The newest lines that were fed to one session: what `PublicationLog` is for the log.
struct FedLines: Sendable {
    private struct Line {
        var bytes: UInt32
        var stream: Int32
        var seq: UInt64
    }

    /// The position from which it has followed the log since.
    var followedFrom: UInt64 = 0
    private var lines = Deque<Line>()
    private var bytes = 0

    /// Beyond this nothing of a connection is unacknowledged: the kernel's largest buffer, and what is fed at a time.
    static let bytesMax = 6 << 20

    mutating func append(_ count: Int, stream: Int, seq: UInt64) {
        lines.append(Line(bytes: UInt32(count), stream: Int32(truncatingIfNeeded: stream), seq: seq))
        bytes += count
        while let first = lines.first, bytes - Int(first.bytes) > Self.bytesMax {
            bytes -= Int(first.bytes)
            lines.removeFirst()
        }
    }

    /// Takes back the lines of which one of the last `count` bytes is a part.
    func rollBack(bytes count: UInt64, _ shown: inout [UInt64]) {
        var left = count
        for line in lines.reversed() {
            guard left > 0 else { break }
            if line.stream >= 0 { shown[Int(line.stream)] = line.seq - 1 }
            left -= min(left, UInt64(line.bytes))
        }
    }

    mutating func forget(_ stream: Int) {
        for index in lines.indices where lines[index].stream == Int32(stream) { lines[index].stream = -1 }
    }
}
