// The three places where this module steps below bounds-checked access, each behind a function that checks.

extension Span where Element == UInt8 {
    /// The eight bytes from `offset` on, the first one in the lowest eight bits.
    ///
    /// - Precondition: eight bytes stand there; checked in release builds too.
    @inline(__always)
    func word(at offset: Int) -> UInt64 {
        precondition(offset >= 0 && offset <= count - 8)
        // The precondition keeps the load inside the span, an unaligned load needs no alignment, and every bit
        // pattern is a UInt64.
        let word = unsafe withUnsafeBytes { unsafe $0.loadUnaligned(fromByteOffset: offset, as: UInt64.self) }
        return UInt64(littleEndian: word)
    }
}

extension [UInt8] {
    /// Appends the integer's bytes, the lowest eight bits first.
    @inlinable
    public mutating func appendInteger<T: FixedWidthInteger & UnsignedInteger>(_ value: T) {
        // The bytes are those of a value that lives as long as the closure, and append copies them.
        unsafe Swift.withUnsafeBytes(of: value.littleEndian) { unsafe append(contentsOf: $0) }
    }

    /// Appends a copy of `bytes`, as one block copy.
    @inlinable
    @inline(__always)
    public mutating func append(bytes: Span<UInt8>) {
        // The pointer lives as long as the closure, and append copies out of it without keeping it.
        unsafe bytes.withUnsafeBufferPointer { unsafe append(contentsOf: $0) }
    }
}

/// Eight bytes at a time ("SIMD within a register"). Each test answers with the top bit of every byte that
/// matches; a false match can only stand above a true one, so the lowest set bit is always right.
enum Word {
    static let ones: UInt64 = 0x0101_0101_0101_0101
    static let tops: UInt64 = 0x8080_8080_8080_8080

    /// The same byte eight times.
    @inline(__always)
    static func repeating(_ byte: UInt8) -> UInt64 { ones &* UInt64(byte) }

    /// Marks the bytes of `word` that are zero.
    @inline(__always)
    static func zeros(_ word: UInt64) -> UInt64 { (word &- ones) & ~word & tops }

    /// Marks the bytes of `word` that are smaller than `limit`, which is at most 128.
    @inline(__always)
    static func below(_ limit: UInt8, _ word: UInt64) -> UInt64 { (word &- repeating(limit)) & ~word & tops }

    /// The index, 0 to 7, of the lowest marked byte.
    @inline(__always)
    static func firstIndex(_ marks: UInt64) -> Int { marks.trailingZeroBitCount >> 3 }
}

/// The bytes with a meaning of their own in JSON and in lines.
enum ASCII {
    static let lineFeed = UInt8(ascii: "\n")
    static let carriageReturn = UInt8(ascii: "\r")
    static let quote = UInt8(ascii: "\"")
    static let backslash = UInt8(ascii: "\\")
    static let comma = UInt8(ascii: ",")
    static let colon = UInt8(ascii: ":")
    static let openBrace = UInt8(ascii: "{")
    static let closeBrace = UInt8(ascii: "}")
    static let openBracket = UInt8(ascii: "[")
    static let closeBracket = UInt8(ascii: "]")
    static let minus = UInt8(ascii: "-")
    static let zero = UInt8(ascii: "0")
    static let nine = UInt8(ascii: "9")
}
