/// Which end of a connection.
enum Side: Int {
    case dialler
    case acceptor

    var other: Side { self == .dialler ? .acceptor : .dialler }
}

/// Who stands at an end.
enum Party: Hashable {
    case server(Int)
    case client(Int)

    /// A total order, for pairs: any will do.
    var order: Int {
        switch self {
        case .server(let index): 2 * index
        case .client(let index): 2 * index + 1
        }
    }

    /// A short name for the trace: s3, c12.
    var name: String {
        switch self {
        case .server(let index): "s\(index)"
        case .client(let index): "c\(index)"
        }
    }
}

/// What reaches an end, in the order in which the other end did it.
enum Delivery: Equatable {
    case bytes([UInt8])
    /// The other end writes no more.
    case end
    /// The connection is broken: nothing can be read or written any more.
    case reset
}

/// Who are connected, and how. What is under way between them is in two pipes (`Network.pipes`).
struct Connection {
    var dialler: Party
    var acceptor: Party
    /// One-way delay in nanoseconds.
    var delay: UInt64
    /// The number of its path in the network.
    var path: Int

    func party(_ side: Side) -> Party { side == .dialler ? dialler : acceptor }
}

/// One direction of a connection: a queue of deliveries. An arrival event says only that *a* delivery arrives; which
/// one is the queue's business, so that no delay and no healing can reorder a byte.
struct Pipe {
    /// Instant of the last planned arrival: later ones must not be earlier.
    var lastArrival: UInt64 = 0
    /// When the line has sent what was written: a slow one is busy for a while.
    var lineFree: UInt64 = 0
    /// Arrivals that came while the way was cut, or the reader's buffer full: they are planned again afterwards.
    var stalled = 0
    /// When the first of them stalled.
    var stalledSince: UInt64 = 0
    /// Bytes in the buffer of a reader that stands still.
    var unread = 0
    /// What came of what was written; nil if nobody asks.
    var receipts: Receipts?
    /// The writer has shut down, closed or is dead.
    var isShut = false
    /// The reader has closed: what still comes is answered by a reset.
    var isClosed = false
    /// Bytes that have arrived since the connection began.
    private(set) var arrived: UInt64 = 0
    private var waiting: [Delivery] = []
    private var head = 0

    var isEmpty: Bool { head == waiting.count }

    mutating func append(_ delivery: Delivery) { waiting.append(delivery) }

    mutating func stall(at now: UInt64) {
        if stalled == 0 { stalledSince = now }
        stalled += 1
    }

    /// What would arrive next.
    var first: Delivery? { head < waiting.count ? waiting[head] : nil }

    mutating func popFirst() -> Delivery? {
        guard head < waiting.count else { return nil }
        let first = waiting[head]
        if case .bytes(let bytes) = first { arrived += UInt64(bytes.count) }
        waiting[head] = .end
        head += 1
        if head == waiting.count || head >= 1024 {
            waiting.removeFirst(head)
            head = 0
        }
        return first
    }

    /// Everything under way is lost.
    mutating func wipe() {
        waiting.removeAll()
        head = 0
        stalled = 0
        unread = 0
    }
}
