// What arrives, and whether it is right. This is the path of every delivery: one receive, and for each frame a mark
// and a newline at the expected places, 32 digits, one place of the stream checks, one histogram.

import CEpollShim
import Glibc

extension Engine {
    mutating func readable(_ index: Int) {
        let held = slots[index].heldCount
        if held > 0, let bytes = slots[index].held { buffer.copyMemory(from: bytes, byteCount: held) }
        let got = receive(index, buffer + held, bufferSize)
        guard got > 0 else {
            if got != -Int(EAGAIN), got != -Int(EINTR) { cutOff(index, Int32(-got)) }
            return
        }
        // The time at which it was here, not that at which the turn began.
        now = ces_monotonic_ns()
        parse(index, held + got)
    }

    /// Goes through what has come, and keeps what is no whole frame.
    private mutating func parse(_ index: Int, _ total: Int) {
        let generation = slots[index].generation
        var at = 0
        while at < total {
            let bytes = buffer + at
            if total - at >= frameSize, Stamp.hasMark(bytes + markOffset),
                bytes.load(fromByteOffset: frameSize - 1, as: UInt8.self) == 10
            {
                take(index, Stamp(digitsAt: bytes + markOffset))
                at += frameSize
                continue
            }
            let rest = UnsafeRawBufferPointer(start: bytes, count: total - at)
            switch wire.frame(rest) {
            case .after(let size):
                takeOther(index, UnsafeRawBufferPointer(rebasing: rest[..<size]))
                at += size
                // A redirection ends the connection: what follows it, if anything, has nobody to take it.
                if slots[index].generation != generation || slots[index].fd < 0 { return }
            case .notYet:
                guard total - at <= bufferSize else { return malformed(index) }
                return keep(index, rest)
            case .malformed: return malformed(index)
            }
        }
        slots[index].heldCount = 0
    }

    /// A frame that does not look like the last activity: another form of it, or no activity.
    private mutating func takeOther(_ index: Int, _ frame: UnsafeRawBufferPointer) {
        guard let base = frame.baseAddress, let offset = Self.markOffset(in: frame) else {
            return react(index, to: frame)
        }
        if frame.last == 10 {
            frameSize = frame.count
            markOffset = offset
        }
        take(index, Stamp(digitsAt: base + offset))
    }

    /// An activity.
    @inline(__always)
    private mutating func take(_ index: Int, _ stamp: Stamp) {
        // Who is to stall is owed nothing; it reads until its worker knows that sending has begun.
        guard slots[index].row >= 0 else { return }
        let sender = Int(stamp.sender)
        guard sender < plan.senders, slots[index].stage == .live else { return strange(index) }
        count(.delivered)
        if let found = checks.take(row: Int(slots[index].row), sender: sender, number: stamp.number) { note(found) }
        slots[index].isOwed = true
        noteArrival(index)
        if stamp.planned >= windowStart, stamp.planned < end {
            _ = latencies.record(now > stamp.planned ? (now - stamp.planned) / 1000 : 0)
        }
        if slots[index].witnessed == stamp.sender { cameBack(sender) }
    }

    /// How long the receiver has heard nothing, within the measured window.
    @inline(__always)
    private mutating func noteArrival(_ index: Int) {
        guard now >= windowStart, now < end else { return }
        longestSilence = max(longestSilence, now - max(slots[index].heard, windowStart))
        slots[index].heard = now
    }

    @inline(never)
    private func note(_ found: StreamChecks.Faults) {
        count(.lost, found.lost)
        count(.doubled, found.doubled)
        count(.outOfOrder, found.outOfOrder)
    }

    /// A sender that does not exist, or an activity before the login.
    private func strange(_ index: Int) { count(.malformed) }

    private mutating func malformed(_ index: Int) {
        count(.malformed)
        cutOff(index, EBADMSG)
    }

    private mutating func keep(_ index: Int, _ rest: UnsafeRawBufferPointer) {
        if slots[index].heldCount < rest.count || slots[index].held == nil {
            slots[index].held?.deallocate()
            slots[index].held = .allocate(byteCount: max(rest.count, 256), alignment: 8)
        }
        if let base = rest.baseAddress { slots[index].held?.copyMemory(from: base, byteCount: rest.count) }
        slots[index].heldCount = rest.count
    }
}
