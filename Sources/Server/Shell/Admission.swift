/// Who gets in when the table of connections is nearly full. Clients must not take every slot: a server that no
/// neighbour can reach, and that can dial nobody, is cut off from the network and useless to those clients too.
///
/// So a part of the slots is kept for servers. Who speaks shows only with the first bytes; whoever comes when the rest
/// is taken is let in for a moment, to find that out.
internal import Codecs
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

    static let reply = ServerReply.invalidMessage("this server is full, try again later or try another one")

    init(capacity: Int) {
        let reserve = min(Self.reserveMax, capacity / Self.reserveShare)
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

    /// A connection turned out to be a client's: is there room for it by now?
    mutating func admitsClient(_ id: ConnectionID) -> Bool {
        guard admission.contains(id) else { return true }
        guard !isFull else { return false }
        admission.remove(id)
        return true
    }

    /// Says why, and closes. Until then it stays among the surplus, and gives way to newer ones.
    mutating func turnAway(_ id: ConnectionID, in reactor: inout Reactor) {
        connections.setRole(.refused, of: id)
        reactor.send(id, Admission.reply.rendered().span)
        reactor.finish(id, .serverFull, lingerMilliseconds: Admission.lingerMilliseconds, keepReading: false)
        tell(.limitReached("connections of clients"), in: &reactor)
    }

    mutating func closeSurplus(in reactor: inout Reactor) {
        for id in admission.takeSurplus() { reactor.close(id, .serverFull) }
    }
}
