import Foundation
import Testing

/// Properties of the code itself: what a review would say again and again.
@Suite struct TidyTests {
    private func places(of words: [String], in files: [SourceFile]) -> [String] {
        files.flatMap { file in
            file.code.flatMap { line in
                words.filter { line.text.contains($0) }.map { "\(file.path):\(line.number): \($0)" }
            }
        }
    }

    @Test func `the rules see the code`() {
        #expect(SourceFile.all.count > 80)
        #expect(SourceFile.of("Node").flatMap(\.functions).count > 200)
        #expect(SourceFile.of("Node").contains { $0.imports == ["Codecs", "DequeModule"] })
    }

    // MARK: Who knows whom

    @Test(arguments: [
        "Codecs": [],
        "Configuration": ["CYamlShim", "Glibc"],
        "Node": ["Codecs", "DequeModule", "HeapModule"],
        "TLS": ["CEpollShim"],
        "Reactor": ["CEpollShim", "Glibc", "HeapModule", "Synchronization", "TLS"],
        "Chaos": ["CEpollShim", "CNamespaceShim", "Codecs", "Glibc", "Simulator"],
        "Load": ["CEpollShim", "CLoadShim", "Codecs", "Glibc", "Histogram", "TLS"],
        "pandoctl": ["ArgumentParser", "Codecs", "Glibc", "TLS"],
        "Simulator": ["Codecs", "DequeModule", "HeapModule", "Node"],
        "Server": [
            "CEpollShim", "CHTTPShim", "CSQLiteShim", "Codecs", "Glibc", "Logging", "Node", "Reactor",
            "Synchronization",
            "TLS",
        ],
    ])
    func `imports run one way`(module: String, allowed: [String]) {
        for file in SourceFile.of(module) {
            let others = file.imports.filter { !allowed.contains($0) }
            #expect(others == [], "\(file.path)")
        }
    }

    // MARK: What pure code does not say

    @Test func `the pure modules do not print, crash on purpose or look at a clock`() {
        let banned = [
            "print(", "try!", "as!", "fatalError(", "SystemRandomNumberGenerator", "ContinuousClock", "Date(",
            "Task {", "Task(", "async ", "DispatchQueue", ".random()", "shuffled()", "randomElement()",
        ]
        #expect(places(of: banned, in: SourceFile.of("Node", "Codecs", "Simulator")) == [])
    }

    @Test func `no module forces a cast or a try`() {
        #expect(places(of: ["try!", " as! "], in: SourceFile.all) == [])
    }

    /// The order of a dictionary differs in each process: it must not reach an output.
    @Test func `nobody goes through a dictionary in the core`() {
        #expect(places(of: [".values", ".keys"], in: SourceFile.of("Node", "Simulator")) == [])
        let dictionaries = ["jobs", "requests", "hashJobs", "lastActivity", "places", "byName", "pending", "userOf"]
        let loops = dictionaries.flatMap {
            ["in \($0) ", "\($0).map", "\($0).forEach", "\($0).filter", "\($0).first {"]
        }
        #expect(places(of: loops, in: SourceFile.of("Node")) == [])
    }

    // MARK: Size

    @Test func `a function fits a screen and a file a sitting`() {
        for file in SourceFile.all {
            #expect(file.lines.count <= 700, "\(file.path)")
            for function in file.functions where function.length > 70 {
                Issue.record("\(file.path):\(function.number) has \(function.length) lines")
            }
        }
    }

    @Test func `no line is longer than 120 columns`() {
        for file in SourceFile.all {
            for (index, line) in file.lines.enumerated() where line.count > 120 {
                Issue.record("\(file.path):\(index + 1)")
            }
        }
    }

    // MARK: Comments

    /// Members may speak for themselves; a type never does.
    @Test func `every public type is explained`() {
        let kinds = ["public struct ", "public enum ", "public final class ", "public protocol "]
        for file in SourceFile.of("Node", "Codecs", "Reactor") {
            for (index, line) in file.lines.enumerated() where kinds.contains(where: line.hasPrefix) {
                let above = file.lines[..<index].last { !$0.hasPrefix("@") } ?? ""
                #expect(above.hasPrefix("///"), "\(file.path):\(index + 1)")
            }
        }
    }

    // MARK: Reasons and settings

    /// The cases of an enumeration that is declared in a module.
    private func cases(of type: String, in module: String) -> [String] {
        for file in SourceFile.of(module) {
            guard let start = file.lines.firstIndex(where: { $0.hasPrefix("public enum \(type):") }),
                let end = file.lines[start...].firstIndex(of: "}")
            else { continue }
            return file.lines[start..<end].map { $0.trimmingCharacters(in: .whitespaces) }
                .filter { $0.hasPrefix("case ") }
                .flatMap { $0.dropFirst(5).components(separatedBy: ", ") }
                .map { String($0.prefix { $0.isLetter || $0.isNumber }) }
        }
        return []
    }

    @Test(arguments: [("SessionCloseReason", "Node"), ("LinkCloseReason", "Node"), ("CloseReason", "Reactor")])
    func `every reason to close is given somewhere`(type: String, module: String) {
        let reasons = cases(of: type, in: module)
        #expect(reasons.count > 5)
        for reason in reasons {
            let uses = SourceFile.of("Node", "Reactor", "Server").flatMap(\.code).filter { line in
                !line.text.hasPrefix("case ") && line.text.contains(".\(reason)")
            }
            #expect(!uses.isEmpty, "\(type).\(reason)")
        }
    }

    @Test func `every time is an option of the server`() {
        let configuration = SourceFile.all.first { $0.path == "Node/NodeConfiguration.swift" }
        let lines = configuration?.lines ?? []
        let start = lines.firstIndex { $0.contains("struct Timing") } ?? 0
        let end = lines.firstIndex { $0.contains("struct Limits") } ?? 0
        let fields = lines[start..<end].compactMap { line -> String? in
            let words = line.split(separator: " ")
            guard words.prefix(2) == ["public", "var"], words.count > 2 else { return nil }
            return String(words[2].dropLast())
        }
        #expect(fields.count >= 17)
        for field in fields {
            #expect(!places(of: ["\\.timing.\(field),"], in: SourceFile.of("pando-server")).isEmpty, "\(field)")
        }
    }
}
