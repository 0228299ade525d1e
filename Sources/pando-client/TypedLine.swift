import Codecs

/// What a line of standard input becomes.
enum TypedLine: Equatable {
    /// Nothing was typed.
    case blank
    /// An activity: a JSON object.
    case activity([UInt8])
    /// Text in braces that is no JSON object, sent as text all the same; and why it is none.
    case text([UInt8], notJSON: String)
    case notUTF8

    /// How deeply an activity may nest: one less than a message may, since the message around it counts too.
    static let depthLimit = JSONScanner.defaultDepthLimit - 1

    init(_ line: [UInt8]) {
        let firstMark = line.first { !Self.isWhiteSpace($0) }
        guard let firstMark else {
            self = .blank
            return
        }
        guard firstMark == UInt8(ascii: "{") else {
            self = Self.text(line).map(TypedLine.activity) ?? .notUTF8
            return
        }
        do {
            _ = try JSONScanner.validate(line.span, depthLimit: Self.depthLimit)
            self = .activity(Self.trimmed(line))
        } catch {
            self = Self.text(line).map { .text($0, notJSON: error.description) } ?? .notUTF8
        }
    }

    /// `{"text": …}` as an activity; nil if the line is not UTF-8.
    private static func text(_ line: [UInt8]) -> [UInt8]? {
        guard String(validating: line, as: UTF8.self) != nil else { return nil }
        var activity = Array(#"{"text":"#.utf8)
        JSONText.append(string: line.span, to: &activity)
        activity.append(UInt8(ascii: "}"))
        return activity
    }

    private static func trimmed(_ line: [UInt8]) -> [UInt8] {
        let end = line.lastIndex { !isWhiteSpace($0) } ?? line.startIndex
        return Array(line[...end].drop(while: isWhiteSpace))
    }

    private static func isWhiteSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
}
