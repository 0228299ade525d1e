import Foundation

/// One Swift file of `Sources`, for rules about the code itself.
struct SourceFile: Sendable {
    /// The module that it belongs to.
    var module: String
    /// From `Sources` on.
    var path: String
    var lines: [String]

    private static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Sources")

    static let all: [SourceFile] = {
        let paths = FileManager.default.enumerator(atPath: root.path)?.compactMap { $0 as? String } ?? []
        return paths.filter { $0.hasSuffix(".swift") }.sorted().compactMap { path in
            guard let text = try? String(contentsOf: root.appendingPathComponent(path), encoding: .utf8),
                let module = path.split(separator: "/").first
            else { return nil }
            return SourceFile(module: String(module), path: path, lines: text.components(separatedBy: "\n"))
        }
    }()

    static func of(_ modules: String...) -> [SourceFile] { all.filter { modules.contains($0.module) } }

    /// The modules that it imports.
    var imports: [String] {
        lines.compactMap { line in
            let words = line.split(separator: " ")
            guard let index = words.firstIndex(of: "import"), index <= 1, words.count > index + 1 else { return nil }
            return String(words[index + 1])
        }
    }

    /// Lines of code, comments left out, with their numbers.
    var code: [(number: Int, text: String)] {
        lines.enumerated().compactMap { index, line in
            let text = line.trimmingCharacters(in: .whitespaces)
            return text.hasPrefix("//") ? nil : (index + 1, text)
        }
    }

    /// Functions and initialisers with their first line's number and their count of lines.
    var functions: [(number: Int, length: Int)] {
        lines.enumerated().compactMap { index, line in
            let text = line.drop { $0 == " " }
            let words = text.split(separator: " ").prefix { !$0.contains("(") }.map(String.init) + [String(text)]
            guard words.contains("func") || text.contains("init(") && !text.contains("self.init(") else { return nil }
            guard !text.hasPrefix("//"), let end = lines[index...].firstIndex(of: line.prefix { $0 == " " } + "}")
            else { return nil }
            return text.hasSuffix("}") ? nil : (index + 1, end - index + 1)
        }
    }
}
