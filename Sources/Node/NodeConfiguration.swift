public import Codecs

/// All that can be set about a node, with its defaults in one place. Times are milliseconds.
public struct NodeConfiguration: Sendable {
    /// Where this server is reached, as told to others and to clients (`-lh`, `-lp`).
    public var address: PeerAddress
    /// The one server that it was told of (`-rh`, `-rp`); nil starts a new network.
    public var bootstrap: PeerAddress?
    /// The network's secret: the key of the proofs between servers. While it is being changed there is a second one, by
    /// which others may prove themselves as well.
    public var secrets: [[UInt8]]
    /// The protocol's versions that this server speaks; fewer than it could, in tests of mixed networks.
    public var versions = PeerFrame.versions
    /// Share of the clients relative to other servers; 100 is the ordinary one.
    public var weight: UInt32 = 100

    public var timing = Timing()
    public var limits = Limits()

    /// Client connections for which tables are made at the start. A table that grows leaves its former places behind,
    /// and memory that is not touched takes none.
    public var sessionsExpected = 0
    /// Activities with an integer outside 64 bits silence ten of sixteen real clients for good, so they are refused.
    public var allowsHugeIntegers = false
    /// Cost of new claims' hashes: the binary logarithm of scrypt's N. 10 takes about 3 ms and 1 MiB.
    public var hashCost: UInt8 = 10
    /// Servers that must hold an activity before its client is told, if it asks to be, and if there are so many.
    public var acknowledgingServers = 2
    /// The driver keeps state beyond the process: it is handed what changes, and registrations wait for it.
    public var keepsState = false
    /// Nil in every server.
    public var defect: NodeDefect?

    public init(address: PeerAddress, secrets: [[UInt8]]) {
        precondition(!secrets.isEmpty, "a network has a secret")
        self.address = address
        self.secrets = secrets
    }

    public struct Timing: Sendable {
        /// How often a server announces itself (`-a`; the course's default).
        public var announceInterval: UInt64 = 5000
        /// Least time between two announcements: changes worth telling are told at once, but not more often.
        public var announceGap: UInt64 = 100
        /// How often an otherwise silent link says that it lives.
        public var heartbeat: UInt64 = 1000
        /// A link silent for so long has failed: TCP alone can take a quarter of an hour.
        public var silence: UInt64 = 3000
        /// From the first byte of a link to both introductions.
        public var handshake: UInt64 = 5000
        /// The first wait before a failed dial is tried again; it doubles up to `redialMax`, with jitter.
        public var redialMin: UInt64 = 100
        public var redialMax: UInt64 = 5000
        /// How long digests are gathered before one IHAVE: unbatched they would cost more than the records.
        public var digestDelay: UInt64 = 10
        /// How long a record that others hold may be missing before it is asked for (Plumtree's timer); longer where
        /// trees are slow.
        public var graftDelay: UInt64 = 100
        /// How long records that one neighbour has given up may take to begin to come from another one, or to go on
        /// coming; then they are stepped over. (A guess: some ways there and back, and a turn in a full queue.)
        public var gapPatience: UInt64 = 1000
        /// Until a request to another server is sent again, and until the next in order is asked instead.
        public var requestRetry: UInt64 = 300
        public var requestTimeout: UInt64 = 1500
        /// How long a registration waits for a second holder of its claim.
        public var claimAcknowledgement: UInt64 = 3000
        /// How long an arbiter keeps a name for a registration under way.
        public var reservation: UInt64 = 30_000
        /// How long a ticket is good.
        public var ticket: UInt64 = 5000
        /// How long a joiner waits for the state transfer before it serves all the same.
        public var joinPatience: UInt64 = 2000
        /// How long a redirected or refused client may take to close.
        public var linger: UInt64 = 2000
        /// How long a link that neither end wants is kept.
        public var surplusGrace: UInt64 = 5000
        /// A member that was silent for so long has departed: nothing is kept for it any more.
        public var departure: UInt64 = 86_400_000
        /// How long the place of a named client whose connection broke is kept for its next login; 0 is not at all.
        public var resumeWindow: UInt64 = 60_000
        /// How often a server tells how far its named clients are: what they may see twice if it dies.
        public var checkpoint: UInt64 = 2000
        /// How often the address of a member that departed in silence is dialled, for ever.
        public var departedRedial: UInt64 = 60_000

        public init() {}
    }

    public struct Limits: Sendable {
        /// Longest line of a client, without its end.
        public var lineBytes = 1 << 20
        /// How deeply objects and arrays may nest in such a line.
        public var jsonDepth = JSONScanner.defaultDepthLimit
        /// Longest frame that is taken from a proven server, but for `PeerFrame.Limit.marginBytes`.
        public var frameBytes = RecordHeader.recordBytesMax
        /// Bytes of records kept for others; beyond it the oldest are given up.
        public var storeBytes = 256 << 20
        /// Bytes of records and state that a link may have on the way (receiver credit).
        public var linkWindowBytes = 1 << 20
        /// Bytes of activities published between two ends of a turn, one larger line excepted; what is beyond it stays
        /// held until a later turn. The driver sets it to a part of what its readers may lag behind.
        public var deliveryBytes = Int.max
        /// Servers known at a time, this one included.
        public var members = 4096
        /// Forgotten servers whose ends are remembered.
        public var tombstones = 65_536
        /// Addresses of members that departed in silence, which are still dialled.
        public var departedAddresses = 256
        /// Claims that lost their name, remembered so that their users are told.
        public var losingClaims = 4096
        /// Links at a time, past their introductions.
        public var links = 256
        /// Accepted links at a time that are still in their handshake.
        public var unprovenLinks = 64
        /// How often a lazy link must have been the faster way, times that it was not counted twice against it, until
        /// it is grafted; each further time four times as often. (Tried out: fewer make trees of equal ways change to
        /// and fro, more make them wait.)
        public var overtakes = 8
        /// Names kept by this server as an arbiter.
        public var reservations = 65_536
        /// Requests of this server under way.
        public var requests = 65_536
        /// Hashes of secrets under way or waiting: beyond it logins and registrations are told to come later.
        public var hashJobs = 16_384
        /// Failed logins of an address before it has to wait, longer each time; 0 is any number, and nil stands for
        /// `Guesses.failuresDefault`, for this host itself for any number.
        public var failedLogins: Int?
        /// Tickets out at a time.
        public var tickets = 4096
        /// Sessions that are catching up at a time, but for those that are told positions.
        public var catchingUp = 4096
        /// Sessions that are told positions at a time: each is fed, record by record, for as long as it is here.
        public var toldPositions = 4096
        /// Positions that count of those that a client says of servers unknown here. (A guess: more servers than can
        /// start, and be heard of by a client, before they are heard of here; their streams may be over as well.)
        public var unknownPositions = 256
        /// Runs of clients that number their activities, of which the last number is known.
        public var runs = 65_536
        /// Numbered activities of a session that are not acknowledged, each with a place of its own.
        public var unacknowledged = 4096
        /// Detached sessions of this server at a time.
        public var detached = 4096
        /// Named sessions of other servers that are known.
        public var whereabouts = 262_144
        /// Bytes of the clients' log of which it is known what stands where: what the log holds, and the kernel.
        public var indexedBytes = 16 << 20
        /// The longest line that the clients' log takes.
        public var publishedLineBytes = Int.max
        /// Bytes that are fed to a session that is catching up before the driver has sent them: a few round trips'
        /// worth on a good line.
        public var feedBytes = 64 << 10
        /// Registered users.
        public var claims = 16 << 20

        public init() {}

        /// Longest frame that is taken from a proven server.
        public var frameLimit: Int { frameBytes + PeerFrame.Limit.marginBytes }
    }
}

/// What the core needs of cryptography, given by the driver, so that the core stays pure.
public struct Cryptography: Sendable {
    /// HMAC-SHA-256 (RFC 2104): 32 bytes of (key, message).
    public var hmac: @Sendable (_ key: [UInt8], _ message: [UInt8]) -> [UInt8]
    /// Overwrites a secret that is used no more; forgets it, if nothing is given.
    public var wipe: @Sendable (_ secret: inout [UInt8]) -> Void

    public init(
        hmac: @escaping @Sendable (_ key: [UInt8], _ message: [UInt8]) -> [UInt8],
        wipe: @escaping @Sendable (_ secret: inout [UInt8]) -> Void = { $0 = [] }
    ) {
        self.hmac = hmac
        self.wipe = wipe
    }
}
