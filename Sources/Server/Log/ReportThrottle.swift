/// Reports that can come in masses: each kind is let through a few times a second, the rest is counted and told.

/// The kinds of reports that are limited.
enum ReportKind: Int, CaseIterable {
    case gap, givenUp, linkRefused, claimConflict, limitReached, connectionRefused, tlsRefused
}

/// Lets each kind through up to a limit in each second.
struct ReportThrottle {
    let perSecond: Int

    init(perSecond: Int) { self.perSecond = perSecond }

    private struct Window {
        var start: UInt64 = 0
        var admitted = 0
        var suppressed = 0
    }

    private var windows = [Window](repeating: Window(), count: ReportKind.allCases.count)
    /// It is settled when the suppressed ones will be told.
    private var isTellingDue = false

    /// Whether a report may be told at this time, in nanoseconds of a monotonic clock.
    mutating func admits(_ kind: ReportKind, at now: UInt64) -> Bool {
        let index = kind.rawValue
        if now - min(now, windows[index].start) >= 1_000_000_000 {
            windows[index].start = now
            windows[index].admitted = 0
        }
        guard windows[index].admitted < perSecond else {
            windows[index].suppressed += 1
            return false
        }
        windows[index].admitted += 1
        return true
    }

    private var hasSuppressed: Bool { windows.contains { $0.suppressed > 0 } }

    /// Whether a time has to be set at which to tell what was suppressed. True once until it is told: who moved the
    /// time at each call would never come to it under load.
    mutating func begsForTime() -> Bool {
        guard !isTellingDue, hasSuppressed else { return false }
        isTellingDue = true
        return true
    }

    /// What was suppressed since the last call.
    mutating func takeSuppressed() -> [(kind: ReportKind, count: Int)] {
        isTellingDue = false
        var result: [(kind: ReportKind, count: Int)] = []
        for kind in ReportKind.allCases where windows[kind.rawValue].suppressed > 0 {
            result.append((kind, windows[kind.rawValue].suppressed))
            windows[kind.rawValue].suppressed = 0
        }
        return result
    }
}
