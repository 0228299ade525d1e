/// A string inside a scanned JSON text: where its contents stand, not what they are.
///
/// The range is one into the bytes that were scanned, so each function takes those bytes again. Given other bytes,
/// the answers mean nothing, and a range outside them stops the program.
public struct JSONString: Hashable, Sendable {
    /// The contents, between the quotes and as written.
    public let range: Range<Int>
    /// Whether a backslash occurs. If none does, the contents as written are the string.
    public let isEscaped: Bool

    /// The string as UTF-8, escapes resolved.
    public func decoded(in bytes: Span<UInt8>) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(range.count)
        append(to: &output, from: bytes)
        return output
    }

    /// Appends the string as UTF-8, escapes resolved.
    public func append(to output: inout [UInt8], from bytes: Span<UInt8>) {
        guard isEscaped else { return output.append(bytes: bytes.extracting(range)) }
        var position = range.lowerBound
        while position < range.upperBound {
            let byte = bytes[position]
            if byte == ASCII.backslash {
                UTF8Sequence.append(Self.escape(in: bytes, at: &position), to: &output)
            } else {
                output.append(byte)
                position += 1
            }
        }
    }

    /// Whether the string, escapes resolved, is `other`. Allocates nothing.
    ///
    /// The time taken tells how far the two agree: not for secrets.
    @inline(__always)
    public func equals(_ other: Span<UInt8>, in bytes: Span<UInt8>) -> Bool {
        // Every escape is at least as long as what it stands for.
        guard range.count >= other.count else { return false }
        return isEscaped ? equalsDecoded(other, in: bytes) : equalsAsWritten(other, in: bytes)
    }

    /// Whether the string, escapes resolved, is a literal of ours, which is ASCII.
    @inline(__always)
    func equals(_ other: StaticString, in bytes: Span<UInt8>) -> Bool {
        guard range.count >= other.utf8CodeUnitCount else { return false }
        // The literal lives for ever.
        return other.withUTF8Buffer { unsafe equals(Span(_unsafeElements: $0), in: bytes) }
    }

    private func equalsAsWritten(_ other: Span<UInt8>, in bytes: Span<UInt8>) -> Bool {
        guard range.count == other.count else { return false }
        var offset = 0
        while other.count - offset >= 8 {
            guard bytes.word(at: range.lowerBound + offset) == other.word(at: offset) else { return false }
            offset += 8
        }
        while offset < other.count {
            guard bytes[range.lowerBound + offset] == other[offset] else { return false }
            offset += 1
        }
        return true
    }

    private func equalsDecoded(_ other: Span<UInt8>, in bytes: Span<UInt8>) -> Bool {
        var position = range.lowerBound
        var matched = 0
        while position < range.upperBound {
            if bytes[position] == ASCII.backslash {
                let scalar = Unicode.Scalar(Self.escape(in: bytes, at: &position)) ?? "\u{FFFD}"
                for unit in UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter {
                    guard matched < other.count, other[matched] == unit else { return false }
                    matched += 1
                }
            } else {
                guard matched < other.count, other[matched] == bytes[position] else { return false }
                matched += 1
                position += 1
            }
        }
        return matched == other.count
    }

    /// The scalar value of the escape at `position`, which moves behind it. A scanned string holds valid escapes only.
    private static func escape(in bytes: Span<UInt8>, at position: inout Int) -> UInt32 {
        let letter = bytes[position + 1]
        guard letter == UInt8(ascii: "u") else {
            position += 2
            return plainEscape(letter)
        }
        let unit = hexadecimal(in: bytes, at: position + 2)
        position += 6
        guard unit & 0xFC00 == 0xD800 else { return unit }
        // A high half is always followed by the escape of a low half, or the scanner would have refused it.
        let low = hexadecimal(in: bytes, at: position + 2)
        position += 6
        return 0x10000 + ((unit & 0x3FF) << 10 | (low & 0x3FF))
    }

    private static func plainEscape(_ letter: UInt8) -> UInt32 {
        switch letter {
        case UInt8(ascii: "b"): 0x08
        case UInt8(ascii: "f"): 0x0C
        case UInt8(ascii: "n"): 0x0A
        case UInt8(ascii: "r"): 0x0D
        case UInt8(ascii: "t"): 0x09
        default: UInt32(letter)
        }
    }

    private static func hexadecimal(in bytes: Span<UInt8>, at offset: Int) -> UInt32 {
        var value: UInt32 = 0
        for index in offset..<offset + 4 { value = value << 4 | UInt32(digitValue(bytes[index]) ?? 0) }
        return value
    }

    /// The value of a hexadecimal digit of either case; nil for any other byte.
    static func digitValue(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
