import Node
import Testing

@testable import Simulator

/// A simulator that never fails shows nothing. Each mistake that a node can be made to make is found, within a stated
/// number of seeds, and by what it breaks; the same worlds without it show nothing. Four take worlds that are written
/// for them (`WrittenDefectTests`).
@Suite struct DefectTests {
    /// In which worlds a defect is looked for, and what shows it.
    struct Hunt: Sendable, CustomTestStringConvertible {
        var defect: NodeDefect
        /// All of them are run; one that shows the defect is enough.
        var seeds: [UInt64]
        var kinds: Set<Violation.Kind>
        var servers = 4
        var strain: Strain?
        var faults: [FaultKind]?

        var testDescription: String { "\(defect) within \(seeds.count) seeds" }

        func world(_ seed: UInt64, with defect: NodeDefect?) -> RandomWorld {
            var world = RandomWorld(seed: seed)
            world.servers = servers
            world.seconds = 9
            world.strain = strain
            world.faults = faults
            world.defect = defect
            return world
        }
    }

    /// Before each: how many of the first worlds of that kind show it.
    static let hunts: [Hunt] = [
        // 37 of 200.
        Hunt(defect: .forgottenDeliveredAgain, seeds: [5, 11, 14], kinds: [.repeated, .shownOld]),
        // 3 of 100.
        Hunt(
            defect: .departureStopsDialling, seeds: [2, 27, 89], kinds: [.notWhole], strain: .forgetting,
            faults: [.partition]),
        // 21 of 200.
        Hunt(defect: .deliveredCountedAsHeld, seeds: [12, 26, 53], kinds: [.notReached, .repeated]),
        // 6 of 100.
        Hunt(
            defect: .heldCountedAsDelivered, seeds: [3, 8, 24], kinds: [.reordered], servers: 3, strain: .halting,
            faults: [.churn, .readersBehind]),
        // 60 of 150.
        Hunt(defect: .stampsClamped, seeds: [4, 10, 14], kinds: [.ownerExpelled, .registryRepaired]),
        // 34 of 60.
        Hunt(
            defect: .parentPruned, seeds: [16, 17, 18], kinds: [.brokenInvariant], servers: 8, faults: [.isolation]),
        // 74 of 200.
        Hunt(defect: .replayOvertaken, seeds: [3, 4, 10], kinds: [.notReached]),
        // 94 of 150.
        Hunt(defect: .redirectedDropped, seeds: [2, 3, 4], kinds: [.notAccepted]),
        // 15 of 30.
        Hunt(
            defect: .floorOfAnother, seeds: [1, 2, 4, 8, 10, 11, 12], kinds: [.lostOnTheWay, .shownOld, .repeated],
            faults: [.churn, .drain]),
        // 51 of 60.
        Hunt(defect: .releasedBelowFloor, seeds: [3, 4, 5], kinds: [.releasedNeedlessly], faults: [.churn]),
        // 48 of 150.
        Hunt(defect: .backlogPublishedAtOnce, seeds: [3, 4, 6], kinds: [.readersOverrun]),
    ]

    @Test(arguments: hunts) func `a planted defect is found`(hunt: Hunt) {
        var found: Set<Violation.Kind> = []
        for seed in hunt.seeds {
            for violation in hunt.world(seed, with: hunt.defect).run().violations { found.insert(violation.kind) }
            #expect(hunt.world(seed, with: nil).run().violations.map(\.description) == [], "seed \(seed) is sound")
        }
        #expect(!found.isDisjoint(with: hunt.kinds), "\(hunt.defect) shows as \(found.map(\.rawValue).sorted())")
    }
}
