import Testing

@testable import Reactor

@Suite struct DeadlineHeapTests {
    @Test func givesDeadlinesInOrderOfTimeThenOfSetting() {
        var heap = DeadlineHeap()
        heap.set(1, due: 30)
        heap.set(2, due: 10)
        heap.set(3, due: 20)
        heap.set(4, due: 10)
        #expect(heap.next == 10)
        #expect(heap.popDue(at: 5) == nil)
        #expect([heap.popDue(at: 30), heap.popDue(at: 30), heap.popDue(at: 30), heap.popDue(at: 30)] == [2, 4, 3, 1])
        #expect(heap.popDue(at: .max) == nil)
    }

    @Test func movesAndCancels() {
        var heap = DeadlineHeap()
        for key in 0..<UInt32(100) { heap.set(key, due: UInt64(key)) }
        heap.set(0, due: 1_000)
        heap.set(99, due: 0)
        for key in stride(from: UInt32(2), to: 99, by: 2) { heap.cancel(key) }
        heap.cancel(2)
        #expect(heap.count == 51)
        var order: [UInt32] = []
        while let key = heap.popDue(at: .max) { order.append(key) }
        #expect(order == [99] + stride(from: 1, to: 99, by: 2) + [0])
    }

    @Test func staysInOrderUnderRandomChanges() {
        var heap = DeadlineHeap()
        var model: [UInt32: UInt64] = [:]
        var state: UInt64 = 42
        func next(_ bound: UInt64) -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (state >> 33) % bound
        }
        for _ in 0..<20_000 {
            let key = UInt32(next(64))
            if next(3) == 0 {
                heap.cancel(key)
                model[key] = nil
            } else {
                let due = next(1_000)
                heap.set(key, due: due)
                model[key] = due
            }
            #expect(heap.next == model.values.min())
        }
        #expect(heap.count == model.count)
    }

    @Test func timerTokensAreReusable() {
        var timers = TimerTable(limit: 4)
        timers.set(7, due: 10)
        timers.set(7, due: 20)
        timers.set(8, due: 15)
        #expect(timers.count == 2)
        #expect(timers.popDue(at: 30) == 8)
        timers.cancel(7)
        timers.cancel(7)
        timers.set(9, due: 1)
        #expect(timers.popDue(at: 30) == 9)
        #expect(timers.popDue(at: 30) == nil)
    }
}
