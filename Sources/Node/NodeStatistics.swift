public import Codecs

/// Counters since the start and gauges of the present, for operators, tests and the simulator.
public struct NodeStatistics: Hashable, Sendable {
    // Gauges.
    /// Reachable members, this server included.
    public var members = 0
    /// Those of them that serve clients, as far as this server has heard: among them clients are spread.
    public var membersServing = 0
    /// Servers in the vectors, living and dead: this one, the members, and those of whom records are still owed.
    public var serversKnown = 0
    /// Servers that were forgotten, with the ends of their streams.
    public var tombstones = 0
    /// Links past their introductions and levelled.
    public var links = 0
    /// Of them, those that were proved by another secret than the one by which this server proves itself.
    public var linksByOtherSecret = 0
    /// Logged-in clients.
    public var sessions = 0
    /// Of them, those that are fed from a floor.
    public var sessionsCatchingUp = 0
    /// Named sessions whose connection broke, and whose floor is kept.
    public var sessionsHeld = 0
    /// Named sessions that are known of at other servers.
    public var sessionsElsewhere = 0
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
    /// Records of kinds that only newer servers know: kept and passed on.
    public var recordsUnknown: UInt64 = 0
    public var activitiesDelivered: UInt64 = 0
    /// Times that a stream stood still because of what its next record's sender had sent before, elsewhere.
    public var dependenciesAwaited: UInt64 = 0
    /// Times that a stream stood still because the readers were behind.
    public var deliveriesPostponed: UInt64 = 0
    /// Records delivered although what their sender sent before, elsewhere, had not come in ten seconds, or was not
    /// delivered in thirty.
    public var dependenciesExpired: UInt64 = 0
    /// Records given up at the store's bound, and records stepped over because a peer had given them up.
    public var recordsGivenUp: UInt64 = 0
    public var recordsSkipped: UInt64 = 0
    /// Gaps that were not stepped over at once, and those of them whose records came from another neighbour.
    public var gapsPutOff: UInt64 = 0
    public var gapsFilled: UInt64 = 0

    /// Streams sent again to a neighbour that had consumed them and does not hold them.
    public var resends: UInt64 = 0
    /// Gaps told with claims in them, which followed as state.
    public var gapsWithState: UInt64 = 0

    /// Users that operators have changed here.
    public var accountChanges: UInt64 = 0

    // What outlives the process.
    /// Batches of rows that were written, and that could not be.
    public var stateWrites: UInt64 = 0
    public var stateWritesFailed: UInt64 = 0
    /// Registrations answered although the disk had not got them.
    public var registrationsUnstored: UInt64 = 0
    /// Rows that are still to be written.
    public var stateRowsPending = 0
    /// The last attempt failed.
    public var isStateFailing = false

    // Members.
    /// Ended streams that moved into a tombstone; of them, given up because the table of servers was full.
    public var originsForgotten: UInt64 = 0
    public var originsForgottenEarly: UInt64 = 0
    /// Forgotten servers that were heard of again with something new.
    public var tombstonesRevived: UInt64 = 0
    /// Departed members that turned out to live.
    public var membersRevived: UInt64 = 0
    public var membersDeparted: UInt64 = 0
    /// Streams that were stepped over because their tombstone may have been evicted.
    public var forgottenHits: UInt64 = 0
    /// Times that this server raised its rank above another incarnation at its address.
    public var rankRaises: UInt64 = 0
    /// State transfers because a neighbour's registry differed at equal vectors: 0 in a sound network.
    public var registryRepairs: UInt64 = 0
    /// Claims and neighbours whose stamps were ahead of this server's network time by more than is followed.
    public var clockAhead: UInt64 = 0
    /// Times that the process stood still for longer than a heartbeat.
    public var pauses: UInt64 = 0

    // Tree.
    public var prunesSent: UInt64 = 0
    public var graftsSent: UInt64 = 0
    /// Grafts that came from the parent itself: the way to the origin was lost there, and so here.
    public var graftsByParent: UInt64 = 0
    /// Copies that did not prune their link because they were under way when it was grafted.
    public var prunesWithheld: UInt64 = 0
    /// Grafts because a digest told of something missing (not because a parent was lost).
    public var repairs: UInt64 = 0
    /// Grafts of links whose digests kept coming before the records over the parent.
    public var treeImprovements: UInt64 = 0
    public var digestsSent: UInt64 = 0
    public var announcementsSent: UInt64 = 0
    public var announcementsReceived: UInt64 = 0

    // Links.
    /// Times that a link's credit was used up: what is new waits in the queue until the neighbour has read.
    public var creditExhausted: UInt64 = 0
    /// Links that were proved by another secret than the first: the network's secret is being changed.
    public var proofsByOtherSecret: UInt64 = 0
    public var framesReceived: UInt64 = 0
    public var framesUnknown: UInt64 = 0
    public var unicastsForwarded: UInt64 = 0
    /// Unicasts without a next hop or with their hop limit used up.
    public var unicastsDropped: UInt64 = 0
    /// Unicasts to this server that it cannot read: of a newer server, or broken.
    public var unicastsUnknown: UInt64 = 0

    // Sessions.
    public var logins: UInt64 = 0
    public var loginsFailed: UInt64 = 0
    /// Of them, those that were not looked at, because too many from their address had failed.
    public var loginsBackedOff: UInt64 = 0
    /// Logins whose answer was put off, because their name was guessed at.
    public var loginsDelayed: UInt64 = 0
    /// Secrets that were not hashed, because too many waited for it.
    public var hashesRefused: UInt64 = 0
    public var registrations: UInt64 = 0
    public var registrationsFailed: UInt64 = 0
    public var redirects: UInt64 = 0
    public var ticketsGranted: UInt64 = 0
    public var ticketsRefused: UInt64 = 0
    public var ticketsUsed: UInt64 = 0
    /// Live sessions that were sent to another server; moves that came to nothing because the target was gone.
    public var sessionsMoved: UInt64 = 0
    public var movesFailed: UInt64 = 0
    /// Sessions that were not moved because their clients read too slowly to follow at once.
    public var movesPutOff: UInt64 = 0
    /// Clients with a place to begin that were expected here and did not come in time.
    public var movedNeverCame: UInt64 = 0
    /// Moved clients that spoke here before all that they had said at the other server was known.
    public var arrivalsExpired: UInt64 = 0
    /// Registrations answered before a second server was known to hold the claim.
    public var claimsUnconfirmed: UInt64 = 0
    /// Requests to other servers that nobody answered in time.
    public var requestsTimedOut: UInt64 = 0
    public var invalidMessages: UInt64 = 0
    /// Claims that lost against an older one, and sessions that were closed because theirs did.
    public var claimConflicts: UInt64 = 0
    public var claimLosersClosed: UInt64 = 0
    /// Reservations refused here, as an arbiter, because another claim had the name reserved.
    public var reservationsContested: UInt64 = 0
    /// Arbiters of registrations that did not answer in time.
    public var arbitersSilent: UInt64 = 0
    /// Logins by a claim that only an arbiter knew.
    public var claimsLookedUp: UInt64 = 0
    /// Logins by the secret of a claim that lost.
    public var loginsOfLosers: UInt64 = 0

    // Sessions that survive.
    /// Named sessions whose connection broke without LOGOUT; floors of such sessions with which a login here went on,
    /// of them those whose server could not be asked; and those that nobody came for.
    public var sessionsDetached: UInt64 = 0
    public var sessionsResumed: UInt64 = 0
    public var floorsGuessed: UInt64 = 0
    /// Floors of dead servers' sessions of which only a part had come: not used, and who comes begins at the present.
    public var floorsIncomplete: UInt64 = 0
    public var floorsExpired: UInt64 = 0
    /// Floors of sessions that had been broken, unnoticed, before a later session of their user began: not kept.
    public var floorsSuperseded: UInt64 = 0
    /// Detached sessions that were further behind than is known.
    public var floorsCut: UInt64 = 0
    /// Numbered activities that were sent again and were known: not shown again.
    public var activitiesRepeated: UInt64 = 0
    /// How often the other servers that should hold numbered activities were waited for in vain: shown without.
    public var holdersAwaitedInVain: UInt64 = 0
    /// Lines that do not fit into the clients' log: not shown to the clients here.
    public var linesTooLongForLog: UInt64 = 0
    /// Activities of other servers that are not one line: shown nowhere.
    public var linesMalformed: UInt64 = 0
    /// Sessions that began at a floor, and those of them that found too many others catching up.
    public var floorsUsed: UInt64 = 0
    public var floorsRefused: UInt64 = 0
    /// Positions left out of floors because there were too many of servers that are unknown here.
    public var positionsLeftOut: UInt64 = 0
    /// Sessions whose clients asked for positions and are told none, because too many others are.
    public var positionsRefused: UInt64 = 0
    /// Sessions that turned live after catching up.
    public var sessionsCaughtUp: UInt64 = 0
    /// Activities fed to sessions that were catching up.
    public var recordsFed: UInt64 = 0
    /// Records that a session was owed and that were not held any more.
    public var recordsMissed: UInt64 = 0
    /// Streams of which a session was shown more elsewhere than anybody who can be reached has.
    public var floorsEnded: UInt64 = 0

    public var queues: [Queue] = []
    /// Every server that can be reached, this one first.
    public var servers: [ServerLoad] = []

    /// Who is connected where.
    public struct ServerLoad: Hashable, Sendable {
        public var id: ServerID
        public var address: PeerAddress
        /// Logged-in clients, and those that were given leave to come.
        public var load: UInt32
        public var weight: UInt32
        public var isServing: Bool
        public var isDraining: Bool
    }

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
