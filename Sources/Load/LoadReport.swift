// What a run has shown.

import Histogram

public struct LoadReport {
    let plan: LoadPlan
    /// In microseconds, of the activities planned in the measured window.
    var latency = Histogram<UInt64>(highestTrackableValue: 3_600_000_000, numberOfSignificantValueDigits: .three)
    /// The longest time in the measured window in which a receiver heard nothing, in microseconds.
    var longestSilence: UInt64 = 0
    /// Of what was lost, what receivers missed after they had been cut off.
    var lostAfterCutOff = 0
    /// By sender.
    var faults: [Int: StreamChecks.Faults] = [:]

    // Connecting.
    var connectsPerSecond = 0.0
    var loginsPerSecond = 0.0
    var connectSeconds = 0.0
    var serverLoginMicroseconds: Double?
    var serverIdleBytes: Double?
    var serverIdleShare: Double?

    // The measured window.
    var seconds = 0.0
    var windowDelivered = 0
    var serverCPUSeconds: Double?
    var loadCPUSeconds = 0.0
    /// Of the busiest worker.
    var loadCPUShare = 0.0
    var loadWaitShare = 0.0

    // The whole run.
    var sent = 0
    var delivered = 0
    var malformed = 0
    var redirected = 0
    var cutOff = 0
    var slowCutOff = 0
    var churned = 0
    var unsent = 0

    init(plan: LoadPlan) { self.plan = plan }

    // MARK: Noting

    mutating func noteLogins(_ board: Board, before: Reading, loggedIn: Reading, idle: Reading) {
        let plan = self.plan
        let values = { (counter: Counter) in (0..<plan.workers).map { board.value(counter, of: $0) }.filter { $0 > 0 } }
        let first = values(.firstDial).min() ?? before.time
        let connected = values(.lastConnect).max() ?? first
        let last = values(.lastLogin).max() ?? first
        let perSecond = { (count: Int, end: UInt64) in Double(count) * 1e9 / Double(max(first + 1, end) - first) }
        connectsPerSecond = perSecond(board.sum(.connected), connected)
        loginsPerSecond = perSecond(plan.clients, last)
        connectSeconds = Double(last - min(first, last)) / 1e9
        guard !plan.serverProcesses.isEmpty else { return }
        let clients = Double(max(1, plan.clients))
        serverLoginMicroseconds = before.serverCPUSeconds(to: loggedIn).map { $0 * 1e6 / clients }
        serverIdleBytes = Double(idle.serverMemory - before.serverMemory) / clients
        if idle.time > loggedIn.time + 100_000_000 {
            let time = Double(idle.time - loggedIn.time) / 1e9
            serverIdleShare = loggedIn.serverCPUSeconds(to: idle).map { $0 / time }
        }
    }

    mutating func noteWindow(from first: Reading, to last: Reading) {
        seconds = Double(last.time - first.time) / 1e9
        windowDelivered = last.delivered - first.delivered
        let used = zip(first.workerCPU, last.workerCPU).map { Double($1 - $0) / 1e9 }
        let waited = zip(first.workerWait, last.workerWait).map { Double($1 - $0) / 1e9 }
        loadCPUSeconds = used.reduce(0, +)
        loadCPUShare = (used.max() ?? 0) / seconds
        loadWaitShare = (waited.max() ?? 0) / seconds
        if !plan.serverProcesses.isEmpty { serverCPUSeconds = first.serverCPUSeconds(to: last) }
    }

    mutating func noteTotals(_ board: Board) {
        sent = board.sum(.sent)
        delivered = board.sum(.delivered)
        malformed = board.sum(.malformed)
        redirected = board.sum(.redirected)
        cutOff = board.sum(.cutOff)
        slowCutOff = board.sum(.slowCutOff)
        churned = board.sum(.churned)
        unsent = board.sum(.backlog)
    }

    // MARK: Reading

    var found: StreamChecks.Faults { faults.values.reduce(into: .init()) { $0 += $1 } }

    /// What all readers together are owed, if none leaves and comes back.
    static func expected(_ plan: LoadPlan, sent: Int) -> Int {
        sent * (plan.wire == .irc ? plan.readers - 1 : plan.readers)
    }

    var expected: Int {
        plan.churn == 0 ? Self.expected(plan, sent: sent) : delivered - found.doubled + found.lost
    }

    /// Every reader got everything, once and in order.
    public var isGood: Bool { found.isEmpty && malformed == 0 && cutOff == 0 && unsent == 0 }

    var deliveriesPerSecond: Double { seconds > 0 ? Double(windowDelivered) / seconds : 0 }
    var serverMicrosecondsPerDelivery: Double? {
        serverCPUSeconds.flatMap { windowDelivered > 0 ? $0 * 1e6 / Double(windowDelivered) : nil }
    }
    var isBottleneck: Bool { loadCPUShare > 0.9 }

    func percentile(_ percent: Double) -> UInt64? {
        latency.totalCount > 0 ? latency.valueAtPercentile(percent) : nil
    }
}
