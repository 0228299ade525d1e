/// The `info` of a reply: free text for a person. No client reads it, users do.
public struct InfoText: Hashable, Sendable, ExpressibleByStringLiteral, CustomStringConvertible {
    /// How many bytes of foreign text one reply repeats. Enough to recognise a name, not enough to be a burden. A
    /// guess.
    public static let echoLimit = 64

    /// The text as UTF-8.
    public private(set) var bytes: [UInt8]

    public init(_ text: String) { bytes = Array(text.utf8) }
    public init(stringLiteral text: String) { self.init(text) }
    public init(bytes: [UInt8]) { self.bytes = bytes }

    public var description: String { String(decoding: bytes, as: UTF8.self) }

    public mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

    /// Appends what somebody else wrote: at most `echoLimit` bytes, cut between two characters and then marked
    /// with three dots.
    public mutating func append(foreign text: Span<UInt8>) {
        let end = UTF8Sequence.boundary(in: text, notAfter: Self.echoLimit)
        bytes.append(bytes: text.extracting(0..<end))
        if end < text.count { append("...") }
    }

    /// A text, then foreign text (cut as `append(foreign:)` does), then more text.
    public init(_ before: String, foreign text: Span<UInt8>, _ after: String = "") {
        self.init(before)
        append(foreign: text)
        append(after)
    }
}
