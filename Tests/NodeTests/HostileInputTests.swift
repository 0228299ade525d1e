import Codecs
import Testing

@testable import Node

/// Whatever servers and clients send, in whatever order: the node goes on, and what it remembers is bounded.
@Suite struct HostileInputTests {
    // MARK: Single blows

    @Test(arguments: [.max, .max - 1, .max - 2] as [UInt32])
    func `a server may say that its load is enormous`(load: UInt32) {
        let desk = Desk()
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        desk.say(.announcement(Peers.announcement(1, of: 1, load: load)), over: link)
        let client = desk.anonymous()
        #expect(desk.replies[client] == [#"{"command":"LOGIN_SUCCESS","info":"logged in as user anonymous"}"#])
    }

    @Test func `a server may tell of gaps beyond all numbers`() {
        let desk = Desk()
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        for peer in 1...3 as ClosedRange<UInt64> {
            desk.say(Peers.records(Peers.id(peer), from: 1, ["x"]), over: link)
            desk.say(.gap(StreamPosition(origin: Peers.id(peer), seq: (1 << 63) - 1)), over: link)
        }
        #expect(desk.closed.isEmpty)
    }

    @Test(arguments: [1024, 1025, 65_535, 65_536, 200_000])
    func `a user name of any length is looked up or unknown`(bytes: Int) {
        let desk = Desk()
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        desk.say(.announcement(Peers.announcement(1, of: 1)), over: link)
        let client = desk.connect()
        let name = String(repeating: "n", count: bytes)
        desk.say("{\"command\":\"LOGIN\",\"username\":\"\(name)\",\"secret\":\"s\"}\n", by: client)
        let isAsked = desk.heard(over: link).contains { said in
            if case .frame(.unicast(let unicast)) = said, case .lookUp = unicast.body { true } else { false }
        }
        // A longer one cannot be registered: no server has to be asked, and the frame would break the link.
        #expect(isAsked == (bytes <= Claim.Limit.userNameBytes))
        #expect((desk.finished[client] == .loginFailed) == !isAsked)
    }

    @Test func `an activity too large for a record is refused, however long lines may be`() {
        let desk = Desk { $0.limits.lineBytes = 64 << 20 }
        let client = desk.anonymous()
        let filler = String(repeating: "x", count: RecordHeader.recordBytesMax - 120)
        desk.say(
            "{\"command\":\"ACTIVITY_MESSAGE\",\"username\":\"anonymous\",\"activity\":{\"t\":\"\(filler)\"}}\n",
            by: client)
        #expect(desk.finished[client] == .invalidMessage)
    }

    @Test func `a server that has registered a user keeps its identity`() {
        let desk = Desk()
        let id = desk.node.id
        let client = desk.connect()
        desk.say("{\"command\":\"REGISTER\",\"username\":\"ada\",\"secret\":\"s\"}\n", by: client)
        desk.hash()
        let link = desk.prove()
        desk.say(
            .introduction(
                PeerFrame.Introduction(
                    id: Peers.id(1), address: Peers.address(1), networkTime: 0,
                    known: ServerID(startStamp: id.startStamp + 1, random: 0))), over: link)
        #expect(desk.node.id == id)
    }

    @Test(arguments: ["", "\n", "{}", "{\"a\":1}\n{\"a\":2}\n", "{\"a\":1}\r\n", "{\"a\":1}\n\n", "null\n", "\n{}\n"])
    func `what another server calls an activity and is not one line is relayed and not shown`(text: String) {
        let desk = Desk()
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        let other = desk.join(Peers.id(2), at: Peers.address(2))
        _ = desk.anonymous()
        var record: [UInt8] = []
        RecordHeader(kind: RecordKind.activity.rawValue).encode(payloadBytes: text.utf8.count, into: &record)
        record += Array(text.utf8)
        var frame: [UInt8] = []
        RecordsFrame.encodeHeader(origin: Peers.id(1), first: 1, count: 1, recordBytes: record.count, into: &frame)
        desk.say(frame + record, over: link)
        desk.say(Peers.records(Peers.id(1), from: 2, ["x"]), over: link)
        #expect(desk.published == [#"{"text":"x"}"#])
        #expect(desk.node.statistics.linesMalformed == 1)
        #expect(desk.node.held(of: Peers.id(1)) == 2)
        let passedOn = desk.heard(over: other).reduce(0) { count, said in
            if case .records(_, _, let records) = said { count + records } else { count }
        }
        #expect(passedOn == 2)
    }

    @Test func `a record that depends on number 0 of an unknown stream waits for nothing`() {
        let desk = Desk()
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        _ = desk.anonymous()
        let nothing = StreamPosition(origin: Peers.id(9), seq: 0)
        desk.say(Peers.records(Peers.id(1), from: 1, ["x"], dependency: nothing), over: link)
        #expect(desk.published == [#"{"text":"x"}"#])
    }

    @Test func `vectors of many thousands of servers leave no more than the limits say`() {
        let desk = Desk { $0.limits.members = 40 }
        let ids = (0..<20_000 as Range<UInt64>).map { ServerID(startStamp: $0 << 20, random: $0) }
        let entries = ids.map { PeerFrame.Level.Entry(origin: $0, held: 7, oldest: 8) }
        let link = desk.join(Peers.id(1), at: Peers.address(1), holding: entries)
        let digests = ids.map { PeerFrame.Digest(origin: $0, held: .max, announcement: .max) }
        desk.say(.have(digests), over: link)
        desk.say(.haveSince(digests), over: link)
        desk.say(.graft(digests), over: link)
        let held = ids.map { StreamPosition(origin: $0, seq: 9) }
        desk.say(.announcement(Peers.announcement(1, of: 1, held: held)), over: link)
        desk.pass(milliseconds: 10)
        #expect(desk.closed.isEmpty)
        #expect(desk.node.servers.count <= 40)
        #expect(desk.node.brokenInvariants() == [])
    }

    /// Sixteen such announcements would go into one frame to the next neighbour, and end that link, again and again.
    @Test(arguments: [Announcement.neighboursMax, Announcement.neighboursMax + 1])
    func `a server that names too many neighbours is not heard`(count: Int) {
        let desk = Desk()
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        var announcement = Peers.announcement(1, of: 1)
        announcement.neighbours = (0..<UInt64(count)).map { ServerID(startStamp: $0, random: $0) }
        desk.say(.announcement(announcement), over: link)
        #expect((desk.closed[link] == .brokenFrame) == (count > Announcement.neighboursMax))
    }

    @Test(arguments: [0, 1, .max / 2, .max - 1, .max] as [UInt64])
    func `a network may have any time`(time: UInt64) {
        let desk = Desk()
        let link = desk.prove()
        desk.say(
            .introduction(PeerFrame.Introduction(id: Peers.id(1), address: Peers.address(1), networkTime: time)),
            over: link)
        desk.say(.level(PeerFrame.Level(registryDigest: RegistryDigest(), entries: [])), over: link)
        desk.say(.claims([Peers.claim("ada", stamp: time)]), over: link)
        let client = desk.connect()
        desk.say("{\"command\":\"REGISTER\",\"username\":\"eve\",\"secret\":\"s\"}\n", by: client)
        desk.hash()
        desk.pass(milliseconds: 5000)
        #expect(desk.replies[client]?.first?.contains("REGISTER_SUCCESS") == true)
        #expect(desk.node.brokenInvariants() == [])
    }

    // MARK: Floods

    @Test(arguments: 0..<16 as Range<UInt64>)
    func `no sequence of inputs stops a node`(seed: UInt64) {
        var adversary = Adversary(seed: seed)
        for _ in 0..<2500 { adversary.act() }
        adversary.expectBounds()
        adversary.expectReach()
        adversary.desk.node.shutdown(at: adversary.desk.now)
        for _ in 0..<100 { adversary.act() }
    }

    @Test func `random bytes as frames of every type on a proven link close it or are ignored`() {
        var generator = SplitMix64(seed: 4)
        for _ in 0..<4000 {
            let desk = Desk()
            let link = desk.join(Peers.id(1), at: Peers.address(1))
            let kinds = PeerFrame.Kind.allCases
            let body = generator.bytes(Int(generator.next() % 100))
            var frame: [UInt8] = []
            frame.appendInteger(UInt32(body.count + 1))
            desk.say(
                frame + [kinds[Int(generator.next() % UInt64(kinds.count))].rawValue] + body, over: link)
            desk.pass(milliseconds: 200)
        }
    }
}

/// Plays servers and clients that do anything, with a seeded generator.
private struct Adversary {
    let desk: Desk
    var generator: SplitMix64
    var links: [LinkID] = []
    var clients: [SessionID] = []
    var paused: Set<SessionID> = []

    /// One number in so many is one at which arithmetic breaks.
    let wildness: Int

    init(seed: UInt64) {
        wildness = [2, 20, 200, 2000][Int(seed % 4)]
        generator = SplitMix64(seed: seed + 1000)
        desk = Desk(bootstrap: seed % 2 == 0 ? nil : Peers.address(0)) { configuration in
            configuration.limits.members = 40
            configuration.limits.links = 12
            configuration.limits.reservations = 20
            configuration.limits.requests = 20
            configuration.limits.hashJobs = 10
            configuration.limits.tickets = 20
            configuration.limits.claims = 30
            configuration.limits.lineBytes = 2000
            configuration.limits.storeBytes = 1 << 20
            configuration.limits.linkWindowBytes = 64 << 10
        }
    }

    mutating func number(_ bound: Int) -> Int { Int(generator.next() % UInt64(bound)) }

    mutating func act() {
        if number(2) == 0 { answerOutputs() }
        switch number(20) {
        case 0: if links.count < 14 { open() }
        case 1: if !links.isEmpty, number(4) == 0 { drop() }
        case 2: desk.pass(milliseconds: [1, 50, 500, 4000][number(4)])
        case 3: answerOutputs()
        case 4...8: client()
        default: if links.isEmpty { open() } else { speak() }
        }
    }

    private mutating func open() {
        switch number(6) {
        case 0: links.append(desk.accept())
        case 1: links.append(desk.prove())
        case 2: links.append(desk.prove(secret: [1]))
        case 3:
            links.append(desk.prove())
            desk.say(introduction(), over: links[links.count - 1])
        default:
            let peer = UInt64(number(6))
            links.append(
                desk.join(Peers.id(peer), at: Peers.address(Int(peer)), holding: entries()))
        }
    }

    private mutating func drop() {
        desk.end(links.remove(at: number(links.count)))
    }

    private mutating func entries() -> [PeerFrame.Level.Entry] {
        (0..<number(4)).map { _ in
            let held = min(seq(), (1 << 63) - 1)
            return PeerFrame.Level.Entry(origin: server(), held: held, oldest: number(2) == 0 ? held + 1 : held / 2)
        }
    }

    /// Numbers at which arithmetic breaks, and ordinary ones.
    private mutating func seq() -> UInt64 {
        guard number(wildness) == 0 else { return UInt64(number(10)) }
        return switch number(5) {
        case 0: .max - UInt64(number(2))
        case 1: (1 << 63) - UInt64(number(3))
        case 2: (1 << 32) - 1
        case 3: 0
        default: generator.next()
        }
    }

    private mutating func server() -> ServerID {
        switch number(10) {
        case 0: desk.node.id
        case 1: ServerID(startStamp: seq(), random: generator.next())
        default: Peers.id(UInt64(number(6)))
        }
    }

    private mutating func announcement() -> Announcement {
        var announcement = Peers.announcement(seq(), of: UInt64(number(6)), load: UInt32(truncatingIfNeeded: seq()))
        announcement.id = server()
        announcement.loadClock = seq()
        if number(4) == 0 { announcement.address = Peers.address(number(8)) }
        if number(20) == 0 { announcement.address = Desk.address }
        announcement.isLeaving = number(20 * wildness) == 0
        announcement.neighbours = (0..<number(3)).map { _ in server() }
        announcement.held = (0..<number(3)).map { _ in StreamPosition(origin: server(), seq: seq()) }
        return announcement
    }

    private mutating func claim() -> Claim {
        var claim = Peers.claim("user\(number(40))", stamp: seq(), of: UInt64(number(3)))
        claim.id.origin = server()
        return claim
    }

    private mutating func unicast() -> Unicast {
        let holder: Unicast.TicketHolder =
            number(2) == 0 ? .claim(claim().id) : .address([UInt8](repeating: 0, count: 15) + [UInt8(number(3))])
        let bodies: [Unicast.Body] = [
            .reserve(claim()), .reserved(Unicast.Verdict(rawValue: UInt8(number(4))) ?? .busy),
            .release(claim().id, name: claim().name), .lookUp(name: claim().name), .found(nil), .found(claim()),
            .requestTicket(
                Unicast.TicketRequest(
                    holder: holder, cause: Unicast.TicketCause(rawValue: UInt8(number(3))) ?? .login,
                    count: UInt16(1 + number(3)), sourceLoad: UInt32(truncatingIfNeeded: seq()),
                    sourceWeight: UInt32(truncatingIfNeeded: seq()))),
            .ticket(granted: UInt16(number(3)), load: UInt32(truncatingIfNeeded: seq()), loadClock: seq()),
            .handOver(
                Unicast.HandOver(
                    ticket: seq(), verifier: nil,
                    floor: Floor([StreamPosition(origin: server(), seq: seq())]))),
            .moved(ticket: seq(), after: [StreamPosition(origin: server(), seq: seq())]),
            .noted(number(2) == 0), .withdraw(ticket: seq()),
        ]
        return Unicast(
            source: server(), destination: number(3) == 0 ? server() : desk.node.id, request: UInt64(number(30)),
            hopLimit: UInt8(truncatingIfNeeded: seq()), body: bodies[number(bodies.count)])
    }

    private mutating func introduction() -> PeerFrame {
        .introduction(
            PeerFrame.Introduction(
                id: server(), address: number(20) == 0 ? Desk.address : Peers.address(number(6)), networkTime: seq(),
                known: server()))
    }

    private mutating func frame() -> [UInt8] {
        let frames: [PeerFrame] = [
            .gap(StreamPosition(origin: server(), seq: seq())),
            .have((0..<number(5)).map { _ in .init(origin: server(), held: seq(), announcement: seq()) }),
            .prune(server()), .graft([PeerFrame.Digest(origin: server(), held: seq(), announcement: seq())]),
            .announcement(announcement()), .unicast(unicast()), .unicast(unicast()),
            .credit(consumed: number(wildness) == 0 ? seq() : 0),
            .heartbeat, .want(number(2) == 0), .claims((0..<number(4)).map { _ in claim() }), .stateEnd,
            .members(
                (0..<number(3)).map { _ in announcement() }, unreachable: (0..<number(2)).map { _ in announcement() }),
            .level(PeerFrame.Level(registryDigest: RegistryDigest(), entries: entries())),
            introduction(),
            .bye(.shutdown), .refusal(.addressTaken, text: "no"), .proof(generator.bytes(32)),
        ]
        // Records are half of what is said; frames that end a link are rare.
        let choice = number(40)
        if choice < 18 {
            let origin = server()
            let held = desk.node.servers.index(of: origin).map { desk.node.store.streams[$0].held } ?? 0
            return Peers.records(
                origin, from: number(4) == 0 ? seq() : held + UInt64(number(20) == 0 ? 2 : 1),
                (0..<number(4)).map { "t\($0)" }, claim: number(2) == 0 ? claim().id : nil,
                dependency: number(3) == 0 ? StreamPosition(origin: server(), seq: seq()) : nil)
        }
        var bytes: [UInt8] = []
        frames[number(wildness) > 0 ? number(13) : number(frames.count)].encode(into: &bytes)
        return bytes
    }

    private mutating func speak() {
        var bytes = frame()
        switch number(20 * wildness) {
        case 0: bytes = generator.bytes(number(60))
        case 1: bytes[number(bytes.count)] = UInt8(number(256))
        case 2: bytes.removeLast(number(bytes.count))
        default: break
        }
        desk.say(bytes, over: links[number(links.count)])
    }

    private mutating func client() {
        guard !clients.isEmpty, number(5) != 0 else {
            if clients.count < 30 { clients.append(desk.connect(address: UInt8(number(3)))) }
            return
        }
        let index = number(clients.count)
        let name = ["anonymous", "user\(number(40))", ""][number(3)]
        let lines = [
            #"{"command":"LOGIN","username":"\#(name)","secret":"s"}"#,
            #"{"command":"REGISTER","username":"\#(name)","secret":"s"}"#,
            #"{"command":"ACTIVITY_MESSAGE","username":"anonymous","activity":{"n":\#(number(9))}}"#,
            #"{"command":"ACTIVITY_MESSAGE","username":"\#(name)","secret":"s","activity":{}}"#,
            #"{"command":"LOGOUT"}"#, "{", String(repeating: "y", count: number(3000)),
            String(decoding: generator.bytes(number(40)), as: UTF8.self),
        ]
        let id = clients[index]
        desk.say(lines[number(number(3) == 0 ? lines.count : 4)] + "\n", by: id, atEnd: number(30) == 0)
        if desk.finished[id] != nil || number(20) == 0 {
            desk.node.clientClosed(id, at: desk.now)
            desk.settle()
            clients.remove(at: index)
        }
    }

    private mutating func answerOutputs() {
        for output in desk.takeOutputs() {
            switch output {
            case .hash(let id, let secret, let salt, _):
                desk.node.hashed(id, digest: number(5) == 0 ? nil : toyDigest(secret + salt), at: desk.now)
            case .dial(let dial, _):
                if number(3) == 0 {
                    links.append(desk.accept(dial: dial))
                } else {
                    desk.node.dialFailed(dial, text: "no", at: desk.now)
                }
            case .closeLink(let link, _):
                links.removeAll { $0 == link }
                desk.node.linkClosed(link, at: desk.now)
            default: break
            }
            desk.settle()
        }
    }

    /// What a node remembers, after everything, is no more than its limits say.
    func expectBounds() {
        let node = desk.node
        let limits = node.configuration.limits
        #expect(node.servers.count <= limits.members)
        #expect(node.registry.claims.count <= limits.claims)
        #expect(node.reservations.count <= limits.reservations)
        #expect(node.requests.count <= limits.requests)
        #expect(node.hashJobs.count <= limits.hashJobs)
        #expect(node.tickets.unusedCount <= limits.tickets)
        #expect(node.jobs.count <= clients.count)
        #expect(node.links.count <= links.count)
        #expect(node.store.byteCount <= limits.storeBytes)
        #expect(node.timers.count <= 20 + 2 * limits.members + links.count + limits.requests + node.jobs.count)
        #expect(node.waiting.count <= limits.members)
        #expect(node.unheldClaims.count <= limits.claims)
        #expect(node.sessions.users.count <= 1 + limits.claims)
    }
    /// The inputs were not so wild that nothing came of them.
    func expectReach() {
        let statistics = desk.node.statistics
        guard wildness > 100 else { return }
        #expect(statistics.activitiesDelivered > 100)
        #expect(statistics.recordsReceived > 100 && statistics.recordsDuplicate > 0)
        #expect(statistics.logins > 3 && statistics.claims > 0)
        #expect(statistics.announcementsReceived > 10)
    }
}
