import Codecs

/// Leave for clients that another server wants to send here: they are counted as ours at once, so that a burst does not
/// stampede, and are not sent on when they come. A ticket of clients that have been somewhere carries where they are to
/// begin, and counts only from then on.
struct Tickets: Sendable {
    struct Ticket: Sendable {
        let holder: Unicast.TicketHolder
        let cause: Unicast.TicketCause
        let source: ServerID
        /// The number of its request at the source.
        let request: UInt64
        /// Clients that it was given for.
        let granted: UInt16
        /// Those of them that are on their way.
        fileprivate(set) var unused: UInt16
        fileprivate(set) var expires: Instant
        /// Where the clients begin; nil as long as the source has not told, and for those that begin with what is new.
        fileprivate(set) var handOver: Unicast.HandOver?
        /// The records after which what the user says here comes; nil as long as the source still hears the client.
        fileprivate(set) var after: [StreamPosition]?

        /// An anonymous client that has only just logged in is owed nothing from before.
        var needsFloor: Bool {
            if case .claim = holder { return true }
            return cause != .login
        }

        fileprivate var isReady: Bool { unused > 0 && (!needsFloor || handOver != nil) }
        fileprivate func isOf(_ source: ServerID, _ request: UInt64) -> Bool {
            self.request == request && self.source == source
        }
    }

    /// In the order in which they were granted.
    private(set) var tickets: [Ticket] = []
    /// Clients that are on their way.
    private(set) var unusedCount = 0

    /// Those that did not come in time, in the order in which they were given up: they count no more, but are not sent
    /// on if they come at last.
    private var late: [Late] = []

    private struct Late: Sendable {
        var holder: Unicast.TicketHolder
        var count: UInt16
        var until: Instant
    }

    /// How long a client may be late, in milliseconds: as long as one that was moved is left alone.
    private static let latePatience: UInt64 = 60_000
    /// The oldest goes at the limit: at worst it is sent on.
    private static let lateMax = 4096

    /// All that are remembered: a ticket stays until it expires, so that a request that is sent twice gets one; so does
    /// a refusal, a ticket for nobody.
    var count: Int { tickets.count }
    var nextExpiry: Instant? { tickets.lazy.map(\.expires).min() }

    func ticket(of source: ServerID, _ request: UInt64) -> Ticket? { tickets.first { $0.isOf(source, request) } }

    /// Clients of this cause that are on their way.
    func unusedCount(of cause: Unicast.TicketCause) -> Int {
        tickets.reduce(0) { $0 + ($1.cause == cause ? Int($1.unused) : 0) }
    }

    /// Whether clients are expected that could be taken for each other: by their address or user alone, and with other
    /// places to begin.
    func wouldConfuse(_ holder: Unicast.TicketHolder, _ cause: Unicast.TicketCause) -> Bool {
        var isFloorless = cause == .login
        if case .claim = holder { isFloorless = false }
        return tickets.contains { $0.unused > 0 && $0.holder == holder && !(isFloorless && !$0.needsFloor) }
    }

    /// What is remembered beside the tickets that are out: enough for every request that could still be sent again.
    private static let memory = 4

    mutating func grant(
        _ request: Unicast.TicketRequest, count: UInt16, source: ServerID, number: UInt64, limit: Int,
        until expires: Instant
    ) {
        if tickets.count >= Self.memory * limit { tickets.removeAll { $0.unused == 0 } }
        tickets.append(
            Ticket(
                holder: request.holder, cause: request.cause, source: source, request: number, granted: count,
                unused: count, expires: expires))
        unusedCount += Int(count)
    }

    /// The source has told where the clients begin. Returns false if there is no such ticket any more.
    mutating func note(_ handOver: Unicast.HandOver, source: ServerID, until expires: Instant) -> Bool {
        guard let index = tickets.firstIndex(where: { $0.isOf(source, handOver.ticket) }) else { return false }
        guard tickets[index].handOver == nil else { return true }
        tickets[index].handOver = handOver
        tickets[index].expires = expires
        return true
    }

    /// The source hears the clients no longer. Returns false if there is no such ticket any more.
    mutating func noteMoved(_ request: UInt64, after positions: [StreamPosition], source: ServerID) -> Bool {
        guard let index = tickets.firstIndex(where: { $0.isOf(source, request) }) else { return false }
        tickets[index].after = positions
        return true
    }

    /// The source keeps its clients. Returns whether any were expected.
    mutating func withdraw(_ request: UInt64, source: ServerID) -> Bool {
        guard let index = tickets.firstIndex(where: { $0.isOf(source, request) }) else { return false }
        let unused = tickets.remove(at: index).unused
        unusedCount -= Int(unused)
        return unused > 0
    }

    /// The verifier that came with a ticket of this claim.
    func verifier(of claim: ClaimID) -> [UInt8]? {
        tickets.first { $0.isReady && $0.holder == .claim(claim) }?.handOver?.verifier
    }

    /// The secret was changed: a verifier that came before is one of the old secret.
    mutating func forgetVerifiers(of claim: ClaimID) {
        for index in tickets.indices where tickets[index].holder == .claim(claim) {
            tickets[index].handOver?.verifier = nil
        }
    }

    /// Uses the oldest ticket of the holder; nil if there is none.
    mutating func use(_ holder: Unicast.TicketHolder, defect: NodeDefect? = nil) -> Ticket? {
        let isAnyones = defect == .floorOfAnother
        guard let index = tickets.firstIndex(where: { $0.isReady && (isAnyones || $0.holder == holder) }) else {
            return nil
        }
        if defect == .floorUsedTwice { return tickets[index] }
        tickets[index].unused -= 1
        unusedCount -= 1
        return tickets[index]
    }

    /// Takes away what is out of date; returns those tickets whose clients have not all come.
    mutating func expire(at now: Instant) -> [Ticket] {
        guard tickets.contains(where: { $0.expires <= now }) else { return [] }
        let missed = tickets.filter { $0.expires <= now && $0.unused > 0 }
        tickets.removeAll { $0.expires <= now }
        for ticket in missed {
            unusedCount -= Int(ticket.unused)
            late.append(
                Late(
                    holder: ticket.holder, count: ticket.unused,
                    until: ticket.expires.adding(milliseconds: Self.latePatience)))
        }
        late.removeFirst(max(0, late.count - Self.lateMax))
        return missed
    }

    /// Whether a client of this holder was given up as late; it is one fewer then.
    mutating func useLate(_ holder: Unicast.TicketHolder, at now: Instant) -> Bool {
        guard !late.isEmpty else { return false }
        late.removeAll { $0.until <= now }
        guard let index = late.firstIndex(where: { $0.holder == holder }) else { return false }
        late[index].count -= 1
        if late[index].count == 0 { late.remove(at: index) }
        return true
    }
}
