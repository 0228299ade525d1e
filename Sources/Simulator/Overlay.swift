import HeapModule

/// The links of a network at one instant, and what a flood over them would do: the measure of a tree. In a flood
/// everybody passes on what is new to all, so each server is reached over the fastest way there is.
struct Overlay: Equatable {
    /// A link between two servers, the lower one first, and its one-way delay in nanoseconds.
    struct Link: Hashable {
        var first: Int
        var second: Int
        var delay: UInt64
    }

    let links: [Link]
    private let ways: [[(server: Int, delay: UInt64)]]

    init(servers: Int, links: [Link]) {
        self.links = links.sorted { ($0.first, $0.second, $0.delay) < ($1.first, $1.second, $1.delay) }
        var ways = [[(server: Int, delay: UInt64)]](repeating: [], count: servers)
        for link in self.links {
            ways[link.first].append((link.second, link.delay))
            ways[link.second].append((link.first, link.delay))
        }
        self.ways = ways
    }

    static func == (one: Overlay, other: Overlay) -> Bool {
        one.ways.count == other.ways.count && one.links == other.links
    }

    /// Links that no tree needs: as many for every origin.
    var redundantLinks: Int { max(0, links.count - (ways.count - 1)) }

    /// By server: the hops of the first copy of a flood, the mean of some whose copies are late by up to the jitter as
    /// all that passes on the network's ways; nil where none comes.
    func floodHops(from origin: Int, jitterPermille: UInt64 = 0) -> [Double?] {
        var random = SplitMix64(seed: UInt64(origin), purpose: 8)
        let floods = (0..<(jitterPermille == 0 ? 1 : Self.floods)).map { _ in
            hops(from: origin) { $0 + $0 * random.below(jitterPermille + 1) / 1000 }
        }
        return ways.indices.map { server in
            let counts = floods.compactMap { $0[server] }
            return counts.isEmpty ? nil : Double(counts.reduce(0, +)) / Double(counts.count)
        }
    }

    private static let floods = 32

    /// By server: the least hops over which it could be reached, however slow they are.
    func leastHops(from origin: Int) -> [Int?] { hops(from: origin) { _ in 1 } }

    /// Dijkstra's algorithm; of two ways that cost the same the one of fewer hops.
    private func hops(from origin: Int, cost: (UInt64) -> UInt64) -> [Int?] {
        struct Arrival: Comparable {
            var time: UInt64
            var hops: Int
            var server: Int

            static func < (one: Arrival, other: Arrival) -> Bool {
                (one.time, one.hops, one.server) < (other.time, other.hops, other.server)
            }
        }
        var reached = [Int?](repeating: nil, count: ways.count)
        var next: Heap<Arrival> = [Arrival(time: 0, hops: 0, server: origin)]
        while let arrival = next.popMin() {
            guard reached[arrival.server] == nil else { continue }
            reached[arrival.server] = arrival.hops
            for way in ways[arrival.server] where reached[way.server] == nil {
                next.insert(
                    Arrival(time: arrival.time + cost(way.delay), hops: arrival.hops + 1, server: way.server))
            }
        }
        return reached
    }
}

extension World {
    /// Connections between living servers that both ends hold open.
    var overlay: Overlay {
        let links = network.connections.indices.compactMap { index -> Overlay.Link? in
            let connection = network.connections[index]
            guard case .server(let one) = connection.dialler, case .server(let other) = connection.acceptor,
                servers[one].isUp, servers[other].isUp,
                network.isHeldOpen(index)
            else { return nil }
            return Overlay.Link(first: min(one, other), second: max(one, other), delay: connection.delay)
        }
        return Overlay(servers: servers.count, links: links)
    }
}
