import Codecs

/// What a peer may send as one frame: the first byte is the frame's type, the rest its body. Whatever is understood
/// means the same after it was written and read again.
enum FramesTarget {
    static func run(_ bytes: [UInt8]) {
        guard let type = bytes.first, let kind = PeerFrame.Kind(rawValue: type) else { return checkStream(bytes) }
        let body = Array(bytes.dropFirst())
        guard kind != .records else { return checkRecords(body) }
        guard let frame = try? PeerFrame.decode(kind, body: body) else { return }
        var written: [UInt8] = []
        frame.encode(into: &written)
        guard let header = try? PeerFrame.header(of: written.span, at: 0, limit: .max) else {
            fatalError("a frame that is written has a header")
        }
        must(header.size == written.count && header.kind == type, "a header tells size and type")
        let again = try? PeerFrame.decode(kind, body: Array(written.dropFirst(PeerFrame.Limit.headerBytes)))
        must(again == frame, "a frame means the same after writing and reading: \(frame)")
        // A refusal may be of a later version, and so may be the end of a HELLO.
        let isWhole = kind != .refusal && kind != .hello
        if isWhole { must(written.count == body.count + PeerFrame.Limit.headerBytes, "no byte is left out") }
    }

    /// Bytes as they come: headers alone.
    private static func checkStream(_ bytes: [UInt8]) {
        _ = Preamble.speaker(of: bytes.span)
        var offset = 0
        while let header = try? PeerFrame.header(of: bytes.span, at: offset, limit: PeerFrame.Limit.provenBytes) {
            must(header.size >= PeerFrame.Limit.headerBytes, "a frame goes on behind its header")
            offset += header.size
            guard offset <= bytes.count else { return }
        }
    }

    private static func checkRecords(_ body: [UInt8]) {
        var bytes: [UInt8] = []
        RecordsFrame.encodeHeader(
            origin: ServerID(startStamp: 0, random: 0), first: 1, count: 0,
            recordBytes: max(0, PeerFrame.Limit.headerBytes + body.count - RecordsFrame.headerBytes), into: &bytes)
        bytes.removeLast(RecordsFrame.headerBytes - PeerFrame.Limit.headerBytes)
        bytes += body
        guard let prefix = try? RecordsFrame.prefix(of: bytes.span, frame: 0..<bytes.count) else { return }
        var offset = prefix.recordsStart
        for _ in 0..<prefix.count {
            guard let size = try? RecordHeader.recordSize(in: bytes.span, at: offset) else { return }
            must(size >= 6 && offset + size <= bytes.count, "a record lies inside of its frame")
            checkRecord(bytes, offset..<offset + size)
            offset += size
        }
    }

    private static func checkRecord(_ bytes: [UInt8], _ range: Range<Int>) {
        guard let (header, payload) = try? RecordHeader.decode(in: bytes.span, at: range) else { return }
        must(payload.upperBound == range.upperBound && payload.count <= range.count, "a payload is a record's end")
        // What is in a kind that nobody knows here is passed on as it came.
        guard header.isKnown else {
            return must(
                payload.lowerBound == range.lowerBound + RecordHeader.kindOffset + 1, "all behind an unknown kind")
        }
        var written: [UInt8] = []
        header.encode(payloadBytes: payload.count, into: &written)
        must(written + bytes[payload] == Array(bytes[range]), "a record is the same after reading and writing")
        var reader = WireReader(Array(bytes[payload]))
        switch RecordKind(rawValue: header.kind) {
        case .claim:
            guard let claim = try? Claim(from: &reader) else { return }
            var again: [UInt8] = []
            claim.encode(into: &again)
            must(bytes[payload].starts(with: again), "a claim is the same after reading and writing")
        case .some(let kind) where kind.isAboutSessions:
            guard let record = try? SessionRecord(from: &reader) else { return }
            var again: [UInt8] = []
            record.encode(into: &again)
            must(again.count == record.size && bytes[payload].starts(with: again), "so is what is said of sessions")
        default: break
        }
    }
}
