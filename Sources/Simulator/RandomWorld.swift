public import Node

/// One seed, one world: the seed draws the servers, their places, times and bounds, and what goes wrong. First the
/// *safety* of the promises is tried under faults; then everything heals, and *liveness* is: within a stated time the
/// network must be whole and level, then silent, and a fresh activity reaches everybody.
public struct RandomWorld: Sendable {
    public let seed: UInt64
    /// Number of servers; nil lets the seed draw it. So with the other values that may be nil.
    public var servers: Int?
    /// Clients in all at the beginning; more may come.
    public var clients: Int?
    /// How long faults and traffic last.
    public var seconds: Double?
    /// What the world is hard on.
    public var strain: Strain?
    /// The only kinds of faults that come, all alike often.
    public var faults: [FaultKind]?
    public var traces = Trace.Mode.off
    /// Whether wall clocks are set back as well, so that servers restart with earlier ones.
    public var setsClocksBack = true
    public var checks = Checks()
    /// A mistake that every node makes.
    public var defect: NodeDefect?
    /// The record of which a story is told.
    public var focus: Violation.Focus?

    public init(seed: UInt64) { self.seed = seed }

    /// What a run showed.
    public struct Outcome: Sendable {
        public var seed: UInt64
        public var violations: [Violation]
        /// The drawn world in one paragraph.
        public var parameters: String
        /// The faults with their virtual time in seconds, in order.
        public var story: [String]
        /// The causal story of the record that was asked for.
        public var causes: [String]
        /// How often each rare state occurred, in a fixed order.
        public var rareStates: [(name: String, count: UInt64)]
        public var measures: Measures
        public var traceDigest: UInt64
    }

    /// Figures of one run.
    public struct Measures: Sendable {
        /// Nanoseconds from each mending until the network was whole.
        public var repairs: [UInt64] = []
        public var activities = 0
        public var deliveries = 0
        public var events: UInt64 = 0
        /// Virtual time of the whole run in nanoseconds.
        public var duration: UInt64 = 0
        /// Of all records, those that crossed a link under faults included.
        public var records = 0
        public var copies = 0
        public var hopsMean = 0.0
        public var hopsMax = 0
    }

    /// The same seed and options always give the same outcome.
    public func run() -> Outcome {
        var draw = WorldDraw(seed: seed, strain: strain)
        if let servers { draw.setServers(servers) }
        if let clients { draw.clients = clients }
        if let seconds { draw.seconds = seconds }
        if let faults { draw.weights = FaultKind.allCases.map { faults.contains($0) ? 1 : 0 } }
        draw.options.traces = traces
        draw.options.nodeDefect = defect
        draw.options.focus = focus
        // What a client says with its LOGIN and what it says on its next connection have no order yet: it is asked for
        // only where it is what the mistake is about.
        draw.options.hasHastyClients = defect == .redirectedDropped
        let run = RandomRun(draw: draw, setsClocksBack: setsClocksBack)
        run.begin()
        run.safety()
        run.liveness()
        defer { run.world.end() }
        return outcome(of: run)
    }

    private func outcome(of run: RandomRun) -> Outcome {
        let world = run.world
        let economy = world.economy(since: 0)
        let measures = Measures(
            repairs: run.repairs, activities: world.history.activities.reduce(0) { $0 + $1.count },
            deliveries: world.history.views.reduce(0) { $0 + $1.count }, events: world.eventCount,
            duration: world.now, records: economy.records, copies: economy.copies, hopsMean: economy.hopsMean,
            hopsMax: economy.hopsMax)
        return Outcome(
            seed: seed, violations: world.verdict(checks), parameters: run.draw.text, story: run.adversary.story,
            causes: world.causes, rareStates: RareStates.all(of: world), measures: measures,
            traceDigest: world.trace.digest)
    }
}

/// A random world while it runs.
final class RandomRun {
    let draw: WorldDraw
    let world: World
    let adversary: Adversary
    private(set) var repairs: [UInt64] = []
    /// When the load was even in the end.
    private var evenAt: UInt64?
    private var random: SplitMix64
    private var networksAreIntroduced = false

    init(draw: WorldDraw, setsClocksBack: Bool) {
        self.draw = draw
        world = World(options: draw.options)
        adversary = Adversary(world: world, draw: draw, setsClocksBack: setsClocksBack)
        random = SplitMix64(seed: draw.options.seed, purpose: 6)
    }

    // MARK: The beginning

    /// Servers start in random order, and clients come, perhaps before they are whole.
    func begin() {
        world.addServers(draw.secondNetwork ?? draw.servers, draw.topology)
        if let first = draw.secondNetwork {
            world.addServer(bootstrap: nil)
            while world.servers.count < draw.servers {
                world.addServer(bootstrap: first + random.below(world.servers.count - first))
            }
        }
        for (server, share) in zip(world.servers, draw.shares) { server.weight = share }
        for (first, second, quality) in draw.paths(&random) { world.setPath(first, second, quality) }
        let order = random.permutation(of: draw.servers)
        let spread = random.below(300 * UInt64(min(draw.servers, 10)))
        for (position, server) in order.enumerated() {
            // Late ones come in the midst of the faults. The first server waits for nobody.
            let isLate = position < draw.lateServers && server != 0
            let time = isLate ? random.below(UInt64(draw.seconds * 1000)) : random.below(spread + 1)
            world.at(milliseconds: time) { $0.start(server) }
        }
        // Some worlds are whole before anything happens, in others the faults come into the beginning.
        if random.chance(permille: 700) { world.run(milliseconds: spread + random.below(3000 as UInt64)) }
        for number in 0..<draw.clients {
            let isNamed = random.chance(permille: draw.namedPermille)
            var steps: [ClientStep] = [
                .wait(milliseconds: random.below(2000 as UInt64)), .connect(server: random.below(draw.servers)),
            ]
            if isNamed { steps.append(.register) }
            steps.append(.login)
            world.addClient(name: isNamed ? "user\(number)" : nil, steps: steps)
        }
    }

    // MARK: Safety

    /// Faults and traffic, all at once; now and then a time of calm, in which the network has to become whole.
    func safety() {
        world.startTraffic(perSecond: draw.rate, seconds: draw.seconds)
        let end = world.now + UInt64(draw.seconds * 1e9)
        if let first = draw.secondNetwork {
            world.at(milliseconds: world.now / 1_000_000 + random.below(UInt64(draw.seconds * 1000))) { _ in
                self.introduceSecondNetwork(first)
            }
        }
        while world.now < end {
            let pause = min(adversary.nextPause(), (end - world.now) / 1_000_000 + 1)
            if adversary.active > 0 {
                let isMended = world.run(limitMilliseconds: pause) { _ in self.adversary.active == 0 }
                if isMended, isComplete, random.chance(permille: 500) { measureRepair() }
            } else {
                world.run(milliseconds: pause)
            }
            adversary.tendClients(permille: 300)
            adversary.strike()
        }
    }

    /// Nobody is dead or missing: what is wrong now mends itself.
    private var isComplete: Bool {
        (draw.secondNetwork == nil || networksAreIntroduced) && world.servers.allSatisfy(\.isUp)
    }

    /// The first server of the second network restarts, told of one of the first network.
    private func introduceSecondNetwork(_ first: Int) {
        guard !networksAreIntroduced else { return }
        networksAreIntroduced = true
        adversary.tell("server \(first) restarts, told of another network")
        world.rareStates[.networksMet] += 1
        world.kill(first, .process)
        world.setBootstrap(first, to: random.below(first))
        world.at(milliseconds: world.now / 1_000_000 + 20) { $0.start(first) }
    }

    /// All that was wrong is mended: a time of calm. It need not be long enough, since servers that no fault has hit
    /// may still have to start.
    private func measureRepair() {
        guard !world.isWhole else { return }
        if waitUntilWhole() { repairs.append(world.now - adversary.mendedAt) }
    }

    // MARK: Liveness

    /// Everything heals. Then, each within its time: whole; a fresh client at every server; level; silent.
    func liveness() {
        if let first = draw.secondNetwork { introduceSecondNetwork(first) }
        world.run(milliseconds: 50)
        adversary.healEverything()
        let start = world.now
        guard waitUntilWhole() else {
            return world.found(
                .notWhole, "\(draw.wholeMilliseconds) ms after everything healed: \(world.wholenessText)")
        }
        repairs.append(world.now - start)
        beInformed()
        adversary.tendClients(permille: 1000)
        probe()
        beEven()
        for client in world.clients where client.isLoggedIn { client.sendActivity(in: world) }
        beLevel()
        beSilent()
    }

    private func waitUntilWhole() -> Bool {
        let end = world.now + draw.wholeMilliseconds * 1_000_000
        let step: UInt64 = draw.servers > 8 ? 50 : 10
        while !world.isWhole {
            guard world.now < end else { return false }
            world.run(milliseconds: step)
        }
        return true
    }

    /// What each server has announced by now every other one learns, although nobody sends anything.
    private func beInformed() {
        let announced = world.announced
        world.run(milliseconds: draw.settleMilliseconds)
        world.judgeInformed(of: announced)
    }

    /// A fresh client comes to each server, and all send.
    private func probe() {
        let probes = world.livingServers.map { server in
            world.addClient(name: nil, steps: [.connect(server: server.index), .login])
        }
        let isIn = world.run(limitMilliseconds: draw.settleMilliseconds) { _ in probes.allSatisfy(\.isLoggedIn) }
        if !isIn {
            let out = probes.filter { !$0.isLoggedIn }.map { "\($0.server ?? -1)" }
            world.found(.notAccepted, "no fresh client could log in at servers \(out.joined(separator: ", "))")
        }
        // Who was just told LOGIN_SUCCESS may still be told REDIRECT.
        world.run(milliseconds: draw.settleMilliseconds)
        for client in world.clients where client.isLoggedIn { client.sendActivity(in: world) }
    }

    /// Sessions go to where there are fewer, until the spread is at most 1.
    private func beEven() {
        _ = world.run(limitMilliseconds: draw.settleMilliseconds) { $0.clients.allSatisfy(\.hasFinished) }
        // Who is missed later would make it uneven again.
        let isEven = world.run(limitMilliseconds: draw.evenMilliseconds) { $0.isEven && $0.knowsWhoIsGone }
        guard isEven else {
            return world.found(.notEven, "\(draw.evenMilliseconds) ms after all have come: \(world.loadText)")
        }
        evenAt = world.now
    }

    /// Whoever still owes something by the end is told by the verdict.
    private func beLevel() {
        world.run(milliseconds: draw.settleMilliseconds)
        _ = world.run(limitMilliseconds: draw.settleMilliseconds) { $0.isLevel }
    }

    /// From here on links carry heartbeats and announcements alone; and what belongs to these: digests that tell of
    /// announcements, and now and then a better tree for them.
    private func beSilent() {
        // Sessions that are detached expire, and are told of then.
        world.run(milliseconds: draw.settleMilliseconds + draw.options.timing.resumeWindow)
        world.judgeRemains()
        let start = world.now
        let before = world.frames
        world.run(milliseconds: 3 * draw.options.timing.announceInterval)
        let frames = world.frames.since(before)
        let quiet = ["heartbeat", "announcement", "have", "haveSince", "credit", "graft", "prune"]
        let loud = frames.byKind.filter { !quiet.contains($0.name) }
        if !loud.isEmpty {
            let text = loud.map { "\($0.name) \($0.count)" }.joined(separator: ", ")
            world.found(.notSilent, "nothing happens, and yet links carry \(text)")
        }
        let moved = world.redirects(since: start)
        if moved > 0 { world.found(.movedNeedlessly, "\(moved) were sent elsewhere: \(world.loadText)") }
        if evenAt != nil, !world.isEven { world.found(.notEven, "no longer: \(world.loadText)") }
    }
}

extension WorldDraw {
    /// Within this time after everything healed the network must be whole: links that are dead and look alive are
    /// found out (silence), a dial that hangs is given up (connect timeout, handshake), the next one waits its turn
    /// (back-off with jitter; who departed in silence is dialled more seldom), the state crosses, who stays dead is
    /// missed (three intervals), and an announcement of each change goes round. Twice that, since a server that is told
    /// of one that waits itself waits for both.
    var wholeMilliseconds: UInt64 {
        let timing = options.timing
        let silence = timing.silence + timing.heartbeat
        let dial = options.connectTimeoutMilliseconds + timing.handshake + 2 * timing.redialMax
        let unreachable = 4 * max(timing.announceInterval, timing.silence)
        let departed = departsSoon || weights.last ?? 0 > 0 ? timing.departedRedial : 0
        return 2 * (silence + dial + departed + timing.joinPatience + unreachable + 2 * timing.announceInterval)
    }

    /// Within this time after the network is whole, what its servers still owe each other is paid.
    var settleMilliseconds: UInt64 {
        let timing = options.timing
        return 2 * timing.announceInterval + timing.requestTimeout * 3 + timing.claimAcknowledgement
            + 2 * timing.surplusGrace + 2000
    }

    /// Within this time after the network is whole and nobody comes any more, the load is even: who was moved lately is
    /// left alone for a minute.
    var evenMilliseconds: UInt64 { 70_000 + settleMilliseconds }

    mutating func setServers(_ count: Int) {
        servers = count
        lateServers = min(lateServers, count / 2)
        if let first = secondNetwork, first >= count { secondNetwork = count > 1 ? 1 : nil }
    }
}
