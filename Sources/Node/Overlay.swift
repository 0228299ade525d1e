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
        /// The attempt under way, or the link that came of it.
        var dial: DialID?
    }

    /// In order of addresses.
    private(set) var targets: [Target] = []
    private var nextDial: UInt64 = 0

    /// Whom `own` dials, given the addresses of all others. The order of `others` does not matter.
    static func wanted(by own: PeerAddress, among others: [PeerAddress]) -> [PeerAddress] {
        guard !others.isEmpty else { return [] }
        let ring = others.map { (place: place(of: $0), address: $0) }
            .sorted { ($0.place, $0.address) < ($1.place, $1.address) }
        let here = place(of: own)
        let successor = ring.first { ($0.place, $0.address) > (here, own) } ?? ring[0]
        // The chord's place is the same for every view, so that it moves only if a nearer server comes or goes.
        let chordPlace = SplitMix64.mix(here)
        let chord = ring.first { $0.place >= chordPlace && $0.address != successor.address }
        let other = chord ?? ring.first { $0.address != successor.address }
        return [successor.address] + (other.map { [$0.address] } ?? [])
    }

    private static func place(of address: PeerAddress) -> UInt64 {
        SplitMix64.hash(Array(address.host.utf8), salt: UInt64(address.port))
    }

    /// Keeps exactly these targets, and those with an attempt under way.
    mutating func setTargets(_ addresses: [PeerAddress], at now: Instant) {
        targets.removeAll { target in target.dial == nil && !addresses.contains(target.address) }
        for address in addresses where !targets.contains(where: { $0.address == address }) {
            targets.append(Target(address: address, next: now))
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
        targets.allSatisfy { target in target.dial.map { dials.contains($0) } ?? false }
    }

    var nextAttempt: Instant? { targets.filter { $0.dial == nil }.map(\.next).min() }

    func address(of dial: DialID) -> PeerAddress? { targets.first { $0.dial == dial }?.address }

    /// The attempt failed, or its link ended before it was introduced: the wait doubles up to `max`, and a random
    /// quarter is taken off, so that servers do not dial in step.
    mutating func attemptEnded(
        _ dial: DialID, min: UInt64, max: UInt64, at now: Instant, random: inout SplitMix64
    ) {
        guard let index = targets.firstIndex(where: { $0.dial == dial }) else { return }
        let wait = Swift.min(max, Swift.max(min, targets[index].backOff * 2))
        targets[index].backOff = wait
        targets[index].next = now.adding(milliseconds: wait - UInt64.random(in: 0...wait / 4, using: &random))
        targets[index].dial = nil
    }

    /// The link of the attempt ended after it had been up: dialled again at once if it had lasted, else like a failed
    /// attempt, so that a neighbour that hangs up at once is not dialled in a loop.
    mutating func linkEnded(
        _ dial: DialID, lasted: UInt64, min: UInt64, max: UInt64, at now: Instant, random: inout SplitMix64
    ) {
        guard lasted > max else {
            return attemptEnded(dial, min: min, max: max, at: now, random: &random)
        }
        dialAgain(dial, at: now)
    }

    /// The link of the attempt ended for a reason that a new one does not have.
    mutating func dialAgain(_ dial: DialID, at now: Instant) {
        guard let index = targets.firstIndex(where: { $0.dial == dial }) else { return }
        targets[index].backOff = 0
        targets[index].next = now
        targets[index].dial = nil
    }

    /// A dial that led to this server itself: not to be tried again.
    mutating func remove(_ address: PeerAddress) { targets.removeAll { $0.address == address } }
}
