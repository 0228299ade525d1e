import Testing

@testable import Codecs

/// RFC 8259, section by section: what is a JSON text and what is not.
@Suite struct JSONScannerTests {
    private func fault(_ bytes: [UInt8], depthLimit: Int = 64) -> JSONFault? {
        do {
            try JSONScanner.validate(bytes.span, depthLimit: depthLimit)
            return nil
        } catch {
            return error
        }
    }

    /// Checks the texts bare, as an array element and as a member's value.
    private func expectValid(_ texts: [String]) {
        for text in texts {
            #expect(fault(Array(text.utf8)) == nil, "\(text)")
            #expect(fault(Array("[\(text),\(text)]".utf8)) == nil, "in an array: \(text)")
            #expect(fault(Array("{\"k\":\(text),\"k\":\(text)}".utf8)) == nil, "in an object: \(text)")
            #expect(JSONOracle.isValid(text.utf8), "the oracle refuses \(text)")
        }
    }

    private func expectFault(_ kind: JSONFault.Kind, _ cases: [(String, Int)]) {
        for (text, offset) in cases {
            #expect(fault(Array(text.utf8)) == JSONFault(kind, at: offset), "\(text)")
        }
    }

    // MARK: Sections 2 and 3: tokens, white space, words

    @Test func wordsAndWhiteSpace() {
        expectValid([
            "true", "false", "null", " true", "true ", "\ttrue\n", "\r\n\t null \r\n\t ", " {} ", " [ ] ", "[ 1 , 2 ]",
            "{ \"a\" : 1 , \"b\" : 2 }", "\n[\n]\n",
        ])
    }

    @Test func nothingIsNoValue() {
        expectFault(.unexpectedEnd, [("", 0), (" ", 1), ("\t\r\n", 3)])
    }

    @Test func wordsAreSpelledExactly() {
        expectFault(
            .badLiteral,
            [("trve", 0), (" nulL", 1), ("fals3", 0), ("[tru]", 1), ("nul!", 0), ("[null,fAlse]", 6), ("t\0ue", 0)])
        expectFault(.unexpectedEnd, [("tru", 3), ("n", 1), ("[fals", 5)])
        expectFault(
            .unexpectedByte,
            [
                ("True", 0), ("NULL", 0), ("undefined", 0), ("NaN", 0), ("Infinity", 0), ("a", 0), ("'a'", 0), ("#", 0),
                ("[True]", 1), ("{\"a\":b}", 5), ("\u{0C}1", 0), ("\u{A0}1", 0), ("\u{2028}1", 0), ("\0", 0),
                ("[1\u{0B}]", 2), ("/*c*/1", 0), ("[1/*c*/]", 2), ("[//c\n1]", 1), ("\\u0031", 0), (",", 0), (":", 0),
            ])
    }

    @Test func onlyWhiteSpaceMayFollow() {
        expectFault(
            .trailingBytes,
            [
                ("{}{}", 2), ("{} x", 3), ("[]]", 2), ("{}}", 2), ("1 2", 2), ("nulll", 4), ("truefalse", 4),
                ("\"a\"b", 3),
                ("{},", 2), ("[1],[2]", 3), ("{}\0", 2), ("{}\u{FEFF}", 2), ("\"\"\"", 2), ("1]", 1), ("{}#c", 2),
                ("0x1", 1), ("1a", 1), ("{} //c", 3),
            ])
    }

    // MARK: Section 4: objects

    @Test func objects() {
        expectValid([
            "{}", "{\"\":0}", "{\"a\":{}}", "{\"a\":{\"b\":{\"c\":{}}}}", "{\"a\":1,\"a\":2}", "{\"a\":[],\"b\":[[]]}",
            "{\"\\u0000\":1}", "{\"a\":\"}\"}", "{\"a\":\"{\"}", "{\"é\":1}", "{\"a\\\"b\":1}",
            "{\"a\":[{\"b\":[{}]}]}",
        ])
    }

    @Test func malformedObjects() {
        expectFault(
            .unexpectedByte,
            [
                ("{a:1}", 1), ("{1:1}", 1), ("{\"a\"}", 4), ("{\"a\" 1}", 5), ("{\"a\":}", 5), ("{\"a\":1,}", 7),
                ("{,}", 1), ("{,\"a\":1}", 1), ("{\"a\":1,,\"b\":2}", 7), ("{\"a\":1 \"b\":2}", 7), ("{\"a\"::1}", 5),
                ("{\"a\":1]", 6), ("{null:1}", 1), ("{'a':1}", 1), ("{\"a\",1}", 4), ("{[]:1}", 1), ("{\"a\":1;}", 6),
                ("{\"a\"=1}", 4),
            ])
        expectFault(
            .unexpectedEnd,
            [("{", 1), ("{\"a\"", 4), ("{\"a\":", 5), ("{\"a\":1", 6), ("{\"a\":1,", 7), ("{\"a\":{}", 7), ("{\"a", 3)])
    }

    // MARK: Section 5: arrays

    @Test func arrays() {
        expectValid([
            "[]", "[[]]", "[[],[]]", "[1,\"a\",null,true,false,{},[]]", "[[[[[]]]]]", "[{}]", "[\"]\"]", "[\"[\"]",
            "[[1],[2,[3]],{}]", "[ ]", "[0]",
        ])
    }

    @Test func malformedArrays() {
        expectFault(
            .unexpectedByte,
            [
                ("[1,]", 3), ("[,1]", 1), ("[,]", 1), ("[1,,2]", 3), ("[1 2]", 3), ("[1}", 2), ("[}", 1), ("[1:2]", 2),
                ("[\"a\":1]", 4), ("]", 0), ("}", 0), ("[{]", 2), ("[[}", 2), ("[1;2]", 2),
            ])
        expectFault(
            .unexpectedEnd, [("[", 1), ("[1", 2), ("[1,", 3), ("[[]", 3), ("[{}", 3), ("[\"a\"", 4), ("[[1],", 5)])
    }

    // MARK: Section 6: numbers

    @Test func numbers() {
        expectValid([
            "0", "-0", "1", "-1", "10", "1234567890", "0.5", "-0.5", "0.0", "1.25", "1e5", "1E5", "1e+5", "1e-5",
            "1.5e10",
            "0e0", "0E+00", "-0.0e-0", "123.456E-789", "9223372036854775807",
        ])
        // Beyond every machine type, and valid all the same.
        for text in ["1e400", "-1e-400", String(repeating: "9", count: 500), "0." + String(repeating: "1", count: 500)]
        {
            #expect(fault(Array(text.utf8)) == nil)
        }
    }

    @Test func malformedNumbers() {
        expectFault(
            .badNumber,
            [
                ("01", 0), ("-01", 0), ("00", 0), ("1.a", 0), ("[1.]", 1), ("[1.e5]", 1), ("1ea", 0), ("[1e]", 1),
                ("[1e+]", 1), ("[1e-]", 1), ("-a", 0), ("[-]", 1), ("--1", 0), ("-+1", 0), ("[-.5]", 1), ("1e+-5", 0),
                ("-Infinity", 0), ("[012]", 1), ("1.e", 0), ("[0.]", 1), ("[1eE2]", 1),
            ])
        expectFault(.unexpectedEnd, [("-", 1), ("1.", 2), ("1e", 2), ("1e+", 3), ("[1.", 3)])
        expectFault(.unexpectedByte, [("+1", 0), (".5", 0), ("[.5]", 1), ("[1_000]", 2), ("[1.5.5]", 4), ("[0x1]", 2)])
        expectFault(.unexpectedByte, [("[1 000]", 3), ("[1f]", 2), ("[1e5e5]", 4), ("[１]", 1)])
    }

    @Test(
        arguments: [
            ("9223372036854775807", nil), ("-9223372036854775808", nil), ("999999999999999999", nil), ("-0", nil),
            ("9223372036854775808", 0), ("-9223372036854775809", 0), ("9999999999999999999", 0),
            ("18446744073709551615", 0),
            ("-99999999999999999999", 0), ("1" + String(repeating: "0", count: 400), 0),
            ("99999999999999999999.0", nil), ("99999999999999999999e0", nil), ("[1,[99999999999999999999]]", 4),
            ("[99999999999999999999,99999999999999999999]", 1), (#""99999999999999999999""#, nil),
            (#"{"99999999999999999999":1}"#, nil), (#"{"a":{"b":-99999999999999999999}}"#, 10),
        ] as [(String, Int?)])
    func integersBeyond64BitsAreNoted(text: String, offset: Int?) throws {
        let bytes = Array(text.utf8)
        var scanner = JSONScanner()
        _ = try scanner.scanValue(in: bytes.span)
        #expect(scanner.wideIntegerOffset == offset)
    }

    // MARK: Section 7: strings

    @Test func strings() {
        expectValid([
            #""""#, #""a""#, #""\"""#, #""\\""#, #""\/""#, #""\b\f\n\r\t""#, #""\u0041""#, #""\u00e9\u00E9""#,
            #""\u0000""#, #""\ud83d\ude00""#, #""\uD83D\uDE00x""#, #""\uFFFF\uFFFE""#, "\"\u{7F}\"", "\"/\"", "\"é€😀\"",
            "\"\u{2028}\u{2029}\"", "\"\u{FEFF}\"", "\"\u{10FFFF}\"", #""12345678""#, #""1234567\"""#, #""\\\\\\\\\\""#,
            #""a longer text, so that words of eight bytes are gone through, with an \" escape in it""#,
        ])
    }

    @Test func malformedStrings() {
        expectFault(
            .badEscape,
            [
                (#""\a""#, 1), (#""\x41""#, 1), (#""\'""#, 1), (#""\u""#, 1), (#""\u12""#, 1), (#""\u123g""#, 1),
                (#""\U0041""#, 1), (#""ab\ ""#, 3), (#""\0""#, 1), ("\"\\\n\"", 1), ("\"\\é\"", 1), (#""\u-123""#, 1),
                (#""\u 123""#, 1), (#""\ud800\u12x4""#, 7), (#""\B""#, 1), (#""\v""#, 1),
            ])
        expectFault(
            .loneSurrogate,
            [
                (#""\ud800""#, 1), (#""\udc00""#, 1), (#""\ud800\ud800""#, 1), (#""\ud800a""#, 1), (#""\ud800\n""#, 1),
                (#""\udbff\ue000""#, 1), (#""a\udfff\ud800""#, 2), (#""\ud83d\u0041""#, 1), (#""\ude00\ud83d""#, 1),
            ])
        expectFault(
            .unexpectedEnd,
            [
                ("\"", 1), (#""a"#, 2), (#""\"#, 2), (#""\""#, 3), (#""\u12"#, 5), (#""\ud800"#, 7), (#""\ud800\"#, 8),
                (#""\ud800\u"#, 9), (#""12345678"#, 9), (#"["a"#, 3),
            ])
    }

    @Test func controlCharactersAreRefusedRaw() {
        for byte in UInt8(0)..<0x20 {
            // At each place of a word of eight, and in the rest behind it.
            for prefix in 0..<12 {
                let padding = [UInt8](repeating: UInt8(ascii: "x"), count: prefix)
                let text = [UInt8(ascii: "\"")] + padding + [byte] + Array("yyyyyyyyyyyy\"".utf8)
                #expect(fault(text) == JSONFault(.controlCharacter, at: prefix + 1))
            }
        }
    }

    @Test func theEndOfAStringIsFoundAtEachPlaceOfAWord() throws {
        for length in 0..<40 {
            let text = Array(("\"" + String(repeating: "x", count: length) + "\"").utf8)
            #expect(try JSONScanner.validate(text) == .string(JSONString(range: 1..<length + 1, isEscaped: false)))
            let unterminated = Array(text.dropLast())
            #expect(fault(unterminated) == JSONFault(.unexpectedEnd, at: length + 1))
        }
    }

    // MARK: Section 8: character encoding

    @Test func everyScalarValuePasses() {
        for value in stride(from: UInt32(0x20), through: 0x10FFFF, by: 7) {
            guard let scalar = Unicode.Scalar(value), scalar != "\"", scalar != "\\" else { continue }
            let text = Array("\"\(scalar)\"".utf8)
            if fault(text) != nil { Issue.record("U+\(String(value, radix: 16)) is refused") }
        }
    }

    /// Every pair of bytes, and every lead byte with edge cases behind it, against the standard library's decoder.
    @Test func illFormedUTF8IsRefused() {
        var sequences: [[UInt8]] = []
        for lead in UInt8(0x80)...0xFF {
            for second in UInt8(0x80)...0xFF { sequences.append([lead, second]) }
            for second: UInt8 in [0x22, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0] {
                for third: UInt8 in [0x41, 0x7F, 0x80, 0xBF, 0xC0] {
                    sequences.append([lead, second, third])
                    for fourth: UInt8 in [0x41, 0x80, 0xBF, 0xC0] { sequences.append([lead, second, third, fourth]) }
                }
            }
        }
        for sequence in sequences where !sequence.contains(0x22) {
            let isValid = String(validating: sequence, as: UTF8.self) != nil
            let text = [0x22] + sequence + [0x22]
            let found = fault(text)
            if isValid != (found == nil) || found.map({ $0.kind != .badUTF8 }) ?? false {
                Issue.record("\(sequence): \(String(describing: found))")
            }
        }
    }

    @Test func encodingFaults() {
        let cases: [([UInt8], JSONFault)] = [
            ([0xEF, 0xBB, 0xBF, 0x7B, 0x7D], JSONFault(.byteOrderMark, at: 0)),
            ([0xFE, 0xFF, 0x00, 0x31], JSONFault(.unexpectedByte, at: 0)),
            ([0x22, 0xC0, 0x80, 0x22], JSONFault(.badUTF8, at: 1)),
            ([0x22, 0x61, 0xED, 0xA0, 0x80, 0x22], JSONFault(.badUTF8, at: 2)),
            ([0x22, 0xF4, 0x90, 0x80, 0x80, 0x22], JSONFault(.badUTF8, at: 1)),
            ([0x22, 0xE2, 0x82, 0x22], JSONFault(.badUTF8, at: 1)),
            ([0x22, 0xE2, 0x82], JSONFault(.badUTF8, at: 1)),
            ([0x22, 0xFF, 0x22], JSONFault(.badUTF8, at: 1)),
            ([0x22, 0xC3, 0xA9, 0x80, 0x22], JSONFault(.badUTF8, at: 3)),
        ]
        for (bytes, expected) in cases { #expect(fault(bytes) == expected, "\(bytes)") }
    }

    // MARK: Section 9: limits

    @Test(arguments: [1, 2, 3, 63, 64, 65, 200, 1024])
    func nestingIsLimited(limit: Int) {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            func nested(_ depth: Int) -> [UInt8] {
                let inner = open == "[" ? "[]" : "{}"
                return Array(
                    (String(repeating: open, count: depth - 1) + inner + String(repeating: close, count: depth - 1))
                        .utf8)
            }
            #expect(fault(nested(limit), depthLimit: limit) == nil)
            #expect(fault(nested(limit + 1), depthLimit: limit) == JSONFault(.tooDeep, at: limit * open.utf8.count))
        }
        let wide = "[" + Array(repeating: "[]", count: limit * 3).joined(separator: ",") + "]"
        #expect(fault(Array(wide.utf8), depthLimit: max(limit, 2)) == nil)
    }

    @Test func theDepthLimitIsBounded() {
        let deep = Array(String(repeating: "[", count: 100_000).utf8)
        #expect(fault(deep, depthLimit: .max) == JSONFault(.tooDeep, at: JSONScanner.greatestDepthLimit))
        #expect(fault(deep, depthLimit: 0) == JSONFault(.tooDeep, at: 1))
        #expect(fault(deep, depthLimit: .min) == JSONFault(.tooDeep, at: 1))
    }

    @Test func kindsOfContainersAreNotMixedUpAtAnyDepth() {
        // Alternating kinds over the borders of the bit stack's words.
        for depth in [1, 2, 31, 32, 33, 63, 64, 65, 127, 128, 129, 500] {
            var text = ""
            for level in 0..<depth { text += level % 2 == 0 ? "[" : "{\"a\":" }
            text += "0"
            for level in (0..<depth).reversed() { text += level % 2 == 0 ? "]" : "}" }
            #expect(fault(Array(text.utf8), depthLimit: 1024) == nil)
            // Each closing bracket in turn is exchanged for the other kind.
            let bytes = Array(text.utf8)
            for offset in (bytes.count - depth)..<bytes.count {
                var wrong = bytes
                wrong[offset] = bytes[offset] == UInt8(ascii: "]") ? UInt8(ascii: "}") : UInt8(ascii: "]")
                #expect(fault(wrong, depthLimit: 1024) == JSONFault(.unexpectedByte, at: offset))
            }
        }
    }

    // MARK: Walking

    @Test func objectsAreWalkedMemberByMember() throws {
        let text = Array(#" { "a" : 1 , "b\n" : { "c" : [ ] , "d" : { } } , "e" : "x" } "#.utf8)
        var scanner = JSONScanner()
        var keys: [String] = []
        try scanner.begin(in: text.span)
        let isObject = try scanner.enterObject(in: text.span)
        #expect(isObject)
        while let key = try scanner.nextKey(in: text.span) {
            keys.append(String(decoding: key.decoded(in: text.span), as: UTF8.self))
            if try scanner.enterObject(in: text.span) {
                while let inner = try scanner.nextKey(in: text.span) {
                    keys.append("." + String(decoding: inner.decoded(in: text.span), as: UTF8.self))
                    _ = try scanner.scanValue(in: text.span)
                }
            } else {
                _ = try scanner.scanValue(in: text.span)
            }
        }
        try scanner.finish(in: text.span)
        #expect(keys == ["a", "b\n", ".c", ".d", "e"])
    }
}
