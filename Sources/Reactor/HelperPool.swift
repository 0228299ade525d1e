/// Threads for what may not be done on the reactor's: key derivation, name resolution, a slow file. Jobs go in through
/// a bounded queue, results come back on the reactor's thread, which is woken by an eventfd.
internal import CEpollShim
internal import Glibc
internal import Synchronization

/// A fixed number of threads that work off a bounded queue.
///
/// The threads end after their present job once the pool is gone; jobs still queued then are dropped.
public final class HelperPool<Output: Sendable>: Sendable {
    private let shared: SharedQueue<Output>
    /// How many jobs may be under way: queued, running, or finished and not drained.
    public let limit: Int

    /// Starts the threads. Watch signals before (see ``Reactor/watchSignals(_:)``); the threads block all of them.
    ///
    /// - Parameters:
    ///   - threads: How many jobs run at the same time.
    ///   - limit: How many may be under way; `submit` refuses more.
    ///   - waker: The reactor's; its handler's `woken` is to call ``drain()``.
    /// - Throws: if an eventfd or a thread cannot be had (pthread_create(3)).
    public init(threads: Int, limit: Int, waker: Waker) throws(SystemError) {
        precondition(threads > 0 && limit > 0)
        self.limit = limit
        shared = try SharedQueue(waker: waker)
        for _ in 0..<threads {
            do throws(SystemError) {
                try shared.startThread()
            } catch {
                shared.stop()
                throw error
            }
        }
    }

    deinit { shared.stop() }

    /// Queues a job. Nil, and nothing happens, if too many are under way: a limit that the caller must answer for.
    public func submit(_ job: @escaping @Sendable () -> Output) -> JobTicket? {
        shared.submit(job, limit: limit)
    }

    /// Takes a job back. False if it has begun: then its result comes.
    public func cancel(_ ticket: JobTicket) -> Bool { shared.cancel(ticket) }

    /// Takes the results so far, in the order in which they came about.
    public func drain() -> [Output] { shared.takeResults() }

    /// Jobs under way: queued, running, or finished and not drained.
    public var underWay: Int { shared.underWay }
}

/// Names a job of one pool.
public struct JobTicket: Hashable, Sendable {
    let number: UInt64
}

/// What the threads share with the pool; kept alive by each of them.
private final class SharedQueue<Output: Sendable>: Sendable {
    private struct State {
        /// Nil is a job that was begun (below `head`) or taken back.
        var jobs: [(@Sendable () -> Output)?] = []
        /// Jobs before this index are begun.
        var head = 0
        /// The number of the job at index 0; those behind follow.
        var base: UInt64 = 0
        var results: [Output] = []
        var underWay = 0
        var isStopped = false
        var threads = 0
    }

    private let state = Mutex(State())
    private let waker: Waker
    /// Counts jobs, and threads to end: a blocking semaphore (EFD_SEMAPHORE, eventfd(2)).
    private let semaphore: Int32

    init(waker: Waker) throws(SystemError) {
        self.waker = waker
        semaphore = try SystemError.check(ces_semaphore_open(), "eventfd")
    }

    deinit { _ = ces_close(semaphore) }

    var underWay: Int { state.withLock { $0.underWay } }

    func submit(_ job: @escaping @Sendable () -> Output, limit: Int) -> JobTicket? {
        let ticket: JobTicket? = state.withLock { state in
            // Those that were taken back keep their places until a thread comes past.
            guard state.underWay < limit, state.jobs.count - state.head < 2 * limit else { return nil }
            state.underWay += 1
            state.jobs.append(job)
            return JobTicket(number: state.base + UInt64(state.jobs.count - 1))
        }
        if ticket != nil { post(1) }
        return ticket
    }

    func cancel(_ ticket: JobTicket) -> Bool {
        state.withLock { state in
            guard ticket.number >= state.base + UInt64(state.head) else { return false }
            let index = Int(ticket.number - state.base)
            guard index < state.jobs.count, state.jobs[index] != nil else { return false }
            state.jobs[index] = nil
            state.underWay -= 1
            return true
        }
    }

    func takeResults() -> [Output] {
        state.withLock { state in
            defer { state.results = [] }
            state.underWay -= state.results.count
            return state.results
        }
    }

    func stop() {
        let threads = state.withLock { state in
            state.isStopped = true
            for index in state.jobs.indices { state.jobs[index] = nil }
            return state.threads
        }
        if threads > 0 { post(UInt64(threads)) }
    }

    /// Starts a thread that blocks all signals, since those are for the reactor's signalfd.
    func startThread() throws(SystemError) {
        let context = unsafe Unmanaged.passRetained(ThreadBody { [self] in work() })
        var room = [UInt64](repeating: 0, count: 16)
        // 128 bytes, as the shim asks for; the thread takes over the retained context.
        unsafe ces_signals_block_all(&room)
        var thread = pthread_t()
        let failure = unsafe pthread_create(&thread, nil, runThreadBody, context.toOpaque())
        unsafe ces_signals_restore(&room)
        guard failure == 0 else {
            unsafe context.release()
            throw SystemError(code: failure, call: "pthread_create")
        }
        pthread_detach(thread)
        state.withLock { $0.threads += 1 }
    }

    private func work() {
        while true {
            wait()
            let (job, isStopped) = state.withLock { state in (Self.takeNext(&state), state.isStopped) }
            if isStopped { return }
            guard let job else { continue }
            let result = job()
            state.withLock { $0.results.append(result) }
            waker.wake()
        }
    }

    /// The next job; nil if there is none, or if it was taken back.
    private static func takeNext(_ state: inout State) -> (@Sendable () -> Output)? {
        guard state.head < state.jobs.count else { return nil }
        let job = state.jobs[state.head]
        state.jobs[state.head] = nil
        state.head += 1
        // Seldom enough to cost a constant for each job.
        if state.head > 64, state.head * 2 > state.jobs.count {
            state.jobs.removeFirst(state.head)
            state.base += UInt64(state.head)
            state.head = 0
        }
        return job
    }

    /// One was counted for each job or end, so a failure to add (overflow of 64 bits) cannot be.
    private func post(_ count: UInt64) { _ = ces_event_add(semaphore, count) }

    private func wait() {
        // Signals are blocked, but a debugger may interrupt.
        while ces_event_take(semaphore) < 0 {}
    }
}

/// What a thread runs, boxed for the way through C.
private final class ThreadBody: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}

private func runThreadBody(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context = unsafe context else { return nil }
    // Retained by `startThread` for this thread.
    let body = unsafe Unmanaged<ThreadBody>.fromOpaque(context).takeRetainedValue()
    body.body()
    return nil
}
