public import Codecs
import DequeModule

/// One server of the network, as a pure state machine: inputs come with the instant at which they happened, outputs
/// are gathered in `outbox`. It reads no clock, opens no socket and draws no random number but from its own seeded
/// generator: the same inputs always give the same outputs.
///
/// The driver calls `start` first; then, for each thing that happens, the input of that name; after one or several
/// inputs `turnEnding`; then it carries out `outbox.outputs` in order and empties the outbox. Carrying out an output
/// never calls back: its result comes as a later input. `timeReached` is due at `nextDeadline`.
///
/// This file composes the parts; each concern has a file of its own, `Node+Concern.swift`.
public struct Node: Sendable {
    /// This incarnation.
    public let id: ServerID
    public var outbox = Outbox()

    /// The instant of the present input.
    var now: Instant

    /// Nothing of it changes but the secrets.
    var configuration: NodeConfiguration
    let cryptography: Cryptography
    var random: SplitMix64
    var timers = TimerQueue()
    var counters = NodeStatistics()

    /// Network time is `networkTimeBase` plus the time since `started`: the wall clock is looked at once.
    let started: Instant
    var networkTimeBase: UInt64

    var phase = Phase.joining
    /// Has had a client, or made a record: from then on it is owed what others send.
    var hasServed = false
    /// Clients that came before this server served.
    var heldSessions: [SessionID] = []

    var servers = ServerTable()
    /// Servers and streams that were known once.
    var tombstones: Tombstones
    /// Forgotten streams that others were heard to hold still: they are told the ends.
    var endedToTell: [StreamPosition] = []
    /// The highest rank of another incarnation at this server's address.
    var namesakeRank: UInt64 = 0
    /// By server index. This server has index 0.
    var members: [Member] = []
    /// By server index: what each server is known to hold, and was sent.
    var queues: [StoreAndForwardQueue] = []
    var store = StreamStore()
    var links: [Link] = []
    /// The one server that it was told of; nil if there is none, or it turned out to be this one.
    var bootstrap: PeerAddress?
    /// It has been part of this network: it need not be dialled beside other links.
    var bootstrapWasReached = false
    var overlay: Overlay
    var overlayIsDirty = true
    /// Streams with new records since the last push.
    var advanced: [Int] = []
    /// Streams whose next record waits for its dependency.
    var waiting: [Int] = []
    var treeLag = TreeLag()
    /// Streams whose next record waits for nothing but the driver's leave to publish more.
    var postponed: [Int] = []
    /// Bytes that may be published before the next turn ends.
    var deliveryLeft: Int
    /// When the last announcement was sent; nil before the first.
    var announced: Instant?
    var storeBytesAnnounced = 0
    /// What of the vector is to be told with the next announcement.
    var vector = VectorTelling()
    /// The store is searched for stable records when it is as large as this.
    var releaseAtBytes = Node.releaseStep

    var registry: Registry
    var storing: Storing
    /// What was kept of addresses, while it is read; then those that are dialled at once, and those tried in vain.
    var addressesStored: [(address: PeerAddress, heard: UInt64)] = []
    var candidates: [PeerAddress] = []
    /// Looked up, never iterated.
    var candidatesTried: Set<PeerAddress> = []
    var reservations: Reservations
    var sessions: SessionTable
    /// The sessions that are catching up.
    var feeding = FeedTable()
    /// Streams that were forgotten last, with their ends.
    var recentlyForgotten: Deque<(position: StreamPosition, since: Instant)> = []
    /// By slot, of sessions that were fed: what, until it has been acknowledged.
    var fedLines = SlotTable<FedLines>()
    var publications: PublicationLog
    /// Named sessions of this server whose connection broke.
    var detached: DetachedSessions
    /// The number of the last named session here.
    var nextSession: UInt64 = 0
    /// Named sessions of other servers.
    var whereabouts: Whereabouts
    /// What all named sessions here have been shown, as told last; and the position in the log for which that was.
    var reached: Floor?
    var measuredAt: UInt64 = 0
    /// By slot: what clients ask for beyond the protocol, and their numbered activities that are not safe yet.
    var asked: [Int: ClientExtensions] = [:]
    var unacknowledged = SlotTable<Unacknowledged>()
    /// Slots of the sessions that are told where they are, from their beginning to their end.
    var toldPositions: Set<Int> = []
    /// What clients have numbered.
    var sendings: SendingTable
    /// Activities that came twice, and are shown once.
    var repeated: [RepeatedActivity] = []
    /// Since when the next activity of this server's own stream waits to be held by enough servers.
    var unheldSince: Instant?
    /// They were waited for in vain: until they have caught up, activities are shown without.
    var showsUnheld = false
    /// Sessions at which the driver was asked to look.
    var examinations: [SessionID: [Examiner]] = [:]
    /// Sessions that looked alive when a later one of their claim began, and what their clients had acknowledged of
    /// the log then.
    var lookalikes: [SessionID: UInt64] = [:]
    var jobs: [UInt64: SessionJob] = [:]
    var nextJob: UInt64 = 0
    /// Registrations that wait for a second holder, in order of their record.
    var unheldClaims: [(seq: UInt64, job: UInt64)] = []
    var hashJobs: [HashID: UInt64] = [:]
    var nextHash: UInt64 = 0
    var guesses = Guesses()
    var claimCounter: UInt32 = 0
    /// The latest delivered activity of each claim from another server: the dependency of its next ones here.
    var lastActivity: [ClaimID: StreamPosition] = [:]
    /// Unknown origins of dependencies that were waited for in vain. Looked up, never iterated.
    var missedOrigins: Set<ServerID> = []
    /// Key of the digests of users' secrets: of this network alone.
    let verifierKey: [UInt8]

    /// Limits that are reached now, as reported.
    var limitsTold: [String] = []

    /// Claims by which users are logged in here and which this server has not got yet: they were looked up.
    var unrecordedLogins: [[UInt8]: Claim] = [:]
    var requests: [UInt64: Request] = [:]
    /// Logins whose older session is to be asked for when there is room for another request, the first in front.
    var waitingLogins: Deque<(job: UInt64, since: Instant)> = []
    var nextRequest: UInt64 = 0
    var tickets = Tickets()
    var loadClock: UInt64 = 0
    /// Sessions on their way elsewhere.
    var moves = MoveTable()
    /// Sessions that have come and may not speak yet, in the order of their deadlines.
    var newcomers: [Newcomer] = []
    /// Since when some server has had so much fewer clients that sessions are to be moved there; nil if none has.
    var unevenSince: Instant?
    var loadSum = LoadSum()
    /// What was told last of who has how many clients, and when.
    var loadsTold: (loads: [NodeStatistics.ServerLoad], at: Instant)?
    /// When a client was last sent elsewhere at its login, or leave was given to one to come here.
    var sentOn = Instant(nanoseconds: 0)
    /// No new clients are taken, and those that are here are moved.
    var isDraining = false
    /// It is done, or its time is up: the driver was told.
    var isDrainingOver = false

    enum Phase: Sendable {
        /// The state transfer is not in: clients wait.
        case joining
        case serving
        case leaving
    }

    static let ownIndex = 0
    static let releaseStep = 4 << 20

    /// - Parameters:
    ///   - seed: of the node's generator; drawn anew by the driver at each start.
    ///   - wallClock: milliseconds since 1970.
    public init(
        configuration: NodeConfiguration, cryptography: Cryptography, seed: UInt64, wallClock: UInt64, at now: Instant
    ) {
        self.now = now
        self.configuration = configuration
        deliveryLeft = configuration.limits.deliveryBytes
        self.cryptography = cryptography
        bootstrap = configuration.bootstrap
        sessions = SessionTable(expected: configuration.sessionsExpected)
        let timing = configuration.timing
        overlay = Overlay(
            waits: Overlay.Waits(
                min: timing.redialMin, max: timing.redialMax, remembered: timing.departedRedial))
        random = SplitMix64(seed: seed)
        id = ServerID(startStamp: wallClock, random: random.next())
        // The same at all servers: so a verifier can go with a session that moves. One from a server that has begun
        // with another secret than this one is not right here, and the user's secret is hashed.
        verifierKey = cryptography.hmac(configuration.secrets[0], Array("pando verifier".utf8))
        started = now
        networkTimeBase = wallClock
        storing = Storing(isOn: configuration.keepsState)
        tombstones = Tombstones(limit: configuration.limits.tombstones, tracksChanges: configuration.keepsState)
        registry = Registry(
            limit: configuration.limits.claims, losersLimit: configuration.limits.losingClaims,
            tracksLosers: configuration.keepsState)
        reservations = Reservations(limit: configuration.limits.reservations)
        let limits = configuration.limits
        publications = PublicationLog(limit: timing.resumeWindow > 0 ? limits.indexedBytes : 0)
        detached = DetachedSessions(limit: limits.detached)
        whereabouts = Whereabouts(limit: limits.whereabouts)
        sendings = SendingTable(limit: limits.runs)
        addOwnServer()
    }

    private mutating func addOwnServer() {
        let index = serverIndex(of: id)
        precondition(index == Self.ownIndex, "this server is the first that it knows")
        members[index].address = configuration.address
        members[index].status = .reachable
    }

    /// Milliseconds since 1970 as this network counts them. Later steps of the wall clock have no influence.
    func networkTime() -> UInt64 { networkTimeBase &+ now.milliseconds(since: started) }

    // MARK: Life

    public mutating func start(at now: Instant) {
        self.now = now
        timers.set(.announce, at: now.adding(milliseconds: configuration.timing.announceInterval))
        endRestoring()
        if configuration.bootstrap == nil, candidates.isEmpty {
            serve(alone: true)
        } else if !candidates.isEmpty {
            // Longer than a dial of one that is there, with its state.
            timers.set(.joinPatience, at: now.adding(milliseconds: 2 * configuration.timing.joinPatience))
        }
        updateOverlay()
    }

    /// Clients are served from now on.
    mutating func serve(alone: Bool) {
        guard phase == .joining else { return }
        phase = .serving
        outbox.report(.ready(alone: alone))
        for id in heldSessions {
            guard let slot = sessions.slot(of: id) else { continue }
            sessions.setHeld(false, of: slot)
            outbox.append(.resume(id))
        }
        heldSessions = []
        // At once: nobody sends a client here before it is known.
        announce()
    }

    /// Leaves in order: tells the others, closes clients and links. The driver flushes and ends.
    public mutating func shutdown(at now: Instant) {
        self.now = now
        guard phase != .leaving else { return }
        phase = .leaving
        tellLastPlaces()
        for slot in sessions.sessions.indices
        where sessions.sessions[slot].state != .free && sessions.sessions[slot].state != .closing {
            finish(slot, .shutdown, keepsReading: false)
        }
        announce()
        timers.set(.leave, at: now.adding(milliseconds: configuration.timing.linger))
        pushRecords()
        closeLevelLinks(besidesOwing: true)
    }

    /// A server that leaves closes each link when it has passed on what the neighbour lacks, or its time is up.
    private mutating func closeLevelLinks(besidesOwing: Bool) {
        for index in links.indices where links[index].phase != .closing {
            let owes = links[index].isOpen && (links[index].hasBacklog || links[index].nextClaim != nil)
            if owes && besidesOwing { continue }
            close(index, .shutdown, saying: .shutdown)
        }
    }

    public var nextDeadline: Instant? { timers.nextDeadline }

    /// Before the deadline it does nothing.
    public mutating func timeReached(at now: Instant) {
        guard let due = timers.nextDeadline, due <= now else { return }
        self.now = now
        noteLateness(now.milliseconds(since: due))
        while let timer = timers.takeDue(at: now) { fire(timer) }
    }

    /// The driver comes later than it was asked to: the process stood still, and what others have said meanwhile is
    /// still to be read. Nobody is taken for silent before it was.
    private mutating func noteLateness(_ milliseconds: UInt64) {
        guard milliseconds >= configuration.timing.heartbeat else { return }
        counters.pauses += 1
        for index in links.indices { links[index].lastHeard = now }
        for index in members.indices where members[index].status == .reachable { members[index].heard = now }
    }

    private mutating func fire(_ timer: NodeTimer) {
        switch timer {
        case .announce:
            timers.set(.announce, at: now.adding(milliseconds: configuration.timing.announceInterval))
            checkMembers()
            treeLag.beginPeriod()
            vector.isDue = true
            announce()
            tellLoads()
        case .announceSoon: announce()
        case .dial: overlayIsDirty = true
        case .joinPatience: serve(alone: false)
        case .digests: sendDigests()
        case .linkChecks: checkLinks()
        case .graft(let index): graftMissing(index)
        case .gap(let index): settleGap(in: index)
        case .request(let id): retryRequest(id)
        case .registration(let job): claimAcknowledgementExpired(job)
        case .login(let job): loginDelayExpired(job)
        case .tickets: expireTickets()
        case .newcomers: settleNewcomers()
        case .rebalance: rebalance()
        case .drain: drainFurther()
        case .drainEnds: endDraining()
        case .reservations: expireReservations()
        case .dependency: expireDependencies()
        case .holders: expireHolders()
        case .leave: closeLevelLinks(besidesOwing: false)
        case .detached: expireDetached()
        case .measure: measure()
        case .store: break
        }
    }

    /// Whether activities are held that only wait for leave to be published: `turnEnding` is to be called again, even
    /// if nothing happens. A driver that sets no `deliveryBytes` and always allows delivery never sees it.
    public var hasPostponedDeliveries: Bool { !postponed.isEmpty }

    /// What a driver asks after each turn. (It can ask the node as well; but reading a property of a value of this size
    /// may copy it first.)
    public struct TurnEnd: Sendable {
        public var nextDeadline: Instant?
        public var hasPostponedDeliveries: Bool
    }

    /// After the inputs of a turn: dials what is to be dialled and pushes what has come to the links.
    ///
    /// - Parameter mayDeliver: false while the driver's readers are behind. Activities are taken in and passed on to
    ///   other servers all the same, but published only after a turn that allows it.
    @discardableResult
    public mutating func turnEnding(at now: Instant, mayDeliver: Bool = true) -> TurnEnd {
        self.now = now
        deliverPostponed(bytes: mayDeliver ? configuration.limits.deliveryBytes : 0)
        deliverHeld()
        acknowledgeActivities()
        feedSessions()
        if overlayIsDirty { updateOverlay() }
        settleNewcomers()
        askForWaiting()
        pushRecords()
        if phase == .leaving { closeLevelLinks(besidesOwing: true) }
        advanced.removeAll(keepingCapacity: true)
        boundStore()
        storeChanges()
        return TurnEnd(nextDeadline: nextDeadline, hasPostponedDeliveries: hasPostponedDeliveries)
    }

    // MARK: Servers

    /// The index of a server, entered into every table when it is new.
    mutating func serverIndex(of id: ServerID) -> Int {
        if let index = servers.index(of: id) { return index }
        let index = servers.insert(id)
        if index == members.count {
            members.append(Member(id: id, heard: now))
            queues.append(StoreAndForwardQueue())
            store.ensure(streams: servers.capacity)
            for queue in queues.indices { queues[queue].ensure(streams: servers.capacity) }
            for link in links.indices { links[link].ensure(streams: servers.capacity) }
        } else {
            members[index] = Member(id: id, heard: now)
            store.noteBeginning()
        }
        let capacity = servers.capacity
        precondition(members.count == capacity && store.streams.count == capacity, "tables grow together")
        missedOrigins.remove(id)
        recall(index)
        feeding.begin(index, of: id, at: store.streams[index].delivered)
        return index
    }

    /// The table of servers is bounded: the dead make room, though somebody may still lack a record of theirs; what is
    /// told of servers beyond that is ignored.
    mutating func hasRoom(for id: ServerID) -> Bool {
        if servers.index(of: id) != nil { return true }
        let hasRoom = servers.count < configuration.limits.members || forgetOldest()
        noteLimit("members", isReached: !hasRoom)
        return hasRoom
    }

    /// Reports a limit when it is reached, and not again before it was left.
    mutating func noteLimit(_ name: String, isReached: Bool) {
        let isTold = limitsTold.contains(name)
        guard isReached != isTold else { return }
        if isReached {
            limitsTold.append(name)
            outbox.report(.limitReached(name))
        } else {
            limitsTold.removeAll { $0 == name }
        }
    }

    public var statistics: NodeStatistics {
        var statistics = counters
        statistics.members = members.count { $0.status == .reachable }
        statistics.membersServing = members.count {
            $0.status == .reachable && $0.announcement?.isServing ?? false
        }
        statistics.serversKnown = servers.count
        statistics.tombstones = tombstones.count
        statistics.links = links.count { $0.isOpen }
        statistics.linksByOtherSecret = links.count { $0.isOpen && $0.isByOtherSecret }
        statistics.sessions = sessions.presentCount
        statistics.sessionsCatchingUp = feeding.count
        statistics.sessionsHeld = detached.count
        statistics.sessionsElsewhere = whereabouts.count
        statistics.claims = registry.claims.count - registry.removedCount
        statistics.stateRowsPending = storing.pendingCount
        statistics.isStateFailing = storing.hasFailed
        statistics.registryDigest = registry.digest
        statistics.storeRecords = store.recordCount
        statistics.storeBytes = store.byteCount
        statistics.isServing = phase == .serving
        statistics.queues = queueStatistics
        statistics.servers = serverLoads
        return statistics
    }
}
