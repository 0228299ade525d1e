import Codecs
import Testing

@testable import Node

/// One name, one user, in the whole network.
@Suite struct RegistrationTests {
    private func digests(_ wires: Wires) -> Set<RegistryDigest> {
        Set(wires.living.map { wires.nodes[$0].statistics.registryDigest })
    }

    // MARK: At the same moment

    @Test(arguments: 2...5, 0..<40 as Range<UInt64>)
    func `whatever overtakes what, one of all that register a name gets it`(count: Int, seed: UInt64) {
        let wires = Wires.network(count)
        var generator = SplitMix64(seed: seed)
        let ways = wires.nodes.indices.flatMap { from in wires.nodes.indices.map { [from, $0] } }
        for way in ways { wires.hold(way[0], way[1]) }
        let clients = wires.nodes.indices.map { wires.register("ada", at: $0) }
        while let piece = wires.waiting.randomElement(using: &generator) { wires.deliverOne(piece.from, piece.to) }
        for way in ways { wires.release(way[0], way[1]) }
        wires.pass(milliseconds: 1000)
        let answers = clients.map { wires.commands($0) }
        #expect(answers.count { $0 == ["REGISTER_SUCCESS"] } == 1)
        #expect(answers.count { $0 == ["REGISTER_FAILED"] } == count - 1)
        #expect(digests(wires).count == 1)
        #expect(wires.nodes.allSatisfy { $0.statistics.claims == 1 && $0.statistics.claimConflicts == 0 })
    }

    @Test func `who registers the same name twice is told so by the same server`() {
        let wires = Wires.network(1)
        let first = wires.register("ada", at: 0)
        let second = wires.register("ada", secret: "other", at: 0)
        #expect(wires.commands(first) == ["REGISTER_SUCCESS"])
        #expect(wires.clients[second].isFinished == .registerFailed)
    }

    @Test func `a client that goes away while arbiters are asked leaves the name to others`() {
        let wires = Wires.network(3)
        for to in 1...2 { wires.hold(0, to) }
        let gone = wires.register("ada", at: 0)
        wires.drop(gone)
        for to in 1...2 { wires.release(0, to) }
        wires.pass(milliseconds: 50)
        let next = wires.register("ada", at: 1)
        wires.pass(milliseconds: 50)
        #expect(wires.commands(next) == ["REGISTER_SUCCESS"])
    }

    // MARK: Servers that are away

    @Test(arguments: 0..<4)
    func `if an arbiter is down the next one is asked`(dead: Int) {
        let wires = Wires.network(5)
        wires.kill(dead)
        let client = wires.register("ada", at: 4)
        wires.pass(milliseconds: 4000)
        #expect(wires.commands(client) == ["REGISTER_SUCCESS"])
        #expect(digests(wires).count == 1)
    }

    @Test func `a server that nobody is linked to registers alone`() {
        let wires = Wires.network(2)
        wires.cut = [[0, 1]]
        wires.breakWires(between: 0, and: 1)
        let client = wires.register("ada", at: 0)
        wires.pass(milliseconds: 6000)
        #expect(wires.commands(client) == ["REGISTER_SUCCESS"])
    }

    @Test func `a user can log in elsewhere before the record has come there`() throws {
        let wires = Wires.network(3)
        wires.pass(milliseconds: 11_000)
        let names = (0..<20).map { "user\($0)" }
        // The name's arbiters must be the second server and then the first.
        let name = try #require(
            names.first { name in
                wires.nodes[2].arbiters(of: Array(name.utf8))
                    == [wires.nodes[1].id, wires.nodes[0].id, wires.nodes[2].id]
            })
        wires.hold(0, 2)
        wires.drop(wires.register(name, at: 0))
        #expect(wires.nodes[2].statistics.claims == 0)
        let client = wires.login(name, at: 2)
        #expect(wires.commands(client) == ["LOGIN_SUCCESS"])
        let wrong = wires.login(name, secret: "x", at: 2)
        #expect(wires.commands(wrong) == ["LOGIN_FAILED"])
    }

    @Test func `without a second holder the client is told after the wait, and that is counted`() {
        let wires = Wires.network(2)
        let client = wires.register("ada", at: 0)
        wires.hold(1, 0)
        wires.pass(milliseconds: 2900)
        #expect(wires.commands(client).isEmpty)
        wires.pass(milliseconds: 200)
        #expect(wires.commands(client) == ["REGISTER_SUCCESS"])
        #expect(wires.nodes[0].statistics.claimsUnconfirmed == 1)
    }

    // MARK: Two networks become one

    /// Two networks, of servers 0 and 1 and of 2 and 3, that have not met.
    private func apart() -> Wires {
        let wires = Wires()
        wires.cut = [[0, 2], [0, 3], [1, 2], [1, 3]]
        wires.add()
        wires.add(bootstrap: 0)
        wires.add(bootstrap: 0)
        wires.add(bootstrap: 2)
        wires.pass(milliseconds: 500)
        return wires
    }

    @Test(arguments: [(0, 2), (2, 0), (1, 3), (3, 1)])
    func `the older claim wins everywhere and the loser's sessions are told and closed`(winner: Int, loser: Int) {
        let wires = apart()
        wires.drop(wires.register("ada", secret: "first", at: winner))
        wires.pass(milliseconds: 50)
        wires.drop(wires.register("ada", secret: "second", at: loser))
        wires.pass(milliseconds: 50)
        let first = wires.login("ada", secret: "first", at: winner)
        let second = wires.login("ada", secret: "second", at: loser)
        #expect(wires.commands(first) + wires.commands(second) == ["LOGIN_SUCCESS", "LOGIN_SUCCESS"])

        wires.cut = []
        wires.pass(milliseconds: 12_000)
        #expect(wires.nodes.allSatisfy { $0.statistics.members == 4 && $0.statistics.claims == 1 })
        #expect(digests(wires).count == 1)
        #expect(wires.commands(second) == ["LOGIN_SUCCESS", "AUTHENTICATION_FAIL"])
        #expect(wires.clients[second].isFinished == .claimLost)
        #expect(wires.clients[first].isFinished == nil)
        for node in 0..<4 {
            #expect(wires.commands(wires.login("ada", secret: "second", at: node)) == ["LOGIN_FAILED"])
        }
        #expect(wires.nodes[winner].statistics.claimConflicts + wires.nodes[loser].statistics.claimConflicts > 0)
    }

    @Test func `users of both networks can log in everywhere`() {
        let wires = apart()
        wires.drop(wires.register("ada", at: 1))
        wires.drop(wires.register("bob", at: 3))
        wires.pass(milliseconds: 50)
        wires.cut = []
        wires.pass(milliseconds: 12_000)
        for name in ["ada", "bob"] {
            for node in 0..<4 {
                let client = wires.login(name, at: node)
                #expect(wires.commands(client) == ["LOGIN_SUCCESS"])
                wires.drop(client)
            }
        }
    }

    // MARK: A claim that loses while a job is under way

    /// A desk with a link, on which ada is registered with a late stamp, and the claim that beats hers.
    private func beaten() -> (desk: Desk, link: LinkID, rival: PeerFrame) {
        let desk = Desk()
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        desk.say(.claims([Peers.claim("ada", stamp: 1_700_000_000_000)]), over: link)
        return (desk, link, .claims([Peers.claim("ada", stamp: 1, of: 2)]))
    }

    private let login = #"{"command":"LOGIN","username":"ada","secret":"s"}"# + "\n"

    @Test func `a login under way by a claim that loses fails`() {
        let (desk, link, rival) = beaten()
        let client = desk.connect()
        desk.say(login, by: client)
        desk.say(rival, over: link)
        desk.hash()
        #expect(desk.finished[client] == .loginFailed)
        #expect(desk.node.statistics.sessions == 0)
    }

    @Test func `a session that is closed while it logs in again stays closed`() {
        let (desk, link, rival) = beaten()
        let client = desk.connect()
        desk.say(login, by: client)
        desk.hash()
        desk.say(.claims([Peers.claim("bob", stamp: 1)]), over: link)
        desk.say(login.replacing("ada", with: "bob"), by: client)
        desk.say(rival, over: link)
        #expect(desk.finished[client] == .claimLost)
        desk.hash()
        #expect(desk.replies[client]?.count == 2)
        #expect(desk.node.statistics.sessions == 0)
        #expect(desk.node.jobs.isEmpty)
    }

    @Test func `a registration whose claim loses before it is confirmed fails`() {
        let desk = Desk()
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        let client = desk.connect()
        desk.say(#"{"command":"REGISTER","username":"ada","secret":"s"}"# + "\n", by: client)
        desk.hash()
        // The other server does not answer; alone it is decided, and nobody else holds the claim.
        desk.pass(milliseconds: 1600)
        #expect(desk.node.statistics.claims == 1)
        #expect(desk.replies[client] == nil)
        desk.say(.claims([Peers.claim("ada", stamp: 1, of: 2)]), over: link)
        desk.pass(milliseconds: 3000)
        #expect(desk.finished[client] == .registerFailed)
    }
}
