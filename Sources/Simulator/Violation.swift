/// Something that happened although it was promised not to.
public struct Violation: Sendable, CustomStringConvertible {
    public enum Kind: String, Sendable, CaseIterable {
        /// P1: an accepted activity did not reach a client that was there.
        case notReached
        /// P1, P7: an activity was sent on a connection that lived on, and no server took it.
        case notAccepted
        /// P2: a client saw an activity twice.
        case repeated
        /// P3: a client saw a later activity of a sender before an earlier one.
        case reordered
        /// P5: a name was registered more than once, or refused to everybody.
        case registeredTwice
        case registeredNever
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

    public init(kind: Kind, seed: UInt64, time: UInt64, text: String) {
        self.kind = kind
        self.seed = seed
        self.time = time
        self.text = text
    }

    public var description: String { "\(kind.rawValue) at \(Trace.stamp(time)) s (seed \(seed)): \(text)" }
}
