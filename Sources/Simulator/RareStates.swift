import Codecs
import Node

/// States that a network reaches seldom. A simulator that never reaches one says nothing about it: the tests count how
/// often each occurs, over a fixed set of seeds, and none may stay at none.
public enum RareState: String, Sendable, CaseIterable {
    // Membership.
    case memberUnreachable
    case memberReturned
    case memberSucceeded
    case restartWithEarlierClock
    case rankRaised
    case memberDepartedInSilence
    case memberRevived
    case originForgotten
    case originForgottenEarly
    case tombstoneRevived
    case forgottenHit
    case pauseNoticed
    case clockAhead
    case addressRefused
    case servedAlone
    // Joining.
    case killedWhileJoining
    case snapshotGiverLost
    case cutWhileJoining
    case networksMet
    // Links.
    case linkSilent
    case simultaneousDial
    case surplusLinkClosed
    case handshakeTimedOut
    case pausedBeyondSilence
    // Streams.
    case storeBoundReached
    case gapTold
    case gapPutOff
    case gapFilled
    case gapWithState
    case digestRepair
    case wayLostByParent
    case copyUnderWayAtGraft
    case dependencyWaited
    case dependencyExpired
    case deliveryPostponed
    case creditExhausted
    case limitReached
    // Names.
    case arbiterRace
    case arbiterSilent
    case claimConflict
    case claimUnconfirmed
    case loginByLookUp
    case loserClosed
    case loserTold
    // Load.
    case redirected
    case ticketRefused
    // Moves.
    case sessionMoved
    case sessionMovedTwice
    case moveFailed
    case movePutOff
    case movedNeverCame
    case cameElsewhere
    case lateActivity
    case floorAhead
    case arrivalExpired
    case targetDied
    case drained
    case drainedInVain
    // Resuming.
    case sessionDetached
    case sessionResumed
    case resumedAfterCrash
    case resumeWindowPassed
    case floorBelowHeld
}

/// Counts rare states: from what nodes report and count, and from what is known of the world.
struct RareStates: Sendable {
    private var counts = [UInt64](repeating: 0, count: RareState.allCases.count)

    private static let numbers = Dictionary(
        uniqueKeysWithValues: RareState.allCases.enumerated().map { ($0.element, $0.offset) })

    subscript(state: RareState) -> UInt64 {
        get { counts[Self.numbers[state] ?? 0] }
        set { counts[Self.numbers[state] ?? 0] = newValue }
    }

    // MARK: What the world knows

    mutating func noteDeath(of server: SimulatedServer) {
        guard let statistics = server.statistics else { return }
        if !statistics.isServing { self[.killedWhileJoining] += 1 }
        add(statistics)
    }

    mutating func noteStart(of server: SimulatedServer, wallClock: UInt64) {
        if wallClock < server.lastWallClock { self[.restartWithEarlierClock] += 1 }
    }

    mutating func noteCut(_ first: SimulatedServer, _ second: SimulatedServer) {
        for server in [first, second] where server.isUp {
            if server.statistics?.isServing == false { self[.cutWhileJoining] += 1 }
        }
    }

    /// A node closes a link.
    mutating func noteClose(_ reason: LinkCloseReason) {
        switch reason {
        case .silent: self[.linkSilent] += 1
        case .duplicateLink: self[.simultaneousDial] += 1
        case .surplusLink: self[.surplusLinkClosed] += 1
        case .handshakeTimeout: self[.handshakeTimedOut] += 1
        default: break
        }
    }

    // MARK: What the nodes know

    /// The counters of a life that has ended, or goes on at the end of the world.
    private mutating func add(_ statistics: NodeStatistics) {
        self[.rankRaised] += statistics.rankRaises
        self[.memberRevived] += statistics.membersRevived
        self[.originForgotten] += statistics.originsForgotten
        self[.originForgottenEarly] += statistics.originsForgottenEarly
        self[.tombstoneRevived] += statistics.tombstonesRevived
        self[.forgottenHit] += statistics.forgottenHits
        self[.pauseNoticed] += statistics.pauses
        self[.clockAhead] += statistics.clockAhead
        self[.loserTold] += statistics.loginsOfLosers
        self[.dependencyWaited] += statistics.dependenciesAwaited
        self[.deliveryPostponed] += statistics.deliveriesPostponed
        self[.gapPutOff] += statistics.gapsPutOff
        self[.gapFilled] += statistics.gapsFilled
        self[.gapWithState] += statistics.gapsWithState
        self[.creditExhausted] += statistics.creditExhausted
        self[.arbiterRace] += statistics.reservationsContested
        self[.arbiterSilent] += statistics.arbitersSilent
        self[.loginByLookUp] += statistics.claimsLookedUp
        self[.loserClosed] += statistics.claimLosersClosed
        self[.digestRepair] += statistics.repairs
        self[.wayLostByParent] += statistics.graftsByParent
        self[.copyUnderWayAtGraft] += statistics.prunesWithheld
        self[.dependencyExpired] += statistics.dependenciesExpired
        self[.claimUnconfirmed] += statistics.claimsUnconfirmed
        self[.redirected] += statistics.redirects
        self[.ticketRefused] += statistics.ticketsRefused
        self[.sessionDetached] += statistics.sessionsDetached
        self[.sessionResumed] += statistics.sessionsResumed
        self[.resumedAfterCrash] += statistics.floorsGuessed
        self[.resumeWindowPassed] += statistics.floorsExpired
        self[.floorBelowHeld] += statistics.recordsMissed > 0 ? 1 : 0
        self[.sessionMoved] += statistics.sessionsMoved
        self[.moveFailed] += statistics.movesFailed
        self[.movePutOff] += statistics.movesPutOff
        self[.movedNeverCame] += statistics.movedNeverCame
        self[.arrivalExpired] += statistics.arrivalsExpired
    }

    private mutating func add(_ report: Report) {
        switch report {
        case .ready(let isAlone): if isAlone { self[.servedAlone] += 1 }
        case .linkRefused(_, .addressTaken, _, _), .joinRefused(_, .addressTaken, _): self[.addressRefused] += 1
        case .memberUnreachable: self[.memberUnreachable] += 1
        case .memberReachable: self[.memberReturned] += 1
        case .memberDeparted(_, _, .succeeded): self[.memberSucceeded] += 1
        case .memberDeparted(_, _, .silent): self[.memberDepartedInSilence] += 1
        case .claimConflict: self[.claimConflict] += 1
        case .givenUp: self[.storeBoundReached] += 1
        case .gap: self[.gapTold] += 1
        case .limitReached: self[.limitReached] += 1
        default: break
        }
    }

    /// A joiner whose link ended before it was ready has lost who gave it the state.
    private mutating func addLostGivers(of server: SimulatedServer) {
        for (number, start) in server.starts.enumerated() {
            let end = number + 1 < server.starts.count ? server.starts[number + 1] : .max
            for timed in server.reports where timed.time >= start && timed.time < end {
                if case .ready = timed.report { break }
                if case .linkDown(_, _, let cause) = timed.report, cause == .lost || cause == .closed(.silent) {
                    self[.snapshotGiverLost] += 1
                }
            }
        }
    }

    /// What became of those who were sent elsewhere after they had been fed.
    private mutating func addVisits(of history: History) {
        for client in history.visits.indices {
            let visits = history.visits[client]
            var hasMoved = false
            for (visit, next) in zip(visits, visits.dropFirst()) {
                guard let end = visit.end, end.how == .redirected, let presence = visit.presence else { continue }
                let shownUntil = history.presences[presence].end ?? .max
                self[.lateActivity] += UInt64(
                    history.activities[client].count {
                        visit.start <= $0.sentAt && $0.sentAt < end.time && $0.acceptedAt ?? 0 > shownUntil
                    })
                if hasMoved { self[.sessionMovedTwice] += 1 }
                hasMoved = true
                guard next.welcomedAt == nil else { continue }
                self[.cameElsewhere] += visits.count { $0.start > next.start && $0.welcomedAt != nil } > 0 ? 1 : 0
                let isDead = history.lives.contains { life in
                    life.server == next.server
                        && life.end.map { $0 >= end.time && $0 <= next.start + 1_000_000_000 }
                            ?? false
                }
                if isDead { self[.targetDied] += 1 }
            }
        }
    }

    /// All counts at the end of a world, in the order of the cases.
    static func all(of world: World) -> [(name: String, count: UInt64)] {
        var states = world.rareStates
        for server in world.servers {
            if let statistics = server.statistics { states.add(statistics) }
            for timed in server.reports { states.add(timed.report) }
            states.addLostGivers(of: server)
        }
        states.addVisits(of: world.history)
        return RareState.allCases.map { ($0.rawValue, states[$0]) }
    }
}
