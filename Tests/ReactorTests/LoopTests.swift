import CEpollShim
import Glibc
import Testing

@testable import Reactor

@Suite struct LoopTests {
    @Test func firesTimersInOrderAndNotInTheTurnThatSetThem() throws {
        let harness = try Harness()
        let base = harness.reactor.now
        harness.reactor.setTimer(3, atNanoseconds: base + 3_000)
        harness.reactor.setTimer(1, atNanoseconds: base + 1_000)
        harness.reactor.setTimer(2, atNanoseconds: base + 2_000)
        harness.reactor.setTimer(4, atNanoseconds: base + 500)
        harness.reactor.cancelTimer(4)
        harness.reactor.setTimer(1, atNanoseconds: base + 2_500)
        harness.handler.onTimer = { token, reactor in
            if token == 2 { reactor.setTimer(9, afterMilliseconds: 0) }
        }
        while SystemClock.monotonicNanoseconds < base + 3_000 {}
        try harness.turn()
        #expect(harness.handler.events == [.timer(2), .timer(1), .timer(3)])
        try harness.turn(-1)
        #expect(harness.handler.events.last == .timer(9))
    }

    @Test func aTimerCanStopTheLoop() throws {
        let harness = try Harness()
        harness.reactor.setTimer(1, afterMilliseconds: 5)
        harness.handler.onTimer = { _, reactor in reactor.stop() }
        let before = SystemClock.monotonicNanoseconds
        try harness.reactor.run(&harness.handler)
        #expect(SystemClock.monotonicNanoseconds - before >= 4_000_000)
        // It waits for the timer in one piece.
        #expect(harness.reactor.statistics.turns <= 3)
    }

    @Test func measuresLongTurnsInProcessorTimeToo() throws {
        let harness = try Harness()
        harness.handler.onTimer = { _, _ in
            let begun = SystemClock.monotonicNanoseconds
            while SystemClock.monotonicNanoseconds < begun + 2_000_000 {}
        }
        for turn in 1...2 {
            harness.reactor.setTimer(1, afterMilliseconds: 0)
            while harness.handler.events.count < turn { try harness.turn(-1) }
            let measured = harness.reactor.statistics.longestTurnProcessorNanoseconds
            // Two readings lie around the second one.
            #expect(turn == 1 ? measured == 0 : measured > 0)
        }
    }

    @Test func readsSignals() throws {
        let harness = try Harness()
        try harness.reactor.watchSignals([SIGUSR2])
        // To this thread: the process-wide kind could go to one that does not block it.
        pthread_kill(pthread_self(), SIGUSR2)
        try harness.turn(1_000)
        #expect(harness.handler.events == [.signalled(SIGUSR2)])
    }

    @Test func helpersAreBoundedAndWakeTheReactor() throws {
        let harness = try Harness()
        let pool = try HelperPool<Int>(threads: 1, limit: 2, waker: harness.reactor.waker)
        let gate = ces_semaphore_open()
        defer { _ = ces_close(gate) }
        let first = pool.submit {
            _ = ces_event_take(gate)
            return 1
        }
        let second = pool.submit { 2 }
        let third = pool.submit { 3 }
        #expect(first != nil && second != nil && third == nil)
        #expect(pool.underWay == 2)
        _ = ces_event_add(gate, 1)
        var results: [Int] = []
        try harness.until {
            if harness.handler.events.contains(.woken) { results += pool.drain() }
            return results.count == 2
        }
        #expect(results == [1, 2])
        #expect(pool.underWay == 0)
        let fourth = pool.submit { 4 }
        #expect(fourth != nil)
    }

    @Test func aJobThatHasNotBegunCanBeTakenBack() throws {
        let harness = try Harness()
        let pool = try HelperPool<Int>(threads: 1, limit: 200, waker: harness.reactor.waker)
        let (begun, gate) = (ces_semaphore_open(), ces_semaphore_open())
        defer { for semaphore in [begun, gate] { _ = ces_close(semaphore) } }
        let first = try #require(
            pool.submit {
                _ = ces_event_add(begun, 1)
                _ = ces_event_take(gate)
                return 0
            })
        _ = ces_event_take(begun)
        let others = try (1..<200).map { number in try #require(pool.submit { number }) }
        let tooLate = pool.cancel(first)
        #expect(!tooLate, "it has begun")
        for (index, ticket) in others.enumerated() where index % 2 == 0 {
            let outcomes = [pool.cancel(ticket), pool.cancel(ticket)]
            #expect(outcomes == [true, false], "taken back once")
        }
        #expect(pool.underWay == 100)
        _ = ces_event_add(gate, 1)
        var results: [Int] = []
        try harness.until {
            results += pool.drain()
            return results.count == 100
        }
        #expect(results == Array(stride(from: 0, to: 200, by: 2)))
        #expect(pool.underWay == 0 && !others.contains(where: pool.cancel))
    }

    @Test func resolves() {
        #expect(Resolver.resolve(host: "127.0.0.1", port: 80) == .addresses([.loopback(port: 80)]))
        // A label of 64 characters is no name: refused without asking anybody.
        let host = String(repeating: "a", count: 64) + ".invalid"
        guard case .failed(let text) = Resolver.resolve(host: host, port: 80) else {
            Issue.record("an impossible name has no address")
            return
        }
        #expect(text.hasPrefix(host + ": "))
    }

    @Test func slotsArePlainAndSmall() {
        #expect(MemoryLayout<Connection>.stride <= 56)
    }

    /// Connections that each have one more portion than before: whatever a turn reads is there again in the next.
    private func busyPairs(_ harness: Harness, _ count: Int) throws -> [(id: ConnectionID, peer: Peer)] {
        let pairs = try (0..<count).map { _ in try harness.pair() }
        for pair in pairs { try pair.peer.write([UInt8](repeating: 120, count: 10_000)) }
        return pairs
    }

    @Test func aTurnReadsItsBudgetAndTheNextGoesOnWhereItStopped() throws {
        let harness = try Harness {
            $0.turnReadBytes = 100_000
            $0.turnEventMicroseconds = 10_000_000
        }
        let pairs = try busyPairs(harness, 40)
        for round in 1...4 {
            let before = harness.reactor.statistics.bytesReceived
            try harness.turn(-1)
            #expect(harness.reactor.statistics.bytesReceived - before == 100_000)
            #expect(harness.handler.input.count == 10 * round)
            // Those that were read are ready again at once, and still wait for the others.
            for pair in pairs where harness.handler.input[pair.id]?.count == 10_000 {
                try pair.peer.write([UInt8](repeating: 120, count: 10_000))
                harness.handler.input[pair.id]?.append(0)
            }
        }
        #expect(harness.handler.input.count == 40)
        #expect(harness.reactor.statistics.turnsCut >= 3)
    }

    @Test func aTurnEndsItsEventsInTime() throws {
        let harness = try Harness { $0.turnEventMicroseconds = 2000 }
        let pairs = try busyPairs(harness, 40)
        harness.handler.onReceived = { _, bytes, _, _ in
            let start = SystemClock.monotonicNanoseconds
            while SystemClock.monotonicNanoseconds < start + 1_000_000 {}
            return bytes.count
        }
        try harness.turn(-1)
        #expect((1...3).contains(harness.handler.input.count))
        try harness.until { harness.handler.input.count == pairs.count }
        #expect(harness.reactor.statistics.turnsCut >= 13)
    }

    @Test func theHandlerCanEndTheEventsOfATurn() throws {
        let harness = try Harness()
        let pairs = try busyPairs(harness, 5)
        harness.handler.onReceived = { _, bytes, _, reactor in
            reactor.endEvents()
            return bytes.count
        }
        for round in 1...5 {
            try harness.turn(-1)
            #expect(harness.handler.input.count == round)
        }
        withExtendedLifetime(pairs) {}
    }

    /// What ends while its event waits is not met again, whoever has its slot now.
    @Test func anEventThatWaitedFindsItsConnectionOrNobody() throws {
        let harness = try Harness { $0.turnReadBytes = 1 }
        let pairs = try busyPairs(harness, 3)
        try harness.turn(-1)
        for pair in pairs where harness.handler.input[pair.id] == nil { harness.reactor.close(pair.id, .finished) }
        try harness.turn(0)
        let (fresh, peer) = try harness.pair()
        try harness.until { harness.handler.closed.count == 2 }
        try harness.turn(0)
        try harness.turn(0)
        #expect(harness.handler.input.count == 1)
        #expect(harness.reactor.statistics.staleEvents == 2)
        try peer.write("x")
        try harness.until { harness.handler.input[fresh]?.count == 1 }
        withExtendedLifetime(pairs) {}
    }

    @Test func leftoverInputIsShownWithinABudget() throws {
        // The budget of time would cut turns on a busy machine.
        let harness = try Harness {
            $0.turnReadBytes = 30_000
            $0.turnEventMicroseconds = 60_000_000
        }
        harness.handler.onReceived = { id, _, _, reactor in
            reactor.pauseReading(id)
            return 0
        }
        let pairs = try busyPairs(harness, 9)
        try harness.until { harness.handler.shown.count == 9 }
        for pair in pairs { harness.reactor.resumeReading(pair.id) }
        harness.handler.onReceived = { _, bytes, _, _ in bytes.count }
        harness.handler.input = [:]
        for round in 1...3 {
            try harness.turn(-1)
            #expect(harness.handler.input.count == 3 * round)
        }
    }
}
