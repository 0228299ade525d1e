/// Why connections ended, counted: one close path, one reason, one counter each.
internal import Node
internal import Reactor

/// The node's reasons, counted when it gives them.
struct CloseCounts {
    private var sessions = [UInt64](repeating: 0, count: SessionCloseReason.allCases.count)
    private var links = [UInt64](repeating: 0, count: LinkCloseReason.allCases.count)

    mutating func count(_ reason: SessionCloseReason) { sessions[Self.index(of: reason)] += 1 }
    mutating func count(_ reason: LinkCloseReason) { links[Self.index(of: reason)] += 1 }

    /// All reasons by name. What the node closes ends in the reactor as `finished`, which is left out: it is broken
    /// down here. Reasons of the same name (`shutdown`) are one.
    func byName(_ reactor: ReactorStatistics) -> [(name: String, count: UInt64)] {
        var counts: [String: UInt64] = [:]
        for reason in CloseReason.allCases where reason != .finished {
            counts["\(reason)", default: 0] += reactor.closed(reason)
        }
        for reason in SessionCloseReason.allCases {
            counts[reason.rawValue, default: 0] += sessions[Self.index(of: reason)]
        }
        for reason in LinkCloseReason.allCases { counts[reason.rawValue, default: 0] += links[Self.index(of: reason)] }
        return counts.sorted { $0.key < $1.key }.map { (name: $0.key, count: $0.value) }
    }

    private static func index<Reason: CaseIterable & Equatable>(of reason: Reason) -> Int {
        guard let index = Array(Reason.allCases).firstIndex(of: reason) else {
            preconditionFailure("every reason is among all cases")
        }
        return index
    }
}

/// What the shell itself counts.
struct ShellCounts {
    /// Times that a connection's input had to wait because the fan-out was behind.
    var inputsHeld: UInt64 = 0
    /// Times that a client's input had to wait because it came faster than its rate allows.
    var inputsPaced: UInt64 = 0
    /// Reports that were not logged because there were too many of their kind.
    var reportsSuppressed: UInt64 = 0
    /// Clients that were to follow the activity log and could not: their connections had ended in the same turn.
    var followsRefused: UInt64 = 0
    /// When this server's certificate expires, in seconds since 1970; 0 without TLS.
    var certificateExpirySeconds = 0
    /// Hashes that were not computed because their clients were gone.
    var hashesCancelled: UInt64 = 0
}
