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
        #expect(MemoryLayout<Connection>.stride <= 96)
    }
}
