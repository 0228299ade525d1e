import Codecs
import Testing

@testable import Node

/// The network's secret is changed server by server, while the network goes on.
@Suite struct SecretChangeTests {
    private let old = Wires.secret
    private let new = Array("a new secret".utf8)

    private func change(_ node: Int, of wires: Wires, to secrets: [[UInt8]]) {
        wires.nodes[node].changeSecrets(secrets, at: wires.now)
        wires.settle()
    }

    private func byOtherSecret(_ wires: Wires) -> [Int] { wires.nodes.map(\.statistics.linksByOtherSecret) }

    @Test func `in three rounds nobody is ever apart, and the former secret is worth nothing`() {
        let wires = Wires.network(3)
        let clients = (0..<3).map { wires.anonymous(at: $0) }
        var posted: [String] = []
        for secrets in [[old, new], [new, old], [new]] {
            for node in 0..<3 {
                change(node, of: wires, to: secrets)
                posted.append("\(posted.count)")
                wires.post(posted[posted.count - 1], by: clients[node])
                wires.pass(milliseconds: 100)
                for client in clients { #expect(wires.texts(client) == posted) }
                #expect(wires.nodes.map(\.statistics.members) == [3, 3, 3])
                if secrets == [new, old], node < 2 {
                    #expect(byOtherSecret(wires).contains { $0 > 0 }, "not all servers have changed")
                }
            }
            wires.pass(milliseconds: 10_000)
            #expect(byOtherSecret(wires) == [0, 0, 0])
        }
        #expect(wires.reports.joined().allSatisfy { if case .linkRefused = $0 { false } else { true } })
        // The links themselves are others: who had the old secret when they were made has no more of them.
        #expect(wires.nodes.allSatisfy { node in node.linkStatuses.allSatisfy(\.isBySecret) })
        let late = wires.add(bootstrap: 0, secret: old)
        #expect(wires.reports[late].contains { if case .joinRefused(_, .wrongSecret, _) = $0 { true } else { false } })
        #expect(wires.nodes[wires.add(bootstrap: 0, secret: new)].statistics.members == 4)
    }

    @Test func `a server that changes before its neighbours take it keeps its links until they do`() {
        let wires = Wires.network(2)
        let clients = (0..<2).map { wires.anonymous(at: $0) }
        change(1, of: wires, to: [new, old])
        wires.pass(milliseconds: 20_000)
        wires.post("x", by: clients[0])
        wires.post("y", by: clients[1])
        for client in clients { #expect(wires.texts(client) == ["x", "y"]) }
        #expect(byOtherSecret(wires)[1] == 1)
        change(0, of: wires, to: [new, old])
        wires.pass(milliseconds: 20_000)
        #expect(byOtherSecret(wires) == [0, 0])
    }

    @Test func `a secret that is dropped ends the links that were proved by it`() {
        let wires = Wires.network(2)
        change(0, of: wires, to: [new])
        #expect(wires.neighbours(of: 0) == [])
        wires.pass(milliseconds: 10_000)
        #expect(wires.neighbours(of: 0) == [])
        change(1, of: wires, to: [new])
        wires.pass(milliseconds: 10_000)
        #expect(wires.neighbours(of: 0) == [1])
    }

    @Test func `a proof by either secret is taken, and counted by the other`() {
        let wires = Wires()
        wires.add { $0.secrets = [self.new, self.old] }
        wires.add(bootstrap: 0, secret: old)
        #expect(wires.nodes.map(\.statistics.members) == [2, 2])
        #expect(wires.nodes[0].statistics.proofsByOtherSecret == 1)
        #expect(byOtherSecret(wires) == [1, 0])
        wires.add(bootstrap: 0, secret: new)
        #expect(wires.nodes[0].statistics.proofsByOtherSecret == 1)
    }

    /// The answer that the dialler waits for is by a secret that it has given up meanwhile.
    @Test func `a change in the middle of a handshake`() throws {
        let nonce = [UInt8](repeating: 7, count: 32)
        var (dialler, hello) = Handshake.dialling(nonce: nonce)
        var acceptor = Handshake.accepting()
        var frame = hello
        for isDialler in [false, true, false] {
            let result =
                isDialler
                ? dialler.handle(frame, nonce: [], secrets: [old, new], cryptography: Desk.cryptography)
                : acceptor.handle(frame, nonce: nonce, secrets: [new, old], cryptography: Desk.cryptography)
            switch result {
            case .send(let next), .proven(let next?): frame = next
            default: Issue.record("\(result)")
            }
        }
        #expect(acceptor.secret == 1)
        // Before the proof a change does not matter: it is made by the first secret of that moment.
        var early = Handshake.dialling(nonce: nonce).0
        early.secret = 1
        _ = early.handle(
            .challenge(version: 1, nonce: nonce), nonce: [], secrets: [new, old], cryptography: Desk.cryptography)
        #expect(early.secret == 0)
        dialler.secret = nil
        let result = dialler.handle(frame, nonce: [], secrets: [new], cryptography: Desk.cryptography)
        guard case .refuse(.wrongSecret, .wrongSecret, _) = result else {
            Issue.record("\(result)")
            return
        }
    }
}
