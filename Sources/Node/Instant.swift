/// A point on the driver's monotonic clock. The core never reads a clock: each input carries its instant.
public struct Instant: Hashable, Comparable, Sendable {
    /// Nanoseconds since an origin that only the driver knows.
    public var nanoseconds: UInt64

    public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    public static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }

    /// The instant `milliseconds` later. Saturates at the end of time instead of trapping.
    public func adding(milliseconds: UInt64) -> Instant {
        let (product, overflow) = milliseconds.multipliedReportingOverflow(by: 1_000_000)
        let (sum, carry) = nanoseconds.addingReportingOverflow(product)
        return Instant(nanoseconds: overflow || carry ? .max : sum)
    }

    /// The instant so much earlier; the beginning of time at the earliest.
    func subtracting(microseconds: UInt64) -> Instant {
        Instant(nanoseconds: nanoseconds - min(nanoseconds, microseconds * 1000))
    }

    /// Whole microseconds since `earlier`; 0 if it is not earlier.
    func microseconds(since earlier: Instant) -> UInt64 {
        nanoseconds > earlier.nanoseconds ? (nanoseconds - earlier.nanoseconds) / 1000 : 0
    }

    /// Whole milliseconds since `earlier`; 0 if it is not earlier.
    public func milliseconds(since earlier: Instant) -> UInt64 {
        nanoseconds > earlier.nanoseconds ? (nanoseconds - earlier.nanoseconds) / 1_000_000 : 0
    }
}
