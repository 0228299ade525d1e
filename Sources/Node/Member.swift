import Codecs

/// What is known of one server of the network.
struct Member: Sendable {
    enum Status: Sendable {
        /// Only its stream is known: no announcement or introduction of it has come.
        case unheard
        case reachable
        /// Not heard of for three intervals: no arbiter and no target of load, but still owed its records.
        case unreachable
        /// A successor at its address, an orderly leave, or silence for the departure time.
        case departed
        /// No server has this index now.
        case vacant
    }

    var id: ServerID
    /// Orders the incarnations at one address (`Announcement.rank`).
    var rank: UInt64 = 0
    /// Meaningless while it is unheard of.
    var address: PeerAddress {
        get { seat.address }
        set { if newValue != seat.address { seat = Overlay.Seat(newValue) } }
    }
    private(set) var seat = unknownSeat
    private static let unknownSeat = Overlay.Seat(PeerAddress(host: "?", port: 0))
    var status = Status.unheard
    var heard: Instant
    /// The last sign of life at first hand: an introduction, or an announcement down its tree.
    var lastSign = Instant(nanoseconds: 0)
    /// The newest announcement; nil until one came.
    var announcement: Announcement?
    /// The link over which what is new of this server comes first: the next hop towards it.
    var parent: LinkID?
    /// What a digest told of and is waited for: a graft timer runs.
    var awaited: Awaited?
    /// When what is known of it changed last.
    var arrivals = Arrivals()
    /// A link that has proved to be a faster way than the parent.
    var fasterWay: LinkID?
    /// A link that was grafted because of that, and the parent pruned. Until something comes over it the parent remains
    /// the parent, but brings nothing more.
    var chosen: LinkID?

    /// Some neighbour has given up what comes next of its stream, and others are asked: since when nothing of it has
    /// come. Which neighbours, and how much, is told by their edges.
    var gapSince: Instant?

    /// There is or was a link to it: its store-and-forward queue is worth telling.
    var wasNeighbour = false

    /// Its named sessions after this number are still to be asked for; nil when they have been.
    var sessionsToList: UInt64? = 0
    var isListingSessions = false
    /// What all its named sessions have been shown, as it told.
    var reached = Checkpoints()

    /// The newest load that it told, with its clock.
    var load: UInt32 = 0
    var loadClock: UInt64 = 0
    /// Tickets asked of it and not answered: they count as clients of it.
    var ticketsAsked: UInt32 = 0
    /// Until when it is not asked to take sessions, since it would not: until it tells of a change.
    var refusedUntil: Instant?

    /// What this server has last told to hold of its stream, and which telling of its vector did so first.
    var heldTold: UInt64 = .max
    var heldToldIn: UInt64 = 0
    /// Others have forgotten its stream at a higher seq than was held here.
    var ended: Ended?
    /// Its tombstone may have been evicted: what is told of its stream is stepped over, until it has proved that it
    /// lives.
    var doubt: Doubt?
    /// Its last announcement before it was forgotten: an older one is no news.
    var numberForgotten: UInt64 = 0
    /// A registry unlike ours was announced with a vector like ours: both digests, and when.
    var unequalRegistry: UnequalRegistry?

    struct Ended: Sendable {
        /// The highest end of all that were told.
        var end: UInt64
        /// When it was told first.
        var since: Instant
    }

    struct Doubt: Sendable {
        var since: Instant
        /// The first announcement that came since; nil before it.
        var number: UInt64?
    }

    struct UnequalRegistry: Sendable {
        var ours: RegistryDigest
        var theirs: RegistryDigest
        var since: Instant
    }

    init(id: ServerID, heard: Instant) {
        self.id = id
        self.heard = heard
        rank = id.startStamp
    }

    /// Its records are kept until it has acknowledged them.
    var isOwed: Bool { status == .reachable || status == .unreachable }

    var announcementNumber: UInt64 { announcement?.number ?? numberForgotten }

    mutating func noteLoad(_ load: UInt32, clock: UInt64) {
        guard clock > loadClock else { return }
        (self.load, self.loadClock) = (load, clock)
    }
}
