import Node

/// What a seed draws of its world before anything happens: size, form, places, times, bounds, and which faults come how
/// often. Most worlds are small and brisk, so that a seed covers much in little time.
struct WorldDraw {
    /// How large a world is: the larger, the shorter.
    enum Size: String {
        case small, middling, large
    }

    /// Where the servers stand.
    enum Places: String, CaseIterable {
        /// All ways are alike, drawn from the options' range.
        case even
        /// Two sites, near inside and far between.
        case twoSites
        /// Each way is of a kind of its own.
        case mixed
        case oneRoom
    }

    var size: Size
    var strain: Strain
    var servers: Int
    /// Servers that start only some time after the others.
    var lateServers: Int
    /// The first server of a second network that meets the first one late; nil if there is but one.
    var secondNetwork: Int?
    var topology: Topology
    var places: Places
    var clients: Int
    var seconds: Double
    /// Activities a second.
    var rate: Double
    /// Mean time between two faults, in milliseconds.
    var gapMilliseconds: UInt64
    /// Weights of the kinds of faults, in the order of the cases; 0 is never.
    var weights: [Int]
    /// Members depart after a silence of seconds.
    var departsSoon = false
    /// Some of the dead are not started again in the end.
    var someStayDead: Bool
    var options: WorldOptions
    /// How many of a thousand clients register a name.
    var namedPermille: UInt64 = 600
    /// Shares of the load by server; empty if they are equal.
    var shares: [UInt32] = []
    /// Bounds that are smaller than the default, for the text.
    var bounds: [String] = []

    init(seed: UInt64, strain chosen: Strain? = nil) {
        var random = SplitMix64(seed: seed, purpose: 5)
        size = random.chance(permille: 750) ? .small : random.chance(permille: 850) ? .middling : .large
        let drawn = Strain.draw(random.below(1000 as UInt64))
        strain = chosen ?? drawn
        switch size {
        case .small:
            servers = 2 + random.below(6)
            clients = servers + random.below(2 * servers + 1)
            seconds = 8 + Double(random.below(12))
        case .middling:
            servers = 8 + random.below(9)
            clients = servers + random.below(servers)
            seconds = 5 + Double(random.below(6))
        case .large:
            servers = 17 + random.below(48)
            clients = 8 + random.below(16)
            seconds = 3 + Double(random.below(4))
        }
        lateServers = random.chance(permille: 300) ? random.below(max(1, servers / 2)) : 0
        if servers >= 4, size != .large, random.chance(permille: 120) {
            secondNetwork = 1 + random.below(servers - 2)
            lateServers = 0
        }
        topology = Topology.allCases[random.below(Topology.allCases.count)]
        places = Places.allCases[random.below(Places.allCases.count)]
        rate = Double(2 + random.below(40))
        gapMilliseconds = 300 + random.below(2500 as UInt64)
        someStayDead = random.chance(permille: 300)
        let strain = strain
        weights = FaultKind.allCases.dropLast().map { kind in
            if strain.faults.contains(kind) { return 2 * kind.weightMax }
            // Each world has some kinds often, some seldom, and some not at all.
            return random.chance(permille: strain == .none ? 550 : 300) ? 1 + random.below(kind.weightMax) : 0
        }
        options = WorldOptions(seed: seed)
        options.timing = Self.timing(size, &random)
        // A world is short: its trees improve sooner.
        options.limits.overtakes = 3
        drawNetwork(&random)
        drawBounds(&random)
        drawDeparture(&random)
        drawSessions(&random)
    }

    // MARK: Times

    /// Mostly shorter than a real network's: what matters is their order, and that faults are shorter and longer.
    private static func timing(_ size: Size, _ random: inout SplitMix64) -> NodeConfiguration.Timing {
        var timing = NodeConfiguration.Timing()
        guard size == .large || random.chance(permille: 900) else { return timing }
        timing.silence = 800 + random.below(1200 as UInt64)
        timing.heartbeat = timing.silence / 4
        timing.announceInterval = size == .large ? 3000 : 400 + random.below(1200 as UInt64)
        timing.handshake = 2500
        timing.redialMin = 50
        timing.redialMax = 500 + random.below(1000 as UInt64)
        timing.requestRetry = 200 + random.below(200 as UInt64)
        timing.requestTimeout = 1000
        timing.claimAcknowledgement = 1500
        timing.reservation = 5000
        timing.ticket = 2000
        timing.joinPatience = 500 + random.below(1500 as UInt64)
        timing.linger = 500
        timing.surplusGrace = 500 + random.below(1500 as UInt64)
        return timing
    }

    // MARK: The network

    private mutating func drawNetwork(_ random: inout SplitMix64) {
        let low = 1 + random.below(20 as UInt64)
        options.latencyMilliseconds = low...low + random.below(80 as UInt64)
        options.jitterPermille = random.below(1000 as UInt64)
        options.splitPermille = random.below(600 as UInt64)
        options.connectTimeoutMilliseconds = 500 + random.below(2500 as UInt64)
        // Up to two hours apart in a quarter of the worlds.
        options.clockSkewMilliseconds = random.chance(permille: 250) ? 7_200_000 : 50
        options.clockDriftMillionths = random.chance(permille: 500) ? 1000 : 0
        options.socketBufferBytes = 4096 << random.below(8)
    }

    /// The ways between servers, where they are not all alike.
    func paths(_ random: inout SplitMix64) -> [(Int, Int, PathQuality)] {
        var paths: [(Int, Int, PathQuality)] = []
        for first in 0..<servers {
            for second in first + 1..<max(first + 1, servers) {
                let isNear = first % 2 == second % 2
                switch places {
                case .even: continue
                case .twoSites: paths.append((first, second, isNear ? .local : .distant))
                case .oneRoom: paths.append((first, second, .local))
                case .mixed:
                    let kinds: [PathQuality] = [.local, .regional, .regional, .distant]
                    paths.append((first, second, kinds[random.below(kinds.count)]))
                }
            }
        }
        return paths
    }

    // MARK: Bounds

    private mutating func drawBounds(_ random: inout SplitMix64) {
        func draw(
            _ name: String, _ permille: UInt64, in hard: Strain, _ range: ClosedRange<UInt64>,
            _ bound: WritableKeyPath<NodeConfiguration.Limits, Int>
        ) {
            guard random.chance(permille: hard == strain ? 700 : permille) else { return }
            options.limits[keyPath: bound] = Int(random.inside(range))
            bounds.append("\(name) \(options.limits[keyPath: bound])")
        }
        draw("store bytes", 60, in: .cramped, 5000...100_000, \.storeBytes)
        draw("link window bytes", 200, in: .cramped, 1000...40_000, \.linkWindowBytes)
        draw("delivery bytes", 200, in: .halting, 100...5000, \.deliveryBytes)
        draw("tombstones", 30, in: .forgetting, 1...12, \.tombstones)
        draw("losing claims", 50, in: .crowded, 1...3, \.losingClaims)
        draw("reservations", 50, in: .crowded, 1...4, \.reservations)
        draw("requests", 80, in: .crowded, 1...6, \.requests)
        draw("tickets", 80, in: .halting, 1...3, \.tickets)
        draw("hashes", 80, in: .crowded, 1...4, \.hashJobs)
        // Fewer than dial at once would keep each other out for ever.
        let room = UInt64(servers)
        draw("unproven links", 80, in: .halting, room...2 * room, \.unprovenLinks)
        draw("members", 20, in: .forgetting, room + 4...2 * room + 8, \.members)
    }

    /// Sometimes who was silent for not much longer than makes it unreachable has departed, and little is remembered
    /// of whom.
    private mutating func drawDeparture(_ random: inout SplitMix64) {
        guard random.chance(permille: strain == .forgetting ? 800 : 150) else { return }
        departsSoon = true
        let patience = 3 * max(options.timing.announceInterval, options.timing.silence)
        options.timing.departure = patience + random.below(patience)
        options.timing.departedRedial = 500 + random.below(2500 as UInt64)
        bounds.append("departure \(options.timing.departure) ms")
    }

    // MARK: Sessions

    /// What came after the rest was drawn, so that worlds stay what they were.
    private mutating func drawSessions(_ random: inout SplitMix64) {
        let isDrained = random.chance(permille: 400)
        // Whoever was told of a server that left dials it once in a while.
        if isDrained, !departsSoon { options.timing.departedRedial = 2000 }
        weights.append(isDrained ? 1 + random.below(FaultKind.drain.weightMax) : 0)
        namedPermille = random.chance(permille: 300) ? random.below(1001 as UInt64) : 600
        if random.chance(permille: 800) { options.timing.resumeWindow = 1000 + random.below(15_000 as UInt64) }
        guard random.chance(permille: 250) else { return }
        shares = (0..<servers).map { _ in UInt32(25 * (1 + random.below(12))) }
    }

    /// The world in one paragraph.
    var text: String {
        let timing = options.timing
        let kinds = zip(FaultKind.allCases, weights).filter { $0.1 > 0 }.map { "\($0.0.rawValue) \($0.1)" }
        var parts = [
            "\(servers) servers (\(topology.rawValue), \(places.rawValue)), \(clients) clients, \(rate) activities/s, "
                + "\(seconds) s of faults every \(gapMilliseconds) ms",
            "announces every \(timing.announceInterval) ms, silent after \(timing.silence) ms, "
                + "redials within \(timing.redialMax) ms",
            "latency \(options.latencyMilliseconds) ms, clocks within \(options.clockSkewMilliseconds) ms, "
                + "drift \(options.clockDriftMillionths) millionths",
        ]
        if lateServers > 0 { parts.append("\(lateServers) servers start late") }
        if let secondNetwork { parts.append("servers from \(secondNetwork) on are a network of their own at first") }
        if strain != .none { parts.append("strain: \(strain.rawValue)") }
        if someStayDead { parts.append("some stay dead") }
        if timing.resumeWindow > 0 { parts.append("users may resume within \(timing.resumeWindow) ms") }
        if namedPermille != 600 { parts.append("\(namedPermille) permille of the users have a name") }
        if !shares.isEmpty { parts.append("shares \(shares)") }
        if !bounds.isEmpty { parts.append("bounds: " + bounds.joined(separator: ", ")) }
        parts.append("faults: " + kinds.joined(separator: ", "))
        return parts.joined(separator: "; ")
    }
}
