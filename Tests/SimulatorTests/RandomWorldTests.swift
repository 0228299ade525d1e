import Dispatch
import Foundation
import Testing

@testable import Simulator

/// A fixed set of random worlds, all small: what they are drawn from is enough to meet every rare state. Larger worlds,
/// and as many as one likes, are what `pando-sim` runs. Some states are met by one or two of a hundred worlds only, so
/// a part of the set is drawn where they are more frequent.
@Suite struct RandomWorldTests {
    static let seeds: [UInt64] = Array(1...140) + rare

    /// Small worlds as they are drawn, in which a record waits in vain for the one that its sender sent before it; one
    /// whose table of servers fills with earlier lives that a joiner was told of; one in which a record is waited for
    /// that is here and waits itself; one in which only a part of where a session was has come; and some in which an
    /// address is refused, a gap is filled, and a slow reader is not moved.
    private static let rare: [UInt64] = [
        3641, 4106, 40_556, 78_970, 133_186, 164_413, 204_030, 215_741, 216_370, 219_516, 219_998, 222_732, 523_597,
    ]

    private static func world(seed: UInt64) -> RandomWorld {
        var world = RandomWorld(seed: seed)
        world.traces = .digest
        if rare.contains(seed) { return world }
        switch seed {
        case 1...80: world.servers = 2 + Int(seed % 5)
        case 81...120:
            // Many lives, few of which are remembered, and users who were at several of them.
            world.servers = 4
            world.strain = .forgetting
            world.faults = seed % 2 == 0 ? [.crashLoop] : [.crashLoop, .isolation, .churn]
        default:
            // Little room for names that are registered while somebody is away.
            world.servers = 2
            world.strain = .cramped
            world.faults = [.storm, .large, .partition, .readersBehind, .burst]
        }
        world.seconds = 9
        return world
    }

    /// Runs the worlds of all seeds, on all cores.
    private static let outcomes: [RandomWorld.Outcome] = {
        let lock = NSLock()
        nonisolated(unsafe) var outcomes: [UInt64: RandomWorld.Outcome] = [:]
        DispatchQueue.concurrentPerform(iterations: seeds.count) { index in
            let outcome = world(seed: seeds[index]).run()
            lock.withLock { outcomes[outcome.seed] = outcome }
        }
        return seeds.compactMap { outcomes[$0] }
    }()

    /// Worlds that break a promise in a way that is known and not mended yet.
    private static let open: Set<UInt64> = []

    @Test func `the promises hold in every world`() {
        for outcome in Self.outcomes where !outcome.violations.isEmpty {
            let told = outcome.violations.prefix(3).map(\.description) + [outcome.parameters] + outcome.story
            let story = "seed \(outcome.seed): \(told.joined(separator: "\n"))"
            if Self.open.contains(outcome.seed) {
                withKnownIssue { Issue.record("\(story)") }
            } else {
                Issue.record("\(story)")
            }
        }
    }

    @Test(arguments: RareState.allCases) func `every rare state is met`(state: RareState) {
        let count = Self.outcomes.reduce(0) { sum, outcome in
            sum + (outcome.rareStates.first { $0.name == state.rawValue }?.count ?? 0)
        }
        #expect(count > 0, "\(state) never occurs")
    }

    @Test func `worlds differ, and each is the same again`() {
        #expect(Set(Self.outcomes.map(\.parameters)).count == Self.outcomes.count)
        for seed in [3, 8] as [UInt64] {
            let again = Self.world(seed: seed).run()
            let first = Self.outcomes[Int(seed) - 1]
            #expect(again.traceDigest == first.traceDigest && again.story == first.story)
        }
    }

    @Test func `every kind of fault is drawn`() {
        let stories = Self.outcomes.flatMap(\.story).joined(separator: "\n")
        for words in [
            "dies, back after", "dies, for long", "times, every", "joins after", "joins by", "break",
            "are parted silently",
            "are parted abruptly", "raggedly", "are not heard", "hear nothing", "stand still", "carries", "are behind",
            "is set by", "leaves, and comes", "falls silent", "reads nothing", "ask for", "at once",
            "told of another network", "stay dead",
        ] { #expect(stories.contains(words), "no story tells that something \(words)") }
    }
}
