import Codecs

@testable import Node

/// Several nodes on perfect wires: bytes arrive at once and in order, time passes only when a test says so. For tests
/// that read like prose; latency, loss and chance are the simulator's.
final class Wires {
    struct Wire {
        var ends: [(node: Int, link: LinkID)]
        var isOpen = true
    }

    struct Client {
        var node: Int
        var id: SessionID
        var input: [UInt8] = []
        var isPaused = false
        /// It has shut down writing.
        var hasEnded = false
        var isFollowing = false
        var isFinished: SessionCloseReason?
        /// Bytes that it was sent; once it has lost its connection, only `arrived` of them arrive.
        var sent: UInt64 = 0
        var arrived: UInt64?
        var isStalled = false
        var isBehind = false
        /// Everything that it was sent, line by line.
        var lines: [String] = []
    }

    var nodes: [Node] = []
    var clients: [Client] = []
    var reports: [[Report]] = []
    var now = Instant(nanoseconds: 1_000_000_000)
    /// Frames sent so far, by kind, over all links.
    var frames: [PeerFrame.Kind: Int] = [:]
    /// Bytes of frames of records from one node to another.
    var recordFrames: [(from: Int, to: Int, prefix: RecordsFrame.Prefix, byteCount: Int)] = []
    /// Pairs of nodes that cannot connect.
    var cut: Set<[Int]> = []
    /// Nodes that were killed without a word.
    var dead: Set<Int> = []
    /// Secrets wait to be hashed.
    var holdsHashes = false
    private var waitingHashes: [(id: HashID, bytes: [UInt8], node: Int)] = []
    /// Directions (from, to) in which bytes wait until they are delivered one by one, or the way is released.
    private(set) var held: Set<[Int]> = []
    /// Bytes that wait, in the order in which they were sent; what one node sent another stays in order.
    private(set) var waiting: [(from: Int, to: Int, link: LinkID, bytes: [UInt8])] = []
    /// Called with every output before it is carried out.
    var watch: (_ node: Int, _ output: Output) -> Void = { _, _ in }
    /// Called with every frame but records that arrives.
    var watchFrames: ((PeerFrame) -> Void)?
    /// What was fed to sessions that were catching up.
    private(set) var fed: [(node: Int, id: SessionID, byteCount: Int)] = []
    /// Clients that are fed take it at once; else a test says `clientHasRoom`.
    var takesFed = true
    /// What each node has on its disk, by kind and key; the disks of nodes that keep state.
    var disks: [Int: [[UInt8]: StoredRow]] = [:]
    /// Nodes whose disk takes nothing.
    var fullDisks: Set<Int> = []
    /// Nodes whose disk does not answer.
    var slowDisks: Set<Int> = []
    /// What operators were told.
    var answers: [AccountAnswer] = []
    private var wires: [Wire] = []
    private var nextSlot: UInt32 = 0
    private var seeds: UInt64 = 0
    private var partial: [LinkID: [UInt8]] = [:]

    static let secret = Array("network secret".utf8)

    /// Adds a node that is told of `bootstrap`, and lets everything happen that happens without waiting.
    @discardableResult
    func add(
        bootstrap: Int? = nil, secret: [UInt8] = Wires.secret, wallClock: UInt64 = 1_700_000_000_000,
        change: (inout NodeConfiguration) -> Void = { _ in }
    ) -> Int {
        let index = nodes.count
        nodes.append(make(index, bootstrap, secret, wallClock, change))
        reports.append([])
        readDisk(of: index)
        nodes[index].start(at: now)
        settle()
        return index
    }

    /// The killed node comes back as a new incarnation with nothing in memory.
    func restart(
        _ node: Int, bootstrap: Int? = nil, wallClock: UInt64 = 1_700_000_600_000,
        change: (inout NodeConfiguration) -> Void = { _ in }
    ) {
        nodes[node] = make(node, bootstrap, Wires.secret, wallClock, change)
        reports[node] = []
        dead.remove(node)
        readDisk(of: node)
        nodes[node].start(at: now)
        settle()
    }

    private func make(
        _ index: Int, _ bootstrap: Int?, _ secret: [UInt8], _ wallClock: UInt64,
        _ change: (inout NodeConfiguration) -> Void
    ) -> Node {
        seeds += 1
        var configuration = NodeConfiguration(address: address(index), secrets: [secret])
        configuration.bootstrap = bootstrap.map { address($0) }
        configuration.timing.resumeWindow = 0
        change(&configuration)
        let cryptography = Cryptography { key, message in toyDigest(key + [0] + message) }
        return Node(
            configuration: configuration, cryptography: cryptography, seed: seeds, wallClock: wallClock, at: now)
    }

    /// The same network once more, for another future.
    func copy() -> Wires {
        let copy = Wires()
        (copy.nodes, copy.clients, copy.reports, copy.now) = (nodes, clients, reports, now)
        (copy.frames, copy.recordFrames, copy.cut, copy.dead) = (frames, recordFrames, cut, dead)
        (copy.held, copy.waiting, copy.wires, copy.partial) = (held, waiting, wires, partial)
        (copy.nextSlot, copy.seeds) = (nextSlot, seeds)
        return copy
    }

    func address(_ node: Int) -> PeerAddress { PeerAddress(host: "node\(node)", port: 3780) }

    /// Carries out outputs until there are none.
    func settle() {
        var isBusy = true
        while isBusy {
            isBusy = false
            for index in nodes.indices where !dead.contains(index) {
                nodes[index].turnEnding(at: now)
                guard !nodes[index].outbox.isEmpty else { continue }
                isBusy = true
                let outbox = nodes[index].outbox
                nodes[index].outbox.removeAll()
                for output in outbox.outputs { carryOut(output, bytes: outbox.bytes, of: index) }
            }
        }
    }

    /// Lets time pass; timers fire in steps of at most a millisecond's precision.
    func pass(milliseconds: UInt64) {
        let end = now.adding(milliseconds: milliseconds)
        while let next = living.compactMap({ nodes[$0].nextDeadline }).min(), next <= end {
            now = max(now, next)
            for index in living where (nodes[index].nextDeadline ?? end.adding(milliseconds: 1)) <= now {
                nodes[index].timeReached(at: now)
            }
            settle()
        }
        now = end
    }

    var living: [Int] { nodes.indices.filter { !dead.contains($0) } }

    // MARK: Clients

    func connect(to node: Int, address: UInt8 = 1) -> Int {
        nextSlot += 1
        let id = SessionID(slot: nextSlot, generation: 1)
        clients.append(Client(node: node, id: id))
        nodes[node].clientOpened(id, address: [UInt8](repeating: 0, count: 15) + [address], at: now)
        return clients.count - 1
    }

    func say(_ line: String, by client: Int) {
        clients[client].input += Array((line + "\n").utf8)
        feed(client)
        settle()
    }

    /// The client shuts down writing.
    func end(_ client: Int) {
        clients[client].hasEnded = true
        feed(client)
        settle()
    }

    /// Bytes without a line end.
    func write(_ bytes: [UInt8], by client: Int) {
        clients[client].input += bytes
        feed(client)
        settle()
    }

    /// The client takes nothing more, and its server does not know it.
    func cutOff(_ client: Int) { clients[client].arrived = clients[client].sent }

    func drop(_ client: Int) {
        nodes[clients[client].node].clientClosed(
            clients[client].id, acknowledged: clients[client].arrived, at: now)
        clients[client].isFollowing = false
        settle()
    }

    private func feed(_ client: Int) {
        guard !clients[client].isPaused, !clients[client].input.isEmpty || clients[client].hasEnded else { return }
        let bytes = clients[client].input
        let consumed = nodes[clients[client].node].clientReceived(
            clients[client].id, bytes.span, seen: 0, atEnd: clients[client].hasEnded, at: now)
        clients[client].input = Array(bytes[consumed...])
    }

    // MARK: Links

    /// Breaks every wire between two nodes.
    func breakWires(between left: Int, and right: Int) {
        for index in wires.indices where wires[index].isOpen && Set(wires[index].ends.map(\.node)) == [left, right] {
            closeWire(index)
        }
        settle()
    }

    private func closeWire(_ index: Int) {
        guard wires[index].isOpen else { return }
        wires[index].isOpen = false
        for end in wires[index].ends where !dead.contains(end.node) { nodes[end.node].linkClosed(end.link, at: now) }
    }

    /// The node is gone, and its connections with it.
    func kill(_ node: Int) {
        dead.insert(node)
        for index in wires.indices where wires[index].ends.contains(where: { $0.node == node }) { closeWire(index) }
        settle()
    }

    /// Drops what is closed and dead, so that a test of many lives stays quick. Numbers of clients stay as they are only
    /// if those of dead nodes came last.
    func forgetClosed() {
        wires.removeAll { !$0.isOpen }
        while let last = clients.last, last.node == nodes.count - 1, clients.count > 1 { clients.removeLast() }
    }

    /// Nodes that have a wire to this one.
    func neighbours(of node: Int) -> [Int] {
        let open = wires.filter { $0.isOpen && $0.ends.contains { $0.node == node } }
        return open.flatMap(\.ends).map(\.node).filter { $0 != node }.sorted()
    }

    // MARK: Slow ways

    private func hash(_ id: HashID, _ bytes: [UInt8], of node: Int) {
        if holdsHashes { return waitingHashes.append((id, bytes, node)) }
        nodes[node].hashed(id, digest: toyDigest(bytes), at: now)
    }

    /// The hashes that wait are done now, and later ones at once.
    func releaseHashes() {
        holdsHashes = false
        for (id, bytes, node) in waitingHashes { hash(id, bytes, of: node) }
        waitingHashes = []
        settle()
    }

    /// What one node sends the other waits from now on.
    func hold(_ from: Int, _ to: Int) { held.insert([from, to]) }

    /// Delivers what waits on this way, and lets everything pass again.
    func release(_ from: Int, _ to: Int) {
        // What is sent meanwhile goes behind what waits.
        while deliverOne(from, to) {}
        held.remove([from, to])
        settle()
    }

    /// Delivers the first piece that waits on this way. Returns whether there was one.
    @discardableResult
    func deliverOne(_ from: Int, _ to: Int) -> Bool {
        guard let index = waiting.firstIndex(where: { $0.from == from && $0.to == to }) else { return false }
        let piece = waiting.remove(at: index)
        arrive(piece.bytes, over: piece.link, from: from)
        settle()
        return true
    }

    private func open(_ dial: DialID, to address: PeerAddress, of node: Int) {
        let target = nodes.indices.first { self.address($0) == address }
        guard let target, !dead.contains(target), !cut.contains([node, target].sorted()) else {
            return nodes[node].dialFailed(dial, text: "nobody there", at: now)
        }
        nextSlot += 1
        let near = LinkID(slot: nextSlot, generation: 1)
        nextSlot += 1
        let far = LinkID(slot: nextSlot, generation: 1)
        wires.append(Wire(ends: [(node, near), (target, far)]))
        nodes[node].linkOpened(near, dial: dial, at: now)
        nodes[target].linkOpened(far, dial: nil, at: now)
    }

    private func farEnd(of link: LinkID) -> (node: Int, link: LinkID)? {
        wires.first { $0.isOpen && $0.ends.contains { $0.link == link } }?.ends.first { $0.link != link }
    }

    private func deliver(_ bytes: [UInt8], over link: LinkID, from node: Int) {
        guard let end = farEnd(of: link) else { return }
        guard !held.contains([node, end.node]) else {
            return waiting.append((from: node, to: end.node, link: link, bytes: bytes))
        }
        arrive(bytes, over: link, from: node)
    }

    private func arrive(_ bytes: [UInt8], over link: LinkID, from node: Int) {
        guard let end = farEnd(of: link) else { return }
        note(bytes, from: node, to: end.node)
        let all = (partial.removeValue(forKey: end.link) ?? []) + bytes
        let consumed = nodes[end.node].linkReceived(end.link, all.span, at: now)
        if consumed < all.count { partial[end.link] = Array(all[consumed...]) }
    }

    private func note(_ bytes: [UInt8], from: Int, to: Int) {
        var offset = bytes.starts(with: Preamble.bytes) ? Preamble.bytes.count : 0
        while let header = try? PeerFrame.header(of: bytes.span, at: offset, limit: .max) {
            let range = offset..<offset + header.size
            offset = range.upperBound
            guard let kind = PeerFrame.Kind(rawValue: header.kind) else { continue }
            frames[kind, default: 0] += 1
            if let watchFrames, kind != .records,
                let frame = try? PeerFrame.decode(kind, body: Array(bytes[range.dropFirst(5)]))
            {
                watchFrames(frame)
            }
            if kind == .records, let prefix = try? RecordsFrame.prefix(of: bytes.span, frame: range) {
                recordFrames.append((from, to, prefix, header.size - RecordsFrame.headerBytes))
            }
        }
    }

    // MARK: Outputs

    /// Up to where everybody who follows the log of a node has got it.
    private func reached(by node: Int) -> UInt64 {
        let end = nodes[node].publications.end
        let behind = clients.filter { $0.node == node && $0.isFollowing }.map { $0.sent - ($0.arrived ?? $0.sent) }
        return end - min(end, behind.max() ?? 0)
    }

    private func carryOut(_ output: Output, bytes: [UInt8], of node: Int) {
        watch(node, output)
        switch output {
        case .sendLink(let link, let range): deliver(Array(bytes[range]), over: link, from: node)
        case .closeLink(let link, _):
            if let index = wires.firstIndex(where: { $0.ends.contains { $0.link == link } }) { closeWire(index) }
        case .dial(let dial, let address): open(dial, to: address, of: node)
        case .reply(let id, let range): give(bytes[range], to: client(id, of: node))
        case .feed(let id, let range):
            fed.append((node, id, bytes[range].count))
            for line in bytes[range].split(separator: 0x0A) { give(line + [0x0A], to: client(id, of: node)) }
            if takesFed { nodes[node].clientHasRoom(id, at: now) }
        case .publish(let range):
            for index in clients.indices where clients[index].node == node && clients[index].isFollowing {
                give(bytes[range], to: index)
            }
        case .follow(let id): clients[client(id, of: node)].isFollowing = true
        case .unfollow(let id): clients[client(id, of: node)].isFollowing = false
        case .pause(let id): clients[client(id, of: node)].isPaused = true
        case .resume(let id):
            clients[client(id, of: node)].isPaused = false
            feed(client(id, of: node))
        case .finish(let id, let reason, _, _): clients[client(id, of: node)].isFinished = reason
        case .examine(let id):
            let client = client(id, of: node)
            nodes[node].clientExamined(
                id, acknowledged: clients[client].arrived, isStalled: clients[client].isStalled,
                isBehind: clients[client].isBehind, at: now)
        case .measure: nodes[node].clientsReached(reached(by: node), at: now)
        case .hash(let id, let secret, let salt, _): hash(id, secret + salt, of: node)
        case .store(let rows): write(rows, of: node)
        case .accountAnswered(_, let answer): answers.append(answer)
        case .report(let report): reports[node].append(report)
        }
    }

    private func write(_ rows: [StoredRow], of node: Int) {
        guard !slowDisks.contains(node) else { return }
        guard !fullDisks.contains(node) else { return nodes[node].stored(failure: "no space", at: now) }
        for row in rows { disks[node, default: [:]][[row.kind] + row.key] = row.value == nil ? nil : row }
        nodes[node].stored(failure: nil, at: now)
    }

    private func readDisk(of node: Int) {
        guard let rows = disks[node] else { return }
        do {
            try nodes[node].restore(rows.values.sorted { ($0.kind, $0.key.hashed) < ($1.kind, $1.key.hashed) })
        } catch {
            preconditionFailure("a disk holds what was written: \(error)")
        }
    }

    /// An operator changes a user.
    func change(_ action: AccountChange.Action, _ name: String, secret: String = "", at node: Int) {
        nodes[node].changeAccount(
            AccountRequestID(rawValue: 1),
            AccountChange(action, name: Array(name.utf8), secret: Array(secret.utf8)), at: now)
        settle()
    }

    private func client(_ id: SessionID, of node: Int) -> Int {
        guard let index = clients.firstIndex(where: { $0.id == id && $0.node == node }) else {
            preconditionFailure("an output names a client that is there")
        }
        return index
    }

    private func give(_ bytes: ArraySlice<UInt8>, to client: Int) {
        clients[client].sent += UInt64(bytes.count)
        guard clients[client].arrived == nil else { return }
        clients[client].lines.append(String(decoding: bytes.dropLast(), as: UTF8.self))
    }
}

extension [UInt8] {
    fileprivate var hashed: UInt64 { SplitMix64.hash(self) }
}

/// Stands in for a cryptographic digest: 32 bytes that depend on all of the input.
func toyDigest(_ bytes: [UInt8]) -> [UInt8] {
    var digest: [UInt8] = []
    for salt in 0..<4 as Range<UInt64> {
        let word = SplitMix64.hash(bytes, salt: salt)
        for index in 0..<8 { digest.append(UInt8(truncatingIfNeeded: word >> UInt64(8 * index))) }
    }
    return digest
}

extension Wires {
    /// A network of `count` nodes in which everybody knows everybody.
    static func network(_ count: Int, change: (inout NodeConfiguration) -> Void = { _ in }) -> Wires {
        let wires = Wires()
        for index in 0..<count { wires.add(bootstrap: index == 0 ? nil : 0, change: change) }
        wires.pass(milliseconds: 1000)
        return wires
    }

    /// The same, each told of the one before it.
    static func chain(_ count: Int) -> Wires {
        let wires = Wires()
        for index in 0..<count { wires.add(bootstrap: index == 0 ? nil : index - 1) }
        wires.pass(milliseconds: 1000)
        return wires
    }

    /// A network whose trees stand: two rounds of announcements have passed.
    static func standing(_ count: Int, isChain: Bool = false) -> Wires {
        let wires = isChain ? chain(count) : network(count)
        wires.pass(milliseconds: 11_000)
        return wires
    }

    /// A client that is logged in as nobody.
    func anonymous(at node: Int, address: UInt8 = 1) -> Int {
        let client = connect(to: node, address: address)
        say(#"{"command":"LOGIN","username":"anonymous"}"#, by: client)
        return client
    }

    /// A client that has said REGISTER.
    func register(_ name: String, secret: String = "s", at node: Int) -> Int {
        let client = connect(to: node)
        say(#"{"command":"REGISTER","username":"\#(name)","secret":"\#(secret)"}"#, by: client)
        return client
    }

    /// A client that has said LOGIN.
    func login(_ name: String, secret: String = "s", at node: Int) -> Int {
        let client = connect(to: node)
        say(#"{"command":"LOGIN","username":"\#(name)","secret":"\#(secret)"}"#, by: client)
        return client
    }

    func post(_ text: String, as name: String, secret: String = "s", by client: Int) {
        let activity = #"{"text":"\#(text)"}"#
        say(
            #"{"command":"ACTIVITY_MESSAGE","username":"\#(name)","secret":"\#(secret)","activity":\#(activity)}"#,
            by: client)
    }

    /// The commands of the lines that a client has got.
    func commands(_ client: Int) -> [String] {
        clients[client].lines.compactMap { line in
            line.split(separator: #""command":""#).last?.split(separator: "\"").first.map(String.init)
        }
    }

    func post(_ text: String, by client: Int) {
        say(#"{"command":"ACTIVITY_MESSAGE","username":"anonymous","activity":{"text":"\#(text)"}}"#, by: client)
    }

    /// The texts of the activities that a client has got.
    func texts(_ client: Int) -> [String] {
        clients[client].lines.filter { $0.contains("ACTIVITY_BROADCAST") }.compactMap { line in
            line.split(separator: #"{"text":""#).last?.split(separator: "\"").first.map(String.init)
        }
    }
}

extension Wires {
    /// Tells of each unicast that is sent, the retried and the forwarded included, in words.
    func watchUnicasts(_ tell: @escaping (String) -> Void) {
        watchFrames = { frame in
            guard case .unicast(let unicast) = frame else { return }
            switch unicast.body {
            case .requestTicket: tell("request ticket")
            case .ticket(let granted, _, _): tell("ticket \(granted)")
            case .handOver: tell("hand over")
            case .moved: tell("moved")
            case .noted(let isThere): tell("noted \(isThere)")
            case .withdraw: tell("withdraw")
            default: tell("other")
            }
        }
    }
}
