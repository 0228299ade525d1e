import Testing

@testable import Codecs

/// Strings out of JSON texts and into them.
@Suite struct JSONStringTests {
    private func string(_ contents: String) throws -> (bytes: [UInt8], string: JSONString) {
        let bytes = Array("\"\(contents)\"".utf8)
        guard case .string(let string) = try JSONScanner.validate(bytes.span) else {
            throw JSONFault(.unexpectedByte, at: 0)
        }
        return (bytes, string)
    }

    @Test(arguments: [
        ("", ""), ("plain", "plain"), (#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{C}\n\r\t"), (#"\u0041\u00e9\u20AC"#, "Aé€"),
        (#"\ud83d\ude00"#, "😀"), (#"a\uD83D\uDE00b"#, "a😀b"), (#"\uDBFF\uDFFF"#, "\u{10FFFF}"), (#"\u0000"#, "\0"),
        (#"é\u0301😀"#, "é\u{301}😀"), (#"\uFFFF"#, "\u{FFFF}"), (#"\ud7ff\ue000"#, "\u{D7FF}\u{E000}"),
        (#"\\u0041"#, #"\u0041"#), (#"authenticated\u005fuser"#, "authenticated_user"),
    ])
    func escapesAreResolved(written: String, meant: String) throws {
        let (bytes, string) = try string(written)
        let expected = Array(meant.utf8)
        #expect(string.isEscaped == written.contains("\\"))
        #expect(string.decoded(in: bytes) == expected)
        #expect(string.equals(expected, in: bytes))
        // Unequal: shorter, longer, changed in the last byte.
        let longer = expected + [0x61]
        #expect(!string.equals(longer, in: bytes))
        guard let last = expected.last else { return }
        let shorter = Array(expected.dropLast())
        let changed = shorter + [last ^ 1]
        #expect(!string.equals(shorter, in: bytes))
        #expect(!string.equals(changed, in: bytes))
    }

    @Test(arguments: [
        ("", #""""#), ("plain", #""plain""#), ("a\"b\\c/d", #""a\"b\\c/d""#), ("\n\r\t\u{8}\u{C}", #""\n\r\t\b\f""#),
        ("\0\u{1}\u{1F}", #""\u0000\u0001\u001f""#), ("\u{7F}é€😀\u{2028}", "\"\u{7F}é€😀\u{2028}\""),
    ])
    func stringsAreWrittenWithTheFewestEscapes(text: String, written: String) {
        let contents = Array(text.utf8)
        var output: [UInt8] = []
        JSONText.append(string: contents.span, to: &output)
        #expect(String(decoding: output, as: UTF8.self) == written)
        #expect(JSONText.size(ofString: contents) == output.count)
    }

    @Test func anyBytesGiveAValidString() throws {
        var generator = SplitMix64(seed: 1)
        for _ in 0..<20_000 {
            let contents = (0..<Int.random(in: 0...12, using: &generator)).map { _ in
                generator.next() & 1 == 0
                    ? UInt8.random(in: 0...0x7F, using: &generator) : UInt8.random(in: 0x80...0xFF, using: &generator)
            }
            var output: [UInt8] = []
            JSONText.append(string: contents.span, to: &output)
            #expect(JSONText.size(ofString: contents) == output.count)
            guard case .string(let string) = try JSONScanner.validate(output.span) else {
                Issue.record("\(contents)")
                continue
            }
            let decoded = string.decoded(in: output.span)
            if let text = String(validating: contents, as: UTF8.self) {
                #expect(decoded == Array(text.utf8))
            } else {
                #expect(String(validating: decoded, as: UTF8.self)?.unicodeScalars.contains("\u{FFFD}") == true)
            }
        }
    }

    @Test func foreignTextIsCutBetweenCharacters() {
        for length in 0..<40 {
            let name = Array(String(repeating: "a", count: length).utf8) + Array(String(repeating: "😀", count: 20).utf8)
            let info = InfoText("", foreign: name.span)
            #expect(String(validating: info.bytes, as: UTF8.self) != nil)
            #expect(info.bytes.count <= InfoText.echoLimit + 3)
            #expect(info.description.hasSuffix("😀..."))
        }
        let fitting = [UInt8](repeating: 0x61, count: InfoText.echoLimit)
        #expect(InfoText("", foreign: fitting).bytes == fitting)
    }
}
