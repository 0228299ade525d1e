import Codecs

/// Streams that ended and were forgotten: how far each had come, so that nothing of it is delivered again, and a part
/// of the network that still has it goes on from there.
///
/// The table is bounded. When it is full the oldest origin goes, and `forgottenBefore` rises to its start stamp: of an
/// unknown origin at or below it nobody can tell any more what was delivered, so what is told of it is stepped over.
struct Tombstones: Sendable {
    /// In order of origins, the earliest start first.
    private(set) var entries: [PeerFrame.Digest] = []
    /// Start stamp of the latest origin whose tombstone was evicted; 0 if none was.
    private(set) var forgottenBefore: UInt64 = 0
    private(set) var evictions: UInt64 = 0
    /// Origins whose tombstones have come, changed or gone since they were taken.
    private var changes: [ServerID] = []
    private let tracksChanges: Bool
    private let limit: Int

    /// - Parameter tracksChanges: somebody takes what changes.
    init(limit: Int, tracksChanges: Bool = false) {
        self.limit = limit
        self.tracksChanges = tracksChanges
    }

    mutating func takeChanges() -> [ServerID] {
        defer { changes = [] }
        return changes
    }

    private mutating func note(_ origin: ServerID) { if tracksChanges { changes.append(origin) } }

    var count: Int { entries.count }

    /// Complexity: logarithmic in the number of tombstones.
    subscript(origin: ServerID) -> PeerFrame.Digest? {
        let place = place(of: origin)
        return place < entries.count && entries[place].origin == origin ? entries[place] : nil
    }

    /// Whether the tombstone of this unknown origin may have been evicted.
    func mayHaveForgotten(_ origin: ServerID) -> Bool {
        evictions > 0 && origin.startStamp <= forgottenBefore && self[origin] == nil
    }

    /// Of two ends of one stream the later one counts. Complexity: linear in the number of tombstones.
    mutating func insert(_ ended: PeerFrame.Digest) {
        note(ended.origin)
        let place = place(of: ended.origin)
        if place < entries.count, entries[place].origin == ended.origin {
            entries[place].held = max(entries[place].held, ended.held)
            entries[place].announcement = max(entries[place].announcement, ended.announcement)
            return
        }
        guard !mayHaveForgotten(ended.origin) else { return }
        entries.insert(ended, at: place)
        guard entries.count > limit else { return }
        let evicted = entries.removeFirst().origin
        note(evicted)
        forgottenBefore = evicted.startStamp
        evictions += 1
    }

    mutating func remove(_ origin: ServerID) {
        note(origin)
        let place = place(of: origin)
        if place < entries.count, entries[place].origin == origin { entries.remove(at: place) }
    }

    private func place(of origin: ServerID) -> Int {
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].origin < origin { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
