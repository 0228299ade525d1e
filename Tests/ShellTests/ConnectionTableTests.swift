import Reactor
import Testing

@testable import Server

@Suite struct ConnectionTableTests {
    @Test func `an entry belongs to one generation`() {
        var table = ConnectionTable(capacity: 8)
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

    @Test func `an address is kept until it is known who speaks`() {
        var table = ConnectionTable(capacity: 8)
        let ids = (0..<3).map { ConnectionID(slot: UInt32($0), generation: 1) }
        for id in ids { table.begin(id, as: .undetermined, address: .loopback(port: UInt16(id.slot))) }
        #expect(table.callers == 3)
        let taken = (table.takeAddress(of: ids[0]), table.takeAddress(of: ids[0]))
        #expect(taken == (.loopback(port: 0), nil))
        table.setRole(.client, of: ids[0])
        table.setRole(.link, of: ids[1])
        let ended = table.end(ids[2])
        #expect(ended == .undetermined && table.callers == 1 && table.count(.link) == 1)
        table.begin(ConnectionID(slot: 2, generation: 2), as: .dialling)
        let others = (1..<3).map { table.takeAddress(of: ConnectionID(slot: $0, generation: $0)) }
        #expect(others == [nil, nil] && table.callers == 1)
    }

    @Test func `a part of the table is kept for servers`() {
        for (capacity, callers, extras) in [(20_000, 19_680, 64), (1280, 960, 64), (16, 12, 1), (3, 3, 1), (1, 1, 1)] {
            let admission = Admission(capacity: capacity)
            #expect(admission.callersMax == callers && admission.extrasMax == extras, "\(capacity)")
        }
    }

    @Test func `who came first gives way, but not before it was read`() {
        var admission = Admission(capacity: 16)
        let ids = (0..<6).map { ConnectionID(slot: UInt32($0), generation: 1) }
        for id in ids.prefix(3) { admission.insert(id) }
        var turns = [admission.takeSurplus()]
        for id in ids.dropFirst(3) { admission.insert(id) }
        admission.remove(ids[1])
        turns.append(admission.takeSurplus())
        turns.append(admission.takeSurplus())
        turns.append(admission.takeSurplus())
        #expect(turns == [[], [ids[0], ids[2]], [ids[3], ids[4]], []])
        #expect(admission.contains(ids[5]) && !admission.contains(ids[0]))
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
