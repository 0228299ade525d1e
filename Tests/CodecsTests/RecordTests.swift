import Testing

@testable import Codecs

/// Records, byte by byte.
@Suite struct RecordTests {
    private static let id = ClaimID(stamp: 1, origin: ServerID(startStamp: 2, random: 3), counter: 4)
    private static let place = StreamPosition(origin: ServerID(startStamp: 5, random: 6), seq: 7)

    private static let headers = [
        RecordHeader(kind: 1), RecordHeader(kind: 1, claim: id), RecordHeader(kind: 2, dependency: place),
        RecordHeader(kind: 1, claim: id, dependency: place),
        RecordHeader(kind: 1, claim: id, dependency: place, sending: Sending(run: .max, number: 8)),
        RecordHeader(kind: 1, claim: id, sending: Sending(run: 1, number: .max)),
    ]

    private func record(_ header: RecordHeader, _ payload: String) -> [UInt8] {
        var bytes: [UInt8] = []
        header.encode(payloadBytes: payload.utf8.count, into: &bytes)
        return bytes + Array(payload.utf8)
    }

    private func size(of bytes: [UInt8], at offset: Int = 0) throws -> Int {
        try RecordHeader.recordSize(in: bytes.span, at: offset)
    }

    private func decode(_ bytes: [UInt8], _ range: Range<Int>) throws -> (header: RecordHeader, payload: Range<Int>) {
        try RecordHeader.decode(in: bytes.span, at: range)
    }

    private func prefix(of bytes: [UInt8]) throws -> RecordsFrame.Prefix {
        try RecordsFrame.prefix(of: bytes.span, frame: 0..<bytes.count)
    }

    private func speaker(_ bytes: [UInt8]) -> Preamble.Speaker { Preamble.speaker(of: bytes.span) }

    @Test(arguments: headers)
    func `a record is decoded as it was encoded`(header: RecordHeader) throws {
        let bytes = [0xEE] + record(header, "payload") + [0xEE]
        let recordSize = try size(of: bytes, at: 1)
        #expect(recordSize == header.size + 7 && recordSize == bytes.count - 2)
        let (decoded, payload) = try decode(bytes, 1..<1 + recordSize)
        #expect(decoded == header)
        #expect(Array(bytes[payload]) == Array("payload".utf8))
    }

    @Test func `of a kind that is not known nothing but the kind is read`() throws {
        let bytes = [5, 0, 0, 0, 200, 0xFF, 0xFF, 0xFF, 0xFF] as [UInt8]
        let (header, payload) = try decode(bytes, 0..<bytes.count)
        #expect(header == RecordHeader(kind: 200) && !header.isKnown)
        #expect(payload == 5..<bytes.count)
    }

    @Test func `a full header is the sender's claim and what its activity depends on`() {
        let bytes = record(RecordHeader(kind: 1, claim: Self.id, dependency: Self.place), "!")
        func long(_ value: UInt8) -> [UInt8] { [value, 0, 0, 0, 0, 0, 0, 0] }
        #expect(
            bytes == [55, 0, 0, 0, 1, 3] + long(1) + long(2) + long(3) + [4, 0, 0, 0] + long(5) + long(6) + long(7)
                + [0x21])
    }

    @Test(arguments: headers)
    func `no truncation and no changed byte stops the decoder`(header: RecordHeader) {
        let bytes = record(header, "x")
        for count in bytes.indices {
            #expect(throws: FrameFault.truncated) { try size(of: Array(bytes[..<count])) }
            _ = try? decode(bytes, 0..<count)
        }
        for index in bytes.indices {
            for value in 0...255 as ClosedRange<UInt8> {
                var mutant = bytes
                mutant[index] = value
                guard let recordSize = try? size(of: mutant) else { continue }
                _ = try? decode(mutant, 0..<recordSize)
            }
        }
    }

    @Test func `flags that this version does not know are a fault`() {
        var bytes = record(RecordHeader(kind: 1), "x")
        bytes[5] = 8
        #expect(throws: FrameFault.invalidValue(field: "record flags", value: 8)) {
            _ = try decode(bytes, 0..<bytes.count)
        }
    }

    @Test func `a frame cannot promise more records than it has room for`() {
        var bytes: [UInt8] = []
        RecordsFrame.encodeHeader(origin: Self.place.origin, first: 1, count: 2, recordBytes: 11, into: &bytes)
        bytes += [UInt8](repeating: 0, count: 11)
        #expect(throws: FrameFault.overLimit(field: "records", value: 2, limit: 1)) {
            _ = try prefix(of: bytes)
        }
    }

    @Test(arguments: [0, 1 << 63, .max] as [UInt64])
    func `a frame's first record has a number that can be counted on from`(first: UInt64) {
        var bytes: [UInt8] = []
        RecordsFrame.encodeHeader(origin: Self.place.origin, first: first, count: 0, recordBytes: 0, into: &bytes)
        #expect(throws: FrameFault.invalidValue(field: "first seq", value: first)) {
            _ = try prefix(of: bytes)
        }
    }

    @Test func `who speaks is known by the first byte that differs`() {
        let preamble = Preamble.bytes
        #expect(preamble == [0] + Array("PANDO\r\n".utf8))
        for count in 0..<preamble.count { #expect(speaker(Array(preamble[..<count])) == .undecided) }
        #expect(speaker(preamble + [1]) == .server)
        #expect(speaker(Array("{".utf8)) == .client)
        #expect(speaker(preamble[..<7] + [0]) == .client)
    }
}
