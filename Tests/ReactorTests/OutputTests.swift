import CEpollShim
import Glibc
import Testing

@testable import Reactor

@Suite struct OutputTests {
    @Test func waitsForWritabilityOnlyAfterAShortWrite() throws {
        let harness = try Harness()
        let (id, peer) = try harness.pair(buffer: 4_096)
        let bytes = (0..<500_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        harness.reactor.send(id, bytes)
        try harness.turn()
        #expect(harness.reactor.statistics.partialWrites == 1)
        #expect(harness.unsent(id) > 0)
        #expect(harness.reactor.connections[Int(id.slot)].interest & UInt16(CES_OUT) != 0)
        var got: [UInt8] = []
        try harness.until {
            got += peer.read() ?? []
            return got.count == bytes.count
        }
        try harness.turn()
        #expect(got == bytes)
        #expect(harness.unsent(id) == 0)
        #expect(harness.reactor.connections[Int(id.slot)].interest & UInt16(CES_OUT) == 0)
    }

    @Test func closesAtTheOutputLimit() throws {
        let harness = try Harness()
        let (id, _) = try harness.pair()
        harness.reactor.setOutputLimit(id, bytes: 10)
        harness.reactor.send(id, [UInt8](repeating: 0, count: 10))
        #expect(harness.isOpen(id))
        harness.reactor.send(id, [0])
        #expect(!harness.isOpen(id))
        try harness.turn()
        #expect(harness.handler.closed[id] == .outputOverflow)
    }

    @Test func finishingDeliversDespiteUnreadInput() throws {
        let harness = try Harness()
        let (id, peer) = try harness.tcp()
        harness.reactor.pauseReading(id)
        _ = peer.offer([UInt8](repeating: 0x61, count: 100_000))
        harness.reactor.send(id, Array("last words\n".utf8))
        harness.reactor.finish(id, .finished, lingerMilliseconds: 5_000, keepReading: false)
        try harness.until { harness.flags(id).contains(.writeShut) }
        try peer.wait(POLLIN)
        #expect(peer.read() == Array("last words\n".utf8))
        #expect(peer.readOutcome() == 0)
        #expect(harness.handler.closed.isEmpty)
        peer.close()
        try harness.until { harness.handler.closed[id] != nil }
        #expect(harness.handler.closed[id] == .finished)
        #expect(harness.handler.input.isEmpty)
        #expect(harness.handler.shown.isEmpty)
    }

    @Test func finishingGoesOnReadingIfAsked() throws {
        let harness = try Harness()
        let (id, peer) = try harness.tcp()
        harness.reactor.finish(id, .finished, lingerMilliseconds: 5_000, keepReading: true)
        try harness.turn()
        harness.reactor.send(id, Array("too late\n".utf8))
        #expect(harness.reactor.statistics.bytesDroppedAfterEnd == 9)
        try peer.write("still\n")
        try harness.until { harness.handler.input[id]?.count == 6 }
        #expect(harness.handler.closed.isEmpty)
        peer.close()
        try harness.until { harness.handler.closed[id] != nil }
        #expect(
            harness.handler.events.suffix(2) == [
                .received(id, "", seen: 0, atEnd: true), .closed(id, .finished),
            ])
    }

    @Test func finishingEndsAtItsDeadline() throws {
        let harness = try Harness()
        let (id, peer) = try harness.tcp()
        harness.reactor.finish(id, .shutdown, lingerMilliseconds: 30, keepReading: false)
        // A later deadline does not stretch it.
        harness.reactor.setDeadline(id, milliseconds: 60_000, .helloTimeout)
        try harness.until { harness.handler.closed[id] != nil }
        #expect(harness.handler.closed[id] == .shutdown)
        #expect(peer.readOutcome() == 0)
    }

    @Test func deadlinesCloseWithTheirReason() throws {
        let harness = try Harness()
        let pairs = try (0..<3).map { _ in try harness.pair() }
        let (first, second, third) = (pairs[0].id, pairs[1].id, pairs[2].id)
        harness.reactor.setDeadline(first, milliseconds: 20, .helloTimeout)
        harness.reactor.setDeadline(second, milliseconds: 10, .helloTimeout)
        harness.reactor.setDeadline(third, milliseconds: 5, .helloTimeout)
        harness.reactor.setDeadline(third, milliseconds: nil, .helloTimeout)
        try harness.until { harness.handler.closed.count == 2 }
        #expect(harness.handler.events == [.closed(second, .helloTimeout), .closed(first, .helloTimeout)])
        #expect(harness.isOpen(third))
        withExtendedLifetime(pairs) {}
    }

    @Test func whoTakesNothingIsClosed() throws {
        let harness = try Harness {
            $0.writeStallMilliseconds = 50
            $0.outputLimit = 8 << 20
        }
        let (deaf, peer) = try harness.pair(buffer: 4096)
        let (quick, reader) = try harness.pair()
        harness.reactor.send(deaf, [UInt8](repeating: 1, count: 4 << 20))
        harness.reactor.send(quick, [1])
        #expect(harness.reactor.statistics.bufferBytes >= 4 << 20)
        try harness.until { harness.handler.closed[deaf] != nil }
        #expect(harness.handler.closed[deaf] == .writeTimedOut)
        #expect(harness.isOpen(quick) && !harness.hasStall)
        try harness.until { harness.reactor.statistics.bufferBytes == 0 }
        withExtendedLifetime((peer, reader)) {}
    }

    @Test func whoTakesSomethingIsGivenTheTimeAnew() throws {
        let harness = try Harness {
            $0.writeStallMilliseconds = 3_600_000
            $0.outputLimit = 8 << 20
        }
        let (id, peer) = try harness.pair(buffer: 4096)
        harness.reactor.send(id, [UInt8](repeating: 1, count: 1 << 20))
        try harness.until { harness.hasStall }
        try harness.until {
            _ = peer.read()
            return harness.unsent(id) == 0
        }
        #expect(!harness.hasStall && harness.isOpen(id))
    }

    @Test func aDeadlineMayBeStretchedByWhomItIsAbout() throws {
        let harness = try Harness()
        let (id, peer) = try harness.pair()
        var calls = 0
        harness.handler.onOverdue = { id, reactor in
            calls += 1
            if calls == 1 { reactor.setDeadline(id, milliseconds: 5, .helloTimeout) }
        }
        harness.reactor.setDeadline(id, milliseconds: 5, .helloTimeout)
        try harness.until { harness.handler.closed[id] != nil }
        #expect(calls == 2 && harness.handler.closed[id] == .helloTimeout)
        withExtendedLifetime(peer) {}
    }

    @Test func whatEndsWhileATurnEndsIsToldInTheNext() throws {
        let harness = try Harness()
        let (id, peer) = try harness.pair()
        harness.handler.onTurnEnding = { $0.close(id, .shutdown) }
        try harness.turn()
        #expect(harness.handler.closed.isEmpty)
        // It does not wait, although it could for ever.
        try harness.turn(-1)
        #expect(harness.handler.closed[id] == .shutdown)
        #expect(peer.readOutcome() == 0)
    }
}
