import Codecs
public import Node

/// What can be seen of a world from outside.
extension World {
    /// Servers that are up, by index.
    public var livingServers: [SimulatedServer] { servers.filter(\.isUp) }

    /// Every living server serves, counts every living server as a reachable member, and has the same registry.
    public var isWhole: Bool { isConnected && areRegistriesEqual }

    /// What each living server says of itself, for the story of a network that does not become whole.
    public var wholenessText: String {
        livingServers.map { server in
            guard let statistics = server.statistics else { return "s\(server.index) has no node" }
            let state = statistics.isServing ? "serves" : "does not serve"
            return "s\(server.index) \(state), knows \(statistics.members) members over \(statistics.links) links, "
                + "registry \(statistics.claims) \(statistics.registryDigest)"
        }.joined(separator: "; ")
    }

    /// Cost and path of the records that were first sent at or after `start`.
    public func economy(since start: UInt64) -> Economy { economy(since: start, over: nil) }

    /// The same; where the overlay stood all the time, compared with a flood over it.
    func economy(since start: UInt64, over overlay: Overlay?) -> Economy {
        let records = tap.records(since: start)
        var economy = Economy(records: records.map(\.tally), servers: livingServers.count)
        economy.lazyEnds = overlay.map { 2 * $0.redundantLinks }
        economy.paths = overlay.flatMap { overlay in
            Economy.Paths(
                records.compactMap { record in
                    lifeOf[record.origin].map { (history.lives[$0].server, record.tally.hops) }
                }, over: overlay, jitterPermille: options.jitterPermille)
        }
        return economy
    }

    /// Frames on links since the beginning.
    public var frames: FrameTally { tap.frames }

    /// The sum of a counter over all living servers.
    public func total(_ counter: KeyPath<NodeStatistics, UInt64>) -> UInt64 {
        livingServers.reduce(0) { $0 + ($1.statistics?[keyPath: counter] ?? 0) }
    }
}

/// What the broadcast of some records cost.
public struct Economy: Sendable {
    public let records: Int
    /// Copies that arrived over links.
    public let copies: Int
    /// Relative message redundancy (Plumtree, section 4.3): copies over the least that would do, minus 1; 0 is perfect.
    public let redundancy: Double
    /// Hops to the server that a record reached last: the mean and the largest over the records.
    public let hopsMean: Double
    public let hopsMax: Int
    /// Ends of links that are lazy, for each origin; nil if the overlay changed meanwhile.
    public internal(set) var lazyEnds: Int?
    /// nil if the overlay changed meanwhile.
    public internal(set) var paths: Paths?

    /// Hops from the origin to a server, over all records and servers.
    public struct Paths: Sendable {
        /// As it was.
        public let mean: Double
        /// In a flood, which goes the fastest ways.
        public let ofFlood: Double
        /// Over the fewest links possible, however slow they are.
        public let least: Double

        /// nil if nothing arrived.
        init?(_ records: [(origin: Int, hops: [Int?])], over overlay: Overlay, jitterPermille: UInt64 = 0) {
            var sums = (count: 0, was: 0, flood: 0.0, least: 0)
            var known: [Int: (flood: [Double?], least: [Int?])] = [:]
            for (origin, hops) in records {
                let best =
                    known[origin]
                    ?? (
                        overlay.floodHops(from: origin, jitterPermille: jitterPermille),
                        overlay.leastHops(from: origin)
                    )
                known[origin] = best
                for (server, count) in hops.enumerated() where server != origin {
                    guard let count, let flood = best.flood[server], let least = best.least[server] else { continue }
                    sums = (sums.count + 1, sums.was + count, sums.flood + flood, sums.least + least)
                }
            }
            guard sums.count > 0 else { return nil }
            let count = Double(sums.count)
            (mean, ofFlood, least) = (Double(sums.was) / count, sums.flood / count, Double(sums.least) / count)
        }
    }

    init(records: [LinkTap.RecordTally], servers: Int) {
        self.records = records.count
        copies = records.reduce(0) { $0 + $1.copies }
        let least = records.count * (servers - 1)
        redundancy = least > 0 ? Double(copies) / Double(least) - 1 : 0
        hopsMax = records.reduce(0) { max($0, $1.hopsMax) }
        hopsMean = records.isEmpty ? 0 : Double(records.reduce(0) { $0 + $1.hopsMax }) / Double(records.count)
    }
}
