import Codecs

/// Sessions of this server whose connection broke: for the resume window their floor is kept, and used once.
struct DetachedSessions: Sendable {
    struct Entry: Sendable {
        var claim: ClaimID
        /// This server's number of the session.
        var number: UInt64
        var floor: Floor
        var since: Instant
        /// The server that was given the floor, by which request: it may ask again.
        var taker: Taker?
    }

    struct Taker: Hashable, Sendable {
        var server: ServerID
        var request: UInt64
    }

    /// In order of their detaching.
    private(set) var entries: [Entry] = []
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    var count: Int { entries.count }

    /// Returns the session that has to go for it at the limit: the oldest.
    mutating func insert(_ entry: Entry) -> Entry? {
        entries.append(entry)
        return entries.count > limit ? entries.removeFirst() : nil
    }

    /// Takes the oldest floor of the claim that nobody has taken.
    mutating func take(_ claim: ClaimID) -> Entry? {
        guard let index = entries.firstIndex(where: { $0.claim == claim && $0.taker == nil }) else { return nil }
        return entries.remove(at: index)
    }

    /// Takes the floor of a session for another server. Returns whether nobody had taken it before, and the floor; nil
    /// if it is gone.
    mutating func take(_ number: UInt64, by taker: Taker) -> (isFirst: Bool, floor: Floor)? {
        guard let index = entries.firstIndex(where: { $0.number == number }) else { return nil }
        if let present = entries[index].taker, present != taker { return nil }
        let isFirst = entries[index].taker == nil
        entries[index].taker = taker
        return (isFirst, entries[index].floor)
    }

    /// The session has gone on elsewhere.
    mutating func remove(_ number: UInt64) { entries.removeAll { $0.number == number } }

    /// Takes out what is older than the window.
    mutating func expire(before instant: Instant) -> [Entry] {
        let expired = entries.prefix { $0.since <= instant }
        entries.removeFirst(expired.count)
        return Array(expired)
    }
}

/// What is known of named sessions at other servers: who is connected where, and from where on each is owed records if
/// its server dies. Hints: the server itself is asked, as long as it can be.
struct Whereabouts: Sendable {
    struct Place: Sendable {
        var server: ServerID
        var number: UInt64
        /// What the session had been shown when it began, beyond the server's last checkpoint; when it was detached:
        /// all of it.
        var floor: Floor
        var isDetached = false
    }

    /// In order of their records. Looked up, never iterated for an output.
    private var places: [ClaimID: [Place]] = [:]
    private(set) var count = 0
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    func places(of claim: ClaimID) -> [Place] { places[claim] ?? [] }

    /// Returns false at the limit.
    mutating func open(_ place: Place, of claim: ClaimID) -> Bool {
        guard count < limit else { return false }
        remove(place.number, at: place.server, of: claim)
        places[claim, default: []].append(place)
        count += 1
        return true
    }

    mutating func detach(_ place: Place, of claim: ClaimID) -> Bool {
        if let index = places[claim]?.firstIndex(where: { $0.number == place.number && $0.server == place.server }) {
            places[claim]?[index] = place
            return true
        }
        return open(place, of: claim)
    }

    mutating func remove(_ number: UInt64, at server: ServerID, of claim: ClaimID) {
        guard var list = places[claim] else { return }
        list.removeAll { $0.number == number && $0.server == server }
        count -= (places[claim]?.count ?? 0) - list.count
        places[claim] = list.isEmpty ? nil : list
    }

    /// Nothing is known of the server any more. Complexity: linear in all places.
    mutating func remove(server: ServerID) {
        for claim in places.keys {
            for place in places(of: claim) where place.server == server {
                remove(place.number, at: server, of: claim)
            }
        }
    }
}
