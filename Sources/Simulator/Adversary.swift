import Node

/// What an adversary does to a world. Raw values are the words of its story.
public enum FaultKind: String, Sendable, CaseIterable {
    case crash, crashes, crashLoop, joinerCrash, giverCrash
    case brokenLinks, partition, oneWayCut, isolation
    case pause, slowLink, readersBehind, clockStep
    case churn, halfOpen, slowClient, storm, burst, large
    case drain

    /// What is costly or drastic comes less often.
    var weightMax: Int {
        switch self {
        case .crashLoop, .crashes, .large: 2
        case .storm, .burst: 3
        default: 5
        }
    }
}

/// Hurts a world as its draw says, and mends each hurt after a time. Every fault is told in the story.
final class Adversary {
    let world: World
    private let draw: WorldDraw
    private var random: SplitMix64
    private(set) var story: [String] = []
    /// Hurts that are not mended yet.
    private(set) var active = 0
    /// When the last hurt was mended.
    private(set) var mendedAt: UInt64 = 0
    /// Ways whose quality is changed, as they were.
    private var changedPaths: [(first: Int, second: Int, quality: PathQuality)] = []
    private var frozenClients: [Int] = []
    /// Everything heals: what was planned comes to nothing.
    private var isOver = false
    private var storms = 0
    /// Wall clocks may be set back, so that a server restarts with an earlier one.
    let setsClocksBack: Bool

    init(world: World, draw: WorldDraw, setsClocksBack: Bool) {
        self.world = world
        self.draw = draw
        self.setsClocksBack = setsClocksBack
        random = SplitMix64(seed: world.options.seed, purpose: 99)
    }

    func tell(_ text: String) { story.append("\(Trace.stamp(world.now)) \(text)") }

    // MARK: Striking

    /// Pauses until the next fault, in milliseconds.
    func nextPause() -> UInt64 { random.below(2 * draw.gapMilliseconds + 1) }

    /// Does one thing.
    func strike() {
        let total = draw.weights.reduce(0, +)
        guard total > 0 else { return }
        var ticket = random.below(total)
        for (kind, weight) in zip(FaultKind.allCases, draw.weights) {
            if ticket < weight { return strike(kind) }
            ticket -= weight
        }
    }

    private func strike(_ kind: FaultKind) {
        switch kind {
        case .crash: if let server = anyLiving() { crash([server]) }
        case .crashes: crash(someServers().filter { world.servers[$0].isUp })
        case .crashLoop: if let server = anyLiving() { crashAgainAndAgain(server) }
        case .joinerCrash: crashAJoiner()
        case .giverCrash: crashAGiver()
        case .brokenLinks: breakLinks()
        case .partition: part(someServers())
        case .isolation: part([random.below(draw.servers)])
        case .oneWayCut: cutOneWay()
        case .pause: pause()
        case .slowLink: slowLink()
        case .readersBehind: delayReaders()
        case .clockStep: stepClock()
        case .churn: churn()
        case .halfOpen: leaveHalfOpen()
        case .slowClient: freezeClient()
        case .storm: storm()
        case .burst: burst(count: 100 + random.below(300), bytes: 0)
        case .large: burst(count: 1 + random.below(4), bytes: 10_000 << random.below(5))
        case .drain: drain()
        }
    }

    // MARK: Chance

    /// How long something lasts, in milliseconds: shorter than the silence after which a link fails, longer, or longer
    /// than it takes to be held for unreachable, or for departed.
    private func duration() -> UInt64 {
        let timing = draw.options.timing
        let patience = 3 * max(timing.announceInterval, timing.silence)
        if draw.departsSoon, random.chance(permille: 400) { return timing.departure + random.below(2 * patience) }
        switch random.below(8) {
        case 0...1: return 5 + random.below(100 as UInt64)
        case 2...3: return 5 + random.below(timing.silence)
        case 4...6: return timing.silence + random.below(2 * timing.silence)
        default: return patience + random.below(patience)
        }
    }

    private func anyLiving() -> Int? {
        let living = world.servers.filter(\.isUp)
        return living.isEmpty ? nil : living[random.below(living.count)].index
    }

    private func someServers() -> [Int] {
        world.servers.indices.filter { _ in random.chance(permille: 400) }
    }

    /// After `milliseconds`, unless everything has healed before.
    private func later(_ milliseconds: UInt64, _ action: @escaping (World) -> Void) {
        active += 1
        world.at(milliseconds: world.now / 1_000_000 + milliseconds) { world in
            self.active -= 1
            if self.active == 0 { self.mendedAt = world.now }
            if !self.isOver { action(world) }
        }
    }

    // MARK: Servers

    private func crash(_ servers: [Int]) {
        guard !servers.isEmpty else { return }
        let death: World.Death = random.chance(permille: 500) ? .process : .machine
        // Now and then until everything heals.
        let back = random.chance(permille: 850) ? duration() : nil
        tell("\(death) \(servers) dies, \(back.map { "back after \($0) ms" } ?? "for long")")
        for server in servers {
            world.kill(server, death)
            if let back { later(back) { $0.start(server) } }
        }
    }

    private func crashAgainAndAgain(_ server: Int) {
        let times = 2 + random.below(20)
        let period = 20 + random.below(600 as UInt64)
        tell("server \(server) dies \(times) times, every \(period) ms")
        for number in 0..<UInt64(times) {
            later(number * 2 * period) { $0.kill(server, .process) }
            later((number * 2 + 1) * period) { $0.start(server) }
        }
    }

    /// A server starts and dies before it can have the state.
    private func crashAJoiner() {
        guard let server = anyLiving() else { return }
        let life = random.below(300 as UInt64)
        let back = duration()
        tell("server \(server) dies, joins after \(back) ms, and dies \(life) ms later")
        world.kill(server, .process)
        later(back) { $0.start(server) }
        later(back + life) { $0.kill(server, .process) }
        later(back + life + duration()) { $0.start(server) }
    }

    /// Who gives a joiner the state dies in the middle.
    private func crashAGiver() {
        let told = world.servers.filter { $0.isUp && $0.bootstrap.map { self.world.servers[$0].isUp } == true }
        guard !told.isEmpty, let giver = told[random.below(told.count)].bootstrap else { return }
        let joiners = told.filter { $0.bootstrap == giver }.map(\.index)
        let joiner = joiners[random.below(joiners.count)]
        let wait = 5 + random.below(200 as UInt64)
        let death: World.Death = random.chance(permille: 500) ? .process : .machine
        tell("server \(joiner) joins by \(giver), whose \(death) dies after \(wait) ms")
        world.kill(joiner, .process)
        later(20) { world in
            world.start(joiner)
            self.watchJoiner(joiner, giver: giver, death: death, until: world.now + 2_000_000_000)
        }
        later(wait + duration()) { $0.start(giver) }
    }

    /// Kills the giver as soon as the joiner has a link.
    private func watchJoiner(_ joiner: Int, giver: Int, death: World.Death, until end: UInt64) {
        guard world.now < end, world.servers[joiner].statistics?.isServing == false else { return }
        let start = world.servers[joiner].startTime
        let isLinked = world.servers[joiner].reports.contains { timed in
            if case .linkUp = timed.report { return timed.time >= start }
            return false
        }
        if isLinked {
            world.kill(giver, death)
            later(duration()) { $0.start(giver) }
        } else {
            later(2) { _ in self.watchJoiner(joiner, giver: giver, death: death, until: end) }
        }
    }

    /// A server is emptied, and started again some time after.
    private func drain() {
        guard let server = anyLiving() else { return }
        let time = 500 + random.below(8000 as UInt64)
        let back = time + World.farewellMilliseconds + duration()
        tell("server \(server) is drained within \(time) ms, back after \(back) ms")
        world.drain(server, withinMilliseconds: time)
        later(back) { $0.start(server) }
    }

    private func pause() {
        let servers = random.chance(permille: 700) ? [random.below(draw.servers)] : someServers()
        let time = duration()
        tell("\(servers) stand still for \(time) ms")
        if time > draw.options.timing.silence, !servers.isEmpty { world.rareStates[.pausedBeyondSilence] += 1 }
        for server in servers {
            world.pause(server)
            later(time) { $0.goOn(server) }
        }
    }

    private func delayReaders() {
        guard let server = anyLiving() else { return }
        let time = duration()
        tell("readers of \(server) are behind for \(time) ms")
        world.setBehind(server, true)
        later(time) { $0.setBehind(server, false) }
    }

    private func stepClock() {
        let server = random.below(draw.servers)
        let size = Int64(1 + random.below(1000 as UInt64)) << Int64(random.below(13 as UInt64))
        let step = setsClocksBack && random.chance(permille: 500) ? -size : size
        tell("the clock of \(server) is set by \(step) ms")
        world.stepClock(server, milliseconds: step)
        if random.chance(permille: 500) { crash([server].filter { world.servers[$0].isUp }) }
    }
}

// MARK: - Links

extension Adversary {
    private func breakLinks() {
        let first = random.below(draw.servers)
        let others = random.chance(permille: 500) ? [random.below(draw.servers)] : Array(world.servers.indices)
        tell("links of \(first) with \(others.count > 1 ? "all" : "\(others)") break")
        for second in others where second != first { world.breakLinks(first, second) }
    }

    private func part(_ one: [Int]) {
        let other = world.servers.indices.filter { !one.contains($0) }
        guard !one.isEmpty, !other.isEmpty else { return }
        let cut: World.Cut = random.chance(permille: 600) ? .silently : .abruptly
        let time = duration()
        // A part of the cuts of a partition may heal earlier: then it is no clean one.
        let isRagged = random.chance(permille: 200)
        tell("\(one) and \(other) are parted \(cut) for \(time) ms\(isRagged ? ", raggedly" : "")")
        for first in one {
            for second in other where !isRagged || random.chance(permille: 600) {
                world.cut(first, second, cut)
                later(time) { $0.heal(first, second) }
            }
        }
    }

    private func cutOneWay() {
        let sources = random.chance(permille: 500) ? [random.below(draw.servers)] : someServers()
        let time = duration()
        let isOutward = random.chance(permille: 500)
        tell("\(sources) \(isOutward ? "are not heard" : "hear nothing") for \(time) ms")
        for source in sources {
            for target in world.servers.indices where !sources.contains(target) {
                if isOutward {
                    world.cutOneWay(from: source, to: target)
                } else {
                    world.cutOneWay(from: target, to: source)
                }
                later(time) { $0.heal(source, target) }
            }
        }
    }

    private func slowLink() {
        let (first, second) = (random.below(draw.servers), random.below(draw.servers))
        guard first != second else { return }
        guard !changedPaths.contains(where: { [$0.first, $0.second].sorted() == [first, second].sorted() }) else {
            return
        }
        let old = world.path(first, second)
        var slow = old
        if random.chance(permille: 600) { slow.lossPermille = 10 + random.below(250 as UInt64) }
        if random.chance(permille: 600) { slow.bytesPerSecond = 3000 << random.below(7 as UInt64) }
        let time = duration()
        tell(
            "the way between \(first) and \(second) loses \(slow.lossPermille) permille and carries "
                + "\(slow.bytesPerSecond.map { "\($0)" } ?? "any") bytes/s for \(time) ms")
        changedPaths.append((first, second, old))
        world.setPath(first, second, slow)
        later(time) { world in
            world.setPath(first, second, old)
            self.changedPaths.removeAll { ($0.first, $0.second) == (first, second) }
        }
    }
}

// MARK: - Clients

extension Adversary {
    /// A client that has done its script and is logged in.
    private func anyClient() -> SimulatedClient? {
        let ready = world.clients.filter { $0.isLoggedIn && $0.hasFinished }
        return ready.isEmpty ? nil : ready[random.below(ready.count)]
    }

    private func entry() -> Int { anyLiving() ?? 0 }

    private func churn() {
        for _ in 0..<1 + random.below(3) {
            guard let client = anyClient() else { return }
            let server = random.chance(permille: 300) ? client.server ?? 0 : entry()
            let time = random.below(1500 as UInt64)
            tell("client \(client.index) leaves, and comes to \(server) after \(time) ms")
            let entry: [ClientStep] = [.wait(milliseconds: time), .connect(server: server), .login]
            switch random.below(4) {
            case 0: client.append([.logout] + entry, in: world)
            case 1: client.append([.vanish] + entry, in: world)
            // Without a farewell, and at once; the end of its last activity may still be under way.
            case 2: client.append([.burst(count: 3, bytes: 0), .connect(server: server), .login], in: world)
            default: world.breakConnection(ofClient: client.index)
            }
        }
    }

    private func leaveHalfOpen() {
        guard let client = anyClient() else { return }
        let server = entry()
        let time = duration()
        tell("client \(client.index) falls silent, and comes to \(server) after \(time) ms")
        let script: [ClientStep] = [.fallSilent, .wait(milliseconds: time), .connect(server: server), .login]
        client.append(script, in: world)
    }

    private func freezeClient() {
        guard let client = anyClient(), !frozenClients.contains(client.index) else { return }
        let time = duration()
        let index = client.index
        tell("client \(index) reads nothing for \(time) ms")
        frozenClients.append(index)
        world.setReading(client: index, false)
        later(time) { world in
            world.setReading(client: index, true)
            self.frozenClients.removeAll { $0 == index }
        }
    }

    /// Many ask for few names at once, at different servers, and some log in elsewhere as soon as they have one.
    private func storm() {
        guard storms < 4 else { return }
        storms += 1
        let names = 1 + random.below(3)
        let count = 3 + random.below(8)
        tell("\(count) clients ask for \(names) names")
        for _ in 0..<count {
            let name = "storm\(storms)-\(random.below(names))"
            let wait = random.below(60 as UInt64)
            var script: [ClientStep] = [.wait(milliseconds: wait), .connect(server: entry()), .register]
            if random.chance(permille: 500) { script.append(.connect(server: entry())) }
            script.append(.login)
            world.addClient(name: name, steps: script)
        }
    }

    private func burst(count: Int, bytes: Int) {
        guard let client = anyClient() else { return }
        tell("client \(client.index) sends \(count) activities of \(bytes) bytes at once")
        client.append([.burst(count: count, bytes: bytes)], in: world)
    }

    /// Users whose connection ended come back some time, where a server is.
    func tendClients(permille: UInt64) {
        for client in world.clients where client.isStopped && random.chance(permille: permille) {
            let needsName = client.name != nil && !client.hasRegistered && random.chance(permille: 500)
            client.begin([.connect(server: entry())] + (needsName ? [.register, .login] : [.login]), in: world)
        }
    }
}

// MARK: - Healing

extension Adversary {
    /// Nothing is wrong any more but, in some worlds, that a few servers stay dead.
    func healEverything() {
        isOver = true
        world.healAll()
        for server in world.servers.indices {
            world.goOn(server)
            world.setBehind(server, false)
            // Who is about to leave would be missed.
            if world.servers[server].isDraining { world.kill(server, .process) }
        }
        for (first, second, quality) in changedPaths { world.setPath(first, second, quality) }
        for client in frozenClients { world.setReading(client: client, true) }
        let dead = staysDead()
        tell("everything heals\(dead.isEmpty ? "" : "; \(dead) stay dead")")
        for server in world.servers.indices where !dead.contains(server) { world.start(server) }
    }

    /// Dead servers that may stay so: nobody is told of them, so who is alive can find each other.
    private func staysDead() -> [Int] {
        guard draw.someStayDead else { return [] }
        return world.servers.indices.filter { server in
            !world.servers[server].isUp && world.servers[server].life > 0
                && !world.servers.contains { $0.bootstrap == server } && random.chance(permille: 500)
        }
    }
}
