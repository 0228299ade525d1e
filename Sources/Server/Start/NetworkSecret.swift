internal import Logging
internal import Reactor

/// What the servers of a network know, and nobody else.
public struct NetworkSecret: Equatable, Sendable {
    /// By this one the server proves itself.
    public var present: String
    /// While the secret is being changed: by this one others may prove themselves as well.
    public var other: String?

    public init(_ present: String, other: String? = nil) {
        self.present = present
        self.other = other
    }

    /// A new one. 130 random bits as 26 digits of base 32 (0-9, a-v), the form that the course's servers have always
    /// printed.
    static func draw() -> NetworkSecret {
        let digits = Array("0123456789abcdefghijklmnopqrstuv".utf8)
        return NetworkSecret(String(decoding: SystemRandom.bytes(26).map { digits[Int($0 & 31)] }, as: UTF8.self))
    }

    func tell(_ logger: Logger) {
        guard other != nil else { return }
        logger.notice("a second secret is taken from other servers: the network's secret is being changed")
    }

    /// As the proofs between servers use them, the present one first.
    var keys: [[UInt8]] { ([present] + (other.map { [$0] } ?? [])).map { Array($0.utf8) } }
}
