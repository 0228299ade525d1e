public import Codecs
import Node

/// A network of servers and clients under a virtual clock. Everything happens in the order of the event queue, and
/// chance comes from the seed alone: a world is a function of its options and its script.
///
/// What the simulator looks at all the time is not public: of a public variable of a class each look is checked against
/// changes elsewhere.
///
/// This file has the clock and the cast; `World+Faults` what can go wrong, `World+Measures` what can be seen.
public final class World {
    public let options: WorldOptions
    /// Nanoseconds since the world's beginning.
    private(set) var now: UInt64 = 0
    private(set) var servers: [SimulatedServer] = []
    private(set) var clients: [SimulatedClient] = []
    public private(set) var violations: [Violation] = []
    /// Events carried out.
    private(set) var eventCount: UInt64 = 0
    var trace: Trace
    let isTraced: Bool
    var history: History

    var queue = EventQueue()
    var network: Network
    var tap = LinkTap()
    var reader = ServerLineReader()
    /// In which life each stream arises.
    var lifeOf: [ServerID: Int] = [:]
    var lookCount = 0
    private var nextLook: UInt64 = 0
    /// Told already.
    var brokenInvariants: Set<String> = []
    var rareStates = RareStates()
    var story: Story?
    private var random: SplitMix64
    /// Each is dropped when it has run: it may hold whoever planned it, and so this world.
    private var scripts: [((World) -> Void)?] = []
    private var traffic: Traffic?

    private struct Traffic {
        var gap: UInt64
        var end: UInt64
        var random: SplitMix64
    }

    /// 14 November 2023, 22:13:20 UTC: the wall clock of a world's beginning, in milliseconds since 1970.
    public static let wallClockStart: UInt64 = 1_700_000_000_000

    public init(options: WorldOptions) {
        self.options = options
        trace = Trace(mode: options.traces)
        isTraced = !trace.isOff
        history = History(seed: options.seed)
        network = Network(options: options)
        story = options.focus.map { Story(of: $0) }
        if story != nil { tap.watch = LinkTap.Watch() }
        random = SplitMix64(seed: options.seed, purpose: 2)
        let departure = options.timing.departure * 1_000_000
        history.departureAfter = departure - min(departure, silenceNoticed)
        history.silenceNoticed = silenceNoticed
        history.ticketTime = options.timing.ticket * 1_000_000
        history.resumeWindow = options.timing.resumeWindow * 1_000_000
        history.announcedWithin = 2 * (options.timing.checkpoint + options.timing.announceInterval) * 1_000_000
        history.restTime = Self.restTime
    }

    /// A session that was moved is left alone for a minute; its two ends count it from different instants, in seconds.
    private static let restTime: UInt64 = 57_000_000_000

    // MARK: The cast

    /// Adds a server that is not started yet. `bootstrap` is the index of the server that it is told of.
    @discardableResult
    public func addServer(bootstrap: Int?) -> SimulatedServer {
        let server = SimulatedServer(index: servers.count, options: options)
        server.bootstrap = bootstrap
        servers.append(server)
        return server
    }

    /// Adds servers that are told of each other in the given way.
    public func addServers(_ count: Int, _ topology: Topology) {
        for index in servers.count..<servers.count + count {
            let bootstrap: Int
            switch topology {
            case .chain: bootstrap = index - 1
            case .star: bootstrap = 0
            case .random: bootstrap = index == 0 ? 0 : random.below(index)
            }
            addServer(bootstrap: index == 0 ? nil : bootstrap)
        }
    }

    /// Starts a server; one that was killed starts again under its address, knowing nothing.
    public func start(_ index: Int) {
        let server = servers[index]
        guard !server.isUp else { return }
        network.setSilent(.server(index), false)
        server.start(in: self)
    }

    /// Starts all servers within `spread` milliseconds, in random order if `isShuffled`.
    public func startAll(spreadMilliseconds spread: UInt64, isShuffled: Bool, except absent: Set<Int> = []) {
        let order = isShuffled ? random.permutation(of: servers.count) : Array(servers.indices)
        for (position, server) in order.enumerated() where !absent.contains(server) {
            let delay = spread * UInt64(position) / UInt64(max(1, order.count - 1))
            at(milliseconds: now / 1_000_000 + delay) { $0.start(server) }
        }
    }

    /// Adds a client that begins its script now. A nil name is the anonymous user.
    @discardableResult
    public func addClient(name: String?, manners: RedirectManners? = nil, steps: [ClientStep]) -> SimulatedClient {
        let drawn = RedirectManners.allCases[random.below(RedirectManners.allCases.count)]
        let client = SimulatedClient(index: clients.count, name: name, manners: manners ?? drawn, steps: steps)
        clients.append(client)
        history.addClient(name: name)
        queue.plan(.clientContinues(client: client.index, step: 0), at: now)
        return client
    }

    /// From now on for `seconds`: logged-in clients, drawn at random, send `perSecond` activities a second in all.
    public func startTraffic(perSecond: Double, seconds: Double) {
        guard perSecond > 0 else { return }
        let gap = UInt64(1_000_000_000 / perSecond)
        let end = now + UInt64(seconds * 1_000_000_000)
        traffic = Traffic(gap: gap, end: end, random: SplitMix64(seed: options.seed, purpose: 3))
        queue.plan(.traffic, at: now)
    }

    public func server(at address: PeerAddress) -> Int? { servers.firstIndex { $0.address == address } }

    // MARK: The clock

    /// Plans something of the caller's own.
    public func at(milliseconds: UInt64, _ action: @escaping (World) -> Void) {
        scripts.append(action)
        queue.plan(.script(scripts.count - 1), at: max(now, milliseconds * 1_000_000))
    }

    /// Drops what is planned and will not happen, because nobody lets the world run any more.
    public func end() { scripts = [] }

    /// Lets the world run for a time.
    public func run(milliseconds: UInt64) { run(to: now + milliseconds * 1_000_000) }

    private func run(to end: UInt64) {
        while let (time, event) = queue.next(upTo: end) {
            precondition(time >= now, "nothing happens in the past")
            while nextLook <= time {
                now = max(now, nextLook)
                look()
                nextLook += Self.lookInterval
            }
            now = time
            eventCount += 1
            happen(event)
        }
        now = end
        history.endTime = now
        history.settle(at: now)
    }

    /// Lets the world run until something holds, looking every 10 ms. False if it does not within the limit.
    public func run(limitMilliseconds: UInt64, until holds: (World) -> Bool) -> Bool {
        let end = now + limitMilliseconds * 1_000_000
        while !holds(self) {
            guard now < end else { return false }
            run(to: min(end, now + 10_000_000))
        }
        return true
    }

    func found(_ kind: Violation.Kind, _ text: String) {
        violations.append(Violation(kind: kind, seed: options.seed, time: now, text: text))
    }

    // MARK: Events

    private func happen(_ event: Event) {
        switch event {
        case .arrival(let connection, let side): arrive(connection, at: side)
        case .dialReaches(let dial): reach(dial)
        case .dialResolves(let dial): resolve(dial)
        case .turn(let server, let life):
            if servers[server].life == life { servers[server].takeTurn(in: self) }
        case .deadline(let server, let life):
            if servers[server].life == life { servers[server].deadlineCame(in: self) }
        case .hashed(let server, let life, let id):
            if servers[server].life == life { servers[server].hashCame(id, in: self) }
        case .lingerEnds(let server, let life, let slot, let generation):
            if servers[server].life == life {
                servers[server].lingerEnded(slot: slot, generation: generation, in: self)
            }
        case .clientContinues(let client, let step): clients[client].proceed(step: step, in: self)
        case .traffic: sendTraffic()
        case .script(let number):
            let action = scripts[number]
            scripts[number] = nil
            action?(self)
        }
    }

    private func arrive(_ connection: Int, at side: Side) {
        guard let delivery = network.arrive(connection, at: side, at: now, in: &queue) else { return }
        switch network.connections[connection].party(side) {
        case .client(let client): clients[client].receive(delivery, on: connection, in: self)
        case .server(let server):
            if case .bytes(let bytes) = delivery {
                tap.arrived(bytes.count, at: server, on: connection, from: side.other)
                tellArrivals(at: server)
            }
            servers[server].receive(delivery, on: connection, in: self)
        }
    }

    private func reach(_ dial: Int) {
        let target = network.dials[dial].target
        let isListening = servers[target].isUp
        if let connection = network.reach(dial, isListening: isListening, at: now, in: &queue) {
            servers[target].accept(connection)
        }
    }

    private func resolve(_ index: Int) {
        let dial = network.dials[index]
        guard let outcome = dial.outcome else { return }
        switch dial.dialler {
        case .client(let client): clients[client].dialCame(tag: dial.tag, to: outcome, in: self)
        case .server(let server):
            if servers[server].isUp, servers[server].life == dial.life {
                servers[server].dialCame(tag: dial.tag, to: outcome, in: self)
            } else if case .connected(let connection) = outcome {
                // The dialler died in between: its kernel resets what nobody waits for.
                network.close(connection, from: .dialler, at: now, in: &queue)
            }
        }
    }

    /// A client that is logged in: usually the first draw is one.
    private func drawSender(_ random: inout SplitMix64) -> Int? {
        for _ in 0..<8 where !clients.isEmpty {
            let drawn = random.below(clients.count)
            if clients[drawn].isLoggedIn { return drawn }
        }
        let ready = clients.indices.filter { clients[$0].isLoggedIn }
        return ready.isEmpty ? nil : ready[random.below(ready.count)]
    }

    private func sendTraffic() {
        guard var traffic, now < traffic.end else { return }
        if let sender = drawSender(&traffic.random) { clients[sender].sendActivity(in: self) }
        // Gaps between none and twice the mean: bursts and lulls.
        queue.plan(.traffic, at: now + traffic.random.below(2 * traffic.gap + 1))
        self.traffic = traffic
    }
}
