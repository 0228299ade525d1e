/// The form of a file: what is read, and what is said about what cannot be.

import Configuration
import Testing

@Suite struct FileTests {
    private func file(_ text: String) -> ConfigurationFile { ConfigurationFile(Array(text.utf8), name: "f") }

    private func mistakes(_ text: String) -> [String] { file(text).mistakes.map(\.description) }

    @Test func `each value is the text that stands there, with its place`() {
        let file = file("# a comment\nport: 017\nhost:   \"a: b\"\nyes: no\n")
        #expect(file.mistakes == [])
        #expect(file.entries.map(\.key) == ["port", "host", "yes"])
        #expect(file.entries.map(\.value) == ["017", "a: b", "no"])
        #expect(file.entries[1].keyOrigin == .file("f", line: 3, column: 1))
        #expect(file.entries[1].valueOrigin == .file("f", line: 3, column: 9))
    }

    @Test(arguments: ["", "# only a comment\n", "---\n", "\n\n"])
    func `a file may be empty`(text: String) {
        #expect(file(text).mistakes == [])
        #expect(file(text).entries == [])
    }

    @Test func `what is no line of name and value is told with its place, and the rest is read`() {
        let text = "port: [1, 2]\nhost:\nlog: {a: {b: c}}\n? [x]\n: y\nport: 1\nport: 2\n"
        #expect(
            mistakes(text) == [
                "f:1:7: 'port' takes one value, no list and no lines of its own.",
                "f:2:1: 'host' has no value: give one (\"\" is an empty one), or remove the line.",
                "f:3:6: 'log' takes one value, no list and no lines of its own.",
                "f:4:3: a name of a setting is expected.",
                "f:7:1: 'port' stands at f:6:1 already: remove one of the two.",
            ])
        #expect(file(text).entries.map(\.value) == ["1"])
    }

    @Test(arguments: [
        ("- a\n- b\n", "f:1:1: lines 'name: value' are expected."),
        ("just words\n", "f:1:1: lines 'name: value' are expected."),
        ("a: 1\n---\nb: 2\n", "f:2:1: a second document begins here: remove the line '---'."),
        ("a: *b\n", "f:1:4: 'a' takes one value, no list and no lines of its own."),
    ])
    func `another form is told`(text: String, said: String) {
        #expect(mistakes(text) == [said])
    }

    @Test(arguments: ["a: \"b\n", "a: b: c\n", "\ta: 1\n", "a: 1\n b: 2\n", "\u{1}\n", "a: @b\n", "%x\n"])
    func `what is not YAML is told once, with a place`(text: String) {
        let said = mistakes(text)
        #expect(said.count == 1)
        #expect(said.first?.contains("this is not YAML") == true, "\(said)")
    }

    @Test func `bytes that are no text are told`() {
        let file = ConfigurationFile([0x61, 0x3A, 0x20, 0xFF, 0xFE, 0x0A], name: "f")
        #expect(file.mistakes.count == 1)
    }

    /// Every prefix and every changed byte of a file ends in values or in mistakes, and the reading ends.
    @Test func `no text hangs or ends the reader`() {
        let text = Array("a: [1, {b: c}]\n\"d\": 'e'\n? f\n: - g\n  - &h i\nj: *h\nk: |\n  l\n".utf8)
        for index in text.indices {
            _ = ConfigurationFile(Array(text[..<index]), name: "f")
            for byte in [UInt8(0), 0x20, 0x22, 0x2D, 0x3A, 0x5B, 0x7B, 0xFF] {
                var changed = text
                changed[index] = byte
                _ = ConfigurationFile(changed, name: "f")
            }
        }
    }

    @Test func `a file that is not there is told`() {
        let file = ConfigurationFile(path: "/nonexistent/pando.yaml")
        #expect(file.mistakes.count == 1)
        #expect(file.mistakes.first?.text.contains("is the path right?") == true)
        #expect(ConfigurationFile(path: "/").mistakes.first?.text.contains("is it a file?") == true)
    }

    @Test func `a file without end is not read to its end`() {
        #expect(ConfigurationFile(path: "/dev/zero").mistakes.first?.text.contains("longer than") == true)
    }
}
