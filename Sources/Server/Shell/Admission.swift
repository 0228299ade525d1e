/// Who gets in when the table of connections is nearly full. Clients must not take every slot: a server that no
/// neighbour can reach, and that can dial nobody, is cut off from the network and useless to those clients too.
///
/// So a part of the slots is kept for servers. Who speaks shows only with the first bytes; whoever comes when the rest
/// is taken is let in for a moment, to find that out.
internal import Codecs
internal import Logging
internal import Node
internal import Reactor

struct Admission {
    /// Connections that are not of servers, at most.
    let callersMax: Int
    /// Connections beyond that at a time, apart from those of the present turn.
    let extrasMax: Int
    /// Connections that came when there was no room for a client, the oldest first.
    private var extras: [ConnectionID] = []
    /// The first so many of them have had a turn to be read.
    private var seen = 0

    /// As many links as the node has at most, and some that have not spoken yet.
    private static let reserveMax = 256 + 64
    /// A small table gives a quarter: two links and two that have not spoken at 16 connections.
    private static let reserveShare = 4
    /// How much of the reserve is for those that have not spoken: the 64 above.
    private static let extrasShare = 5
    /// Servers speak at once; this is for a slow network. A guess.
    static let firstByteMilliseconds = 2000
    /// How long an answer to a client that is turned away may take.
    static let lingerMilliseconds = 500

    /// - Parameter reserved: connections that clients leave to servers; nil is the default.
    init(capacity: Int, reserved: Int? = nil) {
        let reserve = min(reserved ?? min(Self.reserveMax, capacity / Self.reserveShare), capacity)
        callersMax = capacity - reserve
        extrasMax = max(1, reserve / Self.extrasShare)
    }

    /// Notes a connection that came when there was no room for a client.
    mutating func insert(_ id: ConnectionID) { extras.append(id) }

    func contains(_ id: ConnectionID) -> Bool { !extras.isEmpty && extras.contains(id) }

    /// It has gone, or has found its place.
    mutating func remove(_ id: ConnectionID) {
        guard !extras.isEmpty, let index = extras.firstIndex(of: id) else { return }
        extras.remove(at: index)
        if index < seen { seen -= 1 }
    }

    /// At the end of a turn: those that have to give way to newer ones. Each has had a turn in which its first bytes
    /// could be read, so that a crowd of silent ones keeps out nobody who speaks.
    mutating func takeSurplus() -> [ConnectionID] {
        let surplus = extras.prefix(min(seen, max(0, extras.count - extrasMax)))
        extras.removeFirst(surplus.count)
        seen = extras.count
        return Array(surplus)
    }
}

extension Shell {
    /// Whether there are more clients and undetermined connections than may be.
    private var isFull: Bool { connections.callers > admission.callersMax }

    /// A connection came in; it counts already.
    mutating func admit(_ id: ConnectionID, in reactor: inout Reactor) {
        guard isFull else { return }
        admission.insert(id)
        reactor.setDeadline(id, milliseconds: Admission.firstByteMilliseconds, .helloTimeout)
    }

    /// A connection turned out to be a client's: why there is no room for it; nil if there is.
    mutating func refusal(of id: ConnectionID, in reactor: borrowing Reactor) -> CloseReason? {
        if reactor.statistics.bufferBytes > settings.limits.bufferBytes { return .buffersFull }
        guard admission.contains(id) else { return nil }
        guard !isFull else { return .serverFull }
        admission.remove(id)
        return nil
    }

    /// Says why, and closes. Until then it stays among the surplus, and gives way to newer ones.
    mutating func turnAway(_ id: ConnectionID, _ reason: CloseReason, in reactor: inout Reactor) {
        let isFull = reason == .serverFull
        let text: InfoText =
            isFull
            ? "this server is full, try again later or try another one"
            : "this server is short of memory, try again later or try another one"
        connections.setRole(.refused, of: id)
        reactor.send(id, ServerReply.invalidMessage(text).rendered().span)
        reactor.finish(id, reason, lingerMilliseconds: Admission.lingerMilliseconds, keepReading: false)
        tellLimit(isFull ? "connections of clients" : "memory of buffers", at: reactor.now)
    }

    /// At the end of each turn: whoever has to give way to newer ones.
    mutating func closeSurplus(in reactor: inout Reactor) {
        for id in admission.takeSurplus() { reactor.close(id, .serverFull) }
        while let id = unproven.nextSurplus(turn: reactor.statistics.turns, of: connections) {
            forgetUnproven(id)
            reactor.close(id, .crowdedOut)
            tellLimit("connections that have not logged in", at: reactor.now)
        }
    }

    /// Whether another connection from this address may be; if not, it is closed without a word.
    mutating func hasRoom(for id: ConnectionID, from peer: SocketAddress, in reactor: inout Reactor) -> Bool {
        guard let limit = settings.limits.perAddress(isLoopback: peer.isLoopback) else { return true }
        if addresses.enter(id, network: peer.network, limit: limit) { return true }
        reactor.close(id, .tooManyFromAddress)
        tellLimit("connections from one address", ["peer": "\(peer.ip)"], at: reactor.now)
        return false
    }

    private mutating func tellLimit(_ limit: String, _ more: Logger.Metadata = [:], at nanoseconds: UInt64) {
        let metadata = more.merging(["limit": "\(limit)"]) { own, _ in own }
        log.tell(.connectionRefused, "a limit of connections is reached", metadata, at: nanoseconds)
    }

    /// At the end of each turn: if all buffers together hold far too much, those with the most give theirs up. Who has
    /// no more than its share of the memory is left in peace, and so are servers: their buffers have their own bounds.
    mutating func closeBiggest(in reactor: inout Reactor) {
        let limit = settings.limits.bufferBytes
        var excess = reactor.statistics.bufferBytes - limit
        guard excess > limit / 8 else { return }
        let share = limit / settings.connectionsMax
        var holders: [(id: ConnectionID, bytes: Int)] = []
        for slot in 0..<connections.slots {
            guard let id = connections.connection(at: slot), connections.role(of: id) != .link else { continue }
            let bytes = reactor.bufferBytes(of: id)
            if bytes > share { holders.append((id, bytes)) }
        }
        holders.sort { ($0.bytes, $0.id.slot) > ($1.bytes, $1.id.slot) }
        for (id, bytes) in holders {
            reactor.close(id, .tooMuchBuffered)
            excess -= bytes
            if excess <= 0 { break }
        }
        if !holders.isEmpty { tellLimit("memory of buffers", at: reactor.now) }
    }
}
