/// The one source of chance of a simulated world (SplitMix64: Steele, Lea and Flood, OOPSLA 2014, figure 17).
///
/// The draws are its own and not those of the standard library, whose way from bits to a range may change with a
/// version: a seed names a run for ever.
public struct SplitMix64: Sendable {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    /// A generator for one purpose: what one purpose draws does not shift what another one gets.
    public init(seed: UInt64, purpose: UInt64) {
        var root = SplitMix64(seed: seed ^ (purpose &* 0xD134_2543_DE82_EF95))
        state = root.next()
    }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// Evenly from 0 to `bound` - 1. The bias of the high half of the product is below 2^-32 for the bounds used here.
    public mutating func below(_ bound: UInt64) -> UInt64 {
        precondition(bound > 0, "nothing lies below zero")
        return next().multipliedFullWidth(by: bound).high
    }

    public mutating func below(_ bound: Int) -> Int { Int(below(UInt64(bound))) }

    public mutating func inside(_ range: ClosedRange<UInt64>) -> UInt64 {
        range.lowerBound + below(range.upperBound - range.lowerBound + 1)
    }

    /// True in `permille` of a thousand draws.
    public mutating func chance(permille: UInt64) -> Bool { below(1000) < permille }

    /// 0 to `count` - 1 in random order (Fisher and Yates).
    public mutating func permutation(of count: Int) -> [Int] {
        var order = Array(0..<count)
        for index in stride(from: count - 1, to: 0, by: -1) { order.swapAt(index, below(index + 1)) }
        return order
    }
}
