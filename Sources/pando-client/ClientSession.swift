import Codecs

/// What the client does, without a socket, a clock or a file: inputs with the current time in, effects out.
///
/// The driver passes on whatever happens (`handle`), carries out the effects in order, writes what `chunk()` gives
/// when the connection takes it and says so (`wrote`), shuts down writing when `isDoneWriting`, passes `.timeout`
/// when `deadline` has come, and reads standard input only while `wantsTyping`.
///
/// Times are milliseconds on any clock that does not go back.
struct ClientSession {
    struct Server: Equatable, Sendable {
        var host: [UInt8]
        var port: UInt16
    }

    struct Options {
        var server: Server
        var username: [UInt8]
        /// Nil for the anonymous user.
        var secret: [UInt8]?
        /// Whether the user has to be registered before the first login.
        var registers = false
        var reconnects = true
        /// How long to go on receiving after the end of input; nil: for ever.
        var linger: UInt64? = 500
        var backOff = BackOff(shortest: 200, longest: 10_000)
        /// Seed of the jitter.
        var seed: UInt64 = 0
        /// The name of this run of the client, if it is to ask the servers for acknowledgements and positions.
        var run: [UInt8]?
    }

    enum Input: Equatable, Sendable {
        case start
        case connected
        case connectionFailed(String)
        case received([UInt8])
        /// The connection ended: why, in words.
        case disconnected(String)
        case typed([UInt8])
        case typedEnd
        /// The user wants to end.
        case interrupted
        /// Nobody reads what we print; with words if that is a fault and not just a closed pipe.
        case outputFailed(String?)
        case timeout
    }

    enum Effect: Equatable, Sendable {
        case connect(Server)
        /// Close the connection, or give up making one.
        case close
        /// An activity, for standard output, without a line end.
        case show([UInt8])
        /// Words for standard error.
        case tell(String)
        case exit(ExitStatus)
    }

    enum Phase: Equatable {
        case waiting
        case connecting
        case registering
        case loggingIn
        /// Logged in since.
        case live(UInt64)
        /// Finishing the line that is being written, then ending the connection.
        case leaving(Departure)
        case ended
    }

    enum Departure: Equatable {
        case redirect
        case exit
    }

    // Bounds. All but the drain time are guesses with room to spare.

    /// Waiting lines beyond which standard input is not read: the writer at its other end waits, nothing is lost.
    static let outboxLines = 1000
    static let outboxBytes = 1 << 20
    /// The longest line that is taken from standard input; servers have a limit of their own.
    static let typedLimit = 1 << 20
    /// The longest line that is taken from a server.
    static let receivedLimit = 16 << 20
    /// Redirects in a row, without a session of `settledTime` between them, after which we wait before the next.
    static let redirectsInARow = 8
    /// Servers that are remembered for reconnecting.
    static let knownServers = 8
    /// Milliseconds for a connection to come about.
    static let connectTime: UInt64 = 10_000
    /// Milliseconds for the server to take the last line and close, as long as servers wait at their end.
    static let drainTime: UInt64 = 2_000
    /// A session that lived as many milliseconds went well: back-off and redirects are counted anew.
    static let settledTime: UInt64 = 1_000
    /// How much is written at once, in bytes.
    static let chunkSize = 65_536

    // State; for the parts of this type in its other files only.

    let options: Options
    var phase = Phase.waiting
    /// When something is due if nothing else happens; nil: never.
    var deadline: UInt64?

    /// Servers to try: the one that was given, and those we were sent to. The one in use is at `serverIndex`.
    var servers: [Server]
    var serverIndex = 0
    var redirects = 0
    var backOff: BackOff
    var jitter: Jitter
    var mustRegister: Bool
    /// A REGISTER was sent and never answered: the name can be ours although it is taken.
    var mayBeRegistered = false
    var hasLoggedIn = false

    /// The REGISTER or LOGIN that is being written. It goes before all else.
    var greeting: [UInt8] = []
    var outbox = Outbox()
    var received = LineBuffer(limit: receivedLimit)
    var typed = LineBuffer(limit: typedLimit)
    var typedCount = 0
    var typingEnded = false
    /// Whether the user has been told that standard input is not read for now.
    var toldOfPause = false
    var effects: [Effect] = []

    /// The number of the activity that was typed last.
    var lastNumber: UInt64 = 0
    /// What was shown, of each origin, as servers told.
    var positions: [ServerID: UInt64] = [:]
    /// The server of this connection tells positions. It may acknowledge and tell none.
    var tellsPositions = false
    /// The server of this connection acknowledges.
    var acknowledges = false
    /// Activities that came after the last position: they count when the next one comes.
    var unplaced: [[UInt8]] = []

    init(_ options: Options) {
        self.options = options
        servers = [options.server]
        backOff = options.backOff
        jitter = Jitter(seed: options.seed)
        mustRegister = options.registers
    }

    // MARK: What the driver asks

    /// Whether standard input may be read now.
    var wantsTyping: Bool {
        if case .leaving = phase { return false }
        return phase != .ended && !typingEnded && !isFull
    }

    /// Whether as much waits as may wait.
    private var isFull: Bool {
        let sent = acknowledges ? outbox.unacknowledged : (count: 0, byteCount: 0)
        return outbox.count + sent.count >= Self.outboxLines || outbox.byteCount + sent.byteCount >= Self.outboxBytes
    }

    /// Whether everything is sent, and safe where that is told.
    var isAllSent: Bool { outbox.isEmpty && (!acknowledges || outbox.unacknowledged.count == 0) }

    /// What to write to the connection now; empty if nothing.
    func chunk() -> [UInt8] {
        if !greeting.isEmpty { return greeting }
        switch phase {
        case .live, .leaving(.exit): return outbox.chunk(limit: Self.chunkSize)
        case .leaving(.redirect): return outbox.chunk(limit: Self.chunkSize, endingLine: true)
        default: return []
        }
    }

    /// Whether `chunk` gives anything, without the cost of making it.
    var hasChunk: Bool {
        if !greeting.isEmpty { return true }
        switch phase {
        case .live, .leaving(.exit): return !outbox.isEmpty
        case .leaving(.redirect): return outbox.isMidLine
        default: return false
        }
    }

    /// Whether the write side of the connection is to be shut down.
    var isDoneWriting: Bool {
        if case .leaving = phase { return !hasChunk }
        return false
    }

    // MARK: What the driver tells

    /// The first `count` bytes of what `chunk` gave have been written.
    mutating func wrote(_ count: Int, at now: UInt64) {
        if greeting.isEmpty { outbox.advance(by: count) } else { greeting.removeFirst(count) }
        if !acknowledges { outbox.boundUnacknowledged(lines: Self.outboxLines, bytes: Self.outboxBytes) }
        settle(now)
    }

    mutating func handle(_ input: Input, at now: UInt64) -> [Effect] {
        guard phase != .ended else { return [] }
        switch input {
        case .start: connect(at: now)
        case .connected: greet()
        case .connectionFailed(let words): onConnectionFailed(words, at: now)
        case .received(let bytes): onReceived(received.append(bytes), at: now)
        case .disconnected(let words): onDisconnected(words, at: now)
        case .typed(let bytes): onTyped(typed.append(bytes))
        case .typedEnd: onTypedEnd()
        case .interrupted: leave(at: now)
        case .outputFailed(let words): onOutputFailed(words, at: now)
        case .timeout: onTimeout(at: now)
        }
        settle(now)
        defer { effects = [] }
        return effects
    }

    /// What follows from the state and not from one input.
    private mutating func settle(_ now: UInt64) {
        guard case .live = phase else {
            if isFull, wantsLogin, !toldOfPause {
                toldOfPause = true
                tell("\(outbox.count) activities wait for the server; no more are read until it takes them")
            }
            return
        }
        toldOfPause = false
        // Input has ended and everything is sent: only the linger time is left.
        if typingEnded, isAllSent, deadline == nil, let linger = options.linger { deadline = now + linger }
    }

    /// Whether a login is what the session is waiting for.
    private var wantsLogin: Bool {
        switch phase {
        case .waiting, .connecting, .registering, .loggingIn: true
        case .live, .leaving, .ended: false
        }
    }

    mutating func tell(_ words: String) { effects.append(.tell(words)) }

    mutating func end(_ status: ExitStatus) {
        showUnplaced()
        // While leaving, what was not sent has been told already, and the LOGOUT is no activity.
        if phase != .leaving(.exit), !outbox.isEmpty { tell("not sent: \(outbox.count) of the activities typed") }
        phase = .ended
        deadline = nil
        effects.append(.close)
        effects.append(.exit(status))
    }
}

/// What the process ends with.
enum ExitStatus: Int32 {
    case success = 0
    /// The server refused the user or a message.
    case refused = 1
    /// No connection came about, or it was lost, and another attempt was not wanted.
    case unreachable = 2
    /// Standard output could not be written (EX_IOERR of sysexits.h).
    case outputFailed = 74
}
