import Codecs
import Testing

@testable import Node

/// The order of one sender over two servers (P3): what it sent later waits for what it sent earlier elsewhere.
@Suite struct DependencyTests {
    private let earlier = StreamPosition(origin: Peers.id(1), seq: 2)
    private let claim = Peers.claim("ada").id

    private func texts(_ desk: Desk) -> [String] {
        desk.published.compactMap { $0.split(separator: "\"").dropFirst(3).first.map(String.init) }
    }

    /// A desk with a client that listens and links to servers 1 and 2.
    private func listening() -> (desk: Desk, first: LinkID, second: LinkID) {
        let desk = Desk()
        _ = desk.anonymous()
        return (
            desk, desk.join(Peers.id(1), at: Peers.address(1)), desk.join(Peers.id(2), at: Peers.address(2))
        )
    }

    private func later(_ texts: String..., from first: UInt64 = 1, after position: StreamPosition? = nil) -> [UInt8] {
        Peers.records(Peers.id(2), from: first, texts, claim: claim, dependency: position ?? earlier)
    }

    @Test func `the later activity waits for the earlier one, and takes along what follows it`() {
        let (desk, first, second) = listening()
        desk.say(Peers.records(Peers.id(1), from: 1, ["other"]), over: first)
        desk.say(later("late", "later"), over: second)
        #expect(texts(desk) == ["other"])
        #expect(desk.node.store.streams.map(\.held) == [0, 1, 2])
        desk.say(Peers.records(Peers.id(1), from: 2, ["early"]), over: first)
        #expect(texts(desk) == ["other", "early", "late", "later"])
        #expect(desk.node.waiting.isEmpty)
    }

    @Test func `other streams do not wait`() {
        let (desk, first, second) = listening()
        desk.say(later("late"), over: second)
        desk.say(Peers.records(Peers.id(3), from: 1, ["free"]), over: first)
        #expect(texts(desk) == ["free"])
    }

    @Test func `what was given up is waited for no more`() {
        let (desk, first, second) = listening()
        desk.say(Peers.records(Peers.id(1), from: 1, ["other"]), over: first)
        desk.say(later("late"), over: second)
        desk.say(.gap(StreamPosition(origin: Peers.id(1), seq: 6)), over: first)
        #expect(texts(desk) == ["other", "late"])
        #expect(desk.node.statistics.dependenciesExpired == 0)
        #expect(desk.node.statistics.recordsSkipped == 5)
    }

    @Test func `after ten seconds order yields to reach, counted`() {
        let (desk, first, second) = listening()
        desk.say(later("late"), over: second)
        for _ in 0..<20 {
            #expect(texts(desk) == [])
            desk.pass(milliseconds: 499)
            for link in [first, second] { desk.say(.heartbeat, over: link) }
        }
        desk.pass(milliseconds: 100)
        #expect(texts(desk) == ["late"])
        #expect(desk.node.statistics.dependenciesExpired == 1)
        #expect(desk.node.waiting.isEmpty)
    }

    /// Stream 1 waits for what never comes, and stream 3 for something that is in stream 1.
    @Test func `what is here is waited for as long as its own stream waits`() {
        let (desk, first, second) = listening()
        desk.say(Peers.records(Peers.id(3), from: 1, ["last"], claim: claim, dependency: earlier), over: first)
        desk.pass(milliseconds: 499)
        for link in [first, second] { desk.say(.heartbeat, over: link) }
        desk.say(
            Peers.records(
                Peers.id(1), from: 1, ["early"], claim: claim, dependency: StreamPosition(origin: Peers.id(4), seq: 9))
                + Peers.records(Peers.id(1), from: 2, ["late"]), over: first)
        // At ten seconds stream 3 has waited for long enough for something that is not here, but this is.
        for _ in 0..<20 {
            #expect(texts(desk) == [])
            desk.pass(milliseconds: 499)
            for link in [first, second] { desk.say(.heartbeat, over: link) }
        }
        desk.pass(milliseconds: 100)
        #expect(texts(desk) == ["early", "late", "last"])
        #expect(desk.node.statistics.dependenciesExpired == 1)
    }

    /// What a faulty peer may send: each of two streams waits for the other.
    @Test func `a circle is broken after thirty seconds`() {
        let (desk, first, second) = listening()
        desk.say(
            Peers.records(
                Peers.id(1), from: 1, ["a", "b"], claim: claim, dependency: StreamPosition(origin: Peers.id(2), seq: 1)),
            over: first)
        desk.say(later("c", "d"), over: second)
        for _ in 0..<60 {
            #expect(texts(desk) == [])
            desk.pass(milliseconds: 499)
            for link in [first, second] { desk.say(.heartbeat, over: link) }
        }
        desk.pass(milliseconds: 100)
        #expect(texts(desk) == ["a", "b", "c", "d"])
        #expect(desk.node.statistics.dependenciesExpired == 1)
        #expect(desk.node.waiting.isEmpty)
    }

    @Test func `a stream that is freed by another's expiry is not counted as expired`() {
        let (desk, first, second) = listening()
        desk.say(later("one"), over: second)
        desk.say(
            Peers.records(
                Peers.id(3), from: 1, ["two"], claim: claim, dependency: StreamPosition(origin: Peers.id(2), seq: 1)),
            over: first)
        for _ in 0..<21 {
            desk.pass(milliseconds: 499)
            for link in [first, second] { desk.say(.heartbeat, over: link) }
        }
        #expect(texts(desk) == ["one", "two"])
        #expect(desk.node.statistics.dependenciesExpired == 1)
    }

    @Test func `a stream waits once, however many of its records wait in turn`() {
        let (desk, first, second) = listening()
        for seq in 1...5 as ClosedRange<UInt64> {
            desk.say(
                later("late\(seq)", from: seq, after: StreamPosition(origin: Peers.id(1), seq: seq)), over: second)
        }
        for seq in 1...5 as ClosedRange<UInt64> {
            #expect(desk.node.waiting.count == 1)
            desk.say(Peers.records(Peers.id(1), from: seq, ["early\(seq)"]), over: first)
        }
        #expect(texts(desk) == (1...5).flatMap { ["early\($0)", "late\($0)"] })
        #expect(desk.node.waiting.isEmpty)
    }

    // MARK: Leave to publish

    private func bytes(_ outputs: [Output]) -> Int {
        outputs.reduce(0) { if case .publish(let range) = $1 { $0 + range.count } else { $0 } }
    }

    @Test func `what one record frees is published a share a turn, in order`() {
        let desk = Desk { $0.limits.deliveryBytes = 1000 }
        _ = desk.anonymous()
        let (first, second) = (
            desk.join(Peers.id(1), at: Peers.address(1)), desk.join(Peers.id(2), at: Peers.address(2))
        )
        let expected = (1...400).map { "late\($0)" }
        desk.say(later("late1"), over: second)
        desk.say(Peers.records(Peers.id(2), from: 2, Array(expected.dropFirst())), over: second)
        desk.say(Peers.records(Peers.id(1), from: 1, ["other"]), over: first)
        _ = desk.takeOutputs()
        desk.say(Peers.records(Peers.id(1), from: 2, ["early"]), over: first)
        var turns = 0
        repeat {
            // The input's own share, and the one that the end of the turn gives.
            #expect((1...2000).contains(bytes(desk.takeOutputs())))
            for stream in desk.node.store.streams { #expect(stream.delivered <= stream.held) }
            turns += 1
            let wasPostponed = desk.node.hasPostponedDeliveries
            desk.settle()
            #expect(wasPostponed == desk.outputs.contains { if case .publish = $0 { true } else { false } })
        } while desk.node.hasPostponedDeliveries
        #expect(turns > 5)
        #expect(texts(desk) == ["other", "early"] + expected)
        #expect(desk.node.waiting.isEmpty)
    }

    @Test func `without leave records are taken in and passed on, and published later`() {
        let desk = Desk { $0.limits.deliveryBytes = 1000 }
        _ = desk.anonymous()
        let (first, second) = (
            desk.join(Peers.id(1), at: Peers.address(1)), desk.join(Peers.id(2), at: Peers.address(2))
        )
        desk.node.turnEnding(at: desk.now, mayDeliver: false)
        _ = desk.node.linkReceived(
            first, Peers.records(Peers.id(1), from: 1, ["a", "early"]).span, at: desk.now)
        _ = desk.node.linkReceived(second, later("late").span, at: desk.now)
        desk.node.turnEnding(at: desk.now, mayDeliver: false)
        #expect(desk.node.store.streams.map(\.held) == [0, 2, 1])
        #expect(desk.node.hasPostponedDeliveries)
        // Nor does the wait for a dependency that is here become an expiry.
        for _ in 0..<30 {
            desk.now = desk.now.adding(milliseconds: 500)
            desk.node.timeReached(at: desk.now)
            desk.node.turnEnding(at: desk.now, mayDeliver: false)
        }
        #expect(!desk.node.outbox.outputs.contains { if case .publish = $0 { true } else { false } })
        desk.settle()
        #expect(texts(desk) == ["a", "early", "late"])
        #expect(desk.node.statistics.dependenciesExpired == 0)
        #expect(!desk.node.hasPostponedDeliveries)
    }

    @Test func `a stream with much to deliver lets the others go on`() {
        let desk = Desk { $0.limits.deliveryBytes = 200 }
        _ = desk.anonymous()
        let (first, second) = (
            desk.join(Peers.id(1), at: Peers.address(1)), desk.join(Peers.id(2), at: Peers.address(2))
        )
        desk.say(Peers.records(Peers.id(1), from: 1, (1...200).map { "a\($0)" }), over: first)
        desk.say(Peers.records(Peers.id(2), from: 1, ["b"]), over: second)
        for _ in 0..<3 { desk.settle() }
        #expect(texts(desk).contains("b"))
        #expect(desk.node.hasPostponedDeliveries)
    }

    @Test func `what is held before a gap is published before it`() {
        let desk = Desk { $0.limits.deliveryBytes = 100 }
        _ = desk.anonymous()
        let first = desk.join(Peers.id(1), at: Peers.address(1))
        desk.say(
            Peers.records(Peers.id(1), from: 1, (1...50).map { "a\($0)" })
                + {
                    var bytes: [UInt8] = []
                    PeerFrame.gap(StreamPosition(origin: Peers.id(1), seq: 60)).encode(into: &bytes)
                    return bytes
                }(),
            over: first)
        // A share a turn, whatever comes after it.
        #expect(texts(desk).count < 20)
        for _ in 0..<20 { desk.settle() }
        #expect(texts(desk) == (1...50).map { "a\($0)" })
        #expect(desk.node.statistics.recordsSkipped == 0)
        desk.pass(milliseconds: 1000)
        #expect(desk.node.statistics.recordsSkipped == 10)
    }

    @Test func `what waits behind a gap for ten seconds is published at once, and the gap is stepped over`() {
        let (desk, first, second) = listening()
        desk.say(
            Peers.records(
                Peers.id(2), from: 1, ["a"], claim: claim, dependency: StreamPosition(origin: Peers.id(5), seq: 3))
                + Peers.records(Peers.id(2), from: 2, ["b"]), over: second)
        desk.say(.gap(StreamPosition(origin: Peers.id(2), seq: 9)), over: second)
        for _ in 0..<20 {
            #expect(texts(desk) == [])
            desk.pass(milliseconds: 499)
            for link in [first, second] { desk.say(.heartbeat, over: link) }
        }
        desk.pass(milliseconds: 1000)
        #expect(texts(desk) == ["a", "b"])
        #expect(desk.node.statistics.recordsSkipped == 7)
    }

    @Test func `a line larger than the share is published by itself`() {
        let desk = Desk { $0.limits.deliveryBytes = 100 }
        _ = desk.anonymous()
        let first = desk.join(Peers.id(1), at: Peers.address(1))
        let long = String(repeating: "x", count: 500)
        desk.say(Peers.records(Peers.id(1), from: 1, ["a", long, "b"]), over: first)
        for _ in 0..<4 { desk.settle() }
        #expect(texts(desk) == ["a", long, "b"])
        #expect(!desk.node.hasPostponedDeliveries)
    }

    @Test func `a user's activity names the last one that was delivered from elsewhere`() {
        let wires = Wires.network(2)
        wires.drop(wires.register("ada", at: 0))
        wires.pass(milliseconds: 50)
        let first = wires.login("ada", at: 0)
        wires.post("here", as: "ada", by: first)
        wires.drop(first)
        let second = wires.login("ada", at: 1)
        wires.post("there", as: "ada", by: second)
        let node = wires.nodes[1]
        let place = node.store.location(of: node.store.streams[0].held, in: 0)
        let bytes = node.store.streams[0].segments[place?.segment ?? 0].bytes
        let header = try? RecordHeader.decode(in: bytes.span, at: place?.range ?? 0..<0).header
        // The first record of server 0 is the claim, the second the activity.
        #expect(header?.dependency == StreamPosition(origin: wires.nodes[0].id, seq: 2))
    }
}
