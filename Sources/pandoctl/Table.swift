/// Columns of text, and quantities as people read them.

struct Table {
    enum Side { case left, right }

    private var rows: [[String]]
    private let sides: [Side]

    init(_ head: (String, Side)...) {
        rows = [head.map { $0.0.uppercased() }]
        sides = head.map(\.1)
    }

    mutating func add(_ cells: String...) {
        precondition(cells.count == sides.count)
        rows.append(cells.map(Table.printable))
    }

    var lines: [String] {
        let widths = sides.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = sides.indices.map { column in
                let room = String(repeating: " ", count: widths[column] - row[column].count)
                return sides[column] == .left ? row[column] + room : room + row[column]
            }
            return Table.trimmed(cells.joined(separator: "  "))
        }
    }

    /// Names that clients chose stay on their line, and turn nothing around.
    static func printable(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned:
                result += "\\u{\(String(scalar.value, radix: 16))}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    private static func trimmed(_ line: String) -> String {
        var line = line
        while line.last == " " { line.removeLast() }
        return line
    }
}

enum Quantity {
    /// `250 ms`, `12 s`, `3 min`, `2 h 5 min`, `4 d 3 h`.
    static func time(milliseconds: Int) -> String {
        let seconds = milliseconds / 1000
        return switch seconds {
        case ..<1: "\(milliseconds) ms"
        case ..<120: "\(seconds) s"
        case ..<7200: "\(seconds / 60) min"
        case ..<172_800: "\(seconds / 3600) h \(seconds / 60 % 60) min"
        default: "\(seconds / 86_400) d \(seconds / 3600 % 24) h"
        }
    }

    /// `12`, `1.2 k`, `34 M`.
    static func count(_ value: Int) -> String { scaled(value, 1000, ["", " k", " M", " G", " T"]) }

    /// `12 B`, `1.2 KiB`, `34 MiB`.
    static func bytes(_ value: Int) -> String { scaled(value, 1024, [" B", " KiB", " MiB", " GiB", " TiB"]) }

    /// `0.4 ms`, `12 ms`.
    static func time(microseconds: Int) -> String {
        microseconds < 10_000 ? "\(microseconds / 1000).\(microseconds / 100 % 10) ms" : "\(microseconds / 1000) ms"
    }

    private static func scaled(_ value: Int, _ base: Int, _ units: [String]) -> String {
        var (whole, tenths, unit) = (value, 0, 0)
        while whole >= base, unit < units.count - 1 {
            tenths = whole % base * 10 / base
            whole /= base
            unit += 1
        }
        return unit > 0 && whole < 10 ? "\(whole).\(tenths)\(units[unit])" : "\(whole)\(units[unit])"
    }
}
