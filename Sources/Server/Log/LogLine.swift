/// One event of the log as one line of text, for people and for programs. Whatever a value holds (a name that a client
/// chose, a peer's words), a line stays one line: control characters are escaped.
internal import Codecs
internal import Logging

/// How the lines of the log look.
public enum LogFormat: String, Sendable, CaseIterable {
    /// `TIME level message: key=value key="two words"`.
    case text
    /// `{"time":…,"level":…,"message":…,"key":…}`.
    case json
}

enum LogLine {
    /// Makes a line, its end included. Metadata stand in the order of their keys.
    ///
    /// - Parameter isForJournal: the journal takes the priority from the beginning of the line, and adds the time.
    static func make(
        _ format: LogFormat, isForJournal: Bool = false, milliseconds: Int64, level: Logger.Level, message: String,
        metadata: Logger.Metadata
    ) -> [UInt8] {
        let pairs = metadata.sorted { $0.key < $1.key }.map { ($0.key, "\($0.value)") }
        let time = UTCTime.text(milliseconds: milliseconds)
        let priority = isForJournal ? Array("<\(level.priority)>".utf8) : []
        return switch format {
        case .text: priority + text(isForJournal ? "" : "\(time) \(level) ", message, pairs)
        case .json: priority + json(time, level, message, pairs)
        }
    }

    private static func text(_ head: String, _ message: String, _ pairs: [(String, String)]) -> [UInt8] {
        var line = head + escaped(message)
        if !pairs.isEmpty { line += ":" }
        for (key, value) in pairs { line += " \(key)=\(quotedIfNeeded(value))" }
        return Array((line + "\n").utf8)
    }

    private static func json(
        _ time: String, _ level: Logger.Level, _ message: String, _ pairs: [(String, String)]
    ) -> [UInt8] {
        var line: [UInt8] = Array("{".utf8)
        for (key, value) in [("time", time), ("level", "\(level)"), ("message", message)] + pairs {
            if line.count > 1 { line.append(UInt8(ascii: ",")) }
            JSONText.append(string: Array(key.utf8).span, to: &line)
            line.append(UInt8(ascii: ":"))
            JSONText.append(string: Array(value.utf8).span, to: &line)
        }
        line += Array("}\n".utf8)
        return line
    }

    private static func quotedIfNeeded(_ value: String) -> String {
        let isPlain = !value.isEmpty && value.utf8.allSatisfy { $0 > 0x20 && $0 != 0x22 && $0 != 0x3D && $0 < 0x7F }
        return isPlain ? value : "\"\(escaped(value, quotes: true))\""
    }

    private static func escaped(_ text: String, quotes: Bool = false) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"" where quotes, "\\" where quotes: result += "\\\(scalar)"
            case "\n": result += "\\n"
            // C0 and C1 controls and DEL, line and paragraph separators, and those that turn the direction of writing.
            case "\0"..."\u{1F}", "\u{7F}"..."\u{9F}", "\u{2028}"..."\u{202E}", "\u{2066}"..."\u{2069}":
                result += "\\u{\(String(scalar.value, radix: 16))}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}

extension Logger.Level {
    /// As syslog(3) counts.
    var priority: Int {
        switch self {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }
}
