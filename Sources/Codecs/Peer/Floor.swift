/// From where on a session is owed records: of each origin, the highest seq up to which it has been shown them, or need
/// not be. Of an origin that is not in it everything is owed that arises from then on.
public struct Floor: Hashable, Sendable {
    /// The most that a floor may hold: the members that a server can know, and as many streams that were over.
    public static let positionsMax = 8192

    /// In ascending order of origins, each once, none at 0.
    public let positions: [StreamPosition]

    /// Of two positions of one origin the later one counts.
    public init(_ positions: [StreamPosition] = []) {
        var kept: [StreamPosition] = []
        for position in positions.sorted(by: { ($0.origin, $0.seq) < ($1.origin, $1.seq) }) where position.seq > 0 {
            if kept.last?.origin == position.origin { kept.removeLast() }
            kept.append(position)
        }
        self.positions = kept
    }

    /// Complexity: logarithmic in the number of origins.
    public subscript(origin: ServerID) -> UInt64 {
        var low = 0
        var high = positions.count
        while low < high {
            let middle = (low + high) / 2
            if positions[middle].origin < origin { low = middle + 1 } else { high = middle }
        }
        return low < positions.count && positions[low].origin == origin ? positions[low].seq : 0
    }

    /// What either of the two covers.
    public func union(_ other: Floor) -> Floor { Floor(positions + other.positions) }

    /// What both cover.
    public func intersection(_ other: Floor) -> Floor {
        Floor(positions.map { StreamPosition(origin: $0.origin, seq: min($0.seq, other[$0.origin])) })
    }

    /// Whether it covers all that the other one covers.
    public func covers(_ other: Floor) -> Bool { other.positions.allSatisfy { self[$0.origin] >= $0.seq } }

    /// Bytes on the wire.
    public var size: Int { 4 + 24 * positions.count }

    public func encode(into bytes: inout [UInt8]) {
        precondition(positions.count <= Self.positionsMax, "a floor is made within its limit")
        bytes.appendInteger(UInt32(positions.count))
        for position in positions {
            bytes.appendServerID(position.origin)
            bytes.appendInteger(position.seq)
        }
    }

    public init(from reader: inout WireReader) throws(FrameFault) {
        let count = try reader.count("positions of a floor", entrySize: 24)
        guard count <= Self.positionsMax else {
            throw .overLimit(
                field: "positions of a floor", value: UInt64(count), limit: UInt64(Self.positionsMax))
        }
        var positions: [StreamPosition] = []
        positions.reserveCapacity(count)
        for _ in 0..<count {
            let position = StreamPosition(origin: try reader.serverID(), seq: try reader.integer())
            guard position.seq > 0, positions.last.map({ $0.origin < position.origin }) ?? true else {
                throw .invalidValue(field: "position of a floor", value: position.seq)
            }
            positions.append(position)
        }
        self.positions = positions
    }
}
