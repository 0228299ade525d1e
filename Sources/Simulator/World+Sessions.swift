import Codecs
import Node

/// Load as it is, and as the servers count it.
extension World {
    /// Live sessions of a server, and its share of the load.
    struct Load: Hashable {
        var server: Int
        var sessions: Int
        /// Relative to other servers.
        var weight: Int

        /// Whether it would still have no less than the other one, by its share, with one fewer, and the other one
        /// more:
        /// then one had better move there.
        func shouldGive(to other: Load) -> Bool {
            sessions > 0 && (other.sessions + 1) * weight <= (sessions - 1) * other.weight
        }
    }

    /// Of the living servers.
    var loads: [Load] {
        livingServers.map { server in
            Load(
                server: server.index, sessions: server.statistics?.sessions ?? 0,
                weight: Int(server.weight))
        }
    }

    /// P6: between servers of equal weight the spread is at most 1.
    public var isEven: Bool { Self.unevenPair(of: loads) == nil }

    /// Whether servers know of all who are gone. Whose machine went off is counted until it answers, being on again,
    /// what it is sent on its old connection; who is told of lines without their bytes never answers.
    var knowsWhoIsGone: Bool {
        livingServers.allSatisfy { server in
            server.followers(in: self).allSatisfy { client, connection in
                !clients[client].readsBytes || clients[client].listens(to: connection)
            }
        }
    }

    /// A server that has too many, and one that has too few.
    private static func unevenPair(of loads: [Load]) -> (Load, Load)? {
        guard let most = loads.max(by: { ($0.sessions - 1) * $1.weight < ($1.sessions - 1) * $0.weight }),
            let fewest = loads.min(by: { ($0.sessions + 1) * $1.weight < ($1.sessions + 1) * $0.weight }),
            most.shouldGive(to: fewest)
        else { return nil }
        return (most, fewest)
    }

    /// The fewest moves after which the load would be even.
    var movesNeeded: Int {
        var loads = loads
        var moves = 0
        while let (most, fewest) = Self.unevenPair(of: loads) {
            for index in loads.indices {
                if loads[index].server == most.server { loads[index].sessions -= 1 }
                if loads[index].server == fewest.server { loads[index].sessions += 1 }
            }
            moves += 1
        }
        return moves
    }

    /// Sessions that were sent elsewhere after they had been fed, from a time on.
    public func moves(since start: UInt64) -> Int {
        history.visits.reduce(0) { sum, visits in
            sum + visits.count { $0.presence != nil && $0.end?.how == .redirected && $0.end?.time ?? 0 >= start }
        }
    }

    /// All that were sent elsewhere since then, also those at their login.
    func redirects(since start: UInt64) -> Int {
        history.visits.reduce(0) { $0 + $1.count { $0.end?.how == .redirected && $0.end?.time ?? 0 >= start } }
    }

    /// Who is where, for the story of a network that is not even.
    var loadText: String {
        loads.map { load in
            "s\(load.server) \(load.sessions)" + (load.weight == 100 ? "" : " (weight \(load.weight))")
        }.joined(separator: ", ")
    }

    /// When nothing has happened for so long that all of them have expired, nothing is left of sessions on the way.
    func judgeRemains() {
        for server in livingServers {
            guard let remains = server.core?.node.sessionRemains, !remains.isEmpty else { continue }
            let text = remains.map { "\($0.count) \($0.name)" }.joined(separator: ", ")
            found(.sessionLeftOver, "server \(server.index) still has \(text)")
        }
    }

    /// When nothing happens any more each client that is logged in is counted at one server, and each server counts
    /// those that it feeds: all have caught up.
    func miscountedSessions() -> [Violation] {
        var found: [Violation] = []
        func note(_ text: String) {
            found.append(Violation(kind: .sessionMiscounted, seed: options.seed, time: now, text: text))
        }
        var places = [Int](repeating: 0, count: clients.count)
        for server in livingServers {
            let followers = server.followers(in: self)
            let statistics = server.statistics ?? NodeStatistics()
            if followers.count != statistics.sessions {
                note("server \(server.index) counts \(statistics.sessions) sessions and feeds \(followers.count)")
            }
            for (client, connection) in followers where clients[client].listens(to: connection) {
                places[client] += 1
            }
        }
        for client in clients where client.isLoggedIn && places[client.index] != 1 {
            // Of a machine that is off nobody is told.
            guard let connection = client.connection, network.isQuiet(connection), let server = client.server,
                servers[server].isUp
            else { continue }
            note("client \(client.index) is logged in, and fed by \(places[client.index]) servers")
        }
        return found
    }
}

extension SimulatedServer {
    /// The clients that it feeds, with their connections; some of them may be gone without its knowing.
    fileprivate func followers(in world: World) -> [(client: Int, connection: Int)] {
        sockets.indices.compactMap { slot in
            guard let socket = sockets[slot], socket.followsLog, case .client(let client) = peer(slot, in: world) else {
                return nil
            }
            return (client, socket.connection)
        }
    }
}
