import CEpollShim
import Glibc
import Testing

@testable import Reactor

@Suite struct RingTests {
    @Test func holdsTheLastBytesContiguously() throws {
        var ring = try BroadcastRing(capacity: 1)
        #expect(ring.capacity % 4_096 == 0)
        var all: [UInt8] = []
        for number in 0..<200 {
            let next = line(number, length: 37)
            next.withUnsafeBytes { ring.append($0) }
            all += next
            let (from, to) = (ring.start, ring.end)
            #expect(to == UInt64(all.count))
            #expect(Array(ring.bytes(from, to)) == Array(all[Int(from)...]))
        }
        let atStart = ring.isLineStart(ring.end)
        let inside = ring.isLineStart(ring.end - 1)
        let end = ring.endOfLine(ring.end - 40)
        #expect(atStart && !inside)
        #expect(end == ring.end - 37)
    }

    @Test func everySubscriberGetsTheSameAcrossWraps() throws {
        let harness = try Harness { $0.ringCapacity = 64 << 10 }
        let pairs = try (0..<5).map { _ in try harness.pair() }
        harness.reactor.publish(Array("before anybody follows\n".utf8))
        for (id, _) in pairs { harness.reactor.subscribe(id) }
        var expected: [UInt8] = []
        var got = [[UInt8]](repeating: [], count: pairs.count)
        for number in 0..<2_000 {
            harness.reactor.publish(line(number))
            expected += line(number)
            guard number % 7 == 6 else { continue }
            try harness.turn()
            for (index, pair) in pairs.enumerated() { got[index] += pair.peer.read() ?? [] }
        }
        try harness.turn()
        for (index, pair) in pairs.enumerated() { got[index] += pair.peer.read() ?? [] }
        #expect(got.allSatisfy { $0 == expected })
        #expect(harness.reactor.ringEnd > 3 * 64 << 10)
        // One send for each of them in each turn, whatever the number of lines.
        #expect(harness.reactor.statistics.sends == 5 * 286)
    }

    @Test func privateRepliesGoBetweenTwoLines() throws {
        let harness = try Harness()
        let (id, peer) = try harness.pair(buffer: 4_096)
        harness.reactor.subscribe(id)
        let long = line(1, length: 300_000)
        harness.reactor.publish(long + line(2))
        try harness.turn()
        #expect(harness.flags(id).isSuperset(of: [.midLine, .blocked]))
        harness.reactor.send(id, Array("reply\n".utf8))
        harness.reactor.publish(line(3))
        var got: [UInt8] = []
        let expected = long + Array("reply\n".utf8) + line(2) + line(3)
        try harness.until {
            got += peer.read() ?? []
            return got.count == expected.count
        }
        #expect(got == expected)
        harness.reactor.send(id, Array("reply\n".utf8))
        harness.reactor.publish(line(4))
        try harness.turn()
        #expect(peer.read() == Array("reply\n".utf8) + line(4))
    }

    @Test func overrunClosesTheSlowAndNobodyElse() throws {
        let harness = try Harness { $0.ringCapacity = 64 << 10 }
        let (slow, slowPeer) = try harness.pair(buffer: 4_096)
        let (fast, fastPeer) = try harness.pair()
        harness.reactor.subscribe(slow)
        harness.reactor.subscribe(fast)
        var (expected, got): ([UInt8], [UInt8]) = ([], [])
        for number in 0..<3_000 where harness.handler.closed.isEmpty {
            harness.reactor.publish(line(number))
            expected += line(number)
            try harness.turn()
            got += fastPeer.read() ?? []
        }
        try harness.turn()
        got += fastPeer.read() ?? []
        #expect(harness.handler.closed == [slow: .slowConsumer])
        #expect(harness.reactor.statistics.ringOverruns == 1)
        #expect(got == expected)
        #expect(harness.isOpen(fast))
        #expect(harness.reactor.subscriberCount == 1)
        withExtendedLifetime(slowPeer) {}
    }

    /// They are positions, which no round comes to, until they take something or are overrun.
    @Test func readersThatNeverReadArePassedBy() throws {
        let harness = try Harness { $0.ringCapacity = 256 << 10 }
        let (quick, quickPeer) = try harness.pair()
        harness.reactor.subscribe(quick)
        var deaf: [(id: ConnectionID, peer: Peer)] = []
        var (expected, got): ([UInt8], [UInt8]) = ([], [])
        func publish(_ count: Int) throws {
            for number in 0..<count {
                harness.reactor.publish(line(number, length: 1_000))
                expected += line(number, length: 1_000)
                try harness.turn()
                got += quickPeer.read() ?? []
            }
        }
        // Each stops elsewhere in the ring.
        for _ in 0..<10 {
            deaf.append(try harness.pair(buffer: 4_096))
            harness.reactor.subscribe(deaf[deaf.count - 1].id)
            try publish(12)
        }
        try publish(40)
        #expect(harness.readyCount == 1)
        // Who takes all of it is among the others again; who leaves is nowhere.
        let owed = Array(expected[60_000...])
        var heard: [UInt8] = []
        try harness.until {
            heard += deaf[5].peer.read() ?? []
            return heard.count == owed.count
        }
        #expect(heard == owed)
        #expect(harness.readyCount == 2)
        for index in [5, 0] {
            harness.reactor.close(deaf[index].id, .finished)
            deaf.remove(at: index)
        }
        // The ring runs over them one by one; the others go on.
        try publish(300)
        #expect(deaf.allSatisfy { harness.handler.closed[$0.id] == .slowConsumer })
        #expect(harness.reactor.statistics.ringOverruns == 8)
        #expect(harness.reactor.subscriberCount == 1)
        #expect(got == expected)
    }

    @Test func fanOutLetsOthersInBetweenSlices() throws {
        _ = try DescriptorLimit.raise()
        let harness = try Harness {
            $0.capacity = 2_100
            $0.fanOutSlice = 128
        }
        let pairs = try (0..<2_000).map { _ in try harness.pair() }
        for (id, _) in pairs { harness.reactor.subscribe(id) }
        let (talker, peer) = try harness.pair()
        harness.reactor.publish(line(1))
        var turns = 0
        repeat {
            try peer.write("x")
            try harness.turn(-1)
            turns += 1
            #expect(harness.handler.input[talker]?.count == turns)
            #expect(harness.reactor.statistics.sends <= UInt64(128 * turns))
            // News in mid-round reaches those who were visited before as well.
            if turns == 8 { harness.reactor.publish(line(2)) }
        } while harness.reactor.fanOutBacklog > 0
        #expect(turns >= 16 && turns <= 33)
        let expected = line(1) + line(2)
        #expect(pairs.allSatisfy { $0.peer.read() == expected })
    }

    @Test func aTurnOfTheFanOutHasABudgetOfBytes() throws {
        let harness = try Harness { $0.flushBytes = 100_000 }
        let pairs = try (0..<20).map { _ in try harness.pair() }
        for (id, _) in pairs { harness.reactor.subscribe(id) }
        let published = line(1, length: 30_000)
        harness.reactor.publish(published)
        for turn in 1...5 {
            try harness.turn()
            #expect(harness.reactor.statistics.bytesSent == UInt64(turn * 4 * published.count))
        }
        try harness.turn()
        #expect(harness.reactor.fanOutBacklog == 0)
        #expect(pairs.allSatisfy { $0.peer.read() == published })
    }

    /// Those that become writable together have a budget of their own, so that they do not keep others waiting.
    @Test func aTurnOfPrivateOutputHasABudgetOfBytes() throws {
        let harness = try Harness { $0.flushBytes = 100_000 }
        let pairs = try (0..<20).map { _ in try harness.pair() }
        let line = line(1, length: 30_000)
        for (id, _) in pairs { harness.reactor.send(id, line) }
        for turn in 1...5 {
            try harness.turn()
            #expect(harness.reactor.statistics.bytesSent == UInt64(turn * 4 * line.count))
        }
        #expect(pairs.allSatisfy { $0.peer.read() == line })
    }

    @Test func aSurveyTellsWhoLagsAndWhoMoves() throws {
        let harness = try Harness()
        let (brisk, briskPeer) = try harness.pair(buffer: 4_096)
        let (still, stillPeer) = try harness.pair(buffer: 4_096)
        let (quick, quickPeer) = try harness.pair()
        for id in [brisk, still, quick] { harness.reactor.subscribe(id) }
        func survey() -> [Int] {
            let keepingUp = harness.reactor.surveySubscribers(
                laggingBy: 100_000, leastBytes: 20_000, periodMilliseconds: 20, stillMilliseconds: 60_000)
            return [harness.reactor.lagging(by: 100_000), keepingUp]
        }
        func pass(_ milliseconds: UInt64) throws {
            let end = SystemClock.monotonicNanoseconds + milliseconds * 1_000_000
            repeat { try harness.turn(1) } while SystemClock.monotonicNanoseconds < end
        }
        func drain(_ id: ConnectionID, _ peer: Peer, to lag: Int) throws {
            var room = [UInt8](repeating: 0, count: 1_000)
            for _ in 0..<1_000 where harness.unsent(id) > lag {
                _ = ces_receive(peer.fd, &room, room.count)
                try harness.turn()
            }
        }
        #expect(survey() == [0, 0])
        for number in 0..<200 {
            harness.reactor.publish(line(number, length: 1_000))
            try harness.turn()
            _ = quickPeer.read()
        }
        // In the first period nobody is slow yet.
        #expect(survey() == [2, 2])
        #expect(!harness.flags(quick).contains(.lagging))
        try drain(brisk, briskPeer, to: 150_000)
        try pass(21)
        #expect(survey() == [2, 1])
        #expect(harness.flags(still).contains(.tooSlow))
        // Who moves again is waited for again.
        try drain(still, stillPeer, to: 150_000)
        #expect(survey()[0] == 2)
        #expect(!harness.flags(still).contains(.tooSlow))
        try drain(brisk, briskPeer, to: 0)
        try drain(still, stillPeer, to: 0)
        #expect(survey() == [0, 0])
        #expect(harness.flags(still).isDisjoint(with: [.lagging, .tooSlow]))
    }

    /// Whoever stood still for long before it lagged is not waited for another period.
    @Test func aSurveyDoesNotWaitForWhoTookNothingBefore() throws {
        let harness = try Harness()
        let (id, peer) = try harness.pair(buffer: 4_096)
        harness.reactor.subscribe(id)
        harness.reactor.publish(line(1, length: 50_000))
        try harness.turn()
        #expect(harness.flags(id).contains(.blocked))
        let end = SystemClock.monotonicNanoseconds + 21_000_000
        repeat { try harness.turn(1) } while SystemClock.monotonicNanoseconds < end
        harness.reactor.publish(line(2, length: 200_000))
        try harness.turn()
        let lagging = harness.reactor.lagging(by: 100_000)
        #expect(lagging == 1)
        let keepingUp = harness.reactor.surveySubscribers(
            laggingBy: 100_000, leastBytes: 1, periodMilliseconds: 60_000, stillMilliseconds: 20)
        #expect(keepingUp == 0)
        withExtendedLifetime(peer) {}
    }

    @Test func finishingDeliversWhatWasPublishedBefore() throws {
        let harness = try Harness()
        let (id, peer) = try harness.pair(buffer: 4_096)
        harness.reactor.subscribe(id)
        harness.reactor.publish(line(1, length: 200_000))
        try harness.turn()
        harness.reactor.publish(line(2))
        harness.reactor.send(id, Array("reply\n".utf8))
        harness.reactor.unsubscribe(id)
        harness.reactor.publish(line(3))
        harness.reactor.send(id, Array("redirect\n".utf8))
        harness.reactor.finish(id, .finished, lingerMilliseconds: 10_000, keepReading: true)
        var got: [UInt8] = []
        try harness.until {
            while let more = peer.read(), !more.isEmpty { got += more }
            return harness.flags(id).contains(.writeShut)
        }
        got += peer.read() ?? []
        #expect(got == line(1, length: 200_000) + Array("reply\n".utf8) + line(2) + Array("redirect\n".utf8))
        #expect(harness.reactor.subscriberCount == 0)
        #expect(!harness.flags(id).contains(.following))
    }

    @Test func aSubscriberThatIsGoneIsLeftOut() throws {
        let harness = try Harness()
        let (gone, peer) = try harness.tcp()
        let (here, other) = try harness.tcp()
        harness.reactor.subscribe(gone)
        harness.reactor.subscribe(here)
        harness.reactor.pauseReading(gone)
        peer.reset()
        try harness.until { harness.flags(gone).contains(.unpolled) }
        var expected: [UInt8] = []
        for number in 0..<3 {
            harness.reactor.publish(line(number))
            expected += line(number)
            try harness.turn()
        }
        #expect(harness.flags(gone).contains(.writeDead))
        #expect(harness.reactor.subscriberCount == 1)
        try other.wait(POLLIN)
        #expect(other.read() == expected)
        let again = harness.reactor.subscribe(gone)
        #expect(!again)
    }

    @Test func aRoundVisitsEveryoneWhoStays() {
        var state: UInt64 = 7
        func next(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((state >> 33) % UInt64(bound))
        }
        for _ in 0..<200 {
            var fanOut = FanOut(capacity: 8)
            for slot in 0..<UInt32(40) {
                fanOut.append(slot)
                fanOut.unpark()
            }
            var visited: Set<UInt32> = []
            while let slot = fanOut.next(end: 1) {
                visited.insert(slot)
                guard next(3) == 0, fanOut.readyCount > 0 else { continue }
                fanOut.swap(next(fanOut.readyCount), fanOut.readyCount - 1)
                fanOut.park()
                if next(2) == 0 { fanOut.removeLast() }
            }
            let ready = fanOut.slots[..<fanOut.readyCount]
            #expect(visited.isSuperset(of: ready))
            #expect(fanOut.servedEnd == 1)
        }
    }
}
