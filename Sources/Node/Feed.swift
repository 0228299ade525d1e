import Codecs

/// A session that is catching up: it is fed record by record from the store until it has been shown what this server
/// has delivered, and this server has delivered what the session was shown elsewhere.
struct Feed: Sendable {
    var session: SessionID
    /// By stream index: up to where the session was shown the records, or need not be.
    var shown: [UInt64]
    /// By stream index: what it was owed and was no longer held, so that it was left out.
    var missed: [Missed]
    /// The same of streams that are forgotten here, by their origins. Looked up only.
    var missedOfForgotten: [ServerID: Missed] = [:]
    /// What its floor says of streams that are unknown here.
    var unknown: [StreamPosition]
    /// The driver has lines of it that are not sent yet: nothing more is given to it before they are.
    var isFull = false
    /// The store's revision up to which there was nothing to do; nil if that is not known.
    var settledAt: UInt64?
    var since: Instant
    /// The client has asked to be told where it is: it is fed for as long as it is here. What it was told last.
    var told: [UInt64]?

    /// Records from one after `after` up to `through`; or some of them, if there were several such gaps.
    struct Missed: Sendable {
        var after: UInt64 = 0
        var through: UInt64 = 0

        func contains(_ seq: UInt64) -> Bool { after < seq && seq <= through }

        mutating func add(after: UInt64, through: UInt64) {
            if self.through == 0 { self.after = after }
            self.through = through
        }
    }
}

/// The sessions that are catching up, the one that began first in front.
struct FeedTable: Sendable {
    var feeds: [Feed] = []

    var count: Int { feeds.count }
    var isEmpty: Bool { feeds.isEmpty }
    /// Those that are fed until they can follow. Complexity: linear in the number of sessions that are fed.
    var catchingUpCount: Int { feeds.count { $0.told == nil } }

    /// Complexity: linear in the number of sessions that are catching up.
    func index(of session: SessionID) -> Int? { feeds.firstIndex { $0.session == session } }

    mutating func remove(_ session: SessionID) -> Feed? { index(of: session).map { feeds.remove(at: $0) } }

    /// A stream has got this index, and is delivered up to `seq` for reasons that concern no session.
    mutating func begin(_ index: Int, of origin: ServerID, at seq: UInt64) {
        for place in feeds.indices {
            while feeds[place].shown.count <= index {
                feeds[place].shown.append(0)
                feeds[place].missed.append(Feed.Missed())
                feeds[place].told?.append(0)
            }
            feeds[place].shown[index] = seq
            guard let known = feeds[place].unknown.firstIndex(where: { $0.origin == origin }) else { continue }
            feeds[place].shown[index] = feeds[place].unknown.remove(at: known).seq
            feeds[place].settledAt = nil
        }
    }

    /// The stream of this index is forgotten.
    mutating func end(_ index: Int) {
        for place in feeds.indices {
            feeds[place].shown[index] = 0
            feeds[place].missed[index] = Feed.Missed()
            feeds[place].told?[index] = 0
        }
    }

    /// Of a stream, the seq up to which every session was shown it; nil if none is catching up.
    func least(of index: Int) -> UInt64? { feeds.map { $0.shown[index] }.min() }
}
