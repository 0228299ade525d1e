import Codecs

/// A request of this server to another one, sent again until it is answered or its time is up.
struct Request: Sendable {
    /// The session's job that waits for the answer.
    var job: UInt64
    var destination: ServerID
    var body: Unicast.Body
    var deadline: Instant
}

/// Messages to servers that need not be neighbours. The link over which an origin's records come is the next hop
/// towards it: the trees are a routing table for nothing.
extension Node {
    /// Parents may point in a circle while a tree is repaired.
    static let hopLimit: UInt8 = 32

    // MARK: Requests

    /// Asks another server; the answer, or that none came in time, goes to the job.
    mutating func request(_ body: Unicast.Body, of destination: ServerID, for job: UInt64) {
        nextRequest += 1
        let deadline = now.adding(milliseconds: configuration.timing.requestTimeout)
        requests[nextRequest] = Request(job: job, destination: destination, body: body, deadline: deadline)
        sendRequest(nextRequest)
    }

    private mutating func sendRequest(_ id: UInt64) {
        guard let request = requests[id] else { return }
        post(request.body, to: request.destination, request: id)
        let retry = now.adding(milliseconds: configuration.timing.requestRetry)
        timers.set(.request(id), at: min(retry, request.deadline))
    }

    mutating func retryRequest(_ id: UInt64) {
        guard let request = requests[id] else { return }
        if now < request.deadline { return sendRequest(id) }
        requests[id] = nil
        counters.requestsTimedOut += 1
        if let server = servers.index(of: request.destination) { suspect(server) }
        requestFailed(request, id: id)
    }

    /// Sends without waiting for an answer.
    mutating func post(_ body: Unicast.Body, to destination: ServerID, request: UInt64) {
        forward(
            Unicast(source: id, destination: destination, request: request, hopLimit: Self.hopLimit, body: body))
    }

    // MARK: Routing

    private mutating func forward(_ unicast: Unicast) {
        guard let server = servers.index(of: unicast.destination), let hop = nextHop(to: server) else {
            counters.unicastsDropped += 1
            return
        }
        send(.unicast(unicast), link: hop)
    }

    private func nextHop(to server: Int) -> Int? {
        if let direct = linkIndex(toServer: server), links[direct].isOpen { return direct }
        if let parent = members[server].parent, let index = linkIndex(parent), links[index].isOpen { return index }
        return shortestWay(to: server)
    }

    /// Of the neighbours the one that is closest to the server, as far as announcements tell: as long as there is no
    /// tree.
    private func shortestWay(to server: Int) -> Int? {
        var reached = [server]
        var isReached = servers.ids.indices.map { $0 == server || $0 == Self.ownIndex }
        var next = 0
        while next < reached.count {
            let neighbours = (members[reached[next]].announcement?.neighbours ?? []).compactMap {
                servers.index(of: $0)
            }
            for neighbour in neighbours where !isReached[neighbour] {
                if let index = linkIndex(toServer: neighbour), links[index].isOpen { return index }
                isReached[neighbour] = true
                reached.append(neighbour)
            }
            next += 1
        }
        return nil
    }

    /// The body of a frame. What is for another server goes on as it is, unread.
    mutating func receiveUnicast(_ body: [UInt8]) throws(FrameFault) {
        var reader = WireReader(body)
        let head = try Unicast.Head(from: &reader)
        if head.destination != id { return passOn(body, head) }
        // The neighbour that it came from need not have made it: what is wrong with it breaks no link.
        guard case .unicast(let unicast)? = try? PeerFrame.decode(.unicast, body: body) else {
            counters.unicastsUnknown += 1
            return
        }
        receive(unicast)
    }

    private mutating func passOn(_ body: [UInt8], _ head: Unicast.Head) {
        guard head.hopLimit > 1, let server = servers.index(of: head.destination), let hop = nextHop(to: server) else {
            counters.unicastsDropped += 1
            return
        }
        let start = outbox.bytes.count
        outbox.bytes.appendHeader(of: .unicast, bodyBytes: body.count)
        outbox.bytes.append(contentsOf: body)
        outbox.bytes[outbox.bytes.count - body.count + Unicast.Head.size - 1] = head.hopLimit - 1
        outbox.append(.sendLink(links[hop].id, start..<outbox.bytes.count))
        links[hop].lastSent = now
        counters.unicastsForwarded += 1
    }

    private mutating func receive(_ unicast: Unicast) {
        switch unicast.body {
        case .reserve(let claim):
            answer(unicast, .reserved(arbitrate(claim)))
        case .release(let claim, let name): reservations.release(claim, name: name)
        case .lookUp(let name): answer(unicast, .found(knownClaim(of: name)))
        case .requestTicket(let request):
            let granted = grantTicket(request, source: unicast.source, number: unicast.request)
            answer(unicast, .ticket(granted: granted, load: load, loadClock: loadClock))
        case .handOver(let handOver): answer(unicast, .noted(noteHandOver(handOver, source: unicast.source)))
        case .moved(let ticket, let positions):
            answer(unicast, .noted(noteMoved(ticket, after: positions, source: unicast.source)))
        case .withdraw(let ticket): noteWithdrawn(ticket, source: unicast.source)
        case .takeFloor(let claim, let number):
            takeFloor(claim, number: number, for: .init(server: unicast.source, request: unicast.request))
        case .listSessions(let number): answer(unicast, .sessions(sessionList(after: number)))
        case .reserved, .found, .ticket, .noted, .floorTaken, .sessions: receiveAnswer(unicast)
        }
    }

    private mutating func answer(_ unicast: Unicast, _ body: Unicast.Body) {
        post(body, to: unicast.source, request: unicast.request)
    }

    private mutating func receiveAnswer(_ unicast: Unicast) {
        // The second answer to a request that was sent twice finds nothing.
        guard let request = requests[unicast.request], request.destination == unicast.source else { return }
        switch (request.body, unicast.body) {
        case (.reserve(let claim), .reserved(let verdict)):
            requests[unicast.request] = nil
            releaseLate(claim, verdict: verdict, by: request.destination, job: request.job)
            reservationAnswered(verdict, by: request.destination, job: request.job)
        case (.lookUp, .found(let claim)):
            requests[unicast.request] = nil
            lookUpAnswered(claim, job: request.job)
        case (.requestTicket(let asked), .ticket(let granted, let load, let loadClock)):
            requests[unicast.request] = nil
            if let server = servers.index(of: request.destination) {
                members[server].noteLoad(load, clock: loadClock)
                considerRebalancing()
            }
            ticketsAnswered(min(granted, asked.count), of: asked, request: request, id: unicast.request)
        case (.handOver, .noted(let isNoted)):
            requests[unicast.request] = nil
            handedOver(isNoted, move: request.job)
        case (.moved, .noted):
            requests[unicast.request] = nil
            moves[request.job] = nil
        case (.takeFloor(let claim, _), .floorTaken(let answer)):
            requests[unicast.request] = nil
            floorAnswered(answer, of: claim, job: request.job)
        case (.listSessions, .sessions(let list)):
            requests[unicast.request] = nil
            sessionsListed(list, by: request.destination)
        default: break
        }
    }

    private mutating func ticketsAnswered(
        _ granted: UInt16, of asked: Unicast.TicketRequest, request: Request, id: UInt64
    ) {
        noteTicketsAnswered(by: request.destination, count: Int(asked.count))
        if moves[request.job] != nil {
            moveAnswered(Int(granted), ticket: id, move: request.job)
        } else if jobs[request.job] != nil {
            ticketAnswered(granted > 0, ticket: id, by: request.destination, job: request.job)
        } else if granted > 0 {
            withdraw(ticket: id, from: request.destination)
        }
    }

    private mutating func requestFailed(_ request: Request, id: UInt64) {
        switch request.body {
        case .reserve: reservationAnswered(nil, by: request.destination, job: request.job)
        case .lookUp: lookUpAnswered(nil, job: request.job)
        case .requestTicket(let asked):
            // A target that is only slow has given leave, and would count who never comes.
            withdraw(ticket: id, from: request.destination)
            ticketsAnswered(0, of: asked, request: request, id: id)
        case .handOver: handedOver(false, move: request.job)
        case .moved: moves[request.job] = nil
        case .takeFloor(let claim, _): floorAnswered(nil, of: claim, job: request.job)
        case .listSessions: sessionsListed(nil, by: request.destination)
        case .reserved, .release, .found, .ticket, .noted, .withdraw, .floorTaken, .sessions:
            preconditionFailure("only requests are waited for")
        }
    }
}
