// A strict JSON reader for expectations. Unlike Foundation's it keeps what the protocol promises to keep: numbers as
// they were written, and members that occur twice.

import Foundation

enum JSON: Sendable {
    case null
    case bool(Bool)
    /// The literal, as written.
    case number(String)
    case string(String)
    case array([JSON])
    /// In the order written, duplicates included.
    case object([Member])

    struct Member: Sendable {
        let name: String
        let value: JSON
    }

    init(_ text: some StringProtocol) throws { try self.init(bytes: Array(text.utf8)) }

    init(bytes: [UInt8]) throws {
        var parser = JSONParser(bytes: bytes)
        self = try parser.parseDocument()
    }

    /// The last member of this name, as most readers take it.
    subscript(name: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        return members.last { $0.name == name }?.value
    }

    var string: String? { if case .string(let value) = self { value } else { nil } }
    var integer: Int? { if case .number(let literal) = self { Int(literal) } else { nil } }
    var isObject: Bool { if case .object = self { true } else { false } }
    var members: [Member] { if case .object(let members) = self { members } else { [] } }

    /// The same object with the member `name` set, and set once.
    func setting(_ name: String, to value: JSON) -> JSON {
        guard case .object(let members) = self else { return self }
        return .object(members.filter { $0.name != name } + [Member(name: name, value: value)])
    }

    /// Whether an integer beyond 64 bits occurs anywhere inside.
    var hasHugeInteger: Bool {
        switch self {
        case .number(let literal): !literal.contains { ".eE".contains($0) } && Int64(literal) == nil
        case .array(let values): values.contains { $0.hasHugeInteger }
        case .object(let members): members.contains { $0.value.hasHugeInteger }
        default: false
        }
    }
}

extension JSON: Equatable {
    /// Members may stand in any order; numbers must be spelled alike.
    static func == (left: JSON, right: JSON) -> Bool {
        switch (left, right) {
        case (.null, .null): true
        case (.bool(let a), .bool(let b)): a == b
        case (.number(let a), .number(let b)): a == b
        case (.string(let a), .string(let b)): Array(a.utf8) == Array(b.utf8)
        case (.array(let a), .array(let b)): a == b
        case (.object(let a), .object(let b)): haveSameMembers(a, b)
        default: false
        }
    }

    private static func haveSameMembers(_ left: [Member], _ right: [Member]) -> Bool {
        guard left.count == right.count else { return false }
        func sorted(_ members: [Member]) -> [Member] {
            members.enumerated().sorted { ($0.element.name, $0.offset) < ($1.element.name, $1.offset) }.map(\.element)
        }
        return zip(sorted(left), sorted(right)).allSatisfy { $0.name == $1.name && $0.value == $1.value }
    }
}

extension JSON: CustomStringConvertible {
    var description: String {
        switch self {
        case .null: "null"
        case .bool(let value): value ? "true" : "false"
        case .number(let literal): literal
        case .string(let value): Self.quoted(value)
        case .array(let values): "[" + values.map(\.description).joined(separator: ",") + "]"
        case .object(let members):
            "{" + members.map { Self.quoted($0.name) + ":" + $0.value.description }.joined(separator: ",") + "}"
        }
    }

    /// The text as a JSON string.
    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": result += "\\\(scalar)"
            case "\u{0}"..<" ": result += String(format: "\\u%04x", scalar.value)
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}

private struct JSONParser {
    let bytes: [UInt8]
    var position = 0

    mutating func parseDocument() throws -> JSON {
        let value = try parseValue(depth: 0)
        skipSpace()
        guard position == bytes.count else { throw fault("text after the value") }
        return value
    }

    private func fault(_ what: String) -> HarnessError {
        HarnessError("not JSON at byte \(position): \(what): \(String(decoding: bytes.prefix(200), as: UTF8.self))")
    }

    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skipSpace() {
        while let byte = next, [0x20, 0x09, 0x0a, 0x0d].contains(byte) { position += 1 }
    }

    private mutating func take(_ character: Character) -> Bool {
        guard next == character.asciiValue else { return false }
        position += 1
        return true
    }

    private mutating func expect(_ character: Character) throws {
        skipSpace()
        guard take(character) else { throw fault("'\(character)' expected") }
    }

    private mutating func parseValue(depth: Int) throws -> JSON {
        guard depth < 200 else { throw fault("nested too deep") }
        skipSpace()
        switch next {
        case UInt8(ascii: "{"): return try parseObject(depth: depth)
        case UInt8(ascii: "["): return try parseArray(depth: depth)
        case UInt8(ascii: "\""): return .string(try parseString())
        case UInt8(ascii: "t"): return try parseWord("true", .bool(true))
        case UInt8(ascii: "f"): return try parseWord("false", .bool(false))
        case UInt8(ascii: "n"): return try parseWord("null", .null)
        default: return try parseNumber()
        }
    }

    private mutating func parseWord(_ word: String, _ value: JSON) throws -> JSON {
        guard bytes[position...].starts(with: word.utf8) else { throw fault("'\(word)' expected") }
        position += word.utf8.count
        return value
    }

    private mutating func parseNumber() throws -> JSON {
        let start = position
        while let byte = next, "+-.0123456789eE".utf8.contains(byte) { position += 1 }
        let literal = String(decoding: bytes[start..<position], as: UTF8.self)
        guard literal.wholeMatch(of: /-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/) != nil else {
            throw fault("no value")
        }
        return .number(literal)
    }

    private mutating func parseObject(depth: Int) throws -> JSON {
        try expect("{")
        var members: [JSON.Member] = []
        skipSpace()
        if take("}") { return .object([]) }
        repeat {
            skipSpace()
            let name = try parseString()
            try expect(":")
            members.append(.init(name: name, value: try parseValue(depth: depth + 1)))
            skipSpace()
        } while take(",")
        try expect("}")
        return .object(members)
    }

    private mutating func parseArray(depth: Int) throws -> JSON {
        try expect("[")
        var values: [JSON] = []
        skipSpace()
        if take("]") { return .array([]) }
        repeat {
            values.append(try parseValue(depth: depth + 1))
            skipSpace()
        } while take(",")
        try expect("]")
        return .array(values)
    }

    private mutating func parseString() throws -> String {
        guard take("\"") else { throw fault("string expected") }
        var result: [UInt8] = []
        while let byte = next {
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: result, as: UTF8.self) else { throw fault("not UTF-8") }
                return text
            case UInt8(ascii: "\\"): result += Array(String(try parseEscape()).utf8)
            case 0..<0x20: throw fault("control character in a string")
            default: result.append(byte)
            }
        }
        throw fault("string without end")
    }

    private mutating func parseEscape() throws -> Unicode.Scalar {
        guard let byte = next else { throw fault("escape without end") }
        position += 1
        let simple: [UInt8: Unicode.Scalar] = [
            0x22: "\"", 0x5c: "\\", 0x2f: "/", 0x62: "\u{8}", 0x66: "\u{c}", 0x6e: "\n", 0x72: "\r", 0x74: "\t",
        ]
        if let scalar = simple[byte] { return scalar }
        guard byte == UInt8(ascii: "u") else { throw fault("unknown escape") }
        var code = try parseHexadecimal()
        if (0xd800..<0xdc00).contains(code) {
            guard take("\\"), take("u") else { throw fault("lone surrogate") }
            let low = try parseHexadecimal()
            guard (0xdc00..<0xe000).contains(low) else { throw fault("lone surrogate") }
            code = 0x10000 + (code - 0xd800) << 10 + (low - 0xdc00)
        }
        guard let scalar = Unicode.Scalar(code) else { throw fault("lone surrogate") }
        return scalar
    }

    private mutating func parseHexadecimal() throws -> UInt32 {
        guard position + 4 <= bytes.count,
            let code = UInt32(String(decoding: bytes[position..<position + 4], as: UTF8.self), radix: 16)
        else { throw fault("four hexadecimal digits expected") }
        position += 4
        return code
    }
}
