/// Well-formed UTF-8, as the Unicode Standard's table 3-7 has it (and RFC 3629, section 4): no overlong form, no
/// surrogate, nothing above U+10FFFF.
enum UTF8Sequence {
    /// The length, 1 to 4, of the well-formed sequence at `offset`; 0 if what stands there is none or is cut short.
    static func length(in bytes: Span<UInt8>, at offset: Int) -> Int {
        let lead = bytes[offset]
        if lead < 0x80 { return 1 }
        let (length, second) = shape(lead)
        guard length > 0, bytes.count - offset >= length, second.contains(bytes[offset + 1]) else { return 0 }
        if length > 2, bytes[offset + 2] & 0xC0 != 0x80 { return 0 }
        if length > 3, bytes[offset + 3] & 0xC0 != 0x80 { return 0 }
        return length
    }

    /// The sequence length that a lead byte announces (0: it is none) and the second bytes that may follow it.
    private static func shape(_ lead: UInt8) -> (length: Int, second: ClosedRange<UInt8>) {
        switch lead {
        case 0xC2...0xDF: (2, 0x80...0xBF)
        case 0xE0: (3, 0xA0...0xBF)
        case 0xED: (3, 0x80...0x9F)
        case 0xE1...0xEF: (3, 0x80...0xBF)
        case 0xF0: (4, 0x90...0xBF)
        case 0xF1...0xF3: (4, 0x80...0xBF)
        case 0xF4: (4, 0x80...0x8F)
        default: (0, 0x80...0xBF)
        }
    }

    /// The greatest offset that is at most `limit` and does not lie inside a sequence. For well-formed `bytes`.
    static func boundary(in bytes: Span<UInt8>, notAfter limit: Int) -> Int {
        guard limit < bytes.count else { return bytes.count }
        var offset = max(limit, 0)
        while offset > 0, bytes[offset] & 0xC0 == 0x80 { offset -= 1 }
        return offset
    }

    /// Appends the UTF-8 form of a scalar value. A surrogate or a value above U+10FFFF becomes U+FFFD.
    static func append(_ value: UInt32, to output: inout [UInt8]) {
        let scalar = Unicode.Scalar(value) ?? "\u{FFFD}"
        for unit in UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter { output.append(unit) }
    }
}
