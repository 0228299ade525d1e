import Codecs

@testable import Node

/// One node on a desk: the test plays everybody else, byte by byte.
final class Desk {
    /// What the node said over one link.
    enum Said: Hashable {
        case preamble
        case frame(PeerFrame)
        case records(origin: ServerID, first: UInt64, count: Int)
        /// A frame that this version cannot read.
        case unread(kind: UInt8, body: [UInt8])
    }

    var node: Node
    var now = Instant(nanoseconds: 1_000_000_000)
    /// Outputs since the last look, without what went over links.
    private(set) var outputs: [Output] = []
    private(set) var reports: [Report] = []
    private(set) var closed: [LinkID: LinkCloseReason] = [:]
    private(set) var finished: [SessionID: SessionCloseReason] = [:]
    private(set) var replies: [SessionID: [String]] = [:]
    private(set) var published: [String] = []
    /// What sessions that are catching up were fed.
    private(set) var fed: [SessionID: [String]] = [:]
    private var sent: [LinkID: [UInt8]] = [:]
    private var unread: [LinkID: [UInt8]] = [:]
    private var nextSlot: UInt32 = 0

    static let address = PeerAddress(host: "desk", port: 3780)
    static let cryptography = Cryptography { key, message in toyDigest(key + [0] + message) }

    init(
        bootstrap: PeerAddress? = nil, wallClock: UInt64 = 1_700_000_000_000,
        cryptography: Cryptography = Desk.cryptography, change: (inout NodeConfiguration) -> Void = { _ in }
    ) {
        var configuration = NodeConfiguration(address: Desk.address, secrets: [Wires.secret])
        configuration.bootstrap = bootstrap
        configuration.timing.resumeWindow = 0
        change(&configuration)
        node = Node(
            configuration: configuration, cryptography: cryptography, seed: 1, wallClock: wallClock, at: now)
        node.start(at: now)
        settle()
    }

    func settle() {
        node.turnEnding(at: now)
        let outbox = node.outbox
        node.outbox.removeAll()
        outputs += outbox.outputs
        for output in outbox.outputs {
            switch output {
            case .sendLink(let link, let range): sent[link, default: []] += outbox.bytes[range]
            case .closeLink(let link, let reason): closed[link] = reason
            case .finish(let id, let reason, _, _): finished[id] = reason
            case .reply(let id, let range):
                replies[id, default: []].append(String(decoding: outbox.bytes[range].dropLast(), as: UTF8.self))
            case .publish(let range): published.append(String(decoding: outbox.bytes[range].dropLast(), as: UTF8.self))
            case .feed(let id, let range):
                let lines = outbox.bytes[range].split(separator: 0x0A)
                fed[id, default: []] += lines.map { String(decoding: $0, as: UTF8.self) }
            case .report(let report): reports.append(report)
            default: break
            }
        }
    }

    func takeOutputs() -> [Output] {
        defer { outputs = [] }
        return outputs
    }

    func pass(milliseconds: UInt64) {
        let end = now.adding(milliseconds: milliseconds)
        while let next = node.nextDeadline, next <= end {
            now = max(now, next)
            node.timeReached(at: now)
            settle()
        }
        now = end
    }

    // MARK: Links

    /// A connection from another server that has not said a byte.
    func accept(dial: DialID? = nil) -> LinkID {
        nextSlot += 1
        let link = LinkID(slot: nextSlot, generation: 1)
        node.linkOpened(link, dial: dial, at: now)
        settle()
        return link
    }

    func say(_ bytes: [UInt8], over link: LinkID) {
        let all = (unread.removeValue(forKey: link) ?? []) + bytes
        let consumed = node.linkReceived(link, all.span, at: now)
        precondition((0...all.count).contains(consumed))
        unread[link] = Array(all[consumed...])
        settle()
    }

    func say(_ frame: PeerFrame, over link: LinkID) {
        var bytes: [UInt8] = []
        frame.encode(into: &bytes)
        say(bytes, over: link)
    }

    func end(_ link: LinkID) {
        node.linkClosed(link, at: now)
        settle()
    }

    /// What the node has said over a link since the last look.
    func heard(over link: LinkID) -> [Said] {
        let bytes = sent.removeValue(forKey: link) ?? []
        var said: [Said] = []
        var offset = 0
        if bytes.starts(with: Preamble.bytes) {
            said.append(.preamble)
            offset = Preamble.bytes.count
        }
        while let header = try? PeerFrame.header(of: bytes.span, at: offset, limit: .max) {
            let range = offset..<offset + header.size
            offset = range.upperBound
            if header.kind == PeerFrame.Kind.records.rawValue {
                guard let prefix = try? RecordsFrame.prefix(of: bytes.span, frame: range) else { continue }
                said.append(.records(origin: prefix.origin, first: prefix.first, count: prefix.count))
            } else if let kind = PeerFrame.Kind(rawValue: header.kind),
                let frame = try? PeerFrame.decode(kind, body: Array(bytes[range.dropFirst(5)]))
            {
                said.append(.frame(frame))
            } else {
                said.append(.unread(kind: header.kind, body: Array(bytes[range.dropFirst(5)])))
            }
        }
        return said
    }

    /// A link over which another server has proved itself, as the dialler.
    func prove(
        secret: [UInt8] = Wires.secret, versions: ClosedRange<UInt16> = PeerFrame.versions
    ) -> LinkID {
        let link = accept()
        var (handshake, hello) = Handshake.dialling(
            nonce: [UInt8](repeating: 7, count: 32), versions: versions)
        say(Preamble.bytes, over: link)
        say(hello, over: link)
        guard case .frame(let challenge) = heard(over: link).last,
            case .send(let proof) = handshake.handle(
                challenge, nonce: [], secrets: [secret], cryptography: Desk.cryptography)
        else { return link }
        say(proof, over: link)
        return link
    }

    /// A link to another server that is level and open.
    func join(
        _ peer: ServerID, at address: PeerAddress, holding entries: [PeerFrame.Level.Entry] = [],
        versions: ClosedRange<UInt16> = PeerFrame.versions
    ) -> LinkID {
        let link = prove(versions: versions)
        say(
            .introduction(
                PeerFrame.Introduction(
                    id: peer, address: address, networkTime: 1_700_000_000_000)), over: link)
        say(.level(PeerFrame.Level(registryDigest: RegistryDigest(), entries: entries)), over: link)
        say(.stateEnd, over: link)
        _ = heard(over: link)
        return link
    }

    // MARK: Clients

    func connect(address: UInt8 = 1) -> SessionID {
        nextSlot += 1
        let id = SessionID(slot: nextSlot, generation: 1)
        node.clientOpened(id, address: [UInt8](repeating: 0, count: 15) + [address], at: now)
        settle()
        return id
    }

    /// Returns how many bytes were consumed.
    @discardableResult
    func say(_ text: String, by client: SessionID, atEnd: Bool = false) -> Int {
        let bytes = Array(text.utf8)
        let consumed = node.clientReceived(client, bytes.span, seen: 0, atEnd: atEnd, at: now)
        settle()
        return consumed
    }

    /// A client that is logged in as nobody.
    func anonymous(address: UInt8 = 1) -> SessionID {
        let client = connect(address: address)
        say("{\"command\":\"LOGIN\",\"username\":\"anonymous\"}\n", by: client)
        return client
    }

    /// Answers every hash that was asked for.
    func hash() {
        for case .hash(let id, let secret, let salt, _) in takeOutputs() {
            node.hashed(id, digest: toyDigest(secret + salt), at: now)
            settle()
        }
    }
}

/// Values for the parts that a test plays.
enum Peers {
    static func id(_ number: UInt64, stamp: UInt64 = 1_700_000_000_000) -> ServerID {
        ServerID(startStamp: stamp + number, random: number)
    }

    static func address(_ number: Int) -> PeerAddress { PeerAddress(host: "peer\(number)", port: 3780) }

    static func claim(_ name: String, stamp: UInt64 = 1, of server: UInt64 = 1) -> Claim {
        Claim(
            id: ClaimID(stamp: stamp, origin: id(server), counter: 1), name: Array(name.utf8),
            salt: [UInt8](repeating: 1, count: 16), cost: 10,
            digest: toyDigest(Array("s".utf8) + [UInt8](repeating: 1, count: 16)))
    }

    static func announcement(
        _ number: UInt64, of peer: UInt64, load: UInt32 = 0, clock: UInt64 = 1, held: [StreamPosition] = [],
        address: PeerAddress? = nil
    ) -> Announcement {
        Announcement(
            id: id(peer), number: number, address: address ?? Peers.address(Int(peer)), weight: 100, load: load,
            loadClock: clock, isServing: true, isLeaving: false, registryDigest: RegistryDigest(), neighbours: [],
            held: held)
    }

    /// A frame of activities of one origin.
    static func records(
        _ origin: ServerID, from first: UInt64, _ texts: [String], claim: ClaimID? = nil,
        dependency: StreamPosition? = nil
    ) -> [UInt8] {
        var records: [UInt8] = []
        for text in texts {
            let line = Array("{\"text\":\"\(text)\"}\n".utf8)
            RecordHeader(kind: 1, claim: claim, dependency: dependency).encode(payloadBytes: line.count, into: &records)
            records += line
        }
        var bytes: [UInt8] = []
        RecordsFrame.encodeHeader(
            origin: origin, first: first, count: texts.count, recordBytes: records.count, into: &bytes)
        return bytes + records
    }
}
