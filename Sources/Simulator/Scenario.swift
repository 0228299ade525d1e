/// The standard run: a network grows, clients come, activities flow while the timeline says what happens, everything
/// settles, and the checkers look. `pando-sim` is this with options or a file; tests use it with thresholds.
public struct Scenario: Sendable {
    public var world: WorldOptions
    public var servers = 5
    public var topology = Topology.random
    /// Servers that do not start with the others, but when the timeline says so.
    public var absent: Set<Int> = []
    /// Shares of the load by server; those that are not here have 100.
    public var weights: [UInt32] = []
    /// Ways that are not like the others, from the beginning.
    public var ways: [(groups: [[Int]], quality: PathQuality)] = []
    /// The servers start within this time, in an order that the seed draws.
    public var startSpreadMilliseconds: UInt64 = 2000
    /// Clients that connect to each server.
    public var clientsPerServer = 4
    /// Share of the clients that register a name, in permille; the others are anonymous.
    public var namedPermille: UInt64 = 500
    /// Activities a second, over all clients.
    public var rate = 20.0
    /// How long the traffic lasts that is measured.
    public var seconds = 20.0
    /// Traffic before it: the trees find their form, and each improvement costs some copies.
    public var warmUpSeconds = 60.0
    /// What happens while it flows; times count from its beginning.
    public var timeline = Timeline()
    public var settleSeconds = 10.0
    /// Redundancy above this is a violation: trees that stand cost nothing extra. A link over which nothing of an
    /// origin has ever come, because both ends had it already, is pruned by the first copy that crosses it: in networks
    /// of 40 and 64 servers that is one in ten thousand.
    public var redundancyMax = 0.001
    /// Until the network must be whole: after its start, and after the timeline's last entry.
    public var wholeLimitSeconds = 60.0
    /// Until the load must be even after the timeline's last entry, and then nobody moves; nil: it is not asked.
    public var evenLimitSeconds: Double?
    public var checks = Checks()

    public init(seed: UInt64) { world = WorldOptions(seed: seed) }

    /// What a run showed.
    public struct Outcome: Sendable {
        public var seed: UInt64
        public var violations: [Violation]
        /// From the first start until the network was whole; nil if it never was.
        public var wholeAfter: UInt64?
        /// The timeline's entries with their virtual time.
        public var story: [String] = []
        /// The causal story of the record that was asked for.
        public var causes: [String]
        /// From each start, kill and healing of the timeline until the network was whole, where it was before the next.
        public var repairs: [UInt64] = []
        /// From such an entry until the load was even again, and the moves that it took; those that it needed.
        public var evenings: [(time: UInt64, moves: Int, movesNeeded: Int)] = []
        /// Of the records of the measured time.
        public var economy: Economy
        /// Frames on links in the measured time.
        public var frames = FrameTally()
        /// Virtual time that was measured.
        public var measured: UInt64 = 0
        public var activities: Int
        public var deliveries: Int
        public var events: UInt64
        public var traceDigest: UInt64
        /// Virtual time of the whole run.
        public var duration: UInt64
    }

    /// The same scenario always gives the same outcome.
    public func run() -> Outcome {
        let world = World(options: self.world)
        let wholeAfter = grow(world)
        addClients(to: world)
        world.startTraffic(perSecond: rate, seconds: warmUpSeconds)
        world.run(milliseconds: UInt64(warmUpSeconds * 1000))
        world.run(milliseconds: 1000)

        let start = world.now
        let framesBefore = world.frames
        let overlay = world.overlay
        world.startTraffic(perSecond: rate, seconds: seconds)
        let course = follow(in: world)
        let frames = world.frames.since(framesBefore)
        let measured = world.now - start
        let stood = world.overlay == overlay ? overlay : nil
        world.run(milliseconds: UInt64(settleSeconds * 1000))
        let economy = world.economy(since: start, over: stood)
        var outcome = outcome(of: world, wholeAfter: wholeAfter, economy)
        (outcome.story, outcome.repairs, outcome.evenings) = (course.story, course.repairs, course.evenings)
        (outcome.frames, outcome.measured) = (frames, measured)
        return outcome
    }

    /// What came of the timeline.
    private struct Course {
        var story: [String] = []
        var repairs: [UInt64] = []
        var evenings: [(time: UInt64, moves: Int, movesNeeded: Int)] = []
    }

    /// Runs the measured traffic, and the timeline in it.
    private func follow(in world: World) -> Course {
        let start = world.now
        func instant(_ seconds: Double) -> UInt64 { start + UInt64(seconds * 1e9) }
        var course = Course()
        for (index, entry) in timeline.entries.enumerated() {
            world.run(milliseconds: (instant(entry.seconds) - world.now) / 1_000_000)
            world.act(entry.action, namedPermille: namedPermille)
            course.story.append("\(Trace.stamp(world.now)) \(entry.action)")
            let next = timeline.entries.dropFirst(index + 1).first.map { instant($0.seconds) }
            let struck = world.now
            let needed = evenLimitSeconds == nil ? 0 : world.movesNeeded
            guard entry.action.isRepaired || next == nil else { continue }
            let limit = next ?? world.now + UInt64(wholeLimitSeconds * 1e9)
            let isWhole = world.run(limitMilliseconds: (limit - struck) / 1_000_000) { $0.isWhole }
            if isWhole, entry.action.isRepaired { course.repairs.append(world.now - struck) }
            if !isWhole, next == nil { world.found(.notWhole, world.wholenessText) }
            if isWhole { beEven(world, since: struck, until: next, movesNeeded: needed, in: &course) }
        }
        let end = instant(seconds)
        if end > world.now { world.run(milliseconds: (end - world.now) / 1_000_000) }
        return course
    }

    /// Waits until the load is even again, as far as it is asked; after the last entry it stays so.
    private func beEven(
        _ world: World, since struck: UInt64, until next: UInt64?, movesNeeded needed: Int, in course: inout Course
    ) {
        guard let evenLimitSeconds else { return }
        let limit = next ?? struck + UInt64(evenLimitSeconds * 1e9)
        let isEven = world.run(limitMilliseconds: (max(limit, world.now) - world.now) / 1_000_000) { $0.isEven }
        if isEven { course.evenings.append((world.now - struck, world.moves(since: struck), needed)) }
        guard next == nil else { return }
        guard isEven else { return world.found(.notEven, "after \(evenLimitSeconds) s: " + world.loadText) }
        stayEven(world)
    }

    /// Nothing happens any more, so nobody moves. Who was told to is on the way for a moment.
    private func stayEven(_ world: World) {
        world.run(milliseconds: Self.calmMilliseconds)
        let start = world.now
        world.run(milliseconds: UInt64(evenLimitSeconds ?? 0) * 1000)
        let moved = world.redirects(since: start)
        if moved > 0 { world.found(.movedNeedlessly, "\(moved) were sent elsewhere although the load was even") }
        if !world.isEven { world.found(.notEven, "no longer: " + world.loadText) }
    }

    /// From the last REDIRECT to the login that follows it, and until it is known everywhere. (A guess.)
    private static let calmMilliseconds: UInt64 = 10_000

    private func grow(_ world: World) -> UInt64? {
        world.addServers(servers, topology)
        for (server, weight) in zip(world.servers, weights) { server.weight = weight }
        for way in ways { world.act(.way(way.groups, way.quality), namedPermille: namedPermille) }
        world.startAll(spreadMilliseconds: startSpreadMilliseconds, isShuffled: true, except: absent)
        world.run(milliseconds: startSpreadMilliseconds)
        let isWhole = world.run(limitMilliseconds: UInt64(wholeLimitSeconds * 1000)) { $0.isWhole }
        if !isWhole { world.found(.notWhole, world.wholenessText) }
        return isWhole ? world.now : nil
    }

    /// Clients come to the servers in turn, within three seconds, so that those of one server do not come together.
    private func addClients(to world: World) {
        var random = SplitMix64(seed: self.world.seed, purpose: 4)
        let hosts = world.livingServers.map(\.index)
        for number in 0..<hosts.count * clientsPerServer {
            let pause = random.below(UInt64(3000))
            world.addGuest(
                at: hosts[number % hosts.count], namedPermille: namedPermille, afterMilliseconds: pause)
        }
        let areIn = world.run(limitMilliseconds: 30_000) { world in
            world.clients.allSatisfy { $0.isLoggedIn || $0.isStopped }
        }
        // Who was just told LOGIN_SUCCESS may still be told REDIRECT, and what logins left uneven is evened out.
        world.run(milliseconds: 2000)
        _ = world.run(limitMilliseconds: 30_000) { $0.clients.allSatisfy { $0.isLoggedIn || $0.isStopped } }
        let out = world.clients.filter { !$0.isLoggedIn }
        if !areIn || !out.isEmpty {
            let stories = out.prefix(3).map { client in
                "client \(client.index) at server \(client.server ?? -1), last line "
                    + (client.received.last.map { "\($0.text) at \(Trace.stamp($0.time))" } ?? "none")
            }
            world.found(.notAccepted, "\(out.count) clients are not logged in: \(stories.joined(separator: "; "))")
        }
    }

    private func outcome(of world: World, wholeAfter: UInt64?, _ economy: Economy) -> Outcome {
        if economy.redundancy > redundancyMax {
            world.found(
                .wastedCopies,
                "\(economy.records) records made \(economy.copies) copies: redundancy \(economy.redundancy)")
        }
        if !world.isWhole { world.found(.notWhole, "at the end: " + world.wholenessText) }
        let violations = world.verdict(checks)
        return Outcome(
            seed: self.world.seed, violations: violations, wholeAfter: wholeAfter, causes: world.causes,
            economy: economy,
            activities: world.history.activities.reduce(0) { $0 + $1.count },
            deliveries: world.history.views.reduce(0) { $0 + $1.count }, events: world.eventCount,
            traceDigest: world.trace.digest, duration: world.now)
    }
}
