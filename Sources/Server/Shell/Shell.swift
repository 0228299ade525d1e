/// The shell around the node: it turns what the reactor tells into inputs of the node, and the node's outputs into
/// calls of the reactor. It decides nothing about the protocol; what needs an `if` on the protocol's state belongs in
/// `Node`.
///
/// # The order of things
///
/// Outputs are carried out directly after the input that caused them, and once more after `node.turnEnding`. So a pause
/// that the node asks for while it reads a client's lines holds for the lines behind, and the reactor's one flush at
/// the end of the turn still gathers everything. Carrying out an output never calls the node: what follows from it at
/// once (a dial that cannot even begin) is deferred to the next turn.
///
/// `Shell+Events` is the way in, `Shell+Outputs` the way out; `Shell+Dialling`, `Shell+Intake`, `Shell+Life` and
/// `Shell+Reload` are the things that take more than a line.
internal import Codecs
internal import Logging
internal import Node
internal import Reactor

struct Shell: ~Copyable {
    var node: Node
    let settings: ShellSettings
    let helpers: Helpers
    var log: ReportLog

    var connections: ConnectionTable
    var closes = CloseCounts()
    var counts = ShellCounts()
    /// Dials under way, by their present connection.
    var dials: [ConnectionID: Dial] = [:]
    /// The other ends of links under TLS, for the log.
    var tlsLinks: [ConnectionID: String] = [:]
    /// Hashes with the helpers.
    var hashes: [HashID: JobTicket] = [:]
    /// Inputs that came about while outputs were carried out.
    var deferred: [DeferredInput] = []
    /// Clients that were fed and may not have been sent all of it.
    var fed: [ConnectionID] = []
    /// A look at how far all clients are, under way.
    var measuring: Measuring?
    /// When the node's timer is set to fire; nil if it is not set.
    var deadline: Instant?
    var isTimeDue = false
    /// A deadline was found to be long over and waits for one more round of input.
    var isTimeDelayed = false
    var intake = Intake()
    var admission: Admission
    /// Connections that have neither logged in nor turned out to be of servers, and do not wait for this server.
    var unproven: Crowd
    var addresses = AddressCounts()
    var pace: Pace
    var life = Life()
    var reloading: Reloading
    var tls: ServerTLS
    /// Nil unless state outlives the process.
    var keeper: StateKeeper?
    /// Nil unless somebody wants to look.
    var admin: Admin?
    /// Nil unless somebody watches over this process.
    var service: ServiceManager?

    /// An input of the node that is given to it in the next turn.
    enum DeferredInput {
        case dialFailed(DialID, String)
        case hashed(HashID)
        case examine(SessionID)
    }

    /// How far all clients are that follow the log.
    struct Measuring {
        /// Clients that are still to be looked at.
        var left: Int
        /// The least position so far.
        var least: UInt64

        init(_ begin: (count: Int, end: UInt64)) {
            left = begin.count
            least = begin.end
        }
    }

    init(node: Node, settings: ShellSettings, helpers: Helpers, reloading: Reloading, tls: ServerTLS) {
        self.node = node
        self.settings = settings
        self.helpers = helpers
        self.reloading = reloading
        self.tls = tls
        counts.certificateExpirySeconds = tls.expirySeconds
        log = ReportLog(
            logger: reloading.makeLogger(reloading.inForce), perSecond: reloading.inForce.logReportsPerSecond)
        connections = ConnectionTable(capacity: settings.connectionsMax)
        admission = Admission(capacity: settings.connectionsMax, reserved: settings.limits.reserved)
        unproven = Crowd(limit: settings.limits.unprovenMax)
        pace = Pace(perSecond: settings.limits.activitiesPerSecond)
    }
}

/// Tokens of the reactor's timers.
enum TimerToken {
    /// The node's deadline.
    static let node: UInt64 = 1
    /// Deferred inputs wait: the timer only makes a turn happen.
    static let deferred: UInt64 = 2
    /// The time for an orderly end is over.
    static let lastMoment: UInt64 = 3
    /// Reports were suppressed: tell how many.
    static let suppressed: UInt64 = 4
    /// Input waits for the fan-out: the timer only makes a turn happen.
    static let intake: UInt64 = 5
    /// Clients are being fed: the timer only makes a turn happen.
    static let feeding: UInt64 = 6
    /// It is time to look which certificates expire.
    static let certificates: UInt64 = 7
}

/// What the shell is told at its start and never changes.
struct ShellSettings {
    /// Where the server listens, as in the ready line.
    var boundAddress: SocketAddress
    /// What others are told.
    var advertised: PeerAddress
    var listener: ListenerID
    var version: String
    /// Connections that the reactor can have.
    var connectionsMax: Int
    /// Unsent bytes that a link may have: two windows of records and the largest frame. The node keeps records within
    /// one window; the second is room for everything else, so that only a broken peer meets the limit.
    var linkOutputBytes: Int
    /// Room for a frame of a link that is being gathered.
    var linkInputBytes: Int
    /// The longest line that the activity log takes: a quarter of it, as much as a client may lag.
    var publishBytes: Int
    /// Clients that are looked at in one turn, for how far they are: a tenth of a millisecond.
    static let measuredInTurn = 256
    /// How long one address of a dial may take, in milliseconds.
    var dialMilliseconds: Int
    /// How often a link is read at least, in milliseconds, however far behind the fan-out is.
    var breathMilliseconds: UInt64
    /// What connections may take.
    var limits: ConnectionLimits
    /// How long SIGTERM may take to move the clients elsewhere; 0 closes them at once.
    var drainMilliseconds: UInt64
    var statisticsFile: StatisticsFile?
    /// Where the ready line goes.
    var output: LogSink
    /// Where the log goes.
    var logSink: LogSink

    /// How long the last words on a link may take. Short: the other end has nothing to say to them.
    static let linkLingerMilliseconds = 500
    /// How long SIGUSR2 may take to move the clients elsewhere, if SIGTERM may not.
    static let drainMilliseconds: UInt64 = 30_000
    /// How long an orderly end may take.
    static let shutdownMilliseconds = 3000
}
