// Where tests with real processes run. They block their thread, so they must not run on the threads that Swift's
// concurrency shares: a few of them would stall every other test and make time limits fire late. And they must not
// all run at once: a server's answer would come late because the machine is busy with other tests.
//
// So there are two lanes, each with a thread of its own, and in each one test runs at a time.

import Dispatch
import Testing

/// Tests that mostly wait.
@Suite(.serialized, .lane(.light)) enum LightTests {}

/// Tests that keep the machine busy.
@Suite(.serialized, .lane(.heavy)) enum HeavyTests {}

struct Lane: SuiteTrait, TestTrait, TestScoping {
    static let light = Lane(name: "light")
    static let heavy = Lane(name: "heavy")

    private let thread: LaneThread

    private init(name: String) { thread = LaneThread(name: name) }

    var isRecursive: Bool { true }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await withTaskExecutorPreference(thread) { try await function() }
    }
}

extension Trait where Self == Lane {
    static func lane(_ lane: Lane) -> Lane { lane }
}

private final class LaneThread: TaskExecutor {
    private let queue: DispatchQueue

    init(name: String) { queue = DispatchQueue(label: "lane.\(name)") }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
