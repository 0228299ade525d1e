import Testing

@testable import pandoctl

@Suite struct TreeTests {
    @Test(arguments: [
        #"{"a":[1,-2.5e3,"x\u00e9\"\\",true,false,null,[],{}],"b":{"c":[[1],[2,3]]},"":0}"#, "[]", "{}", #""""#, "0",
        "[[[[]]]]", #"[",",":","]","}"]"#, "123456789012345678901234567890",
    ])
    func `what was written is written again`(text: String) throws {
        let tree = try JSONTree(Array(text.utf8))
        let again = try JSONTree(Array(tree.text.utf8))
        #expect(again == tree)
        #expect(tree.text == text.replacing(#"\u00e9"#, with: "é"))
    }

    @Test func `white space is none of it`() throws {
        let tree = try JSONTree(Array("\n { \"a\" : [ 1 ,\t2 , { } ] , \"b\":\r\n3 } ".utf8))
        #expect(tree == ["a": [1, 2, [:]], "b": 3])
    }

    @Test(arguments: ["", "{", "[1,]", "{\"a\"}", "nul", "[1] 2", "\u{FEFF}{}"])
    func `what is no JSON is refused`(text: String) {
        #expect(throws: (any Error).self) { try JSONTree(Array(text.utf8)) }
    }

    @Test func `what is missing or of another kind is nothing`() {
        let tree: JSONTree = ["a": "x", "b": 1]
        #expect(tree["a"]?.integer == nil && tree["b"]?.string == nil && tree["c"] == nil && tree["a"]?["b"] == nil)
        #expect(tree["a"]?.elements == [])
        let report = Report([:])
        #expect(report.members.isEmpty && report.process == nil && !report.isReady)
        #expect(Check(report).severity == .critical)
    }

    @Test func `a long list takes no time to speak of`() throws {
        let one = #"{"connection":"0.1","role":"client","address":"127.0.0.1"}"#
        let text = "[" + Array(repeating: one, count: 50_000).joined(separator: ",") + "]"
        #expect(try JSONTree(Array(text.utf8)).elements.count == 50_000)
    }

    // MARK: Endpoints

    @Test(arguments: [
        ("3790", "http://127.0.0.1:3790/"), ("red:1", "http://red:1/"), ("http://red:1/", "http://red:1/"),
        ("https://red.example.org:3790", "https://red.example.org:3790/"), ("[::1]:2", "http://[::1]:2/"),
        ("https://[fe80::1]:65535/", "https://[fe80::1]:65535/"), ("10.0.0.1:3790", "http://10.0.0.1:3790/"),
    ])
    func `an endpoint is a port, or a host and a port`(text: String, url: String) {
        #expect(Endpoint(text)?.url == url)
    }

    @Test(arguments: [
        "", "x", "0", "65536", "+1", "red", "red:", ":1", "red:0", "::1:2", "ftp://red:1", "red:1/status", "a b:1",
        "user@red:1", "red\r\nX:1", "http://", "red:+1", "[]:1",
    ])
    func `anything else is none`(text: String) { #expect(Endpoint(text) == nil) }
}
