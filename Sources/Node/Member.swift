import Codecs

/// What is known of one server of the network.
struct Member: Sendable {
    enum Status: Sendable {
        /// Only its stream is known: no announcement or introduction of it has come.
        case unheard
        case reachable
        /// Not heard of for three intervals: no arbiter and no target of load, but still owed its records.
        case unreachable
        /// A successor at its address, or an orderly leave.
        case departed
    }

    var id: ServerID
    /// Meaningless while it is unheard of.
    var address = PeerAddress(host: "?", port: 0)
    var status = Status.unheard
    var heard: Instant
    /// The newest announcement; nil until one came.
    var announcement: Announcement?
    /// The link over which what is new of this server comes first: the next hop towards it.
    var parent: LinkID?
    /// What a digest told of and is waited for: a graft timer runs.
    var awaited: Awaited?

    /// There is or was a link to it: its store-and-forward queue is worth telling.
    var wasNeighbour = false

    /// The newest load that it told, with its clock.
    var load: UInt32 = 0
    var loadClock: UInt64 = 0
    /// Tickets asked of it and not answered: they count as clients of it.
    var ticketsAsked: UInt32 = 0

    init(id: ServerID, heard: Instant) {
        self.id = id
        self.heard = heard
    }

    /// Its records are kept until it has acknowledged them.
    var isOwed: Bool { status == .reachable || status == .unreachable }

    var announcementNumber: UInt64 { announcement?.number ?? 0 }

    mutating func noteLoad(_ load: UInt32, clock: UInt64) {
        guard clock > loadClock else { return }
        (self.load, self.loadClock) = (load, clock)
    }
}
