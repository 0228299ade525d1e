// Time in tests: everything that waits has a deadline and watches a condition. Nothing sleeps and hopes.

import Foundation

/// What the harness itself could not do, or waited for in vain.
struct HarnessError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// Whether the longer forms of the tests were asked for.
let isFullRun = ProcessInfo.processInfo.environment["PANDO_FULL"] == "1"

/// A point on the monotonic clock until which something may take.
struct Deadline {
    private let end: ContinuousClock.Instant

    /// - Parameter seconds: multiplied by `PANDO_PATIENCE`, for slow machines and sanitizers.
    init(seconds: Double) { end = .now + .milliseconds(Int(seconds * Self.patience * 1000)) }

    private static let patience =
        ProcessInfo.processInfo.environment["PANDO_PATIENCE"].flatMap(Double.init) ?? 1

    var isOver: Bool { ContinuousClock.now >= end }

    /// For `poll(2)`: never negative, and at least 1 as long as time is left.
    var milliseconds: Int32 {
        let left = (end - .now).components
        let count = left.seconds * 1000 + left.attoseconds / 1_000_000_000_000_000
        return isOver ? 0 : Int32(clamping: max(1, count))
    }

    var date: Date { Date(timeIntervalSinceNow: Double(milliseconds) / 1000) }
}

/// Watches `condition` until it holds.
///
/// - Throws: `HarnessError` with `what` and the newest value of `state` if it does not hold in time.
func wait(
    for what: @autoclosure () -> String, seconds: Double = 10, every milliseconds: UInt32 = 20,
    state: () -> String = { "" }, until condition: () throws -> Bool
) throws {
    let deadline = Deadline(seconds: seconds)
    while try !condition() {
        if deadline.isOver { throw HarnessError("waited in vain for: \(what()) \(state())") }
        usleep(milliseconds * 1000)
    }
}

/// A seeded generator (SplitMix64), so that a test that draws can be repeated.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
