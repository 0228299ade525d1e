/// What is kept for each connection: plain data in a slab, 56 bytes, changed in place. Names, addresses and what a
/// connection means to the user are kept elsewhere.

/// The phases of a slot.
enum ConnectionState: UInt8 {
    case free
    /// A connect is under way.
    case dialling
    case open
    /// Unregistered; `closed` is still to be told, then the slot is freed.
    case closing
}

/// What holds for a connection, each independent of the others.
struct ConnectionFlags: OptionSet {
    let rawValue: UInt16
    /// The user wants no input for now.
    static let paused = ConnectionFlags(rawValue: 1 << 0)
    /// The peer has ended its stream.
    static let inputEnded = ConnectionFlags(rawValue: 1 << 1)
    /// The last write was short: writability is waited for.
    static let blocked = ConnectionFlags(rawValue: 1 << 2)
    /// On the list of connections to flush.
    static let dirty = ConnectionFlags(rawValue: 1 << 3)
    /// On the list of connections with work left over.
    static let ready = ConnectionFlags(rawValue: 1 << 4)
    /// `finish` was called: no deadline or second finish changes that any more.
    static let finishing = ConnectionFlags(rawValue: 1 << 5)
    /// Input is read and dropped.
    static let discarding = ConnectionFlags(rawValue: 1 << 6)
    /// Our side of the stream is ended.
    static let writeShut = ConnectionFlags(rawValue: 1 << 7)
    /// The peer takes nothing any more, but what it sent before may still be read.
    static let writeDead = ConnectionFlags(rawValue: 1 << 8)
    /// The cursor follows the ring, up to its end or, with `stopping`, to `ringStop`.
    static let following = ConnectionFlags(rawValue: 1 << 9)
    static let stopping = ConnectionFlags(rawValue: 1 << 10)
    /// The byte before the cursor is not the end of a line.
    static let midLine = ConnectionFlags(rawValue: 1 << 11)
    /// Leftover input may hold complete units: it was left because of a pause.
    static let rescan = ConnectionFlags(rawValue: 1 << 12)
    /// Taken out of epoll, because a hang-up would be reported for ever.
    static let unpolled = ConnectionFlags(rawValue: 1 << 13)
    /// Lagged behind the ring at the last survey: the mark of its progress is valid.
    static let lagging = ConnectionFlags(rawValue: 1 << 14)
    /// Lagging, and took too little since the mark before.
    static let tooSlow = ConnectionFlags(rawValue: 1 << 15)
}

/// One slot of the table.
struct Connection: BitwiseCopyable {
    var fd: Int32 = -1
    var generation: UInt32 = 0
    var state = ConnectionState.free
    /// Why it ended, or, while finishing, why it will.
    var reason = CloseReason.finished
    /// Why it will end if the deadline passes.
    var deadlineReason = CloseReason.finished
    var transport = TransportKind.plain
    var flags: ConnectionFlags = []
    /// The events that epoll was last asked for; those used fit into 16 bits.
    var interest: UInt16 = 0
    var inputLimit: UInt32 = 0
    var outputLimit: UInt32 = 0
    /// Position in the dense array of subscribers; `notSubscribed` if in none.
    var subscriberIndex = Connection.notSubscribed
    var input = ByteBuffer()
    var output = ByteBuffer()
    /// The position in the ring up to which everything has been sent; of one that has ended, how many bytes its other
    /// end has acknowledged, and `unknown` if that is not known.
    var cursor: UInt64 = 0

    static let unknown = UInt64.max

    static let notSubscribed = UInt32.max

    // Inlined: a call would copy the whole slot.
    @inline(__always) var isLive: Bool { state == .open || state == .dialling }

    /// Whether the connection wants to be told of input.
    @inline(__always) var wantsInput: Bool {
        state == .open && !flags.contains(.paused) && !flags.contains(.inputEnded)
    }

    /// Whether a subscriber is to be sent the ring up to its end, and nothing else.
    @inline(__always) var hasOnlyNews: Bool { output.isEmpty && flags.isDisjoint(with: [.blocked, .midLine]) }

    /// Whether nothing can be added to the output any more.
    @inline(__always) var isOutputClosed: Bool { flags.contains(.writeShut) || flags.contains(.writeDead) }
}

/// Of a connection that is to get the ring up to a position and no further (`stopping`): that position, and how many
/// bytes of private output go before the rest of the ring's bytes.
struct RingStop {
    let end: UInt64
    var outputAhead: UInt32
}

/// Of a connection that lags (`lagging`): when and at which cursor the present period of its progress began.
struct ProgressMark {
    let milliseconds: UInt64
    let cursor: UInt64
}
