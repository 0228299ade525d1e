public import Simulator

/// The random mix against real processes, round after round: faults while activities flow, then everything is mended,
/// the network becomes whole, and the checkers are asked. The seed decides what happens when.
public struct ChaosRun {
    public var network: RealNetwork.Options
    public var seconds = 60.0
    public var clientsPerServer = 4
    /// Activities a second, over all clients.
    public var rate = 100.0
    /// How long the faults of one round last.
    public var roundSeconds = 12.0
    /// Until everything must be whole after the last fault is mended.
    public var wholeLimitSeconds = 60.0
    /// Each fault as it happens.
    public var onStory: (String) -> Void = { _ in }
    /// Each round as it ends.
    public var onRound: (Round) -> Void = { _ in }

    public init(_ network: RealNetwork.Options) { self.network = network }

    /// What a round showed.
    public struct Round: Sendable {
        public var number: Int
        public var activities: Int
        public var deliveries: Int
        public var faults: Int
        /// From the mending of everything until the network was whole and nothing was owed, in nanoseconds.
        public var wholeAfter: UInt64
        public var violations: [Violation]
        public var story: [String]
    }

    public struct Outcome: Sendable {
        public var rounds: [Round]
        /// Delays of deliveries while there were faults, those held up by cuts included.
        public var delays: Percentiles
        public var wholeAfter: Percentiles

        public var violations: [Violation] { rounds.flatMap(\.violations) }
    }

    /// Stops after the first round with a violation.
    public func run() throws -> Outcome {
        let world = try RealNetwork(network)
        world.onStory = onStory
        world.beginRound()
        try world.startAll()
        world.addClients(each: clientsPerServer)
        guard world.run(seconds: 30, until: { world.areAllLoggedIn }) else {
            throw ChaosError("not everybody can log in: \(world.wholenessText)")
        }
        var outcome = Outcome(rounds: [], delays: Percentiles([]), wholeAfter: Percentiles([]))
        var draw = Draw(seed: network.seed &* 0x9E37_79B9)
        var delays: [UInt64] = []
        let end = world.now + UInt64(seconds * 1e9)
        repeat {
            let round = oneRound(world, &draw)
            outcome.rounds.append(round)
            delays += world.delays
            onRound(round)
            if !round.violations.isEmpty { break }
        } while world.now < end
        outcome.delays = Percentiles(delays)
        outcome.wholeAfter = Percentiles(outcome.rounds.map(\.wholeAfter))
        return outcome
    }

    private func oneRound(_ world: RealNetwork, _ draw: inout Draw) -> Round {
        world.beginRound()
        world.startTraffic(perSecond: rate)
        world.run(seconds: 0.5)
        // Planned times, not the clock: the seed alone decides which faults come when.
        var elapsed = 0.0
        var faults = 0
        while elapsed < roundSeconds {
            strike(world, &draw)
            faults += 1
            let pause = Double(draw.below(UInt64(2500))) / 1000
            elapsed += pause
            world.run(seconds: pause)
        }
        world.mendAll()
        let wholeAfter = world.endRound(seconds: wholeLimitSeconds)
        return Round(
            number: world.round, activities: world.history.activities.reduce(0) { $0 + $1.count },
            deliveries: world.delays.count, faults: faults, wholeAfter: wholeAfter, violations: world.violations,
            story: world.story)
    }

    // MARK: Faults

    /// One fault, or a mending of earlier ones.
    private func strike(_ world: RealNetwork, _ draw: inout Draw) {
        let count = world.serverCount
        let first = draw.below(count)
        let second = (first + 1 + draw.below(max(1, count - 1))) % count
        let isMended = draw.chance(permille: 700)
        let later = Double(draw.below(UInt64(4000))) / 1000
        switch draw.below(12) {
        case 0, 1: kill([first], world, restartAfter: isMended ? later : nil)
        case 2 where count > 2: kill([first, second], world, restartAfter: isMended ? later : nil)
        case 3:
            world.stop(first)
            // Longer than a link may be silent.
            world.plan(after: 1 + later * 1.5) { world.resume(first) }
        default:
            if network.isIsolated { strikeWires(world, &draw, first, second) } else { strikeClients(world, &draw) }
        }
    }

    private func kill(_ victims: [Int], _ world: RealNetwork, restartAfter seconds: Double?) {
        // Nothing is kept on disk: when the last one dies, all users die with it.
        for victim in victims where world.livingCount > 1 { world.kill(victim) }
        guard let seconds else { return }
        world.plan(after: seconds) { for victim in victims { world.restart(victim) } }
    }

    private func strikeWires(_ world: RealNetwork, _ draw: inout Draw, _ first: Int, _ second: Int) {
        let cut: RealNetwork.Cut = draw.chance(permille: 600) ? .silently : .abruptly
        switch draw.below(9) {
        case 0 where first != second:
            world.cut(first, second, cut, draw.chance(permille: 500) ? .both : .forth)
        case 1:
            let sides = (0..<world.serverCount).map { _ in draw.chance(permille: 500) }
            world.tell("parted:")
            world.partition(sides.indices.filter { sides[$0] }, from: sides.indices.filter { !sides[$0] }, cut)
        case 2 where first != second: world.breakLinks(first, second)
        case 3 where first != second:
            world.slow(first, second, milliseconds: draw.below(UInt64(200)), lossPermille: draw.below(UInt64(100)))
        case 4, 5: world.healAll()
        default: strikeClients(world, &draw)
        }
    }

    private func strikeClients(_ world: RealNetwork, _ draw: inout Draw) {
        if draw.chance(permille: 500) {
            world.breakClients(1 + draw.below(3))
        } else {
            let places = (0..<world.serverCount).filter { _ in draw.chance(permille: 400) }
            if !places.isEmpty { world.contest("rival-\(world.round)-\(draw.below(1000))", at: places) }
        }
    }
}

/// Of some durations in nanoseconds.
public struct Percentiles: Sendable, CustomStringConvertible {
    private let sorted: [UInt64]

    public init(_ values: [UInt64]) { sorted = values.sorted() }

    public var count: Int { sorted.count }
    public var median: UInt64 { self[50] }
    public var max: UInt64 { sorted.last ?? 0 }

    public subscript(percent: Int) -> UInt64 {
        sorted.isEmpty ? 0 : sorted[min(sorted.count - 1, sorted.count * percent / 100)]
    }

    public var description: String {
        func text(_ value: UInt64) -> String { "\(RealNetwork.seconds(value)) s" }
        return "median \(text(median)), 90 % \(text(self[90])), 99 % \(text(self[99])), most \(text(max))"
    }
}
