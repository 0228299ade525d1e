/// `/connections.json`: every connection, slot by slot, and the last ones that ended. One that ends while the document
/// is made may be among both, and one that comes among none.
internal import Codecs
internal import Node
internal import Reactor

extension Shell {
    func connectionsPart(
        _ progress: inout ListProgress, in reactor: borrowing Reactor
    ) -> (bytes: [UInt8], isLast: Bool) {
        progress.part(
            head: {
                var head = JSONObject()
                head.set("server", "\(node.id)")
                head.set("address", "\(node.address)")
                head.open("connections")
                return head
            }, count: connections.slots, entry: { connections.connection(at: $0).map { object(of: $0, in: reactor) } },
            tail: { closedTail(at: instant(of: reactor)) })
    }

    private func object(of id: ConnectionID, in reactor: borrowing Reactor) -> JSONObject {
        let role = connections.role(of: id)
        var object = JSONObject()
        object.set("connection", "\(id)")
        object.set("role", "\(role)")
        if let session = node.sessionStatus(SessionID(id)), role == .client || role == .refused {
            object.set("address", address(session.address))
            object.set("state", StatisticsDocument.snakeCase(session.state))
            if let user = session.user { object.set("user", bytes: user) }
        } else if let peer = reactor.peerAddress(of: id) {
            object.set("address", "\(peer)")
        }
        if role == .link, let neighbour = node.address(of: LinkID(id)) { object.set("server", "\(neighbour)") }
        if let dial = dials[id] { object.set("server", "\(dial.target)") }
        let flags = connections.flags(of: id)
        object.set("paused", flags.contains(.paused) || flags.contains(.held))
        object.set("unsent_bytes", reactor.unsent(id))
        object.set("tls", reactor.isSecured(id))
        return object
    }

    private func closedTail(at now: Instant) -> [UInt8] {
        var bytes = Array("],\"closed\":[".utf8)
        for (index, entry) in (admin?.closed.entries ?? []).enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            var object = JSONObject()
            object.set("connection", "\(entry.id)")
            object.set("role", "\(entry.role)")
            object.set("address", entry.address)
            if let user = entry.user { object.set("user", bytes: user) }
            object.set("reason", entry.reason)
            object.set("ago_ms", now.milliseconds(since: entry.at))
            bytes += object.finished
        }
        return bytes + Array("]}\n".utf8)
    }
}
