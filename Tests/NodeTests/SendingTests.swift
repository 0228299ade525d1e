import Codecs
import Testing

@testable import Node

/// What clients ask for beyond the protocol: acknowledged sending, and positions.
@Suite struct SendingTests {
    private func network(_ count: Int, change: (inout NodeConfiguration) -> Void = { _ in }) -> Wires {
        let wires = Wires.network(count) {
            $0.timing.resumeWindow = 60_000
            change(&$0)
        }
        wires.drop(wires.register("ada", at: 0))
        wires.pass(milliseconds: 100)
        return wires
    }

    private func login(_ members: String, at node: Int, in wires: Wires) -> Int {
        let client = wires.connect(to: node)
        wires.say(#"{"command":"LOGIN","username":"ada","secret":"s",\#(members)}"#, by: client)
        return client
    }

    private func send(_ number: Int, by client: Int, in wires: Wires) {
        let activity = #"{"text":"\#(number)"}"#
        wires.say(
            #"{"command":"ACTIVITY_MESSAGE","username":"ada","secret":"s","number":\#(number),"activity":\#(activity)}"#,
            by: client)
    }

    private func acknowledged(_ client: Int, in wires: Wires) -> [String] {
        wires.clients[client].lines.filter { $0.contains("ACTIVITY_ACKNOWLEDGED") }
    }

    @Test func `alone in the network an activity is acknowledged at once`() {
        let wires = network(1)
        let client = login(#""run":"r""#, at: 0, in: wires)
        send(1, by: client, in: wires)
        #expect(acknowledged(client, in: wires) == [#"{"command":"ACTIVITY_ACKNOWLEDGED","number":1}"#])
    }

    @Test func `an activity is acknowledged when a second server holds it, one line for several`() {
        let wires = network(3)
        let client = login(#""run":"r""#, at: 0, in: wires)
        for other in [1, 2] { wires.hold(0, other) }
        send(1, by: client, in: wires)
        send(2, by: client, in: wires)
        wires.pass(milliseconds: 100)
        #expect(acknowledged(client, in: wires).isEmpty)
        wires.release(0, 1)
        wires.pass(milliseconds: 100)
        #expect(acknowledged(client, in: wires) == [#"{"command":"ACTIVITY_ACKNOWLEDGED","number":2}"#])
    }

    @Test func `who did not ask is told nothing, whatever it calls its activities`() {
        let wires = network(1)
        for client in [wires.login("ada", at: 0), login(#""run":7"#, at: 0, in: wires)] {
            send(1, by: client, in: wires)
            send(1, by: client, in: wires)
            #expect(acknowledged(client, in: wires).isEmpty)
        }
        #expect(wires.nodes[0].statistics.activitiesDelivered == 4)
    }

    @Test func `what is sent again after a reconnect is acknowledged and not shown again`() {
        let wires = network(2)
        let listener = wires.anonymous(at: 1)
        _ = wires.anonymous(at: 0)
        wires.pass(milliseconds: 200)
        let first = login(#""run":"r""#, at: 0, in: wires)
        send(1, by: first, in: wires)
        send(2, by: first, in: wires)
        wires.drop(first)
        wires.pass(milliseconds: 100)
        let second = login(#""run":"r""#, at: 1, in: wires)
        wires.pass(milliseconds: 100)
        for number in 1...3 { send(number, by: second, in: wires) }
        wires.pass(milliseconds: 100)
        #expect(wires.texts(listener) == ["1", "2", "3"])
        #expect(acknowledged(second, in: wires).last == #"{"command":"ACTIVITY_ACKNOWLEDGED","number":3}"#)
        #expect(wires.nodes[1].statistics.activitiesRepeated == 2)
        // Another run begins anew.
        let third = login(#""run":"other""#, at: 1, in: wires)
        wires.pass(milliseconds: 100)
        send(1, by: third, in: wires)
        wires.pass(milliseconds: 100)
        #expect(wires.texts(listener).last == "1")
    }

    @Test func `what became two records is shown once everywhere`() {
        let wires = network(3)
        let listeners = (0..<3).map { wires.anonymous(at: $0) }
        let first = login(#""run":"r""#, at: 0, in: wires)
        // Only server 2 hears of it before server 0 is gone, and server 1 only afterwards.
        wires.hold(0, 1)
        wires.hold(2, 1)
        send(1, by: first, in: wires)
        wires.kill(0)
        let second = login(#""run":"r""#, at: 1, in: wires)
        wires.pass(milliseconds: 2000)
        send(1, by: second, in: wires)
        send(2, by: second, in: wires)
        wires.release(2, 1)
        wires.pass(milliseconds: 2000)
        for server in [1, 2] { #expect(wires.texts(listeners[server]) == ["1", "2"]) }
        #expect(wires.nodes[1].statistics.activitiesRepeated == 1)
    }

    @Test func `a numbered activity is shown when a second server holds it, and what was sent behind it after it`() {
        let wires = network(2)
        let listener = wires.anonymous(at: 0)
        let client = login(#""run":"r""#, at: 0, in: wires)
        wires.hold(0, 1)
        send(1, by: client, in: wires)
        wires.post("behind", by: listener)
        #expect(wires.texts(listener).isEmpty)
        wires.release(0, 1)
        wires.pass(milliseconds: 100)
        #expect(wires.texts(listener) == ["1", "behind"])
        #expect(wires.nodes[0].statistics.holdersAwaitedInVain == 0)
    }

    @Test func `a numbered activity waits a second at most, and the next ones not at all until the others are back`() {
        let wires = network(2)
        let listener = wires.anonymous(at: 0)
        let client = login(#""run":"r""#, at: 0, in: wires)
        wires.hold(0, 1)
        send(1, by: client, in: wires)
        wires.pass(milliseconds: 900)
        #expect(wires.texts(listener).isEmpty)
        wires.pass(milliseconds: 200)
        send(2, by: client, in: wires)
        #expect(wires.texts(listener) == ["1", "2"])
        #expect(wires.nodes[0].statistics.holdersAwaitedInVain == 1)
        wires.release(0, 1)
        wires.pass(milliseconds: 100)
        // They hold everything: now that is waited for again.
        send(3, by: client, in: wires)
        wires.pass(milliseconds: 100)
        wires.hold(0, 1)
        send(4, by: client, in: wires)
        #expect(wires.texts(listener) == ["1", "2", "3"])
    }

    @Test func `a session is not shown the second record of what it was shown elsewhere`() throws {
        let wires = network(3)
        let listener = login(#""resume":{}"#, at: 2, in: wires)
        let first = login(#""run":"r""#, at: 0, in: wires)
        wires.pass(milliseconds: 100)
        wires.hold(0, 1)
        wires.hold(2, 1)
        send(1, by: first, in: wires)
        wires.pass(milliseconds: 100)
        #expect(wires.texts(listener) == ["1"])
        let position = try #require(wires.clients[listener].lines.last { $0.contains("POSITION") })
        let reached = try #require(position.split(separator: "\"reached\":").last).dropLast()
        wires.kill(0)
        let second = login(#""run":"r""#, at: 1, in: wires)
        wires.pass(milliseconds: 2000)
        send(1, by: second, in: wires)
        let moved = login("\"resume\":\(reached)", at: 1, in: wires)
        wires.pass(milliseconds: 1500)
        wires.release(2, 1)
        wires.pass(milliseconds: 1000)
        send(2, by: second, in: wires)
        wires.pass(milliseconds: 100)
        #expect(wires.nodes[1].statistics.activitiesRepeated == 1)
        #expect(wires.texts(moved) == ["2"])
    }

    @Test func `at the limit of runs the oldest is forgotten`() {
        var table = SendingTable(limit: 2)
        let claim = ClaimID(stamp: 1, origin: Peers.id(1), counter: 1)
        let keys = (0..<3).map { SendingTable.Key(claim: claim, run: $0) }
        for key in keys {
            let isFirst = table.noteShown(5, of: key)
            #expect(isFirst)
        }
        #expect(table[keys[0]] == nil)
        #expect(table.count == 2 && table.evictions == 1)
        let isFirstAgain = table.noteShown(5, of: keys[2])
        #expect(!isFirstAgain)
    }

    @Test func `an acknowledgement at the limit is of the later of two`() {
        var waiting = Unacknowledged()
        for number in 1...5 as ClosedRange<UInt64> {
            waiting.append(number, at: StreamPosition(origin: Peers.id(1), seq: number), limit: 2)
        }
        let taken = [1, 4, 5].map { seq in waiting.take { $0.seq <= seq } }
        #expect(taken == [1, nil, 5])
    }

    // MARK: Positions

    private func positions(_ client: Int, in wires: Wires) -> String {
        var latest: [ServerID: UInt64] = [:]
        for line in wires.clients[client].lines {
            let bytes = Array(line.utf8)
            guard case .position(let positions) = try? ServerMessage.parse(bytes.span) else { continue }
            for position in positions { latest[position.origin] = position.seq }
        }
        return latest.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ",")
    }

    @Test func `a client that asks is told where it is behind each group of activities`() {
        let wires = network(1)
        let sender = wires.anonymous(at: 0)
        let client = login(#""resume":{}"#, at: 0, in: wires)
        wires.post("a", by: sender)
        wires.post("b", by: sender)
        #expect(
            wires.commands(client) == [
                "LOGIN_SUCCESS", "POSITION", "ACTIVITY_BROADCAST", "POSITION", "ACTIVITY_BROADCAST", "POSITION",
            ])
        #expect(!wires.clients[client].isFollowing)
        let seq = wires.nodes[0].store.streams[0].held
        #expect(positions(client, in: wires) == "\"\(wires.nodes[0].id)\":\(seq)")
    }

    @Test func `with its position a client goes on exactly, also if its server was killed`() {
        let wires = network(3)
        let sender = wires.anonymous(at: 1)
        let first = login(#""resume":{}"#, at: 2, in: wires)
        for text in ["a", "b"] { wires.post(text, by: sender) }
        #expect(wires.texts(first) == ["a", "b"])
        let position = positions(first, in: wires)
        wires.kill(2)
        wires.post("c", by: sender)
        let second = login("\"resume\":{\(position)}", at: 0, in: wires)
        wires.pass(milliseconds: 2000)
        wires.post("d", by: sender)
        #expect(wires.texts(second) == ["c", "d"])
    }

    @Test func `at the limit of clients that are told positions one is told none, and who catches up has room`() {
        let wires = network(1) { ($0.limits.toldPositions, $0.limits.catchingUp) = (1, 1) }
        let sender = wires.anonymous(at: 0)
        let first = login(#""resume":{}"#, at: 0, in: wires)
        wires.post("a", by: sender)
        let position = positions(first, in: wires)
        wires.post("b", by: sender)
        let others = [login(#""resume":{}"#, at: 0, in: wires), login("\"resume\":{\(position)}", at: 0, in: wires)]
        wires.post("c", by: sender)
        #expect(wires.commands(others[0]) == ["LOGIN_SUCCESS", "ACTIVITY_BROADCAST"])
        #expect(wires.commands(others[1]) == ["LOGIN_SUCCESS"] + ["ACTIVITY_BROADCAST", "ACTIVITY_BROADCAST"])
        #expect((wires.texts(others[0]), wires.texts(others[1])) == (["c"], ["b", "c"]))
        #expect(others.allSatisfy { wires.clients[$0].isFollowing })
        #expect(wires.nodes[0].statistics.positionsRefused == 2)
        #expect(wires.nodes[0].statistics.floorsRefused == 0)
        #expect(wires.reports[0].contains(.limitReached("clients that are told positions")))
        wires.drop(first)
        let next = login("\"resume\":{\(positions(first, in: wires))}", at: 0, in: wires)
        #expect(wires.commands(next) == ["LOGIN_SUCCESS", "POSITION"])
        #expect(wires.nodes[0].brokenInvariants().isEmpty)
    }

    /// Else it would wait for a position for ever.
    @Test func `a client that was told where it is is told again when its move has failed`() throws {
        let wires = network(3) { ($0.limits.toldPositions, $0.limits.catchingUp) = (1, 0) }
        let sender = wires.anonymous(at: 2)
        _ = wires.anonymous(at: 1)
        let client = login(#""resume":{}"#, at: 0, in: wires)
        #expect(wires.commands(client) == ["LOGIN_SUCCESS", "POSITION"])
        let slot = Int(wires.clients[client].id.slot)
        wires.hold(1, 0)
        wires.nodes[0].move([slot], wires.nodes[0].ticketHolder(slot), to: wires.nodes[1].id, .drain)
        wires.settle()
        for _ in 0..<5 where wires.nodes[0].moves.all.first?.stage == .asking { wires.deliverOne(1, 0) }
        // Nobody takes its place meanwhile.
        let other = login(#""resume":{}"#, at: 0, in: wires)
        wires.post("a", by: sender)
        wires.kill(1)
        wires.pass(milliseconds: 2000)
        #expect(wires.nodes[0].statistics.movesFailed == 1)
        #expect(wires.commands(client).suffix(3) == ["POSITION", "ACTIVITY_BROADCAST", "POSITION"])
        #expect(wires.texts(client) == ["a"])
        #expect(!wires.commands(other).contains("POSITION"))
    }

    @Test func `a client that is to begin elsewhere, and cannot, goes on here from where it says`() throws {
        let wires = network(3)
        let sender = wires.anonymous(at: 2)
        for text in ["a", "b"] { wires.post(text, by: sender) }
        for _ in 0..<2 { _ = wires.anonymous(at: 0) }
        wires.pass(milliseconds: 6000)
        wires.hold(1, 0)
        let seq = wires.nodes[2].store.streams[0].held
        let client = login("\"resume\":{\"\(wires.nodes[2].id)\":\(seq - 1)}", at: 0, in: wires)
        for _ in 0..<5 where wires.nodes[0].moves.isEmpty { wires.deliverOne(1, 0) }
        #expect(wires.nodes[0].moves.all.first?.cause == .login)
        wires.kill(1)
        wires.pass(milliseconds: 3000)
        #expect(wires.nodes[0].statistics.movesFailed == 1)
        #expect(wires.texts(client) == ["b"])
        #expect(wires.commands(client).prefix(2) == ["LOGIN_SUCCESS", "POSITION"])
    }

    @Test func `what is no position is ignored, and so is the anonymous user's`() {
        let wires = network(1)
        let sender = wires.anonymous(at: 0)
        let clients = [
            login(#""resume":[]"#, at: 0, in: wires), login(#""resume":{"x":1}"#, at: 0, in: wires),
            wires.connect(to: 0),
        ]
        wires.say(#"{"command":"LOGIN","username":"anonymous","resume":{}}"#, by: clients[2])
        wires.post("a", by: sender)
        for client in clients { #expect(wires.commands(client) == ["LOGIN_SUCCESS", "ACTIVITY_BROADCAST"]) }
    }
}
