import Testing

@testable import pando_client

@Suite struct OutboxTests {
    private func outbox(_ lines: String...) -> Outbox {
        var outbox = Outbox()
        for line in lines { outbox.append(Array(line.utf8)) }
        return outbox
    }

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test func linesAreJoinedUpToTheLimit() {
        var outbox = outbox("aaa\n", "bbb\n", "ccc\n")
        #expect(text(outbox.chunk(limit: 8)) == "aaa\nbbb\n")
        #expect(text(outbox.chunk(limit: 7)) == "aaa\n")
        #expect(text(outbox.chunk(limit: 2)) == "aa")
        outbox.advance(by: 5)
        #expect(text(outbox.chunk(limit: 100)) == "bb\nccc\n")
        #expect(text(outbox.chunk(limit: 100, endingLine: true)) == "bb\n")
        #expect(outbox.count == 2 && outbox.byteCount == 8 && outbox.isMidLine)
        outbox.advance(by: 7)
        #expect(outbox.isEmpty && outbox.byteCount == 0 && outbox.chunk(limit: 1).isEmpty)
    }

    @Test func aLineThatWasTakenInPartIsWrittenAgain() {
        for written in 0...8 {
            var outbox = outbox("aaa\n", "bbb\n")
            outbox.advance(by: written)
            outbox.restart()
            // All but the line feed is enough for a server that takes the last line without one.
            let expected = [0, 1, 2].contains(written) ? "aaa\nbbb\n" : written < 7 ? "bbb\n" : ""
            #expect(text(outbox.chunk(limit: 100)) == expected, "\(written) bytes written")
        }
    }

    @Test func whatWasNotBegunCanBeDropped() {
        var outbox = outbox("aaa\n", "bbb\n", "ccc\n")
        outbox.advance(by: 1)
        #expect(outbox.dropUnwritten() == 2)
        #expect(text(outbox.chunk(limit: 100)) == "aa\n" && outbox.byteCount == 4)
        outbox.advance(by: 3)
        #expect(outbox.dropUnwritten() == 0)
    }

    @Test func manyLinesPassInOrder() {
        var outbox = Outbox()
        var seen: [UInt8] = []
        for number in 0..<1000 {
            outbox.append(Array("\(number)\n".utf8))
            if number % 3 == 0 {
                let chunk = outbox.chunk(limit: 7)
                seen += chunk.prefix(5)
                outbox.advance(by: min(5, chunk.count))
            }
        }
        while !outbox.isEmpty {
            let chunk = outbox.chunk(limit: 50)
            seen += chunk
            outbox.advance(by: chunk.count)
        }
        #expect(text(seen) == (0..<1000).map { "\($0)\n" }.joined())
        #expect(outbox.byteCount == 0)
    }
}
