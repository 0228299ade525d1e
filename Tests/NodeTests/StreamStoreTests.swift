import Codecs
import Testing

@testable import Node

/// Records kept once: appended, found, framed, stepped over, given up.
@Suite struct StreamStoreTests {
    private func record(_ bytes: Int, into store: inout StreamStore, stream: Int = 0, at milliseconds: UInt64 = 0) {
        store.append(to: stream, at: Instant(nanoseconds: milliseconds * 1_000_000)) { segment in
            let start = segment.count
            RecordHeader(kind: 1).encode(payloadBytes: bytes - 6, into: &segment)
            segment += [UInt8](repeating: UInt8(truncatingIfNeeded: bytes), count: bytes - 6)
            precondition(segment.count - start == bytes)
        }
    }

    private func store(streams: Int = 1) -> StreamStore {
        var store = StreamStore()
        store.ensure(streams: streams)
        return store
    }

    @Test func `records are numbered from one and found by number`() throws {
        var store = store()
        for size in 10..<20 { record(size, into: &store) }
        #expect(store.streams[0].held == 10 && store.streams[0].oldest == 1)
        for seq in 1...10 as ClosedRange<UInt64> {
            let place = try #require(store.location(of: seq, in: 0))
            #expect(place.range.count == 9 + Int(seq))
        }
        #expect(store.location(of: 0, in: 0) == nil)
        #expect(store.location(of: 11, in: 0) == nil)
        #expect(store.byteCount == (10..<20).reduce(0, +))
    }

    /// A stream of few and small records never fills a segment.
    @Test func `the age of a record is known within five seconds`() {
        var store = store()
        for second in 0..<100 as Range<UInt64> { record(20, into: &store, at: 1000 * second) }
        for seq in 0..<100 as Range<UInt64> {
            let since = store.since(after: seq, in: 0).map { $0.nanoseconds / 1_000_000 } ?? 0
            #expect(since <= 1000 * seq && since + StreamStore.segmentSpan > 1000 * seq)
        }
    }

    @Test func `bytes after a number are the sizes of what follows, over many segments`() {
        var store = store()
        let sizes = (0..<300).map { 100 + $0 * 7 }
        for size in sizes { record(size, into: &store) }
        #expect(store.streams[0].segments.count > 3)
        for seq in 0...300 {
            #expect(store.byteCount(after: UInt64(seq), in: 0) == sizes[seq...].reduce(0, +))
        }
    }

    @Test(arguments: [1, 100, 1000, 32_768, 1_000_000])
    func `frames together hold every record once, in order, each within the limit or of one record`(limit: Int) {
        var store = store()
        let sizes = (0..<200).map { 10 + ($0 * 7919) % 3000 }
        for size in sizes { record(size, into: &store) }
        var next: UInt64 = 1
        while next <= 200 {
            var bytes: [UInt8] = []
            let (count, byteCount) = store.appendFrame(
                of: 0, origin: Peers.id(1), from: next, limit: limit, into: &bytes)
            #expect(byteCount == sizes[Int(next) - 1..<Int(next) - 1 + count].reduce(0, +))
            #expect(count == 1 || byteCount <= limit)
            #expect(bytes.count == byteCount + RecordsFrame.headerBytes)
            next += UInt64(count)
        }
        #expect(next == 201)
    }

    @Test func `what is released is not found, what follows stays`() {
        var store = store()
        for _ in 0..<300 { record(1000, into: &store) }
        let first = store.streams[0].segments[0].last
        store.release(0, through: first - 1)
        #expect(store.streams[0].oldest == 1)
        store.release(0, through: first)
        #expect(store.streams[0].oldest == first + 1)
        #expect(store.byteCount == (300 - Int(first)) * 1000)
        #expect(store.byteCount(after: 0, in: 0) == store.byteCount)
        #expect(store.recordCount == 300 - first)
    }

    @Test func `a stream is stepped over what will not come and goes on after it`() {
        var store = store()
        record(10, into: &store)
        store.step(0, over: 41)
        #expect(store.streams[0].held == 41 && store.streams[0].delivered == 41 && store.streams[0].oldest == 42)
        record(12, into: &store)
        #expect(store.location(of: 42, in: 0)?.range.count == 12)
        #expect(store.byteCount == 12 && store.recordCount == 1)
        store.step(0, over: 5)
        #expect(store.streams[0].held == 42)
    }

    @Test func `the oldest segment of all streams is given up first`() throws {
        var store = store(streams: 3)
        for (stream, time) in [(1, 5), (0, 7), (2, 9)] {
            for _ in 0..<70 { record(1000, into: &store, stream: stream, at: UInt64(time)) }
        }
        var order: [Int] = []
        while let (stream, segment) = store.giveUpOldest() {
            #expect(store.streams[stream].oldest == segment.last + 1)
            order.append(stream)
        }
        #expect(order == [1, 1, 0, 0, 2, 2])
        #expect(store.byteCount == 0 && store.recordCount == 0)
    }
}
