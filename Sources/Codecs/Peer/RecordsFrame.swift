/// A frame of consecutive records of one origin: origin (16 bytes), seq of the first (64 bits), count (32 bits), then
/// the records as they are stored. It is built around stored bytes and read in place: a relay never looks into an
/// activity.
public enum RecordsFrame {
    /// Bytes before the first record, the frame's own header included.
    public static let headerBytes = PeerFrame.Limit.headerBytes + 16 + 8 + 4

    /// Appends the header of a frame; the caller appends exactly `recordBytes` bytes of `count` records.
    public static func encodeHeader(
        origin: ServerID, first: UInt64, count: Int, recordBytes: Int, into bytes: inout [UInt8]
    ) {
        bytes.appendInteger(UInt32(headerBytes - 4 + recordBytes))
        bytes.append(PeerFrame.Kind.records.rawValue)
        bytes.appendServerID(origin)
        bytes.appendInteger(first)
        bytes.appendInteger(UInt32(count))
    }

    /// The fields before the records, and where the records begin.
    public struct Prefix: Sendable {
        public var origin: ServerID
        public var first: UInt64
        public var count: Int
        public var recordsStart: Int
    }

    /// Reads the fields before the records of the frame that fills `bytes[frame]`.
    public static func prefix(of bytes: Span<UInt8>, frame: Range<Int>) throws(FrameFault) -> Prefix {
        guard frame.count >= headerBytes else { throw .truncated }
        var fields: [UInt8] = []
        fields.reserveCapacity(headerBytes)
        for index in frame.lowerBound + PeerFrame.Limit.headerBytes..<frame.lowerBound + headerBytes {
            fields.append(bytes[index])
        }
        var reader = WireReader(fields)
        let origin = try reader.serverID()
        let first: UInt64 = try reader.integer()
        let count: UInt32 = try reader.integer()
        guard first >= 1, first < 1 << 63 else { throw .invalidValue(field: "first seq", value: first) }
        // The shortest record is six bytes: a count that the frame cannot hold is refused before any is read.
        guard Int(count) * 6 <= frame.count - headerBytes else {
            throw .overLimit(field: "records", value: UInt64(count), limit: UInt64((frame.count - headerBytes) / 6))
        }
        return Prefix(origin: origin, first: first, count: Int(count), recordsStart: frame.lowerBound + headerBytes)
    }
}
