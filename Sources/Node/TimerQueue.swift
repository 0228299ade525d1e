import HeapModule

/// What falls due inside the node. A timer is data: it is not cancelled but found to be stale when it fires, by looking
/// at what it is about.
enum NodeTimer: Hashable, Sendable {
    case announce
    case announceSoon
    case dial
    case joinPatience
    case digests
    case linkCheck(LinkID)
    case graft(Int)
    case request(UInt64)
    case registration(UInt64)
    case tickets
    case reservations
    case dependency
}

/// Timers in order of their instants; timers of one instant in the order in which they were set.
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
    private var counter: UInt64 = 0

    var nextDeadline: Instant? { heap.min?.due }
    var count: Int { heap.count }

    mutating func set(_ timer: NodeTimer, at due: Instant) {
        counter += 1
        heap.insert(Entry(due: due, counter: counter, timer: timer))
    }

    /// Takes the next timer that is due.
    mutating func takeDue(at now: Instant) -> NodeTimer? {
        guard let first = heap.min, first.due <= now else { return nil }
        return heap.removeMin().timer
    }
}
