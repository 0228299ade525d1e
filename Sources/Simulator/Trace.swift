/// What happened, a line an event, in an order and a wording that depend on the seed and the options alone. Its digest
/// compares two runs without keeping either.
public struct Trace: Sendable {
    public enum Mode: Sendable {
        case off
        /// Only the digest.
        case digest
        /// The digest, and each line is handed out.
        case lines(@Sendable (String) -> Void)
    }

    private let mode: Mode
    /// Lines so far.
    public private(set) var count: UInt64 = 0
    /// FNV-1a over all lines.
    public private(set) var digest = Trace.seed

    public init(mode: Mode) { self.mode = mode }

    public var isOff: Bool { if case .off = mode { true } else { false } }

    /// The text is made only if somebody wants it: a trace costs more than the run.
    mutating func note(_ time: UInt64, _ text: @autoclosure () -> String) {
        if case .off = mode { return }
        let line = Self.stamp(time) + " " + text()
        digest = Self.digest(of: line.utf8, from: digest)
        count += 1
        if case .lines(let sink) = mode { sink(line) }
    }

    /// Seconds with all nine digits: `12.000345678`.
    public static func stamp(_ time: UInt64) -> String {
        let fraction = String(time % 1_000_000_000)
        return "\(time / 1_000_000_000)." + String(repeating: "0", count: 9 - fraction.count) + fraction
    }

    private static let seed: UInt64 = 0xCBF2_9CE4_8422_2325

    /// A short name of some bytes for a trace line.
    static func mark(_ bytes: some Sequence<UInt8>) -> String { String(digest(of: bytes, from: seed), radix: 16) }

    private static func digest(of bytes: some Sequence<UInt8>, from start: UInt64) -> UInt64 {
        var digest = start
        for byte in bytes { digest = (digest ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        return digest
    }
}
