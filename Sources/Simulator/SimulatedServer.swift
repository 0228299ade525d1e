public import Codecs
public import Node

/// The shell of one simulated server: it stands where the reactor stands in a real one. It gathers what arrives, lets
/// its node take a turn over it, and carries out what the node asks for, with the semantics of `Node`'s documentation.
/// This file has the turn; `SimulatedServer+Inputs` and `SimulatedServer+Outputs` have what their names say.
public final class SimulatedServer {
    public let index: Int
    public let address: PeerAddress
    /// The server that it is told of when it starts.
    var bootstrap: Int?
    /// Its share of the clients, relative to other servers.
    var weight: UInt32 = 100
    /// Counts the starts.
    var life = 0
    var isUp = false
    var startTime: UInt64 = 0
    /// Its process stands still.
    var isPaused = false
    /// Its readers are behind: the node may not publish.
    var isBehind = false
    /// When each of its lives began.
    public internal(set) var starts: [UInt64] = []
    public internal(set) var reports: [TimedReport] = []

    /// What the node said of itself, and when.
    public struct TimedReport: Sendable {
        public var time: UInt64
        public var report: Report
    }

    /// It is to empty itself within so many milliseconds, and then to leave: its node has yet to be told.
    var drainWithin: UInt64?
    /// When that time is over.
    var drainEnds: UInt64 = 0
    var isToLeave = false
    /// It was told to empty itself.
    var isDraining = false

    /// Nil while it is down.
    var core: Core?

    /// Its node, by reference: to look at a part of an optional value is to copy all of it first.
    final class Core {
        var node: Node

        init(_ node: consuming Node) { self.node = node }
    }

    /// Its monotonic clock began at an instant of its own: instants of two servers have nothing in common.
    var clockOffset: UInt64 = 0
    /// Nanoseconds of its monotonic clock in a million true ones.
    var clockRate: UInt64 = 1_000_000
    /// How far its wall clock is ahead of true time, in milliseconds.
    var wallClockOffset: Int64 = 0
    /// Its wall clock when it started last, in milliseconds since 1970.
    var lastWallClock: UInt64 = 0
    var random: SplitMix64
    var isTurnPlanned = false
    /// What the node asked for at the end of its last turn.
    var nextDeadline: Instant?
    /// Earliest deadline for which an event is planned.
    var plannedDeadline: UInt64?
    /// Turns in a row in which the deadline stayed due.
    var dueAgain = 0

    // Inputs that wait for the turn.
    var dialResults: [(dial: DialID, result: DialResult)] = []
    var hashResults: [(id: HashID, digest: [UInt8])] = []
    /// Clients that were fed.
    var fedSessions: [SessionID] = []
    /// Clients that are to be looked at, and whether all are.
    var examined: [SessionID] = []
    var isMeasuring = false
    var readySlots: [Int] = []
    /// Those of the present turn.
    private var shownSlots: [Int] = []
    /// What hashes under way will give. Looked up, never iterated.
    var digests: [HashID: [UInt8]] = [:]

    // Connections.
    var sockets: [ServerSocket?] = []
    var generations: [UInt32] = []
    var freeSlots: [Int] = []
    var slotOfConnection: [Int: Int] = [:]

    /// What was published in this turn, for those who read bytes.
    var log: [UInt8] = []
    /// Slots of the clients that follow the log and read bytes; some of them may have stopped.
    var readers: [Int] = []
    /// Slots with output to be flushed.
    var written: [Int] = []
    var witness = Witness()
    /// What was published in this life: where each line ends, and when it was sent.
    var publications: [(time: UInt64, end: UInt64)] = []
    var publishedLines = 0
    /// The node had no leave to publish since the turn before this one.
    var hadNoLeave = false
    var heldLine: [UInt8]?

    enum DialResult {
        case connected(slot: Int)
        case failed(String)
    }

    init(index: Int, options: WorldOptions) {
        self.index = index
        address = PeerAddress(host: "10.0.\(index / 250).\(index % 250 + 1)", port: 3780)
        random = SplitMix64(seed: options.seed, purpose: 1000 + UInt64(index))
        wallClockOffset = Int64(random.below(options.clockSkewMilliseconds + 1))
        clockRate += random.below(2 * options.clockDriftMillionths + 1)
        clockRate -= options.clockDriftMillionths
    }

    public var statistics: NodeStatistics? { core?.node.statistics }
    public var nodeID: ServerID? { core?.node.id }

    func instant(_ now: UInt64) -> Instant { Instant(nanoseconds: ownTime(now) + clockOffset) }

    /// True time as this server's monotonic clock counts it.
    private func ownTime(_ now: UInt64) -> UInt64 {
        now / 1_000_000 * clockRate + now % 1_000_000 * clockRate / 1_000_000
    }

    /// The first true time at which the server's clock shows the instant.
    func time(of instant: Instant) -> UInt64 {
        guard instant.nanoseconds > clockOffset else { return 0 }
        let target = instant.nanoseconds - clockOffset
        // Never late: rounding only ever makes a clock show less.
        var time = target / clockRate * 1_000_000 + target % clockRate * 1_000_000 / clockRate
        while ownTime(time) < target { time += 1 }
        return time
    }
}

/// One end of a connection at a server. A class, so that looking at it in the table copies no buffer.
final class ServerSocket {
    enum Role: Equatable {
        /// No byte has told yet.
        case undecided
        case client
        case link
    }

    /// How far a client's connection is in being closed by the node.
    enum Closing: Equatable {
        case no
        /// Shut down for writing; input goes to the node as before.
        case reading
        /// Shut down for writing; input is thrown away.
        case discarding
    }

    let connection: Int
    let side: Side
    let generation: UInt32
    var role: Role
    /// Input that the node has not consumed, and how much of it it has seen.
    var incoming: [UInt8] = []
    var seen = 0
    var hasEnded = false
    var isReset = false
    var wasEndShown = false
    var isReady = false
    var isPaused = false
    var closing = Closing.no
    var outgoing: [UInt8] = []
    /// Bytes ever sent to a client.
    var sentBytes: UInt64 = 0
    /// Where the log goes on for this client; nil if it follows none.
    var cursor: Int?
    /// Its number in the history while it follows.
    var presence: Int?
    /// When it was sent a reply.
    var repliedAt: UInt64 = 0
    /// Where in all that was published it began to follow, if it reads no bytes.
    var followedFrom: UInt64?
    /// It is to follow the log, whether somebody listens or not.
    var followsLog = false

    init(connection: Int, side: Side, generation: UInt32, role: Role) {
        self.connection = connection
        self.side = side
        self.generation = generation
        self.role = role
    }
}

// MARK: - The turn

extension SimulatedServer {
    /// Lets the node see everything that has come, then carries out what it asks for. As in the real shell the time
    /// comes after the input: who stood still reads what is waiting before it takes anybody for dead.
    func takeTurn(in world: World) {
        isTurnPlanned = false
        guard isUp, !isPaused, let core else { return }
        // One access to the node for the whole turn: each costs a check, and some a copy.
        let end = showAll(to: &core.node, in: world)
        carryOutputs(of: core, in: world)
        flush(in: world)
        nextDeadline = end.nextDeadline
        planDeadline(in: world)
        // Its readers take a moment, and then it may publish again.
        let mayGoOn = !isBehind && end.hasPostponedDeliveries
        if !readySlots.isEmpty || mayGoOn { planTurn(in: world) }
    }

    private func showAll(to node: inout Node, in world: World) -> Node.TurnEnd {
        let instant = instant(world.now)
        showDialResults(to: &node, in: world)
        showHashResults(to: &node, in: world)
        showRoom(to: &node, in: world)
        showEnd(to: &node, in: world)
        showProgress(to: &node, in: world)
        swap(&readySlots, &shownSlots)
        for slot in shownSlots { show(slot, to: &node, in: world) }
        shownSlots.removeAll(keepingCapacity: true)
        look(at: &node, in: world)
        node.timeReached(at: instant)
        let end = node.turnEnding(at: instant, mayDeliver: !isBehind)
        checkLeave(of: node.outbox.outputs, in: world)
        hadNoLeave = isBehind
        return end
    }

    /// A turn a little later: what arrives until then shares it.
    func planTurn(in world: World) {
        guard !isTurnPlanned, isUp, !isPaused else { return }
        isTurnPlanned = true
        let delay = random.inside(world.options.turnDelayMicroseconds) * 1000
        world.queue.plan(.turn(server: index, life: life), at: world.now + delay)
    }

    /// Keeps one event planned at or before the node's deadline. A deadline that is still due after the node was told
    /// comes again a millisecond later; a node that never moves it on spins, which is a violation.
    func planDeadline(in world: World) {
        guard let deadline = nextDeadline, deadline.nanoseconds < UInt64.max else { return }
        let due = time(of: deadline)
        dueAgain = due <= world.now ? dueAgain + 1 : 0
        if dueAgain == 1000 {
            world.found(.spinningTimer, "server \(index) has asked for a deadline in the past 1000 turns in a row")
        }
        let time = due <= world.now ? world.now + 1_000_000 : due
        if let plannedDeadline, plannedDeadline <= time { return }
        plannedDeadline = time
        world.queue.plan(.deadline(server: index, life: life), at: time)
    }

    func deadlineCame(in world: World) {
        // An earlier one was planned after this event: it has taken its place.
        guard isUp, !isPaused, plannedDeadline == world.now else { return }
        plannedDeadline = nil
        guard let deadline = nextDeadline else { return }
        if deadline <= instant(world.now) { takeTurnNow(in: world) } else { planDeadline(in: world) }
    }

    private func takeTurnNow(in world: World) {
        let wasPlanned = isTurnPlanned
        takeTurn(in: world)
        // The planned turn still comes and may find nothing to do.
        isTurnPlanned = isTurnPlanned || wasPlanned
    }
}
