import Codecs
import Testing

@testable import Node

/// Sessions that begin at a floor: what they are owed, in an order that keeps each sender's, then the log, without a
/// hole or a double between.
@Suite struct CatchingUpTests {
    /// Says LOGIN at a floor, as a server does that was told of it.
    private func resume(at node: Int, _ floor: Floor, in wires: Wires) -> Int {
        let client = wires.connect(to: node)
        let id = wires.clients[client].id
        guard let slot = wires.nodes[node].sessions.slot(of: id) else { return client }
        wires.nodes[node].sessions.setUser(SessionTable.anonymous, of: slot)
        wires.nodes[node].begin(slot, at: floor)
        wires.settle()
        return client
    }

    private func floor(of client: Int, in wires: Wires) -> Floor {
        let node = wires.clients[client].node
        guard let slot = wires.nodes[node].sessions.slot(of: wires.clients[client].id) else { return Floor() }
        return wires.nodes[node].floor(of: slot)
    }

    /// A faulty peer can tell of ends that are as high as numbers go.
    @Test func `gaps whose sum is beyond 64 bits are stated one by one`() {
        let wires = Wires.network(1)
        let (origin, last) = (Peers.id(7), UInt64(1) << 63 - 1)
        wires.nodes[0].tombstones.insert(PeerFrame.Digest(origin: origin, held: last, announcement: 1))
        let floor = Floor([StreamPosition(origin: origin, seq: 1)])
        for _ in 0..<3 { #expect(wires.clients[resume(at: 0, floor, in: wires)].isFollowing) }
        #expect(wires.nodes[0].statistics.recordsMissed == 3 &* (last - 1))
        let gap = Report.floorGap(StreamPosition(origin: origin, seq: last), records: last - 1)
        #expect(wires.reports[0].count { $0 == gap } == 3)
    }

    @Test func `what is forgotten here and beyond the floor is a stated gap`() {
        let wires = Wires.network(1)
        let origins = [Peers.id(7), Peers.id(8)]
        for origin in origins {
            wires.nodes[0].tombstones.insert(PeerFrame.Digest(origin: origin, held: 5, announcement: 1))
        }
        let client = resume(at: 0, Floor([StreamPosition(origin: origins[0], seq: 3)]), in: wires)
        #expect(wires.clients[client].isFollowing)
        #expect(wires.nodes[0].statistics.recordsMissed == 2)
        #expect(wires.reports[0].contains(.floorGap(StreamPosition(origin: origins[0], seq: 5), records: 2)))
    }

    /// Nor to one that heard of the stream only after that, and owes it to nobody who comes without a floor.
    @Test(arguments: [(0, false), (1, false), (1, true)])
    func `a session that is owed what another server holds no more does not go there`(
        shown: Int, isLate: Bool
    ) throws {
        let wires = Wires.network(2) { $0.limits.feedBytes = 1 }
        let origin = wires.nodes[0].id
        let sender = wires.anonymous(at: 0)
        for text in ["a", "b", "c"] { wires.post(text, by: sender) }
        wires.takesFed = false
        let client = resume(at: 1, Floor([StreamPosition(origin: origin, seq: UInt64(shown))]), in: wires)
        wires.nodes[0].store.release(0, through: 3)
        if isLate { wires.nodes[0].store.noteBaseline(0, 3) }
        wires.takesFed = true
        let slot = try #require(wires.nodes[1].sessions.slot(of: wires.clients[client].id))
        wires.nodes[1].move([slot], wires.nodes[1].ticketHolder(slot), to: origin, .drain)
        wires.settle()
        #expect(wires.nodes[1].statistics.movesFailed == 1)
        #expect(wires.texts(client) == Array(["a", "b", "c"].dropFirst(shown)))
    }

    /// After many restarts a calm moment lets many be forgotten at once, and not everywhere at the same time.
    @Test func `a floor names all streams that were forgotten lately, and the last of the others`() {
        let desk = Desk()
        for stream in 1...100 as ClosedRange<UInt64> {
            desk.node.noteForgotten(StreamPosition(origin: Peers.id(stream), seq: stream))
        }
        #expect(desk.node.floor(shown: desk.node.store.delivered).positions.count == 100)
        let timing = desk.node.configuration.timing
        desk.pass(milliseconds: 2 * timing.resumeWindow + 4 * timing.announceInterval)
        #expect(desk.node.floor(shown: desk.node.store.delivered).positions.count == 100)
        desk.pass(milliseconds: timing.announceInterval)
        #expect(desk.node.floor(shown: desk.node.store.delivered).positions.map(\.seq) == Array(37...100))
    }

    /// However few members a server may know at a time.
    @Test func `of too many forgotten streams the first are named no more`() {
        let desk = Desk { $0.limits.members = 8 }
        let last = UInt64(Node.forgottenMax)
        for stream in 1...last {
            desk.node.noteForgotten(StreamPosition(origin: Peers.id(stream), seq: stream))
        }
        #expect(desk.node.floor(shown: desk.node.store.delivered).positions.map(\.seq) == Array(1...last))
        desk.node.noteForgotten(StreamPosition(origin: Peers.id(last + 1), seq: last + 1))
        #expect(desk.node.floor(shown: desk.node.store.delivered).positions.map(\.seq) == Array(2...last + 1))
    }

    @Test func `the floor of a live session is what was delivered here`() {
        let wires = Wires.network(2)
        let client = wires.anonymous(at: 0)
        wires.post("a", by: wires.anonymous(at: 1))
        wires.post("b", by: client)
        let origins = wires.nodes.map(\.id)
        #expect(
            floor(of: client, in: wires)
                == Floor([StreamPosition(origin: origins[0], seq: 1), StreamPosition(origin: origins[1], seq: 1)]))
    }

    @Test func `a session that begins at a floor is fed what the floor lacks and then follows the log`() {
        let wires = Wires.network(2)
        let first = wires.anonymous(at: 0)
        let sender = wires.anonymous(at: 1)
        wires.post("a", by: sender)
        let floor = floor(of: first, in: wires)
        wires.drop(first)
        wires.post("b", by: sender)
        wires.post("c", by: wires.anonymous(at: 0))
        var outputs: [Output] = []
        wires.watch = { node, output in if node == 1 { outputs.append(output) } }
        let second = resume(at: 1, floor, in: wires)
        let id = wires.clients[second].id
        let size = wires.fed.last?.byteCount ?? 0
        #expect(
            outputs.filter { if case .sendLink = $0 { false } else { true } } == [.feed(id, 0..<size), .follow(id)])
        #expect(wires.texts(second).sorted() == ["b", "c"])
        wires.post("d", by: sender)
        #expect(wires.texts(second).last == "d" && wires.texts(second).count == 3)
        #expect(wires.nodes[1].statistics.sessionsCaughtUp == 1)
        #expect(wires.nodes[1].statistics.recordsFed == 2)
    }

    @Test func `a server that is behind the floor feeds what is not covered until it has reached it`() {
        let wires = Wires.standing(3)
        let first = wires.anonymous(at: 0)
        let near = wires.anonymous(at: 1)
        let far = wires.anonymous(at: 2)
        wires.hold(2, 1)
        wires.hold(0, 1)
        wires.post("a", by: far)
        #expect(wires.texts(first) == ["a"])
        let floor = floor(of: first, in: wires)
        wires.drop(first)
        let second = resume(at: 1, floor, in: wires)
        #expect(wires.nodes[1].statistics.sessionsCaughtUp == 0)
        wires.post("b", by: near)
        #expect(wires.texts(second) == ["b"])
        wires.post("c", by: far)
        wires.release(2, 1)
        wires.release(0, 1)
        wires.pass(milliseconds: 500)
        wires.post("d", by: far)
        #expect(wires.texts(second) == ["b", "c", "d"])
        #expect(wires.nodes[1].statistics.sessionsCaughtUp == 1)
        #expect(wires.nodes[1].statistics.sessionsCatchingUp == 0)
    }

    @Test func `a client is fed no more than its buffer takes before it has room`() {
        let wires = Wires.network(1) { $0.limits.feedBytes = 100 }
        let first = wires.anonymous(at: 0)
        let floor = floor(of: first, in: wires)
        wires.takesFed = false
        for number in 1...10 { wires.post("\(number)", by: first) }
        let second = resume(at: 0, floor, in: wires)
        let id = wires.clients[second].id
        #expect(wires.texts(second) == ["1", "2"])
        for step in 2...4 {
            wires.nodes[0].clientHasRoom(id, at: wires.now)
            wires.settle()
            #expect(wires.texts(second).count == 2 * step)
            #expect(!wires.clients[second].isFollowing)
        }
        wires.post("11", by: first)
        wires.nodes[0].clientHasRoom(id, at: wires.now)
        wires.settle()
        #expect(wires.texts(second).count == 10)
        wires.nodes[0].clientHasRoom(id, at: wires.now)
        wires.settle()
        #expect(wires.texts(second) == (1...11).map(String.init))
        #expect(wires.clients[second].isFollowing)
    }

    @Test func `an activity is fed after the one that its sender sent before elsewhere`() {
        let desk = Desk()
        let claim = ClaimID(stamp: 1, origin: Peers.id(1), counter: 1)
        let (one, two) = (Peers.id(1), Peers.id(2))
        // The stream with the lower index has the later activity.
        let link = desk.join(two, at: Peers.address(2))
        desk.say(Peers.records(two, from: 1, ["x"]), over: link)
        desk.say(Peers.records(one, from: 1, ["first"], claim: claim), over: link)
        desk.say(
            Peers.records(two, from: 2, ["second"], claim: claim, dependency: StreamPosition(origin: one, seq: 1)),
            over: link)
        let client = desk.connect()
        if let slot = desk.node.sessions.slot(of: client) {
            desk.node.sessions.setUser(SessionTable.anonymous, of: slot)
            desk.node.begin(slot, at: Floor())
        }
        desk.settle()
        #expect(desk.fed[client] == [#"{"text":"x"}"#, #"{"text":"first"}"#, #"{"text":"second"}"#])
    }

    /// Who has just joined takes over what was delivered elsewhere, and may learn of a stream later than of what follows
    /// it.
    @Test(arguments: [false, true]) func `an activity is fed after one that comes later than it`(isKnown: Bool) throws {
        let desk = Desk()
        let claim = ClaimID(stamp: 1, origin: Peers.id(1), counter: 1)
        let (one, two, three) = (Peers.id(1), Peers.id(2), Peers.id(3))
        let link = desk.join(two, at: Peers.address(2))
        desk.say(Peers.records(two, from: 1, ["x"]), over: link)
        desk.say(Peers.records(three, from: 1, ["y"]), over: link)
        // What the session waits for, and what nobody is shown here.
        desk.node.store.silence(try #require(desk.node.servers.index(of: three)), through: 2)
        desk.node.store.silence(try #require(desk.node.servers.index(of: two)), through: 2)
        desk.say(
            Peers.records(two, from: 2, ["second"], claim: claim, dependency: StreamPosition(origin: one, seq: 2)),
            over: link)
        if isKnown { desk.say(Peers.records(one, from: 1, ["z"]), over: link) }
        let client = desk.connect()
        let slot = try #require(desk.node.sessions.slot(of: client))
        desk.node.sessions.setUser(SessionTable.anonymous, of: slot)
        desk.node.begin(slot, at: Floor())
        desk.settle()
        if !isKnown { desk.say(Peers.records(one, from: 1, ["z"]), over: link) }
        desk.say(Peers.records(one, from: 2, ["first"], claim: claim), over: link)
        desk.node.clientHasRoom(client, at: desk.now)
        desk.settle()
        #expect(desk.fed[client]?.suffix(2) == ["first", "second"].map { ##"{"text":"\##($0)"}"## })
    }

    /// What one activity follows by way of another is not known any more when that one is gone.
    @Test(arguments: [false, true])
    func `an activity whose forerunner is gone is fed when nothing else is left`(isForgotten: Bool) {
        let desk = Desk()
        let claim = ClaimID(stamp: 1, origin: Peers.id(1), counter: 1)
        let (one, two, three) = (Peers.id(1), Peers.id(2), Peers.id(3))
        // The streams with the lower indices have the later activities.
        let link = desk.join(three, at: Peers.address(3))
        desk.say(Peers.records(three, from: 1, ["x"]), over: link)
        if isForgotten {
            desk.node.tombstones.insert(PeerFrame.Digest(origin: two, held: 2, announcement: 1))
        } else {
            desk.say(Peers.records(two, from: 1, ["y"]), over: link)
        }
        desk.say(Peers.records(one, from: 1, ["first"], claim: claim), over: link)
        if !isForgotten {
            desk.say(
                Peers.records(two, from: 2, ["second"], claim: claim, dependency: StreamPosition(origin: one, seq: 1)),
                over: link)
        }
        desk.say(
            Peers.records(three, from: 2, ["third"], claim: claim, dependency: StreamPosition(origin: two, seq: 2)),
            over: link)
        if let stream = desk.node.servers.index(of: two) { desk.node.store.release(stream, through: 2) }
        let client = desk.connect()
        if let slot = desk.node.sessions.slot(of: client) {
            desk.node.sessions.setUser(SessionTable.anonymous, of: slot)
            desk.node.begin(slot, at: isForgotten ? Floor([StreamPosition(origin: two, seq: 1)]) : Floor())
        }
        desk.settle()
        #expect(desk.fed[client] == ["x", "first", "third"].map { ##"{"text":"\##($0)"}"## })
    }

    @Test func `what a session is owed and is not held any more is a stated gap`() {
        let wires = Wires.network(1) {
            $0.limits.storeBytes = 150_000
            $0.timing.announceInterval = 1000
        }
        let first = wires.anonymous(at: 0)
        wires.post("a", by: first)
        let floor = floor(of: first, in: wires)
        let text = String(repeating: "x", count: 1000)
        for _ in 0..<200 { wires.post(text, by: first) }
        let second = resume(at: 0, floor, in: wires)
        let missed = wires.nodes[0].statistics.recordsMissed
        #expect(missed > 0 && missed + UInt64(wires.texts(second).count) == 200)
        let position = StreamPosition(origin: wires.nodes[0].id, seq: 1 + missed)
        #expect(wires.reports[0].contains(.floorGap(position, records: missed)))
    }

    @Test func `at the limit of sessions that are catching up one begins now, and that is told`() {
        let wires = Wires.network(1) {
            $0.limits.catchingUp = 1
            $0.limits.feedBytes = 1
        }
        let sender = wires.anonymous(at: 0)
        wires.takesFed = false
        wires.post("a", by: sender)
        wires.post("b", by: sender)
        let first = resume(at: 0, Floor(), in: wires)
        let second = resume(at: 0, Floor(), in: wires)
        #expect(wires.texts(first) == ["a"] && wires.texts(second).isEmpty)
        #expect(wires.clients[second].isFollowing)
        #expect(wires.nodes[0].statistics.floorsRefused == 1)
        #expect(wires.reports[0].contains(.limitReached("sessions that are catching up")))
    }

    @Test func `a floor that is ahead of everybody who is left ends there`() {
        let wires = Wires.standing(3)
        let first = wires.anonymous(at: 0)
        wires.hold(2, 1)
        wires.hold(0, 1)
        wires.post("lost", by: wires.anonymous(at: 2))
        let floor = floor(of: first, in: wires)
        wires.kill(0)
        wires.kill(2)
        let second = resume(at: 1, floor, in: wires)
        #expect(wires.nodes[1].statistics.sessionsCatchingUp == 1)
        wires.pass(milliseconds: 40_000)
        #expect(wires.nodes[1].statistics.sessionsCatchingUp == 0)
        #expect(wires.nodes[1].statistics.floorsEnded == 1)
        wires.post("on", by: wires.anonymous(at: 1))
        #expect(wires.texts(second) == ["on"])
    }

    @Test func `a session that ends while it is catching up leaves nothing behind`() {
        let wires = Wires.network(1) { $0.limits.feedBytes = 1 }
        wires.takesFed = false
        let sender = wires.anonymous(at: 0)
        wires.post("a", by: sender)
        let client = resume(at: 0, Floor(), in: wires)
        #expect(wires.nodes[0].statistics.sessions == 2)
        wires.drop(client)
        #expect(wires.nodes[0].statistics.sessions == 1)
        #expect(wires.nodes[0].feeding.isEmpty)
    }
}
