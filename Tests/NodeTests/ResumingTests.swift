import Codecs
import Testing

@testable import Node

/// Named sessions whose connection broke, and that go on somewhere.
@Suite struct ResumingTests {
    private func network(_ count: Int, change: (inout NodeConfiguration) -> Void = { _ in }) -> Wires {
        let wires = Wires.network(count) {
            $0.timing.resumeWindow = 60_000
            change(&$0)
        }
        wires.drop(wires.register("ada", at: 0))
        wires.pass(milliseconds: 100)
        return wires
    }

    @Test func `a named client whose connection broke gets what it missed, once`() {
        let wires = network(1)
        let sender = wires.anonymous(at: 0)
        let first = wires.login("ada", at: 0)
        wires.post("a", by: sender)
        wires.cutOff(first)
        wires.post("b", by: sender)
        wires.drop(first)
        wires.post("c", by: sender)
        #expect(wires.texts(first) == ["a"])
        #expect(wires.nodes[0].statistics.sessionsHeld == 1)
        let second = wires.login("ada", at: 0)
        #expect(wires.commands(second).first == "LOGIN_SUCCESS")
        wires.post("d", by: sender)
        #expect(wires.texts(second) == ["b", "c", "d"])
        let third = wires.login("ada", at: 0)
        wires.post("e", by: sender)
        #expect(wires.texts(third) == ["e"])
        #expect(wires.nodes[0].statistics.sessionsDetached == 1)
        #expect(wires.nodes[0].statistics.sessionsResumed == 1)
    }

    @Test func `a line of which a part is not acknowledged comes again, and one that is does not`() {
        for missing in [0, 1, 100] as [UInt64] {
            let wires = network(1)
            let sender = wires.anonymous(at: 0)
            let first = wires.login("ada", at: 0)
            wires.post("a", by: sender)
            wires.post("b", by: sender)
            wires.clients[first].arrived = wires.clients[first].sent - missing
            wires.drop(first)
            let second = wires.login("ada", at: 0)
            let expected = [0: [], 1: ["b"], 100: ["a", "b"]][missing] ?? []
            #expect(wires.texts(second) == expected)
        }
    }

    @Test func `who says LOGOUT, or is anonymous, or is told of a mistake, leaves no place`() {
        let wires = network(1)
        let sender = wires.anonymous(at: 0)
        let first = wires.login("ada", at: 0)
        wires.say(#"{"command":"LOGOUT"}"#, by: first)
        wires.drop(first)
        let second = wires.login("ada", at: 0)
        wires.say("nonsense", by: second)
        wires.drop(second)
        wires.drop(wires.anonymous(at: 0))
        wires.post("a", by: sender)
        #expect(wires.nodes[0].statistics.sessionsHeld == 0)
        #expect(wires.texts(wires.login("ada", at: 0)).isEmpty)
    }

    @Test func `the end of the stream without LOGOUT is a broken connection`() {
        let wires = network(1)
        let sender = wires.anonymous(at: 0)
        let first = wires.login("ada", at: 0)
        wires.end(first)
        wires.post("a", by: sender)
        #expect(wires.texts(wires.login("ada", at: 0)) == ["a"])
    }

    @Test func `the place is kept for the window, and no longer`() {
        let wires = network(1)
        let sender = wires.anonymous(at: 0)
        wires.drop(wires.login("ada", at: 0))
        wires.pass(milliseconds: 59_000)
        wires.post("a", by: sender)
        wires.pass(milliseconds: 1500)
        #expect(wires.nodes[0].statistics.floorsExpired == 1)
        #expect(wires.texts(wires.login("ada", at: 0)).isEmpty)
    }

    @Test func `without a window nothing is kept and nothing is told`() {
        let wires = network(2) { $0.timing.resumeWindow = 0 }
        let sender = wires.anonymous(at: 0)
        let before = wires.nodes[0].statistics.recordsOriginated
        wires.drop(wires.login("ada", at: 0))
        wires.post("a", by: sender)
        #expect(wires.nodes[0].statistics.recordsOriginated == before + 1)
        #expect(wires.texts(wires.login("ada", at: 0)).isEmpty)
    }

    @Test func `each floor is used once, the oldest first`() {
        let wires = network(1)
        let sender = wires.anonymous(at: 0)
        let (first, second) = (wires.login("ada", at: 0), wires.login("ada", at: 0))
        wires.drop(first)
        wires.post("a", by: sender)
        wires.drop(second)
        wires.post("b", by: sender)
        #expect(wires.texts(wires.login("ada", at: 0)) == ["a", "b"])
        #expect(wires.texts(wires.login("ada", at: 0)) == ["b"])
        #expect(wires.texts(wires.login("ada", at: 0)).isEmpty)
    }

    @Test func `a session that was broken, unnoticed, when a later one began leaves no place`() {
        let wires = network(1)
        let sender = wires.anonymous(at: 0)
        let first = wires.login("ada", at: 0)
        wires.post("a", by: sender)
        wires.cutOff(first)
        let second = wires.login("ada", at: 0)
        wires.post("b", by: sender)
        wires.drop(first)
        #expect(wires.nodes[0].statistics.floorsSuperseded == 1)
        #expect(wires.nodes[0].statistics.sessionsHeld == 0)
        wires.drop(second)
        wires.post("c", by: sender)
        #expect(wires.texts(wires.login("ada", at: 0)) == ["c"])
    }

    @Test func `a session that looked alive when a later one began, and was, leaves its place`() {
        let wires = network(1)
        let sender = wires.anonymous(at: 0)
        let (first, second) = (wires.login("ada", at: 0), wires.login("ada", at: 0))
        wires.post("a", by: sender)
        wires.cutOff(first)
        wires.post("b", by: sender)
        wires.drop(first)
        #expect(wires.texts(second) == ["a", "b"])
        #expect(wires.texts(wires.login("ada", at: 0)) == ["b"])
    }

    @Test func `at the limit the oldest place goes, and that is told`() {
        let wires = network(1) { $0.limits.detached = 1 }
        let (first, second) = (wires.login("ada", at: 0), wires.login("ada", at: 0))
        wires.drop(first)
        wires.drop(second)
        #expect(wires.nodes[0].statistics.sessionsHeld == 1)
        #expect(wires.nodes[0].statistics.floorsExpired == 1)
        #expect(wires.reports[0].contains(.limitReached("detached sessions")))
    }

    @Test func `who breaks again while it is catching up has lost nothing and gets nothing twice`() {
        let wires = network(1) { $0.limits.feedBytes = 100 }
        let sender = wires.anonymous(at: 0)
        wires.drop(wires.login("ada", at: 0))
        for number in 1...9 { wires.post("\(number)", by: sender) }
        wires.takesFed = false
        let second = wires.login("ada", at: 0)
        #expect(wires.texts(second) == ["1", "2"])
        wires.clients[second].arrived = wires.clients[second].sent - 10
        wires.drop(second)
        wires.takesFed = true
        let third = wires.login("ada", at: 0)
        #expect(wires.texts(third) == (2...9).map(String.init))
        wires.post("10", by: sender)
        // Nothing of the last part that it was fed has arrived, although it is live.
        wires.clients[third].arrived = wires.clients[third].sent - 200
        wires.drop(third)
        #expect(wires.texts(wires.login("ada", at: 0)) == ["8", "9", "10"])
    }

    // MARK: Elsewhere

    @Test func `the next login may be at another server`() {
        let wires = network(3)
        let sender = wires.anonymous(at: 1)
        let first = wires.login("ada", at: 0)
        wires.post("a", by: sender)
        wires.cutOff(first)
        wires.post("b", by: sender)
        wires.drop(first)
        wires.post("c", by: sender)
        wires.pass(milliseconds: 100)
        let second = wires.login("ada", at: 2)
        wires.pass(milliseconds: 100)
        wires.post("d", by: sender)
        #expect(wires.texts(second) == ["b", "c", "d"])
        #expect(wires.nodes[0].statistics.sessionsHeld == 1, "kept until it is certain that the answer has come")
        #expect(wires.nodes.map { $0.statistics.sessionsElsewhere } == [1, 1, 0])
        #expect(wires.texts(wires.login("ada", at: 1)).isEmpty)
    }

    @Test(arguments: [false, true])
    func `who is to be sent on at its login, and cannot go, goes on from its older session`(isBusy: Bool) {
        let wires = network(3)
        let others = (0..<3).map { wires.anonymous(at: $0) }
        let first = wires.login("ada", at: 2)
        wires.cutOff(first)
        wires.post("a", by: others[0])
        wires.drop(first)
        wires.drop(others[1])
        wires.pass(milliseconds: 100)
        wires.hold(1, 0)
        let second = wires.login("ada", at: 0)
        for _ in 0..<9 where wires.nodes[0].moves.all.first?.stage != .handingOver { wires.deliverOne(1, 0) }
        #expect(wires.nodes[0].moves.all.first?.stage == .handingOver)
        wires.post("b", by: others[0])
        wires.post("c", as: "ada", by: second)
        wires.pass(milliseconds: 100)
        // Nothing else is asked for a client at the same time.
        if isBusy { wires.say(#"{"command":"LOGIN","username":"nobody","secret":"s"}"#, by: second) }
        wires.kill(1)
        let id = wires.clients[second].id
        while wires.nodes[0].statistics.movesFailed == 0 { wires.pass(milliseconds: 10) }
        #expect(wires.nodes[0].sessions.slot(of: id).map { wires.nodes[0].sessions.sessions[$0].hasJob } == isBusy)
        wires.post("d", by: others[0])
        #expect(wires.texts(second) == (isBusy ? ["b", "c", "d"] : ["a", "b", "c", "d"]))
        #expect(wires.commands(second).filter { $0 != "ACTIVITY_BROADCAST" } == ["LOGIN_SUCCESS"])
    }

    @Test func `a floor that comes when its client is gone again is found wherever that logs in next`() {
        let wires = network(3)
        let others = (0..<3).map { wires.anonymous(at: $0) }
        let first = wires.login("ada", at: 1)
        wires.cutOff(first)
        wires.post("a", by: others[0])
        wires.drop(first)
        wires.pass(milliseconds: 100)
        wires.hold(1, 0)
        let second = wires.login("ada", at: 0)
        wires.drop(second)
        wires.release(1, 0)
        wires.pass(milliseconds: 100)
        let third = wires.login("ada", at: 2)
        wires.post("b", by: others[0])
        #expect(wires.texts(third) == ["a", "b"])
    }

    @Test func `who logs in where a server is about to stop goes on elsewhere from its older session`() {
        for isNamed in [true, false] {
            let wires = network(3)
            let sender = wires.anonymous(at: 2, address: 9)
            let first = wires.login("ada", at: 1)
            wires.cutOff(first)
            wires.post("a", by: sender)
            wires.drop(first)
            wires.pass(milliseconds: 100)
            wires.nodes[0].drain(within: 60_000, at: wires.now)
            let second = isNamed ? wires.login("ada", at: 0) : wires.anonymous(at: 0)
            #expect(wires.commands(second) == ["LOGIN_SUCCESS", "REDIRECT"])
            let third = isNamed ? wires.login("ada", at: 1) : wires.anonymous(at: 1)
            wires.post("b", by: sender)
            #expect(wires.texts(third) == (isNamed ? ["a", "b"] : ["b"]))
        }
    }

    @Test func `a session that only looks alive is detached first`() {
        for (isStalled, at) in [(true, 0), (true, 1), (false, 0), (false, 1)] {
            let wires = network(2)
            let sender = wires.anonymous(at: 0)
            let first = wires.login("ada", at: 1)
            let near = wires.clients[first].node
            wires.pass(milliseconds: 100)
            wires.cutOff(first)
            wires.post("a", by: sender)
            wires.clients[first].isStalled = isStalled
            let second = wires.login("ada", at: at)
            wires.pass(milliseconds: 100)
            wires.post("b", by: sender)
            #expect(wires.texts(second) == (isStalled ? ["a", "b"] : ["b"]))
            #expect(wires.clients[first].isFinished == (isStalled ? .superseded : nil))
            #expect(wires.nodes[near].statistics.sessionsDetached == (isStalled ? 1 : 0))
        }
    }

    @Test func `a session that has gone on elsewhere while its server was cut off is not resumed again`() {
        for (isStalled, speaks) in [(true, false), (false, false), (false, true)] {
            let wires = network(2)
            let (sender, _) = (wires.anonymous(at: 0), wires.anonymous(at: 1))
            let first = wires.login("ada", at: 1)
            #expect(wires.clients[first].node == 1)
            wires.pass(milliseconds: 2500)
            wires.cutOff(first)
            wires.cut = [[0, 1]]
            wires.breakWires(between: 0, and: 1)
            wires.pass(milliseconds: 20_000)
            wires.post("a", by: sender)
            let second = wires.login("ada", at: 0)
            #expect(wires.texts(second) == ["a"])
            wires.clients[first].isStalled = isStalled
            wires.cut = []
            wires.pass(milliseconds: 20_000)
            #expect(wires.clients[first].isFinished == (isStalled ? .superseded : nil))
            if speaks { wires.post("b", as: "ada", by: first) }
            wires.pass(milliseconds: 200)
            wires.drop(first)
            wires.post("c", by: sender)
            wires.pass(milliseconds: 200)
            #expect(wires.texts(second) == (speaks ? ["a", "b", "c"] : ["a", "c"]))
            #expect(wires.nodes[1].statistics.sessionsHeld == (speaks ? 1 : 0), "what is kept is its own")
        }
    }

    @Test func `a floor that comes when its client is gone again is kept for its next login`() {
        let wires = network(2)
        let sender = wires.anonymous(at: 1)
        _ = wires.anonymous(at: 0)
        wires.pass(milliseconds: 200)
        wires.drop(wires.login("ada", at: 0))
        wires.pass(milliseconds: 200)
        wires.post("a", by: sender)
        wires.hold(0, 1)
        let second = wires.login("ada", at: 1)
        wires.drop(second)
        wires.release(0, 1)
        #expect(wires.texts(wires.login("ada", at: 1)) == ["a"])
    }

    @Test(arguments: [true, false])
    func `who cannot ask for its place yet waits for others, as many as may ask and as long`(isAnswered: Bool) {
        let wires = network(2) { $0.limits.requests = 1 }
        let sender = wires.anonymous(at: 1)
        _ = wires.anonymous(at: 0)
        wires.pass(milliseconds: 200)
        let names = ["ada", "bob", "eve"]
        for name in names.dropFirst() { wires.drop(wires.register(name, at: 0)) }
        for name in names { wires.drop(wires.login(name, at: 0)) }
        wires.pass(milliseconds: 200)
        wires.post("a", by: sender)
        wires.hold(0, 1)
        let clients = names.map { wires.login($0, at: 1) }
        #expect(wires.nodes[1].requests.count == 1 && wires.nodes[1].waitingLogins.count == 1)
        #expect(wires.nodes[1].statistics.floorsGuessed == 1, "no more may wait")
        #expect(wires.reports[1].contains(.limitReached("logins that wait to ask for an older session")))
        if isAnswered { wires.release(0, 1) } else { wires.pass(milliseconds: 4000) }
        #expect(clients.map { wires.texts($0) } == [["a"], ["a"], ["a"]])
        #expect(wires.nodes[1].waitingLogins.isEmpty)
        #expect(wires.nodes[1].statistics.floorsGuessed == (isAnswered ? 1 : 3))
    }

    @Test func `if the server is dead the session goes on from what it last told`() {
        let wires = network(3)
        let sender = wires.anonymous(at: 1)
        let first = wires.login("ada", at: 2)
        #expect(wires.clients[first].node == 2)
        wires.post("a", by: sender)
        wires.pass(milliseconds: 5000)
        wires.post("b", by: sender)
        #expect(wires.texts(first) == ["a", "b"])
        wires.kill(2)
        wires.post("c", by: sender)
        let second = wires.login("ada", at: 0)
        wires.pass(milliseconds: 2000)
        wires.post("d", by: sender)
        // What it was shown after its server told how far it was comes twice.
        #expect(wires.texts(second) == ["b", "c", "d"])
        #expect(wires.nodes[0].statistics.floorsGuessed == 1)
        let third = wires.login("ada", at: 0)
        wires.pass(milliseconds: 2000)
        #expect(wires.texts(third).isEmpty)
    }

    @Test func `the place of a session of a dead server is used once, at all servers`() {
        let wires = network(4)
        let sender = wires.anonymous(at: 1)
        let first = wires.login("ada", at: 3)
        #expect(wires.clients[first].node == 3)
        wires.kill(3)
        wires.clients[first].isFollowing = false
        wires.post("a", by: sender)
        let second = wires.login("ada", at: 0)
        wires.pass(milliseconds: 2000)
        #expect(wires.texts(second) == ["a"])
        #expect([0, 1, 2].map { wires.nodes[$0].statistics.sessionsElsewhere } == [0, 1, 1])
        wires.say(#"{"command":"LOGOUT"}"#, by: second)
        wires.pass(milliseconds: 200)
        let third = wires.login("ada", at: 2)
        wires.pass(milliseconds: 2000)
        #expect(wires.texts(third).isEmpty)
    }

    @Test func `a session that began after its server last told goes on from its beginning`() {
        let wires = network(3)
        let sender = wires.anonymous(at: 1)
        wires.post("before", by: sender)
        let first = wires.login("ada", at: 2)
        wires.post("a", by: sender)
        wires.kill(2)
        wires.clients[first].isFollowing = false
        let second = wires.login("ada", at: 0)
        wires.pass(milliseconds: 2000)
        #expect(wires.texts(second) == ["a"])
    }

    /// Who joined when the server that died had told long ago what all had reached, and had no time to ask.
    @Test func `a session of whose beginning only a part is known begins at the present`() throws {
        let wires = network(3)
        let sender = wires.anonymous(at: 1)
        wires.post("before", by: sender)
        let first = wires.login("ada", at: 2)
        wires.post("a", by: sender)
        let server = try #require(wires.nodes[0].servers.index(of: wires.nodes[2].id))
        wires.nodes[0].members[server].reached = Checkpoints()
        wires.kill(2)
        wires.clients[first].isFollowing = false
        let second = wires.login("ada", at: 0)
        wires.pass(milliseconds: 2000)
        wires.post("b", by: sender)
        #expect(wires.texts(second) == ["b"])
        #expect(wires.nodes[0].statistics.floorsIncomplete == 1)
    }

    @Test func `who began where it had missed something, and whose server dies, gets it again`() {
        let wires = network(3)
        let senders = (0..<3).map { wires.anonymous(at: $0) }
        #expect(senders.map { wires.clients[$0].node } == [0, 1, 2])
        wires.drop(wires.login("ada", at: 1))
        wires.post("a", by: senders[2])
        let second = wires.login("ada", at: 2)
        wires.pass(milliseconds: 100)
        #expect(wires.clients[second].node == 2 && wires.texts(second) == ["a"])
        wires.kill(2)
        wires.clients[second].isFollowing = false
        let third = wires.login("ada", at: 0)
        wires.pass(milliseconds: 2000)
        #expect(wires.texts(third) == ["a"])
    }

    @Test func `who is closed because its server leaves goes on elsewhere`() {
        let wires = network(3)
        let sender = wires.anonymous(at: 1)
        let first = wires.login("ada", at: 2)
        wires.post("a", by: sender)
        wires.nodes[2].shutdown(at: wires.now)
        wires.settle()
        #expect(wires.clients[first].isFinished == .shutdown)
        wires.drop(first)
        wires.pass(milliseconds: 100)
        wires.post("b", by: sender)
        let second = wires.login("ada", at: 0)
        wires.pass(milliseconds: 2000)
        #expect(wires.texts(second) == ["b"])
    }

    @Test func `a session that began at an older floor takes nobody else back`() {
        let wires = network(3)
        wires.drop(wires.register("ben", at: 0))
        // With one client each nobody is sent on.
        let sender = wires.anonymous(at: 1)
        _ = wires.anonymous(at: 0)
        wires.drop(wires.login("ben", at: 2))
        wires.pass(milliseconds: 100)
        wires.post("a", by: sender)
        let ada = wires.login("ada", at: 2)
        // Ben begins at "a", which Ada must not be shown.
        let ben = wires.login("ben", at: 2)
        wires.pass(milliseconds: 100)
        #expect((wires.clients[ada].node, wires.clients[ben].node) == (2, 2))
        #expect((wires.texts(ada), wires.texts(ben)) == ([], ["a"]))
        wires.kill(2)
        wires.post("b", by: sender)
        let again = wires.login("ada", at: 0)
        wires.pass(milliseconds: 2000)
        #expect(wires.texts(again) == ["b"])
        #expect(wires.nodes[0].statistics.floorsGuessed == 1)
    }

    @Test func `what is said of sessions to who asks covers what was before them`() {
        let wires = network(1)
        let sender = wires.anonymous(at: 0)
        wires.post("a", by: sender)
        #expect(wires.nodes[0].sessionList(after: 0).entries.isEmpty)
        let first = wires.login("ada", at: 0)
        let before = wires.nodes[0].sessionList(after: 0)
        #expect(before.entries.map(\.number) == [1])
        #expect(before.reached[wires.nodes[0].id] > 0)
        wires.say(#"{"command":"LOGOUT"}"#, by: first)
        wires.post("b", by: sender)
        _ = wires.login("ada", at: 0)
        let after = wires.nodes[0].sessionList(after: 0)
        #expect(after.reached[wires.nodes[0].id] > before.reached[wires.nodes[0].id])
    }

    @Test func `a server that joins hears of the sessions that were there before`() {
        let wires = network(2)
        let sender = wires.anonymous(at: 1)
        let first = wires.login("ada", at: 0)
        wires.post("a", by: sender)
        wires.pass(milliseconds: 70_000)
        let joiner = wires.add(bootstrap: 1) { $0.timing.resumeWindow = 60_000 }
        wires.pass(milliseconds: 2000)
        #expect(wires.texts(first) == ["a"])
        #expect(wires.nodes[joiner].statistics.sessionsElsewhere == 1)
        wires.kill(0)
        wires.post("b", by: sender)
        let second = wires.login("ada", at: joiner)
        wires.pass(milliseconds: 2000)
        #expect(wires.texts(second) == ["b"])
    }

    // MARK: Floors of many streams

    /// Positions in servers that nobody knows, as a client may make them up.
    private func strangers(_ numbers: Range<Int>) -> [StreamPosition] {
        numbers.map { StreamPosition(origin: ServerID(startStamp: UInt64(1 + $0), random: 9), seq: 5) }
    }

    private func login(_ positions: [StreamPosition], at node: Int, in wires: Wires) -> Int {
        let client = wires.connect(to: node)
        let reached = positions.map { "\"\($0.origin)\":\($0.seq)" }.joined(separator: ",")
        wires.say(#"{"command":"LOGIN","username":"ada","secret":"s","resume":{\#(reached)}}"#, by: client)
        return client
    }

    @Test func `a client that names more servers than are known, and breaks, goes on like any other`() {
        let wires = network(2)
        let sender = wires.anonymous(at: 1)
        let first = login(strangers(0..<Floor.positionsMax), at: 0, in: wires)
        #expect(wires.commands(first).prefix(2) == ["LOGIN_SUCCESS", "POSITION"])
        let limit = wires.nodes[0].configuration.limits.unknownPositions
        #expect(wires.nodes[0].statistics.positionsLeftOut == UInt64(Floor.positionsMax - limit))
        #expect(
            wires.nodes[0].feeding.feeds.map(\.unknown) == [strangers(Floor.positionsMax - limit..<Floor.positionsMax)])
        wires.drop(first)
        #expect(wires.nodes[0].statistics.sessionsHeld == 1)
        wires.post("a", by: sender)
        wires.pass(milliseconds: 100)
        let place = wires.nodes[0].detached.entries.first
        #expect((place?.floor.positions.count ?? 0) <= limit + wires.nodes.count)
        #expect(wires.nodes[1].whereabouts.places(of: claim(in: wires)).map(\.floor) == [place?.floor])
        let second = wires.login("ada", at: 0)
        #expect(wires.texts(second) == ["a"])
    }

    private func claim(in wires: Wires) -> ClaimID {
        wires.nodes[0].detached.entries.first?.claim ?? ClaimID(stamp: 0, origin: wires.nodes[0].id, counter: 0)
    }

    @Test func `positions of servers that are known all count, however many others there are`() throws {
        let wires = network(2) { $0.limits.unknownPositions = 0 }
        let sender = wires.anonymous(at: 1)
        for text in ["a", "b"] { wires.post(text, by: sender) }
        let origin = wires.nodes[1].id
        let client = login(strangers(0..<3) + [StreamPosition(origin: origin, seq: 1)], at: 0, in: wires)
        #expect(wires.texts(client) == ["b"])
        #expect(wires.nodes[0].statistics.positionsLeftOut == 3)
        let slot = try #require(wires.nodes[0].sessions.slot(of: wires.clients[client].id))
        #expect(wires.nodes[0].floor(of: slot)[origin] == 2)
    }

    /// Another server may hand over as many positions as a floor holds, of servers that this one does not know.
    @Test func `a floor never has more than it may hold, however many of its servers are unknown here`() throws {
        let wires = network(2)
        let sender = wires.anonymous(at: 1)
        wires.post("a", by: sender)
        wires.drop(wires.login("ada", at: 0))
        let claim = claim(in: wires)
        let known = [StreamPosition(origin: wires.nodes[1].id, seq: 1)]
        for entry in wires.nodes[0].detached.entries { wires.nodes[0].detached.remove(entry.number) }
        wires.nodes[0].keep(
            DetachedSessions.Entry(
                claim: claim, number: 99, floor: Floor(known + strangers(0..<Floor.positionsMax - 1)), since: wires.now)
        )
        let client = wires.login("ada", at: 0)
        #expect(wires.texts(client).isEmpty)
        wires.post("b", by: sender)
        wires.drop(client)
        wires.pass(milliseconds: 100)
        let floor = try #require(wires.nodes[0].detached.entries.first?.floor)
        #expect(floor.positions.count == Floor.positionsMax)
        #expect(floor[wires.nodes[0].id] > 0 && floor[wires.nodes[1].id] == wires.nodes[1].store.streams[0].delivered)
        #expect(wires.nodes[0].statistics.positionsLeftOut > 0)
    }

    @Test func `a guess at a floor never has more than it may hold, whatever the dead server told`() throws {
        let wires = network(3)
        let sender = wires.anonymous(at: 1)
        let first = wires.login("ada", at: 2)
        #expect(wires.clients[first].node == 2)
        wires.pass(milliseconds: 3000)
        let server = try #require(wires.nodes[0].servers.index(of: wires.nodes[2].id))
        for count in 0..<16 {
            let told = strangers(count * Floor.positionsMax / 2..<(count + 2) * Floor.positionsMax / 2)
            wires.nodes[0].members[server].reached.note(Floor(told), seq: UInt64(1000 + count))
        }
        wires.kill(2)
        wires.post("a", by: sender)
        let second = wires.login("ada", at: 0)
        wires.pass(milliseconds: 2000)
        #expect(wires.texts(second) == ["a"])
        #expect(wires.nodes[0].statistics.floorsGuessed == 1)
        #expect(wires.nodes[0].statistics.positionsLeftOut > 0)
        wires.drop(second)
        wires.pass(milliseconds: 100)
        let place = try #require(wires.nodes[0].detached.entries.first)
        #expect(place.floor.positions.count <= Floor.positionsMax)
        #expect(
            wires.nodes[0].servers.indices.allSatisfy {
                wires.nodes[0].store.streams[$0].delivered == 0
                    || place.floor[wires.nodes[0].servers[$0]] > 0
            })
    }

    @Test func `who finds too many catching up begins now also for the others`() throws {
        let wires = network(2) { ($0.limits.catchingUp, $0.limits.toldPositions) = (0, 0) }
        let sender = wires.anonymous(at: 1)
        for text in ["a", "b"] { wires.post(text, by: sender) }
        let client = login([StreamPosition(origin: wires.nodes[1].id, seq: 1)] + strangers(0..<3), at: 0, in: wires)
        #expect(wires.nodes[0].statistics.floorsRefused == 1)
        #expect(wires.nodes[0].reached?.positions.contains { $0.seq == 5 } == false)
        #expect(wires.nodes[0].reached?[wires.nodes[1].id] == 2)
        #expect(wires.clients[client].isFollowing)
    }
}
