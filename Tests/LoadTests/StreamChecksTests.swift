// A receiver's place in a sender's stream.

import Testing

@testable import Load

@Suite struct StreamChecksTests {
    /// What is found when these numbers come, `sent` of them being owed after `floor`.
    private func faults(_ numbers: [UInt32], sent: UInt32, floor: UInt32 = 0) -> [Int] {
        let checks = StreamChecks(rows: 2, senders: 3)
        checks.begin(row: 1, sender: 2, after: floor)
        var sum = StreamChecks.Faults()
        for number in numbers {
            if let found = checks.take(row: 1, sender: 2, number: number) { sum += found }
        }
        // What is told at once and what is kept by sender are the same.
        #expect(checks[2] == sum)
        checks.end(row: 1, sender: 2, sent: sent)
        let other = checks[0]
        #expect(other.isEmpty)
        let found = checks[2]
        return [found.lost, found.doubled, found.outOfOrder]
    }

    @Test func `all in order`() {
        #expect(faults(Array(1...100), sent: 100) == [0, 0, 0])
        #expect(faults([], sent: 0) == [0, 0, 0])
    }

    @Test func `lost at the beginning, in the middle and at the end`() {
        #expect(faults([3, 4], sent: 4) == [2, 0, 0])
        #expect(faults([1, 2, 5, 6], sent: 6) == [2, 0, 0])
        #expect(faults([1, 2], sent: 4) == [2, 0, 0])
        #expect(faults([], sent: 4) == [4, 0, 0])
        #expect(faults([1, 100], sent: 100) == [98, 0, 0])
    }

    @Test func `doubled at once and later`() {
        #expect(faults([1, 1, 2], sent: 2) == [0, 1, 0])
        #expect(faults([1, 2, 3, 1, 2], sent: 3) == [0, 2, 0])
        #expect(faults(Array(1...50) + [1], sent: 50) == [0, 1, 0])
    }

    @Test func `a late one is out of order and not lost`() {
        #expect(faults([1, 3, 2, 4], sent: 4) == [0, 0, 1])
        #expect(faults([2, 1], sent: 2) == [0, 0, 1])
        #expect(faults([1, 3, 2, 2], sent: 3) == [0, 1, 1])
        #expect(faults([1, 33, 2], sent: 33) == [30, 0, 1])
    }

    @Test func `who comes later is owed what follows`() {
        #expect(faults([11, 12], sent: 12, floor: 10) == [0, 0, 0])
        #expect(faults([12], sent: 12, floor: 10) == [1, 0, 0])
        #expect(faults([], sent: 12, floor: 10) == [2, 0, 0])
        // Under way when it logged in: not owed, but then without a gap.
        #expect(faults([9, 10, 11, 12], sent: 12, floor: 10) == [0, 0, 0])
        #expect(faults([9, 11, 12], sent: 12, floor: 10) == [1, 0, 0])
    }
}
