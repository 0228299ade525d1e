/// Something that happened although it was promised not to.
public struct Violation: Sendable, CustomStringConvertible {
    public enum Kind: String, Sendable, CaseIterable {
        /// P1: an accepted activity did not reach a client that was there.
        case notReached
        /// P1, P7: an activity was sent on a connection that lived on, and no server took it.
        case notAccepted
        /// P1: an activity did not reach a client that was moved or came back meanwhile.
        case lostOnTheWay
        /// P2: a client saw an activity twice.
        case repeated
        /// P3: a client saw a later activity of a sender before an earlier one.
        case reordered
        /// P5: a name was registered more than once, or refused to everybody.
        case registeredTwice
        case registeredNever
        /// A client was shown what was over when it logged in.
        case shownOld
        /// P5: a user was left logged in by a name that is another's.
        case loserKept
        /// P6: a client was sent elsewhere again and again.
        case redirectedTooOften
        /// P6: the load did not become even in time.
        case notEven
        /// P6: the load was even, and somebody was sent elsewhere.
        case movedNeedlessly
        /// A server kept something of a session for ever.
        case sessionLeftOver
        /// A client is counted at no server, or at several.
        case sessionMiscounted
        /// P8: records were given up although the store had room.
        case givenUpNeedlessly
        /// P8: what a session is owed was not held any more although it had come within the window, and there was room.
        case releasedNeedlessly
        /// P1: records were stepped over although a server that could be reached still held some.
        case skippedNeedlessly
        /// A living server was taken to be gone for good.
        case departedWrongly
        /// At the end a server believed to owe another one something.
        case stillOwed
        /// Something that a node's components promise each other does not hold.
        case brokenInvariant
        /// Servers ended with different registries.
        case digestsDiffer
        /// A record crossed more links than it had to.
        case wastedCopies
        /// The network did not become whole in time.
        case notWhole
        /// A queue still owed something when all was whole for long.
        case notLevel
        /// Links carried more than heartbeats and announcements when nothing happened.
        case notSilent
        /// A server did not learn what another one had announced long before.
        case notInformed
        /// A registry had lost a claim, and was repaired.
        case registryRepaired
        /// Lines were published although the readers were behind: a real server would have had to close them.
        case readersOverrun
        /// A user was told that the name is another's, which nobody else has ever asked for.
        case ownerExpelled
        /// A client was told what the client protocol does not allow.
        case brokenClientProtocol
        /// The node broke its contract with its driver.
        case brokenContract
        /// The node asked again and again for a deadline in the past.
        case spinningTimer
    }

    public var kind: Kind
    public var seed: UInt64
    public var time: UInt64
    public var text: String
    /// The record that it is about, for its story; nil if it is about none.
    public internal(set) var focus: Focus?

    /// A record, and the servers of which its story tells more.
    public struct Focus: Sendable, Hashable, Codable {
        let mark: ActivityMark
        /// The life in which it arose, and its number there.
        let origin: Int
        let seq: UInt64
        /// Those that lack it although they were there, and where it went wrong.
        let lives: [Int]
        /// The servers of all these lives.
        let servers: [Int]
    }

    public init(kind: Kind, seed: UInt64, time: UInt64, text: String) {
        self.init(kind: kind, seed: seed, time: time, text: text, focus: nil)
    }

    init(kind: Kind, seed: UInt64, time: UInt64, text: String, focus: Focus?) {
        self.kind = kind
        self.seed = seed
        self.time = time
        self.text = text
        self.focus = focus
    }

    public var description: String { "\(kind.rawValue) at \(Trace.stamp(time)) s (seed \(seed)): \(text)" }
}
