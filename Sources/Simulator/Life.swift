/// One life of a server, from a start to its end, as its state shows it: what it held of each stream, what it knew,
/// what it handed to clients and what it said that it had given up.
public struct Life: Sendable {
    public var server: Int
    public var start: UInt64
    /// What its own clock said at the start, in milliseconds.
    public var wallClock: UInt64 = 0
    /// When it was killed; nil if it lives at the end.
    public var end: UInt64?
    /// Its machine went off: nobody was told of its end.
    public var fellSilent = false
    /// When it had moved all its clients elsewhere and passed on all that it held, and said goodbye.
    public var leftAt: UInt64?
    /// What it handed to clients, in order.
    public var log: [LogLine] = []
    /// Reports that records were stepped over here because nobody had them any more.
    public private(set) var gaps: [LostSpan] = []
    /// Reports that records were given up here because the store was full.
    public private(set) var givenUp: [LostSpan] = []
    /// What it could not feed to a session that was owed it, as it said, and held no longer.
    public private(set) var unfed: [LostSpan] = []
    /// Reports that other lives were over, or were given up.
    public private(set) var departures: [Departure] = []
    /// Its table of what is over was full.
    public var hasOverflown = false
    /// By the life of the origin. Looked up, never iterated.
    private var streams: [Int: HeldStream] = [:]
    /// When it first heard of another life. Looked up, never iterated.
    private var acquaintances: [Int: UInt64] = [:]
    /// When the first announcement of another life had come. Looked up, never iterated.
    private var meetings: [Int: UInt64] = [:]

    init(server: Int, start: UInt64) {
        self.server = server
        self.start = start
    }

    /// Records of one stream that a server has reported to be lost to it.
    public struct LostSpan: Sendable {
        public var origin: Int
        public var seqs: ClosedRange<UInt64>
        public var time: UInt64
        /// The bound was reached that forces something to be given up.
        public var wasFull = false
        /// When the last of them came.
        public var came: UInt64?
        /// The life of a neighbour that had had some of it for long; nil if there was none.
        public var holder: Int?
    }

    public struct Departure: Sendable {
        public var life: Int
        public var cause: String
        public var time: UInt64
    }

    private struct HeldStream {
        /// Records that were in the store at some time; those that were stepped over are not among them.
        var spans: [ClosedRange<UInt64>] = []
        /// How the two counters rose.
        var steps: [Step] = []

        struct Step {
            var time: UInt64
            var held: UInt64
            var delivered: UInt64
        }
    }
}

// MARK: - Writing

extension Life {
    /// The stream is now held and delivered so far; of what is new, `stored` came as records.
    mutating func noteStream(
        _ origin: Int, held: UInt64, delivered: UInt64, stored: ClosedRange<UInt64>?, at time: UInt64
    ) {
        streams[origin, default: HeldStream()].steps.append(
            HeldStream.Step(time: time, held: held, delivered: delivered))
        guard let stored else { return }
        if let last = streams[origin]?.spans.last, last.upperBound + 1 == stored.lowerBound {
            streams[origin]?.spans.removeLast()
            streams[origin]?.spans.append(last.lowerBound...stored.upperBound)
        } else {
            streams[origin]?.spans.append(stored)
        }
    }

    mutating func noteAcquaintance(with life: Int, at time: UInt64) {
        if acquaintances[life] == nil { acquaintances[life] = time }
    }

    mutating func noteMeeting(with life: Int, at time: UInt64) { meetings[life] = time }
    func hasMet(_ life: Int) -> Bool { meetings[life] != nil }

    mutating func noteGap(
        of origin: Int, _ seqs: ClosedRange<UInt64>, wasFull: Bool = false, holder: Int? = nil, at time: UInt64
    ) {
        gaps.append(LostSpan(origin: origin, seqs: seqs, time: time, wasFull: wasFull, holder: holder))
    }

    mutating func noteGivenUp(of origin: Int, _ seqs: ClosedRange<UInt64>, wasFull: Bool, at time: UInt64) {
        givenUp.append(LostSpan(origin: origin, seqs: seqs, time: time, wasFull: wasFull))
    }

    /// Not fed although owed: since the last of them came, the server may have had no room to keep it.
    mutating func noteUnfed(of origin: Int, _ seqs: ClosedRange<UInt64>, crowdedAt: UInt64 = 0, at time: UInt64) {
        let last = History.RecordPlace(origin: origin, seq: seqs.upperBound, time: time)
        let came = hasHeld(last) ? heldAt(last) : nil
        unfed.append(
            LostSpan(origin: origin, seqs: seqs, time: time, wasFull: came.map { $0 <= crowdedAt } ?? true, came: came))
    }

    mutating func noteDeparture(of life: Int, cause: String, at time: UInt64) {
        departures.append(Departure(life: life, cause: cause, time: time))
    }
}

// MARK: - Reading

extension Life {
    /// Whether the record was ever here.
    func hasHeld(_ record: History.RecordPlace) -> Bool {
        guard let spans = streams[record.origin]?.spans else { return false }
        // The last span that begins at or before the record: spans rise.
        var (low, high) = (0, spans.count)
        while low < high {
            let middle = (low + high) / 2
            if spans[middle].lowerBound <= record.seq { low = middle + 1 } else { high = middle }
        }
        return low > 0 && spans[low - 1].contains(record.seq)
    }

    /// Whether the stream began here after the record, or was stepped over altogether.
    func hasBegun(after record: History.RecordPlace) -> Bool {
        guard let stream = streams[record.origin], heldAt(record) != nil else { return false }
        return stream.spans.first.map { $0.lowerBound > record.seq } ?? true
    }

    /// Up to where a stream was held at a time; nil: nothing was ever held of it by then.
    func held(of origin: Int, at time: UInt64) -> UInt64? {
        streams[origin]?.steps.last { $0.time <= time }?.held
    }

    /// When the stream was held so far, with the record or over it.
    func heldAt(_ record: History.RecordPlace) -> UInt64? { firstStep(of: record) { $0.held >= record.seq } }

    /// When the stream was delivered so far, with the record or over it.
    func deliveredAt(_ record: History.RecordPlace) -> UInt64? { firstStep(of: record) { $0.delivered >= record.seq } }

    private func firstStep(of record: History.RecordPlace, where isThere: (HeldStream.Step) -> Bool) -> UInt64? {
        guard let steps = streams[record.origin]?.steps else { return nil }
        var (low, high) = (0, steps.count)
        while low < high {
            let middle = (low + high) / 2
            if isThere(steps[middle]) { high = middle } else { low = middle + 1 }
        }
        return low < steps.count ? steps[low].time : nil
    }

    /// Whether it had heard of another life by then.
    /// Whether it had an announcement of another life.
    func hadMet(_ life: Int, at time: UInt64) -> Bool { meetings[life].map { $0 <= time } ?? false }
    func knew(_ life: Int, at time: UInt64) -> Bool { acquaintances[life].map { $0 <= time } ?? false }

    func hasReportedGap(over record: History.RecordPlace) -> Bool {
        gaps.contains { $0.origin == record.origin && $0.seqs.contains(record.seq) }
    }

    /// The table of what is over was too small to tell whether the record had come once: nothing comes twice, before
    /// everything comes.
    func hasForgotten(_ record: History.RecordPlace) -> Bool {
        gaps.contains { $0.wasFull && $0.origin == record.origin && $0.seqs.contains(record.seq) }
    }

    func hasStatedUnfed(_ record: History.RecordPlace) -> Bool {
        unfed.contains { $0.origin == record.origin && $0.seqs.contains(record.seq) }
    }

    func hasGivenUp(_ record: History.RecordPlace) -> Bool {
        givenUp.contains { $0.origin == record.origin && $0.seqs.contains(record.seq) }
    }
}
