/// The simulated network: connections with delay, jitter and arbitrary segment boundaries, and the ways in which they
/// fail. It knows parties and bytes, no node and no protocol. Invariant: what arrives at an end is a prefix of what the
/// other end wrote, in order, whatever breaks or heals.
struct Network {
    private let options: WorldOptions
    private var random: SplitMix64
    private(set) var connections: [Connection] = []
    private(set) var dials: [Dial] = []
    /// Pairs of servers, the smaller first, between which nothing passes.
    private var cuts: Set<[Int]> = []
    /// Servers whose machine is off: nothing answers there.
    private var silent: Set<Int> = []

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
    }

    // MARK: Connecting

    /// Begins an attempt; `World` asks `reach` when its first packet arrives.
    mutating func dial(
        from dialler: Party, life: Int, to target: Int, tag: UInt64, at now: UInt64, in queue: inout EventQueue
    ) {
        let delay = random.inside(options.latencyMilliseconds) * 1_000_000
        dials.append(Dial(dialler: dialler, target: target, tag: tag, life: life, delay: delay))
        queue.plan(.dialReaches(dial: dials.count - 1), at: now + delay)
    }

    /// The first packet is there. Returns the new connection if the target takes it.
    mutating func reach(_ index: Int, isListening: Bool, at now: UInt64, in queue: inout EventQueue) -> Int? {
        let dial = dials[index]
        if isCut(dial.dialler, .server(dial.target)) || silent.contains(dial.target) {
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
        var connection = Connection(dialler: dial.dialler, acceptor: .server(dial.target), delay: dial.delay)
        // The dialler hears of the connection before it hears a byte on it.
        connection[towards: .dialler].lastArrival = now + dial.delay
        connections.append(connection)
        dials[index].outcome = .connected(connections.count - 1)
        return connections.count - 1
    }

    // MARK: Writing

    /// Sends bytes from the end at `side`, cut into segments anywhere.
    mutating func send(
        _ bytes: [UInt8], on connection: Int, from side: Side, at now: UInt64, in queue: inout EventQueue
    ) {
        guard !bytes.isEmpty, !connections[connection][towards: side.other].isShut else { return }
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
        guard !connections[connection][towards: side.other].isShut else { return }
        deliver(.end, on: connection, to: side.other, at: now, in: &queue)
        connections[connection][towards: side.other].isShut = true
    }

    /// The end at `side` neither writes nor reads any more. What it wrote before still arrives.
    mutating func close(_ connection: Int, from side: Side, at now: UInt64, in queue: inout EventQueue) {
        shutDown(connection, from: side, at: now, in: &queue)
        connections[connection][towards: side].isClosed = true
    }

    /// The end at `side` is gone without a word: nothing of it arrives any more, nothing is answered.
    mutating func vanish(_ connection: Int, from side: Side) {
        connections[connection][towards: side.other].isShut = true
        connections[connection][towards: side].isClosed = true
    }

    private mutating func deliver(
        _ delivery: Delivery, on connection: Int, to side: Side, at now: UInt64, in queue: inout EventQueue
    ) {
        let delay = connections[connection].delay
        let jitter = delay * random.below(options.jitterPermille + 1) / 1000
        let arrival = max(connections[connection][towards: side].lastArrival, now + delay + jitter)
        connections[connection][towards: side].append(delivery)
        connections[connection][towards: side].lastArrival = arrival
        queue.plan(.arrival(connection: connection, side: side), at: arrival)
    }

    // MARK: Arriving

    /// What an arrival event brings to its end; nil if it is lost, stalled, or nobody is there to read it.
    mutating func arrive(_ index: Int, at side: Side, at now: UInt64, in queue: inout EventQueue) -> Delivery? {
        guard !connections[index][towards: side].isEmpty else { return nil }
        if isCut(connections[index].dialler, connections[index].acceptor) {
            connections[index][towards: side].stalled += 1
            return nil
        }
        guard let delivery = connections[index][towards: side].popFirst() else { return nil }
        guard connections[index][towards: side].isClosed else { return delivery }
        if case .server(let server) = connections[index].party(side), silent.contains(server) { return nil }
        // As TCP does: bytes for nobody are answered by a reset.
        if case .bytes = delivery, !connections[index][towards: side.other].isClosed {
            deliver(.reset, on: index, to: side.other, at: now, in: &queue)
        }
        return nil
    }

    // MARK: Faults

    func isCut(_ one: Party, _ other: Party) -> Bool {
        guard case .server(let first) = one, case .server(let second) = other, !cuts.isEmpty else { return false }
        return cuts.contains([min(first, second), max(first, second)])
    }

    /// From now on nothing passes between the two servers, and nobody is told.
    mutating func cut(_ first: Int, _ second: Int) { cuts.insert([min(first, second), max(first, second)]) }

    /// The way is open again. As with TCP, what was written meanwhile still comes, in order.
    mutating func heal(_ first: Int, _ second: Int, at now: UInt64, in queue: inout EventQueue) {
        guard cuts.remove([min(first, second), max(first, second)]) != nil else { return }
        for index in connections.indices {
            let connection = connections[index]
            let ends = [connection.dialler, connection.acceptor]
            guard ends.contains(.server(first)), ends.contains(.server(second)) else { continue }
            for side in [Side.dialler, .acceptor] {
                let stalled = connection[towards: side].stalled
                connections[index][towards: side].stalled = 0
                let arrival = max(connection[towards: side].lastArrival, now + connection.delay)
                connections[index][towards: side].lastArrival = arrival
                for _ in 0..<stalled { queue.plan(.arrival(connection: index, side: side), at: arrival) }
            }
        }
    }

    /// All connections between the two servers break at once, and what is under way is lost. Each end hears of it
    /// within a delay.
    mutating func breakConnections(_ first: Int, _ second: Int, at now: UInt64, in queue: inout EventQueue) {
        for index in connections.indices {
            let ends = [connections[index].dialler, connections[index].acceptor]
            guard ends.contains(.server(first)), ends.contains(.server(second)) else { continue }
            for side in [Side.dialler, .acceptor] where !connections[index][towards: side].isClosed {
                connections[index][towards: side].wipe()
                deliver(.reset, on: index, to: side, at: now, in: &queue)
                connections[index][towards: side].isShut = true
            }
        }
    }

    mutating func setSilent(_ server: Int, _ isSilent: Bool) {
        if isSilent { silent.insert(server) } else { silent.remove(server) }
    }
}
