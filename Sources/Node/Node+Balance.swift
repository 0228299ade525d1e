import Codecs

/// Even load: whom a client is sent to, and whose clients are taken. At login a client goes to a server that has at
/// least two fewer, with that server's leave; `Node+Rebalancing` evens out what logins leave uneven.
extension Node {
    /// How many servers are asked for a ticket at one login: each refusal brings the newest load of who refused.
    static let ticketAttempts = 3

    /// Logged-in clients, and those that were given leave to come.
    var load: UInt32 { UInt32(sessions.presentCount + tickets.unusedCount) }

    /// To be called after each change of `load`.
    mutating func loadChanged() {
        loadClock += 1
        announceSoon()
        considerRebalancing()
    }

    /// How many clients a server has, and which share it should have.
    struct Burden: Hashable, Sendable {
        /// Bounded, so that products of it fit: a peer may tell any load and any weight.
        private(set) var load: UInt64
        private(set) var weight: UInt64

        init(load: UInt64, weight: UInt32) {
            self.load = min(load, 1 << 32)
            self.weight = min(UInt64(weight), 1 << 16)
        }

        /// Whether the other one, with so many clients more, still has no larger share than this one with as many
        /// fewer. Then those clients are better there, and no server would send them back.
        func mayGive(_ count: UInt64, to other: Burden) -> Bool {
            load >= count && (other.load + count) * weight <= (load - count) * other.weight
        }

        /// The lesser share with one client more.
        static func isLighter(_ left: Burden, _ right: Burden) -> Bool {
            (left.load + 1) * right.weight < (right.load + 1) * left.weight
        }
    }

    /// A reachable server that takes clients, with those that are on their way.
    func burden(of server: Int) -> Burden? {
        guard members[server].status == .reachable, let announcement = members[server].announcement,
            announcement.isServing, !announcement.isLeaving
        else { return nil }
        let expected = UInt64(members[server].load) + UInt64(members[server].ticketsAsked)
        return Burden(load: expected, weight: announcement.weight)
    }

    /// Of the servers that are a better place the one with the least share; those in `tried` refused.
    func bestTarget(for own: Burden?, besides tried: [ServerID] = []) -> ServerID? {
        var best: (server: Int, burden: Burden)?
        for server in reachableOthers where !tried.contains(servers[server]) {
            guard let burden = burden(of: server), burden.weight > 0, own?.mayGive(1, to: burden) ?? true else {
                continue
            }
            if let present = best {
                let isHeavier = Burden.isLighter(present.burden, burden)
                let isAlike = !isHeavier && !Burden.isLighter(burden, present.burden)
                if isHeavier || isAlike && servers[present.server] < servers[server] { continue }
            }
            best = (server, burden)
        }
        return best.map { servers[$0.server] }
    }

    /// Where a client goes that logs in here, if not to stay.
    func redirectTarget(besides tried: [ServerID] = []) -> ServerID? {
        // One that stops is left for any other.
        let own = isDraining ? nil : Burden(load: ownBurden.load + 1, weight: configuration.weight)
        return bestTarget(for: own, besides: tried)
    }

    mutating func noteTicketsAsked(of id: ServerID, count: Int = 1) {
        if let server = servers.index(of: id) { members[server].ticketsAsked += UInt32(count) }
    }

    mutating func noteTicketsAnswered(by id: ServerID, count: Int = 1) {
        // It may have been forgotten, and even recalled, since it was asked.
        guard let server = servers.index(of: id) else { return }
        members[server].ticketsAsked -= min(members[server].ticketsAsked, UInt32(count))
    }

    // MARK: As the target

    /// Clients that are on their way because of one cause, at most: a new server is not buried, and one that everybody
    /// leaves for finds its clients' records in time. A guess.
    static let balanceTicketsMax = 32
    static let drainTicketsMax = 512

    /// Returns for how many clients leave is given.
    mutating func grantTicket(_ request: Unicast.TicketRequest, source: ServerID, number: UInt64) -> UInt16 {
        if let ticket = tickets.ticket(of: source, number) { return ticket.granted }
        let granted = room(for: request)
        // Who was refused is refused when the same request comes again: the asker believes the first answer, and what
        // is granted then would be nobody's.
        let memory = granted > 0 ? configuration.timing.ticket : 2 * configuration.timing.requestTimeout
        let expires = now.adding(milliseconds: memory)
        timers.set(.tickets, at: expires)
        tickets.grant(
            request, count: granted, source: source, number: number, limit: configuration.limits.tickets,
            until: expires)
        guard granted > 0 else {
            counters.ticketsRefused += 1
            return 0
        }
        counters.ticketsGranted += UInt64(granted)
        if request.cause == .login { sentOn = now }
        loadChanged()
        return granted
    }

    private func room(for request: Unicast.TicketRequest) -> UInt16 {
        guard phase == .serving, !isDraining, !tickets.wouldConfuse(request.holder, request.cause) else { return 0 }
        var room = configuration.limits.tickets - tickets.unusedCount
        switch request.cause {
        case .login: break
        case .balance: room = min(room, Self.balanceTicketsMax - tickets.unusedCount(of: .balance))
        case .drain: room = min(room, Self.drainTicketsMax - tickets.unusedCount(of: .drain))
        }
        let most = min(UInt64(request.count), UInt64(max(0, room)))
        guard request.cause != .drain, most > 0 else { return UInt16(most) }
        let source = Burden(load: UInt64(request.sourceLoad), weight: request.sourceWeight)
        let own = Burden(load: UInt64(load), weight: configuration.weight)
        // At most some dozens.
        return UInt16((1...most).last { source.mayGive($0, to: own) } ?? 0)
    }

    mutating func expireTickets() {
        let missed = tickets.expire(at: now)
        for ticket in missed where ticket.needsFloor { counters.movedNeverCame += UInt64(ticket.unused) }
        if !missed.isEmpty { loadChanged() }
        if let next = tickets.nextExpiry { timers.set(.tickets, at: next) }
    }

    // MARK: Insight

    /// Who is connected where, as far as is known here.
    var serverLoads: [NodeStatistics.ServerLoad] {
        let own = NodeStatistics.ServerLoad(
            id: id, address: configuration.address, load: load, weight: configuration.weight,
            isServing: phase == .serving && !isDraining, isDraining: isDraining)
        let others = reachableOthers.compactMap { server in
            members[server].announcement.map { announcement in
                NodeStatistics.ServerLoad(
                    id: servers[server], address: members[server].address, load: members[server].load,
                    weight: announcement.weight, isServing: announcement.isServing,
                    isDraining: announcement.isDraining)
            }
        }
        return [own] + others
    }

    /// Milliseconds between two lines of the log about it.
    private static let loadsPeriod: UInt64 = 60_000

    mutating func tellLoads() {
        let loads = serverLoads
        if let told = loadsTold, told.loads == loads || now.milliseconds(since: told.at) < Self.loadsPeriod { return }
        loadsTold = (loads, now)
        outbox.report(.loads(loads))
    }
}
