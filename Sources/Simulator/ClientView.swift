/// What a client has seen. It is checked as it comes, and kept as bits: a history has millions of receptions.
public struct ClientView: Sendable {
    /// Lines received, over all sessions.
    public private(set) var count = 0
    private var session = 0
    /// Activities seen in the present session, and in earlier ones.
    private var seen = NumberSet()
    private var seenBefore = NumberSet()
    /// By sender: its latest activity that was seen in the present session.
    private var latest: [Int32] = []

    /// Takes in an activity; tells what is wrong with its coming now.
    mutating func see(_ mark: ActivityMark, ordinal: Int, session: Int) -> History.FaultyReception.Fault? {
        if session != self.session { begin(session) }
        count += 1
        guard seen.insert(ordinal) else { return .repeated }
        while latest.count <= mark.sender { latest.append(-1) }
        let before = Int(latest[mark.sender])
        guard mark.number < before else {
            latest[mark.sender] = Int32(truncatingIfNeeded: mark.number)
            return nil
        }
        return .disordered(after: before)
    }

    private mutating func begin(_ session: Int) {
        self.session = session
        seenBefore.formUnion(seen)
        seen = NumberSet()
        latest = []
    }

    /// Whether the activity came in any session.
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
