import Testing

@testable import Codecs

/// Lines out of segments, however the stream was cut.
@Suite struct ClientLineSplitterTests {
    /// What a session does: keeps the partial line, goes on behind what it has searched, takes the rest at the end.
    private func lines(_ segments: [[UInt8]]) -> [String] {
        var splitter = ClientLineSplitter()
        var kept: [UInt8] = []
        var lines: [String] = []
        for segment in segments {
            let searched = kept.count
            kept += segment
            var start = 0
            reading: while true {
                switch splitter.next(in: kept.span, from: start, searched: searched) {
                case .line(let range, let next):
                    lines.append(String(decoding: kept[range], as: UTF8.self))
                    start = next
                case .partial(let from):
                    kept.removeFirst(from)
                    break reading
                }
            }
        }
        if !kept.isEmpty { lines.append(String(decoding: kept, as: UTF8.self)) }
        return lines
    }

    private static let streams: [(String, [String])] = [
        ("", []), ("\n", [""]), ("\r", [""]), ("\r\n", [""]), ("a", ["a"]), ("a\n", ["a"]), ("a\r", ["a"]),
        ("a\r\n", ["a"]),
        ("a\nb\n", ["a", "b"]), ("a\rb\r", ["a", "b"]), ("a\r\nb\r\n", ["a", "b"]), ("a\n\nb", ["a", "", "b"]),
        ("a\r\rb", ["a", "", "b"]), ("a\r\n\r\nb", ["a", "", "b"]), ("a\n\rb", ["a", "", "b"]),
        ("a\r\n\nb", ["a", "", "b"]),
        ("a\r\r\nb", ["a", "", "b"]), ("\r\n\r", ["", ""]), ("\n\r\n", ["", ""]),
        ("a\rb\nc\r\nd", ["a", "b", "c", "d"]), ("12345678\r\n9", ["12345678", "9"]),
    ]

    @Test func everySegmentationGivesTheSameLines() {
        for (stream, expected) in Self.streams {
            let bytes = Array(stream.utf8)
            for cuts in 0..<(1 << max(bytes.count - 1, 0)) {
                var segments: [[UInt8]] = [[]]
                for (index, byte) in bytes.enumerated() {
                    segments[segments.count - 1].append(byte)
                    if cuts >> index & 1 == 1 { segments.append([]) }
                }
                #expect(lines(segments) == expected, "\(segments)")
            }
        }
    }

    @Test func aCarriageReturnEndsTheLineAtOnce() {
        var splitter = ClientLineSplitter()
        let first = Array("a\r".utf8)
        #expect(splitter.next(in: first, from: 0) == .line(0..<1, next: 2))
        #expect(splitter.skipsLineFeed)
        #expect(splitter.next(in: first, from: 2) == .partial(from: 2))
        #expect(splitter.skipsLineFeed)
        let second = Array("\nb".utf8)
        #expect(splitter.next(in: second, from: 0) == .partial(from: 1))
        #expect(!splitter.skipsLineFeed)
    }

    @Test func lineEndsAreFoundAtEachPlaceOfAWord() {
        for length in 0..<40 {
            for end in ["\n", "\r", "\r\n"] {
                for rest in ["", "x", "xxxxxxxxxxxx"] {
                    // Bytes that differ from LF and CR in one bit, and in the top bit, must not be taken for them.
                    let line = (0..<length).map { [0x0B, 0x0C, 0x8A, 0x8D, 0x0E, 0x08, 0x00, 0xFF][$0 % 8] as UInt8 }
                    let bytes = line + Array((end + rest).utf8)
                    var splitter = ClientLineSplitter()
                    #expect(
                        splitter.next(in: bytes, from: 0) == .line(0..<length, next: length + end.utf8.count))
                }
            }
        }
    }

    @Test func whatWasSearchedIsNotSearchedAgain() {
        var splitter = ClientLineSplitter()
        let bytes = Array("ab\ncd\n".utf8)
        #expect(splitter.next(in: bytes, from: 0, searched: 3) == .line(0..<5, next: 6))
        #expect(splitter.next(in: bytes, from: 0, searched: 6) == .partial(from: 0))
        #expect(splitter.next(in: bytes, from: 6, searched: 3) == .partial(from: 6))
        #expect(splitter.next(in: bytes, from: 0, searched: 100) == .partial(from: 0))
    }
}
