/// One thread, one epoll instance, every connection. Knows descriptors, bytes and deadlines, nothing of what they mean.
///
/// # The order of a turn
///
/// 1. wait for events, read the clock once;
/// 2. timers and deadlines that are due, in their order;
/// 3. events: reads, accepts, finished dials, signals, wake-ups; writability only marks a connection for the flush.
///    Ends early when the turn's budget of bytes or time is used up, or by ``endEvents()``; the rest of the batch comes
///    first in the next turn, before epoll is asked again;
/// 4. resumed work: connections on the ready list (leftover input after a pause), within a budget of their own, then
///    input that waits inside of sessions of TLS;
/// 5. `closed` for every connection that ended since this step of the turn before;
/// 6. `turnEnding`;
/// 7. the one flush: connections with private output, then a slice of the subscribers of the ring;
/// 8. frees: descriptors and slots of what ended.
///
/// What ends in steps 5 to 7 is told in the next turn, which then does not wait. A slot is freed when `closed` is
/// told, its descriptor in step 8 of the turn in which it ended: no event of a batch can meet a successor of its
/// connection, and if epoll still names a predecessor, the generation in the epoll word tells (counted as a stale
/// event).
///
/// # Invariants
///
/// - epoll is level-triggered. A connection is polled for input exactly while it wants some, for writability exactly
///   while the last write was short.
/// - Every list has at most one entry for each connection; flags in the connection say on which it is.
/// - After each growth of the ring every subscriber is visited, over several turns if need be.
internal import CEpollShim
internal import TLS

/// The event loop and all that it owns. Confined to the thread that runs it.
public struct Reactor: ~Copyable {
    /// The limits that it was created with.
    public let configuration: ReactorConfiguration
    /// Counters since the start.
    public internal(set) var statistics = ReactorStatistics()
    /// CLOCK_MONOTONIC in nanoseconds, read once a turn, after the wait.
    public internal(set) var now = SystemClock.monotonicNanoseconds
    /// Wakes this reactor from other threads. Give it to a ``HelperPool``.
    public let waker: Waker

    let poller: Descriptor
    var events: Slab<ces_event>
    /// The part of `events` that epoll has told and nobody has handled yet.
    var eventsLeft = 0..<0
    var wantsEventsEnded = false
    /// All connections read into this buffer, one at a time.
    var receiveBuffer: Slab<UInt8>

    // The table. Slots from `slotsUsed` on have never been used and are not resident.
    var connections: Slab<Connection>
    var slotsUsed = 0
    var freeSlots: [UInt32] = []

    // Lists of connections, by raw ID, so that entries of dead ones are recognised.
    var ready: [UInt64] = []
    var dirty: [UInt64] = []
    var ended: [UInt64] = []
    var endedDescriptors: [Int32] = []

    /// TLS of the connections that begin from now on.
    public var tls = TLSSetup()
    /// Sessions by slot.
    var tlsSessions: [UInt32: TLSSession] = [:]
    /// Texts of what TLS broke, by raw ID, until `closed` has been told.
    var tlsFailures: [UInt64: String] = [:]
    /// Connections whose sessions may hold input although their sockets are quiet.
    var undrained: [UInt64] = []
    /// Accepted connections in the midst of a handshake, the oldest first; and some that are so no more.
    var handshakes: [UInt64] = []

    /// Those of the subscribers whose end is in sight, and of those that lag, by slot.
    var stops: [UInt32: RingStop] = [:]
    var marks: [UInt32: ProgressMark] = [:]

    var deadlines: DeadlineHeap
    /// Of connections whose peers take nothing.
    var stalls = DeadlineHeap()
    var timers: TimerTable

    var listeners: [Listener] = []
    var signalDescriptor: Int32 = -1

    var ring: BroadcastRing
    var fanOut: FanOut
    var batch: SendBatch

    var isStopping = false
    /// Processor time at the end of the last turn, if it was a long one.
    private var processorTime: UInt64?
    /// In `closed`: how many bytes of all that the connection was sent its other end has acknowledged; nil if that is
    /// not known.
    public internal(set) var lastAcknowledged: UInt64?
    /// Test hook: an errno that accept4 is taken to have failed with; 0 for none.
    var injectedAcceptFailure: Int32 = 0

    /// Creates a reactor without connections. Raises no limit by itself (see ``DescriptorLimit``), but ignores SIGPIPE.
    ///
    /// - Throws: if epoll, the eventfd or the ring's memory cannot be had.
    public init(_ configuration: ReactorConfiguration = ReactorConfiguration()) throws(SystemError) {
        precondition(configuration.capacity > 0 && configuration.capacity < Int(SpecialSlot.firstListener))
        precondition(configuration.readBudget > 0 && configuration.eventBatch > 0 && configuration.fanOutSlice > 0)
        precondition(configuration.flushBytes > 0 && configuration.turnReadBytes > 0)
        precondition(configuration.turnEventMicroseconds > 0)
        try SystemError.check(ces_ignore_sigpipe(), "sigaction SIGPIPE")
        let poller = try Descriptor(ces_epoll_create(), "epoll_create1")
        let waker = try Waker()
        let ring = try BroadcastRing(capacity: configuration.ringCapacity)
        let word = SpecialSlot.word(SpecialSlot.waker)
        try SystemError.check(ces_epoll_add(poller.fd, waker.fd, CES_IN, word), "epoll_ctl")
        self.configuration = configuration
        self.poller = poller
        self.waker = waker
        self.ring = ring
        events = Slab(capacity: configuration.eventBatch)
        receiveBuffer = Slab(capacity: configuration.readBudget)
        connections = Slab(capacity: configuration.capacity)
        deadlines = DeadlineHeap(capacity: configuration.capacity)
        fanOut = FanOut(capacity: configuration.capacity)
        batch = SendBatch(capacity: configuration.batchesSends ? configuration.fanOutSlice : 0)
        timers = TimerTable(limit: configuration.timerLimit)
        for index in 0..<configuration.eventBatch { events.initialize(index, to: ces_event()) }
    }

    deinit {
        for slot in 0..<slotsUsed where connections[slot].state != .free {
            // Buffers that the table alone refers to; a descriptor of a closing slot is in `endedDescriptors` already.
            var connection = connections[slot]
            connection.input.free()
            connection.output.free()
            if connection.fd >= 0 { _ = ces_close(connection.fd) }
        }
        for fd in endedDescriptors { _ = ces_close(fd) }
        for listener in listeners where listener.fd >= 0 { _ = ces_close(listener.fd) }
        if signalDescriptor >= 0 { _ = ces_close(signalDescriptor) }
    }

    // MARK: Turns

    /// Runs turns until ``stop()``.
    ///
    /// - Throws: only if epoll_wait itself fails (epoll_wait(2)), which is an error of ours.
    public mutating func run<Handler: ReactorHandler & ~Copyable>(_ handler: inout Handler) throws(SystemError) {
        isStopping = false
        while !isStopping { try turn(&handler, timeoutMilliseconds: -1) }
    }

    /// Makes ``run(_:)`` end after the present turn.
    public mutating func stop() { isStopping = true }

    /// One turn. Waits for at most the given time; -1 is without limit but that of the next deadline.
    public mutating func turn<Handler: ReactorHandler & ~Copyable>(
        _ handler: inout Handler, timeoutMilliseconds: Int
    ) throws(SystemError) {
        // What an earlier turn has left goes first: epoll would tell it again, but always in the same order, so that
        // the last ones would never have their turn.
        if eventsLeft.isEmpty { eventsLeft = 0..<(try wait(atMost: timeoutMilliseconds)) }
        now = SystemClock.monotonicNanoseconds
        fireTimers(&handler)
        resumeListeners()
        handleEvents(&handler)
        resumeReady(&handler)
        resumeUndrained(&handler)
        tellEnded(&handler)
        handler.turnEnding(in: &self)
        flushPrivateOutput()
        flushSubscribers()
        freeEnded()
        statistics.turns += 1
        let spent = SystemClock.monotonicNanoseconds - now
        statistics.longestTurnNanoseconds = max(statistics.longestTurnNanoseconds, spent)
        noteProcessorTime(ofTurnThatTook: spent)
    }

    /// The clock of processor time is a system call: it is read only after a turn beside which that is nothing. Between
    /// two readings in a row lies the later turn.
    private mutating func noteProcessorTime(ofTurnThatTook nanoseconds: UInt64) {
        guard nanoseconds >= 1_000_000 else { return processorTime = nil }
        let time = SystemClock.threadProcessorNanoseconds
        if let before = processorTime {
            statistics.longestTurnProcessorNanoseconds = max(
                statistics.longestTurnProcessorNanoseconds, time - before)
        }
        processorTime = time
    }

    /// Whether there is something to do without any event.
    private var hasWorkLeft: Bool {
        !ready.isEmpty || !undrained.isEmpty || !dirty.isEmpty || !ended.isEmpty || fanOut.isPending(end: ring.end)
    }

    private mutating func wait(atMost limit: Int) throws(SystemError) -> Int {
        let timeout = hasWorkLeft || isStopping ? 0 : waitMilliseconds(atMost: limit)
        // The slab holds as many events as are asked for, and lives as long as the reactor.
        let result = unsafe ces_epoll_wait(poller.fd, events.start, Int32(events.capacity), timeout)
        if result == -SystemErrno.interrupted { return 0 }
        return Int(try SystemError.check(result, "epoll_wait"))
    }

    /// Rounds up, so that a deadline is due when the wait ends.
    private func waitMilliseconds(atMost limit: Int) -> Int32 {
        var next = min(deadlines.next ?? .max, timers.next ?? .max, stalls.next ?? .max)
        for listener in listeners { next = min(next, listener.resumeAt ?? .max) }
        guard next < .max else { return Int32(clamping: limit) }
        let time = SystemClock.monotonicNanoseconds
        let milliseconds = next <= time ? 0 : (next - time + 999_999) / 1_000_000
        let wanted = Int32(clamping: milliseconds)
        return limit < 0 ? wanted : min(wanted, Int32(clamping: limit))
    }

    /// Makes the present turn's events end after the one that is being handled: the next turn goes on with the others.
    /// For a handler that has had enough input for one turn.
    public mutating func endEvents() { wantsEventsEnded = true }

    /// Events until all are handled or the turn's budget is used up. A hint that has waited for some turns is as good
    /// as a fresh one: the generation tells whom it means, and the socket itself whether it still holds.
    private mutating func handleEvents<Handler: ReactorHandler & ~Copyable>(_ handler: inout Handler) {
        wantsEventsEnded = false
        var budget = WorkBudget(configuration)
        while let index = eventsLeft.first {
            eventsLeft = eventsLeft.dropFirst()
            let before = statistics.bytesReceived
            handleEvent(index, &handler)
            budget.spend(bytes: Int(statistics.bytesReceived - before))
            guard wantsEventsEnded || budget.isSpent else { continue }
            if !eventsLeft.isEmpty { statistics.turnsCut += 1 }
            return
        }
    }

    private mutating func handleEvent<Handler: ReactorHandler & ~Copyable>(_ index: Int, _ handler: inout Handler) {
        let (word, mask) = (events[index].word, events[index].events)
        let slot = UInt32(truncatingIfNeeded: word)
        switch slot {
        case SpecialSlot.waker:
            waker.acknowledge()
            handler.woken(in: &self)
        case SpecialSlot.signals:
            readSignals(&handler)
        case SpecialSlot.firstListener...:
            accept(Int(slot - SpecialSlot.firstListener), &handler)
        default:
            handleConnection(ConnectionID(rawValue: word), mask, &handler)
        }
    }

    // MARK: Timers

    /// Sets a timer, or moves the one with this token. It fires in a later turn, never in the present one.
    public mutating func setTimer(_ token: UInt64, atNanoseconds due: UInt64) {
        timers.set(token, due: max(due, now + 1))
    }

    /// Sets a timer some time after ``now``, or moves the one with this token.
    public mutating func setTimer(_ token: UInt64, afterMilliseconds delay: Int) {
        precondition(delay >= 0)
        setTimer(token, atNanoseconds: now + UInt64(delay) * 1_000_000)
    }

    /// Forgets a timer; harmless if there is none.
    public mutating func cancelTimer(_ token: UInt64) { timers.cancel(token) }

    /// Timers and deadlines due, merged by time; what is set meanwhile is later than `now` and waits.
    private mutating func fireTimers<Handler: ReactorHandler & ~Copyable>(_ handler: inout Handler) {
        while true {
            let (timer, deadline) = (timers.next ?? .max, deadlines.next ?? .max)
            guard min(timer, deadline) <= now else { break }
            if timer <= deadline {
                if let token = timers.popDue(at: now) { handler.timerFired(token, in: &self) }
            } else if let slot = deadlines.popDue(at: now) {
                expire(Int(slot), &handler)
            }
        }
        while let slot = stalls.popDue(at: now) { end(Int(slot), .writeTimedOut) }
    }

    /// A deadline has passed. What it is about may have waited for us.
    private mutating func expire<Handler: ReactorHandler & ~Copyable>(_ slot: Int, _ handler: inout Handler) {
        let (id, reason) = (self.id(slot), connections[slot].deadlineReason)
        if connections[slot].state == .open, !connections[slot].flags.contains(.finishing) {
            handler.overdue(id, reason, in: &self)
        }
        if live(id) != nil, !deadlines.contains(UInt32(slot)) { end(slot, reason) }
    }

    // MARK: Signals

    /// Blocks signals in the calling thread and tells them as `signalled` from now on (signalfd(2)). To be called once,
    /// before any other thread is started: threads inherit the block, and a thread without it would take the signal.
    public mutating func watchSignals(_ signals: [Int32]) throws(SystemError) {
        precondition(signalDescriptor < 0, "signals are watched once")
        // `count` numbers of an array of that size.
        let result = unsafe signals.withUnsafeBufferPointer { buffer in
            unsafe buffer.baseAddress.map { unsafe ces_signals_open($0, Int32(buffer.count)) } ?? -SystemErrno.invalid
        }
        signalDescriptor = try SystemError.check(result, "signalfd")
        let word = SpecialSlot.word(SpecialSlot.signals)
        try SystemError.check(ces_epoll_add(poller.fd, signalDescriptor, CES_IN, word), "epoll_ctl")
    }

    private mutating func readSignals<Handler: ReactorHandler & ~Copyable>(_ handler: inout Handler) {
        while true {
            let signal = ces_signals_read(signalDescriptor)
            guard signal > 0 else { return }
            handler.signalled(signal, in: &self)
        }
    }
}

/// Slots in the epoll word of what is not a connection. Their generation is 0, which no connection has.
enum SpecialSlot {
    static let firstListener: UInt32 = 0xFFFF_0000
    static let signals: UInt32 = 0xFFFF_FFFE
    static let waker: UInt32 = 0xFFFF_FFFF

    static func word(_ slot: UInt32) -> UInt64 { UInt64(slot) }
}

/// How much one step of a turn may still do: bytes of input, and time for all that costs more than its bytes.
struct WorkBudget {
    private var bytes: Int
    private let end: UInt64

    init(_ configuration: ReactorConfiguration) {
        bytes = configuration.turnReadBytes
        end = SystemClock.monotonicNanoseconds + UInt64(configuration.turnEventMicroseconds) * 1000
    }

    mutating func spend(bytes count: Int) { bytes -= count }

    var isSpent: Bool { bytes <= 0 || SystemClock.monotonicNanoseconds >= end }
}
