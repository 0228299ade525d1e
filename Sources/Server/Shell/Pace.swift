/// How fast single clients may speak: a token bucket for each, filled at a rate that is the same for all. Who has none
/// left is not read for a moment; what it says waits in its own machine. Nobody is closed for being fast.
internal import Codecs
internal import Node
internal import Reactor

/// The buckets, and who waits for theirs to fill.
struct Pace {
    /// Lines a second; 0: as fast as they come.
    let perSecond: Int
    /// By slot: thousandths of lines that may still be said, and when that was so.
    private var buckets: [(id: ConnectionID, tokens: Int, at: UInt64)] = []
    /// Those that are not read, the first to go on first: all wait equally long. Each connection is in it once at most;
    /// some may have ended.
    private var waiters: [(id: ConnectionID, due: UInt64)] = []
    private var first = 0

    /// A bucket holds what comes in within a second, and one line at least.
    private var tokensMax: Int { max(perSecond, 1) * 1000 }
    /// Who has used up everything waits for a line, or for what comes in within a tenth of a second: a client that is
    /// woken for each line of thousands would cost more than its lines.
    private var waitNanoseconds: UInt64 { max(100_000_000, 1_000_000_000 / UInt64(max(perSecond, 1))) }

    init(perSecond: Int) { self.perSecond = perSecond }

    var isOn: Bool { perSecond > 0 }

    /// How many whole lines a client may say now.
    mutating func lines(of id: ConnectionID, at now: UInt64) -> Int {
        let slot = Int(id.slot)
        while buckets.count <= slot { buckets.append((ConnectionID(slot: 0, generation: 0), 0, 0)) }
        if buckets[slot].id != id { buckets[slot] = (id, tokensMax, now) }
        let elapsed = min(now - min(now, buckets[slot].at), 1_000_000_000)
        // Thousandths: a millionth of a nanosecond's share, times the rate.
        buckets[slot].tokens = min(tokensMax, buckets[slot].tokens + Int(elapsed) * perSecond / 1_000_000)
        buckets[slot].at = now
        return buckets[slot].tokens / 1000
    }

    mutating func spend(_ lines: Int, of id: ConnectionID) { buckets[Int(id.slot)].tokens -= lines * 1000 }

    /// The connection is not read for a while.
    mutating func wait(_ id: ConnectionID, at now: UInt64) {
        waiters.append((id, now + waitNanoseconds))
    }

    /// When the first waiter goes on; nil if nobody waits.
    var next: UInt64? { first < waiters.count ? waiters[first].due : nil }

    /// Takes out the first waiter whose time has come.
    mutating func popDue(at now: UInt64) -> ConnectionID? {
        guard first < waiters.count, waiters[first].due <= now else { return nil }
        let id = waiters[first].id
        first += 1
        if 2 * first >= waiters.count {
            waiters.removeFirst(first)
            first = 0
        }
        return id
    }
}

extension Shell {
    /// How many of these bytes of a client the node may see now: as many whole lines as its bucket holds, or all. The
    /// first `seen` bytes hold no line end.
    mutating func admitted(_ id: ConnectionID, _ bytes: Span<UInt8>, seen: Int, in reactor: borrowing Reactor) -> Int {
        var left = pace.lines(of: id, at: reactor.now)
        var end = 0
        for index in seen..<bytes.count where Self.isLineEnd(bytes, index) {
            guard left > 0 else { return end }
            left -= 1
            end = index + 1
        }
        return bytes.count
    }

    /// The node has taken so many bytes; who has more lines than its bucket held is not read for a moment.
    mutating func spend(
        _ id: ConnectionID, _ bytes: Span<UInt8>, seen: Int, consumed: Int, isMoreLeft: Bool, in reactor: inout Reactor
    ) {
        var lines = 0
        if seen < consumed { for index in seen..<consumed where Self.isLineEnd(bytes, index) { lines += 1 } }
        pace.spend(lines, of: id)
        guard isMoreLeft else { return }
        connections.insert(.paced, of: id)
        counts.inputsPaced += 1
        reactor.pauseReading(id)
        pace.wait(id, at: reactor.now)
        setPaceTimer(in: &reactor)
    }

    /// The line feed of a pair, or either end alone. Of a pair that is cut in two both count.
    private static func isLineEnd(_ bytes: Span<UInt8>, _ index: Int) -> Bool {
        if bytes[index] == 0x0A { return true }
        return bytes[index] == 0x0D && (index + 1 == bytes.count || bytes[index + 1] != 0x0A)
    }

    /// Those that have waited long enough go on.
    mutating func releasePaced(in reactor: inout Reactor) {
        while let id = pace.popDue(at: reactor.now) {
            connections.remove(.paced, of: id)
            readOn(id, in: &reactor)
        }
        setPaceTimer(in: &reactor)
    }

    private func setPaceTimer(in reactor: inout Reactor) {
        if let due = pace.next { reactor.setTimer(TimerToken.pace, atNanoseconds: due) }
    }
}

extension TimerToken {
    /// The first of those that wait for their buckets goes on.
    static let pace: UInt64 = 18
}
