import Node

/// Stand-ins for cryptography inside a simulated world: pure functions, fast, and **without any security**. They have
/// the properties that the protocol leans on (same input, same 32 bytes; other input, other bytes), and nothing more.
enum ToyCryptography {
    static let cryptography = Cryptography(hmac: keyedDigest)

    /// In the place of HMAC-SHA-256.
    @Sendable static func keyedDigest(key: [UInt8], message: [UInt8]) -> [UInt8] { digest([key, message]) }

    /// In the place of scrypt.
    static func passwordDigest(secret: [UInt8], salt: [UInt8], cost: UInt8) -> [UInt8] {
        digest([secret, salt, [cost]])
    }

    /// Four lanes of multiply and mix; each part's length is mixed in, so that ("ab", "c") and ("a", "bc") differ.
    private static func digest(_ parts: [[UInt8]]) -> [UInt8] {
        var lanes =
            [0x6A09_E667_F3BC_C908, 0xBB67_AE85_84CA_A73B, 0x3C6E_F372_FE94_F82B, 0xA54F_F53A_5F1D_36F1] as [UInt64]
        for part in parts {
            for lane in 0..<4 {
                for byte in part { lanes[lane] = (lanes[lane] ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 &+ UInt64(lane) }
                lanes[lane] = mix(lanes[lane] ^ UInt64(part.count))
            }
        }
        return lanes.flatMap { lane in (0..<8).map { UInt8(truncatingIfNeeded: lane >> UInt64(8 * $0)) } }
    }

    private static func mix(_ value: UInt64) -> UInt64 {
        var generator = SplitMix64(seed: value)
        return generator.next()
    }
}
