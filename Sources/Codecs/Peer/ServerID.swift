/// One incarnation of a server: made anew at each start, so that an identifier never outlives a process.
///
/// `startStamp` is greater than any that was heard of for the same address; `random` tells apart servers that
/// started in the same millisecond. The order is the order of conflict rules (smaller wins a claim).
public struct ServerID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Network time of the start, in milliseconds since 1970.
    public var startStamp: UInt64
    /// 64 bits drawn at the start.
    public var random: UInt64

    public init(startStamp: UInt64, random: UInt64) {
        self.startStamp = startStamp
        self.random = random
    }

    public static func < (left: ServerID, right: ServerID) -> Bool {
        (left.startStamp, left.random) < (right.startStamp, right.random)
    }

    /// 32 hexadecimal digits: the stamp, then the random part.
    public var description: String { Self.hexadecimal(startStamp) + Self.hexadecimal(random) }

    private static func hexadecimal(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
