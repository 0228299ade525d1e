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
    /// A session that begins at a floor turns live although this server has not delivered all that the floor covers.
    case liveBeforeFloor
    /// Whoever comes begins at the floor of the next ticket, whosever that is.
    case floorOfAnother
    /// A ticket is good for any number of logins until it expires.
    case floorUsedTwice
    /// What everybody has is forgotten although a session that is detached may be owed it.
    case releasedBelowFloor
    /// A session is moved to a server that has one fewer, and so back again.
    case movesBackAndForth
    /// What a moved client says at once is not held back until its words at the other server have come.
    case arrivalNotAwaited
}
