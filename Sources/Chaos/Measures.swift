public import Simulator

/// How long deliveries stop after a fault.
public struct RepairMeasure {
    private let options: RealNetwork.Options
    private static let rate = 200.0

    public init(_ options: RealNetwork.Options) { self.options = options }

    private func network() throws -> RealNetwork {
        let world = try RealNetwork(options)
        world.beginRound()
        try world.startAll()
        // One client a server: each sends, and each listens.
        for server in 0..<world.serverCount { world.addClient(.regular, name: nil, server: server) }
        guard world.run(seconds: 20, until: { world.areAllLoggedIn }) else { throw ChaosError(world.wholenessText) }
        return world
    }

    /// kill -9 of one server after the other, which starts again afterwards.
    public func kills(_ times: Int, _ tell: (String) -> Void) throws -> Percentiles {
        let world = try network()
        var durations: [UInt64] = []
        for time in 0..<times {
            let victim = time % world.serverCount
            let others = (0..<world.serverCount).filter { $0 != victim }
            durations.append(try outage(world, among: others) { world.kill(victim) })
            tell("server \(victim) killed: \(RealNetwork.seconds(durations.last ?? 0)) s")
            world.mendAll()
            guard world.run(seconds: 30, until: { world.isWhole && world.areAllLoggedIn }) else {
                throw ChaosError(world.wholenessText)
            }
        }
        return Percentiles(durations)
    }

    /// A server keeps one wire: whatever came over the others must find its way.
    public func cuts(_ times: Int, _ tell: (String) -> Void) throws -> Percentiles {
        let world = try network()
        var durations: [UInt64] = []
        for time in 0..<times {
            let victim = time % world.serverCount
            let keeper = (victim + 1) % world.serverCount
            let lost = (0..<world.serverCount).filter { $0 != victim && $0 != keeper }
            durations.append(
                try outage(world, among: Array(0..<world.serverCount)) {
                    world.partition([victim], from: lost, .silently)
                })
            tell("server \(victim) cut: \(RealNetwork.seconds(durations.last ?? 0)) s")
            world.mendAll()
            guard world.run(seconds: 30, until: { world.isWhole && world.areAllLoggedIn }) else {
                throw ChaosError(world.wholenessText)
            }
        }
        return Percentiles(durations)
    }

    /// From the fault until each of these servers' clients has heard something of each other one that was sent
    /// afterwards.
    private func outage(_ world: RealNetwork, among servers: [Int], _ fault: () -> Void) throws -> UInt64 {
        world.beginRound()
        world.startTraffic(perSecond: Self.rate * Double(world.serverCount))
        world.run(seconds: 1)
        // Counted from before the fault, which takes a moment itself.
        let begin = world.now
        fault()
        let struck = world.now - begin
        let restored = world.untilFresh(among: servers)
        world.stopTraffic()
        guard let restored else { throw ChaosError("no delivery for 30 s after the fault") }
        return struck + restored
    }
}

/// A server with a crowd of clients is cut off while much is said elsewhere; then the cut heals.
public struct HealingMeasure {
    private var options: RealNetwork.Options
    public var clients = 1000
    public var megabytes = 40
    /// Until all must have come.
    public var limitSeconds = 300.0

    public init(_ options: RealNetwork.Options) {
        self.options = options
        self.options.servers = 3
        // Those that only count bytes follow no REDIRECT: the crowd is to stay where it is.
        self.options.argumentsOf[1] = ["--weight", "65535"]
    }

    public struct Outcome: Sendable {
        public var backlogBytes: Int
        /// From the healing until every client had everything.
        public var duration: UInt64
        /// Clients that their server closed.
        public var closed: Int
        /// Delays of what others said while the backlog came.
        public var fresh: Percentiles
        /// Of these, those that came before the backlog was in.
        public var freshBeforeEnd: Int
        public var violations: [Violation]
    }

    /// Server 0 has the talker, server 1 the crowd, server 2 one who says something fresh now and then.
    public func run() throws -> Outcome {
        let world = try RealNetwork(options)
        world.beginRound()
        try world.startAll()
        world.partition([1], from: [0, 2], .silently)
        let talker = world.addClient(.regular, name: nil, server: 0)
        let fresh = world.addClient(.regular, name: nil, server: 2)
        guard world.run(seconds: 30, until: { world.statistics()[1]?.links == 0 }) else {
            throw ChaosError("the cut is not seen")
        }
        let crowd = (0..<clients).map { _ in world.addClient(.regular, name: nil, server: 1) }
        guard world.run(seconds: 60, until: { world.areAllLoggedIn }) else { throw ChaosError(world.wholenessText) }
        for client in crowd.dropFirst(10) { client.isDeaf = true }
        let lineBytes = 8000
        world.padding = lineBytes
        while Int(talker.bytesHeard) < megabytes << 20 {
            for _ in 0..<50 { world.send(from: talker) }
            world.run(seconds: 10) { talker.output.isEmpty }
            world.run(seconds: 0.02)
        }
        return try heal(world, crowd, fresh)
    }

    private func heal(_ world: RealNetwork, _ crowd: [Client], _ fresh: Client) throws -> Outcome {
        world.padding = 0
        let backlog = crowd[0].bytesHeard
        let goal = world.clients[0].bytesHeard
        let begin = world.now
        world.healAll()
        var nextFresh = world.now
        let isDone = world.run(seconds: limitSeconds) {
            if world.now >= nextFresh {
                world.send(from: fresh)
                nextFresh = world.now + 50_000_000
            }
            return crowd.allSatisfy { $0.bytesHeard >= goal }
        }
        let duration = world.now - begin
        world.run(seconds: 1)
        var delays: [UInt64] = []
        var early = 0
        for reception in world.history.receptions[crowd[0].index] where reception.sender == fresh.index {
            delays.append(reception.time - world.history.activities[fresh.index][reception.number].sentAt)
            if reception.time < begin + duration { early += 1 }
        }
        if !isDone {
            world.found(.notWhole, "not all has come in \(limitSeconds) s: \(crowd[0].bytesHeard) of \(goal)")
        }
        var heard = world.history
        // Those that only count bytes are no witnesses.
        let deaf = Set(crowd.filter(\.isDeaf).map(\.index))
        heard.presences.removeAll { deaf.contains($0.client) }
        return Outcome(
            backlogBytes: goal - backlog, duration: duration,
            closed: crowd.count { !$0.isLoggedIn || $0.session > 0 }, fresh: Percentiles(delays), freshBeforeEnd: early,
            violations: world.violations + heard.violations())
    }
}

/// Servers that are killed and started again for ever, and one that lives through it all.
public struct RestartMeasure {
    private let options: RealNetwork.Options
    private static let perRound = 50

    public init(_ options: RealNetwork.Options) { self.options = options }

    /// What the survivor has come to.
    public struct Outcome: Sendable {
        public var serversKnown: Int
        public var tombstones: Int
        /// Resident memory in KiB after the first round, and in the end.
        public var residentFirst: Int
        public var residentLast: Int
        public var violations: [Violation]
    }

    /// Restarts all but the first server, one after the other, under load.
    public func run(_ times: Int, _ tell: (String) -> Void) throws -> Outcome {
        let world = try RealNetwork(options)
        world.beginRound()
        try world.startAll()
        world.addClients(each: 2)
        guard world.run(seconds: 20, until: { world.areAllLoggedIn }) else { throw ChaosError(world.wholenessText) }
        var violations: [Violation] = []
        var resident: [Int] = []
        for begin in stride(from: 0, to: times, by: Self.perRound) {
            world.beginRound()
            world.startTraffic(perSecond: 100)
            for time in begin..<min(times, begin + Self.perRound) {
                let victim = 1 + time % (world.serverCount - 1)
                world.kill(victim)
                world.restart(victim)
                world.run(seconds: 0.3) { world.isWhole }
            }
            world.mendAll()
            world.endRound()
            violations += world.violations
            resident.append(world.residentKiB(of: 0))
            tell("\(min(times, begin + Self.perRound)) restarts: \(resident.last ?? 0) KiB")
        }
        // What is dead is forgotten when all have said that they hold the same of it.
        world.run(seconds: 20) { world.statistics().allSatisfy { $0?["servers_known"] == world.serverCount } }
        let survivor = world.statistics()[0]
        return Outcome(
            serversKnown: survivor?["servers_known"] ?? -1, tombstones: survivor?["tombstones"] ?? -1,
            residentFirst: resident.first ?? 0, residentLast: resident.last ?? 0, violations: violations)
    }
}

extension RealNetwork {
    /// Resident memory of a server.
    public func residentKiB(of index: Int) -> Int { slots[index].residentKiB }
}
