/// How many connections come from each address, so that one host alone cannot take every place. An IPv6 host has a
/// whole network of 2^64 addresses: that counts as one.
internal import Reactor

/// Connections by the network that they come from. It has as many entries as there are connections at most.
struct AddressCounts {
    private var counts: [UInt64: Int32] = [:]
    /// The network of each counted connection, by slot; 0 for the others.
    private var networks: [UInt64] = []

    /// Counts a connection, unless there are as many as may be.
    mutating func enter(_ id: ConnectionID, network: UInt64, limit: Int) -> Bool {
        let count = counts[network, default: 0]
        guard count < limit else { return false }
        counts[network] = count + 1
        let slot = Int(id.slot)
        while networks.count <= slot { networks.append(0) }
        networks[slot] = network
        return true
    }

    /// A connection is not counted any more; harmless if it was not.
    mutating func leave(_ id: ConnectionID) {
        let slot = Int(id.slot)
        guard slot < networks.count, networks[slot] != 0 else { return }
        let count = counts[networks[slot], default: 0]
        counts[networks[slot]] = count > 1 ? count - 1 : nil
        networks[slot] = 0
    }

    /// Networks with connections.
    var networkCount: Int { counts.count }
    /// The most that one of them has. Complexity: linear in the networks; for who looks.
    var most: Int { Int(counts.values.max() ?? 0) }
}
