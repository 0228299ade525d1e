/// Why bytes from a peer are no frame. Every decoder of this folder is total: any bytes give a value or one of these.
public enum FrameFault: Error, Hashable, Sendable {
    /// The bytes end before the value does.
    case truncated
    /// Bytes are left over after the last field.
    case trailingBytes(Int)
    /// The frame itself is longer than its receiver takes.
    case tooLong(bytes: UInt64, limit: UInt64)
    /// A count or a length is beyond its stated limit.
    case overLimit(field: String, value: UInt64, limit: UInt64)
    /// A field has a value that its type does not have.
    case invalidValue(field: String, value: UInt64)
    /// The first bytes are not those of a server of this network.
    case notAPeer
}

/// Reads the fields of one frame's body, front to back. Integers are little-endian.
///
/// It owns its bytes: bodies of control frames are small and rare, so a copy costs less than a lifetime rule.
/// Frames of records, which are large and frequent, are read in place by `RecordsFrame`.
public struct WireReader: Sendable {
    private let bytes: [UInt8]
    private var offset = 0

    public init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Bytes not read yet.
    public var remaining: Int { bytes.count - offset }

    public mutating func integer<T: FixedWidthInteger & UnsignedInteger>(_: T.Type = T.self) throws(FrameFault) -> T {
        let size = T.bitWidth / 8
        guard remaining >= size else { throw .truncated }
        defer { offset += size }
        if size == 8 { return T(truncatingIfNeeded: bytes.span.word(at: offset)) }
        var value: T = 0
        for index in 0..<size { value |= T(truncatingIfNeeded: bytes[offset + index]) << T(8 * index) }
        return value
    }

    public mutating func boolean(_ field: String) throws(FrameFault) -> Bool {
        let value = try integer(UInt8.self)
        guard value <= 1 else { throw .invalidValue(field: field, value: UInt64(value)) }
        return value == 1
    }

    /// Exactly `count` bytes.
    public mutating func fixed(_ count: Int) throws(FrameFault) -> [UInt8] {
        guard remaining >= count else { throw .truncated }
        defer { offset += count }
        return Array(bytes[offset..<offset + count])
    }

    /// A length (16 bits) and as many bytes.
    public mutating func short(_ field: String, limit: Int) throws(FrameFault) -> [UInt8] {
        let count = Int(try integer(UInt16.self))
        guard count <= limit else { throw .overLimit(field: field, value: UInt64(count), limit: UInt64(limit)) }
        return try fixed(count)
    }

    /// A count (32 bits) of entries, each of at least `entrySize` bytes: a count that the rest of the body cannot
    /// hold is refused before anything is allocated for it.
    public mutating func count(_ field: String, entrySize: Int) throws(FrameFault) -> Int {
        let value = try integer(UInt32.self)
        guard UInt64(value) * UInt64(entrySize) <= UInt64(remaining) else {
            throw .overLimit(field: field, value: UInt64(value), limit: UInt64(remaining / entrySize))
        }
        return Int(value)
    }

    public mutating func serverID() throws(FrameFault) -> ServerID {
        let startStamp = try integer(UInt64.self)
        return ServerID(startStamp: startStamp, random: try integer(UInt64.self))
    }

    /// All that is left.
    public mutating func rest() -> [UInt8] {
        defer { offset = bytes.count }
        return Array(bytes[offset...])
    }

    /// To be called after the last field.
    public func finish() throws(FrameFault) {
        guard remaining == 0 else { throw .trailingBytes(remaining) }
    }
}

/// Writing: the same fields, appended.
extension [UInt8] {
    /// Replaces four bytes at `offset`: for lengths that are known only after what they count.
    public mutating func storeInteger(_ value: UInt32, at offset: Int) {
        for index in 0..<4 { self[offset + index] = UInt8(truncatingIfNeeded: value >> UInt32(8 * index)) }
    }

    mutating func appendBoolean(_ value: Bool) { append(value ? 1 : 0) }

    /// A length (16 bits) and the bytes. The caller keeps to the field's limit.
    mutating func appendShort(_ bytes: [UInt8]) {
        precondition(bytes.count <= Int(UInt16.max), "a short field holds at most 65,535 bytes")
        appendInteger(UInt16(bytes.count))
        append(contentsOf: bytes)
    }

    public mutating func appendServerID(_ id: ServerID) {
        appendInteger(id.startStamp)
        appendInteger(id.random)
    }
}
