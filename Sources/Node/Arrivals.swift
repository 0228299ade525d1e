/// When the last versions of what is known of an origin came: the newest at place 0.
struct Arrivals: Sendable {
    private var versions = [4 of UInt64](repeating: 0)
    private var instants = [4 of Instant](repeating: Instant(nanoseconds: 0))

    /// When the newest came.
    var last: Instant { instants[0] }

    mutating func note(_ version: UInt64, at now: Instant) {
        // What came together counts as one.
        if instants[0] != now {
            for place in stride(from: 3, to: 0, by: -1) {
                versions[place] = versions[place - 1]
                instants[place] = instants[place - 1]
            }
        }
        versions[0] = version
        instants[0] = now
    }

    /// Whether the version had not come yet at an instant. What came so long ago that it is not remembered had.
    func wasMissing(_ version: UInt64, at instant: Instant) -> Bool {
        guard version <= versions[0] else { return true }
        var place = 0
        while place < 3, versions[place + 1] >= version { place += 1 }
        let isRemembered = place < 3 || versions[place] == version
        return isRemembered && instant < instants[place]
    }
}
