import Codecs
import Testing

@testable import Node

/// What one neighbour has given up may still come from another one.
@Suite struct GapTests {
    private static let origin = Peers.id(7)

    /// A server that holds two records of the origin, of ten. They came over the first link and, as copies, over the
    /// second.
    private final class Triangle {
        let desk = Desk()
        let first: LinkID
        let second: LinkID

        init(secondHolds held: UInt64 = 10) {
            _ = desk.anonymous()
            func entry(_ held: UInt64) -> PeerFrame.Level.Entry {
                PeerFrame.Level.Entry(origin: origin, held: held, oldest: 1)
            }
            first = desk.join(Peers.id(1), at: Peers.address(1), holding: [entry(10)])
            second = desk.join(Peers.id(2), at: Peers.address(2), holding: [entry(held)])
            desk.say(Peers.records(origin, from: 1, ["1", "2"]), over: first)
            if held > 0 { desk.say(Peers.records(origin, from: 1, ["1", "2"]), over: second) }
            // A gap that is told over a link that has just opened may be filled over one that is about to.
            desk.pass(milliseconds: 1000)
            _ = desk.heard(over: first)
            _ = desk.heard(over: second)
        }

        func gap(through seq: UInt64, over link: LinkID) {
            desk.say(.gap(StreamPosition(origin: origin, seq: seq)), over: link)
        }

        func records(_ seqs: ClosedRange<UInt64>, over link: LinkID) {
            desk.say(Peers.records(origin, from: seqs.lowerBound, seqs.map { "\($0)" }), over: link)
        }

        /// What was said over both links since the last look, without what is said now and then.
        func heard() -> [[Desk.Said]] {
            [first, second].map { link in
                desk.heard(over: link).filter { said in
                    switch said {
                    case .frame(.have), .frame(.haveSince), .frame(.heartbeat), .frame(.announcement): false
                    default: true
                    }
                }
            }
        }

        var gaps: [Report] { desk.reports.filter { if case .gap = $0 { true } else { false } } }
        var seqs: [String] {
            desk.published.compactMap { $0.split(separator: "\"").last { $0 != "}" }.map(String.init) }
        }
    }

    private static func graft(_ held: UInt64) -> Desk.Said {
        .frame(.graft([PeerFrame.Digest(origin: origin, held: held, announcement: 0)]))
    }

    private static let prune = Desk.Said.frame(.prune(origin))

    private static func report(_ seqs: ClosedRange<UInt64>) -> Report {
        .gap(StreamPosition(origin: origin, seq: seqs.upperBound), records: UInt64(seqs.count))
    }

    @Test func `what one neighbour gave up comes from another`() {
        let triangle = Triangle()
        triangle.gap(through: 5, over: triangle.first)
        #expect(triangle.heard() == [[Self.prune], [Self.graft(2)]])
        #expect(triangle.desk.node.brokenInvariants() == [])
        // What follows the gap is of no use yet, and not a reason to ask.
        triangle.records(6...8, over: triangle.first)
        #expect(triangle.heard() == [[], []])
        triangle.records(3...4, over: triangle.second)
        #expect(triangle.heard() == [[], []])
        triangle.records(5...10, over: triangle.second)
        #expect(triangle.heard() == [[Self.graft(5)], []])
        #expect(triangle.gaps == [])
        #expect(triangle.seqs == (1...10).map { "\($0)" })
        #expect(triangle.desk.node.statistics.gapsPutOff == 1 && triangle.desk.node.statistics.gapsFilled == 1)
        #expect(triangle.desk.node.brokenInvariants() == [])
        // What the first sends after the graft are copies: the tree is a tree again.
        triangle.records(6...10, over: triangle.first)
        #expect(triangle.heard() == [[Self.prune], []])
    }

    @Test func `what all have given up is stepped over once`() {
        let triangle = Triangle()
        triangle.gap(through: 5, over: triangle.first)
        _ = triangle.heard()
        triangle.gap(through: 5, over: triangle.second)
        #expect(triangle.heard() == [[Self.graft(5)], []])
        #expect(triangle.gaps == [Self.report(3...5)])
        #expect(triangle.desk.node.statistics.recordsSkipped == 3)
        triangle.records(6...10, over: triangle.second)
        triangle.desk.pass(milliseconds: 2000)
        #expect(triangle.gaps.count == 1)
        #expect(triangle.seqs == ["1", "2", "6", "7", "8", "9", "10"])
        #expect(triangle.desk.node.statistics.gapsFilled == 0)
        #expect(triangle.desk.node.brokenInvariants() == [])
    }

    @Test(arguments: [true, false]) func `of two gaps the shorter one is stepped over`(isFirstShorter: Bool) {
        let triangle = Triangle()
        let (short, long) =
            isFirstShorter ? (triangle.first, triangle.second) : (triangle.second, triangle.first)
        triangle.gap(through: isFirstShorter ? 5 : 8, over: triangle.first)
        _ = triangle.heard()
        triangle.gap(through: isFirstShorter ? 8 : 5, over: triangle.second)
        #expect(triangle.gaps == [Self.report(3...5)])
        #expect(triangle.heard() == (isFirstShorter ? [[Self.graft(5)], [Self.prune]] : [[], []]))
        triangle.records(6...7, over: short)
        #expect(triangle.heard() == [[], []])
        triangle.records(8...10, over: short)
        #expect(triangle.heard() == (isFirstShorter ? [[], [Self.graft(8)]] : [[Self.graft(8)], []]))
        #expect(triangle.gaps.count == 1)
        #expect(triangle.desk.node.brokenInvariants() == [])
        triangle.records(9...10, over: long)
        #expect(triangle.seqs == ["1", "2", "6", "7", "8", "9", "10"])
    }

    @Test func `a neighbour that could help and is silent is waited for in vain`() {
        let triangle = Triangle()
        triangle.gap(through: 5, over: triangle.first)
        _ = triangle.heard()
        triangle.desk.pass(milliseconds: 999)
        #expect(triangle.gaps == [])
        _ = triangle.heard()
        triangle.desk.pass(milliseconds: 1)
        #expect(triangle.gaps == [Self.report(3...5)])
        #expect(triangle.heard() == [[Self.graft(5)], []])
        triangle.records(6...10, over: triangle.first)
        #expect(triangle.seqs == ["1", "2", "6", "7", "8", "9", "10"])
    }

    @Test func `as long as records come the gap is not stepped over`() {
        let triangle = Triangle()
        triangle.gap(through: 8, over: triangle.first)
        for seq in 3...7 as ClosedRange<UInt64> {
            triangle.desk.pass(milliseconds: 900)
            for link in [triangle.first, triangle.second] { triangle.desk.say(.heartbeat, over: link) }
            triangle.records(seq...seq, over: triangle.second)
        }
        #expect(triangle.gaps == [])
        triangle.desk.pass(milliseconds: 1000)
        #expect(triangle.gaps == [Self.report(8...8)])
    }

    @Test func `a neighbour that holds no more may get them from elsewhere`() {
        let triangle = Triangle(secondHolds: 2)
        triangle.gap(through: 5, over: triangle.first)
        triangle.desk.pass(milliseconds: 999)
        triangle.records(3...5, over: triangle.second)
        #expect(triangle.gaps == [])
        #expect(triangle.seqs == ["1", "2", "3", "4", "5"])
    }

    @Test func `a neighbour that has nothing of the stream is not waited for`() {
        let triangle = Triangle(secondHolds: 0)
        triangle.gap(through: 5, over: triangle.first)
        #expect(triangle.gaps == [Self.report(3...5)])
        #expect(triangle.heard()[0] == [])
    }

    @Test func `without another neighbour nothing is waited for`() {
        let triangle = Triangle()
        triangle.desk.end(triangle.second)
        _ = triangle.heard()
        triangle.gap(through: 5, over: triangle.first)
        #expect(triangle.gaps == [Self.report(3...5)])
        #expect(triangle.heard() == [[], []])
        #expect(triangle.desk.node.statistics.gapsPutOff == 0)
    }

    @Test func `when the other neighbour is lost the gap is stepped over`() {
        let triangle = Triangle()
        triangle.gap(through: 5, over: triangle.first)
        _ = triangle.heard()
        triangle.desk.end(triangle.second)
        #expect(triangle.gaps == [Self.report(3...5)])
        #expect(triangle.heard() == [[Self.graft(5)], []])
    }

    @Test func `a gap goes with the neighbour that told it`() {
        let triangle = Triangle()
        triangle.gap(through: 5, over: triangle.first)
        triangle.desk.end(triangle.first)
        #expect(triangle.desk.node.brokenInvariants() == [])
        triangle.desk.pass(milliseconds: 1500)
        #expect(triangle.gaps == [])
        let again = triangle.desk.join(Peers.id(1), at: Peers.address(1))
        triangle.gap(through: 6, over: again)
        triangle.records(3...10, over: triangle.second)
        #expect(triangle.gaps == [])
        #expect(triangle.seqs == (1...10).map { "\($0)" })
    }

    @Test func `a gap is closed with the stream when that is forgotten`() {
        let triangle = Triangle()
        triangle.gap(through: 5, over: triangle.first)
        triangle.desk.node.depart(triangle.desk.node.servers.index(of: Self.origin) ?? 0, .told)
        let isForgotten = triangle.desk.node.forgetOldest()
        #expect(isForgotten)
        #expect(triangle.desk.node.brokenInvariants() == [])
        triangle.desk.pass(milliseconds: 1500)
        #expect(triangle.gaps == [])
    }

    /// Three servers. The third is cut off; the second, whose store is small, gives up what the first goes on keeping.
    @Test func `a server that was away gets what one of two still holds`() throws {
        let wires = Wires()
        wires.add()
        wires.add(bootstrap: 0) { $0.limits.storeBytes = 20_000 }
        wires.add(bootstrap: 0)
        wires.pass(milliseconds: 11_000)
        let sender = wires.anonymous(at: 0)
        let reader = wires.anonymous(at: 2, address: 2)
        wires.cut = [[0, 2], [1, 2]]
        for other in 0...1 { wires.breakWires(between: other, and: 2) }
        for number in 0..<2000 { wires.post("\(number)" + String(repeating: "x", count: 100), by: sender) }
        wires.pass(milliseconds: 1000)
        #expect(wires.nodes[1].statistics.recordsGivenUp > 0)
        // Both links open; the first thing that comes is the gap.
        for other in 0...1 { wires.hold(other, 2) }
        wires.cut = []
        let source = try #require(wires.nodes[2].servers.index(of: wires.nodes[0].id))
        for _ in 0..<20_000 {
            if let link = wires.nodes[2].linkIndex(toServer: source), wires.nodes[2].links[link].isOpen { break }
            if !wires.deliverOne(0, 2) { wires.pass(milliseconds: 1) }
        }
        wires.pass(milliseconds: 500)
        wires.release(1, 2)
        #expect(wires.nodes[2].statistics.gapsPutOff == 1)
        wires.release(0, 2)
        #expect(wires.nodes[2].statistics.gapsFilled == 1 && wires.nodes[2].statistics.recordsSkipped == 0)
        #expect(wires.texts(reader).count == 2000)
        wires.pass(milliseconds: 5000)
        #expect(wires.nodes.map { $0.brokenInvariants() } == [[], [], []])
    }
}
