/// A second opinion on what is JSON: RFC 8259 written down as plainly as it can be, by recursion and byte by byte.
struct PlainJSON {
    private let bytes: [UInt8]
    private var offset = 0

    static func isValid(_ bytes: [UInt8], depthLimit: Int = 64) -> Bool {
        var reader = PlainJSON(bytes: bytes)
        return reader.value(depthLeft: depthLimit) && reader.offset == bytes.count
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    private var next: UInt8? { offset < bytes.count ? bytes[offset] : nil }

    private mutating func take(_ text: StaticString) -> Bool {
        let isThere = text.withUTF8Buffer { bytes[offset...].starts(with: $0) }
        if isThere { offset += text.utf8CodeUnitCount }
        return isThere
    }

    private mutating func skipSpace() {
        while let next, [0x20, 0x09, 0x0A, 0x0D].contains(next) { offset += 1 }
    }

    /// A value with the white space around it.
    private mutating func value(depthLeft: Int) -> Bool {
        skipSpace()
        defer { skipSpace() }
        switch next {
        case UInt8(ascii: "{"): return depthLeft > 0 && container("}", depthLeft: depthLeft - 1, hasKeys: true)
        case UInt8(ascii: "["): return depthLeft > 0 && container("]", depthLeft: depthLeft - 1, hasKeys: false)
        case UInt8(ascii: "\""): return string()
        case UInt8(ascii: "t"): return take("true")
        case UInt8(ascii: "f"): return take("false")
        case UInt8(ascii: "n"): return take("null")
        default: return number()
        }
    }

    private mutating func container(_ end: StaticString, depthLeft: Int, hasKeys: Bool) -> Bool {
        offset += 1
        skipSpace()
        if take(end) { return true }
        while true {
            if hasKeys {
                skipSpace()
                guard next == UInt8(ascii: "\""), string() else { return false }
                skipSpace()
                guard take(":") else { return false }
            }
            guard value(depthLeft: depthLeft) else { return false }
            if take(end) { return true }
            guard take(",") else { return false }
        }
    }

    private mutating func digits() -> Bool {
        let start = offset
        while let next, next >= 0x30, next <= 0x39 { offset += 1 }
        return offset > start
    }

    private mutating func number() -> Bool {
        _ = take("-")
        if !take("0") { guard digits() else { return false } }
        if take(".") { guard digits() else { return false } }
        guard take("e") || take("E") else { return true }
        if !take("+") { _ = take("-") }
        return digits()
    }

    private mutating func string() -> Bool {
        offset += 1
        let start = offset
        while let byte = next {
            switch byte {
            case UInt8(ascii: "\""):
                offset += 1
                return String(validating: bytes[start..<offset], as: UTF8.self) != nil
            case UInt8(ascii: "\\"): guard escape() else { return false }
            case 0..<0x20: return false
            default: offset += 1
            }
        }
        return false
    }

    private mutating func escape() -> Bool {
        offset += 1
        guard let letter = next else { return false }
        guard letter == UInt8(ascii: "u") else {
            offset += 1
            return Array("\"\\/bfnrt".utf8).contains(letter)
        }
        guard let unit = unit() else { return false }
        if (0xDC00..<0xE000).contains(unit) { return false }
        guard (0xD800..<0xDC00).contains(unit) else { return true }
        guard take("\\"), next == UInt8(ascii: "u"), let low = self.unit() else { return false }
        return (0xDC00..<0xE000).contains(low)
    }

    private mutating func unit() -> Int? {
        guard offset + 5 <= bytes.count else { return nil }
        var value = 0
        for byte in bytes[offset + 1..<offset + 5] {
            guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else { return nil }
            value = value << 4 | digit
        }
        offset += 5
        return value
    }
}
