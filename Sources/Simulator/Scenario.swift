/// The standard run: a network grows, clients come, activities flow, everything settles, and the checkers look.
/// `pando-sim` is this with options; tests use it with thresholds.
public struct Scenario: Sendable {
    public var world: WorldOptions
    public var servers = 5
    public var topology = Topology.random
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
    /// Traffic before it: the trees find their form.
    public var warmUpSeconds = 5.0
    public var settleSeconds = 10.0
    /// Redundancy above this is a violation: trees that stand cost nothing extra. A link over which nothing of an
    /// origin has ever come, because both ends had it already, is pruned by the first copy that crosses it: in networks
    /// of 40 and 64 servers that is one in ten thousand.
    public var redundancyMax = 0.001
    public var wholeLimitSeconds = 60.0
    public var checks = Checks()

    public init(seed: UInt64) { world = WorldOptions(seed: seed) }

    /// What a run showed.
    public struct Outcome: Sendable {
        public var seed: UInt64
        public var violations: [Violation]
        /// From the first start until the network was whole; nil if it never was.
        public var wholeAfter: UInt64?
        /// Of the records of the measured time.
        public var economy: Economy
        /// Frames on links in the measured time.
        public var frames: FrameTally
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
        world.startTraffic(perSecond: rate, seconds: seconds)
        world.run(milliseconds: UInt64(seconds * 1000))
        let frames = world.frames.since(framesBefore)
        world.run(milliseconds: UInt64(settleSeconds * 1000))
        return outcome(of: world, wholeAfter: wholeAfter, measuredSince: start, frames: frames)
    }

    private func grow(_ world: World) -> UInt64? {
        world.addServers(servers, topology)
        world.startAll(spreadMilliseconds: startSpreadMilliseconds, isShuffled: true)
        world.run(milliseconds: startSpreadMilliseconds)
        let isWhole = world.run(limitMilliseconds: UInt64(wholeLimitSeconds * 1000)) { $0.isWhole }
        if !isWhole { world.found(.notWhole, world.wholenessText) }
        return isWhole ? world.now : nil
    }

    /// Clients come to the servers in turn, within three seconds, so that those of one server do not come together.
    private func addClients(to world: World) {
        var random = SplitMix64(seed: self.world.seed, purpose: 4)
        let count = servers * clientsPerServer
        for number in 0..<count {
            let isNamed = random.chance(permille: namedPermille)
            let pause = random.below(UInt64(3000))
            let entry = number % servers
            var steps: [ClientStep] = [.wait(milliseconds: pause), .connect(server: entry)]
            if isNamed { steps.append(.register) }
            steps.append(.login)
            world.addClient(name: isNamed ? "user\(number)" : nil, steps: steps)
        }
        let areIn = world.run(limitMilliseconds: 30_000) { world in
            world.clients.allSatisfy { $0.isLoggedIn || $0.isStopped }
        }
        // Who was just told LOGIN_SUCCESS may still be told REDIRECT.
        world.run(milliseconds: 2000)
        let out = world.clients.filter { !$0.isLoggedIn }
        if !areIn || !out.isEmpty {
            let stories = out.prefix(3).map { client in
                "client \(client.index) at server \(client.server ?? -1), last line "
                    + (client.received.last.map { "\($0.text) at \(Trace.stamp($0.time))" } ?? "none")
            }
            world.found(.notAccepted, "\(out.count) clients are not logged in: \(stories.joined(separator: "; "))")
        }
    }

    private func outcome(
        of world: World, wholeAfter: UInt64?, measuredSince start: UInt64, frames: FrameTally
    ) -> Outcome {
        let economy = world.economy(since: start)
        if economy.redundancy > redundancyMax {
            world.found(
                .wastedCopies,
                "\(economy.records) records made \(economy.copies) copies: redundancy \(economy.redundancy)")
        }
        if !world.isWhole { world.found(.notWhole, "at the end: " + world.wholenessText) }
        let violations = world.verdict(checks)
        return Outcome(
            seed: self.world.seed, violations: violations, wholeAfter: wholeAfter, economy: economy, frames: frames,
            activities: world.history.activities.reduce(0) { $0 + $1.count },
            deliveries: world.history.receptions.reduce(0) { $0 + $1.count }, events: world.eventCount,
            traceDigest: world.trace.digest, duration: world.now)
    }
}

extension Scenario.Outcome {
    /// A few lines for a reader.
    public var summary: String {
        let perRecord = economy.records == 0 ? 0 : Double(frames.total) / Double(economy.records)
        let bytes = economy.records == 0 ? 0 : Double(frames.bytes) / Double(economy.records)
        let kinds = frames.byKind.map { "\($0.name) \($0.count)" }.joined(separator: ", ")
        return """
            activities \(activities), deliveries \(deliveries), events \(events)
            virtual time \(Trace.stamp(duration)) s
            whole after \(wholeAfter.map { Trace.stamp($0) + " s" } ?? "never")
            measured: \(economy.records) records, \(economy.copies) copies, RMR \(Self.rounded(economy.redundancy))
            frames a record \(Self.rounded(perRecord)), bytes a record \(Self.rounded(bytes)) (\(kinds))
            hops \(Self.rounded(economy.hopsMean)) on average to the last server, at most \(economy.hopsMax)
            """
    }

    private static func rounded(_ value: Double) -> String {
        let thousandths = Int((value * 1000).rounded())
        let fraction = String(abs(thousandths) % 1000)
        let sign = thousandths < 0 ? "-" : ""
        return sign + "\(abs(thousandths) / 1000)." + String(repeating: "0", count: 3 - fraction.count) + fraction
    }
}
