/// Which name was meant.

import Testing

@testable import Configuration

@Suite struct SpellingTests {
    @Test(arguments: [
        ("", "", 0), ("", "ab", 2), ("port", "port", 0), ("port", "prot", 1), ("bind", "bnid", 1), ("bind", "bid", 1),
        ("bind", "bindd", 1), ("bind", "bend", 1), ("abc", "cab", 2), ("kitten", "sitting", 3),
    ])
    func `edits are counted, an exchange of neighbours once`(one: String, other: String, edits: Int) {
        #expect(Spelling.distance(one, other) == edits)
        #expect(Spelling.distance(other, one) == edits)
    }

    @Test func `what is too far is nobody's slip`() {
        let names = ["port", "bind", "max-store-mb"]
        #expect(Spelling.nearest("bnid", among: names) == "bind")
        #expect(Spelling.nearest("maxstore-mb", among: names) == "max-store-mb")
        #expect(Spelling.nearest("zzzz", among: names) == nil)
        #expect(Spelling.nearest("x", among: []) == nil)
    }
}
