/// The few primitives of OpenSSL that the daemon needs: digests, key derivation, comparison. Here because this module
/// wraps the C shim; none of it touches a reactor.
internal import CEpollShim

/// A primitive that OpenSSL refused, with its own text.
public struct CryptoError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What OpenSSL gave as its reason, for instance `error:030000AC:digital envelope routines::memory limit exceeded`.
    public let reason: String
    /// The reason.
    public var description: String { reason }
}

/// Digests, key derivation and comparison.
public enum Crypto {
    /// SHA-256 (FIPS 180-4): 32 bytes.
    public static func sha256(_ message: [UInt8]) throws(CryptoError) -> [UInt8] {
        unsafe try digest(count: 32) { digest, text, size in
            // All arrays live through the call; the digest has 32 bytes.
            unsafe ces_sha256(message, message.count, digest, text, size)
        }
    }

    /// HMAC with SHA-256 (RFC 2104): 32 bytes.
    public static func hmacSHA256(key: [UInt8], message: [UInt8]) throws(CryptoError) -> [UInt8] {
        unsafe try digest(count: 32) { digest, text, size in
            // All arrays live through the call; the digest has 32 bytes.
            unsafe ces_hmac_sha256(key, key.count, message, message.count, digest, text, size)
        }
    }

    /// Derives a key from a secret (RFC 7914). Slow by intent: 54 ms and 16 MiB for n = 16384, r = 8. Never on the
    /// reactor's thread.
    ///
    /// - Parameters:
    ///   - n: The cost, a power of two above 1. Memory is about 128 * n * r bytes.
    ///   - r: The block size, usually 8.
    ///   - p: The parallelism, usually 1.
    ///   - length: Bytes wanted.
    /// - Throws: if a parameter is out of its range.
    public static func scrypt(
        secret: [UInt8], salt: [UInt8], n: UInt64, r: UInt64, p: UInt64, length: Int
    ) throws(CryptoError) -> [UInt8] {
        precondition(length > 0)
        // OpenSSL's own limit of 32 MiB is below what costs of today need; the caller decides by its parameters.
        let memoryMax: UInt64 = 1 << 30
        return unsafe try digest(count: length) { digest, text, size in
            // All arrays live through the call; the key has `length` bytes.
            unsafe ces_scrypt(secret, secret.count, salt, salt.count, n, r, p, memoryMax, digest, length, text, size)
        }
    }

    /// Whether two byte strings are equal, in a time that depends on their lengths only.
    public static func constantTimeEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        // Both arrays live through the call and have that many bytes.
        left.count == right.count && (unsafe ces_constant_time_equal(left, right, left.count)) == 1
    }

    /// Overwrites a secret before its memory is given back.
    public static func wipe(_ secret: inout [UInt8]) {
        let count = secret.count
        guard count > 0 else { return }
        // `count` bytes of an array of that size.
        unsafe ces_wipe(&secret, count)
    }

    private static func digest(
        count: Int, _ call: (UnsafeMutablePointer<UInt8>, UnsafeMutablePointer<CChar>, Int) -> Int32
    ) throws(CryptoError) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: count)
        var text = [CChar](repeating: 0, count: 256)
        let textSize = text.count
        // Both arrays have the sizes that are told and live through the call.
        let result = unsafe call(&digest, &text, textSize)
        guard result == 0 else {
            throw CryptoError(
                reason: String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
        }
        return digest
    }
}
