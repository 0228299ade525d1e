// Several servers that form one network.

import Foundation

enum Shape: Sendable, Hashable, CustomStringConvertible {
    /// Each joins through the one before it.
    case chain
    /// All join through the first.
    case star
    /// Each is told of a random other one, and they start in a random order: some before their neighbour.
    case random(seed: UInt64)

    var description: String {
        switch self {
        case .chain: "chain"
        case .star: "star"
        case .random(let seed): "random order, seed \(seed)"
        }
    }
}

final class Network {
    private(set) var servers: [ServerProcess] = []
    let options: ServerOptions

    var ports: [Int] { servers.map(\.port) }

    init(_ count: Int, _ shape: Shape, _ options: ServerOptions = ServerOptions()) throws {
        self.options = options
        switch shape {
        case .chain: for index in 0..<count { try add(through: index == 0 ? nil : index - 1) }
        case .star: for index in 0..<count { try add(through: index == 0 ? nil : 0) }
        case .random(let seed): try startInRandomOrder(count, seed: seed)
        }
    }

    private func startInRandomOrder(_ count: Int, seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var ports: [Int] = []
        while ports.count < count {
            let port = try Sockets.freePort()
            if !ports.contains(port) { ports.append(port) }
        }
        // A tree: whoever comes later in the list joins through somebody earlier in it.
        let plans = (0..<count).map { index in
            (port: ports[index], remote: index == 0 ? nil : ports[Int.random(in: 0..<index, using: &generator)])
        }
        for plan in plans.shuffled(using: &generator) {
            var own = options
            own.port = plan.port
            own.remotePort = plan.remote
            servers.append(try ServerProcess(own))
        }
    }

    /// Starts one more server; `neighbour` is the index of the server that it is told of.
    @discardableResult
    func add(through neighbour: Int?, _ change: (inout ServerOptions) -> Void = { _ in }) throws -> ServerProcess {
        var own = options
        own.remotePort = neighbour.map { servers[$0].port }
        change(&own)
        let server = try ServerProcess(own)
        servers.append(server)
        return server
    }

    /// Starts a server again at its port, after it has ended; it joins through a neighbour of this index.
    func restart(_ index: Int, through neighbour: Int, _ own: ServerOptions? = nil) throws {
        var own = own ?? options
        own.port = servers[index].port
        own.remotePort = servers[neighbour].port
        servers[index] = try ServerProcess(own)
    }

    func statistics() throws -> [Statistics] { try servers.map { try $0.statistics() } }

    /// Waits until every server knows every other and that it serves, all know the same users, and nobody has lost its
    /// links.
    func waitUntilWhole(seconds: Double = 30) throws {
        var newest: [Statistics] = []
        try wait(
            for: "a whole network of \(servers.count)", seconds: seconds, every: 50,
            state: { newest.map(\.json.description).joined(separator: "\n") }
        ) {
            newest = try statistics()
            return newest.allSatisfy {
                $0.members == servers.count && $0.membersServing == servers.count
                    && (servers.count == 1 || $0.links > 0)
            } && Set(newest.map(\.registryDigest)).count == 1
        }
    }

    /// Waits until the servers together have this many sessions.
    func waitForSessions(_ count: Int, seconds: Double = 20) throws {
        var newest: [Statistics] = []
        try wait(for: "\(count) sessions", seconds: seconds, every: 50, state: { "\(newest.map(\.sessions))" }) {
            newest = try statistics()
            return newest.map(\.sessions).reduce(0, +) == count
        }
    }

    /// Gives every server `count` clients and waits until all have settled.
    func fill(_ swarm: ClientSwarm, each count: Int, seconds: Double = 60) throws {
        try swarm.fill(ports, each: count, seconds: seconds)
        try settle(swarm, seconds: seconds)
    }

    /// Lets the swarm follow its redirects until the servers agree with it where everybody is.
    ///
    /// A login that is followed by a redirect looks complete before the redirect comes, so only the servers know.
    func settle(_ swarm: ClientSwarm, spreadMax: Int = .max, seconds: Double = 60) throws {
        var loads: [Int] = []
        do {
            try swarm.run("clients that have settled", seconds: seconds) {
                swarm.step(milliseconds: 50)
                guard swarm.loggedIn == swarm.members.count else { return false }
                loads = try statistics().map(\.sessions)
                return loads == swarm.load(of: ports) && (loads.max() ?? 0) - (loads.min() ?? 0) <= spreadMax
            }
        } catch {
            let counters = (try? statistics().map(\.logins)) ?? []
            throw HarnessError(
                "\(error); the servers count \(loads), the swarm \(swarm.load(of: ports)); \(counters)")
        }
    }

    func kill9() { for server in servers { server.kill9() } }

    var recentErrors: String { servers.map(\.program.recentErrors).joined(separator: "\n") }
}

/// Runs `body` with a whole network and kills it afterwards. No server may have ended by itself until then.
func withNetwork<Result>(
    _ count: Int, _ shape: Shape = .chain, _ options: ServerOptions = ServerOptions(),
    _ body: (Network) throws -> Result
) throws -> Result {
    let network = try Network(count, shape, options)
    defer { network.kill9() }
    let result: Result
    do {
        try network.waitUntilWhole()
        result = try body(network)
    } catch {
        throw HarnessError("\(error)\n\(network.recentErrors)")
    }
    for server in network.servers where !server.program.isRunning {
        throw HarnessError("a server ended: \(server.program.recentErrors)")
    }
    return result
}
