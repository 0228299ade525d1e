import Codecs

/// Leave for a client that another server wants to send here: it is counted as one of ours at once, so that a burst
/// does not stampede, and is not sent on when it comes.
struct Tickets: Sendable {
    private struct Ticket {
        var holder: Unicast.TicketHolder
        var source: ServerID
        var request: UInt64
        var expires: Instant
        /// Its client has come. The ticket stays until it expires, so that a request that is sent twice gets one.
        var isUsed = false
    }

    /// In order of expiry.
    private var tickets: [Ticket] = []
    /// Tickets whose client is on its way.
    private(set) var unusedCount = 0

    /// All that are remembered.
    var count: Int { tickets.count }
    var nextExpiry: Instant? { tickets.first?.expires }

    /// Whether this very request was granted before: it was sent twice.
    func isGranted(source: ServerID, request: UInt64) -> Bool {
        tickets.contains { $0.request == request && $0.source == source }
    }

    /// What is remembered beside the tickets that are out: enough for every request that could still be sent again.
    private static let memory = 4

    mutating func grant(
        _ holder: Unicast.TicketHolder, source: ServerID, request: UInt64, limit: Int, until expires: Instant
    ) {
        if tickets.count >= Self.memory * limit { tickets.removeAll { $0.isUsed } }
        tickets.append(Ticket(holder: holder, source: source, request: request, expires: expires))
        unusedCount += 1
    }

    /// Uses the oldest ticket of the holder. Returns whether there was one.
    mutating func use(_ holder: Unicast.TicketHolder) -> Bool {
        guard let index = tickets.firstIndex(where: { !$0.isUsed && $0.holder == holder }) else { return false }
        tickets[index].isUsed = true
        unusedCount -= 1
        return true
    }

    /// Returns how many tickets went out of date without being used.
    mutating func expire(at now: Instant) -> Int {
        let passed = tickets.prefix { $0.expires <= now }
        let unused = passed.count { !$0.isUsed }
        tickets.removeFirst(passed.count)
        unusedCount -= unused
        return unused
    }
}

/// Even load at login: a client goes to a server that has at least two fewer, with that server's leave.
extension Node {
    /// How many servers are asked for a ticket at one login: each refusal brings the newest load of who refused.
    static let ticketAttempts = 3
    /// The difference from which on a client is sent elsewhere (the client protocol's rule).
    static let loadDifference: UInt32 = 2

    /// Logged-in clients, and those that were given leave to come.
    var load: UInt32 { UInt32(sessions.presentCount + tickets.unusedCount) }

    /// To be called after each change of `load`.
    mutating func loadChanged() {
        loadClock += 1
        announceSoon()
    }

    /// The server with the fewest clients, if it has enough fewer than this one would have; those in `tried` refused.
    func redirectTarget(ownLoad: UInt32, besides tried: [ServerID]) -> ServerID? {
        let candidates = reachableOthers.filter { server in
            guard let announcement = members[server].announcement, announcement.isServing else { return false }
            return !tried.contains(servers[server]) && expectedLoad(server) + UInt64(Self.loadDifference) <= ownLoad
        }
        let best = candidates.min { (expectedLoad($0), servers[$0]) < (expectedLoad($1), servers[$1]) }
        return best.map { servers[$0] }
    }

    /// A peer may tell any load, so the sum is wider than its parts.
    private func expectedLoad(_ server: Int) -> UInt64 {
        UInt64(members[server].load) + UInt64(members[server].ticketsAsked)
    }

    mutating func noteTicketAsked(of id: ServerID) {
        if let server = servers.index(of: id) { members[server].ticketsAsked += 1 }
    }

    mutating func noteTicketAnswered(by id: ServerID) {
        // It may have been forgotten, and even recalled, since it was asked.
        guard let server = servers.index(of: id), members[server].ticketsAsked > 0 else { return }
        members[server].ticketsAsked -= 1
    }

    // MARK: As the target

    mutating func grantTicket(
        _ holder: Unicast.TicketHolder, sourceLoad: UInt32, source: ServerID, request: UInt64
    ) -> Bool {
        if tickets.isGranted(source: source, request: request) { return true }
        guard phase == .serving, tickets.unusedCount < configuration.limits.tickets,
            UInt64(load) + UInt64(Self.loadDifference) <= UInt64(sourceLoad)
        else {
            counters.ticketsRefused += 1
            return false
        }
        let expires = now.adding(milliseconds: configuration.timing.ticket)
        timers.set(.tickets, at: expires)
        tickets.grant(
            holder, source: source, request: request, limit: configuration.limits.tickets, until: expires)
        counters.ticketsGranted += 1
        loadChanged()
        return true
    }

    mutating func expireTickets() {
        if tickets.expire(at: now) > 0 { loadChanged() }
        if let next = tickets.nextExpiry { timers.set(.tickets, at: next) }
    }
}
