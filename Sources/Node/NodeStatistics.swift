public import Codecs

/// Counters since the start and gauges of the present, for operators, tests and the simulator.
public struct NodeStatistics: Hashable, Sendable {
    // Gauges.
    /// Reachable members, this server included.
    public var members = 0
    /// Links past their introductions and levelled.
    public var links = 0
    /// Logged-in clients.
    public var sessions = 0
    public var claims = 0
    public var registryDigest = RegistryDigest()
    public var storeRecords: UInt64 = 0
    public var storeBytes = 0
    public var isServing = false

    // Records.
    /// Records that arose here.
    public var recordsOriginated: UInt64 = 0
    /// Records that came over links, each copy counted.
    public var recordsReceived: UInt64 = 0
    public var recordsDuplicate: UInt64 = 0
    /// Records pushed over links.
    public var recordsSent: UInt64 = 0
    /// Records that came with a gap before them; the link is asked to push again.
    public var recordsOutOfOrder: UInt64 = 0
    public var activitiesDelivered: UInt64 = 0
    /// Records delivered although what their sender sent before, elsewhere, had not come in ten seconds.
    public var dependenciesExpired: UInt64 = 0
    /// Records given up at the store's bound, and records stepped over because a peer had given them up.
    public var recordsGivenUp: UInt64 = 0
    public var recordsSkipped: UInt64 = 0

    // Tree.
    public var prunesSent: UInt64 = 0
    public var graftsSent: UInt64 = 0
    /// Grafts that came from the parent itself: the way to the origin was lost there, and so here.
    public var graftsByParent: UInt64 = 0
    /// Copies that did not prune their link because they were under way when it was grafted.
    public var prunesWithheld: UInt64 = 0
    /// Grafts because a digest told of something missing (not because a parent was lost).
    public var repairs: UInt64 = 0
    public var digestsSent: UInt64 = 0
    public var announcementsSent: UInt64 = 0
    public var announcementsReceived: UInt64 = 0

    // Links.
    /// Times that a link's credit was used up: what is new waits in the queue until the neighbour has read.
    public var creditExhausted: UInt64 = 0
    public var framesReceived: UInt64 = 0
    public var framesUnknown: UInt64 = 0
    public var unicastsForwarded: UInt64 = 0
    /// Unicasts without a next hop or with their hop limit used up.
    public var unicastsDropped: UInt64 = 0

    // Sessions.
    public var logins: UInt64 = 0
    public var loginsFailed: UInt64 = 0
    public var registrations: UInt64 = 0
    public var registrationsFailed: UInt64 = 0
    public var redirects: UInt64 = 0
    public var ticketsGranted: UInt64 = 0
    public var ticketsRefused: UInt64 = 0
    public var ticketsUsed: UInt64 = 0
    /// Registrations answered before a second server was known to hold the claim.
    public var claimsUnconfirmed: UInt64 = 0
    /// Requests to other servers that nobody answered in time.
    public var requestsTimedOut: UInt64 = 0
    public var invalidMessages: UInt64 = 0
    /// Claims that lost against an older one.
    public var claimConflicts: UInt64 = 0

    public var queues: [Queue] = []

    /// One neighbour's store-and-forward queue.
    public struct Queue: Hashable, Sendable {
        public var neighbour: ServerID
        public var address: PeerAddress
        public var isLinked: Bool
        /// Records held here that the neighbour has not acknowledged.
        public var records: UInt64
        public var bytes: Int
        /// When the oldest of them came; nil if there is none.
        public var oldest: Instant?
    }

    public init() {}
}
