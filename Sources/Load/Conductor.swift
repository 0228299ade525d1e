// The parent: starts the workers, says when what begins, reads the counters, and puts the report together.

import CEpollShim
import CLoadShim
import Glibc
import Histogram

public final class Conductor {
    private let plan: LoadPlan
    private let showsProgress: Bool
    private let board: Board
    private var workers: [WorkerProcess] = []
    private var nextProgress: UInt64 = 0
    private var began: UInt64 = 0
    private var lastProgress = (time: UInt64(0), delivered: 0)

    /// - Parameter showsProgress: a line a second on the standard error stream.
    public init(_ plan: LoadPlan, showsProgress: Bool) throws(LoadFailure) {
        var plan = plan
        plan.tag = UInt32.random(in: 0 ... .max)
        self.plan = plan
        self.showsProgress = showsProgress
        let memory = cls_memory_open(Board.size(plan))
        guard memory >= 0 else { throw .call("memfd_create", memory) }
        self.memory = memory
        board = try Board(fd: memory, plan: plan)
    }

    private let memory: Int32

    deinit {
        workers.forEach { $0.end() }
        close(memory)
    }

    /// The whole run.
    public func run() throws(LoadFailure) -> LoadReport {
        for process in plan.serverProcesses where !ProcessMeter.exists(process) {
            throw LoadFailure(.usage, "there is no process \(process)")
        }
        defer { endProgress() }
        began = ces_monotonic_ns()
        lastProgress.time = began
        nextProgress = began + 1_000_000_000
        var report = LoadReport(plan: plan)
        let before = read()
        for index in 0..<plan.workers {
            let place = WorkerPlace(index: index, workers: plan.workers, tag: plan.tag, parent: getpid())
            workers.append(try WorkerProcess(place, memory: memory))
        }
        try waitForLogins()
        let loggedIn = read()
        try sleep(until: now + UInt64(plan.settleSeconds * 1e9))
        try waitForLogins()
        let idle = read()
        report.noteLogins(board, before: before, loggedIn: loggedIn, idle: idle)
        if plan.senders > 0 || plan.churn > 0 { try send(&report) }
        board.phase = .leaving
        try collect(&report)
        return report
    }

    private var now: UInt64 { ces_monotonic_ns() }

    // MARK: Phases

    /// Until all clients are logged in, wherever they were sent.
    private func waitForLogins() throws(LoadFailure) {
        while board.sum(.loggedIn) < plan.clients { try nap() }
    }

    private func send(_ report: inout LoadReport) throws(LoadFailure) {
        // Time enough for every worker to look at the board.
        board.start = now + 100_000_000
        board.windowStart = board.start + UInt64(plan.warmUpSeconds * 1e9)
        board.end = board.windowStart + UInt64(plan.seconds * 1e9)
        board.phase = .sending
        try sleep(until: board.windowStart)
        let first = read()
        try sleep(until: board.end)
        report.noteWindow(from: first, to: read())
        try drain()
        report.noteTotals(board)
    }

    /// Until everything has come, or nothing comes any more.
    /// Nanoseconds for which a run goes on when all that is owed has come.
    private static let grace: UInt64 = 200_000_000

    private func drain() throws(LoadFailure) {
        var delivered = -1
        var since = now
        var completeSince: UInt64?
        while now < since + UInt64(plan.drainSeconds * 1e9) {
            let count = board.sum(.delivered)
            if count != delivered {
                delivered = count
                since = now
            }
            let owed = LoadReport.expected(plan, sent: board.sum(.sent))
            if plan.churn == 0, board.sum(.backlog) == 0, count - board.sum(.doubled) >= owed {
                // What comes twice comes after what is owed.
                let start = completeSince ?? now
                completeSince = start
                if now >= start + Self.grace { return }
            }
            try nap()
        }
    }

    /// What the workers found.
    private func collect(_ report: inout LoadReport) throws(LoadFailure) {
        for worker in workers {
            var isDone = false
            for line in worker.lines() {
                switch line {
                case .latency(let microseconds, let count): report.latency.record(microseconds, count: count)
                case .silence(let time): report.longestSilence = max(report.longestSilence, time)
                case .cutOff(let lost): report.lostAfterCutOff += lost
                case .faults(let sender, let faults): report.faults[sender, default: .init()] += faults
                case .failure(let failure): throw failure
                case .done: isDone = true
                }
            }
            guard isDone else { throw LoadFailure(.system, "worker \(worker.process) died") }
        }
    }

    // MARK: Time

    private func sleep(until time: UInt64) throws(LoadFailure) {
        while now < time { try nap(until: time) }
    }

    /// A short while, in which the workers are looked after.
    private func nap(until end: UInt64 = .max) throws(LoadFailure) {
        for worker in workers where worker.hasEnded {
            for case .failure(let failure) in worker.lines() { throw failure }
            throw LoadFailure(.system, "worker \(worker.process) died")
        }
        let time = now
        if time >= nextProgress {
            nextProgress += 1_000_000_000
            if showsProgress { progress(time) }
        }
        usleep(UInt32(min(10_000_000, end > time ? end - time : 0) / 1000))
    }

    private func progress(_ time: UInt64) {
        let delivered = board.sum(.delivered)
        let rate = Double(delivered - lastProgress.delivered) * 1e9 / Double(max(1, time - lastProgress.time))
        lastProgress = (time, delivered)
        var text = "\((time - began) / 1_000_000_000) s: \(board.sum(.live)) of \(plan.clients) clients"
        if board.phase == .sending {
            text += ", \(Figures.grouped(board.sum(.sent))) sent, \(Figures.grouped(delivered)) delivered"
            text += ", \(Figures.grouped(Int(rate)))/s"
        }
        for (counter, word) in [(Counter.lost, "missing"), (.doubled, "doubled"), (.outOfOrder, "out of order")] {
            let count = board.sum(counter)
            if count > 0 { text += ", \(Figures.grouped(count)) \(word)" }
        }
        if board.sum(.cutOff) > 0 { text += ", \(board.sum(.cutOff)) cut off" }
        // On a terminal each line takes the place of the one before.
        Output.write(isatty(STDERR_FILENO) == 1 ? "\r\u{1B}[K\(text)" : text + "\n", to: STDERR_FILENO)
    }

    private func endProgress() {
        if showsProgress, isatty(STDERR_FILENO) == 1 { Output.write("\r\u{1B}[K", to: STDERR_FILENO) }
    }

    private func read() -> Reading {
        let serverTimes = plan.serverProcesses.map { ProcessMeter.cpu($0) }
        return Reading(
            time: now, delivered: board.sum(.delivered),
            serverCPU: serverTimes.contains(0) ? nil : serverTimes.reduce(0, +),
            serverMemory: plan.serverProcesses.reduce(0) { $0 + ProcessMeter.anonymousMemory($1) },
            workerCPU: workers.map { ProcessMeter.cpu($0.process) },
            workerWait: workers.map { ProcessMeter.wait($0.process) })
    }
}
