import HeapModule
import Node

/// What is going to happen in a world: plain values. A `life` counts the starts of a server: an event of an earlier
/// life is void.
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
    /// What the heap moves about: 16 bytes. The event itself stays where it is.
    private struct Entry: Comparable {
        var time: UInt64
        var counter: UInt32
        var place: UInt32

        static func < (left: Entry, right: Entry) -> Bool {
            (left.time, left.counter) < (right.time, right.counter)
        }

        static func == (left: Entry, right: Entry) -> Bool { left.counter == right.counter }
    }

    private var heap = Heap<Entry>()
    private var events: [Event] = []
    private var freePlaces: [UInt32] = []
    /// Events planned so far; a run of 2^32 of them would take an hour of CPU, and stops there.
    private(set) var counter: UInt32 = 0

    var isEmpty: Bool { heap.isEmpty }

    /// Complexity: O(log *n*).
    mutating func plan(_ event: Event, at time: UInt64) {
        let place: UInt32
        if let free = freePlaces.popLast() {
            place = free
            events[Int(place)] = event
        } else {
            place = UInt32(events.count)
            events.append(event)
        }
        heap.insert(Entry(time: time, counter: counter, place: place))
        counter += 1
    }

    /// The next event, unless it lies after `limit`. Complexity: O(log *n*).
    mutating func next(upTo limit: UInt64) -> (time: UInt64, event: Event)? {
        guard let first = heap.min, first.time <= limit else { return nil }
        heap.removeMin()
        freePlaces.append(first.place)
        return (first.time, events[Int(first.place)])
    }
}
