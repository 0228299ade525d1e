import Codecs
import DequeModule

/// All users of the network: each server holds the whole. Accounts are state: merged in any order, any number of times,
/// with the same end everywhere; of two claims to one name the smaller `ClaimID` wins.
struct Registry: Sendable {
    enum Merge: Equatable, Sendable {
        case inserted
        /// This claim was here already.
        case known
        /// It wins against the claim that was here.
        case replaced(Claim)
        /// It has another secret, which was chosen later.
        case changed
        /// An older claim holds the name.
        case lost
        /// It was removed.
        case removed
        /// The table is full.
        case full
    }

    /// What an operator did to a name: few names have any of it.
    private struct Change {
        var revision: ClaimID?
        var removed: ClaimID?
    }

    /// In order of arrival. A winner takes the place of the loser, so that a place stays a place. The claim of a
    /// removed name stays in its place and is nobody's.
    private(set) var claims: [Claim] = []
    private var changes: [Int: Change] = [:]
    /// Names that are nobody's since they were removed.
    private(set) var removedCount = 0
    private(set) var digest = RegistryDigest()
    private var places: [[UInt8]: Int] = [:]
    /// By place: the keyed digest of the secret of a claim that was verified once, so that the next check costs no
    /// hash.
    private var verifiers: [[UInt8]?] = []
    /// Claims that lost, the one that lost last at the end: their users are told why they cannot log in.
    private(set) var losers = Deque<Claim>()
    /// Claims that became losers and are losers no longer, since they were told last.
    private(set) var losersAdded: [Claim] = []
    private(set) var losersDropped: [ClaimID] = []
    private let tracksLosers: Bool
    private let limit: Int
    private let losersLimit: Int

    /// - Parameter tracksLosers: somebody takes what changes among them.
    init(limit: Int, losersLimit: Int, tracksLosers: Bool = false) {
        self.tracksLosers = tracksLosers
        self.limit = limit
        self.losersLimit = losersLimit
    }

    // MARK: Losers

    /// The claim that lost this name last.
    func loser(of name: [UInt8]) -> Claim? { losers.last { $0.name == name } }

    private mutating func remember(loser: Claim) {
        guard !losers.contains(where: { $0.id == loser.id }) else { return }
        losers.append(loser)
        if tracksLosers { losersAdded.append(loser) }
        guard losers.count > losersLimit, let first = losers.popFirst() else { return }
        if tracksLosers { losersDropped.append(first.id) }
    }

    private mutating func dropLosers(where fits: (Claim) -> Bool) {
        if tracksLosers { losersDropped += losers.filter(fits).map(\.id) }
        losers.removeAll(where: fits)
    }

    /// Takes what has changed among the losers.
    mutating func takeLosers() -> (added: [Claim], dropped: [ClaimID]) {
        defer { (losersAdded, losersDropped) = ([], []) }
        return (losersAdded, losersDropped)
    }

    // MARK: Looking up

    func place(of name: [UInt8]) -> Int? { places[name] }

    func claim(of name: [UInt8]) -> Claim? {
        guard let place = places[name], !isRemoved(place) else { return nil }
        return claims[place]
    }

    /// All that is known of the name in a place.
    func account(at place: Int) -> Account {
        guard let change = changes[place] else { return Account(name: claims[place].name, claim: claims[place]) }
        guard !isRemoved(place) else { return Account(name: claims[place].name, removed: change.removed) }
        return Account(
            name: claims[place].name, claim: claims[place], revision: change.revision, removed: change.removed)
    }

    /// Whether a claim says all about the name in this place.
    func isPlain(_ place: Int) -> Bool { changes[place] == nil }

    private func isRemoved(_ place: Int) -> Bool {
        guard !changes.isEmpty, let removed = changes[place]?.removed else { return false }
        return claims[place].id <= removed
    }

    /// The identifier up to which claims to the name were removed.
    func removed(_ name: [UInt8]) -> ClaimID? { places[name].flatMap { changes[$0]?.removed } }

    func verifier(of claim: Claim) -> [UInt8]? {
        guard let place = places[claim.name], claims[place].id == claim.id else { return nil }
        return verifiers[place]
    }

    mutating func setVerifier(_ verifier: [UInt8], of claim: Claim) {
        // Not that of a secret which was changed meanwhile.
        guard let place = places[claim.name], claims[place] == claim else { return }
        verifiers[place] = verifier
    }

    // MARK: Merging

    mutating func merge(_ claim: Claim, revision: ClaimID? = nil) -> Merge {
        guard let place = places[claim.name] else {
            guard claims.count < limit else { return .full }
            append(claim, Change(revision: revision))
            return .inserted
        }
        if let removed = changes[place]?.removed, claim.id <= removed { return .removed }
        let present = claims[place]
        if isRemoved(place) {
            set(claim, revision, at: place)
            return .inserted
        }
        if present.id == claim.id {
            guard let revision, changes[place]?.revision.map({ $0 < revision }) ?? true else { return .known }
            set(claim, revision, at: place)
            return .changed
        }
        guard claim.id < present.id else {
            remember(loser: claim)
            return .lost
        }
        remember(loser: present)
        set(claim, revision, at: place)
        return .replaced(present)
    }

    /// Removes the claims to a name up to this identifier. Returns the claim that held the name if it is gone now, and
    /// whether this was news.
    mutating func remove(_ name: [UInt8], through removed: ClaimID) -> (claim: Claim?, isNews: Bool) {
        guard let place = places[name] else {
            guard claims.count < limit else { return (nil, false) }
            // Nobody's claim: it only holds the place.
            let holder = Claim(id: removed, name: name, salt: [], cost: 1, digest: [])
            append(holder, Change(removed: removed))
            return (nil, true)
        }
        let former = changes[place]?.removed
        guard former.map({ $0 < removed }) ?? true else { return (nil, false) }
        let claim = claim(of: name)
        update(place) { registry in
            registry.changes[place, default: Change()].removed = removed
            if registry.isRemoved(place) { registry.verifiers[place] = nil }
        }
        dropLosers { $0.name == name && $0.id <= removed }
        guard isRemoved(place) else { return (nil, true) }
        if let heir = losers.filter({ $0.name == name }).min(by: { $0.id < $1.id }) { set(heir, nil, at: place) }
        return (claim, true)
    }

    private mutating func append(_ claim: Claim, _ change: Change) {
        let place = claims.count
        places[claim.name] = place
        claims.append(claim)
        verifiers.append(nil)
        if change.revision != nil || change.removed != nil { changes[place] = change }
        if isRemoved(place) { removedCount += 1 }
        digest.add(account(at: place))
    }

    private mutating func set(_ claim: Claim, _ revision: ClaimID?, at place: Int) {
        update(place) { registry in
            registry.claims[place] = claim
            registry.verifiers[place] = nil
            guard revision != nil || registry.changes[place] != nil else { return }
            registry.changes[place, default: Change()].revision = revision
            let change = registry.changes[place]
            if change?.revision == nil, change?.removed == nil { registry.changes[place] = nil }
        }
    }

    private mutating func update(_ place: Int, _ change: (inout Registry) -> Void) {
        digest.remove(account(at: place))
        if isRemoved(place) { removedCount -= 1 }
        change(&self)
        if isRemoved(place) { removedCount += 1 }
        digest.add(account(at: place))
    }

    /// The servers to ask about a name, the most responsible first: rendezvous hashing (Thaler and Ravishankar, 1998),
    /// with weights that do not depend on who else is there, so that two views that differ by one member share at
    /// least one of their first two.
    static func arbiters(of name: [UInt8], among servers: [ServerID]) -> [ServerID] {
        let nameHash = SplitMix64.hash(name)
        let weighted = servers.map { server in
            (weight: SplitMix64.mix(nameHash ^ SplitMix64.mix(server.startStamp &+ server.random)), server: server)
        }
        return weighted.sorted { ($0.weight, $0.server) > ($1.weight, $1.server) }.map(\.server)
    }
}

/// Names kept for registrations under way, by this server as an arbiter.
struct Reservations: Sendable {
    private struct Reservation {
        var claim: Claim
        var expires: Instant
    }

    private var byName: [[UInt8]: Reservation] = [:]
    /// In order of expiry, which is the order of reserving; with entries of names that were released since.
    private var order: [(expires: Instant, name: [UInt8])] = []
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    var count: Int { byName.count }
    var nextExpiry: Instant? { order.first?.expires }

    func claim(of name: [UInt8]) -> Claim? { byName[name]?.claim }

    /// Keeps the name for the claim. Asking again for the same claim is granted again.
    mutating func reserve(_ claim: Claim, until expires: Instant) -> Unicast.Verdict {
        if let present = byName[claim.name] { return present.claim.id == claim.id ? .granted : .reserved }
        guard byName.count < limit else { return .busy }
        // What was released leaves its entry; not more of them are kept than there may be reservations.
        if order.count >= 2 * limit { order.removeAll { byName[$0.name]?.expires != $0.expires } }
        byName[claim.name] = Reservation(claim: claim, expires: expires)
        order.append((expires, claim.name))
        return .granted
    }

    mutating func release(_ id: ClaimID, name: [UInt8]) {
        guard byName[name]?.claim.id == id else { return }
        byName[name] = nil
    }

    mutating func expire(at now: Instant) {
        var passed = 0
        while passed < order.count, order[passed].expires <= now {
            let entry = order[passed]
            if let present = byName[entry.name], present.expires <= now { byName[entry.name] = nil }
            passed += 1
        }
        order.removeFirst(passed)
    }
}
