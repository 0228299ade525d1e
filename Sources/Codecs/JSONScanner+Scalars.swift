// Strings, numbers and the three words: the parts of a JSON text that hold no others.

extension JSONScanner {
    /// Scans a value that is neither object nor array.
    mutating func scanScalar(in bytes: Span<UInt8>) throws(JSONFault) -> JSONValue {
        switch try currentByte(in: bytes) {
        case ASCII.quote:
            return .string(try scanString(in: bytes))
        case ASCII.minus, ASCII.zero...ASCII.nine:
            return .number(try scanNumber(in: bytes))
        case UInt8(ascii: "t"):
            try skipWord("true", in: bytes)
            return .boolean(true)
        case UInt8(ascii: "f"):
            try skipWord("false", in: bytes)
            return .boolean(false)
        case UInt8(ascii: "n"):
            try skipWord("null", in: bytes)
            return .null
        default:
            throw JSONFault(.unexpectedByte, at: position)
        }
    }

    private mutating func skipWord(_ word: String, in bytes: Span<UInt8>) throws(JSONFault) {
        let start = position
        for byte in word.utf8 {
            guard position < bytes.count else { throw JSONFault(.unexpectedEnd, at: position) }
            guard bytes[position] == byte else { throw JSONFault(.badLiteral, at: start) }
            position += 1
        }
    }

    // MARK: Strings (RFC 8259, section 7)

    /// Scans the string whose opening quote stands here.
    mutating func scanString(in bytes: Span<UInt8>) throws(JSONFault) -> JSONString {
        position += 1
        let start = position
        var isEscaped = false
        while true {
            skipPlain(in: bytes)
            let byte = try currentByte(in: bytes)
            switch byte {
            case ASCII.quote:
                position += 1
                return JSONString(range: start..<position - 1, isEscaped: isEscaped)
            case ASCII.backslash:
                isEscaped = true
                try skipEscape(in: bytes)
            case 0x80...:
                try skipNonASCII(in: bytes)
            default:
                throw JSONFault(.controlCharacter, at: position)
            }
        }
    }

    @inline(__always)
    private mutating func skipPlain(in bytes: Span<UInt8>) {
        position = Self.plainEnd(in: bytes, from: position)
    }

    /// Where the ASCII that stands for itself ends, eight bytes at a time as long as there are eight.
    @inline(__always)
    static func plainEnd(in bytes: Span<UInt8>, from start: Int) -> Int {
        var offset = start
        while bytes.count - offset >= 8 {
            let word = bytes.word(at: offset)
            // `Word.below` and `Word.zeros` without what they do about bytes beyond ASCII: these are marked anyhow.
            let quotes = (word ^ Word.repeating(ASCII.quote)) &- Word.ones
            let backslashes = (word ^ Word.repeating(ASCII.backslash)) &- Word.ones
            let marks = (word | (word &- Word.repeating(0x20)) | quotes | backslashes) & Word.tops
            guard marks == 0 else { return offset + Word.firstIndex(marks) }
            offset += 8
        }
        while offset < bytes.count, isPlain(bytes[offset]) { offset += 1 }
        return offset
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        byte >= 0x20 && byte < 0x80 && byte != ASCII.quote && byte != ASCII.backslash
    }

    private mutating func skipNonASCII(in bytes: Span<UInt8>) throws(JSONFault) {
        while position < bytes.count, bytes[position] >= 0x80 {
            let length = UTF8Sequence.length(in: bytes, at: position)
            guard length > 0 else { throw JSONFault(.badUTF8, at: position) }
            position += length
        }
    }

    private mutating func skipEscape(in bytes: Span<UInt8>) throws(JSONFault) {
        let start = position
        position += 1
        switch try currentByte(in: bytes) {
        case ASCII.quote, ASCII.backslash, UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"), UInt8(ascii: "n"),
            UInt8(ascii: "r"), UInt8(ascii: "t"):
            position += 1
        case UInt8(ascii: "u"):
            try skipUnicodeEscape(in: bytes, from: start)
        default:
            throw JSONFault(.badEscape, at: start)
        }
    }

    /// Steps over `\uXXXX`, or over two of them that make up a surrogate pair. `start` is the backslash's offset.
    private mutating func skipUnicodeEscape(in bytes: Span<UInt8>, from start: Int) throws(JSONFault) {
        let unit = try scanUnit(in: bytes, from: start)
        guard unit & 0xF800 == 0xD800 else { return }
        guard unit < 0xDC00 else { throw JSONFault(.loneSurrogate, at: start) }
        let second = position
        guard try currentByte(in: bytes) == ASCII.backslash else { throw JSONFault(.loneSurrogate, at: start) }
        position += 1
        guard try currentByte(in: bytes) == UInt8(ascii: "u") else { throw JSONFault(.loneSurrogate, at: start) }
        let low = try scanUnit(in: bytes, from: second)
        guard low & 0xFC00 == 0xDC00 else { throw JSONFault(.loneSurrogate, at: start) }
    }

    /// The four hexadecimal digits behind the `u` at the position.
    private mutating func scanUnit(in bytes: Span<UInt8>, from start: Int) throws(JSONFault) -> UInt16 {
        position += 1
        var unit: UInt16 = 0
        for _ in 0..<4 {
            guard let digit = JSONString.digitValue(try currentByte(in: bytes)) else {
                throw JSONFault(.badEscape, at: start)
            }
            unit = unit << 4 | UInt16(digit)
            position += 1
        }
        return unit
    }

    // MARK: Numbers (RFC 8259, section 6)

    /// Scans the number that begins here, and notes it if it is an integer beyond 64 bits.
    private mutating func scanNumber(in bytes: Span<UInt8>) throws(JSONFault) -> Range<Int> {
        let start = position
        if bytes[position] == ASCII.minus { position += 1 }
        let digits = position
        try skipDigits(in: bytes, from: start)
        if bytes[digits] == ASCII.zero, position > digits + 1 { throw JSONFault(.badNumber, at: start) }
        let isInteger = try !skipFractionAndExponent(in: bytes, from: start)
        // Up to 18 digits always fit: no need to look.
        if isInteger, position - digits > 18, wideIntegerOffset == nil,
            !Self.fitsInt64(bytes, digits: digits..<position, isNegative: digits > start)
        {
            wideIntegerOffset = start
        }
        return start..<position
    }

    /// Steps over what may follow the integer part. True if something did.
    private mutating func skipFractionAndExponent(
        in bytes: Span<UInt8>, from start: Int
    ) throws(JSONFault) -> Bool {
        let before = position
        if position < bytes.count, bytes[position] == UInt8(ascii: ".") {
            position += 1
            try skipDigits(in: bytes, from: start)
        }
        if position < bytes.count, bytes[position] | 0x20 == UInt8(ascii: "e") {
            position += 1
            if position < bytes.count, bytes[position] == UInt8(ascii: "+") || bytes[position] == ASCII.minus {
                position += 1
            }
            try skipDigits(in: bytes, from: start)
        }
        return position > before
    }

    /// Steps over digits, of which there must be one at least.
    private mutating func skipDigits(in bytes: Span<UInt8>, from start: Int) throws(JSONFault) {
        let first = position
        while position < bytes.count, bytes[position] >= ASCII.zero, bytes[position] <= ASCII.nine { position += 1 }
        guard position == first else { return }
        throw position < bytes.count ? JSONFault(.badNumber, at: start) : JSONFault(.unexpectedEnd, at: position)
    }

    private static func fitsInt64(_ bytes: Span<UInt8>, digits: Range<Int>, isNegative: Bool) -> Bool {
        guard digits.count <= 19 else { return false }
        // Nineteen nines are less than 2^64, so this cannot overflow.
        var magnitude: UInt64 = 0
        for index in digits { magnitude = magnitude * 10 + UInt64(bytes[index] - ASCII.zero) }
        return magnitude <= (isNegative ? Int64.min.magnitude : Int64.max.magnitude)
    }
}
