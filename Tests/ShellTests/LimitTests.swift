import Reactor
import Testing

@testable import Server

@Suite struct LimitTests {
    private func connection(_ slot: Int, _ generation: UInt32 = 1) -> ConnectionID {
        ConnectionID(slot: UInt32(slot), generation: generation)
    }

    // MARK: The crowd

    /// A crowd with its table, changed as the shell changes them.
    private struct Place {
        var crowd: Crowd
        var table = ConnectionTable(capacity: 64)
        var turn: UInt64 = 1

        init(limit: Int) { crowd = Crowd(limit: limit) }

        mutating func come(_ id: ConnectionID) {
            table.begin(id, as: .undetermined)
            table.insert(.unproven, of: id)
            crowd.enter(id, turn: turn)
        }

        mutating func leave(_ id: ConnectionID) {
            table.remove(.unproven, of: id)
            crowd.leave()
        }

        mutating func surplus() -> [UInt32] {
            var slots: [UInt32] = []
            while let id = crowd.nextSurplus(turn: turn, of: table) {
                leave(id)
                slots.append(id.slot)
            }
            turn += 1
            return slots
        }
    }

    @Test func `the oldest of a crowd give way, in the turn after they came`() {
        var place = Place(limit: 3)
        for slot in 0..<5 { place.come(connection(slot)) }
        var surplus = [place.surplus(), place.surplus()]
        #expect(surplus == [[], [0, 1]])
        place.leave(connection(2))
        for slot in 5..<7 { place.come(connection(slot)) }
        surplus = [place.surplus(), place.surplus(), place.surplus()]
        #expect(surplus == [[3], [], []], "who has left is passed over")
        #expect(place.crowd.count == 3)
    }

    @Test func `who waits for this server is spared`() {
        var place = Place(limit: 1)
        for slot in 0..<3 { place.come(connection(slot)) }
        place.table.insert(.paused, of: connection(0))
        place.crowd.leave()
        _ = place.surplus()
        var surplus = place.surplus()
        #expect(surplus == [1])
        // Answered, and still not logged in: it is the newest now.
        place.table.remove(.paused, of: connection(0))
        place.crowd.enter(connection(0), turn: place.turn)
        surplus = place.surplus()
        #expect(surplus == [2])
        #expect(place.crowd.count == 1)
    }

    @Test func `a crowd that comes and goes leaves nothing behind`() {
        var place = Place(limit: 10)
        for generation in 1...10_000 {
            let id = connection(generation % 8, UInt32(generation))
            place.come(id)
            _ = place.surplus()
            place.leave(id)
            _ = place.table.end(id)
        }
        #expect(place.crowd.count == 0 && place.crowd.remembered <= 128)
    }

    // MARK: Addresses

    @Test func `each address has its share, and gives it back`() {
        var counts = AddressCounts()
        var entered: [Bool] = []
        for slot in 0..<4 { entered.append(counts.enter(connection(slot), network: 7, limit: 3)) }
        #expect(entered == [true, true, true, false])
        let other = counts.enter(connection(4), network: 8, limit: 3)
        #expect(other)
        // One that was not counted gives nothing back.
        counts.leave(connection(3))
        var again = counts.enter(connection(5), network: 7, limit: 3)
        #expect(!again)
        counts.leave(connection(1))
        counts.leave(connection(1))
        again = counts.enter(connection(5), network: 7, limit: 3)
        #expect(again)
        for slot in [0, 2, 4, 5] { counts.leave(connection(slot)) }
        #expect(counts.networkCount == 0)
    }

    @Test func `this host itself has no limit unless it is set`() {
        var limits = ConnectionLimits()
        #expect(limits.perAddress(isLoopback: true) == nil)
        #expect(limits.perAddress(isLoopback: false) == ConnectionLimits.perAddressDefault)
        limits.perAddress = 5
        #expect(limits.perAddress(isLoopback: true) == 5 && limits.perAddress(isLoopback: false) == 5)
        limits.perAddress = 0
        #expect(limits.perAddress(isLoopback: true) == nil && limits.perAddress(isLoopback: false) == nil)
    }

    // MARK: The rate

    @Test func `a bucket holds a second and fills evenly`() {
        var pace = Pace(perSecond: 10)
        let id = connection(3)
        var lines = pace.lines(of: id, at: 1_000)
        #expect(lines == 10)
        pace.spend(10, of: id)
        var gained: [Int] = []
        for step in 1...4 {
            lines = pace.lines(of: id, at: 1_000 + UInt64(step) * 50_000_000)
            gained.append(lines)
        }
        #expect(gained == [0, 1, 1, 2], "one in a tenth of a second")
        lines = pace.lines(of: id, at: 100_000_000_000)
        #expect(lines == 10, "and no more than ten, however long it was silent")
        lines = pace.lines(of: connection(3, 2), at: 100_000_000_001)
        #expect(lines == 10, "a successor has a bucket of its own")
    }

    @Test(arguments: [(1, 1_000_000_000), (10, 100_000_000), (5_000, 100_000_000)])
    func `who waits goes on in turn, with a line at least`(perSecond: Int, wait: UInt64) {
        var pace = Pace(perSecond: perSecond)
        for slot in 0..<3 {
            let now = UInt64(slot) * 1000
            let lines = pace.lines(of: connection(slot), at: now)
            pace.spend(lines, of: connection(slot))
            pace.wait(connection(slot), at: now)
        }
        #expect(pace.next == wait)
        var due = pace.popDue(at: wait - 1)
        #expect(due == nil)
        for slot in 0..<3 {
            let now = wait + UInt64(slot) * 1000
            due = pace.popDue(at: now)
            #expect(due == connection(slot))
            let lines = pace.lines(of: connection(slot), at: now)
            #expect(lines >= 1)
        }
        #expect(pace.next == nil)
    }
}
