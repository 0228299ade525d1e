/// Names of what the reactor holds. They are values: keeping one keeps nothing alive, and using one after its end is
/// harmless.

/// A connection, for as long as it lives. The slot is reused by later connections, the pair of slot and generation is
/// not (until a slot has been used 2^32 times).
public struct ConnectionID: Hashable, Sendable, CustomStringConvertible {
    /// The index in the reactor's table; below its capacity.
    public let slot: UInt32
    /// How often the slot has been taken; never 0.
    public let generation: UInt32

    /// Creates an ID from its parts.
    public init(slot: UInt32, generation: UInt32) {
        self.slot = slot
        self.generation = generation
    }

    /// Creates an ID from its raw value.
    public init(rawValue: UInt64) {
        slot = UInt32(truncatingIfNeeded: rawValue)
        generation = UInt32(truncatingIfNeeded: rawValue >> 32)
    }

    /// Both parts in one word, which is never 0: the generation in the upper half. It is what epoll carries.
    public var rawValue: UInt64 { UInt64(generation) << 32 | UInt64(slot) }

    /// Slot and generation, as logs show them: `12.3`.
    public var description: String { "\(slot).\(generation)" }
}

/// A listening socket.
public struct ListenerID: Hashable, Sendable {
    let index: Int
}
