/// A run under random faults: servers die and start again, links break, the network splits and heals, while activities
/// flow; then everything heals, and the promises are checked. The seed draws the faults.
public struct FaultScenario: Sendable {
    public var world: WorldOptions
    public var servers = 5
    public var topology = Topology.random
    /// Clients that connect to each server at the beginning.
    public var clientsPerServer = 2
    /// Activities a second, over all clients.
    public var rate = 20.0
    /// How long faults and traffic last.
    public var seconds = 60.0
    /// Until everything must be whole after the last fault is mended.
    public var wholeLimitSeconds = 120.0
    /// Then it is left alone for so long, and nothing may be owed any more.
    public var settleSeconds = 60.0

    public init(seed: UInt64) { world = WorldOptions(seed: seed) }

    /// What a run showed.
    public struct Outcome: Sendable {
        public var violations: [Violation]
        /// The faults with their virtual time, in order.
        public var story: [String]
        /// Virtual time from the healing of everything until the network was whole.
        public var wholeAfter: UInt64
        public var activities: Int
        public var traceDigest: UInt64
    }

    /// The same scenario always gives the same outcome.
    public func run() -> Outcome {
        let world = World(options: self.world)
        var random = SplitMix64(seed: self.world.seed, purpose: 99)
        var story: [String] = []
        grow(world, &random)
        world.startTraffic(perSecond: rate, seconds: seconds)
        let end = world.now + UInt64(seconds * 1e9)
        while world.now < end {
            world.run(milliseconds: random.below(UInt64(4000)))
            if let fault = strike(world, &random) { story.append("\(fault) at \(Trace.stamp(world.now))") }
        }
        world.healAll()
        startAll(world)
        let healed = world.now
        let isWhole = world.run(limitMilliseconds: UInt64(wholeLimitSeconds * 1000)) { $0.isWhole }
        if !isWhole { world.found(.notWhole, world.wholenessText) }
        let wholeAfter = world.now - healed
        world.run(milliseconds: UInt64(settleSeconds * 1000))
        return Outcome(
            violations: world.verdict(Checks()), story: story, wholeAfter: wholeAfter,
            activities: world.history.activities.reduce(0) { $0 + $1.count }, traceDigest: world.trace.digest)
    }

    private func grow(_ world: World, _ random: inout SplitMix64) {
        world.addServers(servers, topology)
        let spread = 500 * UInt64(servers)
        world.startAll(spreadMilliseconds: spread, isShuffled: true)
        world.run(milliseconds: spread)
        _ = world.run(limitMilliseconds: 30_000) { $0.isWhole }
        for number in 0..<servers * clientsPerServer {
            let isNamed = number.isMultiple(of: 2)
            var steps: [ClientStep] = [
                .wait(milliseconds: random.below(UInt64(3000))), .connect(server: number % servers),
            ]
            if isNamed { steps.append(.register) }
            steps.append(.login)
            world.addClient(name: isNamed ? "user\(number)" : nil, steps: steps)
        }
        world.run(milliseconds: 5000)
    }

    /// One fault, or a mending of earlier ones; nil if the draw came to nothing.
    private func strike(_ world: World, _ random: inout SplitMix64) -> String? {
        let (first, second) = (random.below(servers), random.below(servers))
        let cut: World.Cut = random.chance(permille: 500) ? .silently : .abruptly
        switch random.below(6) {
        case 0:
            world.kill(first, random.chance(permille: 500) ? .process : .machine)
            return "server \(first) dies"
        case 1:
            startAll(world)
            return "the dead start again"
        case 2 where first != second:
            world.cut(first, second, cut)
            return "\(first) and \(second) are cut \(cut)"
        case 3:
            world.healAll()
            return "all cuts heal"
        case 4 where first != second:
            world.breakLinks(first, second)
            return "links of \(first) and \(second) break"
        case 5:
            let sides = (0..<servers).map { _ in random.chance(permille: 500) }
            let one = sides.indices.filter { sides[$0] }
            let other = sides.indices.filter { !sides[$0] }
            world.partition(one, from: other, cut)
            return "\(one) and \(other) are parted \(cut)"
        default: return nil
        }
    }

    private func startAll(_ world: World) {
        for server in world.servers where !server.isUp { world.start(server.index) }
    }
}
