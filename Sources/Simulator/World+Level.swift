import Node

/// Whether anything is owed.
extension World {
    /// No server owes a living neighbour anything.
    var isLevel: Bool { !livingServers.contains { !debts(of: $0).isEmpty } }

    /// What is owed, for the story of a network that does not become level.
    var levelText: String {
        livingServers.flatMap { server in
            debts(of: server).map { "s\(server.index) owes \($0.address) \($0.records) records" }
        }.joined(separator: "; ")
    }

    private func debts(of server: SimulatedServer) -> [NodeStatistics.Queue] {
        (server.statistics?.queues ?? []).filter { $0.isLinked && $0.records > 0 }
    }
}
