// Sending as planned.

import CEpollShim
import CLoadShim
import Glibc

extension Engine {
    // MARK: What is due

    /// When the next activity of this worker is due by the rate; never, if there is no rate.
    var nextPlanned: UInt64 {
        guard start != .max else { return .max }
        guard case .rate = plan.pace else { return turn == 0 && now < start ? start : .max }
        let time = senders.isEmpty ? .max : plannedTime(round: round, sender: senders[turn].number)
        return time < end ? time : .max
    }

    /// All senders take turns, evenly, so each has the same interval.
    private func plannedTime(round: Int, sender: Int) -> UInt64 {
        guard case .rate(let rate) = plan.pace else { return now }
        return start + UInt64(Double(round * plan.senders + sender) * 1e9 / rate)
    }

    /// Notes what is due by now.
    mutating func planDue() {
        guard !senders.isEmpty, now >= start, start != .max else { return }
        switch plan.pace {
        case .rate:
            while nextPlanned <= now {
                senders[turn].planned += 1
                markDirty(turn)
                turn += 1
                if turn == senders.count {
                    turn = 0
                    round += 1
                }
            }
        case .window(let size), .burst(let size):
            guard turn == 0 else { return }
            turn = 1
            for index in senders.indices {
                senders[index].planned = UInt32(size)
                markDirty(index)
            }
        case .flood:
            guard turn == 0 else { return }
            turn = 1
            for index in senders.indices { markDirty(index) }
        }
    }

    /// One of a sender's activities has come back.
    @inline(__always)
    mutating func cameBack(_ number: Int) {
        guard now < end else { return }
        // The senders of a worker are every so many of all: see `LoadPlan.worker`.
        let index = localIndex(ofSender: number)
        switch plan.pace {
        case .window: senders[index].planned += 1
        case .burst(let size):
            senders[index].cameBack += 1
            guard senders[index].cameBack == size else { return }
            senders[index].cameBack = 0
            senders[index].planned += UInt32(size)
        case .rate, .flood: return
        }
        markDirty(index)
    }

    @inline(__always)
    func localIndex(ofSender number: Int) -> Int {
        (number - senders[0].number) / plan.workers
    }

    /// The sender has something to send from now on.
    @inline(__always)
    mutating func markDirty(_ index: Int) {
        guard !senders[index].isDirty else { return }
        senders[index].isDirty = true
        senders[index].dueSince = now
        dirty.append(Int32(index))
        count(.backlog)
    }

    // MARK: Writing

    /// What becomes of a sender in the list of those that have something to send.
    private enum Outcome { case done, blocked, again }

    /// Sends what is due.
    mutating func flush() {
        var kept = 0
        for position in dirty.indices {
            let index = Int(dirty[position])
            switch flush(index) {
            case .done:
                senders[index].isDirty = false
                count(.backlog, -1)
            case .blocked: senders[index].isBlocked = true
            case .again:
                dirty[kept] = dirty[position]
                kept += 1
            }
        }
        dirty.removeLast(dirty.count - kept)
    }

    private mutating func flush(_ index: Int) -> Outcome {
        let slot = senders[index].slot
        guard slots[slot].stage == .live else { return slots[slot].stage == .closed ? .done : .blocked }
        guard sendRest(index) else { return .blocked }
        while true {
            let due = dueCount(index)
            guard due > 0 else { return .done }
            let count = min(due, scratchSize / senders[index].messageSize)
            guard sendNew(index, count) else { return .blocked }
            // Others have their turn before a flood goes on.
            if case .flood = plan.pace { return .again }
        }
    }

    private func dueCount(_ index: Int) -> Int {
        if case .flood = plan.pace { return now < end ? .max : 0 }
        return Int(senders[index].planned - senders[index].sent)
    }

    /// Stamps and sends activities. Returns false if the socket took less.
    private mutating func sendNew(_ index: Int, _ count: Int) -> Bool {
        let sender = senders[index]
        let size = sender.messageSize
        for place in 0..<count {
            let bytes = scratch + place * size
            bytes.copyMemory(from: sender.message, byteCount: size)
            let number = sender.sent + UInt32(place) + 1
            let time = plannedTime(of: sender, number: number)
            Stamp(sender: UInt32(sender.number), number: number, planned: time).writeDigits(
                to: bytes + sender.markOffset)
        }
        senders[index].sent += UInt32(count)
        // Before it is sent: who logs in from now on is not owed it.
        board.setSent(by: sender.number, senders[index].sent)
        self.count(.sent, count)
        let taken = send(sender.slot, scratch, count * size)
        guard taken < count * size else { return true }
        let whole = taken / size * size
        let rest = [UInt8](UnsafeRawBufferPointer(start: scratch + whole, count: count * size - whole))
        senders[index].unsent.keep(rest, taken: taken - whole)
        return false
    }

    private func plannedTime(of sender: Sender, number: UInt32) -> UInt64 {
        switch plan.pace {
        case .rate: plannedTime(round: Int(number) - 1, sender: sender.number)
        case .window, .burst: sender.dueSince
        case .flood: now
        }
    }

    /// Sends what the socket did not take before. Returns whether nothing is left.
    private mutating func sendRest(_ index: Int) -> Bool {
        guard !senders[index].unsent.isEmpty else { return true }
        let taken = senders[index].unsent.left.withUnsafeBytes { left in
            left.baseAddress.map { send(senders[index].slot, $0, left.count) } ?? 0
        }
        senders[index].unsent.took(taken)
        return senders[index].unsent.isEmpty
    }

    /// Returns what the socket took; asks to be told when it takes more.
    private func send(_ slot: Int, _ bytes: UnsafeRawPointer, _ count: Int) -> Int {
        let taken = transmit(slot, bytes, count)
        if taken < count { watch(slot, CES_IN | CES_OUT) }
        // A broken connection shows when it is read.
        return max(0, taken)
    }

    /// The socket takes more.
    mutating func writable(_ index: Int) {
        guard pushRest(index) else { return }
        watch(index, CES_IN)
        if slots[index].sender >= 0 { unblock(Int(slots[index].sender)) }
    }

    mutating func unblock(_ index: Int) {
        guard senders[index].isBlocked else { return }
        senders[index].isBlocked = false
        dirty.append(Int32(index))
    }

    /// The connection is gone: what it has not taken whole goes over the next one.
    func rewind(_ index: Int) {
        senders[index].unsent.rewind(activitySize: senders[index].messageSize)
    }
}
