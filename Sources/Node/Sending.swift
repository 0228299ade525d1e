import Codecs
import DequeModule

/// The numbered activities of clients that send acknowledged: what is known of each run, so that what is sent again
/// after a reconnect is not shown again.
struct SendingTable: Sendable {
    struct Key: Hashable, Sendable {
        var claim: ClaimID
        var run: UInt64
    }

    struct Run: Sendable {
        /// The highest number that is held, and where.
        var held: UInt64 = 0
        var position = StreamPosition(origin: ServerID(startStamp: 0, random: 0), seq: 0)
        /// The highest number that was shown.
        var shown: UInt64 = 0
    }

    private var runs: [Key: Run] = [:]
    /// In the order in which they were first heard of.
    private var order = Deque<Key>()
    private(set) var evictions: UInt64 = 0
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    var count: Int { runs.count }

    subscript(key: Key) -> Run? { runs[key] }

    mutating func noteHeld(_ number: UInt64, of key: Key, at position: StreamPosition) {
        var run = runs[key] ?? begin(key)
        guard number > run.held else { return }
        (run.held, run.position) = (number, position)
        runs[key] = run
    }

    /// Returns whether the activity with this number is the first that is shown.
    mutating func noteShown(_ number: UInt64, of key: Key) -> Bool {
        var run = runs[key] ?? begin(key)
        guard number > run.shown else { return false }
        run.shown = number
        runs[key] = run
        return true
    }

    private mutating func begin(_ key: Key) -> Run {
        order.append(key)
        if order.count > limit {
            runs[order.removeFirst()] = nil
            evictions += 1
        }
        let run = Run()
        runs[key] = run
        return run
    }
}

/// An activity that came twice as a record, and was not shown the second time.
struct RepeatedActivity: Sendable {
    var position: StreamPosition
    var key: SendingTable.Key
    var number: UInt64
}

/// Numbered activities of one session that are not acknowledged yet, the first one first.
struct Unacknowledged: Sendable {
    private var waiting = Deque<(number: UInt64, position: StreamPosition)>()

    var isEmpty: Bool { waiting.isEmpty }

    /// An acknowledgement is of a number and of all before it, so that at the limit two become one: the later.
    mutating func append(_ number: UInt64, at position: StreamPosition, limit: Int) {
        if waiting.count >= limit { waiting.removeLast() }
        waiting.append((number, position))
    }

    /// Takes what is safe; returns the highest number of it.
    mutating func take(while isSafe: (StreamPosition) -> Bool) -> UInt64? {
        var highest: UInt64?
        while let first = waiting.first, isSafe(first.position) {
            highest = max(highest ?? 0, first.number)
            waiting.removeFirst()
        }
        return highest
    }
}
