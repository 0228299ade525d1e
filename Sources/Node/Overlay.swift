import Codecs

/// Which servers this one keeps links to, and when it dials them.
///
/// Servers stand on a ring by the hash of their address, so that a restarted server has its old place. Each dials its
/// successor and one chord; with those of the others that makes about four links a server. The ring keeps the network
/// connected when any one server or link fails; a ring with random chords has a diameter logarithmic in its size
/// (Bollobás and Chung, The diameter of a cycle plus a random matching, 1988).
struct Overlay: Sendable {
    struct Target: Sendable {
        var address: PeerAddress
        var next: Instant
        /// The last wait; 0 before the first attempt.
        var backOff: UInt64 = 0
        /// Its member departed in silence: it is dialled once in a while, for ever.
        var isRemembered = false
        /// The last attempt reached nobody.
        var hasFailed = false
        /// The attempt under way, or the link that came of it.
        var dial: DialID?
    }

    /// In order of addresses.
    private(set) var targets: [Target] = []
    /// Addresses of members that departed in silence, the last one last: a network that was cut for days heals by
    /// itself.
    private(set) var remembered: [PeerAddress] = []
    private var nextDial: UInt64 = 0
    private let waits: Waits

    /// Waits between attempts, in milliseconds.
    struct Waits: Sendable {
        /// After the first failure; it doubles up to `max`.
        var min: UInt64
        var max: UInt64
        /// Between attempts at a remembered address, of which the first comes after `max`.
        var remembered: UInt64
    }

    init(waits: Waits) { self.waits = waits }

    /// An address with its place on the ring.
    struct Seat: Comparable {
        let address: PeerAddress
        let place: UInt64

        init(_ address: PeerAddress) {
            self.address = address
            place = SplitMix64.hash(Array(address.host.utf8), salt: UInt64(address.port))
        }

        static func < (left: Seat, right: Seat) -> Bool {
            (left.place, left.address) < (right.place, right.address)
        }
    }

    /// Whom `own` dials, given the addresses of all others. The order of `others` does not matter.
    static func wanted(by own: PeerAddress, among others: [PeerAddress]) -> [PeerAddress] {
        wanted(by: Seat(own), among: others.map { Seat($0) })
    }

    /// Complexity: linear in the others.
    static func wanted(by own: Seat, among others: [Seat]) -> [PeerAddress] {
        // The chord's place is the same for every view, so that it moves only if a nearer server comes or goes.
        let chordPlace = SplitMix64.mix(own.place)
        guard let successor = first(of: others, where: { $0 > own }) ?? others.min() else { return [] }
        let chord =
            first(of: others) { $0.place >= chordPlace && $0.address != successor.address }
            ?? first(of: others) { $0.address != successor.address }
        return [successor.address] + (chord.map { [$0.address] } ?? [])
    }

    /// The first one on the ring of those that fit.
    private static func first(of seats: [Seat], where fits: (Seat) -> Bool) -> Seat? {
        var first: Seat?
        for seat in seats where fits(seat) {
            if let present = first, present < seat { continue }
            first = seat
        }
        return first
    }

    /// Remembers the address of a member that departed in silence. Beyond `limit` the oldest one is dropped.
    mutating func remember(_ address: PeerAddress, limit: Int, unlessFull: Bool = false) {
        remembered.removeAll { $0 == address }
        if unlessFull, remembered.count >= limit { return }
        remembered.append(address)
        if remembered.count > limit { remembered.removeFirst() }
    }

    /// The address has a living member again.
    mutating func forget(_ address: PeerAddress) { remembered.removeAll { $0 == address } }

    /// Keeps exactly these targets, those that are remembered, and those with an attempt under way.
    mutating func setTargets(_ addresses: [PeerAddress], at now: Instant) {
        targets.removeAll { target in
            target.dial == nil && !addresses.contains(target.address)
                && !(target.isRemembered && remembered.contains(target.address))
        }
        for address in addresses {
            if let index = targets.firstIndex(where: { $0.address == address }) {
                // What was dialled once in a while is wanted now.
                if targets[index].isRemembered, targets[index].dial == nil { targets[index].next = now }
                targets[index].isRemembered = false
            } else {
                targets.append(Target(address: address, next: now))
            }
        }
        for address in remembered where !targets.contains(where: { $0.address == address }) {
            // Soon at first: whoever knew that a later life is there may have died as well.
            let next = now.adding(milliseconds: min(waits.max, waits.remembered))
            targets.append(Target(address: address, next: next, isRemembered: true))
        }
        targets.sort { $0.address < $1.address }
    }

    /// The targets whose time has come, each with the name of its new attempt.
    mutating func takeDue(at now: Instant) -> [(DialID, PeerAddress)] {
        var due: [(DialID, PeerAddress)] = []
        for index in targets.indices where targets[index].dial == nil && targets[index].next <= now {
            nextDial += 1
            let dial = DialID(rawValue: nextDial)
            targets[index].dial = dial
            due.append((dial, targets[index].address))
        }
        return due
    }

    /// Whether every target has been reached: its attempt is one of these links'.
    func isComplete(_ dials: [DialID]) -> Bool {
        targets.allSatisfy { target in target.isRemembered || target.dial.map { dials.contains($0) } ?? false }
    }

    /// Whom the last attempts did not reach.
    var failing: [PeerAddress] { targets.filter { !$0.isRemembered && $0.hasFailed }.map(\.address) }

    var nextAttempt: Instant? { targets.filter { $0.dial == nil }.map(\.next).min() }

    func address(of dial: DialID) -> PeerAddress? { targets.first { $0.dial == dial }?.address }

    /// The attempt failed, or its link ended before it was introduced: the wait doubles up to its limit, and a random
    /// quarter is taken off, so that servers do not dial in step.
    mutating func attemptEnded(
        _ dial: DialID, hasFailed: Bool = true, at now: Instant, random: inout SplitMix64
    ) {
        guard let index = targets.firstIndex(where: { $0.dial == dial }) else { return }
        targets[index].hasFailed = hasFailed
        let doubled = min(waits.max, max(waits.min, targets[index].backOff * 2))
        let wait = targets[index].isRemembered ? waits.remembered : doubled
        targets[index].backOff = wait
        targets[index].next = now.adding(milliseconds: wait - UInt64.random(in: 0...wait / 4, using: &random))
        targets[index].dial = nil
    }

    /// The link of the attempt ended after it had been up: dialled again at once if it had lasted, else like a failed
    /// attempt, so that a neighbour that hangs up at once is not dialled in a loop.
    mutating func linkEnded(_ dial: DialID, lasted: UInt64, at now: Instant, random: inout SplitMix64) {
        guard lasted > waits.max else {
            return attemptEnded(dial, hasFailed: false, at: now, random: &random)
        }
        guard let index = targets.firstIndex(where: { $0.dial == dial }) else { return }
        targets[index].backOff = 0
        targets[index].hasFailed = false
        targets[index].next = now
        targets[index].dial = nil
    }

    /// The link of this attempt is to be replaced: its target is dialled anew, while the link stays.
    mutating func renew(_ dial: DialID, at now: Instant) {
        guard let index = targets.firstIndex(where: { $0.dial == dial }) else { return }
        targets[index].dial = nil
        targets[index].next = now
    }

    /// A dial that led to this server itself: not to be tried again.
    mutating func remove(_ address: PeerAddress) { targets.removeAll { $0.address == address } }
}
