// The memory that the parent and its workers share: the run's phases, and counters that the parent reads whenever it
// wants, so that they and the CPU times of the servers are of one moment.

import CLoadShim
import Glibc

/// A part of the run.
enum Phase: UInt64 {
    /// Clients connect and log in.
    case connecting
    /// Senders send from `Board.start` on, to `Board.end`.
    case sending
    /// What counts has come: leave.
    case leaving
}

/// What a worker counts.
enum Counter: Int, CaseIterable {
    case connected, loggedIn, live, sent, delivered, doubled, lost, outOfOrder, malformed, redirected, cutOff
    /// Stalled receivers that the server gave up.
    case slowCutOff
    case churned
    /// Activities that are due and not sent yet.
    case backlog
    /// Readings of the clock: the first connection's beginning, the last one's end, the last login.
    case firstDial, lastConnect, lastLogin
}

/// A view of the shared memory.
struct Board: @unchecked Sendable {
    private static let headWords = 16
    private static let workerWords = 32
    static let descriptor: Int32 = 3

    private let words: UnsafeMutablePointer<UInt64>
    private let workers: Int

    /// - Parameter fd: of `cls_memory_open` with `size`.
    init(fd: Int32, plan: LoadPlan) throws(LoadFailure) {
        let size = Self.size(plan)
        guard let base = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), base != MAP_FAILED else {
            throw LoadFailure(.system, "cannot map the shared memory: \(LoadFailure.reason(errno))")
        }
        words = base.bindMemory(to: UInt64.self, capacity: size / 8)
        workers = plan.workers
    }

    static func size(_ plan: LoadPlan) -> Int {
        let bytes = (headWords + plan.workers * workerWords + plan.senders) * 8
        return (bytes + 4095) / 4096 * 4096
    }

    private subscript(word: Int) -> UInt64 {
        get { cls_load(words + word) }
        nonmutating set { cls_store(words + word, newValue) }
    }

    // MARK: The parent's word

    var phase: Phase {
        get { Phase(rawValue: self[0]) ?? .leaving }
        nonmutating set { self[0] = newValue.rawValue }
    }
    /// When sending begins, the measured window begins, and sending and the window end.
    var start: UInt64 {
        get { self[1] }
        nonmutating set { self[1] = newValue }
    }
    var windowStart: UInt64 {
        get { self[2] }
        nonmutating set { self[2] = newValue }
    }
    var end: UInt64 {
        get { self[3] }
        nonmutating set { self[3] = newValue }
    }

    // MARK: Counters

    /// A worker's counters. Plain memory: only that worker writes them.
    func counters(of worker: Int) -> UnsafeMutablePointer<UInt64> {
        words + (Self.headWords + worker * Self.workerWords)
    }

    func value(_ counter: Counter, of worker: Int) -> UInt64 { cls_load(counters(of: worker) + counter.rawValue) }

    func sum(_ counter: Counter) -> Int {
        (0..<workers).reduce(0) { $0 + Int(Int64(bitPattern: value(counter, of: $1))) }
    }

    /// What each sender has sent.
    func sent(by sender: Int) -> UInt32 { UInt32(truncatingIfNeeded: self[sentWord(sender)]) }
    func setSent(by sender: Int, _ count: UInt32) { self[sentWord(sender)] = UInt64(count) }

    private func sentWord(_ sender: Int) -> Int { Self.headWords + workers * Self.workerWords + sender }
}
