import Codecs
import Testing

@testable import Node

/// Sessions that are moved while they live: nothing lost, nothing twice, order kept, by a client that only follows a
/// REDIRECT.
@Suite struct MovingTests {
    /// Named users of two servers, and one more that is logged in at the first.
    private func world(_ count: Int = 2) -> (wires: Wires, ada: Int) {
        let wires = Wires.network(count)
        _ = wires.register("ada", at: 0)
        return (wires, wires.login("ada", at: 0))
    }

    private func slot(of client: Int, in wires: Wires) -> Int { Int(wires.clients[client].id.slot) }

    private func move(_ client: Int, to target: Int, _ cause: Unicast.TicketCause = .drain, in wires: Wires) {
        let (node, slot) = (wires.clients[client].node, slot(of: client, in: wires))
        let holder = wires.nodes[node].ticketHolder(slot)
        wires.nodes[node].move([slot], holder, to: wires.nodes[target].id, cause)
        wires.settle()
    }

    /// What a real client does with a REDIRECT: it leaves, connects there and logs in as before.
    private func follow(_ client: Int, as name: String, in wires: Wires) -> Int? {
        guard let line = wires.clients[client].lines.last(where: { $0.contains("REDIRECT") }),
            let target = wires.nodes.indices.first(where: { line.contains("\"node\($0)\"") })
        else { return nil }
        return wires.login(name, at: target)
    }

    @Test func `a session is moved with its ticket, its floor, its verifier and its last words, and nothing else`()
        throws
    {
        let (wires, ada) = world()
        wires.post("1", as: "ada", by: ada)
        var said: [String] = []
        var hashes = 0
        wires.watchUnicasts { said.append($0) }
        move(ada, to: 1, in: wires)
        #expect(said == ["request ticket", "ticket 1", "hand over", "noted true"])
        #expect(wires.commands(ada) == ["LOGIN_SUCCESS", "ACTIVITY_BROADCAST", "REDIRECT"])
        #expect(wires.clients[ada].isFinished == .redirected)
        #expect(wires.nodes.map(\.load) == [0, 1])
        wires.post("2", as: "ada", by: ada)
        wires.watch = { _, output in if case .hash = output { hashes += 1 } }
        let there = try #require(follow(ada, as: "ada", in: wires))
        #expect(hashes == 0)
        #expect(wires.texts(there) == ["2"])
        said = []
        wires.say(#"{"command":"LOGOUT"}"#, by: ada)
        #expect(said == ["moved", "noted true"])
        #expect(wires.nodes.map(\.statistics.sessions) == [0, 1])
        #expect(wires.nodes.allSatisfy { $0.moves.isEmpty && $0.newcomers.isEmpty && $0.tickets.unusedCount == 0 })
    }

    @Test func `a client that names more servers than are known is moved like any other`() throws {
        let (wires, ada) = world()
        wires.say(#"{"command":"LOGOUT"}"#, by: ada)
        let reached = (1...Floor.positionsMax).map { "\"\(ServerID(startStamp: UInt64($0), random: 9))\":5" }
        let client = wires.connect(to: 0)
        wires.say(
            #"{"command":"LOGIN","username":"ada","secret":"s","resume":{\#(reached.joined(separator: ","))}}"#,
            by: client)
        move(client, to: 1, in: wires)
        #expect(wires.clients[client].isFinished == .redirected)
        wires.post("a", by: wires.anonymous(at: 1))
        let there = try #require(follow(client, as: "ada", in: wires))
        #expect(wires.texts(there) == ["a"])
    }

    @Test func `a client that reads slowly stays when load is evened out, and goes when its server stops`() throws {
        let (wires, ada) = world()
        wires.clients[ada].isBehind = true
        move(ada, to: 1, .balance, in: wires)
        #expect(wires.clients[ada].isFinished == nil)
        #expect(wires.nodes[0].statistics.movesPutOff == 1)
        #expect(wires.nodes[0].moves.isEmpty && wires.nodes[1].tickets.unusedCount == 0)
        wires.post("1", as: "ada", by: ada)
        #expect(wires.texts(ada) == ["1"])
        move(ada, to: 1, .drain, in: wires)
        #expect(wires.clients[ada].isFinished == .redirected)
    }

    @Test func `what the client says at the target waits for what it still says at the source`() throws {
        let (wires, ada) = world(3)
        let reader = wires.anonymous(at: 2)
        move(ada, to: 1, in: wires)
        let there = try #require(follow(ada, as: "ada", in: wires))
        wires.post("3", as: "ada", by: there)
        wires.post("1", as: "ada", by: ada)
        wires.post("2", as: "ada", by: ada)
        #expect(wires.texts(reader) == ["1", "2"])
        wires.end(ada)
        #expect(wires.texts(reader) == ["1", "2", "3"])
        #expect(wires.texts(there) == ["1", "2", "3"])
        #expect(wires.nodes[1].statistics.arrivalsExpired == 0)
    }

    @Test func `a client that never leaves its old connection speaks at the target after three seconds`() throws {
        let (wires, ada) = world()
        move(ada, to: 1, in: wires)
        let there = try #require(follow(ada, as: "ada", in: wires))
        wires.post("1", as: "ada", by: there)
        wires.pass(milliseconds: 2900)
        #expect(wires.texts(there).isEmpty)
        wires.pass(milliseconds: 200)
        #expect(wires.texts(there) == ["1"])
        #expect(wires.nodes[1].statistics.arrivalsExpired == 1)
        #expect(wires.nodes[1].newcomers.isEmpty)
    }

    @Test func `activities of all sides during the move come once, in the order of their senders`() throws {
        let (wires, ada) = world(3)
        let other = wires.anonymous(at: 2)
        var texts: [String] = []
        var present = ada
        for round in 0..<6 {
            wires.post("o\(3 * round)", by: other)
            wires.post("a\(2 * round)", as: "ada", by: present)
            let target = (wires.clients[present].node + 1) % 3
            wires.hold(wires.clients[present].node, target)
            move(present, to: target, in: wires)
            wires.post("o\(3 * round + 1)", by: other)
            wires.release(wires.clients[present].node, target)
            wires.post("o\(3 * round + 2)", by: other)
            wires.post("a\(2 * round + 1)", as: "ada", by: present)
            texts += wires.texts(present)
            let old = present
            present = try #require(follow(old, as: "ada", in: wires))
            wires.say(#"{"command":"LOGOUT"}"#, by: old)
        }
        texts += wires.texts(present)
        #expect(texts.filter { $0.hasPrefix("o") } == (0..<18).map { "o\($0)" })
        #expect(texts.filter { $0.hasPrefix("a") } == (0..<12).map { "a\($0)" })
        #expect(wires.texts(other).filter { $0.hasPrefix("a") } == (0..<12).map { "a\($0)" })
    }

    @Test func `a target that dies before it has the floor costs nothing: the session goes on here`() {
        let (wires, ada) = world(3)
        let other = wires.anonymous(at: 2)
        wires.hold(1, 0)
        move(ada, to: 1, in: wires)
        // The ticket comes, the answer to the floor does not.
        wires.deliverOne(1, 0)
        wires.post("1", by: other)
        #expect(wires.texts(ada).isEmpty)
        wires.kill(1)
        wires.pass(milliseconds: 2000)
        wires.post("2", by: other)
        #expect(wires.texts(ada) == ["1", "2"])
        #expect(wires.commands(ada).contains("REDIRECT") == false)
        #expect(wires.nodes[0].statistics.movesFailed == 1)
        #expect(wires.nodes[0].moves.isEmpty && wires.nodes[0].statistics.sessions == 1)
    }

    @Test func `a session that went on here, and breaks then, is owed what it has not acknowledged`() {
        let wires = Wires.network(2) { $0.timing.resumeWindow = 60_000 }
        wires.drop(wires.register("ada", at: 0))
        // The load is even.
        let (sender, _) = (wires.anonymous(at: 0), wires.anonymous(at: 1))
        wires.pass(milliseconds: 200)
        let ada = wires.login("ada", at: 0)
        wires.post("1", by: sender)
        wires.pass(milliseconds: 200)
        wires.hold(1, 0)
        move(ada, to: 1, in: wires)
        for _ in 0..<5 where wires.nodes[0].moves.all.first?.stage == .asking { wires.deliverOne(1, 0) }
        #expect(wires.nodes[0].moves.all.first?.stage == .handingOver)
        wires.kill(1)
        wires.pass(milliseconds: 2000)
        #expect(wires.nodes[0].statistics.movesFailed == 1)
        wires.post("2", by: sender)
        wires.cutOff(ada)
        wires.post("3", by: sender)
        wires.drop(ada)
        #expect(wires.texts(wires.login("ada", at: 0)) == ["3"])
    }

    @Test func `no ticket, no redirect: the session does not notice`() {
        let (wires, ada) = world()
        move(ada, to: 1, .balance, in: wires)
        #expect(wires.commands(ada) == ["LOGIN_SUCCESS"])
        #expect(wires.nodes[0].moves.isEmpty)
        #expect(wires.nodes[1].statistics.ticketsRefused == 1)
        wires.post("1", as: "ada", by: ada)
        #expect(wires.texts(ada) == ["1"])
    }

    @Test func `who leaves while leave is asked for leaves nothing behind`() {
        let (wires, ada) = world()
        wires.hold(1, 0)
        move(ada, to: 1, in: wires)
        wires.drop(ada)
        wires.release(1, 0)
        #expect(wires.nodes.allSatisfy { $0.moves.isEmpty && $0.load == 0 })
    }

    @Test func `a moved client that never comes is not expected for longer than its ticket is good`() {
        let (wires, ada) = world()
        move(ada, to: 1, in: wires)
        wires.drop(ada)
        wires.pass(milliseconds: 6000)
        #expect(wires.nodes.map(\.load) == [0, 0])
        #expect(wires.nodes[1].statistics.movedNeverCame == 1)
    }

    @Test func `anonymous clients of one address go together, from one place, and wait for nothing`() {
        let wires = Wires.network(2)
        let clients = (0..<3).map { _ in wires.anonymous(at: 0) }.filter { wires.clients[$0].isFinished == nil }
        #expect(clients.count == 2)
        // The third one was sent on and does not come.
        wires.pass(milliseconds: 5100)
        let other = wires.anonymous(at: 1, address: 9)
        let slots = clients.map { slot(of: $0, in: wires) }
        wires.nodes[0].move(slots, wires.nodes[0].ticketHolder(slots[0]), to: wires.nodes[1].id, .drain)
        wires.settle()
        #expect(clients.allSatisfy { wires.commands($0).last == "REDIRECT" })
        wires.post("1", by: other)
        let there = clients.map { _ in wires.anonymous(at: 1) }
        for client in there { #expect(wires.texts(client) == ["1"]) }
        wires.post("2", by: there[0])
        #expect(wires.texts(there[0]) == ["1", "2"])
    }

    @Test func `while clients of an address are on their way no others of it are taken from another place`() {
        let wires = Wires.network(3)
        let (one, two) = (wires.anonymous(at: 0), wires.anonymous(at: 1))
        move(one, to: 2, in: wires)
        move(two, to: 2, in: wires)
        #expect(wires.commands(one).last == "REDIRECT")
        #expect(wires.commands(two) == ["LOGIN_SUCCESS"])
        _ = wires.anonymous(at: 2)
        move(two, to: 2, in: wires)
        #expect(wires.commands(two).last == "REDIRECT")
    }

    @Test func `a session that has gone on is not taken for detached when that record comes late`() throws {
        let wires = Wires.network(3) { $0.timing.resumeWindow = 60_000 }
        wires.drop(wires.register("ada", at: 0))
        // The trees stand.
        wires.pass(milliseconds: 11_000)
        let ada = wires.login("ada", at: 0)
        let claim = try #require(wires.nodes[0].registry.claim(of: Array("ada".utf8))).id
        wires.hold(0, 2)
        move(ada, to: 1, in: wires)
        _ = try #require(follow(ada, as: "ada", in: wires))
        wires.end(ada)
        wires.release(0, 2)
        wires.pass(milliseconds: 1000)
        #expect(wires.nodes[2].whereabouts.places(of: claim).map(\.server) == [wires.nodes[1].id])
    }

    /// Its client has not heard that it was to go there, and turns up there all the same.
    @Test(arguments: [0, 2]) func `a moved session that has gone on elsewhere does not go on at the target as well`(
        elsewhere: Int
    ) {
        let wires = Wires.network(3) { $0.timing.resumeWindow = 60_000 }
        wires.drop(wires.register("ada", at: 0))
        wires.pass(milliseconds: 200)
        let sender = wires.anonymous(at: 1, address: 9)
        let ada = wires.login("ada", at: 0)
        move(ada, to: 1, in: wires)
        wires.post("a", by: sender)
        wires.drop(ada)
        wires.pass(milliseconds: 200)
        let second = wires.login("ada", at: elsewhere)
        wires.pass(milliseconds: 200)
        #expect(wires.texts(second) == ["a"])
        wires.say(#"{"command":"LOGOUT"}"#, by: second)
        wires.pass(milliseconds: 200)
        let third = wires.login("ada", at: 1)
        wires.post("b", by: sender)
        #expect(wires.texts(third) == ["b"])
    }

    /// The target never hears that nobody comes: it was told so once, by a way that broke.
    @Test func `a move that failed leaves no ticket that is good`() throws {
        let wires = Wires.network(2) { $0.timing.resumeWindow = 60_000 }
        wires.drop(wires.register("ada", at: 0))
        wires.pass(milliseconds: 200)
        let sender = wires.anonymous(at: 1, address: 9)
        let ada = wires.login("ada", at: 0)
        wires.hold(1, 0)
        move(ada, to: 1, in: wires)
        wires.deliverOne(1, 0)
        #expect(wires.nodes[0].moves.all.first?.stage == .handingOver)
        wires.hold(0, 1)
        while wires.nodes[0].statistics.movesFailed == 0 { wires.pass(milliseconds: 100) }
        wires.breakWires(between: 0, and: 1)
        wires.release(1, 0)
        wires.release(0, 1)
        while wires.nodes.contains(where: { $0.statistics.links == 0 }) { wires.pass(milliseconds: 100) }
        wires.post("a", by: sender)
        #expect(wires.texts(ada) == ["a"])
        wires.drop(ada)
        wires.pass(milliseconds: 100)
        let second = wires.login("ada", at: 1)
        wires.post("b", by: sender)
        #expect(wires.nodes[1].statistics.ticketsUsed == 1, "before it was out of date")
        #expect(wires.texts(second) == ["b"])
    }

    @Test func `who asks for something else before it is sent on begins nothing here`() {
        let wires = Wires.network(2) { $0.timing.resumeWindow = 60_000 }
        for name in ["ada", "bob"] { wires.drop(wires.register(name, at: 1)) }
        wires.pass(milliseconds: 200)
        _ = wires.anonymous(at: 0)
        wires.hold(1, 0)
        let ada = wires.login("ada", at: 0)
        wires.deliverOne(1, 0)
        #expect(wires.nodes[0].moves.all.first?.stage == .handingOver)
        wires.holdsHashes = true
        wires.say(#"{"command":"LOGIN","username":"bob","secret":"s"}"#, by: ada)
        wires.release(1, 0)
        wires.releaseHashes()
        #expect(wires.commands(ada) == ["LOGIN_SUCCESS", "REDIRECT"])
        #expect(wires.nodes[0].statistics.sessions == 1)
    }

    @Test func `a session that went on before its client was told to go leaves no place`() throws {
        for isTaken in [false, true] {
            let wires = Wires.network(2) { $0.timing.resumeWindow = 60_000 }
            wires.drop(wires.register("ada", at: 0))
            wires.pass(milliseconds: 200)
            let ada = wires.login("ada", at: 0)
            let claim = try #require(wires.nodes[0].registry.claim(of: Array("ada".utf8))).id
            wires.hold(1, 0)
            move(ada, to: 1, in: wires)
            wires.deliverOne(1, 0)
            let number = try #require(wires.nodes[0].moves.all.first).session
            if isTaken { wires.nodes[0].forgetSession(number, of: claim) }
            wires.release(1, 0)
            #expect(wires.clients[ada].isFinished == .redirected)
            #expect(wires.nodes[0].statistics.sessionsHeld == (isTaken ? 0 : 1))
        }
    }

    @Test func `what a server that has to leave could not pass on is told`() {
        let wires = Wires.network(2)
        let client = wires.anonymous(at: 0)
        wires.hold(0, 1)
        wires.post("1", by: client)
        wires.nodes[0].drain(within: 100, at: wires.now)
        wires.settle()
        wires.pass(milliseconds: 200)
        #expect(wires.reports[0].contains(.drained(sessionsLeft: 1, recordsLeft: 1)))
    }

    @Test func `who is cut off waits for others to pass on its records, as long as it has time`() {
        for isBack in [true, false] {
            let wires = Wires.network(2)
            let client = wires.anonymous(at: 0)
            wires.cut = [[0, 1]]
            wires.breakWires(between: 0, and: 1)
            wires.pass(milliseconds: 10_000)
            wires.post("1", by: client)
            wires.drop(client)
            wires.nodes[0].drain(within: 60_000, at: wires.now)
            wires.pass(milliseconds: 10_000)
            #expect(!wires.reports[0].contains(.drained(sessionsLeft: 0, recordsLeft: 0)))
            if isBack { wires.cut = [] }
            wires.pass(milliseconds: 51_000)
            #expect(wires.reports[0].contains(.drained(sessionsLeft: 0, recordsLeft: isBack ? 0 : 1)))
        }
    }
}
