import HeapModule
import Node

/// What is going to happen in a world: plain values, since the heap moves them about. A `life` counts the starts of a
/// server: an event of an earlier life is void.
enum Event {
    /// The next delivery of a connection's pipe reaches the end on this side.
    case arrival(connection: Int, side: Side)
    /// The first packet of an attempt to connect reaches its target.
    case dialReaches(dial: Int)
    /// The dialler hears what became of its attempt.
    case dialResolves(dial: Int)
    /// A server takes its turn.
    case turn(server: Int, life: Int)
    /// A server's deadline is due.
    case deadline(server: Int, life: Int)
    case hashed(server: Int, life: Int, HashID)
    /// A finished client has had its time to close.
    case lingerEnds(server: Int, life: Int, slot: Int, generation: UInt32)
    /// A client goes on with its script.
    case clientContinues(client: Int, step: Int)
    /// The next activity of the traffic.
    case traffic
    /// Something that a test or a scenario planned.
    case script(Int)
}

/// The world's future: events by time, and those of one instant in the order in which they were planned. That order is
/// total, so nothing depends on how the heap settles ties.
struct EventQueue {
    private struct Entry: Comparable {
        var time: UInt64
        var counter: UInt64
        var event: Event

        static func < (left: Entry, right: Entry) -> Bool {
            (left.time, left.counter) < (right.time, right.counter)
        }

        static func == (left: Entry, right: Entry) -> Bool { left.counter == right.counter }
    }

    private var heap = Heap<Entry>()
    /// Events planned so far.
    private(set) var counter: UInt64 = 0

    var isEmpty: Bool { heap.isEmpty }

    /// Complexity: O(log *n*).
    mutating func plan(_ event: Event, at time: UInt64) {
        heap.insert(Entry(time: time, counter: counter, event: event))
        counter += 1
    }

    /// The next event, unless it lies after `limit`. Complexity: O(log *n*).
    mutating func next(upTo limit: UInt64) -> (time: UInt64, event: Event)? {
        guard let first = heap.min, first.time <= limit else { return nil }
        heap.removeMin()
        return (first.time, first.event)
    }
}
