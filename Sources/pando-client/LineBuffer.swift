import Codecs

/// Puts lines together from segments, up to a length. What is longer is skipped to its end and reported, so that no
/// sender makes us hold more than one line's worth.
struct LineBuffer {
    enum Line: Equatable {
        /// A line without its end.
        case complete([UInt8])
        /// A line of which more than the limit has come; it is given once, as soon as that is known.
        case tooLong
    }

    /// The longest line that is kept, in bytes without the line end.
    let limit: Int
    private var splitter = ClientLineSplitter()
    private var partial: [UInt8] = []
    private var isSkipping = false

    init(limit: Int) { self.limit = limit }

    /// The lines that end in `segment`.
    mutating func append(_ segment: [UInt8]) -> [Line] {
        var lines: [Line] = []
        let bytes = segment.span
        var start = 0
        while true {
            switch splitter.next(in: bytes, from: start) {
            case .line(let range, let next):
                keep(segment[range], &lines)
                finishLine(&lines)
                start = next
            case .partial(let rest):
                keep(segment[rest...], &lines)
                return lines
            }
        }
    }

    /// What stands after the last line end, at the end of the stream; nil if nothing does.
    mutating func end() -> Line? {
        defer { self = LineBuffer(limit: limit) }
        return isSkipping || partial.isEmpty ? nil : .complete(partial)
    }

    private mutating func finishLine(_ lines: inout [Line]) {
        if isSkipping {
            isSkipping = false
        } else {
            lines.append(.complete(partial))
        }
        // The memory of an ordinary line is used again, that of a huge one is given back.
        partial.removeAll(keepingCapacity: partial.capacity <= 65_536)
    }

    private mutating func keep(_ bytes: ArraySlice<UInt8>, _ lines: inout [Line]) {
        guard !isSkipping else { return }
        guard partial.count + bytes.count > limit else { return partial.append(contentsOf: bytes) }
        isSkipping = true
        partial = []
        lines.append(.tooLong)
    }
}
