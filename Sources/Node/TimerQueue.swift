import HeapModule

/// What falls due inside the node. A timer is data: it is not cancelled but found to be stale when it fires, by looking
/// at what it is about.
enum NodeTimer: Hashable, Sendable {
    case announce
    case announceSoon
    case dial
    case joinPatience
    case digests
    case linkChecks
    case graft(Int)
    case gap(Int)
    case request(UInt64)
    case registration(UInt64)
    case login(UInt64)
    case tickets
    case newcomers
    case rebalance
    case drain
    case drainEnds
    case reservations
    case dependency
    /// Other servers are late in holding what a client has numbered.
    case holders
    case leave
    case detached
    case measure
    case store
}

/// Timers in order of their instants; timers of one instant in the order in which they were set. Each timer is pending
/// at most once, so the queue is as large as what the timers are about.
struct TimerQueue: Sendable {
    private struct Entry: Comparable {
        var due: Instant
        var counter: UInt64
        var timer: NodeTimer

        static func < (left: Entry, right: Entry) -> Bool {
            (left.due, left.counter) < (right.due, right.counter)
        }

        static func == (left: Entry, right: Entry) -> Bool { left.counter == right.counter }
    }

    private var heap = Heap<Entry>()
    /// The counter of the entry that counts, of each pending timer. Looked up, never iterated.
    private var pending: [NodeTimer: (due: Instant, counter: UInt64)] = [:]
    private var counter: UInt64 = 0

    /// When the next timer may be due. Never later than the truth.
    var nextDeadline: Instant? { heap.min?.due }
    var count: Int { pending.count }

    /// The timer fires at `due`, or earlier if it was set for an earlier instant already.
    mutating func set(_ timer: NodeTimer, at due: Instant) {
        if let present = pending[timer], present.due <= due { return }
        counter += 1
        pending[timer] = (due, counter)
        heap.insert(Entry(due: due, counter: counter, timer: timer))
    }

    /// Takes the next timer that is due.
    mutating func takeDue(at now: Instant) -> NodeTimer? {
        while let first = heap.min, first.due <= now {
            let entry = heap.removeMin()
            // An entry that was overtaken by an earlier one of the same timer is void.
            guard pending[entry.timer]?.counter == entry.counter else { continue }
            pending[entry.timer] = nil
            return entry.timer
        }
        return nil
    }
}
