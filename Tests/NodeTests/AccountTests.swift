import Codecs
import Testing

@testable import Node

/// What operators do to users, in the whole network.
@Suite struct AccountTests {
    private func network(_ count: Int) -> Wires {
        let wires = Wires.network(count)
        wires.pass(milliseconds: 6000)
        return wires
    }

    private func isEqual(_ wires: Wires) -> Bool {
        Set(wires.living.map { wires.nodes[$0].statistics.registryDigest }).count == 1
            && wires.living.allSatisfy { wires.nodes[$0].brokenInvariants().isEmpty }
    }

    @Test func `an operator adds a user, who logs in anywhere`() {
        let wires = network(3)
        wires.change(.add, "ada", secret: "s", at: 1)
        wires.pass(milliseconds: 100)
        #expect(wires.answers == [.done])
        let client = wires.login("ada", secret: "s", at: 2)
        wires.pass(milliseconds: 100)
        #expect(wires.commands(client).first == "LOGIN_SUCCESS")
        wires.change(.add, "ada", secret: "t", at: 0)
        #expect(wires.answers.last == .alreadyRegistered)
        #expect(isEqual(wires))
    }

    @Test(arguments: AccountChange.Action.allCases.filter { $0 != .add })
    func `sessions are closed everywhere`(action: AccountChange.Action) {
        let wires = network(3)
        _ = wires.register("ada", secret: "old", at: 0)
        wires.pass(milliseconds: 100)
        let clients = (0..<3).map { wires.login("ada", secret: "old", at: $0) }
        wires.pass(milliseconds: 100)
        wires.change(action, "ada", secret: action.needsSecret ? "new" : "", at: 1)
        wires.pass(milliseconds: 100)
        #expect(wires.answers == [.done])
        let reason: SessionCloseReason = action == .remove ? .userRemoved : .kicked
        #expect(clients.allSatisfy { wires.clients[$0].isFinished == reason })
        let (old, new) = (wires.login("ada", secret: "old", at: 2), wires.login("ada", secret: "new", at: 0))
        wires.pass(milliseconds: 100)
        #expect((wires.commands(old).first == "LOGIN_SUCCESS") == (action == .kick))
        #expect((wires.commands(new).first == "LOGIN_SUCCESS") == (action == .setSecret))
        #expect(isEqual(wires))
    }

    @Test func `a removed name is free again, and the new user stays`() {
        let wires = network(3)
        _ = wires.register("ada", secret: "old", at: 0)
        wires.pass(milliseconds: 100)
        wires.change(.remove, "ada", at: 1)
        wires.pass(milliseconds: 100)
        #expect(wires.nodes.allSatisfy { $0.statistics.claims == 0 })
        let again = wires.register("ada", secret: "new", at: 2)
        wires.pass(milliseconds: 100)
        #expect(wires.commands(again) == ["REGISTER_SUCCESS"])
        #expect(wires.nodes.allSatisfy { $0.statistics.claims == 1 })
        let client = wires.login("ada", secret: "new", at: 0)
        wires.pass(milliseconds: 100)
        #expect(wires.commands(client).first == "LOGIN_SUCCESS")
        #expect(isEqual(wires))
    }

    @Test func `who was away hears of it`() {
        let wires = network(3)
        for name in ["ada", "ben", "cem"] { _ = wires.register(name, secret: "old", at: 0) }
        wires.pass(milliseconds: 100)
        wires.cut = [[0, 2], [1, 2]]
        wires.breakWires(between: 0, and: 2)
        wires.breakWires(between: 1, and: 2)
        wires.pass(milliseconds: 20_000)
        wires.change(.remove, "ada", at: 0)
        wires.change(.setSecret, "ben", secret: "new", at: 1)
        wires.change(.kick, "cem", at: 0)
        wires.pass(milliseconds: 5000)
        wires.cut = []
        wires.pass(milliseconds: 30_000)
        #expect(isEqual(wires))
        #expect(wires.nodes[2].statistics.claims == 2)
        let client = wires.login("ben", secret: "new", at: 2)
        wires.pass(milliseconds: 100)
        #expect(wires.commands(client).first == "LOGIN_SUCCESS")
    }

    @Test func `a joiner gets it as state`() {
        let wires = network(2)
        for name in ["ada", "ben"] { _ = wires.register(name, secret: "old", at: 0) }
        wires.pass(milliseconds: 100)
        wires.change(.remove, "ada", at: 0)
        wires.change(.setSecret, "ben", secret: "new", at: 0)
        wires.pass(milliseconds: 100)
        wires.add(bootstrap: 1)
        wires.pass(milliseconds: 6000)
        #expect(isEqual(wires))
    }

    @Test func `it survives the restart of the whole network`() {
        let wires = Wires()
        let keeps: (inout NodeConfiguration) -> Void = { $0.keepsState = true }
        for index in 0..<2 { wires.add(bootstrap: index == 0 ? nil : 0, change: keeps) }
        for name in ["ada", "ben"] { _ = wires.register(name, secret: "old", at: 0) }
        wires.pass(milliseconds: 100)
        wires.change(.remove, "ada", at: 0)
        wires.change(.setSecret, "ben", secret: "new", at: 0)
        wires.pass(milliseconds: 100)
        #expect(wires.answers == [.done, .done])
        for node in 0..<2 { wires.kill(node) }
        for node in 0..<2 { wires.restart(node, bootstrap: node == 0 ? nil : 0, change: keeps) }
        #expect(wires.commands(wires.login("ada", secret: "old", at: 1)) == ["LOGIN_FAILED"])
        #expect(wires.commands(wires.login("ben", secret: "new", at: 1)).first == "LOGIN_SUCCESS")
        #expect(isEqual(wires))
    }

    @Test func `what cannot be done is refused`() {
        let wires = network(1)
        wires.change(.kick, "nobody", at: 0)
        wires.change(.add, "", secret: "s", at: 0)
        wires.change(.add, "ada", at: 0)
        wires.change(.add, "anonymous", secret: "s", at: 0)
        #expect(wires.answers == [.unknownUser, .invalid, .invalid, .invalid])
    }

    // MARK: The registry

    /// All orders of what can be known of a name come to the same end.
    @Test(arguments: 0..<200 as Range<UInt64>)
    func `accounts are merged in any order`(seed: UInt64) {
        var generator = SplitMix64(seed: seed)
        func id(_ stamp: UInt64, _ counter: UInt32 = 0) -> ClaimID {
            ClaimID(stamp: stamp, origin: ServerID(startStamp: 1, random: 2), counter: counter)
        }
        func claim(_ stamp: UInt64, secret: UInt8) -> Claim {
            Claim(id: id(stamp), name: [65], salt: [], cost: 1, digest: [secret])
        }
        var accounts = [
            Account(claim(10, secret: 1)), Account(claim(5, secret: 2)),
            Account(name: [65], claim: claim(5, secret: 3), revision: id(7)),
            Account(name: [65], claim: claim(5, secret: 4), revision: id(8)),
        ]
        if seed % 2 == 0 { accounts.append(Account(name: [65], removed: id(20))) }
        if seed % 3 == 0 { accounts += [Account(name: [65], removed: id(6)), Account(claim(21, secret: 5))] }
        func merged(_ accounts: [Account]) -> RegistryDigest {
            var registry = Registry(limit: 10, losersLimit: 10)
            for account in accounts {
                if let removed = account.removed { _ = registry.remove(account.name, through: removed) }
                if let claim = account.claim { _ = registry.merge(claim, revision: account.revision) }
            }
            #expect(registry.hasRightDigest)
            return registry.digest
        }
        #expect(merged(accounts) == merged(accounts.shuffled(using: &generator)))
    }
}
