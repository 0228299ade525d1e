/// Connections that have not proved to be worth their place. Beyond a number of them the oldest gives way: a crowd that
/// does nothing keeps out nobody who does something, unless more than that number come within the time that it takes.
internal import Reactor

/// A bounded crowd, in the order of arrival: the unproven ones of a table that do not wait for this server. Leaving
/// costs nothing but a number here.
struct Crowd {
    private struct Entry {
        let id: ConnectionID
        /// The turn in which it came.
        let turn: UInt64
    }

    let limit: Int
    private(set) var count = 0
    /// Those who are in it, and some who are no more. One that left and came back may stand here twice; then the first
    /// entry counts.
    private var entries: [Entry] = []
    /// The entries before this one have been taken out.
    private var first = 0
    private var tidyAt = Crowd.tidyMin
    private static let tidyMin = 64

    init(limit: Int) { self.limit = limit }

    /// Places in the list, of those who have left as well.
    var remembered: Int { entries.count }

    mutating func enter(_ id: ConnectionID, turn: UInt64) {
        entries.append(Entry(id: id, turn: turn))
        count += 1
    }

    /// One that was in it is no more.
    mutating func leave() { count -= 1 }

    /// At the end of a turn: the next one that has to give way to newer ones, and has to leave with that; nil if there
    /// are no more than may be. Each has had a turn in which its first bytes could be read.
    mutating func nextSurplus(turn: UInt64, of table: ConnectionTable) -> ConnectionID? {
        while count > limit, first < entries.count, entries[first].turn < turn {
            let id = entries[first].id
            first += 1
            if Self.isIn(id, table) { return id }
        }
        tidy(table)
        return nil
    }

    /// Who waits for this server is spared.
    private static func isIn(_ id: ConnectionID, _ table: ConnectionTable) -> Bool {
        table.flags(of: id).intersection([.unproven, .paused]) == .unproven
    }

    /// Forgets what has been taken out, and who has left, whenever the list has doubled.
    private mutating func tidy(_ table: ConnectionTable) {
        guard entries.count >= tidyAt else { return }
        entries = entries[first...].filter { Self.isIn($0.id, table) }
        first = 0
        tidyAt = max(Self.tidyMin, 2 * entries.count)
    }
}
