import Codecs
import Testing

@testable import Node

/// Broadcast trees over redundant links: pruned, repaired, never cut off.
@Suite struct TreeTests {
    @Test func `what comes twice prunes the later link, never the parent`() {
        let desk = Desk()
        let first = desk.join(Peers.id(1), at: Peers.address(1))
        let second = desk.join(Peers.id(2), at: Peers.address(2))
        let origin = Peers.id(7)
        desk.say(Peers.records(origin, from: 1, ["a"]), over: first)
        for _ in 0..<3 { desk.say(Peers.records(origin, from: 1, ["a"]), over: first) }
        desk.say(Peers.records(origin, from: 1, ["a"]), over: second)
        desk.say(Peers.records(origin, from: 1, ["a"]), over: second)
        let prunes = { (link: LinkID) in desk.heard(over: link).filter { $0 == .frame(.prune(origin)) }.count }
        #expect(prunes(first) == 0)
        #expect(prunes(second) == 1)
        #expect(desk.node.statistics.recordsDuplicate == 5)
    }

    @Test func `the loss of the parent's link grafts the pruned one at once`() {
        let desk = Desk()
        let first = desk.join(Peers.id(1), at: Peers.address(1))
        let second = desk.join(Peers.id(2), at: Peers.address(2))
        let origin = Peers.id(7)
        desk.say(Peers.records(origin, from: 1, ["a"]), over: first)
        desk.say(Peers.records(origin, from: 1, ["a"]), over: second)
        _ = desk.heard(over: second)
        desk.end(first)
        #expect(
            desk.heard(over: second).contains(
                .frame(.graft([PeerFrame.Digest(origin: origin, held: 1, announcement: 0)]))))
        #expect(desk.node.statistics.repairs == 0)
    }

    @Test func `a record that a digest told of and that does not come is asked for after the graft delay`() {
        let desk = Desk()
        let first = desk.join(Peers.id(1), at: Peers.address(1))
        let second = desk.join(Peers.id(2), at: Peers.address(2))
        let origin = Peers.id(7)
        desk.say(Peers.records(origin, from: 1, ["a"]), over: first)
        _ = desk.heard(over: second)
        desk.say(.have([PeerFrame.Digest(origin: origin, held: 3, announcement: 0)]), over: second)
        desk.pass(milliseconds: 99)
        #expect(
            !desk.heard(over: second).contains(
                .frame(.graft([PeerFrame.Digest(origin: origin, held: 1, announcement: 0)]))))
        desk.pass(milliseconds: 2)
        #expect(
            desk.heard(over: second).contains(
                .frame(.graft([PeerFrame.Digest(origin: origin, held: 1, announcement: 0)]))))
        desk.say(Peers.records(origin, from: 2, ["b", "c"]), over: second)
        desk.pass(milliseconds: 1000)
        #expect(desk.node.statistics.repairs == 1)
        #expect(desk.node.store.streams.map(\.held).max() == 3)
    }

    @Test func `the announcement of a silent server is asked for as records are`() {
        let desk = Desk()
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        desk.say(.have([PeerFrame.Digest(origin: Peers.id(7), held: 0, announcement: 4)]), over: link)
        _ = desk.heard(over: link)
        desk.pass(milliseconds: 150)
        #expect(
            desk.heard(over: link).contains(
                .frame(.graft([PeerFrame.Digest(origin: Peers.id(7), held: 0, announcement: 0)]))))
        desk.say(.announcement(Peers.announcement(4, of: 7)), over: link)
        #expect(desk.reports.contains(.memberJoined(Peers.id(7), Peers.address(7))))
    }

    /// A tree of slow links is later than a digest over a fast one: what is on its way is not asked for again.
    @Test func `the wait for what a digest told of follows how late the tree is`() {
        let desk = Desk()
        let slow = desk.join(Peers.id(1), at: Peers.address(1))
        let fast = desk.join(Peers.id(2), at: Peers.address(2))
        let origin = Peers.id(7)
        var seq: UInt64 = 0
        func record(after late: UInt64) {
            seq += 1
            desk.say(.have([PeerFrame.Digest(origin: origin, held: seq, announcement: 0)]), over: fast)
            desk.pass(milliseconds: late)
            desk.say(Peers.records(origin, from: seq, ["a"]), over: slow)
            desk.pass(milliseconds: 20)
        }
        record(after: 90)
        record(after: 170)
        record(after: 330)
        #expect(desk.node.statistics.repairs == 0)
        // What was seen is forgotten after two announce intervals.
        desk.pass(milliseconds: 500)
        for _ in 0..<25 {
            desk.say(.heartbeat, over: slow)
            desk.say(.heartbeat, over: fast)
            desk.pass(milliseconds: 500)
        }
        record(after: 150)
        #expect(desk.node.statistics.repairs == 1)
        // However late: there is a bound.
        for late in [290, 570, 1130, 1900] as [UInt64] { record(after: late) }
        #expect(desk.node.statistics.repairs == 1)
        record(after: 2050)
        #expect(desk.node.statistics.repairs == 2)
    }

    private static func digest(_ held: UInt64, age: UInt32 = 0) -> PeerFrame {
        .haveSince([PeerFrame.Digest(origin: Peers.id(7), held: held, announcement: 0, age: age)])
    }

    private static func isGraft(_ said: Desk.Said) -> Bool { if case .frame(.graft) = said { true } else { false } }

    /// Digests that are here before the record, time after time, show a faster way.
    @Test func `a lazy link that is earlier again and again is grafted, and takes the parent's place`() {
        let desk = Desk { $0.limits.overtakes = 3 }
        let slow = desk.join(Peers.id(1), at: Peers.address(1))
        let fast = desk.join(Peers.id(2), at: Peers.address(2))
        let origin = Peers.id(7)
        var seq: UInt64 = 1
        for link in [slow, fast] { desk.say(Peers.records(origin, from: 1, ["a"]), over: link) }
        desk.say(.prune(origin), over: fast)
        for link in [slow, fast] { _ = desk.heard(over: link) }
        func record(isToldBefore: Bool) -> [Desk.Said] {
            seq += 1
            if isToldBefore { desk.say(Self.digest(seq), over: fast) }
            desk.say(Peers.records(origin, from: seq, ["a"]), over: slow)
            if !isToldBefore { desk.say(Self.digest(seq), over: fast) }
            return desk.heard(over: fast).filter(Self.isGraft)
        }
        // Twice is not enough, and once not counts like twice.
        for isToldBefore in [true, true, false, true, true] { #expect(record(isToldBefore: isToldBefore) == []) }
        let wish = PeerFrame.Digest(origin: origin, held: 7, announcement: 0)
        #expect(record(isToldBefore: true) == [.frame(.graft([wish]))])
        #expect(desk.node.statistics.treeImprovements == 1 && desk.node.statistics.repairs == 0)
        // So that nothing comes twice but what is under way: and that prunes nobody.
        #expect(desk.heard(over: slow) == [.frame(.prune(origin))])
        desk.say(.prune(origin), over: slow)
        for link in [slow, fast] { desk.say(Peers.records(origin, from: 8, ["b"]), over: link) }
        #expect([slow, fast].map { desk.heard(over: $0) } == [[], []])
        // The other way is the slower one now, and stays what it is.
        desk.say(Peers.records(origin, from: 9, ["c"]), over: fast)
        desk.say(Self.digest(9), over: slow)
        #expect(desk.node.statistics.treeImprovements == 1)
        desk.end(fast)
        #expect(desk.heard(over: slow).contains(where: Self.isGraft))
    }

    /// A desk with a parent that has just been left for another way, over which nothing has come yet.
    private func between() -> (desk: Desk, left: LinkID, chosen: LinkID, other: LinkID) {
        let desk = Desk { $0.limits.overtakes = 1 }
        let links = [1, 2, 3].map { desk.join(Peers.id(UInt64($0)), at: Peers.address($0)) }
        for link in links { desk.say(Peers.records(Peers.id(7), from: 1, ["a"]), over: link) }
        desk.say(Self.digest(2), over: links[1])
        desk.say(Peers.records(Peers.id(7), from: 2, ["b"]), over: links[0])
        #expect(desk.node.statistics.treeImprovements == 1)
        for link in links { _ = desk.heard(over: link) }
        return (desk, links[0], links[1], links[2])
    }

    private static let wish = PeerFrame.Digest(origin: Peers.id(7), held: 2, announcement: 0)

    @Test func `the way is lost if the chosen one goes before it has brought anything`() {
        let (desk, left, chosen, other) = between()
        desk.end(chosen)
        for link in [left, other] { #expect(desk.heard(over: link).contains(.frame(.graft([Self.wish])))) }
        #expect(desk.node.brokenInvariants() == [])
    }

    /// Who brings a copy may have got it by way of this server.
    @Test func `until the chosen one brings something, a copy makes nobody else the parent`() {
        let (desk, left, chosen, other) = between()
        // A new link is eager.
        desk.end(other)
        let back = desk.join(Peers.id(3), at: Peers.address(3))
        let origin = desk.node.servers.index(of: Peers.id(7)) ?? -1
        // What was under way when it was pruned.
        desk.say(Peers.records(Peers.id(7), from: 3, ["c"]), over: left)
        #expect(desk.node.members[origin].parent == left)
        desk.say(Peers.records(Peers.id(7), from: 3, ["c"]), over: back)
        #expect(desk.heard(over: back).contains(.frame(.prune(Peers.id(7)))))
        #expect(desk.node.members[origin].parent == left)
        desk.say(Peers.records(Peers.id(7), from: 3, ["c"]), over: chosen)
        #expect(desk.node.members[origin].parent == chosen)
        #expect(!desk.heard(over: chosen).contains(.frame(.prune(Peers.id(7)))))
        #expect(desk.node.brokenInvariants() == [])
    }

    /// A silent server has a tree as well, and its announcement need not come twice for it.
    @Test func `a way that was faster for announcements is asked for the next one`() {
        let desk = Desk { $0.limits.overtakes = 1 }
        let links = [1, 2].map { desk.join(Peers.id(UInt64($0)), at: Peers.address($0)) }
        for link in links { desk.say(.announcement(Peers.announcement(1, of: 7)), over: link) }
        desk.say(.haveSince([PeerFrame.Digest(origin: Peers.id(7), held: 0, announcement: 2)]), over: links[1])
        for link in links { _ = desk.heard(over: link) }
        desk.say(.announcement(Peers.announcement(2, of: 7)), over: links[0])
        let wish = PeerFrame.Digest(origin: Peers.id(7), held: 0, announcement: 2)
        #expect(desk.heard(over: links[1]).filter(Self.isGraft) == [.frame(.graft([wish]))])
        #expect(desk.heard(over: links[0]).contains(.frame(.prune(Peers.id(7)))))
    }

    @Test func `two that choose each other have lost the way`() {
        let (desk, left, chosen, other) = between()
        desk.say(.graft([Self.wish]), over: other)
        #expect(!desk.heard(over: left).contains(where: Self.isGraft))
        desk.say(.graft([Self.wish]), over: chosen)
        for link in [left, other] { #expect(desk.heard(over: link).contains(.frame(.graft([Self.wish])))) }
        #expect(desk.node.brokenInvariants() == [])
    }

    @Test func `a neighbour of version 1 is told no ages`() {
        let desk = Desk()
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        let older = desk.join(Peers.id(2), at: Peers.address(2), versions: 1...1)
        for link in [link, older] { desk.say(.prune(Peers.id(1)), over: link) }
        desk.say(Peers.records(Peers.id(1), from: 1, ["a"]), over: link)
        _ = desk.heard(over: older)
        desk.pass(milliseconds: 10)
        #expect(
            desk.heard(over: older) == [.frame(.have([.init(origin: Peers.id(1), held: 1, announcement: 0)]))])
    }

    /// Digests are gathered: what one has waited for is no time that the record would have needed.
    @Test(arguments: [(age: 8_999, isFaster: false), (age: 9_001, isFaster: true)] as [(UInt32, Bool)])
    func `a digest is as early as what it tells would have come`(age: UInt32, isFaster: Bool) {
        let desk = Desk { $0.limits.overtakes = 1 }
        let slow = desk.join(Peers.id(1), at: Peers.address(1))
        let fast = desk.join(Peers.id(2), at: Peers.address(2))
        for link in [slow, fast] { desk.say(Peers.records(Peers.id(7), from: 1, ["a"]), over: link) }
        desk.say(Peers.records(Peers.id(7), from: 2, ["b"]), over: slow)
        desk.pass(milliseconds: 9)
        desk.say(Self.digest(2, age: age), over: fast)
        desk.say(Peers.records(Peers.id(7), from: 3, ["c"]), over: slow)
        #expect(desk.node.statistics.treeImprovements == (isFaster ? 1 : 0))
    }

    /// Which of several a digest can tell the age of depends on when they came: that would be no fair comparison.
    @Test func `a digest that tells of several is not compared`() {
        let desk = Desk { $0.limits.overtakes = 4 }
        let slow = desk.join(Peers.id(1), at: Peers.address(1))
        let fast = desk.join(Peers.id(2), at: Peers.address(2))
        let origin = Peers.id(7)
        func tell(_ held: UInt64) { desk.say(Self.digest(held), over: fast) }
        func record(_ seq: UInt64) { desk.say(Peers.records(origin, from: seq, ["a"]), over: slow) }
        record(1)
        desk.say(Peers.records(origin, from: 1, ["a"]), over: fast)
        for seq in [2, 3] as [UInt64] {
            tell(seq)
            record(seq)
        }
        tell(4)
        tell(32)
        for seq in 4...32 as ClosedRange<UInt64> { record(seq) }
        tell(34)
        record(33)
        record(34)
        #expect(desk.node.statistics.treeImprovements == 0)
        tell(35)
        record(35)
        #expect(desk.node.statistics.treeImprovements == 1)
    }

    /// Each is as fast as the other: they change places, ever more seldom.
    @Test func `each time that a link is grafted wants four times as much as the last`() {
        let desk = Desk { $0.limits.overtakes = 1 }
        let links = [1, 2].map { desk.join(Peers.id(UInt64($0)), at: Peers.address($0)) }
        for link in links { desk.say(Peers.records(Peers.id(7), from: 1, ["a"]), over: link) }
        var (seq, parent): (UInt64, Int) = (1, 0)
        /// How often the other one is first before it is grafted.
        func change() -> Int {
            let before = desk.node.statistics.treeImprovements
            for count in 1...100 {
                seq += 1
                desk.say(Self.digest(seq), over: links[1 - parent])
                desk.say(Peers.records(Peers.id(7), from: seq, ["a"]), over: links[parent])
                guard desk.node.statistics.treeImprovements > before else { continue }
                parent = 1 - parent
                seq += 1
                desk.say(Peers.records(Peers.id(7), from: seq, ["a"]), over: links[parent])
                return count
            }
            return 0
        }
        // The first digest after a change tells of two records, and is not compared.
        #expect((0..<6).map { _ in change() } == [1, 2, 5, 5, 17, 17])
        #expect(desk.node.statistics.recordsDuplicate == 1)
    }

    /// Who is pruned and has another parent knows that the link is on no way.
    @Test func `a prune is answered by one, but by nobody's child and not to the parent`() {
        let desk = Desk()
        let parent = desk.join(Peers.id(1), at: Peers.address(1))
        let other = desk.join(Peers.id(2), at: Peers.address(2))
        func prunes(over link: LinkID) -> Int {
            desk.heard(over: link).filter { $0 == .frame(.prune(Peers.id(7))) }.count
        }
        desk.say(.prune(Peers.id(7)), over: other)
        #expect(prunes(over: other) == 0)
        desk.say(Peers.records(Peers.id(7), from: 1, ["a"]), over: parent)
        desk.say(.prune(Peers.id(7)), over: parent)
        #expect(prunes(over: parent) == 0)
        for _ in 0..<2 { desk.say(.prune(Peers.id(7)), over: other) }
        #expect(prunes(over: other) == 1)
    }

    @Test func `who has given up what comes next is no faster way`() {
        let desk = Desk { $0.limits.overtakes = 1 }
        let slow = desk.join(Peers.id(1), at: Peers.address(1))
        let fast = desk.join(Peers.id(2), at: Peers.address(2))
        let origin = Peers.id(7)
        for link in [slow, fast] { desk.say(Peers.records(origin, from: 1, ["a"]), over: link) }
        desk.say(.have([PeerFrame.Digest(origin: origin, held: 2, announcement: 0)]), over: fast)
        desk.say(.gap(StreamPosition(origin: origin, seq: 10)), over: fast)
        desk.say(Peers.records(origin, from: 2, ["b"]), over: slow)
        #expect(desk.node.statistics.treeImprovements == 0)
    }

    @Test func `a server that is asked by its parent asks all others, once`() {
        let desk = Desk()
        let links = [1, 2, 3].map { desk.join(Peers.id(UInt64($0)), at: Peers.address($0)) }
        let origin = Peers.id(7)
        desk.say(Peers.records(origin, from: 1, ["a"]), over: links[0])
        for link in links { _ = desk.heard(over: link) }
        let wish = PeerFrame.Digest(origin: origin, held: 1, announcement: 0)
        func grafts() -> [Int] {
            links.map { desk.heard(over: $0).filter { $0 == .frame(.graft([wish])) }.count }
        }
        // Who is no parent is only served.
        desk.say(.graft([wish]), over: links[1])
        #expect(grafts() == [0, 0, 0])
        desk.say(.graft([wish]), over: links[0])
        #expect(grafts() == [0, 1, 1])
        desk.say(.graft([wish]), over: links[0])
        desk.say(.graft([wish]), over: links[1])
        #expect(grafts() == [0, 0, 0])
        #expect(desk.node.statistics.graftsByParent == 1)
    }

    /// PRUNE and GRAFT of one direction come from one end over one link, so they stay in order. What the other end sent
    /// between the two is late, and no reason to prune again.
    @Test func `what was under way when the link was grafted does not prune it`() {
        let desk = Desk()
        let parent = desk.join(Peers.id(1), at: Peers.address(1))
        let second = desk.join(Peers.id(2), at: Peers.address(2))
        let third = desk.join(Peers.id(3), at: Peers.address(3))
        let origin = Peers.id(7)
        func prunes(over link: LinkID) -> Int {
            desk.heard(over: link).filter { $0 == .frame(.prune(origin)) }.count
        }
        desk.say(Peers.records(origin, from: 1, ["a", "b", "c"]), over: parent)
        desk.say(Peers.records(origin, from: 1, ["a"]), over: second)
        #expect(prunes(over: second) == 1)
        desk.end(parent)
        desk.say(Peers.records(origin, from: 4, ["d"]), over: third)
        desk.say(Peers.records(origin, from: 2, ["b", "c"]), over: second)
        #expect(prunes(over: second) == 0)
        #expect(desk.node.statistics.prunesWithheld == 1)
        desk.say(Peers.records(origin, from: 4, ["d"]), over: second)
        #expect(prunes(over: second) == 1)
    }

    @Test func `records out of order are asked for once until the answer comes`() {
        let desk = Desk()
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        let origin = Peers.id(7)
        func grafts() -> Int {
            desk.heard(over: link).filter { if case .frame(.graft) = $0 { true } else { false } }.count
        }
        desk.say(Peers.records(origin, from: 1, ["a"]), over: link)
        for seq in 3...20 as ClosedRange<UInt64> { desk.say(Peers.records(origin, from: seq, ["x"]), over: link) }
        #expect(grafts() == 1)
        #expect(desk.node.statistics.recordsOutOfOrder == 18)
        desk.say(Peers.records(origin, from: 2, ["b", "c"]), over: link)
        desk.say(Peers.records(origin, from: 9, ["x"]), over: link)
        #expect(grafts() == 1)
    }

    /// Else two servers could take each other for the parent: one pushes what it got by chance elsewhere.
    @Test func `what is new is not pushed to the parent, but told by digest`() {
        let desk = Desk()
        let parent = desk.join(Peers.id(1), at: Peers.address(1))
        let pruned = desk.join(Peers.id(2), at: Peers.address(2))
        let origin = Peers.id(7)
        desk.say(Peers.records(origin, from: 1, ["a"]), over: parent)
        desk.say(Peers.records(origin, from: 1, ["a"]), over: pruned)
        _ = desk.heard(over: parent)
        desk.say(Peers.records(origin, from: 2, ["b"]), over: pruned)
        desk.pass(milliseconds: 10)
        let told = PeerFrame.Digest(origin: origin, held: 2, announcement: 0, age: 10_000)
        #expect(desk.heard(over: parent) == [.frame(.haveSince([told]))])
        // The parent has lost its way, and gets it after all.
        desk.say(.graft([PeerFrame.Digest(origin: origin, held: 1, announcement: 0)]), over: parent)
        #expect(desk.heard(over: parent) == [.records(origin: origin, first: 2, count: 1)])
    }

    @Test func `an announcement is the newest only if what came before it is held`() {
        let desk = Desk()
        let first = desk.join(Peers.id(1), at: Peers.address(1))
        let second = desk.join(Peers.id(2), at: Peers.address(2))
        let origin = Peers.id(7)
        func parent() -> LinkID? { desk.node.servers.index(of: origin).flatMap { desk.node.members[$0].parent } }
        func announce(_ number: UInt64, after seq: UInt64, over link: LinkID) {
            let held = [StreamPosition(origin: origin, seq: seq)]
            desk.say(.announcement(Peers.announcement(number, of: 7, held: held)), over: link)
        }
        desk.say(Peers.records(origin, from: 1, ["a"]), over: first)
        #expect(parent() == first)
        announce(1, after: 0, over: second)
        #expect(parent() == first)
        announce(2, after: 2, over: second)
        #expect(parent() == first)
        // The second neighbour is not known to hold the record.
        announce(3, after: 1, over: second)
        #expect(parent() == first)
        desk.say(.have([PeerFrame.Digest(origin: origin, held: 1, announcement: 3)]), over: second)
        announce(4, after: 1, over: second)
        #expect(parent() == second)
    }

    @Test func `a graft is answered with what comes after, and the edge pushes again`() {
        let desk = Desk()
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        let other = desk.join(
            Peers.id(2), at: Peers.address(2), holding: [PeerFrame.Level.Entry(origin: Peers.id(7), held: 0, oldest: 1)]
        )
        desk.say(.prune(Peers.id(7)), over: other)
        desk.say(Peers.records(Peers.id(7), from: 1, ["a", "b", "c"]), over: link)
        let records = { desk.heard(over: other).filter { if case .records = $0 { true } else { false } } }
        #expect(records() == [])
        desk.say(.graft([PeerFrame.Digest(origin: Peers.id(7), held: 1, announcement: 0)]), over: other)
        #expect(records() == [.records(origin: Peers.id(7), first: 2, count: 2)])
        desk.say(Peers.records(Peers.id(7), from: 4, ["d"]), over: link)
        #expect(records() == [.records(origin: Peers.id(7), first: 4, count: 1)])
    }

    /// No time passes after the death: no digest is sent, no timer fires.
    @Test(arguments: [(5, false), (10, false), (10, true), (16, false), (16, true)])
    func `after the death of any one server an activity reaches all others without waiting`(count: Int, isChain: Bool) {
        let whole = Wires.standing(count, isChain: isChain)
        let clients = (0..<count).map { whole.anonymous(at: $0) }
        for client in clients { whole.post("before", by: client) }
        for dead in 0..<count {
            let wires = whole.copy()
            wires.kill(dead)
            for client in clients where wires.clients[client].node != dead { wires.post("after", by: client) }
            for client in clients where wires.clients[client].node != dead {
                #expect(wires.texts(client).filter { $0 == "after" }.count == count - 1, "death of \(dead)")
                #expect(wires.texts(client).filter { $0 == "before" }.count == count, "death of \(dead)")
            }
            #expect(wires.nodes.allSatisfy { $0.statistics.repairs == 0 })
        }
    }

    /// Every link of every server: what the break loses of either end's tree is found again without waiting.
    @Test(arguments: [5, 10])
    func `after the loss of any one link an activity reaches all without waiting`(count: Int) {
        let whole = Wires.standing(count)
        let clients = (0..<count).map { whole.anonymous(at: $0) }
        for left in 0..<count {
            for right in whole.neighbours(of: left) where left < right {
                let wires = whole.copy()
                wires.cut = [[left, right]]
                wires.breakWires(between: left, and: right)
                for client in clients { wires.post("after", by: client) }
                for client in clients {
                    #expect(wires.texts(client).count == count, "link of \(left) and \(right)")
                }
            }
        }
    }

    /// What a dying server told only one neighbour reaches all, although it has no tree any more.
    @Test func `what one neighbour got from the dead reaches all at once`() {
        let whole = Wires.standing(10)
        let clients = (0..<10).map { whole.anonymous(at: $0) }
        for client in clients { whole.post("before", by: client) }
        whole.pass(milliseconds: 50)
        var heirs = 0
        for node in 0..<10 where node != 3 {
            let wires = whole.copy()
            for other in 0..<10 where other != node { wires.hold(3, other) }
            wires.post("last", by: clients[3])
            // Who is no neighbour, or a lazy one, got nothing.
            guard wires.texts(clients[node]).contains("last") else { continue }
            heirs += 1
            wires.kill(3)
            #expect(clients.allSatisfy { wires.texts($0).contains("last") }, "heir \(node)")
        }
        #expect(heirs > 0)
    }

    @Test(arguments: 0..<6)
    func `a server that is killed and comes back gets what is new, once`(dead: Int) {
        let wires = Wires.network(6)
        wires.kill(dead)
        wires.pass(milliseconds: 1000)
        let sender = wires.anonymous(at: (dead + 1) % 6)
        wires.post("while away", by: sender)
        wires.restart(dead, bootstrap: (dead + 2) % 6)
        wires.pass(milliseconds: 3000)
        let client = wires.anonymous(at: dead)
        wires.post("new", by: sender)
        wires.pass(milliseconds: 100)
        #expect(wires.texts(client) == ["new"])
        #expect(wires.nodes.allSatisfy { $0.statistics.members == 6 })
    }
}
