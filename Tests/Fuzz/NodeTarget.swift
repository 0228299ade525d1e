import Codecs
import Node

/// A program of inputs to a node: servers that know the secret and say anything, clients that do, and time. The node
/// goes on, comes to rest, keeps its invariants and its bounds, and tells clients nothing that is not a line of JSON.
struct NodeTarget {
    /// A server that has two neighbours, a user and two clients.
    private static let standing: Table = {
        var target = NodeTarget(table: Table(bootstrap: nil), choices: Choices([]))
        for peer in 0..<2 { target.join(peer, isDialled: false) }
        for _ in 0..<2 { target.table.connect(address: 1) }
        target.say(#"{"command":"REGISTER","username":"user1","secret":"s"}"#, by: 0)
        target.table.answerHash(true)
        target.table.pass(milliseconds: 4000)
        target.say(#"{"command":"LOGIN","username":"user1","secret":"s"}"#, by: 0)
        target.say(#"{"command":"LOGIN","username":"anonymous"}"#, by: 1)
        target.table.checkBounds()
        return target.table
    }()
    private static let joining = Table(bootstrap: Peer.address(0))

    private var table: Table
    private var choices: Choices

    static func run(_ bytes: [UInt8]) {
        guard let first = bytes.first else { return }
        let choices = Choices(Array(bytes.dropFirst()))
        var target = NodeTarget(table: first & 1 == 0 ? standing : joining, choices: choices)
        var steps = 0
        while !target.choices.isAtEnd, steps < 100 {
            target.act()
            steps += 1
        }
        target.table.checkBounds()
        if first & 2 != 0 {
            target.table.shutdown()
            target.table.pass(milliseconds: 5000)
            target.table.checkBounds()
        }
    }

    private mutating func act() {
        switch choices.number(32) {
        case 0...13: speak()
        case 14...20: client()
        case 21: table.answerHash(choices.number(8) != 0)
        case 22: table.failDial()
        case 23: table.pass(milliseconds: [1, 10, 100, 1000, 3500, 12_000, 61_000, 90_000][choices.number(8)])
        case 24: join(choices.number(6), isDialled: choices.number(2) == 0)
        case 25: openRaw()
        case 26: if !table.links.isEmpty { table.end(link) }
        case 27: if !table.clients.isEmpty { table.disconnect(index, acknowledged: optionalSeq()) }
        case 28: table.answerExamination(acknowledged: optionalSeq(), isStalled: choices.number(2) == 0)
        case 29: table.answerMeasure(choices.seq())
        case 30: if !table.clients.isEmpty { table.makeRoom(index) }
        default: if choices.byte() == 255 { table.drain() } else { table.connect(address: choices.byte() % 4) }
        }
    }

    private mutating func optionalSeq() -> UInt64? { choices.number(2) == 0 ? nil : choices.seq() }

    private var index: Int {
        mutating get { choices.number(table.clients.count) }
    }

    private var link: LinkID {
        mutating get { table.links[choices.number(table.links.count)].id }
    }

    // MARK: Servers

    private mutating func openRaw() {
        guard table.links.count < 10 else { return }
        let link = table.openLink(dial: nil)
        table.say(choices.take(choices.number(64)), over: link)
    }

    private mutating func join(_ peer: Int, isDialled: Bool) {
        guard table.links.count < 10 else { return }
        let dial = isDialled ? table.dials.first : nil
        let link = table.openLink(dial: dial)
        table.prove(over: link, isDialled: dial != nil)
        let introduction = PeerFrame.Introduction(
            id: Peer.id(UInt64(peer)), address: Peer.address(peer),
            networkTime: choices.number(8) == 7 ? choices.seq() : Peer.stamp)
        table.say([], .introduction(introduction), over: link)
        table.say([], .level(PeerFrame.Level(registryDigest: RegistryDigest(), entries: entries())), over: link)
        table.say([], .stateEnd, over: link)
    }

    private mutating func speak() {
        guard !table.links.isEmpty else { return join(choices.number(6), isDialled: true) }
        let link = link
        var bytes: [UInt8] = []
        switch choices.number(8) {
        case 0: bytes = raw()
        case 1...3: bytes = records()
        default: frame().encode(into: &bytes)
        }
        table.say(bytes, over: link)
    }

    /// A frame of any type, with any body.
    private mutating func raw() -> [UInt8] {
        let kind = choices.byte()
        let body = choices.take(choices.number(96))
        var bytes: [UInt8] = []
        PeerFrame.heartbeat.encode(into: &bytes)
        bytes.storeInteger(UInt32(1 + body.count), at: 0)
        bytes[4] = kind
        return bytes + body
    }

    private mutating func entries() -> [PeerFrame.Level.Entry] {
        let own = table.node.id
        return choices.list(upTo: 3) { choices in
            let held = min(choices.seq(), (1 << 63) - 1)
            let oldest = [held + 1, held / 2, 0, 1][choices.number(4)]
            return .init(origin: choices.server(own: own), held: held, oldest: min(oldest, held + 1))
        }
    }

    private mutating func digests() -> [PeerFrame.Digest] {
        let own = table.node.id
        return choices.list(upTo: 3) {
            PeerFrame.Digest(origin: $0.server(own: own), held: $0.seq(), announcement: $0.seq())
        }
    }

    private mutating func positions() -> [StreamPosition] {
        let own = table.node.id
        return choices.list(upTo: 3) { $0.position(own: own) }
    }

    /// A floor of a few positions, or of all that one holds.
    private mutating func floor() -> Floor { Floor(withStrangers(positions(), count: Floor.positionsMax)) }

    /// Now and then positions in many servers that nobody knows, with no choice of its own for it.
    private func withStrangers(_ positions: [StreamPosition], count: Int) -> [StreamPosition] {
        guard positions.contains(where: { $0.seq == 1 << 32 }) else { return positions }
        return positions
            + (0..<count - positions.count).map {
                StreamPosition(origin: ServerID(startStamp: UInt64($0), random: 9), seq: 5)
            }
    }

    /// As many positions as a line of a client has room for.
    private static let saidMax = 40

    private mutating func announcement() -> Announcement {
        let own = table.node.id
        let address = choices.number(16)
        return Announcement(
            id: choices.server(own: own), number: choices.seq(), rank: optionalSeq(),
            address: address == 15 ? Table.address : Peer.address(address % 8), weight: choices.word(),
            load: choices.word(), loadClock: choices.seq(), isServing: choices.number(4) != 0,
            isLeaving: choices.number(8) == 7, registryDigest: RegistryDigest(),
            neighbours: choices.list(upTo: 3) { $0.server(own: own) }, held: positions(),
            isWhole: choices.number(2) == 0, ended: positions(), isDraining: choices.number(8) == 7)
    }

    private mutating func claimID() -> ClaimID {
        ClaimID(stamp: choices.seq(), origin: choices.server(own: table.node.id), counter: UInt32(choices.number(4)))
    }

    private mutating func claim() -> Claim {
        let salt = [UInt8](repeating: 1, count: Claim.Limit.saltBytes)
        return Claim(
            id: claimID(), name: Array("user\(choices.number(6))".utf8), salt: salt, cost: 10,
            digest: Toy.digest(Array("s".utf8), salt))
    }

    private mutating func frame() -> PeerFrame {
        let own = table.node.id
        switch choices.number(24) {
        case 0: return .gap(choices.position(own: own))
        case 1: return choices.number(2) == 0 ? .have(digests()) : .haveSince(digests())
        case 2: return .prune(choices.server(own: own))
        case 3: return .graft(digests())
        case 4, 5: return .announcement(announcement())
        case 6: return .credit(consumed: choices.seq())
        case 7: return .heartbeat
        case 8: return .want(choices.number(2) == 0)
        case 9: return .claims((0..<choices.number(4)).map { _ in claim() })
        case 10: return .stateEnd
        case 11: return .members([announcement()], unreachable: [announcement()])
        case 12:
            return .level(
                PeerFrame.Level(
                    registryDigest: RegistryDigest(), entries: entries(),
                    ended: digests().filter {
                        $0.held < 1 << 63
                    }))
        case 13:
            return .introduction(
                PeerFrame.Introduction(
                    id: choices.server(own: own), address: Peer.address(choices.number(8)),
                    networkTime: choices.seq(), rank: optionalSeq(), known: choices.server(own: own),
                    knownRank: choices.seq()))
        case 14: return .bye(PeerFrame.Refusal.allCases[choices.number(PeerFrame.Refusal.allCases.count)])
        case 15:
            return .refusal(PeerFrame.Refusal.allCases[choices.number(PeerFrame.Refusal.allCases.count)], text: "no")
        default: return .unicast(unicast())
        }
    }

    private mutating func unicast() -> Unicast {
        let own = table.node.id
        let source = choices.server(own: own)
        let destination = choices.number(4) == 3 ? choices.server(own: own) : own
        return Unicast(
            source: source, destination: destination, request: choices.seq(), hopLimit: choices.byte(), body: body())
    }

    private mutating func body() -> Unicast.Body {
        let own = table.node.id
        switch choices.number(16) {
        case 0: return .reserve(claim())
        case 1: return .reserved(Unicast.Verdict(rawValue: choices.byte() % 4) ?? .busy)
        case 2: return .release(claimID(), name: claim().name)
        case 3: return .lookUp(name: claim().name)
        case 4: return .found(choices.number(2) == 0 ? nil : claim())
        case 5:
            let holder: Unicast.TicketHolder =
                choices.number(2) == 0
                ? .claim(claimID()) : .address([UInt8](repeating: 0, count: 15) + [choices.byte() % 4])
            return .requestTicket(
                Unicast.TicketRequest(
                    holder: holder, cause: Unicast.TicketCause(rawValue: choices.byte() % 3) ?? .login,
                    count: UInt16(1 + choices.number(255)), sourceLoad: choices.word(), sourceWeight: choices.word()))
        case 6: return .ticket(granted: UInt16(choices.number(3)), load: choices.word(), loadClock: choices.seq())
        case 7:
            return .handOver(
                Unicast.HandOver(
                    ticket: choices.seq(), session: choices.seq(),
                    verifier: choices.number(2) == 0 ? nil : Toy.digest([choices.byte()]), floor: floor()))
        case 8: return .moved(ticket: choices.seq(), after: positions())
        case 9: return .noted(choices.number(2) == 0)
        case 10: return .withdraw(ticket: choices.seq())
        case 11: return .takeFloor(claimID(), number: choices.seq())
        case 12: return .floorTaken([.gone, .alive, .floor(floor())][choices.number(3)])
        case 13: return .listSessions(after: choices.seq())
        case 14:
            let entries = (0..<choices.number(3)).map { _ in
                Unicast.SessionList.Entry(claim: claimID(), number: choices.seq())
            }
            return .sessions(
                Unicast.SessionList(entries: entries, reached: floor(), isLast: choices.number(2) == 0))
        default: return .release(claimID(), name: Array("user\(choices.server(own: own).random % 6)".utf8))
        }
    }

    /// Some records of one origin, mostly those that come next.
    private mutating func records() -> [UInt8] {
        let origin = choices.server(own: table.node.id)
        let held = table.node.held(of: origin)
        let place = choices.number(16)
        let first = place < 12 ? held &+ 1 : place == 12 ? held &+ 2 : choices.seq()
        var bytes: [UInt8] = []
        let count = choices.number(4)
        for _ in 0..<count { record(into: &bytes) }
        var frame: [UInt8] = []
        RecordsFrame.encodeHeader(origin: origin, first: first, count: count, recordBytes: bytes.count, into: &frame)
        return frame + bytes
    }

    private mutating func record(into bytes: inout [UInt8]) {
        let kind = choices.number(12)
        let hasClaim = choices.number(2) == 0
        let header = RecordHeader(
            kind: UInt8(kind), claim: hasClaim ? claimID() : nil,
            dependency: choices.number(4) == 0 ? choices.position(own: table.node.id) : nil,
            sending: hasClaim && choices.number(4) == 0 ? Sending(run: choices.seq(), number: choices.seq()) : nil)
        var payload: [UInt8] = []
        switch RecordKind(rawValue: UInt8(kind)) {
        case .claim: claim().encode(into: &payload)
        case .some(let kind) where kind.isAboutSessions:
            SessionRecord(number: choices.seq(), floor: Floor(positions())).encode(into: &payload)
        case .activity: payload = Array("{\"n\":\(choices.byte())}\n".utf8)
        default: payload = choices.take(choices.number(32))
        }
        if choices.number(32) == 31 { payload = choices.take(choices.number(64)) }
        header.encode(payloadBytes: payload.count, into: &bytes)
        bytes += payload
    }

    // MARK: Clients

    private mutating func client() {
        guard !table.clients.isEmpty else { return table.connect(address: choices.byte() % 4) }
        let index = index
        let name = choices.number(4) == 3 ? "anonymous" : "user\(choices.number(6))"
        let secret = choices.number(8) == 7 ? "t" : "s"
        switch choices.number(10) {
        case 0: say(#"{"command":"LOGIN","username":"\#(name)","secret":"\#(secret)"}"#, by: index)
        case 1:
            let run = choices.number(4)
            let places = withStrangers([choices.position(own: table.node.id)], count: Self.saidMax)
            let said = places.map { "\"\($0.origin)\":\($0.seq)" }.joined(separator: ",")
            say(
                #"{"command":"LOGIN","username":"\#(name)","secret":"s","run":"\#(run)","resume":{\#(said)}}"#,
                by: index)
        case 2: say(#"{"command":"REGISTER","username":"\#(name)","secret":"\#(secret)"}"#, by: index)
        case 3: say(#"{"command":"LOGOUT"}"#, by: index)
        case 4: table.say(choices.take(choices.number(128)) + [0x0A], by: index, atEnd: choices.number(8) == 7)
        default:
            let number = choices.seq()
            say(
                #"{"command":"ACTIVITY_MESSAGE","username":"\#(name)","secret":"\#(secret)","number":\#(number),"#
                    + #""activity":{"n":\#(choices.byte())}}"#, by: index)
        }
    }

    private mutating func say(_ line: String, by index: Int) { table.say(Array((line + "\n").utf8), by: index) }
}
