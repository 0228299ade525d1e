import Codecs

/// One connection to another server, from its first byte to its last.
struct Link: Sendable {
    enum Phase: Sendable {
        /// Until both ends have proved that they know the secret.
        case proving
        /// Until the other end has introduced itself.
        case introducing
        /// Until the other end's vector is here; nothing is pushed before.
        case levelling
        case open
        /// Closing: what still comes is ignored.
        case closing
    }

    /// What this link is to one stream.
    struct Edge: Sendable {
        /// Eager: we push the stream's records over this link. Else lazy: only digests.
        var pushes = true
        /// The other end was not pruned: it pushes to us.
        var receives = true
        /// The held seq or the announcement has changed since the last digest.
        var isDirty = false
        /// The highest seq of which the other end knows, by push or digest, that it is held here.
        var toldHeld: UInt64 = 0
        /// The highest announcement of the origin that the other end is known to have.
        var announcement: UInt64 = 0
        /// What the other end held at the last check, although it was sent more.
        var lackedSince: UInt64?
        /// The highest announcement that a digest told of.
        var toldAnnouncement: UInt64 = 0
        /// It was grafted, and no record after what was held then has come: the answer may be under way.
        var isAsked = false
        /// What was held when the edge was grafted last: what comes up to it was sent before.
        var askedHeld: UInt64 = 0
        var askedAnnouncement: UInt64 = 0
        /// How often the other end would have been the first to bring something new, less twice the times that it would
        /// not have been.
        var lead = 0
        /// How often it was grafted for that.
        var trials = 0
        /// The other end has told that it gave up what comes next here, up to this seq; 0 if it has not.
        var gap: UInt64 = 0
    }

    let id: LinkID
    /// Nil for an accepted connection.
    let dial: DialID?
    /// The address that was dialled.
    let dialled: PeerAddress?
    var phase = Phase.proving
    var handshake: Handshake
    var hasPreamble = false

    /// Index of the server at the other end; -1 before its introduction.
    var neighbour = -1
    var opened: Instant
    var lastHeard: Instant
    var lastSent: Instant
    /// The neighbour's network time less ours, in milliseconds, when it introduced itself; the way here is in it.
    var clockOffset: Int64 = 0

    /// By stream.
    var edges: [Edge] = []
    /// Streams with a dirty edge.
    var dirty: [Int] = []
    /// When they are told by digest; nil if nothing is due.
    var digestsDue: Instant?
    /// There may be records to push beyond those that arose or arrived in this turn.
    var hasBacklog = false

    /// Claims still to be sent, by their place in the registry; nil if no state is owed.
    var nextClaim: Int?
    /// Claims that changed after the transfer had passed them, by their place; sent as there is credit.
    var changedClaims: [Int] = []
    /// The last push was a chunk of state: records have their turn.
    var stateWasLast = false

    /// Bytes of records and state pushed, and consumed by the other end; their difference is on the way.
    var pushedBytes: UInt64 = 0
    var creditedBytes: UInt64 = 0
    /// Bytes consumed here, and the figure that the other end was last told.
    var consumedBytes: UInt64 = 0
    var toldBytes: UInt64 = 0

    var isWantedHere = true
    var isWantedThere = true
    /// Since when neither end wants it.
    var surplusSince: Instant?

    init(id: LinkID, dial: DialID?, dialled: PeerAddress?, handshake: Handshake, at now: Instant) {
        self.id = id
        self.dial = dial
        self.dialled = dialled
        self.handshake = handshake
        opened = now
        lastHeard = now
        lastSent = now
    }

    var isOpen: Bool { phase == .open }
    /// The version of the protocol that both ends speak.
    var version: UInt16 { handshake.version }
    /// It was proved by another secret than the one by which this server proves itself now.
    var isByOtherSecret: Bool { handshake.isProven && handshake.secret != 0 }
    /// To be replaced by a link that is proved by the present secret.
    var isOutdated: Bool { isByOtherSecret && isIntroduced && dial != nil }
    /// The other end understands digests that tell ages.
    var takesAges: Bool { version >= 2 }
    var owesState: Bool { nextClaim != nil || !changedClaims.isEmpty }
    /// Past the introduction: the neighbour is known.
    var isIntroduced: Bool { phase == .levelling || phase == .open }

    mutating func ensure(streams count: Int) {
        while edges.count < count { edges.append(Edge()) }
    }

    /// The stream is forgotten.
    mutating func clear(_ index: Int) {
        edges[index] = Edge()
        dirty.removeAll { $0 == index }
    }

    mutating func markDirty(_ index: Int) {
        guard !edges[index].isDirty else { return }
        edges[index].isDirty = true
        dirty.append(index)
    }
}
