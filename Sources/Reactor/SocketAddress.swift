/// Internet addresses as plain values: parsed, printed and compared without any type of the C library in sight.
internal import CEpollShim

/// An IPv4 or IPv6 address with a port.
public struct SocketAddress: Hashable, Sendable, CustomStringConvertible {
    /// The version of the Internet protocol.
    public enum Family: UInt8, Sendable {
        case ipv4 = 4
        case ipv6 = 6
    }

    /// IPv4 or IPv6.
    public let family: Family
    /// The port, 0 to 65535.
    public var port: UInt16
    /// The bytes of the address in network order, left-aligned: 4 or 16 of them are used.
    private let high: UInt64
    private let low: UInt64
    /// The scope of a link-local IPv6 address (an interface's index), else 0.
    private let scope: UInt32

    /// Creates an address from its 4 or 16 bytes in network order; nil for any other count.
    public init?(ipBytes: [UInt8], port: UInt16) {
        guard ipBytes.count == 4 || ipBytes.count == 16 else { return nil }
        let padded = ipBytes + [UInt8](repeating: 0, count: 16 - ipBytes.count)
        self.init(family: ipBytes.count == 4 ? .ipv4 : .ipv6, padded: padded, port: port, scope: 0)
    }

    /// The address that `mappedBytes` has, without a port; nil for any other count of bytes.
    public init?(mapped bytes: [UInt8]) {
        guard bytes.count == 16 else { return nil }
        let isMapped = bytes.prefix(10).allSatisfy { $0 == 0 } && bytes[10] == 0xFF && bytes[11] == 0xFF
        self.init(ipBytes: isMapped ? Array(bytes[12...]) : bytes, port: 0)
    }

    /// Parses a numeric address without a port, brackets around IPv6 allowed: `127.0.0.1`, `::1`, `[::1]`. Names are
    /// not resolved (see ``Resolver``).
    public init?(ip text: String, port: UInt16) {
        var digits = text[...]
        if digits.hasPrefix("[") {
            guard digits.hasSuffix("]") else { return nil }
            digits = digits.dropFirst().dropLast()
        }
        var raw = ces_address()
        // The C string lives through the call, `raw` is ours.
        guard unsafe ces_parse_ip(String(digits), &raw) == 0 else { return nil }
        raw.port = port
        self.init(raw)
    }

    /// Parses a numeric address with its port: `127.0.0.1:80`, `[::1]:80`.
    public init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        let host = text[..<colon]
        guard host.hasPrefix("[") || !host.contains(":") else { return nil }
        self.init(ip: String(host), port: port)
    }

    private init(family: Family, padded: [UInt8], port: UInt16, scope: UInt32) {
        precondition(padded.count == 16)
        self.family = family
        self.port = port
        self.scope = scope
        high = padded[0..<8].reduce(0) { $0 << 8 | UInt64($1) }
        low = padded[8..<16].reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// 127.0.0.1 with a port.
    public static func loopback(port: UInt16) -> SocketAddress {
        SocketAddress(family: .ipv4, padded: [127, 0, 0, 1] + [UInt8](repeating: 0, count: 12), port: port, scope: 0)
    }

    /// The bytes of the address in network order: 4 or 16.
    public var ipBytes: [UInt8] {
        family == .ipv4 ? Self.bytes(high, count: 4) : Self.bytes(high) + Self.bytes(low)
    }

    /// The address in network order as IPv6 has it: 16 bytes, IPv4 mapped.
    public var mappedBytes: [UInt8] {
        guard family == .ipv4 else { return ipBytes }
        return [
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, UInt8(high >> 56), UInt8(high >> 48 & 0xFF),
            UInt8(high >> 40 & 0xFF), UInt8(high >> 32 & 0xFF),
        ]
    }

    private static func bytes(_ word: UInt64, count: Int = 8) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * $0)) }
    }

    /// The network that the address belongs to, as a number that is not 0: all of an IPv4 address, and the first 64
    /// bits of an IPv6 one, since a host has as many addresses there as it likes. An IPv4 address has a number in a
    /// part of IPv6 that is given to nobody (RFC 4291, 0000::/8).
    public var network: UInt64 { family == .ipv4 ? 0xFFFF << 32 | high >> 32 : max(high, 1) }

    /// Whether the address is of this host alone: 127.0.0.0/8 or ::1.
    public var isLoopback: Bool {
        family == .ipv4 ? high >> 56 == 127 : high == 0 && low == 1
    }

    /// Whether the address stands for all of this host: 0.0.0.0 or ::.
    public var isUnspecified: Bool { high == 0 && low == 0 }

    /// The address without the port: `1.2.3.4`, `::1`.
    public var ip: String {
        var raw = self.raw
        var room = [CChar](repeating: 0, count: 64)
        return unsafe room.withUnsafeMutableBufferPointer { buffer in
            // 64 bytes hold every address; the text is copied before `room` goes.
            guard let start = buffer.baseAddress, unsafe ces_format_ip(&raw, start, buffer.count) == 0 else {
                return "?"
            }
            return unsafe String(cString: start)
        }
    }

    /// The address with its port: `1.2.3.4:80`, `[::1]:80`.
    public var description: String { family == .ipv4 ? "\(ip):\(port)" : "[\(ip)]:\(port)" }

    // MARK: The shim's form

    /// An IPv4 peer of an IPv6 listener arrives as ::ffff:1.2.3.4: it becomes the IPv4 address that it is, so that one
    /// host has one address. Nil for a family that is not of the Internet.
    init?(_ raw: ces_address) {
        guard let family = Family(rawValue: raw.family) else { return nil }
        // Two words of a tuple of 16 bytes.
        let (first, second) = unsafe withUnsafeBytes(of: raw.bytes) { bytes in
            unsafe (
                UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            )
        }
        let isMapped = family == .ipv6 && first == 0 && second >> 32 == 0xFFFF
        self.family = isMapped ? .ipv4 : family
        port = raw.port
        scope = isMapped ? 0 : raw.scope
        (high, low) = isMapped ? (second << 32, 0) : (first, second)
    }

    var raw: ces_address {
        var raw = ces_address()
        raw.family = family.rawValue
        raw.port = port
        raw.scope = scope
        let bytes = ipBytes
        unsafe withUnsafeMutableBytes(of: &raw.bytes) { room in
            // At most 16 bytes into a tuple of 16.
            for index in bytes.indices { unsafe room[index] = bytes[index] }
        }
        return raw
    }
}
