/// What two servers say to each other over a link, one frame a message.
///
/// On the wire: length of all that follows (32 bits), type (8 bits), body. `docs/protocol.md` describes each byte by
/// byte. Records are the one exception to this type: their frames are large and frequent, so `RecordsFrame` builds
/// and reads them in place.
public enum PeerFrame: Hashable, Sendable {
    // Before the other end has proved that it knows the network's secret.
    case hello(versions: ClosedRange<UInt16>, nonce: [UInt8])
    case challenge(version: UInt16, nonce: [UInt8])
    case proof([UInt8])
    case welcome([UInt8])
    case refusal(Refusal, text: String)
    // After both have.
    case introduction(Introduction)
    case level(Level)
    case claims([Claim])
    /// The announcements of the members that the sender can reach, and of those that it cannot.
    case members([Announcement], unreachable: [Announcement])
    case stateEnd
    /// Records of `origin` up to `seq` are no longer held by the sender: the receiver steps over them.
    case gap(StreamPosition)
    case have([Digest])
    case prune(ServerID)
    /// Push the records after these to me, and newer announcements.
    case graft([Digest])
    case announcement(Announcement)
    case unicast(Unicast)
    /// Bytes of records and state consumed since the link opened.
    case credit(consumed: UInt64)
    case heartbeat
    /// Whether the sender's overlay wants this link; one that neither end wants is closed.
    case want(Bool)
    /// The link is closed in order.
    case bye(Refusal)
    /// State beside claims: accounts whose secret was changed, or that were removed.
    case accounts([Account])
    /// HAVE with ages, for who speaks version 2.
    case haveSince([Digest])

    /// Why a link is refused or closed in order.
    public enum Refusal: UInt8, Hashable, Sendable, CaseIterable {
        case wrongSecret = 1
        case version = 2
        /// The dialled server is the dialler.
        case oneself = 3
        /// A living server holds the advertised address.
        case addressTaken = 4
        /// Another link between the two servers stays.
        case duplicateLink = 5
        case surplusLink = 6
        case shutdown = 7
        case protocolError = 8
        case tooManyLinks = 9
    }

    /// The first frame of a proven server about itself.
    public struct Introduction: Hashable, Sendable {
        public var id: ServerID
        public var address: PeerAddress
        /// Milliseconds since 1970 as the sender's network counts them.
        public var networkTime: UInt64
        /// The sender's rank among the incarnations at its address.
        public var rank: UInt64
        /// The server of the highest rank that the sender knows at the receiver's address, and that rank; all zeros if
        /// none.
        public var known: ServerID
        public var knownRank: UInt64

        /// - Parameter rank: nil for the one that a server begins with.
        public init(
            id: ServerID, address: PeerAddress, networkTime: UInt64, rank: UInt64? = nil,
            known: ServerID = ServerID(startStamp: 0, random: 0), knownRank: UInt64 = 0
        ) {
            self.id = id
            self.address = address
            self.networkTime = networkTime
            self.rank = rank ?? id.startStamp
            self.known = known
            self.knownRank = knownRank
        }
    }

    /// What the sender holds when the link opens.
    public struct Level: Hashable, Sendable {
        public struct Entry: Hashable, Sendable {
            public var origin: ServerID
            /// Highest contiguous seq held.
            public var held: UInt64
            /// Lowest seq still held; `held` + 1 if none is.
            public var oldest: UInt64

            public init(origin: ServerID, held: UInt64, oldest: UInt64) {
                self.origin = origin
                self.held = held
                self.oldest = oldest
            }
        }
        public var registryDigest: RegistryDigest
        public var entries: [Entry]
        /// Streams that the sender has forgotten: their ends, and the last announcements of their origins.
        public var ended: [Digest]

        public init(registryDigest: RegistryDigest, entries: [Entry], ended: [Digest] = []) {
            self.registryDigest = registryDigest
            self.entries = entries
            self.ended = ended
        }
    }

    /// One line of an IHAVE: what the sender holds of a stream, and which announcement of its origin.
    public struct Digest: Hashable, Sendable {
        public var origin: ServerID
        public var held: UInt64
        public var announcement: UInt64
        /// For how long the sender has had that, in microseconds. Only HAVE_SINCE tells it.
        public var age: UInt32

        public init(origin: ServerID, held: UInt64, announcement: UInt64, age: UInt32 = 0) {
            self.origin = origin
            self.held = held
            self.announcement = announcement
            self.age = age
        }
    }

    /// The frame's type on the wire.
    public enum Kind: UInt8, Sendable, CaseIterable {
        case hello = 1
        case challenge, proof, welcome, refusal
        case introduction = 16
        case level, claims, members, stateEnd, records, gap, have, prune, graft, announcement, unicast, credit
        case heartbeat, want, bye, accounts, haveSince
    }

    /// The protocol's versions that this code speaks. What a version adds to frames between neighbours is said over
    /// links of that version alone (docs/protocol.md, "Versions").
    public static let versions: ClosedRange<UInt16> = 1...2

    /// Stated limits of frames.
    public enum Limit {
        /// Length and type.
        public static let headerBytes = 5
        /// Longest frame from a peer that has not proved itself.
        public static let unprovenBytes = 512
        /// What a frame may have beside its largest record.
        public static let marginBytes = 4096
        /// Longest frame of all: one record of the largest size and its frame.
        public static let provenBytes = RecordHeader.recordBytesMax + marginBytes
        public static let nonceBytes = 32
        public static let macBytes = 32
        /// Longest explanation in a refusal.
        public static let textBytes = 200
    }
}
