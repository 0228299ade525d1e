import Codecs
import DequeModule

/// All users of the network: each server holds the whole. Claims are state: merged in any order, any number of times,
/// with the same end everywhere; of two claims to one name the smaller `ClaimID` wins.
struct Registry: Sendable {
    enum Merge: Equatable, Sendable {
        case inserted
        /// This claim was here already.
        case known
        /// It wins against the claim that was here.
        case replaced(Claim)
        /// An older claim holds the name.
        case lost
        /// The table is full.
        case full
    }

    /// In order of arrival. A winner takes the place of the loser, so that a place stays a place.
    private(set) var claims: [Claim] = []
    private(set) var digest = RegistryDigest()
    private var places: [[UInt8]: Int] = [:]
    /// By place: the keyed digest of the secret of a claim that was verified once, so that the next check costs no
    /// hash.
    private var verifiers: [[UInt8]?] = []
    /// Claims that lost, the one that lost last at the end: their users are told why they cannot log in.
    private(set) var losers = Deque<Claim>()
    private let limit: Int
    private let losersLimit: Int

    init(limit: Int, losersLimit: Int) {
        self.limit = limit
        self.losersLimit = losersLimit
    }

    /// The claim that lost this name last.
    func loser(of name: [UInt8]) -> Claim? { losers.last { $0.name == name } }

    private mutating func remember(loser: Claim) {
        guard !losers.contains(where: { $0.id == loser.id }) else { return }
        losers.append(loser)
        if losers.count > losersLimit { losers.removeFirst() }
    }

    func place(of name: [UInt8]) -> Int? { places[name] }

    func claim(of name: [UInt8]) -> Claim? { places[name].map { claims[$0] } }

    func verifier(of claim: Claim) -> [UInt8]? {
        guard let place = places[claim.name], claims[place].id == claim.id else { return nil }
        return verifiers[place]
    }

    mutating func setVerifier(_ verifier: [UInt8], of claim: Claim) {
        guard let place = places[claim.name], claims[place].id == claim.id else { return }
        verifiers[place] = verifier
    }

    mutating func merge(_ claim: Claim) -> Merge {
        guard let place = places[claim.name] else {
            guard claims.count < limit else { return .full }
            places[claim.name] = claims.count
            claims.append(claim)
            verifiers.append(nil)
            digest.add(claim)
            return .inserted
        }
        let present = claims[place]
        if present.id == claim.id { return .known }
        guard claim.id < present.id else {
            remember(loser: claim)
            return .lost
        }
        remember(loser: present)
        digest.remove(present)
        digest.add(claim)
        claims[place] = claim
        verifiers[place] = nil
        return .replaced(present)
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
