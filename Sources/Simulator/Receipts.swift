/// What was written to one end of a connection, and what its kernel has acknowledged, as the writer's kernel can tell.
/// Kept of the bytes that servers send to clients.
struct Receipts {
    /// By time: bytes written, and bytes that came, since the beginning.
    private var written: [(time: UInt64, end: UInt64)] = []
    private var come: [(time: UInt64, end: UInt64)] = []
    private var writtenBytes: UInt64 = 0
    private var comeBytes: UInt64 = 0
    /// What came earlier than the times that are remembered.
    private var forgottenBytes: UInt64 = 0
    /// No acknowledgement passed any more.
    var brokenAt: UInt64?

    /// Times remembered: more than are on their way at a time (a guess).
    private static let memory = 512

    mutating func noteWritten(_ count: Int, at time: UInt64) {
        writtenBytes += UInt64(count)
        if written.count >= Self.memory { written.removeAll { $0.end <= comeBytes } }
        written.append((time, writtenBytes))
    }

    mutating func noteCome(_ count: Int, at time: UInt64) {
        comeBytes += UInt64(count)
        if come.count >= Self.memory {
            forgottenBytes = come[Self.memory / 2 - 1].end
            come.removeFirst(Self.memory / 2)
        }
        come.append((time, comeBytes))
    }

    /// What the writer knows to have come, if acknowledgements take so long; and since when something has not.
    func acknowledged(delay: UInt64, at now: UInt64) -> (bytes: UInt64, unacknowledgedSince: UInt64?) {
        let known = min(now, brokenAt ?? now)
        let bytes = come.last { $0.time + delay <= known }?.end ?? forgottenBytes
        return (bytes, written.first { $0.end > bytes }?.time)
    }
}
