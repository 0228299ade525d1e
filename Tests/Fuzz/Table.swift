import Codecs
import Node

/// A node and what an input plays around it: a driver that keeps to the node's contract, and checks what comes out.
/// Copied for each execution, so that only what an input changes is made.
struct Table {
    struct PlayedLink {
        var id: LinkID
        var pending: [UInt8] = []
    }

    struct PlayedClient {
        var id: SessionID
        var pending: [UInt8] = []
        var isPaused = false
        /// What still comes is shown to the node.
        var isHeard = true
        var isFed = false
    }

    private(set) var node: Node
    private(set) var now = Instant(nanoseconds: 1_000_000_000)
    private(set) var links: [PlayedLink] = []
    private(set) var clients: [PlayedClient] = []
    private(set) var dials: [DialID] = []
    private(set) var hashes: [(id: HashID, secret: [UInt8], salt: [UInt8])] = []
    private(set) var examined: [SessionID] = []
    private(set) var isMeasured = false
    /// What went over all links since the last look.
    private(set) var sent: [UInt8] = []
    private(set) var hasLinkedUp = false
    private(set) var published: UInt64 = 0
    private var nextSlot: UInt32 = 0

    static let address = PeerAddress(host: "desk", port: 3780)
    static let secret = Array("network secret".utf8)
    static let limits: NodeConfiguration.Limits = {
        var limits = NodeConfiguration.Limits()
        limits.members = 12
        limits.links = 6
        limits.unprovenLinks = 4
        limits.reservations = 8
        limits.requests = 8
        limits.hashJobs = 4
        limits.tickets = 8
        limits.claims = 16
        limits.losingClaims = 4
        limits.tombstones = 6
        limits.departedAddresses = 4
        limits.detached = 4
        limits.whereabouts = 8
        limits.runs = 4
        limits.catchingUp = 4
        limits.toldPositions = 2
        limits.unknownPositions = 2
        limits.unacknowledged = 4
        limits.lineBytes = 2000
        limits.storeBytes = 16 << 10
        limits.linkWindowBytes = 4 << 10
        limits.indexedBytes = 4 << 10
        limits.feedBytes = 1 << 10
        return limits
    }()

    init(bootstrap: PeerAddress?) {
        var configuration = NodeConfiguration(address: Table.address, secrets: [Table.secret])
        configuration.bootstrap = bootstrap
        configuration.limits = Table.limits
        node = Node(
            configuration: configuration, cryptography: Cryptography { key, message in Toy.digest(key, message) },
            seed: 1, wallClock: Peer.stamp, at: now)
        node.start(at: now)
        settle()
    }

    // MARK: Links

    mutating func openLink(dial: DialID?) -> LinkID {
        nextSlot += 1
        let link = LinkID(slot: nextSlot, generation: 1)
        if let dial { dials.removeAll { $0 == dial } }
        sent = []
        links.append(PlayedLink(id: link))
        node.linkOpened(link, dial: dial, at: now)
        settle()
        return link
    }

    /// The dialler's or the acceptor's part of the handshake, by a server that knows the secret.
    mutating func prove(over link: LinkID, isDialled: Bool) {
        if isDialled {
            guard case .hello(let versions, let nonce)? = firstFrame() else { return }
            let proof = Self.proof("dialler", versions, 1, nonce, Self.nonce)
            say(Preamble.bytes, .challenge(version: 1, nonce: Self.nonce), over: link)
            must(sentFrames().contains(.proof(proof)), "the proof is that of docs/protocol.md")
            say([], .welcome(Self.proof("acceptor", versions, 1, nonce, Self.nonce)), over: link)
        } else {
            say(Preamble.bytes, .hello(versions: 1...1, nonce: Self.nonce), over: link)
            guard case .challenge(let version, let nonce)? = firstFrame() else { return }
            say([], .proof(Self.proof("dialler", 1...1, version, Self.nonce, nonce)), over: link)
        }
    }

    mutating func say(_ preface: [UInt8], _ frame: PeerFrame, over link: LinkID) {
        var bytes = preface
        frame.encode(into: &bytes)
        say(bytes, over: link)
    }

    mutating func say(_ bytes: [UInt8], over id: LinkID) {
        guard let index = links.firstIndex(where: { $0.id == id }) else { return }
        var pending = links[index].pending
        pending += bytes
        links[index].pending = []
        let consumed = node.linkReceived(id, pending.span, at: now)
        must((0...pending.count).contains(consumed), "no more is consumed than there is")
        pending.removeFirst(consumed)
        links[index].pending = pending
        settle()
    }

    mutating func end(_ id: LinkID) {
        guard links.contains(where: { $0.id == id }) else { return }
        links.removeAll { $0.id == id }
        node.linkClosed(id, at: now)
        settle()
    }

    private static let nonce = [UInt8](repeating: 7, count: PeerFrame.Limit.nonceBytes)

    private static func proof(
        _ role: String, _ versions: ClosedRange<UInt16>, _ version: UInt16, _ dialler: [UInt8], _ acceptor: [UInt8]
    ) -> [UInt8] {
        let label = Array("pando link \(role) \(versions.lowerBound) \(versions.upperBound) \(version)\0".utf8)
        return Toy.digest(secret, label + dialler + acceptor)
    }

    private func firstFrame() -> PeerFrame? { sentFrames().first }

    private func sentFrames() -> [PeerFrame] {
        var offset = sent.starts(with: Preamble.bytes) ? Preamble.bytes.count : 0
        var frames: [PeerFrame] = []
        while let header = try? PeerFrame.header(of: sent.span, at: offset, limit: .max),
            let kind = PeerFrame.Kind(rawValue: header.kind),
            let frame = try? PeerFrame.decode(kind, body: Array(sent[offset + 5..<offset + header.size]))
        {
            frames.append(frame)
            offset += header.size
        }
        return frames
    }

    // MARK: Clients

    mutating func connect(address: UInt8) {
        nextSlot += 1
        let id = SessionID(slot: nextSlot, generation: 1)
        clients.append(PlayedClient(id: id))
        node.clientOpened(id, address: [UInt8](repeating: 0, count: 15) + [address], at: now)
        settle()
    }

    mutating func say(_ bytes: [UInt8], by index: Int, atEnd: Bool = false) {
        clients[index].pending += bytes
        deliver(index, atEnd: atEnd)
        settle()
    }

    private mutating func deliver(_ index: Int, atEnd: Bool) {
        guard !clients[index].isPaused else { return }
        var pending = clients[index].pending
        clients[index].pending = []
        guard clients[index].isHeard else { return }
        let consumed = node.clientReceived(clients[index].id, pending.span, seen: 0, atEnd: atEnd, at: now)
        must((0...pending.count).contains(consumed), "no more is consumed than there is")
        pending.removeFirst(consumed)
        clients[index].pending = pending
    }

    mutating func disconnect(_ index: Int, acknowledged: UInt64?) {
        let id = clients.remove(at: index).id
        examined.removeAll { $0 == id }
        node.clientClosed(id, acknowledged: acknowledged, at: now)
        settle()
    }

    mutating func makeRoom(_ index: Int) {
        guard clients[index].isFed else { return }
        clients[index].isFed = false
        node.clientHasRoom(clients[index].id, at: now)
        settle()
    }

    // MARK: Answers

    mutating func answerHash(_ isDone: Bool) {
        guard !hashes.isEmpty else { return }
        let hash = hashes.removeFirst()
        node.hashed(hash.id, digest: isDone ? Toy.digest(hash.secret, hash.salt) : nil, at: now)
        settle()
    }

    mutating func failDial() {
        guard !dials.isEmpty else { return }
        node.dialFailed(dials.removeFirst(), text: "no", at: now)
        settle()
    }

    mutating func answerExamination(acknowledged: UInt64?, isStalled: Bool) {
        guard !examined.isEmpty else { return }
        node.clientExamined(
            examined.removeFirst(), acknowledged: acknowledged, isStalled: isStalled, isBehind: isStalled, at: now)
        settle()
    }

    mutating func answerMeasure(_ part: UInt64) {
        guard isMeasured else { return }
        isMeasured = false
        node.clientsReached(min(part, published), at: now)
        settle()
    }

    mutating func pass(milliseconds: UInt64) {
        let end = now.adding(milliseconds: milliseconds)
        var steps = 0
        while let next = node.nextDeadline, next <= end {
            now = max(now, next)
            node.timeReached(at: now)
            settle()
            steps += 1
            must(steps < 20_000, "timers do not go on for ever")
        }
        now = end
    }

    mutating func drain() {
        node.drain(within: 2000, at: now)
        settle()
    }

    mutating func shutdown() {
        node.shutdown(at: now)
        settle()
    }

    // MARK: Outputs

    private mutating func settle() {
        var rounds = 0
        repeat {
            node.turnEnding(at: now)
            carryOut()
            rounds += 1
            must(rounds < 1000, "a node comes to rest")
        } while node.hasPostponedDeliveries || !node.outbox.isEmpty
    }

    private mutating func carryOut() {
        guard !node.outbox.isEmpty else { return }
        var outbox = Outbox()
        swap(&outbox, &node.outbox)
        must(outbox.outputs.count < 10_000 && outbox.bytes.count < 8 << 20, "one input asks for no flood")
        var resumed: [SessionID] = []
        var closed: [LinkID] = []
        for output in outbox.outputs {
            switch output {
            case .sendLink(let link, let range):
                if links.contains(where: { $0.id == link }) { sent += outbox.bytes[range] }
            case .closeLink(let link, _): closed.append(link)
            case .dial(let dial, _): dials.append(dial)
            case .reply(_, let range): LinesTarget.checkLine(Array(outbox.bytes[range]))
            case .publish(let range):
                published += UInt64(range.count)
                LinesTarget.checkPublished(Array(outbox.bytes[range]))
            case .feed(let id, _): change(id) { $0.isFed = true }
            case .follow, .unfollow: break
            case .pause(let id): change(id) { $0.isPaused = true }
            case .resume(let id):
                change(id) { $0.isPaused = false }
                resumed.append(id)
            case .finish(let id, _, _, let keepsReading): change(id) { $0.isHeard = keepsReading }
            case .examine(let id): examined.append(id)
            case .measure: isMeasured = true
            case .hash(let id, let secret, let salt, _): hashes.append((id, secret, salt))
            case .report(.linkUp): hasLinkedUp = true
            case .report, .store, .accountAnswered: break
            }
        }
        for link in closed where links.contains(where: { $0.id == link }) {
            links.removeAll { $0.id == link }
            node.linkClosed(link, at: now)
        }
        for id in resumed {
            guard let index = clients.firstIndex(where: { $0.id == id }), !clients[index].pending.isEmpty else {
                continue
            }
            deliver(index, atEnd: false)
        }
    }

    private mutating func change(_ id: SessionID, _ change: (inout PlayedClient) -> Void) {
        guard let index = clients.firstIndex(where: { $0.id == id }) else { return }
        change(&clients[index])
    }

    /// What a node remembers, after everything.
    func checkBounds() {
        let broken = node.brokenInvariants()
        must(broken.isEmpty, "broken: \(broken)")
        for use in node.limitUses { must(use.used <= use.limit, "\(use.name): \(use.used) of \(use.limit)") }
        must(node.storeBytes <= Table.limits.storeBytes + 4096, "the store holds \(node.storeBytes) bytes")
    }
}
