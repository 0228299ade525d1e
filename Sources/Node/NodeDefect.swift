/// A mistake that is made on purpose, so that it can be seen that the simulator finds it. No server has one: only the
/// simulator sets `NodeConfiguration.defect`.
public enum NodeDefect: String, Sendable, CaseIterable {
    /// Claims that came in records that were given up are not told as state.
    case claimDroppedWithGap
    /// A gap is stepped over when the first neighbour tells it.
    case gapNotPutOff
    /// A forgotten stream leaves no tombstone.
    case forgottenDeliveredAgain
    /// The address of a member that departed in silence is not remembered.
    case departureStopsDialling
    /// What is new is decided by what was delivered.
    case deliveredCountedAsHeld
    /// A dependency is taken for delivered when it is held.
    case heldCountedAsDelivered
    /// One arbiter is enough to register a name.
    case oneArbiter
    /// Receivers change a claim's stamp that is ahead of their clock.
    case stampsClamped
    /// A copy prunes the link over which it came, be it the parent, or asked for.
    case parentPruned
    /// Digests repair records only.
    case announcementsNotRepaired
    /// A new link carries what is new before what was missed, and a record is taken in any order.
    case replayOvertaken
    /// What a client still sends after its REDIRECT is dropped.
    case redirectedDropped
    /// A backlog is published at once, whatever the readers can take.
    case backlogPublishedAtOnce
}
