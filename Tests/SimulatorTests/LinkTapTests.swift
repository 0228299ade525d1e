import Codecs
import Testing

@testable import Simulator

/// The tap measures what crosses links, wherever the bytes are cut.
struct LinkTapTests {
    private static let origin = ServerID(startStamp: 7, random: 7)

    /// A frame of `count` small records from `first` on.
    private static func records(_ first: UInt64, count: Int) -> [UInt8] {
        var records: [UInt8] = []
        for _ in 0..<count {
            RecordHeader(kind: RecordKind.activity.rawValue).encode(payloadBytes: 3, into: &records)
            records += [1, 2, 3]
        }
        var frame: [UInt8] = []
        RecordsFrame.encodeHeader(
            origin: origin, first: first, count: count, recordBytes: records.count, into: &frame)
        return frame + records
    }

    /// Sends over one connection, in pieces of a few bytes, and lets everything arrive.
    private static func pass(
        _ bytes: [UInt8], _ tap: inout LinkTap, from sender: Int, to receiver: Int, connection: Int, at time: UInt64
    ) {
        for start in stride(from: 0, to: bytes.count, by: 7) {
            let piece = bytes[start..<min(start + 7, bytes.count)]
            _ = tap.sent(piece, by: sender, on: connection, from: .dialler, at: time)
        }
        for start in stride(from: 0, to: bytes.count, by: 5) {
            tap.arrived(min(5, bytes.count - start), at: receiver, on: connection, from: .dialler)
        }
    }

    @Test func copiesAndHopsAreCounted() {
        var tap = LinkTap()
        Self.pass(Preamble.bytes + Self.records(1, count: 2), &tap, from: 0, to: 1, connection: 0, at: 10)
        Self.pass(Preamble.bytes + Self.records(1, count: 2), &tap, from: 1, to: 2, connection: 1, at: 20)
        let steady = Economy(records: tap.records(since: 0).map(\.tally), servers: 3)
        #expect(steady.records == 2 && steady.copies == 4 && steady.redundancy == 0)
        #expect(steady.hopsMean == 2 && steady.hopsMax == 2)

        Self.pass(Preamble.bytes + Self.records(1, count: 1), &tap, from: 0, to: 2, connection: 2, at: 30)
        let wasteful = Economy(records: tap.records(since: 0).map(\.tally), servers: 3)
        #expect(wasteful.copies == 5 && wasteful.redundancy == 0.25)
        #expect(wasteful.hopsMax == 2, "a later copy changes no path")
    }

    @Test func whatWasSentAndNeverArrivedIsNoCopy() {
        var tap = LinkTap()
        let bytes = Preamble.bytes + Self.records(5, count: 1)
        _ = tap.sent(bytes[...], by: 0, on: 0, from: .dialler, at: 1)
        tap.arrived(bytes.count - 1, at: 1, on: 0, from: .dialler)
        #expect(Economy(records: tap.records(since: 0).map(\.tally), servers: 2).copies == 0)
        tap.arrived(1, at: 1, on: 0, from: .dialler)
        #expect(Economy(records: tap.records(since: 0).map(\.tally), servers: 2).copies == 1)
    }

    @Test func framesAreCountedByKindAndTime() {
        var tap = LinkTap()
        var bytes = Preamble.bytes
        PeerFrame.heartbeat.encode(into: &bytes)
        Self.pass(bytes, &tap, from: 0, to: 1, connection: 0, at: 1)
        let before = tap.frames
        Self.pass(Self.records(1, count: 3), &tap, from: 0, to: 1, connection: 0, at: 2)
        #expect(tap.frames.total == 2)
        #expect(tap.frames.since(before).byKind.map(\.name) == ["records"])
        #expect(tap.records(since: 2).count == 3 && tap.records(since: 3).isEmpty)
    }
}
