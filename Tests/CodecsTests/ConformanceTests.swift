import Testing

@testable import Codecs

/// A corpus of JSON texts, named after the classes that suites for JSON parsers have: y_ must be taken, n_ must be
/// refused, and for i_ RFC 8259 leaves the choice; ours is written beside it.
@Suite struct ConformanceTests {
    struct Case: CustomTestStringConvertible, Sendable {
        var name: String
        var bytes: [UInt8]
        var testDescription: String { name }

        init(_ name: String, _ text: String) { (self.name, bytes) = (name, Array(text.utf8)) }
        init(_ name: String, bytes: [UInt8]) { (self.name, self.bytes) = (name, bytes) }
    }

    private static func isTaken(_ bytes: [UInt8]) -> Bool { (try? JSONScanner.validate(bytes.span)) != nil }

    /// In a message of a client, as an unknown member and inside an activity.
    private static func isTakenInMessage(_ bytes: [UInt8]) -> Bool {
        let head = Array(#"{"command":"ACTIVITY_MESSAGE","x":"#.utf8)
        let line = head + bytes + Array(#","username":"a","activity":{"v":"#.utf8) + bytes + Array("}}".utf8)
        guard case .activity(_, _, .object(let activity)) = try? ClientMessage.parse(line.span) else { return false }
        var output: [UInt8] = []
        ActivityRenderer.render(activity, of: line.span, username: Array("a".utf8).span, into: &output)
        return isTaken(Array(output.dropLast()))
    }

    @Test(arguments: Conformance.taken)
    func `what is JSON is taken`(text: Case) {
        #expect(Self.isTaken(text.bytes))
        #expect(Self.isTakenInMessage(text.bytes))
    }

    @Test(arguments: Conformance.refused)
    func `what is no JSON is refused`(text: Case) {
        #expect(!Self.isTaken(text.bytes))
    }

    @Test(arguments: Conformance.free)
    func `where there is a choice it is the one that is written down`(text: Case, isTaken: Bool) {
        #expect(Self.isTaken(text.bytes) == isTaken)
    }

    @Test func `names say what is expected, once each`() {
        let names = [Conformance.taken, Conformance.refused, Conformance.free.map(\.0)].map { $0.map(\.name) }
        for (prefix, names) in zip(["y_", "n_", "i_"], names) {
            #expect(names.filter { !$0.hasPrefix(prefix) } == [])
        }
        #expect(Set(names.joined()).count == names.joined().count)
    }
}

private typealias Case = ConformanceTests.Case

private enum Conformance {
    static let taken: [Case] =
        [
            Case("y_array_empty", "[]"), Case("y_array_empty_with_space", "[ \t]"),
            Case("y_array_nested_empty", "[[],[[]]]"), Case("y_array_of_all_kinds", #"[null,true,false,1,"",[],{}]"#),
            Case("y_array_with_newlines", "[1,\n2,\r\n3\n]"), Case("y_array_with_leading_space", " [1]"),
            Case("y_array_with_trailing_space", "[2] "), Case("y_array_several_nulls", "[1,null,null,null,2]"),
            Case("y_array_ending_with_string", #"["a"]"#), Case("y_array_of_empty_string", #"[""]"#),
            Case("y_object_empty", "{}"), Case("y_object_empty_key", #"{"":0}"#),
            Case("y_object_duplicate_key", #"{"a":"b","a":"c"}"#),
            Case("y_object_duplicate_key_and_value", #"{"a":"b","a":"b"}"#),
            Case("y_object_key_with_escaped_null", #"{"foo\u0000bar":42}"#),
            Case("y_object_extreme_numbers", #"{"min":-1.0e+28,"max":1.0e+28}"#),
            Case("y_object_long_string", #"{"x":[{"id":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}]}"#),
            Case("y_object_with_newlines", "{\n\"a\":\n\"b\"\n}"), Case("y_object_in_object", #"{"a":{"b":{"c":{}}}}"#),
            Case("y_object_keys_of_unicode", #"{"Ключ":"ключ","鍵":1}"#),
            Case("y_number_zero", "0"), Case("y_number_negative_zero", "-0"), Case("y_number_negative", "-123"),
            Case("y_number_negative_one", "-1"), Case("y_number_fraction", "123.456789"),
            Case("y_number_close_to_zero", "-0.000000000000000000000000000000000000000000000000000000000000000001"),
            Case("y_number_exponent", "20e1"), Case("y_number_capital_exponent", "1E22"),
            Case("y_number_exponent_with_plus", "1E+2"), Case("y_number_exponent_with_minus", "1E-2"),
            Case("y_number_zero_with_exponent", "0e1"), Case("y_number_zero_with_signed_exponent", "0e+1"),
            Case("y_number_fraction_with_exponent", "123.456e78"), Case("y_number_exponent_with_zeros", "1e00005"),
            Case("y_number_largest_of_64_bits", "9223372036854775807"), Case("y_number_after_space", " 4"),
            Case("y_structure_lone_true", "true"), Case("y_structure_lone_false", "false"),
            Case("y_structure_lone_null", "null"), Case("y_structure_lone_string", #""asd""#),
            Case("y_structure_lone_empty_string", #""""#), Case("y_structure_lone_number", "42"),
            Case("y_structure_lone_negative_number", "-0.1"), Case("y_structure_trailing_newline", "[\"a\"]\n"),
            Case("y_structure_all_white_space", " \t\r\n[ \t\r\n1 \t\r\n, \t\r\n2 \t\r\n] \t\r\n"),
            Case("y_string_simple_escapes", #""\"\\\/\b\f\n\r\t""#),
            Case("y_string_escaped_backslash_at_end", #""\\""#),
            Case("y_string_escaped_quote_at_end", #""\"""#), Case("y_string_escaped_a", #""\u0061""#),
            Case("y_string_escapes_of_either_case", #""\u00e9\u00E9\uAbCd""#),
            Case("y_string_escaped_null", #""\u0000""#), Case("y_string_escaped_control", #""\u0012\u001F""#),
            Case("y_string_escaped_newline", #""new\u000Aline""#), Case("y_string_escaped_quote_in_hex", #""\u0022""#),
            Case("y_string_escaped_backslash_in_hex", #""\u005C""#), Case("y_string_solidus", #""/ & \/""#),
            Case("y_string_surrogate_pair", #""\uD801\udc37""#),
            Case("y_string_two_surrogate_pairs", #""\ud83d\ude39\ud83d\udc8d""#),
            Case("y_string_last_surrogate_pair", #""\uDBFF\uDFFF""#),
            Case("y_string_escaped_noncharacter", #""\uFFFF\uFFFE\uFDD0""#),
            Case("y_string_noncharacter_as_it_is", "\"\u{FFFF}\u{10FFFF}\""),
            Case("y_string_not_an_escape_after_backslash", #""\\u0000""#),
            Case("y_string_delete_character", "\"a\u{7F}a\""),
            Case("y_string_two_bytes", "\"é\""), Case("y_string_three_bytes", "\"€\""),
            Case("y_string_four_bytes", "\"𝄞\""),
            Case("y_string_line_separators", "\"\u{2028}\u{2029}\""), Case("y_string_no_break_space", "\"a\u{A0}b\""),
            Case("y_string_mark_inside", "\"\u{FEFF}\""), Case("y_string_like_a_comment", #""a/*b*/c//d""#),
            Case("y_string_like_a_structure", #""{}[],:""#), Case("y_string_with_space_only", #"" ""#),
        ]
        + (1...17).map { Case("y_string_of_\($0)_bytes", "\"" + String(repeating: "z", count: $0) + "\"") }

    static let refused: [Case] =
        [
            Case("n_array_without_comma", "[1 true]"), Case("n_array_colon_for_comma", #"["":1]"#),
            Case("n_array_comma_after_close", "[\"\"],"), Case("n_array_comma_and_number", "[,1]"),
            Case("n_array_double_comma", "[1,,2]"), Case("n_array_extra_comma", "[1,]"),
            Case("n_array_only_comma", "[,]"), Case("n_array_only_minus", "[-]"),
            Case("n_array_extra_close", "[\"x\"]]"),
            Case("n_array_unclosed", "[\"\""), Case("n_array_unclosed_after_comma", "[1,"),
            Case("n_array_unclosed_with_object", "[{}"), Case("n_array_closed_as_object", "[1}"),
            Case("n_array_inner_unclosed", "[[[]]"), Case("n_array_star", "[*]"),
            Case("n_array_asterisk_and_space", "[ * ]"),
            Case("n_array_spread", "[...]"), Case("n_array_form_feed", "[\u{0C}]"),
            Case("n_array_vertical_tab", "[\u{0B}1]"),
            Case("n_object_unquoted_key", "{a:1}"), Case("n_object_number_for_key", "{1:1}"),
            Case("n_object_single_quotes", "{'a':0}"), Case("n_object_trailing_comma", #"{"a":0,}"#),
            Case("n_object_trailing_commas", #"{"a":0,,}"#), Case("n_object_only_comma", "{,}"),
            Case("n_object_double_colon", #"{"a"::1}"#), Case("n_object_missing_colon", #"{"a" 1}"#),
            Case("n_object_missing_value", #"{"a":}"#), Case("n_object_missing_key", "{:1}"),
            Case("n_object_key_only", #"{"a"}"#), Case("n_object_comma_for_colon", #"{"a",1}"#),
            Case("n_object_closed_as_array", #"{"a":1]"#), Case("n_object_unclosed", #"{"a":1"#),
            Case("n_object_several_values", #"{"a":1 2}"#), Case("n_object_array_for_key", "{[]:1}"),
            Case("n_object_null_for_key", "{null:1}"), Case("n_object_semicolon", #"{"a":1;"b":2}"#),
            Case("n_object_comment_after", #"{"a":1}/**/"#), Case("n_object_comment_inside", #"{/**/"a":1}"#),
            Case("n_object_line_comment", "{\"a\":1}//"), Case("n_object_hash_comment", "{\"a\":1}#"),
            Case("n_object_key_with_bad_escape", #"{"\q":1}"#), Case("n_object_key_with_control", "{\"a\u{01}\":1}"),
            Case("n_object_mixed_key_of_two", #"{"a" "b":1}"#), Case("n_object_sorted_like_a_set", #"{"a","b"}"#),
            Case("n_number_leading_zero", "012"), Case("n_number_negative_leading_zero", "-012"),
            Case("n_number_double_zero", "00"), Case("n_number_plus", "+1"), Case("n_number_double_minus", "--1"),
            Case("n_number_minus_space", "- 1"), Case("n_number_minus_alone", "-"), Case("n_number_minus_letter", "-x"),
            Case("n_number_dot_first", ".5"), Case("n_number_minus_dot_first", "-.5"), Case("n_number_dot_last", "1."),
            Case("n_number_dot_then_exponent", "1.e3"), Case("n_number_two_dots", "1.2.3"),
            Case("n_number_exponent_alone", "e5"), Case("n_number_exponent_without_digits", "1e"),
            Case("n_number_exponent_plus_alone", "1e+"), Case("n_number_exponent_minus_alone", "1e-"),
            Case("n_number_exponent_two_signs", "1e+-2"), Case("n_number_exponent_with_fraction", "1e2.5"),
            Case("n_number_two_exponents", "1e2e3"), Case("n_number_hexadecimal", "0x42"),
            Case("n_number_octal", "0o7"),
            Case("n_number_underscore", "1_000"), Case("n_number_space_inside", "1 000"),
            Case("n_number_letter_after", "1a"),
            Case("n_number_infinity", "Infinity"), Case("n_number_negative_infinity", "-Infinity"),
            Case("n_number_short_infinity", "Inf"), Case("n_number_not_a_number", "NaN"),
            Case("n_number_negative_not_a_number", "-NaN"), Case("n_number_full_width_digit", "１"),
            Case("n_number_expression", "1+2"), Case("n_number_fraction_of_letters", "1.a"),
            Case("n_number_suffix", "1f"),
            Case("n_string_unclosed", "\""), Case("n_string_unclosed_with_text", "\"asd"),
            Case("n_string_single_quotes", "'a'"), Case("n_string_without_quotes", "abc"),
            Case("n_string_escape_x", #""\x00""#), Case("n_string_escape_unknown", #""\a""#),
            Case("n_string_escape_capital_u", #""\U0041""#), Case("n_string_escape_single_quote", #""\'""#),
            Case("n_string_escape_zero", #""\0""#), Case("n_string_escape_of_newline", "\"\\\n\""),
            Case("n_string_escape_of_emoji", "\"\\🌀\""), Case("n_string_escape_at_end", #""\"#),
            Case("n_string_escape_closes_nothing", #""\""#), Case("n_string_hex_too_short", #""\u00A""#),
            Case("n_string_hex_empty", #""\u""#), Case("n_string_hex_bad_digit", #""\u00G0""#),
            Case("n_string_hex_in_braces", #""\u{41}""#), Case("n_string_hex_with_sign", #""\u+041""#),
            Case("n_string_second_half_missing", #""\uD834\""#), Case("n_string_second_half_short", #""\uD834\uDd""#),
            Case("n_string_second_half_bad", #""\uD834\uDdZZ""#), Case("n_string_raw_newline", "\"a\nb\""),
            Case("n_string_raw_tab", "\"\t\""), Case("n_string_raw_return", "\"\r\""),
            Case("n_string_raw_null", "\"a\u{0}b\""),
            Case("n_string_raw_unit_separator", "\"\u{1F}\""), Case("n_string_text_after", #""a"x"#),
            Case("n_string_escape_outside", #"\u0022a\u0022"#), Case("n_string_backslash_alone", #"\"#),
            Case("n_structure_empty", ""), Case("n_structure_space_only", " "), Case("n_structure_newline_only", "\n"),
            Case("n_structure_close_unopened_array", "]"), Case("n_structure_close_unopened_object", "}"),
            Case("n_structure_open_array", "["), Case("n_structure_open_object", "{"),
            Case("n_structure_open_all", "[{\"a\":[{\"a\":"), Case("n_structure_two_values", "1 2"),
            Case("n_structure_two_objects", "{}{}"), Case("n_structure_object_then_array", "{}[]"),
            Case("n_structure_text_after", "[1]x"), Case("n_structure_null_byte_after", "[1]\u{0}"),
            Case("n_structure_null_byte", "\u{0}"), Case("n_structure_capital_true", "True"),
            Case("n_structure_capitals", "TRUE"), Case("n_structure_half_true", "tru"),
            Case("n_structure_true_and_more", "truee"), Case("n_structure_half_null", "nul"),
            Case("n_structure_undefined", "undefined"), Case("n_structure_angle_brackets", "<null>"),
            Case("n_structure_parentheses", "(1)"), Case("n_structure_lone_comma", ","),
            Case("n_structure_lone_colon", ":"),
            Case("n_structure_no_break_space", "[\u{A0}1]"), Case("n_structure_word_joiner", "[\u{2060}]"),
            Case("n_structure_line_separator", "[\u{2028}1]"), Case("n_structure_ideographic_space", "\u{3000}1"),
            Case("n_structure_comment_alone", "//"), Case("n_structure_double_array", "[][]"),
            Case("n_encoding_lone_continuation", bytes: [0x22, 0x80, 0x22]),
            Case("n_encoding_lead_alone", bytes: [0x22, 0xC3, 0x22]),
            Case("n_encoding_overlong_slash", bytes: [0x22, 0xC0, 0xAF, 0x22]),
            Case("n_encoding_overlong_of_three", bytes: [0x22, 0xE0, 0x80, 0xAF, 0x22]),
            Case("n_encoding_overlong_of_four", bytes: [0x22, 0xF0, 0x80, 0x80, 0xAF, 0x22]),
            Case("n_encoding_overlong_null", bytes: [0x22, 0xC0, 0x80, 0x22]),
            Case("n_encoding_surrogate", bytes: [0x22, 0xED, 0xA0, 0x80, 0x22]),
            Case("n_encoding_surrogate_pair", bytes: [0x22, 0xED, 0xA0, 0xBD, 0xED, 0xB8, 0x80, 0x22]),
            Case("n_encoding_beyond_unicode", bytes: [0x22, 0xF4, 0x90, 0x80, 0x80, 0x22]),
            Case("n_encoding_five_bytes", bytes: [0x22, 0xF8, 0x88, 0x80, 0x80, 0x80, 0x22]),
            Case("n_encoding_latin_1", bytes: [0x22, 0xE9, 0x22]),
            Case("n_encoding_cut_at_end", bytes: [0x22, 0xE2, 0x82]),
            Case("n_encoding_invalid_in_key", bytes: Array("{\"".utf8) + [0xFF] + Array("\":1}".utf8)),
            Case("n_encoding_outside_of_strings", bytes: [0x5B, 0xE9, 0x5D]),
            Case("n_encoding_utf_16_little", bytes: [0xFF, 0xFE, 0x5B, 0x00, 0x5D, 0x00]),
            Case("n_encoding_utf_16_big_unmarked", bytes: [0x00, 0x5B, 0x00, 0x5D]),
            Case("n_encoding_utf_16_little_unmarked", bytes: [0x5B, 0x00, 0x5D, 0x00]),
        ]
        + (UInt8(0)..<0x20).map {
            Case("n_string_raw_control_\($0)", bytes: Array("\"1234567".utf8) + [$0] + Array("\"".utf8))
        }

    /// With what we do.
    static let free: [(Case, Bool)] =
        [
            // Passed on as they were written: nothing here is computed with.
            (Case("i_number_huge_exponent", "0.4e00669999999999999999999999999999999999969999999006"), true),
            (Case("i_number_infinite_as_double", "1.5e+9999"), true),
            (Case("i_number_underflow", "123e-10000000"), true),
            (Case("i_number_beyond_64_bits", "100000000000000000000"), true),
            (Case("i_number_negative_beyond_64_bits", "-123123123123123123123123123123"), true),
            (Case("i_number_of_many_digits", String(repeating: "7", count: 1000)), true),
            (
                Case(
                    "i_object_many_equal_keys",
                    "{" + Array(repeating: "\"a\":1", count: 100).joined(separator: ",") + "}"), true
            ),
            // One half of a pair is no character: what it becomes differs from client to client.
            (Case("i_string_lone_first_half", #""\uDADA""#), false),
            (Case("i_string_lone_second_half", #""\uDD1E""#), false),
            (Case("i_string_first_half_twice", #""\uD800\uD800""#), false),
            (Case("i_string_halves_the_wrong_way", #""\uDd1e\uD834""#), false),
            (Case("i_string_first_half_and_text", #""\uD800abc""#), false),
            (Case("i_string_first_half_and_escape", #""\uD800\n""#), false),
            (Case("i_object_key_lone_half", #"{"\uDFAA":0}"#), false),
            (Case("i_structure_byte_order_mark", bytes: [0xEF, 0xBB, 0xBF, 0x7B, 0x7D]), false),
            (Case("i_structure_byte_order_mark_alone", bytes: [0xEF, 0xBB, 0xBF]), false),
            (Case("i_structure_64_arrays", nested("[", "]", 64)), true),
            (Case("i_structure_65_arrays", nested("[", "]", 65)), false),
            (Case("i_structure_64_objects", nested("{\"a\":", "0}", 64, end: "}")), true),
            (Case("i_structure_65_objects", nested("{\"a\":", "0}", 65, end: "}")), false),
            (Case("i_structure_100000_opening_arrays", String(repeating: "[", count: 100_000)), false),
            (Case("i_structure_50000_open_array_object", String(repeating: "[{\"\":", count: 50_000)), false),
        ]

    private static func nested(_ open: String, _ innermost: String, _ depth: Int, end: String = "]") -> String {
        String(repeating: open, count: depth) + innermost + String(repeating: end, count: depth - 1)
    }
}
