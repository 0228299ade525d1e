/// What a client has seen. It is checked as it comes, and kept as bits: a history has millions of receptions.
public struct ClientView: Sendable {
    /// Lines received, over all visits.
    public private(set) var count = 0
    private var visit = 0
    /// Activities seen on the present visit, and on earlier ones.
    private var seen = NumberSet()
    private var seenBefore = NumberSet()
    /// By sender: its latest activity that was seen on the present visit, and on earlier ones.
    private var latest: [Int32] = []
    private var latestBefore: [Int32] = []
    private var earlier: [Earlier] = []

    private struct Earlier {
        var visit: Int
        var seen: NumberSet
        var latest: [Int32]
    }

    /// Takes in an activity; tells what is wrong with its coming now, and the earlier visit that makes it wrong, if it
    /// is not the present one.
    mutating func see(
        _ mark: ActivityMark, ordinal: Int, session: Int
    ) -> (fault: History.FaultyReception.Fault, earlierVisit: Int?)? {
        if session != visit { begin(session) }
        count += 1
        guard seen.insert(ordinal) else { return (.repeated, nil) }
        while latest.count <= mark.sender { latest.append(-1) }
        let before = Int(latest[mark.sender])
        if mark.number >= before {
            latest[mark.sender] = Int32(truncatingIfNeeded: mark.number)
        } else if !seenBefore.contains(ordinal) {
            return (.disordered(after: before), nil)
        }
        // What comes again was in order the first time.
        return faultBefore(mark, ordinal: ordinal)
    }

    /// The same, of earlier visits: the latest one of them that makes it wrong.
    private func faultBefore(
        _ mark: ActivityMark, ordinal: Int
    ) -> (fault: History.FaultyReception.Fault, earlierVisit: Int?)? {
        if seenBefore.contains(ordinal) {
            return earlier.last { $0.seen.contains(ordinal) }.map { (.repeated, $0.visit) }
        }
        guard mark.sender < latestBefore.count, mark.number < latestBefore[mark.sender] else { return nil }
        let visit = earlier.last { mark.sender < $0.latest.count && mark.number < $0.latest[mark.sender] }
        return visit.map { (.disordered(after: Int($0.latest[mark.sender])), $0.visit) }
    }

    private mutating func begin(_ session: Int) {
        if !latest.isEmpty { earlier.append(Earlier(visit: visit, seen: seen, latest: latest)) }
        visit = session
        seenBefore.formUnion(seen)
        for sender in latest.indices {
            if sender < latestBefore.count {
                latestBefore[sender] = max(latestBefore[sender], latest[sender])
            } else {
                latestBefore.append(latest[sender])
            }
        }
        seen = NumberSet()
        latest = []
    }

    /// Whether the activity came on any visit.
    func has(_ ordinal: Int) -> Bool { seen.contains(ordinal) || seenBefore.contains(ordinal) }
}

/// A set of small numbers, as bits.
struct NumberSet: Sendable {
    private var words: [UInt64] = []

    func contains(_ number: Int) -> Bool {
        number >> 6 < words.count && words[number >> 6] & (1 << UInt64(number & 63)) != 0
    }

    /// Returns whether it was not there.
    mutating func insert(_ number: Int) -> Bool {
        let word = number >> 6
        while words.count <= word { words.append(0) }
        let bit: UInt64 = 1 << UInt64(number & 63)
        guard words[word] & bit == 0 else { return false }
        words[word] |= bit
        return true
    }

    mutating func formUnion(_ other: NumberSet) {
        while words.count < other.words.count { words.append(0) }
        for index in other.words.indices { words[index] |= other.words[index] }
    }
}
