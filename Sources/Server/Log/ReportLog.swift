/// What an operator reads: each report of the node as one line of the log.
internal import Codecs
internal import Logging
internal import Node

/// The log, and how much of what comes in masses it takes.
struct ReportLog {
    /// Another one after a reload.
    var logger: Logger
    private var throttle: ReportThrottle

    /// - Parameter perSecond: how many reports of a kind that can come in masses are told in a second.
    init(logger: Logger, perSecond: Int) {
        self.logger = logger
        throttle = ReportThrottle(perSecond: perSecond)
    }

    mutating func tell(_ report: Report, at nanoseconds: UInt64) {
        if let kind = report.kind, !throttle.admits(kind, at: nanoseconds) { return }
        let entry = report.entry
        logger.log(level: entry.level, entry.message, metadata: entry.metadata)
    }

    /// Tells what the shell itself has found and what can come in masses.
    mutating func tell(
        _ kind: ReportKind, _ message: Logger.Message, _ metadata: Logger.Metadata, at nanoseconds: UInt64
    ) {
        if throttle.admits(kind, at: nanoseconds) { logger.warning(message, metadata: metadata) }
    }

    /// Whether a time has to be set for `tellSuppressed`; true once until then.
    mutating func begsForTime() -> Bool { throttle.begsForTime() }

    /// Tells how many reports were not told since the last time, and returns it.
    mutating func tellSuppressed() -> Int {
        var total = 0
        for (kind, count) in throttle.takeSuppressed() {
            total += count
            logger.warning("more of the same was not told", metadata: ["kind": "\(kind)", "reports": "\(count)"])
        }
        return total
    }
}

private struct Entry {
    var level: Logger.Level
    var message: Logger.Message
    var metadata: Logger.Metadata = [:]
}

extension Report {
    /// The kind of a report that can come in masses.
    fileprivate var kind: ReportKind? {
        switch self {
        case .gap: .gap
        case .givenUp: .givenUp
        case .linkRefused: .linkRefused
        case .claimConflict: .claimConflict
        case .limitReached: .limitReached
        default: nil
        }
    }

    fileprivate var entry: Entry {
        switch self {
        case .ready(let alone):
            Entry(level: .info, message: alone ? "serving clients, alone for now" : "serving clients in the network")
        case .bootstrapUnreachable(let address, let text):
            Entry(
                level: .warning,
                message: "failed to make connection to the remote host; serving alone and dialling on",
                metadata: ["remote": "\(address)", "error": "\(text)"])
        case .joinRefused(let address, let refusal, let text):
            Entry(
                level: .critical, message: "the network refuses this server",
                metadata: ["remote": "\(address)", "reason": "\(refusal)", "text": "\(text)"])
        case .limitReached(let limit):
            Entry(level: .warning, message: "a limit is reached", metadata: ["limit": "\(limit)"])
        case .givenUp(let position, let records):
            Entry(
                level: .warning, message: "records given up: the store is full",
                metadata: .position(position, records: records))
        case .gap(let position, let records):
            Entry(
                level: .warning, message: "records skipped: nobody holds them any more",
                metadata: .position(position, records: records))
        case .floorGap(let position, let records):
            Entry(
                level: .warning, message: "records that a resumed session was owed are not held any more",
                metadata: .position(position, records: records))
        case .claimConflict(let name, let loser):
            Entry(
                level: .warning, message: "a name was claimed twice; the older claim stays",
                metadata: [
                    "name": "\(String(decoding: name, as: UTF8.self))", "loser_origin": "\(loser.origin)",
                    "loser_stamp": "\(loser.stamp)",
                ])
        default: stateEntry ?? linkEntry ?? memberEntry
        }
    }

    private var stateEntry: Entry? {
        switch self {
        case .storeFailed(let text):
            Entry(
                level: .error, message: "the state cannot be written: what is registered from now on is in memory only",
                metadata: ["error": "\(text)"])
        case .storeRecovered: Entry(level: .notice, message: "the state is written again, with what was missing")
        case .accountChanged(let name, let action):
            Entry(
                level: .notice, message: "an operator changes a user",
                metadata: ["user": "\(String(decoding: name, as: UTF8.self))", "action": "\(action.rawValue)"])
        default: nil
        }
    }

    private var linkEntry: Entry? {
        switch self {
        case .linkUp(let id, let address, let dialled):
            Entry(
                level: .info, message: "link up",
                metadata: .server(id, address, ["direction": dialled ? "dialled" : "accepted"]))
        case .linkDown(let id, let address, .lost):
            Entry(level: .warning, message: "link lost", metadata: .server(id, address))
        case .linkDown(let id, let address, .closed(let reason)):
            Entry(level: .info, message: "link closed", metadata: .server(id, address, ["reason": "\(reason)"]))
        case .linkDown(let id, let address, .peerSaidBye(let reason)):
            Entry(
                level: .info, message: "link closed by the other end",
                metadata: .server(id, address, ["reason": "\(reason)"]))
        case .linkRefused(let id, let refusal, let remote, let text):
            Entry(
                level: .warning, message: "link refused",
                metadata: [
                    "connection": "\(id.slot).\(id.generation)", "reason": "\(refusal)", "text": "\(text)",
                    "remote": "\(remote.map { "\($0)" } ?? "a server that dialled")",
                ])
        default: nil
        }
    }

    private var memberEntry: Entry {
        switch self {
        case .memberJoined(let id, let address):
            Entry(level: .info, message: "member joined", metadata: .server(id, address))
        case .memberUnreachable(let id, let address):
            Entry(level: .warning, message: "member unreachable", metadata: .server(id, address))
        case .memberReachable(let id, let address):
            Entry(level: .info, message: "member reachable again", metadata: .server(id, address))
        case .memberDeparted(let id, let address, let cause):
            Entry(
                level: .info, message: "member departed", metadata: .server(id, address, ["cause": "\(cause)"]))
        case .clockOffset(let id, let address, let milliseconds):
            Entry(
                level: .warning, message: "a network with another time: conflicting claims are compared by it",
                metadata: .server(id, address, ["ahead-ms": "\(milliseconds)"]))
        case .registryRepaired(let id, let address):
            Entry(
                level: .error, message: "a neighbour's users differed at equal vectors: the state is sent again",
                metadata: .server(id, address))
        case .drained(0, 0):
            Entry(level: .notice, message: "drained: the clients are elsewhere", metadata: [:])
        case .drained(let left, 0):
            Entry(
                level: .warning, message: "the time to drain is over: clients that are left are closed",
                metadata: ["left": "\(left)"])
        case .drained(let left, let records):
            Entry(
                level: .warning, message: "out of time to drain: some records are nowhere else",
                metadata: ["left": "\(left)", "records": "\(records)"])
        case .loads(let servers):
            Entry(
                level: .info, message: "clients in the network",
                metadata: [
                    "total": "\(servers.reduce(0) { $0 + UInt64($1.load) })",
                    "servers": "\(servers.map { "\($0.address) \($0.load)" }.joined(separator: ", "))",
                ])
        case .addressConflict(let id, let address):
            Entry(
                level: .error, message: "another living server advertises the address of this one",
                metadata: .server(id, address))
        default: Entry(level: .notice, message: "\(self)")
        }
    }
}

extension Logger.Metadata {
    fileprivate static func server(
        _ id: ServerID, _ address: PeerAddress, _ more: Logger.Metadata = [:]
    ) -> Logger.Metadata {
        more.merging(["server": "\(id)", "address": "\(address)"]) { own, _ in own }
    }

    fileprivate static func position(_ position: StreamPosition, records: UInt64) -> Logger.Metadata {
        ["origin": "\(position.origin)", "through": "\(position.seq)", "records": "\(records)"]
    }
}
