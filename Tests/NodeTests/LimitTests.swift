import Codecs
import Testing

@testable import Node

/// Every limit reached once: what happens is stated, counted or reported.
@Suite struct LimitTests {
    private let register = #"{"command":"REGISTER","username":"ada","secret":"s"}"# + "\n"
    private let login = #"{"command":"LOGIN","username":"eve","secret":"s"}"# + "\n"

    @Test func `lineBytes: a longer line is refused`() {
        let desk = Desk { $0.limits.lineBytes = 20 }
        let client = desk.connect()
        desk.say(String(repeating: " ", count: 21), by: client)
        #expect(desk.finished[client] == .lineTooLong)
        #expect(desk.node.statistics.invalidMessages == 1)
    }

    @Test func `jsonDepth: a line that nests more deeply is refused`() {
        let desk = Desk { $0.limits.jsonDepth = 3 }
        func activity(_ value: String) -> String {
            #"{"command":"ACTIVITY_MESSAGE","username":"anonymous","activity":{"t":\#(value)}}"# + "\n"
        }
        let client = desk.anonymous()
        desk.say(activity("[1]"), by: client)
        #expect(desk.finished[client] == nil && desk.published.count == 1)
        desk.say(activity("[[1]]"), by: client)
        #expect(desk.finished[client] == .nestedTooDeeply)
        #expect(desk.node.statistics.invalidMessages == 1 && desk.published.count == 1)
    }

    @Test(arguments: [0, 1]) func `frameBytes: a link with a longer frame is closed`(surplus: Int) {
        let desk = Desk { $0.limits.frameBytes = 100_000 }
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        // A type that nobody knows, which would be stepped over.
        let length = 100_000 + PeerFrame.Limit.marginBytes + surplus
        var frame: [UInt8] = []
        for byte in 0..<4 { frame.append(UInt8(truncatingIfNeeded: length >> (8 * byte))) }
        desk.say(frame + [UInt8](repeating: 255, count: length), over: link)
        #expect(desk.closed[link] == (surplus > 0 ? .frameTooLong : nil))
        #expect(desk.node.statistics.framesUnknown == (surplus > 0 ? 0 : 1))
    }

    @Test func `storeBytes: the oldest records are given up, counted and told as a gap`() {
        let desk = Desk { $0.limits.storeBytes = 200_000 }
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        desk.end(link)
        let client = desk.anonymous()
        for _ in 0..<400 {
            desk.say(
                #"{"command":"ACTIVITY_MESSAGE","username":"anonymous","activity":{"t":""#
                    + String(repeating: "x", count: 1000) + "\"}}\n", by: client)
        }
        let statistics = desk.node.statistics
        #expect(statistics.storeBytes <= 200_000)
        #expect(statistics.recordsGivenUp > 0)
        #expect(statistics.recordsGivenUp + statistics.storeRecords == 400)
        let told = desk.reports.reduce(0 as UInt64) { sum, report in
            if case .givenUp(_, let records) = report { sum + records } else { sum }
        }
        #expect(told == statistics.recordsGivenUp)
        let again = desk.prove()
        desk.say(
            .introduction(
                PeerFrame.Introduction(
                    id: Peers.id(1), address: Peers.address(1), networkTime: 0)), over: again)
        desk.say(
            .level(
                PeerFrame.Level(
                    registryDigest: RegistryDigest(),
                    entries: [PeerFrame.Level.Entry(origin: desk.node.id, held: 0, oldest: 1)])), over: again)
        let position = StreamPosition(origin: desk.node.id, seq: statistics.recordsGivenUp)
        #expect(desk.heard(over: again).contains(.frame(.gap(position))))
    }

    @Test func `members: further servers are not taken, reported`() {
        let desk = Desk { $0.limits.members = 3 }
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        for peer in 2...5 as ClosedRange<UInt64> {
            desk.say(.announcement(Peers.announcement(1, of: peer)), over: link)
        }
        desk.say(Peers.records(Peers.id(9), from: 1, ["x"]), over: link)
        desk.say(.have([PeerFrame.Digest(origin: Peers.id(9), held: 1, announcement: 1)]), over: link)
        #expect(desk.node.servers.count == 3)
        #expect(desk.reports.filter { $0 == .limitReached("members") }.count == 1)
        let late = desk.prove()
        desk.say(
            .introduction(
                PeerFrame.Introduction(
                    id: Peers.id(6), address: Peers.address(6), networkTime: 0)), over: late)
        #expect(desk.closed[late] == .tooManyLinks)
    }

    @Test func `links: a further one is refused`() {
        let desk = Desk { $0.limits.links = 2 }
        for number in 1...2 { _ = desk.join(Peers.id(UInt64(number)), at: Peers.address(number)) }
        let late = desk.prove()
        desk.say(
            .introduction(
                PeerFrame.Introduction(
                    id: Peers.id(3), address: Peers.address(3), networkTime: 0)), over: late)
        #expect(desk.closed == [late: .tooManyLinks])
    }

    @Test func `links in their handshake: the oldest goes, and keeps nobody out who knows the secret`() {
        let desk = Desk { $0.limits.unprovenLinks = 2 }
        let idle = (0..<3).map { _ in desk.accept() }
        #expect(desk.closed == [idle[0]: .tooManyLinks])
        #expect(
            desk.reports == [
                .ready(alone: true),
                .linkRefused(idle[0], .tooManyLinks, remote: nil, text: "too many links in their handshake"),
            ])
        _ = desk.join(Peers.id(1), at: Peers.address(1))
        #expect(desk.closed == [idle[0]: .tooManyLinks, idle[1]: .tooManyLinks])
        #expect(desk.node.statistics.links == 1)
    }

    @Test func `reservations: the arbiter is busy, reported once`() {
        let desk = Desk { $0.limits.reservations = 1 }
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        _ = desk.heard(over: link)
        let verdicts = (0..<3).flatMap { number -> [Unicast.Body] in
            desk.say(
                .unicast(
                    Unicast(
                        source: Peers.id(1), destination: desk.node.id, request: UInt64(number), hopLimit: 3,
                        body: .reserve(Peers.claim("user\(number)")))), over: link)
            return desk.heard(over: link).compactMap { said in
                if case .frame(.unicast(let unicast)) = said { unicast.body } else { nil }
            }
        }
        #expect(verdicts == [.reserved(.granted), .reserved(.busy), .reserved(.busy)])
        #expect(desk.reports.filter { $0 == .limitReached("reservations") }.count == 1)
    }

    @Test func `requests: a login that would need one fails, a redirect is not tried`() {
        let desk = Desk { $0.limits.requests = 1 }
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        for address in 1...2 as ClosedRange<UInt8> { _ = desk.anonymous(address: address) }
        desk.say(.announcement(Peers.announcement(1, of: 1)), over: link)
        _ = desk.anonymous(address: 3)
        #expect(desk.node.requests.count == 1)
        let kept = desk.anonymous(address: 4)
        #expect(desk.node.requests.count == 1)
        #expect(desk.replies[kept]?.count == 1)
        let named = desk.connect()
        desk.say(login, by: named)
        // As long as a wrong secret would take.
        desk.hash()
        #expect(desk.finished[named] == .loginFailed)
        let registering = desk.connect()
        desk.say(register, by: registering)
        desk.hash()
        #expect(desk.finished[registering] == .registerFailed)
    }

    @Test func `hashJobs: further registrations and logins are told to come later`() {
        let desk = Desk { $0.limits.hashJobs = 1 }
        let clients = (0..<2).map { _ in desk.connect() }
        for client in clients { desk.say(register, by: client) }
        #expect(desk.node.hashJobs.count == 1)
        #expect(desk.finished == [clients[1]: .registerFailed])
        #expect(desk.node.statistics.registrationsFailed == 1)
    }

    @Test func `a hash is wanted as long as its session lives`() {
        let desk = Desk { $0.limits.hashJobs = 1 }
        let clients = (0..<2).map { _ in desk.connect() }
        desk.say(register, by: clients[0])
        #expect(desk.node.hashUnderWay(of: clients[0]) != nil && desk.node.hashUnderWay(of: clients[1]) == nil)
        desk.node.clientClosed(clients[0], at: desk.now)
        #expect(desk.node.hashUnderWay(of: clients[0]) == nil && desk.node.hashJobs.isEmpty)
        desk.say(register, by: clients[1])
        #expect(desk.node.hashUnderWay(of: clients[1]) != nil, "there is room for the next")
        desk.hash()
        #expect(desk.node.hashUnderWay(of: clients[1]) == nil && desk.finished.isEmpty)
    }

    @Test func `tickets: further ones are refused and counted`() {
        let desk = Desk { $0.limits.tickets = 1 }
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        for request in 1...2 as ClosedRange<UInt64> {
            desk.say(
                .unicast(
                    Unicast(
                        source: Peers.id(1), destination: desk.node.id, request: request, hopLimit: 3,
                        body: .requestTicket(
                            Unicast.TicketRequest(
                                holder: .claim(Peers.claim("ada", stamp: request).id), cause: .login, sourceLoad: 100)))
                ), over: link)
        }
        #expect(desk.node.statistics.ticketsGranted == 1)
        #expect(desk.node.statistics.ticketsRefused == 1)
    }

    @Test func `claims: a further user is not taken, reported once`() {
        let desk = Desk { $0.limits.claims = 1 }
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        desk.say(.claims(["ada", "bob", "eve"].map { Peers.claim($0) }), over: link)
        #expect(desk.node.statistics.claims == 1)
        #expect(desk.reports.filter { $0 == .limitReached("claims") }.count == 1)
        desk.end(link)
        let client = desk.connect()
        desk.say(register.replacing("ada", with: "zoe"), by: client)
        desk.hash()
        desk.pass(milliseconds: 5000)
        #expect(desk.finished[client] == .registerFailed)
    }

    @Test func `secrets: a longer one is neither kept nor hashed`() {
        let desk = Desk()
        let secret = String(repeating: "s", count: Claim.Limit.secretBytes + 1)
        let clients = ["REGISTER", "LOGIN"].map { command in
            let client = desk.connect()
            desk.say("{\"command\":\"\(command)\",\"username\":\"bob\",\"secret\":\"\(secret)\"}\n", by: client)
            return client
        }
        #expect(clients.map { desk.finished[$0] } == [.registerFailed, .loginFailed])
        #expect(desk.node.hashJobs.isEmpty && desk.node.jobs.isEmpty)
    }

    @Test func `requests: a server that comes late asks one after the other for their sessions, without a pause`() {
        let wires = Wires()
        for index in 0..<6 {
            wires.add(bootstrap: index == 0 ? nil : 0) { $0.timing.resumeWindow = 60_000 }
        }
        wires.pass(milliseconds: 2000)
        for index in 0..<6 {
            wires.drop(wires.register("user\(index)", at: index))
            wires.pass(milliseconds: 500)
            _ = wires.login("user\(index)", at: index)
        }
        // By then the records about them are stable, and gone.
        wires.pass(milliseconds: 120_000)
        wires.add(bootstrap: 0) {
            $0.timing.resumeWindow = 60_000
            $0.limits.requests = 1
        }
        wires.pass(milliseconds: 1000)
        #expect(wires.nodes[6].statistics.sessionsElsewhere == 6)
    }
}
