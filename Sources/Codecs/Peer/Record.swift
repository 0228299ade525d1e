/// What a record is about. Kinds that a server does not know are relayed as they are, so that servers of two versions
/// make one network.
public enum RecordKind: UInt8, Sendable, CaseIterable {
    /// A client-ready line, rendered once at its origin.
    case activity = 1
    /// A name was registered.
    case claim = 2
    /// Named sessions (`SessionRecord`): who is connected where.
    case sessionOpened = 3
    case sessionMoved = 4
    case sessionDetached = 5
    case sessionClosed = 6
    /// An operator's change of a user (`Account`): another secret, or none any more.
    case secretChanged = 7
    case userRemoved = 8
    /// How far all named sessions of a server are (`SessionRecord`).
    case sessionsReached = 9

    /// Whether it is about a user of the registry: state, which outlives its record.
    public var isAboutUsers: Bool { self == .claim || self == .secretChanged || self == .userRemoved }
}

/// A place in a stream: the origin's record with this number (the first is 1).
public struct StreamPosition: Hashable, Sendable {
    public var origin: ServerID
    public var seq: UInt64

    public init(origin: ServerID, seq: UInt64) {
        self.origin = origin
        self.seq = seq
    }
}

/// The number that a client gave an activity of which it wants to be told that it is safe.
public struct Sending: Hashable, Sendable {
    /// The client's run.
    public var run: UInt64
    /// From 1 on.
    public var number: UInt64

    public init(run: UInt64, number: UInt64) {
        self.run = run
        self.number = number
    }
}

/// The part of a record before its payload.
///
/// On the wire: length of all that follows (32 bits), kind (8), flags (8), then, as the flags say, the claim of the
/// sender (28 bytes), the dependency (24 bytes) and the sending (16 bytes), then the payload.
public struct RecordHeader: Hashable, Sendable {
    /// Raw, because unknown kinds are relayed.
    public var kind: UInt8
    /// Whose activity it is; nil for an anonymous sender and for other kinds.
    public var claim: ClaimID?
    /// The sender's latest earlier activity from another origin: to be delivered before this one.
    public var dependency: StreamPosition?
    /// Only with a claim: the sender's number of it.
    public var sending: Sending?

    public init(
        kind: UInt8, claim: ClaimID? = nil, dependency: StreamPosition? = nil, sending: Sending? = nil
    ) {
        self.kind = kind
        self.claim = claim
        self.dependency = dependency
        self.sending = sending
    }

    /// Whether the kind is one of `RecordKind`.
    public var isKnown: Bool { RecordKind(rawValue: kind) != nil }

    /// The most that a record may hold, header included: a line of the largest `--max-line-bytes` and its header.
    public static let recordBytesMax = 16 << 20
    private static let lengthBytes = 4
    /// Where the kind stands in a record's bytes.
    public static let kindOffset = lengthBytes
    /// The most that fits a record after the largest header.
    public static let payloadBytesMax = recordBytesMax - 2 - ClaimID.size - 24 - 16
    private static let flagClaim: UInt8 = 1
    private static let flagDependency: UInt8 = 2
    private static let flagSending: UInt8 = 4

    /// Bytes of the header on the wire, the length field included.
    public var size: Int {
        Self.lengthBytes + 2 + (claim == nil ? 0 : ClaimID.size) + (dependency == nil ? 0 : 24)
            + (sending == nil ? 0 : 16)
    }

    /// Appends length and header; the caller appends exactly `payloadBytes` bytes after it.
    public func encode(payloadBytes: Int, into bytes: inout [UInt8]) {
        let length = size - Self.lengthBytes + payloadBytes
        precondition(length <= Self.recordBytesMax, "a record is checked against the limit before it is made")
        bytes.appendInteger(UInt32(length))
        bytes.append(kind)
        bytes.append(
            (claim == nil ? 0 : Self.flagClaim) | (dependency == nil ? 0 : Self.flagDependency)
                | (sending == nil ? 0 : Self.flagSending))
        claim?.encode(into: &bytes)
        if let dependency {
            bytes.appendServerID(dependency.origin)
            bytes.appendInteger(dependency.seq)
        }
        if let sending {
            bytes.appendInteger(sending.run)
            bytes.appendInteger(sending.number)
        }
    }

    /// Length of the record that begins at `offset`, its length field included.
    public static func recordSize(in bytes: Span<UInt8>, at offset: Int) throws(FrameFault) -> Int {
        guard bytes.count - offset >= lengthBytes + 2 else { throw .truncated }
        var length: UInt32 = 0
        for index in 0..<4 { length |= UInt32(bytes[offset + index]) << UInt32(8 * index) }
        guard length <= UInt32(recordBytesMax) else {
            throw .overLimit(field: "record length", value: UInt64(length), limit: UInt64(recordBytesMax))
        }
        guard length >= 2, Int(length) <= bytes.count - offset - lengthBytes else { throw .truncated }
        return Int(length) + lengthBytes
    }

    /// Reads the header of the record that fills `bytes[range]`; returns it with the range of its payload. Of a kind
    /// that is not known, nothing but that is read.
    public static func decode(
        in bytes: Span<UInt8>, at range: Range<Int>
    ) throws(FrameFault) -> (header: RecordHeader, payload: Range<Int>) {
        guard range.count >= lengthBytes + 2 else { throw .truncated }
        var offset = range.lowerBound + lengthBytes
        var header = RecordHeader(kind: bytes[offset])
        // What stands in a kind that a newer server has made up is its own business.
        guard header.isKnown else { return (header, offset + 1..<range.upperBound) }
        let flags = bytes[offset + 1]
        offset += 2
        guard flags & ~(flagClaim | flagDependency | flagSending) == 0 else {
            throw .invalidValue(field: "record flags", value: UInt64(flags))
        }
        let fixed =
            (flags & flagClaim != 0 ? ClaimID.size : 0) + (flags & flagDependency != 0 ? 24 : 0)
            + (flags & flagSending != 0 ? 16 : 0)
        guard range.upperBound - offset >= fixed else { throw .truncated }
        if flags & flagClaim != 0 {
            header.claim = ClaimID(
                stamp: load64(bytes, offset),
                origin: ServerID(startStamp: load64(bytes, offset + 8), random: load64(bytes, offset + 16)),
                counter: UInt32(truncatingIfNeeded: load32(bytes, offset + 24)))
            offset += ClaimID.size
        }
        if flags & flagDependency != 0 {
            let origin = ServerID(startStamp: load64(bytes, offset), random: load64(bytes, offset + 8))
            header.dependency = StreamPosition(origin: origin, seq: load64(bytes, offset + 16))
            offset += 24
        }
        if flags & flagSending != 0 {
            header.sending = Sending(run: load64(bytes, offset), number: load64(bytes, offset + 8))
            offset += 16
        }
        return (header, offset..<range.upperBound)
    }

    private static func load64(_ bytes: Span<UInt8>, _ offset: Int) -> UInt64 {
        load32(bytes, offset) | load32(bytes, offset + 4) << 32
    }

    private static func load32(_ bytes: Span<UInt8>, _ offset: Int) -> UInt64 {
        UInt64(bytes[offset]) | UInt64(bytes[offset + 1]) << 8 | UInt64(bytes[offset + 2]) << 16
            | UInt64(bytes[offset + 3]) << 24
    }
}
