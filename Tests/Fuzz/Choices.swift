import Codecs

/// The bytes of an input, read as choices. After the last byte every choice is the first one.
struct Choices {
    private let bytes: [UInt8]
    private var offset = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { offset >= bytes.count }

    mutating func byte() -> UInt8 {
        guard offset < bytes.count else { return 0 }
        defer { offset += 1 }
        return bytes[offset]
    }

    /// Below `bound`, which is at most 256.
    mutating func number(_ bound: Int) -> Int { Int(byte()) % bound }

    mutating func integer() -> UInt64 { (0..<8).reduce(0) { value, _ in value << 8 | UInt64(byte()) } }

    /// As many bytes as there are, at most `count`.
    mutating func take(_ count: Int) -> [UInt8] {
        let end = min(offset + count, bytes.count)
        defer { offset = end }
        return Array(bytes[offset..<end])
    }

    /// A number at which arithmetic may break, or an ordinary one.
    mutating func seq() -> UInt64 {
        let choice = byte()
        return switch choice {
        case 255: .max
        case 254: .max - 1
        case 253: 1 << 63
        case 252: (1 << 63) - 1
        case 251: (1 << 63) - 2
        case 250: 1 << 32
        case 249: (1 << 32) - 1
        case 248: integer()
        default: UInt64(choice % 16)
        }
    }

    mutating func word() -> UInt32 { UInt32(truncatingIfNeeded: seq()) }

    /// Few enough that they meet; `own` is one of them.
    mutating func server(own: ServerID) -> ServerID {
        let choice = byte()
        return switch choice {
        case 255: ServerID(startStamp: integer(), random: integer())
        case 254: ServerID(startStamp: 0, random: 0)
        case 253: ServerID(startStamp: .max, random: .max)
        case 252: own
        case 251: ServerID(startStamp: own.startStamp &+ 1, random: own.random)
        default: Peer.id(UInt64(choice % 6))
        }
    }

    mutating func position(own: ServerID) -> StreamPosition { StreamPosition(origin: server(own: own), seq: seq()) }

    mutating func list<Element>(upTo count: Int, _ element: (inout Choices) -> Element) -> [Element] {
        (0..<number(count + 1)).map { _ in element(&self) }
    }
}

/// The servers that an input plays.
enum Peer {
    static let stamp: UInt64 = 1_700_000_000_000

    static func id(_ number: UInt64) -> ServerID { ServerID(startStamp: stamp + number, random: number) }

    static func address(_ number: Int) -> PeerAddress { PeerAddress(host: "peer\(number)", port: 3780) }
}

/// Stands in for cryptography: 32 bytes that depend on all of the input, and that nobody guesses byte by byte.
enum Toy {
    static func digest(_ parts: [UInt8]...) -> [UInt8] {
        var lanes: [UInt64] = [
            0x6A09_E667_F3BC_C908, 0xBB67_AE85_84CA_A73B, 0x3C6E_F372_FE94_F82B, 0xA54F_F53A_5F1D_36F1,
        ]
        for part in parts {
            for byte in part { lanes[0] = (lanes[0] ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
            for lane in 0..<4 { lanes[lane] = mix(lanes[lane] ^ lanes[0] ^ UInt64(part.count)) }
        }
        return lanes.flatMap { lane in (0..<8).map { UInt8(truncatingIfNeeded: lane >> UInt64(8 * $0)) } }
    }

    private static func mix(_ value: UInt64) -> UInt64 {
        var mixed = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
