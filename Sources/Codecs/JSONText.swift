/// Writing strings into JSON texts.
///
/// Everything that RFC 8259, section 7, allows to stand for itself does; the rest is escaped. Bytes that are not
/// well-formed UTF-8 become U+FFFD, so that any bytes give a valid text.
public enum JSONText {
    private static let replacement: [UInt8] = [0xEF, 0xBF, 0xBD]
    private static let digits = Array("0123456789abcdef".utf8)

    /// Appends `contents` as a JSON string, quotes included.
    public static func append(string contents: Span<UInt8>, to output: inout [UInt8]) {
        output.append(ASCII.quote)
        var offset = 0
        while offset < contents.count {
            let plainEnd = JSONScanner.plainEnd(in: contents, from: offset)
            output.append(bytes: contents.extracting(offset..<plainEnd))
            offset = plainEnd
            if offset < contents.count { offset += appendSpecial(at: offset, in: contents, to: &output) }
        }
        output.append(ASCII.quote)
    }

    /// The number of bytes that `append(string:to:)` would append.
    public static func size(ofString contents: Span<UInt8>) -> Int {
        var size = 2
        var offset = 0
        while true {
            let plainEnd = JSONScanner.plainEnd(in: contents, from: offset)
            size += plainEnd - offset
            offset = plainEnd
            guard offset < contents.count else { return size }
            let byte = contents[offset]
            if byte >= 0x80 {
                let length = UTF8Sequence.length(in: contents, at: offset)
                size += length > 0 ? length : replacement.count
                offset += max(length, 1)
            } else {
                size += asciiSize(byte)
                offset += 1
            }
        }
    }

    /// Appends what stands at `offset`, which is not plain ASCII; returns how many bytes of `contents` that was.
    private static func appendSpecial(at offset: Int, in contents: Span<UInt8>, to output: inout [UInt8]) -> Int {
        let byte = contents[offset]
        guard byte >= 0x80 else {
            appendEscape(byte, to: &output)
            return 1
        }
        let length = UTF8Sequence.length(in: contents, at: offset)
        if length > 0 {
            output.append(bytes: contents.extracting(offset..<offset + length))
        } else {
            output.append(contentsOf: replacement)
        }
        return max(length, 1)
    }

    private static func appendEscape(_ byte: UInt8, to output: inout [UInt8]) {
        output.append(ASCII.backslash)
        if let letter = shortEscape(byte) {
            output.append(letter)
        } else {
            output.append(UInt8(ascii: "u"))
            output.append(ASCII.zero)
            output.append(ASCII.zero)
            output.append(digits[Int(byte >> 4)])
            output.append(digits[Int(byte & 15)])
        }
    }

    /// How many bytes an ASCII byte takes inside a string that does not stand for itself there.
    private static func asciiSize(_ byte: UInt8) -> Int { shortEscape(byte) == nil ? 6 : 2 }

    private static func shortEscape(_ byte: UInt8) -> UInt8? {
        switch byte {
        case ASCII.quote, ASCII.backslash: byte
        case 0x08: UInt8(ascii: "b")
        case 0x09: UInt8(ascii: "t")
        case 0x0A: UInt8(ascii: "n")
        case 0x0C: UInt8(ascii: "f")
        case 0x0D: UInt8(ascii: "r")
        default: nil
        }
    }
}
