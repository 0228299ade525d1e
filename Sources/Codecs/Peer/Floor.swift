/// From where on a session is owed records: of each origin, the highest seq up to which it has been shown them, or need
/// not be. Of an origin that is not in it everything is owed that arises from then on.
public struct Floor: Hashable, Sendable {
    /// The most that a floor may hold: the members that a server can know, and as many streams that were over.
    public static let positionsMax = 8192

    /// In ascending order of origins, each once, none at 0, and no more than a floor may hold.
    public let positions: [StreamPosition]

    /// Of two positions of one origin the later one counts. Of too many the first go.
    public init(_ positions: [StreamPosition] = []) { self = Self.limited(positions, sparing: { _ in false }).floor }

    private init(ascending positions: [StreamPosition]) {
        precondition(positions.count <= Self.positionsMax, "a floor is made within its limit")
        self.positions = positions
    }

    /// A floor of these positions, and how many are left out because it may not hold so many. Of origins that are
    /// spared none is left out before all others are; of the others those that started first, which are the likeliest
    /// to be over.
    public static func limited(
        _ positions: [StreamPosition], sparing isSpared: (ServerID) -> Bool
    ) -> (floor: Floor, leftOut: Int) {
        var kept: [StreamPosition] = []
        for position in positions.sorted(by: { ($0.origin, $0.seq) < ($1.origin, $1.seq) }) where position.seq > 0 {
            if kept.last?.origin == position.origin { kept.removeLast() }
            kept.append(position)
        }
        let leftOut = max(0, kept.count - positionsMax)
        guard leftOut > 0 else { return (Floor(ascending: kept), 0) }
        var surplus = leftOut
        kept.removeAll { position in
            guard surplus > 0, !isSpared(position.origin) else { return false }
            surplus -= 1
            return true
        }
        kept.removeFirst(surplus)
        return (Floor(ascending: kept), leftOut)
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

    /// What both cover.
    public func intersection(_ other: Floor) -> Floor {
        Floor(positions.map { StreamPosition(origin: $0.origin, seq: min($0.seq, other[$0.origin])) })
    }

    /// Whether it covers all that the other one covers.
    public func covers(_ other: Floor) -> Bool { other.positions.allSatisfy { self[$0.origin] >= $0.seq } }

    /// Bytes on the wire.
    public var size: Int { 4 + 24 * positions.count }

    public func encode(into bytes: inout [UInt8]) {
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
