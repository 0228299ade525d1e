/// Who follows the broadcast ring, and how far the present round of sending has come. Positions only: the cursors are
/// in the connections, the bytes in the ring.

/// The subscribers of the ring and the round through them.
///
/// A round visits every subscriber once, from the last in the array to the first. Removing one moves the last into its
/// place, and downwards that is always one that was visited before: none is left out, at worst one is visited twice. A
/// round that is cut at the slice goes on where it stopped, and the next begins only when it is over, so that nobody
/// starves.
struct FanOut {
    /// Slots of the subscribers, dense.
    private(set) var slots: [UInt32] = []
    /// How many of the array's first entries the present round has still to visit.
    private var remaining = 0
    /// The end of the ring when the present or last round began.
    private var roundEnd: UInt64 = 0
    /// Every subscriber has been visited since the ring's end was here. A visit to a blocked one counts: this is about
    /// what the server has offered, not about what the readers have taken (`Reactor.surveySubscribers`).
    private(set) var servedEnd: UInt64 = 0

    /// - Parameter capacity: subscribers at most. Reserved memory that nobody has touched is none; an array that grew
    ///   would leave its former selves behind.
    init(capacity: Int) { slots.reserveCapacity(capacity) }

    var count: Int { slots.count }

    func isPending(end: UInt64) -> Bool { servedEnd != end }

    /// Adds a slot and returns its index.
    mutating func add(_ slot: UInt32) -> UInt32 {
        slots.append(slot)
        return UInt32(slots.count - 1)
    }

    /// Removes the slot at an index; returns the one that took its place, if any.
    mutating func remove(at index: UInt32) -> UInt32? {
        let last = slots.removeLast()
        remaining = min(remaining, slots.count)
        guard Int(index) < slots.count else { return nil }
        slots[Int(index)] = last
        return last
    }

    /// The next slot to visit; begins a round if there is news. Nil when all have been visited since the last growth.
    @inline(__always)
    mutating func next(end: UInt64) -> UInt32? {
        if remaining == 0 {
            servedEnd = roundEnd
            guard end != roundEnd else { return nil }
            roundEnd = end
            remaining = slots.count
            guard remaining > 0 else {
                servedEnd = end
                return nil
            }
        }
        remaining -= 1
        return slots[remaining]
    }
}

/// What a look at the subscribers' lags has found.
public struct SubscriberSurvey: Hashable, Sendable {
    /// Subscribers that lag by more than was asked about.
    public internal(set) var lagging = 0
    /// Those of them that move fast enough to be waited for.
    public internal(set) var keepingUp = 0
}
