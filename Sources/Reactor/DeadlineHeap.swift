/// Deadlines, one for each key at most, that can be moved and cancelled at any time. A heap that knows where each key
/// is: unlike one with lazy deletion it cannot fill up with what was cancelled.

/// A binary heap of deadlines, indexed by small keys.
struct DeadlineHeap {
    private struct Entry {
        let due: UInt64
        /// The order of setting decides among equals.
        let order: UInt64
        let key: UInt32

        func isBefore(_ other: Entry) -> Bool { (due, order) < (other.due, other.order) }
    }

    private var entries: [Entry] = []
    /// Where a key's entry is; -1 if it has none.
    private var positions: [Int32] = []
    private var order: UInt64 = 0

    /// - Parameter capacity: keys that need not let the table grow. Reserved memory that nobody has touched is none.
    init(capacity: Int = 0) { positions.reserveCapacity(capacity) }

    var count: Int { entries.count }

    /// The earliest deadline.
    var next: UInt64? { entries.first?.due }

    /// Sets or moves the deadline of a key. Complexity: O(log n).
    mutating func set(_ key: UInt32, due: UInt64) {
        order += 1
        let entry = Entry(due: due, order: order, key: key)
        while positions.count <= Int(key) { positions.append(-1) }
        let position = Int(positions[Int(key)])
        guard position >= 0 else {
            entries.append(entry)
            siftUp(entries.count - 1)
            return
        }
        entries[position] = entry
        restore(position)
    }

    /// The deadline of a key; nil if it has none.
    func due(of key: UInt32) -> UInt64? { contains(key) ? entries[Int(positions[Int(key)])].due : nil }

    func contains(_ key: UInt32) -> Bool { Int(key) < positions.count && positions[Int(key)] >= 0 }

    /// Forgets the deadline of a key, if it has one. Complexity: O(log n).
    mutating func cancel(_ key: UInt32) {
        guard Int(key) < positions.count, positions[Int(key)] >= 0 else { return }
        remove(at: Int(positions[Int(key)]))
    }

    /// Takes out the earliest deadline if it is due. Complexity: O(log n).
    mutating func popDue(at now: UInt64) -> UInt32? {
        guard let first = entries.first, first.due <= now else { return nil }
        remove(at: 0)
        return first.key
    }

    private mutating func remove(at position: Int) {
        positions[Int(entries[position].key)] = -1
        let last = entries.removeLast()
        guard position < entries.count else { return }
        entries[position] = last
        restore(position)
    }

    private mutating func restore(_ position: Int) {
        if position > 0, entries[position].isBefore(entries[(position - 1) / 2]) {
            siftUp(position)
        } else {
            siftDown(position)
        }
    }

    private mutating func siftUp(_ from: Int) {
        var position = from
        let entry = entries[position]
        while position > 0 {
            let parent = (position - 1) / 2
            guard entry.isBefore(entries[parent]) else { break }
            place(entries[parent], at: position)
            position = parent
        }
        place(entry, at: position)
    }

    private mutating func siftDown(_ from: Int) {
        var position = from
        let entry = entries[position]
        while true {
            var child = 2 * position + 1
            guard child < entries.count else { break }
            if child + 1 < entries.count, entries[child + 1].isBefore(entries[child]) { child += 1 }
            guard entries[child].isBefore(entry) else { break }
            place(entries[child], at: position)
            position = child
        }
        place(entry, at: position)
    }

    private mutating func place(_ entry: Entry, at position: Int) {
        entries[position] = entry
        positions[Int(entry.key)] = Int32(position)
    }
}

/// Timers of the user, named by tokens of its own choice. Gives each token a small key for the heap.
struct TimerTable {
    private var heap = DeadlineHeap()
    private var keys: [UInt64: UInt32] = [:]
    private var tokens: [UInt64] = []
    private var freeKeys: [UInt32] = []
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    var next: UInt64? { heap.next }
    var count: Int { heap.count }

    mutating func set(_ token: UInt64, due: UInt64) {
        heap.set(key(for: token), due: due)
    }

    mutating func cancel(_ token: UInt64) {
        guard let key = keys.removeValue(forKey: token) else { return }
        heap.cancel(key)
        freeKeys.append(key)
    }

    mutating func popDue(at now: UInt64) -> UInt64? {
        guard let key = heap.popDue(at: now) else { return nil }
        let token = tokens[Int(key)]
        keys[token] = nil
        freeKeys.append(key)
        return token
    }

    private mutating func key(for token: UInt64) -> UInt32 {
        if let known = keys[token] { return known }
        precondition(keys.count < limit, "too many timers")
        let key = freeKeys.popLast() ?? UInt32(tokens.count)
        if Int(key) == tokens.count { tokens.append(token) } else { tokens[Int(key)] = token }
        keys[token] = key
        return key
    }
}
