// What a sender's socket has not taken yet.

/// Whole activities, and behind them answers to what the server asked. `offset` of the bytes are gone.
struct Unsent {
    private(set) var bytes: [UInt8] = []
    private var offset = 0
    /// Where the answers begin.
    private var answers = 0

    var isEmpty: Bool { bytes.isEmpty }
    var left: ArraySlice<UInt8> { bytes[offset...] }

    /// Keeps activities, of the first of which the socket has taken `taken` bytes.
    mutating func keep(_ activities: [UInt8], taken: Int) {
        bytes = activities
        answers = activities.count
        offset = taken
    }

    /// Goes behind all that waits, never inside it. Returns false if there is too much of it.
    mutating func append(_ answer: [UInt8]) -> Bool {
        guard bytes.count <= Self.bytesMax else { return false }
        bytes += answer
        return true
    }

    /// A batch of activities and many answers: beyond it the server is not what it should be.
    private static let bytesMax = 16 << 20

    mutating func took(_ count: Int) {
        offset += count
        if offset == bytes.count { self = Unsent() }
    }

    /// The connection is gone, and who asked with it. What was not taken whole goes over the next one.
    mutating func rewind(activitySize: Int) {
        bytes.removeLast(bytes.count - answers)
        offset = min(offset, answers)
        offset -= offset % activitySize
        if offset == bytes.count { self = Unsent() }
    }
}
