import Codecs
import Testing

@testable import Node

/// Several nodes together, without faults.
@Suite struct NetworkTests {
    @Test(arguments: [1, 2, 3, 5, 10, 20])
    func `everybody knows everybody and every activity reaches everybody once`(count: Int) {
        let wires = Wires.network(count)
        for node in wires.nodes { #expect(node.statistics.members == count) }
        let clients = (0..<count).map { wires.anonymous(at: $0) }
        for (number, client) in clients.enumerated() { wires.post("m\(number)", by: client) }
        for (number, client) in clients.enumerated() { wires.post("n\(number)", by: client) }
        wires.pass(milliseconds: 100)
        let expected = (0..<count).map { "m\($0)" } + (0..<count).map { "n\($0)" }
        for client in clients { #expect(wires.texts(client).sorted() == expected.sorted()) }
        let repairs = wires.nodes.reduce(0) { $0 + $1.statistics.repairs }
        #expect(repairs == 0)
    }

    @Test(arguments: [2, 3, 5, 10, 20])
    func `in the steady state a record crosses n-1 links and nothing comes twice`(count: Int) {
        let wires = Wires.network(count)
        // Announcements share the trees: two rounds of them, and the trees stand.
        wires.pass(milliseconds: 11_000)
        let clients = (0..<count).map { wires.anonymous(at: $0) }
        let before = wires.nodes.map(\.statistics)
        for round in 0..<10 {
            for client in clients { wires.post("\(round)", by: client) }
            wires.pass(milliseconds: 20)
        }
        let after = wires.nodes.map(\.statistics)
        let received = zip(before, after).reduce(0) { $0 + $1.1.recordsReceived - $1.0.recordsReceived }
        let duplicate = zip(before, after).reduce(0) { $0 + $1.1.recordsDuplicate - $1.0.recordsDuplicate }
        #expect(received == UInt64(10 * count * (count - 1)))
        #expect(duplicate == 0)
    }
}
