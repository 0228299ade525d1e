import Reactor
import Testing

@testable import Server

@Suite struct ConnectionTableTests {
    @Test func `an entry belongs to one generation`() {
        var table = ConnectionTable()
        let first = ConnectionID(slot: 3, generation: 1)
        let second = ConnectionID(slot: 3, generation: 2)
        table.begin(first, as: .client)
        table.insert(.paused, of: first)
        #expect(table.role(of: first) == .client && table.flags(of: first) == .paused)
        #expect(table.role(of: second) == .none && table.flags(of: second) == [])
        let ended = [table.end(first), table.end(first)]
        #expect(ended == [.client, .none], "forgotten once")
        table.begin(second, as: .link)
        table.insert(.held, of: first)
        #expect(table.flags(of: second) == [], "a stale name changes nothing")
        #expect(table.connections(.link) == [second] && table.connections(.client) == [])
    }

    @Test func `a JSON document nests and escapes`() {
        var inner = JSONObject()
        inner.set("a\"b", 1)
        var outer = JSONObject()
        outer.set("text", "line\n")
        outer.set("yes", true)
        outer.set("inner", inner)
        outer.set("list", [inner, JSONObject()])
        let text = String(decoding: outer.finished, as: UTF8.self)
        #expect(text == #"{"text":"line\n","yes":true,"inner":{"a\"b":1},"list":[{"a\"b":1},{}]}"#)
    }
}
