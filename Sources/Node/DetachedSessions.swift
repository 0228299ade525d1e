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

/// What a server has told that all its named sessions have been shown. When one begins at an older floor, that is less
/// than before; what had been told before stays true of the others.
struct Checkpoints: Sendable {
    private struct Checkpoint: Sendable {
        var seq: UInt64
        var floor: Floor
    }

    /// In the order of their seqs: those that no later one covers.
    private var told: [Checkpoint] = []

    /// Sessions that go back, one after the other and further each time, before the next checkpoint that is whole. (A
    /// guess.) What is forgotten comes twice at worst.
    private static let toldMax = 16

    /// The record that told the last one; 0 if there is none.
    var last: UInt64 { told.last?.seq ?? 0 }

    mutating func note(_ floor: Floor, seq: UInt64) {
        guard told.isEmpty || seq > last else { return }
        told.removeAll { floor.covers($0.floor) }
        told.append(Checkpoint(seq: seq, floor: floor))
        if told.count > Self.toldMax { told.removeFirst() }
    }

    /// What a session has been shown, each of which is true, if those count that were told by this record or later.
    func floors(since seq: UInt64) -> [Floor] { told.filter { $0.seq >= seq }.map(\.floor) }
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
        /// Checkpoints from this record of the server on are about it as well.
        var since: UInt64
        var isDetached = false
    }

    private struct Gone: Hashable, Sendable {
        var server: ServerID
        var number: UInt64
    }

    private struct Server: Sendable {
        var id: ServerID
        /// In order of their records. Looked up only.
        var sessions: [ClaimID: [Place]] = [:]
        var count = 0
    }

    /// In the order in which they were first heard of.
    private var servers: [Server] = []
    private(set) var count = 0
    /// The newest sessions that have gone on elsewhere: the record that tells it is of another stream than those of the
    /// old server, and may come first; long before them, if that one was cut off. Looked up only.
    private var gone: Set<Gone> = []
    /// The same, as a ring.
    private var goneInOrder: [Gone] = []
    private var nextGone = 0
    /// As many as may be detached at one server. Of one that is no longer among them a ticket is good again.
    static let goneMax = 4096
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    /// Complexity: linear in the number of servers that have sessions.
    func places(of claim: ClaimID) -> [Place] { servers.flatMap { $0.sessions[claim] ?? [] } }

    /// Returns false at the limit.
    mutating func open(_ place: Place, of claim: ClaimID) -> Bool {
        guard !gone.contains(Gone(server: place.server, number: place.number)) else { return true }
        remove(place.number, at: place.server, of: claim)
        guard count < limit else { return false }
        let index = servers.firstIndex { $0.id == place.server } ?? servers.count
        if index == servers.count { servers.append(Server(id: place.server)) }
        servers[index].sessions[claim, default: []].append(place)
        servers[index].count += 1
        count += 1
        return true
    }

    func knows(_ place: Place, of claim: ClaimID) -> Bool {
        servers.first { $0.id == place.server }?.sessions[claim]?.contains { $0.number == place.number } ?? false
    }

    mutating func remove(_ number: UInt64, at server: ServerID, of claim: ClaimID) {
        guard let index = servers.firstIndex(where: { $0.id == server }),
            var list = servers[index].sessions[claim]
        else { return }
        let before = list.count
        list.removeAll { $0.number == number }
        servers[index].sessions[claim] = list.isEmpty ? nil : list
        servers[index].count -= before - list.count
        count -= before - list.count
    }

    func isGone(_ number: UInt64, from server: ServerID) -> Bool {
        gone.contains(Gone(server: server, number: number))
    }

    /// The session has gone on elsewhere: whatever else comes of it is older.
    mutating func noteGone(_ number: UInt64, from server: ServerID, of claim: ClaimID) {
        remove(number, at: server, of: claim)
        let session = Gone(server: server, number: number)
        guard gone.insert(session).inserted else { return }
        guard goneInOrder.count == Self.goneMax else { return goneInOrder.append(session) }
        gone.remove(goneInOrder[nextGone])
        goneInOrder[nextGone] = session
        nextGone = (nextGone + 1) % Self.goneMax
    }

    /// Nothing is known of the server any more.
    mutating func remove(server: ServerID) {
        guard let index = servers.firstIndex(where: { $0.id == server }) else { return }
        count -= servers.remove(at: index).count
    }
}
