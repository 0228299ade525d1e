/// `/users.json`: every user of the network, place by place, as this server knows them.
internal import Codecs
internal import Node
internal import Reactor

extension Shell {
    func usersPart(_ progress: inout ListProgress) -> (bytes: [UInt8], isLast: Bool) {
        progress.part(
            head: {
                var head = JSONObject()
                head.set("server", "\(node.id)")
                head.set("address", "\(node.address)")
                head.set("kept", keeper != nil)
                head.open("users")
                return head
            }, count: node.userPlaces, entry: { node.userStatus(at: $0).map(Self.object) },
            tail: { Array("]}\n".utf8) })
    }

    private static func object(of user: Node.UserStatus) -> JSONObject {
        var object = JSONObject()
        object.set("user", bytes: user.name)
        object.set("registered_ms", user.claim.stamp)
        object.set("registered_by", "\(user.claim.origin)")
        if let revised = user.revised { object.set("revised_ms", revised) }
        object.set("sessions_here", user.sessions)
        object.set("sessions_elsewhere", user.sessionsElsewhere)
        return object
    }
}
