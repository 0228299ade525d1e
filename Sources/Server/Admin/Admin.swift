/// The admin endpoint: an address of its own at which people and programs look at a running server. It shows; who has
/// a token can change users, and nothing else.
///
/// It lives in the server's one loop, so nothing that it does may take longer than a slice of a turn: whatever grows
/// with the number of clients or members is made in parts, a few in each turn, and no further than the reader keeps up.
/// Its connections take slots of the part of the table that is kept from clients, and are few.
internal import Codecs
internal import Node
internal import Reactor

/// All that the endpoint remembers. There is none unless somebody asked for it.
struct Admin {
    let listener: ListenerID
    let access: AdminAccess
    /// Connections at a time.
    let connectionsMax: Int
    /// Other hosts reach it, and there is a certificate to show them: nobody is answered in the clear.
    let needsTLS: Bool
    /// When this server started, by both clocks.
    let started: Instant
    let startedSeconds: Double
    /// Connections whose requests have not been answered, with some that have; the oldest first.
    var waiting: [AdminWaiting] = []
    /// Answers that come in parts, the one that is next first.
    var answers: [AdminAnswer] = []
    /// Changes of users that are under way, and how many were asked for.
    var changes: [AdminChange] = []
    var changesMade: UInt64 = 0
    var counts = AdminCounts()
    var closed = ClosedConnections()
    var linkEnds = LinkEnds()

    /// A head is a few hundred bytes; a browser's may have a large cookie for `localhost`.
    static let headBytesMax = 8 << 10
    /// A name and a secret, each byte of them escaped.
    static let bodyBytesMax = 14 << 10
    /// How long a request may take, and how long its answer, in milliseconds.
    static let requestMilliseconds = 5_000
    static let answerMilliseconds = 30_000
    /// How long the last bytes of an answer may take.
    static let lingerMilliseconds = 5_000
    /// Unsent bytes of an answer beyond which no further part is made.
    static let unsentBytesMax = 64 << 10
    /// Unsent bytes at all: metrics come in one piece, with four lines for each of thousands of former neighbours.
    static let outputBytesMax = 4 << 20
    /// Parts of all answers together in one turn, each some hundred microseconds.
    static let partsInTurn = 4
    /// How soon a reader that is behind is looked at again. Every turn looks; this is for a loop without other work.
    static let waitMilliseconds = 5

    /// A share of what is kept from clients, and no more than a handful of browsers and programs open.
    static func connectionsMax(capacity: Int) -> Int { max(2, min(16, capacity / 64)) }
}

/// A connection that may still be without its request.
struct AdminWaiting {
    let id: ConnectionID
    let since: Instant
}

/// The rest of an answer.
struct AdminAnswer {
    let id: ConnectionID
    var document: AdminDocument
    /// Each part has its length before it.
    let isChunked: Bool
}

/// A document that comes in parts, and how far it is.
enum AdminDocument {
    case status(StatusProgress)
    case connections(ListProgress)
    case users(ListProgress)
}

/// What the endpoint counts itself.
struct AdminCounts {
    /// Connections that were closed without an answer since there were too many.
    var connectionsRefused: UInt64 = 0
    /// Answers by their status.
    private(set) var answers: [HTTPStatus: UInt64] = [:]

    mutating func count(_ status: HTTPStatus) { answers[status, default: 0] += 1 }
}

/// The connections that ended last, and why.
struct ClosedConnections {
    struct Entry {
        var id: ConnectionID
        var role: ConnectionTable.Role
        /// The other end, as far as it was known.
        var address: String
        var user: [UInt8]?
        var reason: String
        var at: Instant
    }

    static let entriesMax = 256

    private var ring: [Entry] = []
    private var next = 0
    /// Why the node closes connections that are not closed yet.
    private var reasons: [ConnectionID: String] = [:]

    /// The last one first.
    var entries: [Entry] { ring[..<next].reversed() + ring[next...].reversed() }

    mutating func expect(_ id: ConnectionID, _ reason: String) { reasons[id] = reason }

    /// - Parameter reason: what holds unless the node had a reason of its own.
    mutating func takeReason(of id: ConnectionID, otherwise reason: CloseReason) -> String {
        reasons.removeValue(forKey: id) ?? "\(reason)"
    }

    mutating func add(_ entry: Entry) {
        if ring.count < Self.entriesMax {
            ring.append(entry)
            next = ring.count == Self.entriesMax ? 0 : ring.count
        } else {
            ring[next] = entry
            next = (next + 1) % Self.entriesMax
        }
    }
}

/// The last end of a link to each neighbour.
struct LinkEnds {
    struct Entry {
        var neighbour: ServerID
        var address: PeerAddress
        var reason: String
        var at: Instant
    }

    static let entriesMax = 64

    /// The last one last.
    private(set) var entries: [Entry] = []

    mutating func add(_ entry: Entry) {
        entries.removeAll { $0.address == entry.address }
        if entries.count == Self.entriesMax { entries.removeFirst() }
        entries.append(entry)
    }

    func last(at address: PeerAddress?) -> Entry? { entries.last { $0.address == address } }
}
