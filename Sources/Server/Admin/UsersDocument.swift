/// `/users.json`: every user of the network, place by place, as this server knows them. It is made while the server
/// works, so it shows no one moment.
internal import Codecs
internal import Node
internal import Reactor

/// How far a document of users is.
struct UsersProgress {
    fileprivate var place = 0
    fileprivate var hasBegun = false
    fileprivate var hasUsers = false

    fileprivate static let placesInPart = 256
}

extension Shell {
    func usersPart(_ progress: inout UsersProgress) -> (bytes: [UInt8], isLast: Bool) {
        var bytes: [UInt8] = []
        if !progress.hasBegun {
            progress.hasBegun = true
            var head = JSONObject()
            head.set("server", "\(node.id)")
            head.set("address", "\(node.address)")
            head.set("kept", keeper != nil)
            head.open("users")
            bytes = head.unfinished
        }
        let places = progress.place..<min(progress.place + UsersProgress.placesInPart, node.userPlaces)
        for place in places {
            guard let user = node.userStatus(at: place) else { continue }
            if progress.hasUsers { bytes.append(UInt8(ascii: ",")) }
            progress.hasUsers = true
            bytes += Self.object(of: user).finished
        }
        progress.place = places.upperBound
        guard places.upperBound >= node.userPlaces else {
            // All of them may have been removed.
            return (bytes.isEmpty ? [UInt8(ascii: "\n")] : bytes, false)
        }
        return (bytes + Array("]}\n".utf8), true)
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
