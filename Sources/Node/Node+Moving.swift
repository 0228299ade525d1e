import Codecs

/// Sessions of one holder on their way from here to another server.
///
/// Leave is asked for while they go on. When it is there they are shown nothing more, and the target is told up to
/// where they have been shown everything: the floor. When it has that, their clients are sent there. What these still
/// say here counts; when the last connection has ended, the target is told which records hold their last words.
struct Move: Sendable {
    enum Stage: Sendable {
        case asking
        case handingOver
        /// The clients are told to go, and may still say something.
        case leaving
        /// They have gone, and the target is told.
        case ending
    }

    var holder: Unicast.TicketHolder
    var cause: Unicast.TicketCause
    var target: ServerID
    var stage: Stage
    var sessions: [SessionID]
    /// The number of the ticket's request.
    var ticket: UInt64 = 0
    /// This server's number of the session; 0 if nothing is kept of it.
    var session: UInt64 = 0
    var floor: Floor?
    /// Where the log ended when its sessions followed it no longer; nil if they did not follow it.
    var logEnd: UInt64?
    /// This server's last record that may be of these sessions.
    var lastSeq: UInt64 = 0
}

/// The moves under way, in the order in which they began.
struct MoveTable: Sendable {
    private var ids: [UInt64] = []
    private(set) var all: [Move] = []

    var count: Int { all.count }
    var isEmpty: Bool { all.isEmpty }

    /// Numbers rise. Complexity: logarithmic in the moves; linear to begin or end one.
    subscript(id: UInt64) -> Move? {
        get {
            let index = place(of: id)
            return index < ids.count && ids[index] == id ? all[index] : nil
        }
        set {
            let index = place(of: id)
            let isThere = index < ids.count && ids[index] == id
            switch newValue {
            case .some(let move) where isThere: all[index] = move
            case .some(let move):
                ids.insert(id, at: index)
                all.insert(move, at: index)
            case nil where isThere:
                ids.remove(at: index)
                all.remove(at: index)
            case nil: break
            }
        }
    }

    /// A session has gone on elsewhere before its client was told to: its floor is used.
    mutating func forgetSession(_ number: UInt64) {
        for index in all.indices where all[index].session == number { all[index].session = 0 }
    }

    private func place(of id: UInt64) -> Int {
        var (low, high) = (0, ids.count)
        while low < high {
            let middle = (low + high) / 2
            if ids[middle] < id { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

/// Moving sessions, as the source and as the target. Nothing is lost, nothing comes twice, order holds, and the client
/// needs nothing but to follow a REDIRECT.
extension Node {
    /// How long what a moved client says first may wait for what it said last at the other server: longer than that one
    /// listens to it.
    public static let arrivalPatience: UInt64 = 3000

    // MARK: As the source

    /// Sessions that are as good as gone: the load counts them still.
    var sessionsOnTheirWay: Int {
        moves.all.reduce(0) { $0 + ($1.isBeforeRedirect ? $1.sessions.count : 0) }
    }

    /// Begins to move sessions of one holder.
    mutating func move(
        _ slots: [Int], _ holder: Unicast.TicketHolder, to target: ServerID, _ cause: Unicast.TicketCause
    ) {
        precondition(!slots.isEmpty && slots.count <= Int(UInt16.max), "a move has sessions")
        let source = UInt32(clamping: ownBurden.load)
        nextJob += 1
        let id = nextJob
        moves[id] = Move(
            holder: holder, cause: cause, target: target, stage: .asking, sessions: slots.map { sessions.id(of: $0) })
        for slot in slots {
            sessions.setMove(id, of: slot)
            if cause == .balance { examine(sessions.id(of: slot), for: .move(id)) }
        }
        noteTicketsAsked(of: target, count: slots.count)
        request(
            .requestTicket(
                Unicast.TicketRequest(
                    holder: holder, cause: cause, count: UInt16(slots.count), sourceLoad: source,
                    sourceWeight: configuration.weight)), of: target, for: id)
    }

    /// A client that reads slowly would get the REDIRECT late, after all that waits for it, and its connection is not
    /// kept for so long: it stays, and is left alone for as long as one that was moved.
    mutating func leaveOut(_ session: SessionID, of id: UInt64) {
        guard moves[id]?.stage == .asking, let slot = sessions.slot(of: session), sessions.move(of: slot) == id else {
            return
        }
        counters.movesPutOff += 1
        forgetMove(of: session, id)
        moves[id]?.sessions.removeAll { $0 == session }
        sessions.setMoved(at: seconds, of: slot)
    }

    /// The target has answered, or not in time (0).
    mutating func moveAnswered(_ granted: Int, ticket: UInt64, move id: UInt64) {
        guard let move = moves[id], move.stage == .asking else { return }
        if granted == 0 { noteRefusal(by: move.target) }
        // Who has gone, or is somebody else by now, is out of it.
        let present = move.sessions.filter { session in
            guard let slot = sessions.slot(of: session), sessions.move(of: slot) == id else { return false }
            return sessions.sessions[slot].isPresent && ticketHolder(slot) == move.holder
                && !sessions.sessions[slot].hasJob
        }
        let going = phase == .serving ? Array(present.prefix(granted)) : []
        for session in move.sessions where !going.contains(session) { forgetMove(of: session, id) }
        moves[id]?.sessions = going
        moves[id]?.ticket = ticket
        guard !going.isEmpty else {
            if granted > 0 { withdraw(id) } else { moves[id] = nil }
            return
        }
        // Of several sessions, which follow the log, all have been shown the same.
        var floor: Floor?
        for session in going {
            guard let slot = sessions.slot(of: session) else { continue }
            let shown = self.floor(of: slot)
            floor = floor.map { union($0, shown) } ?? shown
            if sessions.sessions[slot].state == .live { moves[id]?.logEnd = publications.end }
            stopFeeding(slot)
            sessions.setState(.away, of: slot)
        }
        moves[id]?.floor = floor
        handOver(id)
    }

    /// A client that has just got its LOGIN_SUCCESS is sent on at once: it begins there with what is new from now on.
    mutating func moveNewcomer(_ slot: Int, ticket: UInt64, to target: ServerID) {
        nextJob += 1
        moves[nextJob] = Move(
            holder: ticketHolder(slot), cause: .login, target: target, stage: .asking,
            sessions: [sessions.id(of: slot)], ticket: ticket, floor: floor(of: slot))
        sessions.setMove(nextJob, of: slot)
        sessions.setState(.away, of: slot)
        loadChanged()
        handOver(nextJob)
    }

    private mutating func handOver(_ id: UInt64) {
        guard let move = moves[id], let floor = move.floor,
            let slot = move.sessions.first.flatMap({ sessions.slot(of: $0) })
        else { return }
        moves[id]?.stage = .handingOver
        let user = sessions.user(of: slot)
        guard requests.count < configuration.limits.requests else { return handedOver(false, move: id) }
        let number = numberToKeep(slot)
        moves[id]?.session = number
        request(
            .handOver(
                Unicast.HandOver(
                    ticket: move.ticket, session: number, verifier: user.claim == nil ? nil : user.verifier,
                    floor: floor)),
            of: move.target, for: id)
    }

    /// The target knows where the sessions are to begin (or has not said so in time): their clients may go.
    mutating func handedOver(_ isNoted: Bool, move id: UInt64) {
        guard let move = moves[id], move.stage == .handingOver else { return }
        moves[id]?.stage = .leaving
        moves[id]?.lastSeq = store.streams[Self.ownIndex].held
        guard isNoted, phase == .serving, let server = servers.index(of: move.target) else { return moveFailed(id) }
        guard !move.sessions.isEmpty else { return withdraw(id) }
        for session in move.sessions {
            guard let slot = sessions.slot(of: session) else { continue }
            if move.cause != .login { counters.sessionsMoved += 1 }
            keepFloor(slot, of: move)
            redirect(slot, to: server)
        }
    }

    /// The number under which the floor of a session is kept here until it is known to have come elsewhere.
    private mutating func numberToKeep(_ slot: Int) -> UInt64 {
        guard keepsSessions, sessions.user(of: slot).claim != nil else { return 0 }
        if sessions.number(of: slot) == 0 {
            nextSession += 1
            return nextSession
        }
        return sessions.number(of: slot)
    }

    /// The client may turn up somewhere else, or the target may die: then its floor is found here.
    private mutating func keepFloor(_ slot: Int, of move: Move) {
        guard move.session > 0, let floor = move.floor, case .claim(let claim) = move.holder else { return }
        sessions.setNumber(0, of: slot)
        tell(.sessionDetached, SessionRecord(number: move.session, floor: floor), of: claim)
        keep(DetachedSessions.Entry(claim: claim, number: move.session, floor: floor, since: now))
    }

    /// Nobody goes.
    private mutating func withdraw(_ id: UInt64) {
        guard let move = moves[id] else { return }
        moves[id] = nil
        withdraw(ticket: move.ticket, from: move.target)
    }

    /// Nobody comes with this ticket.
    mutating func withdraw(ticket: UInt64, from target: ServerID) {
        post(.withdraw(ticket: ticket), to: target, request: 0)
    }

    /// The client goes; what it still says counts.
    mutating func redirect(_ slot: Int, to server: Int) {
        counters.redirects += 1
        let address = members[server].address
        reply(.redirect(hostname: Array(address.host.utf8), port: address.port), to: slot)
        finish(slot, .redirected, keepsReading: true)
    }

    /// The target is gone, or knows of no ticket: the sessions go on here from where they were.
    private mutating func moveFailed(_ id: UInt64) {
        guard let move = moves[id] else { return }
        counters.movesFailed += 1
        withdraw(id)
        for session in move.sessions {
            guard let slot = sessions.slot(of: session), sessions.move(of: slot) == id else { continue }
            forgetMove(of: session, id)
            guard sessions.sessions[slot].state == .away else { continue }
            // The target may have its floor all the same, and never hear that nobody comes.
            if phase == .serving, case .claim(let claim) = move.holder {
                if sessions.number(of: slot) == move.session { sessions.setNumber(0, of: slot) }
                noteGoneOn(move.session, from: self.id, of: claim)
            }
            closeSession(slot)
            // What it was sent of the log until then stands before all that it is sent from now on.
            if let end = move.logEnd { sessions.setFollowedFrom(end, of: slot) }
            // Who has only just logged in may be owed what an older session was not shown; nothing can be looked for
            // while something else is asked for the client.
            let isNew = move.cause == .login && !sessions.sessions[slot].hasJob
            if isNew { stay(slot, at: move.floor) } else { begin(slot, at: move.floor) }
        }
    }

    private mutating func forgetMove(of session: SessionID, _ id: UInt64) {
        guard let slot = sessions.slot(of: session), sessions.move(of: slot) == id else { return }
        sessions.setMove(nil, of: slot)
    }

    /// A session of a move has said something: the target will have to wait for it.
    mutating func noteActivity(ofMove slot: Int) {
        guard let id = sessions.move(of: slot) else { return }
        moves[id]?.lastSeq = store.streams[Self.ownIndex].held
    }

    /// The session says nothing more here.
    mutating func endMove(of slot: Int) {
        guard let id = sessions.move(of: slot) else { return }
        let session = sessions.id(of: slot)
        sessions.setMove(nil, of: slot)
        moves[id]?.sessions.removeAll { $0 == session }
        endMoveIfEmpty(id)
    }

    /// When the last session of a move has ended, the target may let them speak.
    private mutating func endMoveIfEmpty(_ id: UInt64) {
        guard let move = moves[id], move.stage == .leaving, move.sessions.isEmpty else { return }
        // Anonymous clients have no order to be kept.
        guard case .claim(let claim) = move.holder else {
            moves[id] = nil
            return
        }
        moves[id]?.stage = .ending
        var after = [StreamPosition(origin: self.id, seq: move.lastSeq)]
        if let earlier = lastActivity[claim] { after.append(earlier) }
        let words = Unicast.Body.moved(ticket: move.ticket, after: after)
        guard requests.count < configuration.limits.requests else {
            // Said once, without an answer: at worst the client waits there.
            moves[id] = nil
            return post(words, to: move.target, request: 0)
        }
        request(words, of: move.target, for: id)
    }

    // MARK: As the target

    /// Who has joined lately took over what had been delivered elsewhere, without the records: sessions that are owed
    /// some of it are better where they are.
    mutating func noteHandOver(_ handOver: Unicast.HandOver, source: ServerID) -> Bool {
        guard canFeed(from: handOver.floor) else { return false }
        let expires = now.adding(milliseconds: configuration.timing.ticket)
        timers.set(.tickets, at: expires)
        return tickets.note(handOver, source: source, until: expires)
    }

    mutating func noteWithdrawn(_ ticket: UInt64, source: ServerID) {
        if tickets.withdraw(ticket, source: source) { loadChanged() }
    }

    mutating func noteMoved(_ ticket: UInt64, after positions: [StreamPosition], source: ServerID) -> Bool {
        let positions = Array(positions.prefix(Self.lastWordsMax))
        for index in newcomers.indices where newcomers[index].source == source && newcomers[index].ticket == ticket {
            newcomers[index].after = positions
        }
        let isNoted = tickets.noteMoved(ticket, after: positions, source: source)
        settleNewcomers()
        return isNoted
    }

    /// Of its own stream, and of the one in which the user spoke before.
    private static let lastWordsMax = 2

    /// A client has come with a ticket: it begins where it was, and waits with what it says.
    mutating func arrive(_ slot: Int, with ticket: Tickets.Ticket) {
        counters.ticketsUsed += 1
        // Draining takes no account of it, and is none: who has to leave a server is not to wait for a better place.
        if ticket.cause != .drain { sessions.setMoved(at: seconds, of: slot) }
        guard let handOver = ticket.handOver else { return stay(slot) }
        if case .claim = ticket.holder {
            newcomers.append(
                Newcomer(
                    session: sessions.id(of: slot), source: ticket.source, ticket: ticket.request, after: ticket.after,
                    deadline: now.adding(milliseconds: Self.arrivalPatience)))
        }
        // If the session has gone on elsewhere meanwhile, its floor is used, and says nothing of where its client is.
        guard !whereabouts.isGone(handOver.session, from: ticket.source) else { return stay(slot) }
        if case .claim(let claim) = ticket.holder {
            noteGoneOn(handOver.session, from: ticket.source, of: claim)
        }
        // Who was sent on at its login may have been here or elsewhere before.
        if ticket.cause == .login { stay(slot, at: handOver.floor) } else { succeed(slot, at: handOver.floor) }
    }

    /// Everybody forgets where the session was: its floor is used, be it from its server, from a ticket or by a guess.
    mutating func noteGoneOn(_ number: UInt64, from source: ServerID, of claim: ClaimID) {
        guard number > 0, keepsSessions else { return }
        whereabouts.noteGone(number, from: source, of: claim)
        tell(
            .sessionMoved, SessionRecord(number: number, floor: Floor([StreamPosition(origin: source, seq: number)])),
            of: claim)
    }

    /// A client that came with a ticket, whose last words at the other server are waited for.
    struct Newcomer: Sendable {
        var session: SessionID
        /// It has begun, and its input waits.
        var job: UInt64?
        var source: ServerID
        var ticket: UInt64
        var after: [StreamPosition]?
        var deadline: Instant
    }

    private func isAllDelivered(_ positions: [StreamPosition]?) -> Bool {
        guard let positions else { return false }
        return positions.allSatisfy { isDelivered($0) }
    }

    /// The session has begun. If it has come from another server, that one may still hear it: its input waits.
    mutating func holdNewcomer(_ slot: Int) {
        let session = sessions.id(of: slot)
        guard let index = newcomers.firstIndex(where: { $0.session == session && $0.job == nil }) else { return }
        let isHasty = configuration.defect == .arrivalNotAwaited
        guard !isHasty, !isAllDelivered(newcomers[index].after), newcomers[index].deadline > now else {
            newcomers.remove(at: index)
            return
        }
        let job = SessionJob(session: session, kind: .login, stage: .arriving, name: [], secret: [])
        newcomers[index].job = begin(job, slot: slot)
        timers.set(.newcomers, at: newcomers[index].deadline)
    }

    /// Lets those speak whose words at the other server have all been delivered here, and those who waited too long.
    /// To be called when something was delivered, at the end of each turn.
    mutating func settleNewcomers() {
        guard !newcomers.isEmpty else { return }
        var waiting: [Newcomer] = []
        for newcomer in newcomers where sessions.slot(of: newcomer.session) != nil {
            guard let job = newcomer.job else {
                waiting.append(newcomer)
                continue
            }
            guard jobs[job] != nil else { continue }
            let isDone = isAllDelivered(newcomer.after)
            if !isDone, newcomer.deadline > now {
                waiting.append(newcomer)
            } else {
                if !isDone { counters.arrivalsExpired += 1 }
                _ = end(job)
            }
        }
        newcomers = waiting
        if let next = newcomers.lazy.filter({ $0.job != nil }).map(\.deadline).min() {
            timers.set(.newcomers, at: next)
        }
    }

    // MARK: Time

    /// Seconds since the start.
    var seconds: UInt32 { UInt32(truncatingIfNeeded: now.milliseconds(since: started) / 1000) }
}

extension Move {
    var isBeforeRedirect: Bool { stage == .asking || stage == .handingOver }
}
