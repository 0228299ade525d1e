/// The first bytes that each end of a link sends. The first is NUL, which begins no JSON text and no TLS record, so
/// one port serves clients and servers.
public enum Preamble {
    /// NUL, "PANDO", CR, LF: a transfer that mangles line ends is seen at once.
    public static let bytes: [UInt8] = [0x00, 0x50, 0x41, 0x4E, 0x44, 0x4F, 0x0D, 0x0A]

    /// Who speaks, as far as the first bytes tell.
    public enum Speaker: Sendable {
        case client
        case server
        /// A proper prefix of the preamble: more bytes are needed.
        case undecided
    }

    public static func speaker(of first: Span<UInt8>) -> Speaker {
        let count = min(first.count, bytes.count)
        for index in 0..<count where first[index] != bytes[index] { return .client }
        return count == bytes.count ? .server : .undecided
    }
}
