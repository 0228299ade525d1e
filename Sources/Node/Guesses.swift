import Codecs

/// Who has guessed secrets lately: addresses, and names that were guessed at. The table is bounded, and takes no memory
/// before the first failure.
///
/// An address that has failed some times has to wait, longer each time: what it says meanwhile is not looked at. Of a
/// name only the answers are put off, and shortly, so that nobody keeps out its user.
public struct Guesses: Sendable {
    /// Failures of an address before it has to wait, if nothing else is set.
    public static let failuresDefault = 10
    /// The first wait of an address, which doubles with each further failure, and the longest.
    static let firstWait: UInt64 = 1000
    static let longestWait: UInt64 = 300_000
    /// Failures at a name before answers are put off, for how long at first, and at most.
    static let freeOfName: UInt64 = 3
    static let firstDelay: UInt64 = 100
    static let longestDelay: UInt64 = 1000
    /// Without a further failure for so long everything is forgotten.
    static let memory: UInt64 = 600_000
    /// Addresses and names that are remembered.
    static let entriesMax = 8192
    /// Places in which a key may stand.
    private static let ways = 4

    private struct Entry: Sendable {
        var key: UInt64 = 0
        var failures: UInt64 = 0
        var last = Instant(nanoseconds: 0)
    }

    private var entries: [Entry] = []

    /// Those that are remembered. Complexity: linear in the table; for who looks.
    func count(at now: Instant) -> Int { entries.count { isFresh($0, at: now) } }

    /// Milliseconds until what comes from an address is looked at again.
    func wait(of key: UInt64, allowed: UInt64, at now: Instant) -> UInt64 {
        guard let entry = entry(of: key, at: now), entry.failures >= allowed else { return 0 }
        let wait = Self.doubled(Self.firstWait, entry.failures - allowed, max: Self.longestWait)
        let passed = now.milliseconds(since: entry.last)
        return wait > passed ? wait - passed : 0
    }

    /// Milliseconds by which the answer to a login by a name is put off.
    func delay(of key: UInt64, at now: Instant) -> UInt64 {
        guard let entry = entry(of: key, at: now), entry.failures >= Self.freeOfName else { return 0 }
        return Self.doubled(Self.firstDelay, entry.failures - Self.freeOfName, max: Self.longestDelay)
    }

    /// Somebody has failed. In a full row of the table the one with the fewest failures gives way.
    mutating func note(_ key: UInt64, at now: Instant) {
        if entries.isEmpty { entries = Array(repeating: Entry(), count: Self.entriesMax) }
        let row = Self.row(of: key)
        var place = row.lowerBound
        for index in row {
            if entries[index].key == key, isFresh(entries[index], at: now) {
                entries[index].failures += 1
                entries[index].last = now
                return
            }
            if weight(entries[index], at: now) < weight(entries[place], at: now) { place = index }
        }
        entries[place] = Entry(key: key, failures: 1, last: now)
    }

    private func entry(of key: UInt64, at now: Instant) -> Entry? {
        guard !entries.isEmpty else { return nil }
        return entries[Self.row(of: key)].first { $0.key == key && isFresh($0, at: now) }
    }

    private func isFresh(_ entry: Entry, at now: Instant) -> Bool {
        entry.failures > 0 && now.milliseconds(since: entry.last) < Self.memory
    }

    private func weight(_ entry: Entry, at now: Instant) -> UInt64 { isFresh(entry, at: now) ? entry.failures : 0 }

    private static func row(of key: UInt64) -> Range<Int> {
        let start = Int(key % UInt64(entriesMax / ways)) * ways
        return start..<start + ways
    }

    private static func doubled(_ first: UInt64, _ times: UInt64, max longest: UInt64) -> UInt64 {
        times >= 20 ? longest : min(first << times, longest)
    }
}

/// Guessing, as the rest of the node sees it.
extension Node {
    /// Failures that an address may have; nil: any number.
    private func failuresAllowed(of slot: Int) -> UInt64? {
        switch configuration.limits.failedLogins {
        case nil: sessions.isOfThisHost(slot) ? nil : UInt64(Guesses.failuresDefault)
        case 0: nil
        case .some(let count): UInt64(clamping: count)
        }
    }

    /// An IPv6 host has a network of 64 bits for itself.
    private func guessKey(ofAddress slot: Int) -> UInt64 {
        SplitMix64.mix(sessions.network(of: slot) ^ SplitMix64.mix(id.random))
    }

    private func guessKey(ofName name: [UInt8]) -> UInt64 { SplitMix64.hash(name, salt: id.random) }

    /// The network's own secret, which has no name that a user can have.
    private var guessKeyOfNetwork: UInt64 { SplitMix64.mix(id.random &+ 1) }

    /// Milliseconds until what comes from this session's address is looked at again.
    func waitAfterGuesses(of slot: Int) -> UInt64 {
        guard let allowed = failuresAllowed(of: slot) else { return 0 }
        return guesses.wait(of: guessKey(ofAddress: slot), allowed: allowed, at: now)
    }

    /// Milliseconds by which the answer to a login is put off.
    func delayAfterGuesses(at name: [UInt8], by slot: Int) -> UInt64 {
        failuresAllowed(of: slot) == nil ? 0 : guesses.delay(of: guessKey(ofName: name), at: now)
    }

    mutating func noteGuess(at name: [UInt8], by slot: Int) {
        guard failuresAllowed(of: slot) != nil else { return }
        guesses.note(guessKey(ofAddress: slot), at: now)
        guesses.note(guessKey(ofName: name), at: now)
    }

    /// Whether a guess at the network's secret is looked at: from all addresses together hardly more than one a second.
    func heedsGuessAtNetwork(by slot: Int) -> Bool {
        guard failuresAllowed(of: slot) != nil else { return true }
        return waitAfterGuesses(of: slot) == 0
            && guesses.wait(of: guessKeyOfNetwork, allowed: Guesses.freeOfName, at: now) == 0
    }

    mutating func noteGuessAtNetwork(by slot: Int) {
        guard failuresAllowed(of: slot) != nil else { return }
        guesses.note(guessKey(ofAddress: slot), at: now)
        guesses.note(guessKeyOfNetwork, at: now)
    }
}
