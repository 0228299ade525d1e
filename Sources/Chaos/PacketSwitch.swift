// The wires between the servers' namespaces: a packet switch that forwards, delays, loses, drops or resets, pair by
// pair and direction by direction. A packet of another protocol than TCP over IPv4 is dropped.

import Glibc

/// What happens to packets from one server to another.
public struct Path: Hashable, Sendable {
    /// Packets vanish, and nobody is told.
    public var isCut = false
    /// Connections are reset as soon as one of their packets passes, and none can be opened.
    public var resets = false
    public var delayMilliseconds: UInt64 = 0
    public var lossPermille: UInt64 = 0

    public init() {}
}

struct PacketSwitch {
    /// By sender, then by receiver.
    var paths: [[Path]]
    private(set) var packets = 0
    private var delayed: [[Line]]
    private var random: Draw
    /// Connections that are reset once, whatever the path says.
    private var doomed: Set<FlowKey> = []

    /// One direction of a connection.
    struct FlowKey: Hashable {
        var from: Int
        var to: Int
        var fromPort: UInt16
        var toPort: UInt16

        var reversed: FlowKey { FlowKey(from: to, to: from, fromPort: toPort, toPort: fromPort) }
    }

    /// Packets under way from one server to another: the delay is the same for all, so they stay in order.
    private struct Line {
        var waiting: [(due: UInt64, bytes: [UInt8])] = []
        var head = 0

        var nextDue: UInt64? { head < waiting.count ? waiting[head].due : nil }

        mutating func popFirst() -> [UInt8] {
            defer {
                head += 1
                if head == waiting.count { (waiting, head) = ([], 0) }
            }
            return waiting[head].bytes
        }
    }

    /// What becomes of a packet.
    enum Fate {
        case forward
        case later
        case drop
        /// These go to the sender and to the receiver instead.
        case reset(toSender: [UInt8], toReceiver: [UInt8])
    }

    init(servers: Int, seed: UInt64) {
        paths = Array(repeating: Array(repeating: Path(), count: servers), count: servers)
        delayed = Array(repeating: Array(repeating: Line(), count: servers), count: servers)
        random = Draw(seed: seed ^ 0x7377_6974_6368)
    }

    mutating func judge(_ packet: Packet, bytes: UnsafeRawBufferPointer, now: UInt64) -> Fate {
        packets += 1
        let path = paths[packet.key.from][packet.key.to]
        if path.isCut { return .drop }
        if path.resets || doomed.contains(packet.key) {
            guard !packet.isReset else { return .forward }
            return .reset(toSender: packet.resetForSender, toReceiver: packet.resetForReceiver)
        }
        if path.lossPermille > 0, random.below(1000) < path.lossPermille { return .drop }
        guard path.delayMilliseconds > 0 || delayed[packet.key.from][packet.key.to].nextDue != nil else {
            return .forward
        }
        let due = now + path.delayMilliseconds * 1_000_000
        delayed[packet.key.from][packet.key.to].waiting.append((due, Array(bytes)))
        return .later
    }

    /// When the next delayed packet is due.
    var nextDue: UInt64? {
        var earliest: UInt64?
        for line in delayed.joined() { if let due = line.nextDue { earliest = min(earliest ?? due, due) } }
        return earliest
    }

    /// Hands out the delayed packets that are due. What is under way when a path is cut vanishes with it.
    mutating func release(now: UInt64, _ deliver: (_ receiver: Int, _ bytes: [UInt8]) -> Void) {
        for from in paths.indices {
            for to in paths.indices {
                while let due = delayed[from][to].nextDue, due <= now {
                    let bytes = delayed[from][to].popFirst()
                    if !paths[from][to].isCut { deliver(to, bytes) }
                }
            }
        }
    }

    /// The connection is reset when its next packet passes.
    mutating func doom(_ key: FlowKey) {
        doomed.insert(key)
        doomed.insert(key.reversed)
    }

    /// A new connection may have the ports of a doomed one.
    mutating func forget(_ key: FlowKey) {
        doomed.remove(key)
        doomed.remove(key.reversed)
    }
}

/// A TCP segment over IPv4 between two servers.
struct Packet {
    let key: PacketSwitch.FlowKey
    let seq: UInt32
    let acknowledged: UInt32
    let flags: UInt8
    let payload: Range<Int>
    private let source: UInt32
    private let target: UInt32

    private static let fin: UInt8 = 0x01
    private static let syn: UInt8 = 0x02
    private static let reset: UInt8 = 0x04
    private static let ack: UInt8 = 0x10

    var isOpening: Bool { flags & Self.syn != 0 }
    var isEnding: Bool { flags & Self.fin != 0 }
    var isReset: Bool { flags & Self.reset != 0 }

    /// nil if it is something else, or to nobody here.
    init?(_ bytes: UnsafeRawBufferPointer, subnet: UInt32, servers: Int) {
        guard bytes.count >= 40, bytes[0] >> 4 == 4, bytes[9] == 6 else { return nil }
        let header = Int(bytes[0] & 15) * 4
        let total = Int(bytes[2]) << 8 | Int(bytes[3])
        guard total <= bytes.count, total >= header + 20 else { return nil }
        source = Self.word(bytes, 12)
        target = Self.word(bytes, 16)
        let (from, to) = (Int(source & 255) - 1, Int(target & 255) - 1)
        guard source >> 8 == subnet >> 8, target >> 8 == subnet >> 8, from >= 0, from < servers, to >= 0, to < servers
        else { return nil }
        key = PacketSwitch.FlowKey(
            from: from, to: to, fromPort: UInt16(Self.word(bytes, header) >> 16),
            toPort: UInt16(truncatingIfNeeded: Self.word(bytes, header)))
        seq = Self.word(bytes, header + 4)
        acknowledged = Self.word(bytes, header + 8)
        flags = bytes[header + 13]
        let start = header + Int(bytes[header + 12] >> 4) * 4
        guard start <= total else { return nil }
        payload = start..<total
    }

    private static func word(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> UInt32 {
        UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    /// As if the receiver had refused the segment.
    var resetForSender: [UInt8] {
        let length = UInt32(payload.count) + (isOpening || isEnding ? 1 : 0)
        let isAnswer = flags & Self.ack != 0
        return segment(
            from: target, key.toPort, to: source, key.fromPort, seq: isAnswer ? acknowledged : 0,
            acknowledged: seq &+ length, flags: isAnswer ? Self.reset : Self.reset | Self.ack)
    }

    /// As if the sender had reset the connection instead of sending.
    var resetForReceiver: [UInt8] {
        segment(
            from: source, key.fromPort, to: target, key.toPort, seq: seq, acknowledged: acknowledged,
            flags: Self.reset | (flags & Self.ack))
    }

    private func segment(
        from: UInt32, _ fromPort: UInt16, to: UInt32, _ toPort: UInt16, seq: UInt32, acknowledged: UInt32, flags: UInt8
    ) -> [UInt8] {
        var bytes: [UInt8] = [0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0]
        func append(_ value: UInt32) { for shift in [24, 16, 8, 0] { bytes.append(UInt8(value >> shift & 255)) } }
        append(from)
        append(to)
        append(UInt32(fromPort) << 16 | UInt32(toPort))
        append(seq)
        append(acknowledged)
        bytes += [0x50, flags, 0, 0, 0, 0, 0, 0]
        Self.setChecksum(of: &bytes, range: 0..<20, at: 10, start: 0)
        // The pseudo header: both addresses, the protocol, the length of the segment.
        let pseudo = (from >> 16) + (from & 0xFFFF) + (to >> 16) + (to & 0xFFFF) + 6 + 20
        Self.setChecksum(of: &bytes, range: 20..<40, at: 36, start: pseudo)
        return bytes
    }

    private static func setChecksum(of bytes: inout [UInt8], range: Range<Int>, at place: Int, start: UInt32) {
        var sum = start
        for offset in stride(from: range.lowerBound, to: range.upperBound, by: 2) {
            sum += UInt32(bytes[offset]) << 8 | UInt32(bytes[offset + 1])
        }
        while sum >> 16 != 0 { sum = (sum & 0xFFFF) + (sum >> 16) }
        bytes[place] = UInt8(~sum >> 8 & 255)
        bytes[place + 1] = UInt8(~sum & 255)
    }
}

/// A seeded generator (SplitMix64): the seed decides what is drawn.
public struct Draw: RandomNumberGenerator, Sendable {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    public mutating func below(_ limit: UInt64) -> UInt64 { next() % limit }
    public mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }
    public mutating func chance(permille: UInt64) -> Bool { below(UInt64(1000)) < permille }
}
