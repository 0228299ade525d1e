import Codecs
import Testing

@testable import Node

/// What outlives a server, and what it is worth at its next start.
@Suite struct StoringTests {
    private func keeping(_ configuration: inout NodeConfiguration) { configuration.keepsState = true }

    /// Servers that keep their state, all told of the first.
    private func network(_ count: Int) -> Wires {
        let wires = Wires()
        for index in 0..<count { wires.add(bootstrap: index == 0 ? nil : 0, change: keeping) }
        wires.pass(milliseconds: 6000)
        return wires
    }

    private func registered(_ wires: Wires, _ name: String, at node: Int) -> Bool {
        let client = wires.register(name, at: node)
        wires.pass(milliseconds: 100)
        return wires.commands(client) == ["REGISTER_SUCCESS"]
    }

    // MARK: Registrations wait for the disk

    @Test func `a registration is answered when it is on the disk`() {
        let wires = network(1)
        wires.slowDisks = [0]
        let client = wires.register("ada", at: 0)
        #expect(wires.commands(client) == [])
        wires.pass(milliseconds: 5000)
        #expect(wires.commands(client) == [])
        wires.nodes[0].stored(failure: nil, at: wires.now)
        wires.settle()
        #expect(wires.commands(client) == ["REGISTER_SUCCESS"])
    }

    @Test func `what comes while one batch is written goes with the next`() {
        let wires = network(1)
        var batches: [Int] = []
        wires.watch = { _, output in if case .store(let rows) = output { batches.append(rows.count) } }
        wires.slowDisks = [0]
        let clients = (0..<10).map { wires.register("user\($0)", at: 0) }
        #expect(batches.count == 1)
        wires.slowDisks = []
        wires.nodes[0].stored(failure: nil, at: wires.now)
        wires.settle()
        #expect(batches.count == 2)
        #expect(clients.allSatisfy { wires.commands($0) == ["REGISTER_SUCCESS"] })
    }

    @Test func `a full disk stops nobody and is told once`() {
        let wires = network(2)
        wires.fullDisks = [0]
        #expect(registered(wires, "ada", at: 0))
        #expect(registered(wires, "ben", at: 0))
        #expect(wires.reports[0].count { $0 == .storeFailed("no space") } == 1)
        #expect(wires.nodes[0].statistics.stateWritesFailed > 0)
        #expect(wires.nodes[0].statistics.registrationsUnstored > 0)
        wires.fullDisks = []
        wires.pass(milliseconds: 6000)
        #expect(wires.reports[0].contains(.storeRecovered))
        #expect(wires.nodes[0].statistics.stateRowsPending == 0)
        wires.kill(0)
        wires.kill(1)
        wires.restart(0, change: keeping)
        #expect(wires.nodes[0].statistics.claims == 2)
    }

    @Test func `a disk that does not answer is waited for only so long`() {
        let wires = network(1)
        wires.slowDisks = [0]
        let client = wires.register("ada", at: 0)
        wires.pass(milliseconds: 14_000)
        #expect(wires.commands(client) == ["REGISTER_SUCCESS"])
        #expect(wires.reports[0].contains { if case .storeFailed = $0 { true } else { false } })
    }

    // MARK: Restarts

    @Test func `users survive the restart of the whole network`() {
        let wires = network(3)
        for index in 0..<9 { #expect(registered(wires, "user\(index)", at: index % 3)) }
        let digest = wires.nodes[0].statistics.registryDigest
        for node in 0..<3 { wires.kill(node) }
        for node in 0..<3 { wires.restart(node, bootstrap: node == 0 ? nil : 0, change: keeping) }
        wires.pass(milliseconds: 6000)
        #expect(wires.nodes.allSatisfy { $0.statistics.claims == 9 && $0.statistics.registryDigest == digest })
        let login = wires.login("user4", at: 2)
        wires.pass(milliseconds: 100)
        #expect(wires.commands(login).first == "LOGIN_SUCCESS")
    }

    @Test func `claims that lost are known as such after a restart`() {
        let wires = network(2)
        wires.cut = [[0, 1]]
        wires.breakWires(between: 0, and: 1)
        wires.pass(milliseconds: 20_000)
        #expect(wires.commands(wires.register("ada", secret: "first", at: 0)) == ["REGISTER_SUCCESS"])
        wires.pass(milliseconds: 5000)
        #expect(wires.commands(wires.register("ada", secret: "second", at: 1)) == ["REGISTER_SUCCESS"])
        wires.cut = []
        wires.pass(milliseconds: 20_000)
        for node in 0..<2 { wires.kill(node) }
        wires.restart(1, change: keeping)
        let loser = wires.login("ada", secret: "second", at: 1)
        #expect(wires.clients[loser].lines.contains { $0.contains("registered earlier in another part") })
        #expect(wires.commands(wires.login("ada", secret: "first", at: 1)).first == "LOGIN_SUCCESS")
        #expect(wires.nodes[1].statistics.claimConflicts == 0)
    }

    @Test func `tombstones are restored`() {
        let wires = network(3)
        let gone = wires.nodes[2].id
        #expect(registered(wires, "ada", at: 2))
        wires.nodes[2].shutdown(at: wires.now)
        wires.settle()
        wires.pass(milliseconds: 3000)
        wires.kill(2)
        wires.pass(milliseconds: 30_000)
        #expect(wires.nodes[0].tombstones[gone] != nil)
        wires.kill(0)
        wires.restart(0, bootstrap: 1, change: keeping)
        #expect(wires.nodes[0].tombstones[gone] != nil)
    }

    @Test func `a server finds its network though its first neighbour is gone`() {
        let wires = network(3)
        wires.kill(2)
        wires.kill(0)
        wires.restart(2, bootstrap: 0, change: keeping)
        wires.pass(milliseconds: 3000)
        #expect(wires.neighbours(of: 2) == [1])
    }

    @Test func `the first server finds the others again though it was told of nobody`() {
        let wires = network(3)
        wires.kill(0)
        wires.restart(0, change: keeping)
        wires.pass(milliseconds: 3000)
        #expect(wires.nodes[0].statistics.members == 3)
    }

    @Test func `a server whose acquaintances are all gone serves alone at once`() {
        let wires = network(2)
        wires.kill(0)
        wires.kill(1)
        wires.restart(1, bootstrap: 0, change: keeping)
        #expect(wires.nodes[1].statistics.isServing)
    }

    @Test func `rows that no server wrote are refused`() {
        let wires = network(1)
        #expect(throws: FrameFault.self) { try wires.nodes[0].restore([StoredRow(kind: 99, key: [], value: [])]) }
        #expect(throws: FrameFault.self) { try wires.nodes[0].restore([StoredRow(kind: 1, key: [], value: [1, 2])]) }
    }

    // MARK: Bounds

    @Test func `beyond the bound the whole registry is told again`() {
        var storing = Storing(isOn: true)
        for place in 0...Storing.pendingMax { storing.note(place) }
        #expect(storing.pendingCount == 0)
        var told: [Int] = []
        while !storing.isIdle {
            told += storing.begin(claims: 10_000, through: 0, at: Instant(nanoseconds: 0)).places
            storing.succeed()
        }
        #expect(told == Array(0..<10_000))
    }
}
