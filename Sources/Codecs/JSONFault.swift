/// Why some bytes are not a JSON text (RFC 8259), and where that shows.
public struct JSONFault: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Kind: Hashable, Sendable, CaseIterable {
        /// The text ends inside a value, or holds none at all.
        case unexpectedEnd
        /// A byte that the grammar does not allow there (sections 2 to 5).
        case unexpectedByte
        /// Something that begins like `true`, `false` or `null` and is not (section 3).
        case badLiteral
        /// A number against the grammar of section 6: `01`, `1.`, `.5`, `+1`, `1e`.
        case badNumber
        /// A raw byte below 0x20 inside a string (section 7).
        case controlCharacter
        /// A backslash with something after it that section 7 does not list.
        case badEscape
        /// A `\u` escape of one half of a surrogate pair (section 8.2).
        case loneSurrogate
        /// Ill-formed UTF-8 inside a string (section 8.1).
        case badUTF8
        /// A byte order mark at the beginning (section 8.1).
        case byteOrderMark
        /// Objects and arrays nested deeper than the limit (section 9).
        case tooDeep
        /// Something other than white space after the value (section 2).
        case trailingBytes
    }

    public let kind: Kind
    /// The offset of the first byte that is wrong, from 0; the number of bytes if the text ends too early.
    public let offset: Int

    public init(_ kind: Kind, at offset: Int) {
        self.kind = kind
        self.offset = offset
    }

    /// What is wrong, and where, in words for a person.
    public var description: String { "\(kind.words) at byte \(offset)" }
}

extension JSONFault.Kind {
    fileprivate var words: String {
        switch self {
        case .unexpectedEnd: "unexpected end"
        case .unexpectedByte: "unexpected character"
        case .badLiteral: "unknown word"
        case .badNumber: "malformed number"
        case .controlCharacter: "raw control character in a string"
        case .badEscape: "unknown escape in a string"
        case .loneSurrogate: "lone surrogate in a string"
        case .badUTF8: "ill-formed UTF-8"
        case .byteOrderMark: "byte order mark"
        case .tooDeep: "nested too deeply"
        case .trailingBytes: "text after the value"
        }
    }
}
