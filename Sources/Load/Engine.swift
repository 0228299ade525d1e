// A worker: one thread, one poller, its share of the clients.
//
// A turn: connections that are due are begun, activities that are due are sent, then events are taken, at most
// `eventsPerTurn`, so that a broadcast to thousands does not hold up the sends. Whatever was read is checked at once;
// nothing is kept but the beginning of a frame whose end has not come.

import CEpollShim
import CLoadShim
import Glibc
import Histogram
import TLS

struct Engine<W: Wire>: ~Copyable {
    static var eventsPerTurn: Int { 128 }
    static var receiveSize: Int { 256 << 10 }
    static var sendSize: Int { 64 << 10 }

    let plan: LoadPlan
    let worker: Int
    let board: Board
    let counters: UnsafeMutablePointer<UInt64>
    let wire: W
    let poller: Int32

    let slots: UnsafeMutableBufferPointer<Slot>
    /// By slot; none of them without TLS.
    var sessions: [TLSSession?]
    var context: TLSContext?
    let senders: UnsafeMutableBufferPointer<Sender>
    var checks: StreamChecks

    /// Where servers are: those of the plan, then those of redirections.
    var places: [Place]
    /// The hosts of the places, as they were named.
    var names: [String] = []
    var placeIndex: [ServerPlace: Int] = [:]
    struct Place {
        var address: ces_address
        var isLoopback: Bool
    }

    /// Frames are received behind `receiveRoom`, where the held beginning of the first is put.
    let buffer: UnsafeMutableRawPointer
    let bufferSize: Int
    let scratch: UnsafeMutableRawPointer
    let scratchSize: Int
    let events: UnsafeMutablePointer<ces_event>

    /// The form of a delivered activity, as the last one that was parsed had it: the next ones are recognised by it.
    var frameSize = Int.max
    var markOffset = 0

    var latencies: Histogram<UInt64>
    /// Between two activities at one receiver, in nanoseconds.
    var longestSilence: UInt64 = 0
    /// By receivers whose connection had ended.
    var lostAfterCutOff = 0
    var now: UInt64 = 0
    var start = UInt64.max
    var windowStart = UInt64.max
    var end = UInt64.max

    var dirty: [Int32] = []
    /// The rate's plan: the round, and the next of this worker's senders in it.
    var round = 0
    var turn = 0
    /// The next client to connect, those at the door, and when the ramp lets the next one go.
    var nextClient = 0
    var atDoor = 0
    var nextDial: UInt64 = 0
    /// Those that come back: to be dialled before new ones.
    var returning: [Int32] = []
    var nextChurn = UInt64.max
    var churnSlot = 0
    var nextPatience: UInt64 = 0
    var failure: LoadFailure?

    init(plan: LoadPlan, worker: Int, board: Board) {
        self.plan = plan
        self.worker = worker
        self.board = board
        counters = board.counters(of: worker)
        wire = W(plan)
        poller = ces_epoll_create()
        places = []
        bufferSize = max(Self.receiveSize, 2 * plan.size + 65_536)
        buffer = .allocate(byteCount: 2 * bufferSize, alignment: 64)
        scratchSize = max(Self.sendSize, plan.size + 1024)
        scratch = .allocate(byteCount: scratchSize, alignment: 64)
        events = .allocate(capacity: Self.eventsPerTurn)
        // Up to an hour, in microseconds.
        latencies = Histogram(highestTrackableValue: 3_600_000_000, numberOfSignificantValueDigits: .three)

        let clients = Array(stride(from: worker, to: plan.clients, by: plan.workers))
        slots = .allocate(capacity: clients.count)
        sessions = Array(repeating: nil, count: clients.count)
        senders = .allocate(capacity: clients.count { plan.sender(of: $0) != nil })
        checks = StreamChecks(rows: clients.count { !plan.isSlow($0) }, senders: plan.senders)
        layOut(clients)
    }

    /// Gives each client its slot, senders their messages, and readers their rows.
    private func layOut(_ clients: [Int]) {
        var row = 0
        var sender = 0
        for (index, client) in clients.enumerated() {
            var slot = Slot(client: client, place: plan.server(of: client))
            if let number = plan.sender(of: client) {
                slot.sender = Int32(sender)
                senders.initializeElement(at: sender, to: makeSender(slot: index, number: number, client: client))
                sender += 1
            }
            if !plan.isSlow(client) {
                slot.row = Int32(row)
                row += 1
            }
            slots.initializeElement(at: index, to: slot)
        }
        for index in senders.indices { slots[witness(of: index)].witnessed = Int32(senders[index].number) }
    }

    /// Where a sender's activities are seen to come back: at itself, or, where a server does not send them to their
    /// sender, at another client of this worker.
    private func witness(of sender: Int) -> Int {
        let own = senders[sender].slot
        guard !W.echoes else { return own }
        for step in 1..<max(2, slots.count) {
            let other = (own + step) % slots.count
            if slots[other].sender < 0, slots[other].witnessed < 0, !plan.isSlow(Int(slots[other].client)) {
                return other
            }
        }
        return own
    }

    private func makeSender(slot: Int, number: Int, client: Int) -> Sender {
        let bytes = wire.message(client)
        let message = UnsafeMutableRawPointer.allocate(byteCount: bytes.count, alignment: 8)
        bytes.withUnsafeBytes {
            message.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(message), byteCount: $0.count)
        }
        let mark = Self.markOffset(in: UnsafeRawBufferPointer(start: message, count: bytes.count))
        precondition(mark != nil, "a message without a stamp")
        return Sender(
            slot: slot, number: number, message: message, messageSize: bytes.count, markOffset: mark ?? 0)
    }

    /// The stamp in a frame.
    static func markOffset(in frame: UnsafeRawBufferPointer) -> Int? {
        guard let base = frame.baseAddress, frame.count >= Stamp.size else { return nil }
        return (0...(frame.count - Stamp.size)).first { Stamp.hasMark(base + $0) }
    }

    deinit {
        for slot in slots where slot.fd >= 0 { _ = ces_close(slot.fd) }
        _ = ces_close(poller)
        slots.forEach { $0.held?.deallocate() }
        for sender in senders {
            sender.message.deallocate()
        }
        senders.deinitialize()
        slots.deallocate()
        senders.deallocate()
        buffer.deallocate()
        scratch.deallocate()
        events.deallocate()
    }

    // MARK: The loop

    /// Runs until the parent ends it.
    mutating func run() throws(LoadFailure) {
        guard poller >= 0 else { throw .call("epoll_create1", poller) }
        for place in plan.servers { _ = try find(place) }
        context = try plan.security?.makeContext()
        while true {
            now = ces_monotonic_ns()
            let phase = board.phase
            if phase == .leaving { return }
            if phase == .sending, start == .max { beginSending() }
            dialDue()
            churnDue()
            losePatience()
            planDue()
            flush()
            let count = cls_epoll_wait(poller, events, Int32(Self.eventsPerTurn), timeout())
            guard count >= 0 || count == -EINTR else { throw .call("epoll_pwait2", count) }
            for index in 0..<Int(max(0, count)) { take(events[index]) }
            if let failure { throw failure }
        }
    }

    private mutating func beginSending() {
        start = board.start
        windowStart = board.windowStart
        end = board.end
        nextChurn = plan.churn > 0 ? start : .max
        stall()
    }

    /// Until something is due, at most 20 ms: so often the board is looked at.
    private func timeout() -> UInt64 {
        var due = now + 20_000_000
        if !dirty.isEmpty { return 0 }
        if mayDial { due = min(due, nextDial) }
        due = min(due, nextChurn, nextPlanned)
        return due > now ? due - now : 0
    }

    private mutating func take(_ event: ces_event) {
        let index = Int(UInt32(truncatingIfNeeded: event.word))
        guard slots[index].generation == UInt32(event.word >> 32) else { return }
        switch slots[index].stage {
        case .connecting: connected(index)
        case .stalled: stalledCutOff(index)
        case .greeting, .live:
            if event.events & CES_OUT != 0 { writable(index) }
            if event.events & ~CES_OUT != 0 { readable(index) }
        case .idle, .closed: break
        }
    }

    // MARK: Counters

    @inline(__always)
    func count(_ counter: Counter, _ more: Int = 1) {
        counters[counter.rawValue] &+= UInt64(bitPattern: Int64(more))
    }

    func note(_ counter: Counter, _ value: UInt64) { counters[counter.rawValue] = value }

    // MARK: The end

    /// What each receiver lacks at the end counts as lost.
    mutating func finish() {
        if windowStart < end {
            for slot in slots where slot.row >= 0 && slot.stage == .live {
                longestSilence = max(longestSilence, end - min(end, max(slot.heard, windowStart)))
            }
        }
        for slot in slots where slot.row >= 0 && (slot.stage == .live || slot.stage == .closed) {
            for sender in 0..<plan.senders
            where W.echoes || slot.sender < 0 || senders[Int(slot.sender)].number != sender {
                let lost = checks.end(row: Int(slot.row), sender: sender, sent: board.sent(by: sender))
                if slot.stage == .closed { lostAfterCutOff += lost }
            }
        }
    }
}
