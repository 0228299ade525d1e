/// How long to wait before the next attempt: twice as long after each failure, up to a cap, and with jitter, so that
/// the clients of a server that died do not all come back at once.
struct BackOff {
    /// The first wait, and the longest one, before jitter; in milliseconds.
    let shortest: UInt64
    let longest: UInt64
    private var next: UInt64

    /// - Parameters: both in milliseconds; `longest` is taken as at least `shortest`.
    init(shortest: UInt64, longest: UInt64) {
        self.shortest = max(shortest, 1)
        self.longest = max(longest, self.shortest)
        next = self.shortest
    }

    /// The wait before the next attempt, in milliseconds: between half the current step and all of it.
    mutating func wait(using generator: inout some RandomNumberGenerator) -> UInt64 {
        let step = next
        next = step > longest / 2 ? longest : step * 2
        return UInt64.random(in: (step + 1) / 2...step, using: &generator)
    }

    /// Begins anew: things went well for a while.
    mutating func reset() { next = shortest }
}

/// A small generator (SplitMix64) for jitter: it begins with a seed, so that a test can repeat a run.
struct Jitter: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
