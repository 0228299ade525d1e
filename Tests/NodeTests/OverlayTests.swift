import Codecs
import Testing

@testable import Node

/// Whom a server dials: a ring and one chord each.
@Suite struct OverlayTests {
    private func addresses(_ count: Int) -> [PeerAddress] { (0..<count).map(Peers.address) }

    /// The links that all servers together keep, as neighbours by number.
    private func graph(_ count: Int) -> [[Int]] {
        let all = addresses(count)
        var neighbours = [Set<Int>](repeating: [], count: count)
        for (number, own) in all.enumerated() {
            for wanted in Overlay.wanted(by: own, among: all.filter { $0 != own }) {
                guard let other = all.firstIndex(of: wanted) else { continue }
                neighbours[number].insert(other)
                neighbours[other].insert(number)
            }
        }
        return neighbours.map { $0.sorted() }
    }

    /// Hops from one server to each other; nil for those that are not reached.
    private func distances(in graph: [[Int]], from start: Int, without removed: Int = -1) -> [Int?] {
        var distances = [Int?](repeating: nil, count: graph.count)
        distances[start] = 0
        var queue = [start]
        while !queue.isEmpty {
            let here = queue.removeFirst()
            for other in graph[here] where other != removed && distances[other] == nil {
                distances[other] = (distances[here] ?? 0) + 1
                queue.append(other)
            }
        }
        return distances
    }

    @Test(arguments: [1, 2, 3, 4, 5, 8, 16, 33, 64])
    func `whichever one server is missing, the others are connected`(count: Int) {
        let graph = graph(count)
        for removed in -1..<count {
            guard let start = (0..<count).first(where: { $0 != removed }) else { continue }
            let unreached = distances(in: graph, from: start, without: removed).count { $0 == nil }
            #expect(unreached == (removed < 0 ? 0 : 1))
        }
    }

    @Test(arguments: [2, 3, 10, 64, 256])
    func `a server dials two others and has about four links`(count: Int) {
        let all = addresses(count)
        for own in all {
            let wanted = Overlay.wanted(by: own, among: all.filter { $0 != own })
            #expect(wanted.count == min(2, count - 1) && Set(wanted).count == wanted.count && !wanted.contains(own))
        }
        let links = graph(count).reduce(0) { $0 + $1.count }
        #expect(Double(links) / Double(count) <= 4)
    }

    @Test func `the order of the list does not matter`() {
        var generator = SplitMix64(seed: 1)
        let all = addresses(30)
        let wanted = Overlay.wanted(by: Peers.address(99), among: all)
        for _ in 0..<20 {
            #expect(Overlay.wanted(by: Peers.address(99), among: all.shuffled(using: &generator)) == wanted)
        }
    }

    @Test func `one server more changes few wishes`() {
        let all = addresses(64)
        let changed = all.filter { own in
            let others = all.filter { $0 != own }
            return Overlay.wanted(by: own, among: others)
                != Overlay.wanted(by: own, among: others + [Peers.address(99)])
        }
        #expect(changed.count <= 8)
    }

    /// Measured: what log2 promises, with some room.
    @Test(arguments: [(64, 8), (256, 11)])
    func `the diameter is logarithmic`(count: Int, bound: Int) {
        let graph = graph(count)
        let diameter = (0..<count).compactMap { distances(in: graph, from: $0).compactMap { $0 }.max() }.max() ?? 0
        #expect(diameter <= bound)
    }

    @Test func `a member that was lost before it announced itself is dialled, whoever else there is`() throws {
        let addresses = (1...9).map(Peers.address)
        let wanted = Overlay.wanted(by: Desk.address, among: addresses)
        let lost = try #require((1...9).first { !wanted.contains(Peers.address($0)) })
        let desk = Desk()
        for peer in 1...9 where peer != lost {
            let link = desk.join(Peers.id(UInt64(peer)), at: Peers.address(peer))
            desk.say(.announcement(Peers.announcement(1, of: UInt64(peer))), over: link)
        }
        _ = desk.takeOutputs()
        desk.end(desk.join(Peers.id(UInt64(lost)), at: Peers.address(lost)))
        desk.pass(milliseconds: 10)
        let dialled = desk.takeOutputs().compactMap { if case .dial(_, let address) = $0 { address } else { nil } }
        #expect(dialled == [Peers.address(lost)])
    }

    // MARK: Attempts

    @Test func `waits double up to the longest, less a quarter at most`() throws {
        var overlay = Overlay(waits: Overlay.Waits(min: 100, max: 1000, remembered: 60_000))
        var random = SplitMix64(seed: 1)
        var now = Instant(nanoseconds: 0)
        overlay.setTargets([Peers.address(1)], at: now)
        for nominal in [100, 200, 400, 800, 1000, 1000] as [UInt64] {
            let (dial, _) = try #require({ overlay.takeDue(at: now).first }())
            let again = overlay.takeDue(at: now)
            #expect(again.isEmpty)
            overlay.attemptEnded(dial, at: now, random: &random)
            let next = try #require(overlay.nextAttempt)
            let wait = next.milliseconds(since: now)
            #expect((nominal - nominal / 4...nominal).contains(wait))
            now = next
        }
    }

    @Test func `a link that lasted is dialled again at once, one that did not like a failure`() throws {
        var overlay = Overlay(waits: Overlay.Waits(min: 100, max: 1000, remembered: 60_000))
        var random = SplitMix64(seed: 1)
        let now = Instant(nanoseconds: 0)
        overlay.setTargets([Peers.address(1)], at: now)
        let (first, _) = try #require({ overlay.takeDue(at: now).first }())
        overlay.linkEnded(first, lasted: 10, at: now, random: &random)
        let soon = overlay.takeDue(at: now)
        #expect(soon.isEmpty)
        let later = now.adding(milliseconds: 100)
        let (second, _) = try #require({ overlay.takeDue(at: later).first }())
        overlay.linkEnded(second, lasted: 1001, at: later, random: &random)
        let third = overlay.takeDue(at: later)
        #expect(third.count == 1)
    }

    @Test func `a target under way outlives the wish for it`() {
        var overlay = Overlay(waits: Overlay.Waits(min: 100, max: 1000, remembered: 60_000))
        let now = Instant(nanoseconds: 0)
        overlay.setTargets([Peers.address(1), Peers.address(2)], at: now)
        let dials = overlay.takeDue(at: now).map(\.0)
        overlay.setTargets([], at: now)
        #expect(overlay.isComplete(dials) && !overlay.isComplete([]))
        #expect(dials.map { overlay.address(of: $0) } == [Peers.address(1), Peers.address(2)])
    }
}
