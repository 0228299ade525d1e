// What the wires say about who holds which activity: RECORDS that a server sends, and what it acknowledges.

import Codecs
import Glibc

/// Names an activity: the round in which it was sent, its sender, and its number there. It travels as
/// `"mark":"1/3/17"`.
public struct Mark: Hashable, Sendable, CustomStringConvertible {
    public var round: Int
    public var sender: Int
    public var number: Int

    public var description: String { "\(round)/\(sender)/\(number)" }

    init(round: Int, sender: Int, number: Int) {
        self.round = round
        self.sender = sender
        self.number = number
    }

    /// Finds the mark of an activity in a line or a record: it stands in front of everything that can be long.
    init?(in bytes: UnsafeRawBufferPointer) {
        let key = Self.key
        let last = min(bytes.count, Self.searchedMax) - key.count
        guard
            var offset = (0..<max(0, last)).first(where: { start in
                bytes[start] == key[0] && key.indices.allSatisfy { bytes[start + $0] == key[$0] }
            })
        else { return nil }
        offset += key.count
        var numbers = (0, 0, 0)
        var part = 0
        while offset < bytes.count, bytes[offset] != UInt8(ascii: "\"") {
            if bytes[offset] == UInt8(ascii: "/") {
                numbers = (numbers.1, numbers.2, 0)
                part += 1
            } else {
                numbers.2 = numbers.2 * 10 + Int(bytes[offset]) - 48
            }
            offset += 1
        }
        guard part == 2 else { return nil }
        (round, sender, number) = numbers
    }

    private static let key = Array("\"mark\":\"".utf8)
    /// More than the header of a record and the beginning of a line.
    private static let searchedMax = 256
}

/// Listens on the links between servers. That a server holds an activity is known from what it sends: the activity
/// itself, or an acknowledgement of its stream. What servers say of themselves elsewhere counts for nothing.
struct LinkListener {
    /// One direction of a link as a stream of bytes.
    fileprivate struct Stream {
        var life: Life
        var next: UInt32
        var early: [(seq: UInt32, bytes: [UInt8])] = []
        var partial: [UInt8] = []
        var sawPreamble = false
    }

    /// One life of a server.
    struct Life: Hashable {
        var server: Int
        var number: Int
    }

    private struct Holding: Hashable {
        var life: Life
        var origin: ServerID
    }

    private var streams: [PacketSwitch.FlowKey: Stream] = [:]
    private var marks: [ServerID: [UInt64: Mark]] = [:]
    private var held: [Holding: UInt64] = [:]
    /// Segments beyond a hole that are kept, per direction: more than any window of these links.
    private static let earlyMax = 4096

    var flows: [PacketSwitch.FlowKey] { Array(streams.keys) }

    /// A packet as its sender put it on the wire. `holds` is told of activities that the sender's life holds.
    mutating func sent(
        _ packet: Packet, _ bytes: UnsafeRawBufferPointer, life: Int, _ holds: (Life, Mark) -> Void
    ) {
        if packet.isOpening {
            let life = Life(server: packet.key.from, number: life)
            streams[packet.key] = Stream(life: life, next: packet.seq &+ 1)
            return
        }
        guard !packet.payload.isEmpty, var stream = streams.removeValue(forKey: packet.key) else {
            if packet.isReset || packet.isEnding { streams[packet.key] = nil }
            return
        }
        stream.take(packet.seq, bytes: UnsafeRawBufferPointer(rebasing: bytes[packet.payload]), max: Self.earlyMax)
        understand(&stream, holds)
        if !packet.isReset, !packet.isEnding { streams[packet.key] = stream }
    }

    /// Nothing of an earlier round is asked for any more.
    mutating func forgetMarks() { marks = [:] }

    private mutating func understand(_ stream: inout Stream, _ holds: (Life, Mark) -> Void) {
        var offset = 0
        if !stream.sawPreamble {
            let speaker = Preamble.speaker(of: stream.partial.span)
            // Under TLS there is nothing to understand.
            if case .client = speaker { stream.partial = [] }
            guard case .server = speaker else { return }
            offset = Preamble.bytes.count
            stream.sawPreamble = true
        }
        while let header = try? PeerFrame.header(
            of: stream.partial.span, at: offset, limit: PeerFrame.Limit.provenBytes),
            stream.partial.count - offset >= header.size
        {
            understand(stream, frame: offset..<offset + header.size, kind: header.kind, holds)
            offset += header.size
        }
        stream.partial.removeFirst(offset)
    }

    private mutating func understand(
        _ stream: Stream, frame: Range<Int>, kind: UInt8, _ holds: (Life, Mark) -> Void
    ) {
        guard let kind = PeerFrame.Kind(rawValue: kind) else { return }
        if kind == .records { return takeRecords(stream, frame, holds) }
        guard [.have, .haveSince, .level, .graft, .announcement].contains(kind) else { return }
        let body = Array(stream.partial[frame].dropFirst(PeerFrame.Limit.headerBytes))
        guard let decoded = try? PeerFrame.decode(kind, body: body) else { return }
        switch decoded {
        case .have(let entries), .haveSince(let entries), .graft(let entries):
            for entry in entries { acknowledged(entry.origin, entry.held, by: stream.life, holds) }
        // A vector in LEVEL or in an announcement may be one that a joiner took over: no proof.
        default: break
        }
    }

    private mutating func takeRecords(_ stream: Stream, _ frame: Range<Int>, _ holds: (Life, Mark) -> Void) {
        guard let prefix = try? RecordsFrame.prefix(of: stream.partial.span, frame: frame) else { return }
        var offset = prefix.recordsStart
        for seq in prefix.first..<prefix.first + UInt64(prefix.count) {
            guard let size = try? RecordHeader.recordSize(in: stream.partial.span, at: offset) else { return }
            let mark = stream.partial.withUnsafeBytes {
                Mark(in: UnsafeRawBufferPointer(rebasing: $0[offset..<offset + size]))
            }
            if let mark {
                marks[prefix.origin, default: [:]][seq] = mark
                holds(stream.life, mark)
            }
            offset += size
        }
    }

    private mutating func acknowledged(
        _ origin: ServerID, _ seq: UInt64, by life: Life, _ holds: (Life, Mark) -> Void
    ) {
        let key = Holding(life: life, origin: origin)
        let before = held[key] ?? 0
        guard seq > before else { return }
        held[key] = seq
        guard let known = marks[origin] else { return }
        // A first acknowledgement may be far up in a long stream.
        if seq - before > UInt64(known.count) {
            for (number, mark) in known where number > before && number <= seq { holds(life, mark) }
        } else {
            for number in before + 1...seq { if let mark = known[number] { holds(life, mark) } }
        }
    }
}

extension LinkListener.Stream {
    /// Puts segments in order; what came before is left out.
    mutating func take(_ seq: UInt32, bytes: UnsafeRawBufferPointer, max: Int) {
        if append(seq, bytes) {
            while let index = early.firstIndex(where: { Int32(bitPattern: $0.seq &- next) <= 0 }) {
                let segment = early.remove(at: index)
                _ = segment.bytes.withUnsafeBytes { append(segment.seq, $0) }
            }
        } else if early.count < max {
            early.append((seq, Array(bytes)))
        }
    }

    /// False if there is a hole before it.
    private mutating func append(_ seq: UInt32, _ bytes: UnsafeRawBufferPointer) -> Bool {
        let skip = Int(Int32(bitPattern: next &- seq))
        guard skip >= 0 else { return false }
        if skip < bytes.count {
            partial.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[skip...]))
            next = next &+ UInt32(bytes.count - skip)
        }
        return true
    }
}
