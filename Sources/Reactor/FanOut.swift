/// Who follows the broadcast ring, and how far the present round of sending has come. Positions only: the cursors are
/// in the connections, the bytes in the ring.

/// The subscribers of the ring and the round through them.
///
/// Those that can be sent something come first in the array, then the *parked* ones, whose sockets are full: a round
/// does not come to them, so that a reader which never reads costs a position and nothing for each line.
///
/// A round visits every subscriber that is not parked once, from the last to the first. Whoever leaves that part
/// changes places with the last in it, and downwards that is always one that was visited before: none is left out, at
/// worst one is visited twice. A round that is cut at the slice goes on where it stopped, and the next begins only when
/// it is over, so that nobody starves.
struct FanOut {
    /// Slots of the subscribers, dense.
    private(set) var slots: [UInt32] = []
    /// How many of the array's first entries are not parked.
    private(set) var readyCount = 0
    /// How many of the array's first entries the present round has still to visit.
    private var remaining = 0
    /// The end of the ring when the present or last round began.
    private var roundEnd: UInt64 = 0
    /// Every subscriber that was not parked has been visited since the ring's end was here: this is about what the
    /// server has offered, not about what the readers have taken (`Reactor.surveySubscribers`).
    private(set) var servedEnd: UInt64 = 0
    /// No cursor of a parked subscriber is below: only when the ring begins behind it they have to be looked at.
    var parkedFloor = UInt64.max

    /// - Parameter capacity: subscribers at most. Reserved memory that nobody has touched is none; an array that grew
    ///   would leave its former selves behind.
    init(capacity: Int) { slots.reserveCapacity(capacity) }

    var count: Int { slots.count }

    func isPending(end: UInt64) -> Bool { servedEnd != end }

    /// Adds a slot behind all others: it is parked.
    mutating func append(_ slot: UInt32) { slots.append(slot) }

    /// Removes the last one, which has to be parked.
    mutating func removeLast() {
        precondition(slots.count > readyCount)
        slots.removeLast()
    }

    mutating func swap(_ index: Int, _ other: Int) { slots.swapAt(index, other) }

    /// The last one that is not parked is so now.
    mutating func park() {
        readyCount -= 1
        remaining = min(remaining, readyCount)
    }

    /// The first one that is parked is so no more. Whoever makes it so sees to what it has missed.
    mutating func unpark() { readyCount += 1 }

    /// The next slot to visit; begins a round if there is news. Nil when all have been visited since the last growth.
    @inline(__always)
    mutating func next(end: UInt64) -> UInt32? {
        if remaining == 0 {
            servedEnd = roundEnd
            guard end != roundEnd else { return nil }
            roundEnd = end
            remaining = readyCount
            guard remaining > 0 else {
                servedEnd = end
                return nil
            }
        }
        remaining -= 1
        return slots[remaining]
    }
}
