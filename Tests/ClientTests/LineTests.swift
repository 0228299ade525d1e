import Testing

@testable import pando_client

@Suite struct LineTests {
    private func lines(_ segments: [String], limit: Int = 4) -> [String] {
        var buffer = LineBuffer(limit: limit)
        var lines = segments.flatMap { buffer.append(Array($0.utf8)) }
        if let rest = buffer.end() { lines.append(rest) }
        return lines.map { line in
            guard case .complete(let bytes) = line else { return "too long" }
            return String(decoding: bytes, as: UTF8.self)
        }
    }

    @Test(arguments: [
        (["a\nb\n"], ["a", "b"]), (["a", "b\n", "c"], ["ab", "c"]), (["a\r", "\nb\r\n"], ["a", "b"]),
        (["a\r", "\n", "\n"], ["a", ""]), (["abcd\n"], ["abcd"]), (["ab", "cd", "\n"], ["abcd"]),
        (["abcde\nf\n"], ["too long", "f"]), (["ab", "cd", "e", "fgh", "i\nj"], ["too long", "j"]),
        (["abcde"], ["too long"]), ([""], []), (["\n"], [""]),
    ])
    func linesArePutTogetherUpToALimit(segments: [String], expected: [String]) {
        #expect(lines(segments) == expected)
    }

    private func typed(_ text: String) -> TypedLine { TypedLine(Array(text.utf8)) }

    @Test(arguments: [
        ("hello", #"{"text":"hello"}"#), (" say \"hi\"\\ ", #"{"text":" say \"hi\"\\ "}"#), ("[1]", #"{"text":"[1]"}"#),
        ("1", #"{"text":"1"}"#), ("tab\there", #"{"text":"tab\there"}"#), ("é😀", #"{"text":"é😀"}"#),
        (#"{"a":1.0}"#, #"{"a":1.0}"#), (#"  { "a" : [] }  "#, #"{ "a" : [] }"#), ("{}", "{}"),
    ])
    func aTypedLineBecomesAnActivity(text: String, activity: String) {
        #expect(typed(text) == .activity(Array(activity.utf8)))
    }

    @Test func whatOnlyLooksLikeAnObjectIsText() {
        #expect(typed("{hi}") == .text(Array(#"{"text":"{hi}"}"#.utf8), notJSON: "unexpected character at byte 1"))
        #expect(typed("") == .blank)
        #expect(typed(" \t ") == .blank)
        #expect(TypedLine([0x61, 0xFF]) == .notUTF8)
        #expect(TypedLine(Array(#"{"a":""#.utf8) + [0xC0, 0x80] + Array(#""}"#.utf8)) == .notUTF8)
    }

    @Test func theMessageAroundAnActivityCountsAsALevel() {
        func nested(_ depth: Int) -> String {
            String(repeating: "{\"a\":", count: depth - 1) + "{}" + String(repeating: "}", count: depth - 1)
        }
        #expect(typed(nested(63)) == .activity(Array(nested(63).utf8)))
        guard case .text = typed(nested(64)) else {
            Issue.record("sent as an object that a server refuses")
            return
        }
    }
}
