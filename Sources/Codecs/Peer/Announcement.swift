/// What a server tells all others of itself, every announce interval and after a change worth telling. The one with
/// the highest number wins.
public struct Announcement: Hashable, Sendable {
    public var id: ServerID
    /// 1, 2, 3 … within one incarnation.
    public var number: UInt64
    /// Orders the incarnations at one address: the one with the highest lives. It begins as the start stamp; a server
    /// that hears of another incarnation at its address with no lower rank raises its own above it, which a dead one
    /// cannot (refutation by incarnation number: Das, Gupta and Motivala, SWIM, DSN 2002).
    public var rank: UInt64
    /// Where clients and servers reach it.
    public var address: PeerAddress
    /// Its share of the clients relative to others; 100 is the ordinary one.
    public var weight: UInt32
    /// Logged-in clients, and tickets given to clients that are on their way.
    public var load: UInt32
    /// Rises with each change of `load`, so that answers and announcements can be put in order.
    public var loadClock: UInt64
    /// It serves clients.
    public var isServing: Bool
    /// It leaves in order: nothing more will come from it.
    public var isLeaving: Bool
    /// It moves its clients elsewhere and then leaves; it serves no new ones.
    public var isDraining: Bool
    /// Digest of its registry of users.
    public var registryDigest: RegistryDigest
    /// The servers that it has links to.
    public var neighbours: [ServerID]
    /// What it holds of streams: an acknowledgement to all.
    public var held: [StreamPosition]
    /// `held` has all its streams; else those that have changed lately.
    public var isWhole: Bool
    /// Streams that it has forgotten, with their ends, and that others still hold: all of them is acknowledged.
    public var ended: [StreamPosition]
    /// What a newer server says beyond that: passed on as it is.
    public var more: [UInt8] = []

    /// - Parameter rank: nil for the one that a server begins with.
    public init(
        id: ServerID, number: UInt64, rank: UInt64? = nil, address: PeerAddress, weight: UInt32, load: UInt32,
        loadClock: UInt64, isServing: Bool, isLeaving: Bool, registryDigest: RegistryDigest, neighbours: [ServerID],
        held: [StreamPosition], isWhole: Bool = true, ended: [StreamPosition] = [], isDraining: Bool = false
    ) {
        self.id = id
        self.number = number
        self.rank = rank ?? id.startStamp
        self.address = address
        self.weight = weight
        self.load = load
        self.loadClock = loadClock
        self.isServing = isServing
        self.isLeaving = isLeaving
        self.isDraining = isDraining
        self.registryDigest = registryDigest
        self.neighbours = neighbours
        self.held = held
        self.isWhole = isWhole
        self.ended = ended
    }

    /// The same without what it acknowledges: who is told of it later has this from the announcements that follow.
    public var brief: Announcement {
        var brief = self
        brief.held = held.first { $0.origin == id }.map { [$0] } ?? []
        brief.isWhole = false
        brief.ended = []
        return brief
    }

    /// The most neighbours that a server may name. Members' announcements are kept and told on, several in a frame.
    public static let neighboursMax = 4096
    /// The most that may come of what a newer server says.
    public static let moreBytesMax = 1024

    /// Bytes of the shortest announcement on the wire.
    static let sizeMin = 16 + 8 + 8 + 4 + 4 + 4 + 8 + 1 + 16 + 4 + 4 + 4 + 2

    func encode(into bytes: inout [UInt8]) {
        bytes.appendServerID(id)
        bytes.appendInteger(number)
        bytes.appendInteger(rank)
        address.encode(into: &bytes)
        bytes.appendInteger(weight)
        bytes.appendInteger(load)
        bytes.appendInteger(loadClock)
        bytes.append((isServing ? 1 : 0) | (isLeaving ? 2 : 0) | (isWhole ? 4 : 0) | (isDraining ? 8 : 0))
        registryDigest.encode(into: &bytes)
        bytes.appendInteger(UInt32(neighbours.count))
        for neighbour in neighbours { bytes.appendServerID(neighbour) }
        bytes.appendPositions(held)
        bytes.appendPositions(ended)
        bytes.appendShort(more)
    }

    init(from reader: inout WireReader) throws(FrameFault) {
        id = try reader.serverID()
        number = try reader.integer()
        rank = try reader.integer()
        address = try PeerAddress(from: &reader)
        weight = try reader.integer()
        load = try reader.integer()
        loadClock = try reader.integer()
        let flags: UInt8 = try reader.integer()
        guard flags <= 15 else { throw .invalidValue(field: "announcement flags", value: UInt64(flags)) }
        isServing = flags & 1 != 0
        isLeaving = flags & 2 != 0
        isWhole = flags & 4 != 0
        isDraining = flags & 8 != 0
        registryDigest = try RegistryDigest(from: &reader)
        let count = try reader.count("neighbours", entrySize: 16)
        guard count <= Self.neighboursMax else {
            throw .overLimit(field: "neighbours", value: UInt64(count), limit: UInt64(Self.neighboursMax))
        }
        neighbours = []
        for _ in 0..<count { neighbours.append(try reader.serverID()) }
        held = try reader.positions("held")
        ended = try reader.positions("ended")
        more = try reader.short("more of an announcement", limit: Self.moreBytesMax)
    }
}

/// Where a server is reached: a name or numeric address, and a port.
public struct PeerAddress: Hashable, Comparable, Sendable, CustomStringConvertible {
    public var host: String
    public var port: UInt16

    public init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// Longest host name (RFC 1035, section 2.3.4).
    public static let hostBytesMax = 255

    public static func < (left: PeerAddress, right: PeerAddress) -> Bool {
        (left.host, left.port) < (right.host, right.port)
    }

    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    public func encode(into bytes: inout [UInt8]) {
        bytes.appendShort(Array(host.utf8))
        bytes.appendInteger(port)
    }

    public init(from reader: inout WireReader) throws(FrameFault) {
        let name = try reader.short("host", limit: Self.hostBytesMax)
        guard !name.isEmpty else { throw .invalidValue(field: "host length", value: 0) }
        // A host name is printable ASCII: it is printed in logs and sent to clients.
        for byte in name where byte <= 0x20 || byte >= 0x7F {
            throw .invalidValue(field: "host character", value: UInt64(byte))
        }
        host = String(decoding: name, as: UTF8.self)
        port = try reader.integer()
    }
}

/// A digest of all accounts that does not depend on their order: the sum, modulo 2^128, of a digest of each.
public struct RegistryDigest: Hashable, Sendable, CustomStringConvertible {
    public private(set) var high: UInt64
    public private(set) var low: UInt64

    public init() { (high, low) = (0, 0) }

    public mutating func add(_ claim: Claim) { add(Self.digest { claim.encode(into: &$0) }) }

    public mutating func remove(_ claim: Claim) { remove(Self.digest { claim.encode(into: &$0) }) }

    /// An account that is nothing but its claim counts as that.
    public mutating func add(_ account: Account) { add(Self.digest(of: account)) }

    public mutating func remove(_ account: Account) { remove(Self.digest(of: account)) }

    private mutating func add(_ other: (high: UInt64, low: UInt64)) {
        (high, low) = (high &+ other.high, low &+ other.low)
    }

    private mutating func remove(_ other: (high: UInt64, low: UInt64)) {
        (high, low) = (high &- other.high, low &- other.low)
    }

    private static func digest(of account: Account) -> (high: UInt64, low: UInt64) {
        digest { bytes in
            if let claim = account.claim, account.revision == nil, account.removed == nil {
                claim.encode(into: &bytes)
            } else {
                account.encode(into: &bytes)
            }
        }
    }

    public var description: String { ServerID(startStamp: high, random: low).description }

    /// Two independent 64-bit FNV-1a passes, finished by the SplitMix64 mixer: it must differ by chance only, since
    /// servers are honest.
    private static func digest(_ encode: (inout [UInt8]) -> Void) -> (high: UInt64, low: UInt64) {
        var bytes: [UInt8] = []
        encode(&bytes)
        var high: UInt64 = 0xCBF2_9CE4_8422_2325
        var low: UInt64 = 0x6C62_272E_07BB_0142
        for byte in bytes {
            high = (high ^ UInt64(byte)) &* 0x0000_0100_0000_01B3
            low = (low &+ UInt64(byte)) &* 0x9E37_79B9_7F4A_7C15
        }
        return (mix(high), mix(low))
    }

    private static func mix(_ value: UInt64) -> UInt64 {
        var mixed = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    func encode(into bytes: inout [UInt8]) {
        bytes.appendInteger(high)
        bytes.appendInteger(low)
    }

    init(from reader: inout WireReader) throws(FrameFault) {
        high = try reader.integer()
        low = try reader.integer()
    }
}

extension [UInt8] {
    mutating func appendPositions(_ positions: [StreamPosition]) {
        appendInteger(UInt32(positions.count))
        for position in positions {
            appendServerID(position.origin)
            appendInteger(position.seq)
        }
    }
}

extension WireReader {
    mutating func positions(_ field: String) throws(FrameFault) -> [StreamPosition] {
        var positions: [StreamPosition] = []
        let count = try count(field, entrySize: 24)
        positions.reserveCapacity(count)
        for _ in 0..<count {
            let origin = try serverID()
            positions.append(StreamPosition(origin: origin, seq: try integer()))
        }
        return positions
    }
}
