import Codecs

/// One row of what outlives the process: a key, and what stands there now. The driver keeps rows and knows nothing of
/// what they say; the node writes and reads them.
public struct StoredRow: Hashable, Sendable {
    public var kind: UInt8
    public var key: [UInt8]
    /// Nil: the row is to go.
    public var value: [UInt8]?

    public init(kind: UInt8, key: [UInt8], value: [UInt8]?) {
        self.kind = kind
        self.key = key
        self.value = value
    }

    enum Kind: UInt8 {
        /// Key: the name; value: the account.
        case account = 1
        /// A claim that lost its name. Key: its identifier; value: the claim.
        case loser = 2
        /// Key: the origin; value: end and last announcement.
        case tombstone = 3
        /// Key: the address; value: when a server was heard of there.
        case address = 4
    }
}

/// What of the state has changed since the driver wrote it down. The disk is a neighbour that is told of places: what
/// has to be said is read when it is said, and beyond a bound the whole is told again.
struct Storing: Sendable {
    /// Off: nothing is kept beyond the process.
    let isOn: Bool
    /// Places of the registry, those of registrations here first.
    private var urgent: [Int] = []
    private var places: [Int] = []
    /// The whole registry is told from this place on.
    private var next: Int?
    private var others: [StoredRow] = []
    /// Rows beside the registry were dropped at the bound: all are told again.
    private(set) var needsOthers = false
    /// What is being written, until the driver says what came of it.
    private(set) var batch: Batch?
    /// Own records up to here are on the disk with what they say.
    private(set) var through: UInt64 = 0
    /// The last attempt failed, and when to try again.
    var retry: Instant?
    /// Addresses of servers, the one heard of last at the end.
    private(set) var addresses: [PeerAddress] = []

    struct Batch: Sendable {
        var urgent: [Int]
        var places: [Int]
        var others: [StoredRow]
        /// The highest own record that it covers.
        var through: UInt64
        var since: Instant
    }

    /// Places in one batch: some milliseconds of writing.
    static let placesInBatch = 4096
    /// Places, and other rows, that are remembered one by one.
    static let pendingMax = 131_072
    static let addressesMax = 256

    init(isOn: Bool) { self.isOn = isOn }

    var pendingCount: Int {
        urgent.count + places.count + others.count
            + (batch.map { $0.urgent.count + $0.places.count + $0.others.count } ?? 0)
    }
    var hasFailed: Bool { retry != nil }
    var isIdle: Bool {
        batch == nil && urgent.isEmpty && places.isEmpty && others.isEmpty && next == nil && !needsOthers
    }

    // MARK: What has changed

    mutating func note(_ place: Int) {
        guard isOn else { return }
        guard places.count < Self.pendingMax else {
            places = []
            next = 0
            return
        }
        // The transfer under way comes to it.
        if let next, place >= next { return }
        places.append(place)
    }

    mutating func note(urgent place: Int) {
        guard isOn else { return }
        // It has just been noted as one of many.
        if places.last == place { places.removeLast() }
        urgent.append(place)
    }

    mutating func note(_ rows: [StoredRow]) {
        guard isOn, !rows.isEmpty else { return }
        others += rows
        if others.count > Self.pendingMax { (others, needsOthers) = ([], true) }
    }

    /// A server is at this address.
    mutating func note(_ address: PeerAddress, at time: UInt64) {
        guard isOn else { return }
        addresses.removeAll { $0 == address }
        addresses.append(address)
        note([StoredRow(address, heard: time)])
        if addresses.count > Self.addressesMax { note([StoredRow(address: addresses.removeFirst())]) }
    }

    mutating func recall(_ addresses: [PeerAddress]) { self.addresses = addresses }

    /// Everything is told again.
    mutating func noteAll() { (next, needsOthers) = (0, true) }

    mutating func takeNeedsOthers() -> Bool {
        defer { needsOthers = false }
        return needsOthers
    }

    // MARK: Batches

    /// Begins a batch: what is most urgent, and as much of the rest as fits.
    mutating func begin(claims: Int, through: UInt64, at now: Instant) -> Batch {
        precondition(batch == nil, "one batch is written at a time")
        var taken = Array(places.prefix(Self.placesInBatch))
        places.removeFirst(taken.count)
        if let place = next {
            let end = min(claims, place + Self.placesInBatch - taken.count)
            taken += place..<end
            next = end < claims ? end : nil
        }
        let begun = Batch(urgent: urgent, places: taken, others: others, through: through, since: now)
        (urgent, others) = ([], [])
        batch = begun
        return begun
    }

    /// The batch is on the disk.
    mutating func succeed() {
        guard let batch else { return }
        through = max(through, batch.through)
        (self.batch, retry) = (nil, nil)
    }

    /// It is not: what it told of is told again.
    mutating func fail(retryAt: Instant) {
        retry = retryAt
        guard let batch else { return }
        self.batch = nil
        urgent = batch.urgent + urgent
        if urgent.count > Self.pendingMax { (urgent, next) = ([], 0) }
        let behind = others
        others = []
        note(batch.others)
        note(behind)
        for place in batch.places { note(place) }
    }

    /// The driver has not said what came of the batch for so long that nobody waits for it any more.
    mutating func giveUpWaiting(at now: Instant) { retry = now }

    /// Whether what an own record says is on the disk, or nobody waits for that.
    func holds(_ seq: UInt64) -> Bool { !isOn || hasFailed || seq <= through }
}

extension StoredRow {
    init(_ account: Account) {
        var value: [UInt8] = []
        account.encode(into: &value)
        self.init(kind: Kind.account.rawValue, key: account.name, value: value)
    }

    init(loser: Claim) {
        var value: [UInt8] = []
        loser.encode(into: &value)
        self.init(kind: Kind.loser.rawValue, key: Self.key(of: loser.id), value: value)
    }

    init(dropped loser: ClaimID) { self.init(kind: Kind.loser.rawValue, key: Self.key(of: loser), value: nil) }

    init(_ tombstone: PeerFrame.Digest) {
        var (key, value) = ([UInt8](), [UInt8]())
        key.appendServerID(tombstone.origin)
        value.appendInteger(tombstone.held)
        value.appendInteger(tombstone.announcement)
        self.init(kind: Kind.tombstone.rawValue, key: key, value: value)
    }

    init(removed tombstone: ServerID) {
        var key: [UInt8] = []
        key.appendServerID(tombstone)
        self.init(kind: Kind.tombstone.rawValue, key: key, value: nil)
    }

    init(_ address: PeerAddress, heard: UInt64) {
        self.init(address: address)
        var value: [UInt8] = []
        value.appendInteger(heard)
        self.value = value
    }

    init(address: PeerAddress) {
        var key: [UInt8] = []
        address.encode(into: &key)
        self.init(kind: Kind.address.rawValue, key: key, value: nil)
    }

    private static func key(of claim: ClaimID) -> [UInt8] {
        var key: [UInt8] = []
        claim.encode(into: &key)
        return key
    }
}
