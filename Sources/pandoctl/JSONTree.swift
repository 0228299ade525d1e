/// What a server answers, as a tree that can be asked for its parts. The text is checked by the scanner of the servers
/// themselves; what is missing or of another kind reads as nothing, since newer servers may say more and older ones
/// less.
import Codecs

enum JSONTree: Hashable, Sendable {
    case null
    case boolean(Bool)
    /// As it was written.
    case number(String)
    case string(String)
    case array([JSONTree])
    /// In the order written.
    case object([Member])

    struct Member: Hashable, Sendable {
        var name: String
        var value: JSONTree
    }

    init(_ text: [UInt8]) throws(JSONFault) {
        let bytes = text.span
        self = Self.tree(try JSONScanner.validate(bytes), in: bytes)
    }

    // MARK: Asking

    subscript(name: String) -> JSONTree? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }

    var string: String? { if case .string(let text) = self { text } else { nil } }
    var integer: Int? { if case .number(let text) = self { Int(text) } else { nil } }
    var boolean: Bool? { if case .boolean(let value) = self { value } else { nil } }
    var elements: [JSONTree] { if case .array(let values) = self { values } else { [] } }
    var members: [Member] { if case .object(let members) = self { members } else { [] } }

    // MARK: Reading

    /// The text was checked before, so that every part of it is a value.
    private static func tree(_ value: JSONValue, in bytes: Span<UInt8>) -> JSONTree {
        switch value {
        case .null: .null
        case .boolean(let value): .boolean(value)
        case .number(let range): .number(text(bytes.extracting(range)))
        case .string(let string): .string(String(decoding: string.decoded(in: bytes), as: UTF8.self))
        case .array(let range): .array(elements(of: bytes.extracting(range)))
        case .object(let range): .object(members(of: bytes.extracting(range)))
        }
    }

    private static func text(_ bytes: Span<UInt8>) -> String {
        String(decoding: bytes.indices.map { bytes[$0] }, as: UTF8.self)
    }

    private static func elements(of bytes: Span<UInt8>) -> [JSONTree] {
        var elements: [JSONTree] = []
        // Without the brackets. What is left is a value and a comma, again and again.
        var rest = bytes.extracting(1..<bytes.count - 1)
        while true {
            var scanner = JSONScanner()
            guard let value = try? scanner.scanValue(in: rest) else { return elements }
            elements.append(tree(value, in: rest))
            let next = rest.indices.dropFirst(scanner.position).first { rest[$0] == UInt8(ascii: ",") }
            guard let next else { return elements }
            rest = rest.extracting(next + 1..<rest.count)
        }
    }

    private static func members(of bytes: Span<UInt8>) -> [Member] {
        var members: [Member] = []
        var scanner = JSONScanner()
        guard (try? scanner.enterObject(in: bytes)) == true else { return [] }
        while let key = try? scanner.nextKey(in: bytes), let value = try? scanner.scanValue(in: bytes) {
            let name = String(decoding: key.decoded(in: bytes), as: UTF8.self)
            members.append(Member(name: name, value: tree(value, in: bytes)))
        }
        return members
    }

    // MARK: Writing

    /// The text, without white space.
    var text: String {
        var bytes: [UInt8] = []
        append(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    private func append(to bytes: inout [UInt8]) {
        switch self {
        case .null: bytes += Array("null".utf8)
        case .boolean(let value): bytes += Array("\(value)".utf8)
        case .number(let text): bytes += Array(text.utf8)
        case .string(let text): JSONText.append(string: Array(text.utf8).span, to: &bytes)
        case .array(let values):
            bytes.append(UInt8(ascii: "["))
            for (index, value) in values.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                value.append(to: &bytes)
            }
            bytes.append(UInt8(ascii: "]"))
        case .object(let members):
            bytes.append(UInt8(ascii: "{"))
            for (index, member) in members.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                JSONText.append(string: Array(member.name.utf8).span, to: &bytes)
                bytes.append(UInt8(ascii: ":"))
                member.value.append(to: &bytes)
            }
            bytes.append(UInt8(ascii: "}"))
        }
    }
}

extension JSONTree: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    init(stringLiteral value: String) { self = .string(value) }
    init(integerLiteral value: Int) { self = .number("\(value)") }
    init(booleanLiteral value: Bool) { self = .boolean(value) }
    init(arrayLiteral elements: JSONTree...) { self = .array(elements) }
    init(dictionaryLiteral elements: (String, JSONTree)...) {
        self = .object(elements.map { Member(name: $0.0, value: $0.1) })
    }

    static func integer(_ value: Int) -> JSONTree { .number("\(value)") }
}
