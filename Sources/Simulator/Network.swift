/// The simulated network: connections with delay, jitter and arbitrary segment boundaries, and the ways in which they
/// fail. It knows parties and bytes, no node and no protocol. Invariant: what arrives at an end is a prefix of what the
/// other end wrote, in order, whatever breaks or heals.
struct Network {
    private let options: WorldOptions
    private var random: SplitMix64
    private(set) var connections: [Connection] = []
    /// By end: what is under way to it. It is apart from the connections so that no look at one of them copies it.
    private var pipes: [Pipe] = []
    private(set) var dials: [Dial] = []
    /// The first path is that of all who have none of their own.
    private var paths: [PathQuality]
    private var pathNumbers: [Pair: Int] = [:]
    /// Connections between two servers, oldest first; those that both ends have closed are dropped by and by.
    private var links: [Pair: [Int]] = [:]
    /// Ways from one server to another on which nothing passes.
    private var cuts: Set<Way> = []
    /// Whose machine is off: nothing answers there.
    private var silent: Set<Party> = []
    /// Whose process stands still: its kernel goes on.
    private var frozen: Set<Party> = []

    /// From one server to another.
    private struct Way: Hashable {
        var source: Int
        var target: Int
    }

    /// Two parties in any order.
    private struct Pair: Hashable {
        var first: Party
        var second: Party

        init(_ one: Party, _ other: Party) {
            let isInOrder = one.order < other.order
            first = isInOrder ? one : other
            second = isInOrder ? other : one
        }
    }

    /// An attempt to connect.
    struct Dial {
        var dialler: Party
        var target: Int
        /// The dialler's own number for it.
        var tag: UInt64
        /// Start of the dialler that asked: a later life does not hear of it.
        var life: Int
        var delay: UInt64
        var outcome: Outcome?

        enum Outcome: Equatable {
            case connected(Int)
            case refused
            case timedOut
        }
    }

    init(options: WorldOptions) {
        self.options = options
        random = SplitMix64(seed: options.seed, purpose: 1)
        let latency = options.latencyMilliseconds
        paths = [
            PathQuality(
                latencyMicroseconds: latency.lowerBound * 1000...latency.upperBound * 1000,
                jitterPermille: options.jitterPermille)
        ]
    }

    // MARK: Paths

    /// From now on the way between the two is like this. A connection keeps its delay.
    mutating func setPath(_ one: Party, _ other: Party, _ quality: PathQuality) {
        let pair = Pair(one, other)
        if let number = pathNumbers[pair] {
            paths[number] = quality
        } else {
            paths.append(quality)
            pathNumbers[pair] = paths.count - 1
            for index in links[pair] ?? [] { connections[index].path = paths.count - 1 }
        }
    }

    func path(_ one: Party, _ other: Party) -> PathQuality { paths[pathNumbers[Pair(one, other)] ?? 0] }

    // MARK: Connecting

    /// Begins an attempt; `World` asks `reach` when its first packet arrives.
    mutating func dial(
        from dialler: Party, life: Int, to target: Int, tag: UInt64, at now: UInt64, in queue: inout EventQueue
    ) {
        let delay = random.inside(path(dialler, .server(target)).latencyMicroseconds) * 1000
        dials.append(Dial(dialler: dialler, target: target, tag: tag, life: life, delay: delay))
        queue.plan(.dialReaches(dial: dials.count - 1), at: now + delay)
    }

    /// The first packet is there. Returns the new connection if the target takes it; its kernel does, also when the
    /// process stands still.
    mutating func reach(_ index: Int, isListening: Bool, at now: UInt64, in queue: inout EventQueue) -> Int? {
        let dial = dials[index]
        let target = Party.server(dial.target)
        let isCut = isCut(from: dial.dialler, to: target) || isCut(from: target, to: dial.dialler)
        if isCut || silent.contains(target) || silent.contains(dial.dialler) {
            dials[index].outcome = .timedOut
            let timeout = options.connectTimeoutMilliseconds * 1_000_000
            queue.plan(.dialResolves(dial: index), at: max(now, now - dial.delay + timeout))
            return nil
        }
        queue.plan(.dialResolves(dial: index), at: now + dial.delay)
        guard isListening else {
            dials[index].outcome = .refused
            return nil
        }
        let pair = Pair(dial.dialler, target)
        connections.append(
            Connection(dialler: dial.dialler, acceptor: target, delay: dial.delay, path: pathNumbers[pair] ?? 0))
        // The dialler hears of the connection before it hears a byte on it.
        var towardsDialler = Pipe()
        towardsDialler.lastArrival = now + dial.delay
        if case .client = dial.dialler { towardsDialler.receipts = Receipts() }
        pipes += [towardsDialler, Pipe()]
        remember(connections.count - 1, of: pair)
        dials[index].outcome = .connected(connections.count - 1)
        return connections.count - 1
    }

    private mutating func remember(_ index: Int, of pair: Pair) {
        guard case .server = pair.first, case .server = pair.second else { return }
        var indices = links[pair] ?? []
        indices.removeAll { isOver($0) }
        indices.append(index)
        links[pair] = indices
    }

    // MARK: Writing

    /// Sends bytes from the end at `side`, cut into segments anywhere.
    mutating func send(
        _ bytes: [UInt8], on connection: Int, from side: Side, at now: UInt64, in queue: inout EventQueue
    ) {
        guard !bytes.isEmpty, !pipes[Self.end(connection, side.other)].isShut else { return }
        pipes[Self.end(connection, side.other)].receipts?.noteWritten(bytes.count, at: now)
        var start = 0
        while bytes.count - start > 1, random.chance(permille: options.splitPermille) {
            let cut = start + 1 + random.below(bytes.count - start - 1)
            deliver(.bytes(Array(bytes[start..<cut])), on: connection, to: side.other, at: now, in: &queue)
            start = cut
        }
        let last = start == 0 ? bytes : Array(bytes[start...])
        deliver(.bytes(last), on: connection, to: side.other, at: now, in: &queue)
    }

    /// The end at `side` writes no more.
    mutating func shutDown(_ connection: Int, from side: Side, at now: UInt64, in queue: inout EventQueue) {
        guard !pipes[Self.end(connection, side.other)].isShut else { return }
        deliver(.end, on: connection, to: side.other, at: now, in: &queue)
        pipes[Self.end(connection, side.other)].isShut = true
    }

    /// The end at `side` neither writes nor reads any more. What it wrote before still arrives.
    mutating func close(_ connection: Int, from side: Side, at now: UInt64, in queue: inout EventQueue) {
        shutDown(connection, from: side, at: now, in: &queue)
        pipes[Self.end(connection, side)].isClosed = true
    }

    /// The end at `side` is gone without a word: nothing of it arrives any more, nothing is answered.
    mutating func vanish(_ connection: Int, from side: Side) {
        pipes[Self.end(connection, side.other)].isShut = true
        pipes[Self.end(connection, side)].isClosed = true
    }

    private mutating func deliver(
        _ delivery: Delivery, on connection: Int, to side: Side, at now: UInt64, in queue: inout EventQueue
    ) {
        let delay = connections[connection].delay
        let path = paths[connections[connection].path]
        var arrival = now
        if let rate = path.bytesPerSecond, case .bytes(let bytes) = delivery {
            arrival = max(now, pipes[Self.end(connection, side)].lineFree)
            arrival += UInt64(bytes.count) * 1_000_000_000 / max(1, rate)
            pipes[Self.end(connection, side)].lineFree = arrival
        }
        arrival += delay + delay * random.below(path.jitterPermille + 1) / 1000
        if path.lossPermille > 0 { arrival += retransmissions(path) }
        arrival = max(pipes[Self.end(connection, side)].lastArrival, arrival)
        pipes[Self.end(connection, side)].append(delivery)
        pipes[Self.end(connection, side)].lastArrival = arrival
        queue.plan(.arrival(connection: connection, side: side), at: arrival)
    }

    /// How much later a segment arrives because it and its repetitions are lost.
    private mutating func retransmissions(_ path: PathQuality) -> UInt64 {
        var delay: UInt64 = 0
        var wait = PathQuality.retransmission
        var losses = 0
        while losses < PathQuality.lossesMax, random.chance(permille: path.lossPermille) {
            delay += wait
            wait *= 2
            losses += 1
        }
        return delay
    }

    /// The place of an end in `pipes`.
    private static func end(_ index: Int, _ side: Side) -> Int { 2 * index + side.rawValue }

    /// Both ends have closed, and nothing is under way.
    private func isOver(_ index: Int) -> Bool {
        [Side.dialler, .acceptor].allSatisfy {
            pipes[Self.end(index, $0)].isClosed && pipes[Self.end(index, $0)].isEmpty
        }
    }

    /// Nobody has closed it.
    func isHeldOpen(_ index: Int) -> Bool {
        [Side.dialler, .acceptor].allSatisfy {
            !pipes[Self.end(index, $0)].isShut && !pipes[Self.end(index, $0)].isClosed
        }
    }

    // MARK: Arriving

    /// What an arrival event brings to its end; nil if it is lost, stalled, or nobody is there to read it.
    mutating func arrive(_ index: Int, at side: Side, at now: UInt64, in queue: inout EventQueue) -> Delivery? {
        guard !pipes[Self.end(index, side)].isEmpty else { return nil }
        // Asked here first, since each call of a method that changes nothing copies the network.
        let isCut =
            !cuts.isEmpty && isCut(from: connections[index].party(side.other), to: connections[index].party(side))
        if isCut || isFull(index, side) {
            pipes[Self.end(index, side)].stall(at: now)
            return nil
        }
        guard let delivery = pipes[Self.end(index, side)].popFirst() else { return nil }
        guard pipes[Self.end(index, side)].isClosed else {
            if case .bytes(let bytes) = delivery {
                pipes[Self.end(index, side)].receipts?.noteCome(bytes.count, at: now)
            }
            return delivery
        }
        if silent.contains(connections[index].party(side)) { return nil }
        // As TCP does: bytes for nobody are answered by a reset.
        if case .bytes = delivery, !pipes[Self.end(index, side.other)].isClosed {
            deliver(.reset, on: index, to: side.other, at: now, in: &queue)
        }
        return nil
    }

    /// Whether the reader stands still and its buffer has no room for this. A client has none: it is not known to read
    /// slowly before its server's buffers are full, and those are not simulated.
    private mutating func isFull(_ index: Int, _ side: Side) -> Bool {
        guard !frozen.isEmpty else { return false }
        let reader = connections[index].party(side)
        guard frozen.contains(reader), case .bytes(let bytes) = pipes[Self.end(index, side)].first else {
            return false
        }
        guard case .server = reader else { return true }
        guard pipes[Self.end(index, side)].unread + bytes.count <= options.socketBufferBytes else { return true }
        pipes[Self.end(index, side)].unread += bytes.count
        return false
    }

    /// Lets what stalled arrive after `wait` nanoseconds and the connection's delay.
    private mutating func release(
        _ index: Int, to side: Side, after wait: UInt64, at now: UInt64, in queue: inout EventQueue
    ) {
        let stalled = pipes[Self.end(index, side)].stalled
        guard stalled > 0 else { return }
        pipes[Self.end(index, side)].stalled = 0
        let arrival = max(pipes[Self.end(index, side)].lastArrival, now + connections[index].delay + wait)
        pipes[Self.end(index, side)].lastArrival = arrival
        for _ in 0..<stalled { queue.plan(.arrival(connection: index, side: side), at: arrival) }
    }

    /// How many bytes of all that were written to an end its kernel is known to have, and since when some are not.
    func acknowledged(
        _ connection: Int, by side: Side, at now: UInt64
    ) -> (bytes: UInt64, unacknowledgedSince: UInt64?) {
        pipes[Self.end(connection, side)].receipts?
            .acknowledged(delay: connections[connection].delay, at: now) ?? (0, nil)
    }

    /// Nothing is under way on it.
    func isQuiet(_ connection: Int) -> Bool {
        pipes[Self.end(connection, .dialler)].isEmpty && pipes[Self.end(connection, .acceptor)].isEmpty
    }

    // MARK: Faults

    /// Whether something passes between two servers in both directions.
    func hasWay(between one: Int, and other: Int) -> Bool {
        let (one, other) = (Party.server(one), Party.server(other))
        return !isCut(from: one, to: other) && !isCut(from: other, to: one)
    }

    private func isCut(from source: Party, to target: Party) -> Bool {
        guard !cuts.isEmpty, case .server(let first) = source, case .server(let second) = target else { return false }
        return cuts.contains(Way(source: first, target: second))
    }

    /// From now on nothing passes from one server to the other, and nobody is told.
    mutating func cut(from source: Int, to target: Int) { cuts.insert(Way(source: source, target: target)) }

    /// The way is open again. What was written meanwhile still comes, in order; but TCP tries ever more seldom, so it
    /// may take as long again as the cut did.
    mutating func heal(from source: Int, to target: Int, at now: UInt64, in queue: inout EventQueue) {
        guard cuts.remove(Way(source: source, target: target)) != nil else { return }
        for index in links[Pair(.server(source), .server(target))] ?? [] {
            let side = connections[index].dialler == .server(target) ? Side.dialler : .acceptor
            guard pipes[Self.end(index, side)].stalled > 0 else { continue }
            let cutFor = now - pipes[Self.end(index, side)].stalledSince
            release(index, to: side, after: random.below(min(cutFor, Self.pauseMax) + 1), at: now, in: &queue)
        }
    }

    /// The longest pause between two retransmissions (Linux: 120 s).
    private static let pauseMax: UInt64 = 120_000_000_000

    /// All connections between the two servers break at once, and what is under way is lost. Each end hears of it
    /// within a delay.
    mutating func breakConnections(_ first: Int, _ second: Int, at now: UInt64, in queue: inout EventQueue) {
        for index in links[Pair(.server(first), .server(second))] ?? [] {
            breakConnection(index, at: now, in: &queue)
        }
    }

    mutating func breakConnection(_ index: Int, at now: UInt64, in queue: inout EventQueue) {
        for side in [Side.dialler, .acceptor] where !pipes[Self.end(index, side)].isClosed {
            pipes[Self.end(index, side)].wipe()
            pipes[Self.end(index, side)].receipts?.brokenAt = now
            deliver(.reset, on: index, to: side, at: now, in: &queue)
            pipes[Self.end(index, side)].isShut = true
        }
    }

    mutating func setSilent(_ party: Party, _ isSilent: Bool) {
        if isSilent { silent.insert(party) } else { silent.remove(party) }
    }

    /// A process stands still, or goes on: then its buffers empty, and who waited for room may write.
    mutating func setFrozen(_ party: Party, _ isFrozen: Bool, at now: UInt64, in queue: inout EventQueue) {
        guard !isFrozen else {
            frozen.insert(party)
            return
        }
        guard frozen.remove(party) != nil else { return }
        for index in connections.indices {
            for side in [Side.dialler, .acceptor] where connections[index].party(side) == party {
                pipes[Self.end(index, side)].unread = 0
                release(index, to: side, after: 0, at: now, in: &queue)
            }
        }
    }
}
