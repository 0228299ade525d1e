// The stamp in an activity.

import Testing

@testable import Load

@Suite struct StampTests {
    private func written(_ stamp: Stamp) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Stamp.size)
        bytes.withUnsafeMutableBytes { room in
            if let base = room.baseAddress { stamp.write(to: base) }
        }
        return bytes
    }

    private func read(_ bytes: [UInt8]) -> Stamp? {
        bytes.withUnsafeBytes { room in
            room.baseAddress.flatMap { Stamp.hasMark($0) ? Stamp(digitsAt: $0) : nil }
        }
    }

    @Test func `digits stand where a reader expects them`() {
        let stamp = Stamp(sender: 0x0123_4567, number: 0x89AB_CDEF, planned: 0xFEDC_BA98_7654_3210)
        #expect(String(decoding: written(stamp), as: UTF8.self) == #""load":"0123456789abcdeffedcba9876543210"#)
    }

    @Test func `the mark is one word`() {
        #expect(Stamp.markWord == Stamp.mark.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
    }

    @Test func `what is written is read`() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<1000 {
            let stamp = Stamp(sender: generator.next(), number: generator.next(), planned: generator.next())
            #expect(read(written(stamp)) == stamp)
        }
    }

    @Test func `another mark is none`() {
        var bytes = written(Stamp(sender: 1, number: 2, planned: 3))
        bytes[7] = UInt8(ascii: "'")
        #expect(read(bytes) == nil)
    }
}
