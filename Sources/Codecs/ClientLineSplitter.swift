/// Finds the lines in what a client sends. A line ends with LF, CR LF or CR alone: real clients use all three.
///
/// A CR ends its line at once, without waiting for what follows; a LF right after it belongs to the same line end,
/// even if it comes in a later segment. To remember that takes one bit, which is all the state there is: keep one
/// splitter a connection, and the bytes anywhere.
///
///     var start = 0
///     while true {
///         switch splitter.next(in: bytes, from: start, searched: searched) {
///         case .line(let range, let next): … ; start = next
///         case .partial(let from): keep bytes[from...] in front of the next segment; return
///         }
///     }
///
/// At the end of the stream a partial line that is not empty counts as a line.
public struct ClientLineSplitter: Hashable, Sendable {
    /// Whether the line before ended with a CR that was the last byte so far: a LF right after it is skipped.
    public var skipsLineFeed: Bool

    public init(skipsLineFeed: Bool = false) {
        self.skipsLineFeed = skipsLineFeed
    }

    public enum Step: Hashable, Sendable {
        /// A line, without its end, and the offset at which the next one begins.
        case line(Range<Int>, next: Int)
        /// No further line ends here. What stands from this offset on is the beginning of one; there may be nothing.
        case partial(from: Int)
    }

    /// The next line.
    ///
    /// - Parameters:
    ///   - start: offset at which the line begins.
    ///   - searched: bytes before this offset are known to hold no line end (those kept from earlier segments), so
    ///     that a long line in many segments is searched once. Anything at or below `start` means none.
    public mutating func next(in bytes: Span<UInt8>, from start: Int, searched: Int = 0) -> Step {
        guard start < bytes.count else { return .partial(from: start) }
        var start = start
        if skipsLineFeed {
            skipsLineFeed = false
            if bytes[start] == ASCII.lineFeed { start += 1 }
        }
        let end = Self.lineEnd(in: bytes, from: max(start, searched))
        guard end < bytes.count else { return .partial(from: start) }
        guard bytes[end] == ASCII.carriageReturn else { return .line(start..<end, next: end + 1) }
        if end + 1 == bytes.count { skipsLineFeed = true }
        let isPair = end + 1 < bytes.count && bytes[end + 1] == ASCII.lineFeed
        return .line(start..<end, next: end + (isPair ? 2 : 1))
    }

    /// The offset of the first LF or CR at or after `start`; the count of bytes if there is none.
    static func lineEnd(in bytes: Span<UInt8>, from start: Int) -> Int {
        var offset = start
        // Hardly anything else in a line is as small as its ends.
        let limit = ASCII.carriageReturn + 1
        while bytes.count - offset >= 8 {
            if bytes.count - offset >= 16,
                Word.below(limit, bytes.word(at: offset)) | Word.below(limit, bytes.word(at: offset + 8)) == 0
            {
                offset += 16
                continue
            }
            let word = bytes.word(at: offset)
            if Word.below(limit, word) != 0 {
                let marks =
                    Word.zeros(word ^ Word.repeating(ASCII.lineFeed))
                    | Word.zeros(word ^ Word.repeating(ASCII.carriageReturn))
                if marks != 0 { return offset + Word.firstIndex(marks) }
            }
            offset += 8
        }
        while offset < bytes.count, bytes[offset] != ASCII.lineFeed, bytes[offset] != ASCII.carriageReturn {
            offset += 1
        }
        return min(offset, bytes.count)
    }
}
