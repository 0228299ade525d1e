public import Codecs

/// Names a connection of a client. The driver makes it (slot and generation of its table); it is never used twice.
public struct SessionID: Hashable, Sendable {
    public var slot: UInt32
    public var generation: UInt32

    public init(slot: UInt32, generation: UInt32) {
        self.slot = slot
        self.generation = generation
    }
}

/// Names a connection to another server, in the same way.
public struct LinkID: Hashable, Sendable {
    public var slot: UInt32
    public var generation: UInt32

    public init(slot: UInt32, generation: UInt32) {
        self.slot = slot
        self.generation = generation
    }
}

/// Names an attempt to connect that the node asked for.
public struct DialID: Hashable, Sendable {
    public var rawValue: UInt64

    public init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// Names a hash that the node asked for.
public struct HashID: Hashable, Sendable {
    public var rawValue: UInt64

    public init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// Names a request of an operator that the driver has given to the node.
public struct AccountRequestID: Hashable, Sendable {
    public var rawValue: UInt64

    public init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// One thing that the driver is to do. Ranges point into `Outbox.bytes`.
public enum Output: Hashable, Sendable {
    /// Append to the link's output.
    case sendLink(LinkID, Range<Int>)
    /// Close the link after its output is flushed.
    case closeLink(LinkID, LinkCloseReason)
    /// Connect; answer with `linkOpened(_:dial:)` or `dialFailed(_:)`.
    case dial(DialID, PeerAddress)
    /// A private line for one client: between two lines of the log, never inside one.
    case reply(SessionID, Range<Int>)
    /// Lines for one client that does not follow the log: sent as private ones are. Answer with `clientHasRoom` when
    /// they have been sent.
    case feed(SessionID, Range<Int>)
    /// A line for all clients that follow the log.
    case publish(Range<Int>)
    /// The client follows the log from its present end, after the replies before this output.
    case follow(SessionID)
    /// The client follows the log no longer: what was published before is still sent.
    case unfollow(SessionID)
    /// Show no more of the client's input until `resume`; what came already is kept.
    case pause(SessionID)
    case resume(SessionID)
    /// Flush, shut down writing, then read until end of stream or `linger` milliseconds. With `keepsReading` what
    /// still comes is given to the node (a redirected client), else it is discarded (an error reply).
    case finish(SessionID, SessionCloseReason, linger: UInt64, keepsReading: Bool)
    /// Look at a client's connection; answer with `clientExamined`.
    case examine(SessionID)
    /// Find out up to which position of the log everybody who follows it has acknowledged everything; answer with
    /// `clientsReached`.
    case measure
    /// Hash a secret on a helper thread; answer with `hashed(_:digest:)`, nil if it could not be done.
    case hash(HashID, secret: [UInt8], salt: [UInt8], cost: UInt8)
    /// Write these rows to where they outlive the process, all or none; answer with `stored(failure:)`.
    case store([StoredRow])
    /// An operator's request is done, or why not.
    case accountAnswered(AccountRequestID, AccountAnswer)
    /// For the log.
    case report(Report)
}

/// Why the node closes a client's connection. Each is counted by the driver.
public enum SessionCloseReason: String, Hashable, Sendable, CaseIterable {
    case logout
    case invalidMessage
    case authenticationFailed
    case registerFailed
    case loginFailed
    case redirected
    case peerSaidInvalid
    case lineTooLong
    case nestedTooDeeply
    /// The user's claim lost against an older one.
    case claimLost
    /// An operator has ended the sessions of its user, or changed the secret.
    case kicked
    /// An operator has removed its user.
    case userRemoved
    /// Its user has logged in again, and its connection no longer takes anything.
    case superseded
    case shutdown
}

/// Why the node closes a link. Each is counted by the driver.
public enum LinkCloseReason: String, Hashable, Sendable, CaseIterable {
    case notAPeer
    case brokenFrame
    case frameTooLong
    case unexpectedFrame
    case wrongSecret
    case versionMismatch
    case oneself
    case addressTaken
    case duplicateLink
    case surplusLink
    case silent
    case handshakeTimeout
    case tooManyLinks
    case refusedByPeer
    case peerLeft
    case shutdown
}

/// What an operator should read in the log.
public enum Report: Hashable, Sendable {
    /// This server serves clients now.
    case ready(alone: Bool)
    /// The bootstrap neighbour could not be reached; it is dialled again for ever.
    case bootstrapUnreachable(PeerAddress, String)
    /// The bootstrap neighbour refused this server before it had served anybody: its configuration is wrong.
    case joinRefused(PeerAddress, PeerFrame.Refusal, String)
    case linkUp(ServerID, PeerAddress, dialled: Bool)
    case linkDown(ServerID, PeerAddress, LinkDownCause)
    /// A link that came to nothing: `remote` is what was dialled, nil if the other end did.
    case linkRefused(LinkID, PeerFrame.Refusal, remote: PeerAddress?, text: String)
    case memberJoined(ServerID, PeerAddress)
    case memberUnreachable(ServerID, PeerAddress)
    case memberReachable(ServerID, PeerAddress)
    case memberDeparted(ServerID, PeerAddress, DepartureCause)
    /// Another living server advertises this server's address.
    case addressConflict(ServerID, PeerAddress)
    /// A name was claimed twice while the network was apart; `loser` gave way.
    case claimConflict(name: [UInt8], loser: ClaimID)
    /// Records were given up because the store was full.
    case givenUp(StreamPosition, records: UInt64)
    /// Records of a stream were stepped over because the sender did not hold them any more.
    case gap(StreamPosition, records: UInt64)
    /// Records that a session was owed were not held any more.
    case floorGap(StreamPosition, records: UInt64)
    /// A neighbour's network time is so many milliseconds ahead of this server's: claims of the two are compared by it.
    case clockOffset(ServerID, PeerAddress, milliseconds: Int64)
    /// A neighbour's registry differed although it had the same records: the state is transferred again.
    case registryRepaired(ServerID, PeerAddress)
    /// The state could not be written to the disk; told once until it can again.
    case storeFailed(String)
    case storeRecovered
    /// An operator has changed a user.
    case accountChanged(name: [UInt8], AccountChange.Action)
    /// All clients have gone elsewhere, but for so many, and some neighbour has all records, but for so many; the
    /// driver is to end.
    case drained(sessionsLeft: Int, recordsLeft: UInt64)
    /// How many clients each server has; told when that has changed, at most once a minute.
    case loads([NodeStatistics.ServerLoad])
    /// A limit was reached; told once until it is left again.
    case limitReached(String)
}

/// Why a link to a neighbour is there no longer.
public enum LinkDownCause: Hashable, Sendable {
    case closed(LinkCloseReason)
    /// The connection ended or broke.
    case lost
    case peerSaidBye(PeerFrame.Refusal)
}

/// Why a server is taken to be gone for good.
public enum DepartureCause: String, Hashable, Sendable {
    /// It said so.
    case left
    /// A later incarnation is at its address.
    case succeeded
    /// It was silent for the departure time.
    case silent
    /// Others have forgotten it.
    case told
}

/// Everything that one turn of the node asks for: outputs in order, and the bytes that they point to. Emptied and used
/// again each turn, so that a busy node allocates nothing.
public struct Outbox: Sendable {
    public internal(set) var outputs: [Output] = []
    public internal(set) var bytes: [UInt8] = []

    public init() {}

    public var isEmpty: Bool { outputs.isEmpty }

    /// To be called when all outputs are carried out. A large burst's memory is given back.
    public mutating func removeAll() {
        outputs.removeAll(keepingCapacity: outputs.capacity <= 65_536)
        bytes.removeAll(keepingCapacity: bytes.capacity <= 8 << 20)
    }

    mutating func append(_ output: Output) { outputs.append(output) }

    mutating func report(_ report: Report) { outputs.append(.report(report)) }

    /// A frame for a link.
    mutating func send(_ frame: PeerFrame, to link: LinkID) { outputs.append(.sendLink(link, write(frame))) }

    /// A frame for several links: where it stands in `bytes`.
    mutating func write(_ frame: PeerFrame) -> Range<Int> {
        let start = bytes.count
        frame.encode(into: &bytes)
        return start..<bytes.count
    }
}
