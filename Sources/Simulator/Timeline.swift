/// What happens to a network, and when: the part of a scenario that a scenario file writes down step by step.
public struct Timeline: Sendable, Hashable {
    /// In the order of their times.
    public private(set) var entries: [Entry] = []

    public init() {}

    /// An action at a time, in seconds since the measured traffic began.
    public struct Entry: Sendable, Hashable {
        public var seconds: Double
        public var action: Action
    }

    public enum Action: Sendable, Hashable {
        /// Servers start; those that run already are left alone.
        case start([Int])
        case kill([Int], World.Death)
        /// Groups of servers between which nothing passes until everything heals.
        case part([[Int]], World.Cut)
        /// The links among these servers break once; they may connect again at once.
        case breakLinks([Int])
        /// All cuts among these servers heal.
        case heal([Int])
        /// Processes stand still, until they go on.
        case pause([Int])
        /// Servers move their clients elsewhere, within so many milliseconds, and leave.
        case drain([Int], withinMilliseconds: UInt64)
        case goOn([Int])
        /// From now on the ways between groups of servers are like this; connections keep the delay that they have.
        case way([[Int]], PathQuality)
        /// Clients connect at once: to one server, or to all in turn.
        case arrive(clients: Int, server: Int?)
        /// Logged-in clients send so many activities at once.
        case burst(Int)
    }

    /// Entries of one time keep the order in which they were added.
    public mutating func add(_ action: Action, atSeconds seconds: Double) {
        let index = entries.firstIndex { $0.seconds > seconds } ?? entries.endIndex
        entries.insert(Entry(seconds: seconds, action: action), at: index)
    }

    /// Each member of a group with each of another one.
    static func pairs(across groups: [[Int]]) -> [(Int, Int)] {
        groups.indices.flatMap { index in
            groups[index].flatMap { first in groups[(index + 1)...].joined().map { (first, $0) } }
        }
    }

    public var endSeconds: Double { entries.last?.seconds ?? 0 }
}

extension Timeline.Action: CustomStringConvertible {
    public var description: String {
        switch self {
        case .start(let servers): "start of \(Self.list(servers))"
        case .kill(let servers, .process): "processes of \(Self.list(servers)) killed"
        case .kill(let servers, .machine): "machines of \(Self.list(servers)) off"
        case .part(let groups, let cut):
            Self.text(of: groups) + (cut == .silently ? " cut silently" : " cut abruptly")
        case .breakLinks(let servers): "links among \(Self.list(servers)) broken"
        case .heal(let servers): "cuts among \(Self.list(servers)) healed"
        case .pause(let servers): "\(Self.list(servers)) paused"
        case .goOn(let servers): "\(Self.list(servers)) go on"
        case .drain(let servers, _): "\(Self.list(servers)) drained"
        case .way(let groups, _): "other ways between \(Self.text(of: groups))"
        case .arrive(let count, let server): "\(count) clients come" + (server.map { " to s\($0)" } ?? "")
        case .burst(let count): "burst of \(count) activities"
        }
    }

    private static func list(_ servers: [Int]) -> String { servers.map { "s\($0)" }.joined(separator: " ") }

    private static func text(of groups: [[Int]]) -> String { groups.map(list).joined(separator: " | ") }

    /// Whether it is over when the network is whole again: it took something away or gave something back.
    var isRepaired: Bool {
        switch self {
        case .start, .kill, .heal, .goOn: true
        case .drain: false
        case .part, .breakLinks, .pause, .way, .arrive, .burst: false
        }
    }
}

extension World {
    func act(_ action: Timeline.Action, namedPermille: UInt64) {
        switch action {
        case .start(let servers): for server in servers { start(server) }
        case .kill(let servers, let death): for server in servers { kill(server, death) }
        case .part(let groups, let kind):
            for (first, second) in Timeline.pairs(across: groups) { cut(first, second, kind) }
        case .breakLinks(let servers):
            for (first, second) in Timeline.pairs(across: servers.map { [$0] }) { breakLinks(first, second) }
        case .heal(let servers):
            for (first, second) in Timeline.pairs(across: servers.map { [$0] }) { heal(first, second) }
        case .pause(let servers): for server in servers { pause(server) }
        case .goOn(let servers): for server in servers { goOn(server) }
        case .drain(let servers, let time): for server in servers { drain(server, withinMilliseconds: time) }
        case .way(let groups, let quality):
            for (first, second) in Timeline.pairs(across: groups) { setPath(first, second, quality) }
        case .arrive(let count, let server):
            let living = livingServers.map(\.index)
            for number in 0..<count where server != nil || !living.isEmpty {
                addGuest(at: server ?? living[number % living.count], namedPermille: namedPermille)
            }
        case .burst(let count):
            let ready = clients.filter(\.isLoggedIn)
            for number in 0..<count where !ready.isEmpty { ready[number % ready.count].sendActivity(in: self) }
        }
    }

    /// A client that comes now and stays: it registers a name, by draw, and logs in.
    func addGuest(at server: Int, namedPermille: UInt64, afterMilliseconds pause: UInt64 = 0) {
        let number = clients.count
        var draws = SplitMix64(seed: options.seed, purpose: 1_000_000 + UInt64(number))
        let isNamed = draws.chance(permille: namedPermille)
        var steps: [ClientStep] = [.wait(milliseconds: pause), .connect(server: server)]
        if isNamed { steps.append(.register) }
        steps.append(.login)
        addClient(name: isNamed ? "user\(number)" : nil, steps: steps)
    }
}
