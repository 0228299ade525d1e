// What an activity carries so that receivers can check it without parsing: who sent it, its number, and when it was
// to be sent. It has the same form in every protocol, and the same length always: a mark of 8 bytes, then 8, 8 and 16
// hexadecimal digits.

/// The sender's part of an activity.
public struct Stamp: Hashable, Sendable {
    public var sender: UInt32
    /// From 1 on.
    public var number: UInt32
    /// Nanoseconds of the monotonic clock, which all processes of a host share.
    public var planned: UInt64

    public init(sender: UInt32, number: UInt32, planned: UInt64) {
        self.sender = sender
        self.number = number
        self.planned = planned
    }

    /// In JSON it is the key of the member that holds the digits.
    public static let mark = Array(#""load":""#.utf8)
    /// The mark as a word of a little-endian machine: a constant, which costs nothing to look at.
    static let markWord: UInt64 = 0x223A_2264_616F_6C22
    public static let size = 40

    /// Writes mark and digits.
    func write(to bytes: UnsafeMutableRawPointer) {
        bytes.storeBytes(of: Self.markWord.littleEndian, as: UInt64.self)
        writeDigits(to: bytes)
    }

    /// Writes the digits behind the mark.
    @inline(__always)
    func writeDigits(to bytes: UnsafeMutableRawPointer) {
        bytes.storeBytes(of: Self.digits(sender), toByteOffset: 8, as: UInt64.self)
        bytes.storeBytes(of: Self.digits(number), toByteOffset: 16, as: UInt64.self)
        bytes.storeBytes(of: Self.digits(UInt32(truncatingIfNeeded: planned >> 32)), toByteOffset: 24, as: UInt64.self)
        bytes.storeBytes(of: Self.digits(UInt32(truncatingIfNeeded: planned)), toByteOffset: 32, as: UInt64.self)
    }

    @inline(__always)
    static func hasMark(_ bytes: UnsafeRawPointer) -> Bool {
        UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self)) == markWord
    }

    /// Reads the digits behind the mark. What are no digits give any numbers; a receiver that checks them finds that.
    @inline(__always)
    init(digitsAt bytes: UnsafeRawPointer) {
        sender = Self.value(bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        number = Self.value(bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
        let high = Self.value(bytes.loadUnaligned(fromByteOffset: 24, as: UInt64.self))
        let low = Self.value(bytes.loadUnaligned(fromByteOffset: 32, as: UInt64.self))
        planned = UInt64(high) << 32 | UInt64(low)
    }

    /// Eight digits as they lie in memory, all at once: the nibbles are spread over the bytes, then become ASCII.
    @inline(__always)
    static func digits(_ value: UInt32) -> UInt64 {
        var word = UInt64(value & 0xFFFF) << 32 | UInt64(value >> 16)
        word = (word & 0x0000_00FF_0000_00FF) << 16 | word >> 8 & 0x0000_00FF_0000_00FF
        word = (word & 0x000F_000F_000F_000F) << 8 | word >> 4 & 0x000F_000F_000F_000F
        let letters = (word &+ 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
        return (word &+ 0x3030_3030_3030_3030 &+ letters &* 39).littleEndian
    }

    /// The reverse.
    @inline(__always)
    static func value(_ digits: UInt64) -> UInt32 {
        let word = UInt64(littleEndian: digits)
        var nibbles = (word & 0x0F0F_0F0F_0F0F_0F0F) &+ 9 &* (word >> 6 & 0x0101_0101_0101_0101)
        nibbles = (nibbles << 4 | nibbles >> 8) & 0x00FF_00FF_00FF_00FF
        nibbles = (nibbles << 8 | nibbles >> 16) & 0x0000_FFFF_0000_FFFF
        return UInt32(truncatingIfNeeded: nibbles << 16 | nibbles >> 32)
    }
}
