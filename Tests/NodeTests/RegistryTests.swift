import Codecs
import Testing

@testable import Node

extension Array {
    /// All orders of the elements.
    fileprivate var permutations: [[Element]] {
        guard count > 1 else { return [self] }
        return indices.flatMap { index in
            var rest = self
            let element = rest.remove(at: index)
            return rest.permutations.map { [element] + $0 }
        }
    }
}

/// Claims merge to the same end in any order.
@Suite struct RegistryTests {
    private static let claims = [
        Peers.claim("ada", stamp: 5), Peers.claim("ada", stamp: 3, of: 2), Peers.claim("ada", stamp: 3, of: 3),
        Peers.claim("bob", stamp: 9), Peers.claim("bob", stamp: 9), Peers.claim("eve", stamp: 1),
    ]

    private func merged(_ claims: [Claim]) -> Registry {
        var registry = Registry(limit: 100, losersLimit: 8)
        for claim in claims { _ = registry.merge(claim) }
        return registry
    }

    private func holders(_ registry: Registry) -> [ClaimID?] {
        ["ada", "bob", "eve"].map { registry.claim(of: Array($0.utf8))?.id }
    }

    @Test func `in every order the smaller claims stay and the digest is the same`() {
        let expected = [Self.claims[1].id, Self.claims[3].id, Self.claims[5].id]
        let digest = merged(Self.claims).digest
        for order in Self.claims.permutations {
            let registry = merged(order)
            if holders(registry) != expected || registry.digest != digest || registry.claims.count != 3 {
                Issue.record("in the order \(order.map(\.id))")
            }
        }
    }

    @Test func `groups merge as their members do, and again without effect`() {
        for split in 0...Self.claims.count {
            let left = merged(Array(Self.claims[..<split]))
            let right = merged(Array(Self.claims[split...]))
            let both = merged(left.claims + right.claims)
            #expect(holders(both) == holders(merged(Self.claims)))
            #expect(merged(both.claims + both.claims).digest == both.digest)
        }
    }

    @Test func `each merge says what it did`() {
        var registry = Registry(limit: 2, losersLimit: 8)
        let results = [0, 0, 1, 0, 3, 5].map { registry.merge(Self.claims[$0]) }
        #expect(results == [.inserted, .known, .replaced(Self.claims[0]), .lost, .inserted, .full])
    }

    @Test func `the digest of nothing is zero, and taking away is the inverse of adding`() {
        var digest = RegistryDigest()
        for claim in Self.claims.dropLast(2) { digest.add(claim) }
        for claim in Self.claims.dropLast(2).reversed() { digest.remove(claim) }
        #expect(digest == RegistryDigest())
    }

    @Test func `what was verified of a loser does not count for the winner`() {
        var registry = merged([Self.claims[0]])
        registry.setVerifier([1], of: Self.claims[0])
        #expect(registry.verifier(of: Self.claims[0]) == [1])
        _ = registry.merge(Self.claims[1])
        #expect(registry.verifier(of: Self.claims[0]) == nil && registry.verifier(of: Self.claims[1]) == nil)
        registry.setVerifier([2], of: Self.claims[0])
        #expect(registry.verifier(of: Self.claims[1]) == nil)
    }

    @Test func `views that differ by one server share one of a name's first two arbiters`() {
        let servers = (1...12).map { Peers.id($0) }
        for number in 0..<200 {
            let name = Array("user\(number)".utf8)
            let first = Registry.arbiters(of: name, among: servers).prefix(2)
            for missing in servers {
                let other = Registry.arbiters(of: name, among: servers.filter { $0 != missing }.reversed()).prefix(2)
                if Set(first).isDisjoint(with: other) { Issue.record("\(number) without \(missing)") }
            }
        }
    }
}

/// Names kept for registrations under way.
@Suite struct ReservationsTests {
    private let soon = Instant(nanoseconds: 10)
    private let late = Instant(nanoseconds: 20)

    @Test func `a name is kept for one claim, and again for the same`() {
        var reservations = Reservations(limit: 10)
        let verdicts = [1, 1, 2].map { reservations.reserve(Peers.claim("ada", stamp: $0), until: soon) }
        #expect(verdicts == [.granted, .granted, .reserved])
        #expect(reservations.claim(of: Array("ada".utf8))?.id.stamp == 1)
    }

    @Test func `only its claim releases a name`() {
        var reservations = Reservations(limit: 10)
        let claim = Peers.claim("ada", stamp: 1)
        _ = reservations.reserve(claim, until: soon)
        reservations.release(Peers.claim("ada", stamp: 2).id, name: claim.name)
        #expect(reservations.count == 1)
        reservations.release(claim.id, name: claim.name)
        #expect(reservations.count == 0)
        let verdict = reservations.reserve(Peers.claim("ada", stamp: 2), until: soon)
        #expect(verdict == .granted)
    }

    @Test func `an old expiry does not end a new reservation`() {
        var reservations = Reservations(limit: 10)
        let claim = Peers.claim("ada", stamp: 1)
        _ = reservations.reserve(claim, until: soon)
        reservations.release(claim.id, name: claim.name)
        _ = reservations.reserve(Peers.claim("ada", stamp: 2), until: late)
        reservations.expire(at: soon)
        #expect(reservations.count == 1 && reservations.nextExpiry == late)
        reservations.expire(at: late)
        #expect(reservations.count == 0 && reservations.nextExpiry == nil)
    }

    @Test func `the table is bounded`() {
        var reservations = Reservations(limit: 1)
        _ = reservations.reserve(Peers.claim("ada"), until: soon)
        let verdict = reservations.reserve(Peers.claim("bob"), until: soon)
        #expect(verdict == .busy)
    }
}

/// Timers in order, each once.
@Suite struct TimerQueueTests {
    @Test func `timers come in order of their instants, then of their setting`() {
        var timers = TimerQueue()
        timers.set(.request(2), at: Instant(nanoseconds: 20))
        timers.set(.request(1), at: Instant(nanoseconds: 10))
        timers.set(.request(3), at: Instant(nanoseconds: 20))
        #expect(timers.nextDeadline == Instant(nanoseconds: 10))
        let early = timers.takeDue(at: Instant(nanoseconds: 9))
        let order = [early] + (0..<4).map { _ in timers.takeDue(at: Instant(nanoseconds: 20)) }
        #expect(order == [nil, .request(1), .request(2), .request(3), nil])
    }

    @Test func `a timer set twice fires once, at the earlier instant`() {
        for instants in [[10, 20], [20, 10]] as [[UInt64]] {
            var timers = TimerQueue()
            for instant in instants { timers.set(.announce, at: Instant(nanoseconds: instant)) }
            #expect(timers.count == 1)
            let fired = [10, 30].map { timers.takeDue(at: Instant(nanoseconds: $0)) }
            #expect(fired == [.announce, nil])
            #expect(timers.count == 0)
        }
    }

    @Test func `instants do not wrap`() {
        let end = Instant(nanoseconds: .max)
        #expect(Instant(nanoseconds: 5).adding(milliseconds: .max) == end)
        #expect(end.adding(milliseconds: 1) == end)
        #expect(Instant(nanoseconds: 1).milliseconds(since: end) == 0)
    }
}

/// Leave for clients that are on their way.
@Suite struct TicketsTests {
    private let holder = Unicast.TicketHolder.address([UInt8](repeating: 1, count: 16))

    private func request(_ cause: Unicast.TicketCause = .login) -> Unicast.TicketRequest {
        Unicast.TicketRequest(holder: holder, cause: cause, sourceLoad: 9)
    }

    @Test func `a ticket is used once`() {
        var tickets = Tickets()
        tickets.grant(
            request(), count: 1, source: Peers.id(1), number: 1, limit: 9, until: Instant(nanoseconds: 10))
        #expect(tickets.ticket(of: Peers.id(1), 1) != nil)
        #expect(tickets.ticket(of: Peers.id(2), 1) == nil)
        let uses = [tickets.use(holder) != nil, tickets.use(holder) != nil]
        #expect(uses == [true, false])
        #expect(tickets.unusedCount == 0)
    }

    @Test func `a ticket of a session that moves is good from when its floor is known, for as many as it was given`() {
        var tickets = Tickets()
        tickets.grant(
            request(.drain), count: 2, source: Peers.id(1), number: 7, limit: 9, until: Instant(nanoseconds: 10))
        let early = tickets.use(holder)
        #expect(early == nil && tickets.unusedCount == 2)
        let floor = Floor([StreamPosition(origin: Peers.id(1), seq: 5)])
        let handOver = Unicast.HandOver(ticket: 7, verifier: nil, floor: floor)
        let isNoted = [2, 1].map { tickets.note(handOver, source: Peers.id($0), until: Instant(nanoseconds: 20)) }
        #expect(isNoted == [false, true])
        let uses = (0..<3).map { _ in tickets.use(holder)?.handOver?.floor }
        #expect(uses == [floor, floor, nil])
    }

    @Test func `clients that cannot be told from each other are expected from one place only`() {
        var tickets = Tickets()
        let claim = Unicast.TicketHolder.claim(Peers.claim("ada").id)
        #expect(!tickets.wouldConfuse(holder, .login) && !tickets.wouldConfuse(claim, .login))
        tickets.grant(
            request(.login), count: 1, source: Peers.id(1), number: 1, limit: 9, until: Instant(nanoseconds: 10))
        #expect(!tickets.wouldConfuse(holder, .login) && tickets.wouldConfuse(holder, .balance))
        let named = Unicast.TicketRequest(holder: claim, cause: .login, sourceLoad: 9)
        tickets.grant(
            named, count: 1, source: Peers.id(1), number: 2, limit: 9, until: Instant(nanoseconds: 10))
        #expect(tickets.wouldConfuse(claim, .login) && tickets.wouldConfuse(claim, .drain))
    }

    @Test func `tickets go out of date in order`() {
        var tickets = Tickets()
        for number in 1...3 as ClosedRange<UInt64> {
            tickets.grant(
                request(), count: 1, source: Peers.id(1), number: number, limit: 9,
                until: Instant(nanoseconds: number * 10))
        }
        let expired = tickets.expire(at: Instant(nanoseconds: 20))
        #expect(expired.count == 2)
        #expect(tickets.count == 1 && tickets.nextExpiry == Instant(nanoseconds: 30))
    }
}
