/// Names a claim for ever: the moment and the server of its registration. The order is the conflict rule: the smaller
/// claim of a name wins on every server.
public struct ClaimID: Hashable, Comparable, Sendable {
    /// Network time of the registration, in milliseconds since 1970.
    public var stamp: UInt64
    /// The server that registered it.
    public var origin: ServerID
    /// Tells apart claims of one server and millisecond.
    public var counter: UInt32

    public init(stamp: UInt64, origin: ServerID, counter: UInt32) {
        self.stamp = stamp
        self.origin = origin
        self.counter = counter
    }

    public static func < (left: ClaimID, right: ClaimID) -> Bool {
        (left.stamp, left.origin, left.counter) < (right.stamp, right.origin, right.counter)
    }

    /// Bytes on the wire.
    static let size = 28
}

/// A user name registered in the network: who may speak under it. It is state: never given up, merged by `ClaimID`.
public struct Claim: Hashable, Sendable {
    public var id: ClaimID
    /// UTF-8, 1 to `Limit.userNameBytes` bytes.
    public var name: [UInt8]
    /// 16 random bytes.
    public var salt: [UInt8]
    /// Cost of the hash: the binary logarithm of scrypt's N (RFC 7914, section 2).
    public var cost: UInt8
    /// 32 bytes: scrypt of the secret with that salt and cost.
    public var digest: [UInt8]

    public init(id: ClaimID, name: [UInt8], salt: [UInt8], cost: UInt8, digest: [UInt8]) {
        self.id = id
        self.name = name
        self.salt = salt
        self.cost = cost
        self.digest = digest
    }

    /// Stated bounds of the fields.
    public enum Limit {
        /// Longest user name, in bytes of UTF-8.
        public static let userNameBytes = 1024
        /// Longest secret, in bytes: long enough for any, short enough to be kept while a hash waits.
        public static let secretBytes = 1024
        public static let saltBytes = 16
        public static let digestBytes = 32
        /// N = 2^20 takes 1 GiB: more is a mistake or an attack.
        public static let cost: UInt8 = 20
    }

    /// Bytes of the shortest claim on the wire.
    static let sizeMin = ClaimID.size + 2 + 1 + Limit.saltBytes + 1 + Limit.digestBytes

    public func encode(into bytes: inout [UInt8]) {
        id.encode(into: &bytes)
        bytes.appendShort(name)
        bytes.append(contentsOf: salt)
        bytes.append(cost)
        bytes.append(contentsOf: digest)
    }

    public init(from reader: inout WireReader) throws(FrameFault) {
        id = try ClaimID(from: &reader)
        name = try reader.short("user name", limit: Limit.userNameBytes)
        guard !name.isEmpty else { throw .invalidValue(field: "user name length", value: 0) }
        salt = try reader.fixed(Limit.saltBytes)
        cost = try reader.integer()
        guard (1...Limit.cost).contains(cost) else { throw .invalidValue(field: "hash cost", value: UInt64(cost)) }
        digest = try reader.fixed(Limit.digestBytes)
    }
}

extension ClaimID {
    public func encode(into bytes: inout [UInt8]) {
        bytes.appendInteger(stamp)
        bytes.appendServerID(origin)
        bytes.appendInteger(counter)
    }

    public init(from reader: inout WireReader) throws(FrameFault) {
        stamp = try reader.integer()
        origin = try reader.serverID()
        counter = try reader.integer()
    }
}
