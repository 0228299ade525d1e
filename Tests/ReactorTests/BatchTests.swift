import CEpollShim
import Glibc
import Testing

@testable import Reactor

/// Sends that go to the kernel together: the same bytes arrive as one by one, whatever state a connection is in. On a
/// kernel without io_uring, or where it is forbidden, the same tests show that sends go one by one.
struct BatchTests {
    /// A slice of 16 and some subscribers of the ring, more than one batch takes.
    private func following(
        _ count: Int, batches: Bool = true
    ) throws -> (Harness, [(id: ConnectionID, peer: Peer)]) {
        let harness = try Harness {
            $0.fanOutSlice = 16
            $0.batchesSends = batches
        }
        let pairs = try (0..<count).map { _ in try harness.pair() }
        for (id, _) in pairs { harness.reactor.subscribe(id) }
        return (harness, pairs)
    }

    @Test(arguments: [true, false]) func everybodyGetsTheSameBytes(batches: Bool) throws {
        let (harness, pairs) = try following(40, batches: batches)
        let isOpen = harness.reactor.batch.isOpen
        if !batches { #expect(!isOpen) }
        var expected: [UInt8] = []
        for number in 1...20 {
            harness.reactor.publish(line(number))
            expected += line(number)
            try harness.turn()
        }
        while harness.reactor.fanOutBacklog > 0 { try harness.turn() }
        #expect(pairs.allSatisfy { $0.peer.read() == expected })
        let statistics = harness.reactor.statistics
        #expect(statistics.bytesSent == UInt64(40 * expected.count))
        #expect(statistics.partialWrites == 0)
        // No turn of this takes more than a slice, and a slice is one batch.
        #expect(isOpen ? statistics.sendBatches <= statistics.turns : statistics.sendBatches == 0)
        #expect(!isOpen || statistics.sends > 10 * statistics.sendBatches)
    }

    /// The old round ends and a new one begins within one flush: those that are in the batch already are met again.
    @Test func aRoundThatBeginsInTheMiddleOfABatchSendsNothingTwice() throws {
        let (harness, pairs) = try following(20)
        harness.reactor.publish(line(1))
        try harness.turn()
        // Four have not been visited. Of the others four stay, so that the next slice comes round to the first four.
        for (id, _) in pairs[8...].reversed() { harness.reactor.unsubscribe(id) }
        harness.reactor.publish(line(2))
        try harness.turn()
        #expect(harness.reactor.fanOutBacklog == 0)
        #expect(pairs[..<8].allSatisfy { $0.peer.read() == line(1) + line(2) })
        #expect(pairs[8...].allSatisfy { $0.peer.read() == line(1) })
    }

    @Test func oneThatIsFullGoesOnWhenItCan() throws {
        let (harness, pairs) = try following(4)
        let (slow, peer) = try harness.pair(buffer: 4_096)
        harness.reactor.subscribe(slow)
        var expected: [UInt8] = []
        for number in 1...30 {
            harness.reactor.publish(line(number, length: 1_000))
            expected += line(number, length: 1_000)
            try harness.turn()
        }
        #expect(pairs.allSatisfy { $0.peer.read() == expected })
        #expect(harness.flags(slow).contains(.blocked))
        #expect(harness.reactor.statistics.partialWrites > 0)
        var got: [UInt8] = []
        try harness.until("all of it") {
            got += peer.read() ?? []
            return got.count == expected.count
        }
        #expect(got == expected)
        #expect(!harness.flags(slow).contains(.blocked))
    }

    /// A send that takes a part ends inside of a line; what is private waits for the line's end.
    @Test func aPartOfALineIsFinishedBeforePrivateOutput() throws {
        let (harness, _) = try following(4)
        let (id, peer) = try harness.pair(buffer: 4_096)
        harness.reactor.subscribe(id)
        let long = line(1, length: 300_000)
        harness.reactor.publish(long)
        try harness.turn()
        #expect(harness.flags(id).contains(.midLine))
        harness.reactor.send(id, Array("private\n".utf8))
        harness.reactor.publish(line(2))
        var got: [UInt8] = []
        let expected = long + Array("private\n".utf8) + line(2)
        try harness.until("all of it") {
            got += peer.read() ?? []
            return got.count == expected.count
        }
        #expect(got == expected)
    }

    @Test func oneThatIsGoneEndsAloneAndForItsReason() throws {
        let (harness, pairs) = try following(8)
        let (closed, closedPeer) = try harness.pair()
        let (reset, resetPeer) = try harness.tcp()
        for id in [closed, reset] { harness.reactor.subscribe(id) }
        // The handler is told in a later turn: the sends of this one meet sockets that are gone.
        harness.reactor.publish(line(1))
        closedPeer.close()
        resetPeer.reset()
        try harness.turn()
        harness.reactor.publish(line(2))
        try harness.until("both closed") { harness.handler.closed.count == 2 }
        #expect(harness.handler.closed == [closed: .reset, reset: .reset])
        #expect(harness.reactor.subscriberCount == 8)
        while harness.reactor.fanOutBacklog > 0 { try harness.turn() }
        #expect(pairs.allSatisfy { $0.peer.read() == line(1) + line(2) })
    }

    /// The kernel may take the batch away while the server runs. Nothing is lost, and sends go one by one from then on.
    @Test func aKernelThatRefusesIsNotAskedAgain() throws {
        let (harness, pairs) = try following(10)
        harness.reactor.publish(line(1))
        try harness.turn()
        if let descriptor = harness.reactor.batch.descriptor {
            let other = open("/dev/null", O_RDWR | O_CLOEXEC)
            try #require(dup2(other, descriptor) == descriptor)
            close(other)
        }
        let batches = harness.reactor.statistics.sendBatches
        for number in 2...4 {
            harness.reactor.publish(line(number))
            try harness.turn()
        }
        let expected = (1...4).flatMap { line($0) }
        let ids = pairs.map(\.id)
        try harness.until("all sent") { ids.allSatisfy { harness.unsent($0) == 0 } }
        let isOpen = harness.reactor.batch.isOpen
        #expect(!isOpen)
        #expect(harness.reactor.statistics.sendBatches <= batches + 1)
        #expect(pairs.allSatisfy { $0.peer.read() == expected })
    }
}
