/// Lines on their way to the server, in order, until the last byte of each has been written to a connection.
///
/// A line that a connection took only in part counts for nothing (it is no JSON text), so it is written again, from
/// its beginning, on the next one. A line written in whole is gone: whether it arrived, the plain protocol does not
/// tell. A line with a number is kept until it is acknowledged, and written again on the next connection.
struct Outbox {
    private struct Line {
        var bytes: [UInt8]
        var number: UInt64?

        static let gone = Line(bytes: [], number: nil)
    }

    private var lines: [Line] = []
    /// Lines with a number that are written and not acknowledged.
    private var sent: [Line] = []
    private var sentBytes = 0
    /// Lines before this index are written.
    private var head = 0
    /// How much of the line at `head` is written.
    private var offset = 0
    /// Bytes of all lines that are not wholly written.
    private(set) var byteCount = 0

    /// How many lines are not wholly written.
    var count: Int { lines.count - head }
    /// How many lines are written and not acknowledged, and their bytes.
    var unacknowledged: (count: Int, byteCount: Int) { (sent.count, sentBytes) }
    var isEmpty: Bool { count == 0 }
    /// Whether a line has been begun on this connection and not ended.
    var isMidLine: Bool { offset > 0 }

    /// - Parameter line: with its line end.
    mutating func append(_ line: [UInt8], number: UInt64? = nil) {
        precondition(line.last == UInt8(ascii: "\n"), "a line has an end")
        lines.append(Line(bytes: line, number: number))
        byteCount += line.count
    }

    /// What to write next, `limit` bytes at most.
    ///
    /// - Parameter endingLine: only the rest of a line that was begun.
    func chunk(limit: Int, endingLine: Bool = false) -> [UInt8] {
        guard head < lines.count, !endingLine || isMidLine else { return [] }
        var chunk = Array(lines[head].bytes[offset...].prefix(limit))
        var index = head + 1
        while !endingLine, index < lines.count, chunk.count + lines[index].bytes.count <= limit {
            chunk += lines[index].bytes
            index += 1
        }
        return chunk
    }

    /// The first `written` bytes of what `chunk` gave have been written.
    mutating func advance(by written: Int) {
        offset += written
        while head < lines.count, offset >= lines[head].bytes.count {
            offset -= lines[head].bytes.count
            removeHead()
        }
        precondition(head < lines.count || offset == 0, "more was written than there was")
        compact()
    }

    /// The connection is gone: what it did not take in whole is for the next one, and, where lines are acknowledged,
    /// what was not.
    mutating func restart(resending: Bool = false) {
        // With all but its line feed, a line is complete to a server that honours the end of the stream.
        if isMidLine, offset >= lines[head].bytes.count - 1 { removeHead() }
        offset = 0
        if resending {
            lines = sent + lines[head...]
            byteCount += sentBytes
            head = 0
        }
        (sent, sentBytes) = ([], 0)
    }

    /// The lines up to this number are safe.
    mutating func acknowledge(through number: UInt64) {
        let safe = sent.prefix { ($0.number ?? 0) <= number }
        sentBytes -= safe.reduce(0) { $0 + $1.bytes.count }
        sent.removeFirst(safe.count)
    }

    /// Forgets the oldest lines that are not acknowledged: nobody acknowledges any.
    mutating func boundUnacknowledged(lines limit: Int, bytes: Int) {
        while sent.count > limit || sentBytes > bytes { sentBytes -= sent.removeFirst().bytes.count }
    }

    /// Drops the lines that no byte was written of. Returns how many they were.
    mutating func dropUnwritten() -> Int {
        let kept = isMidLine ? head + 1 : head
        let dropped = lines.count - kept
        for line in lines[kept...] { byteCount -= line.bytes.count }
        lines.removeSubrange(kept...)
        return dropped
    }

    private mutating func removeHead() {
        byteCount -= lines[head].bytes.count
        if lines[head].number != nil {
            sent.append(lines[head])
            sentBytes += lines[head].bytes.count
        }
        lines[head] = .gone
        head += 1
    }

    /// Gives the room of written lines back, seldom enough to cost a constant for each line.
    private mutating func compact() {
        guard head > 64, head * 2 > lines.count else { return }
        lines.removeFirst(head)
        head = 0
    }
}
