/// What happened in a world as seen from outside: by clients, and by whoever watches what servers hand to clients. The
/// checkers read nothing else, so that a history can be written by hand to test them.
public struct History: Sendable {
    public var seed: UInt64
    /// Name of each client; nil for an anonymous one.
    public var clientNames: [String?] = []
    /// By client, then by number: the first activity of a client has number 0.
    public var activities: [[Activity]] = []
    public var presences: [Presence] = []
    /// By client, in the order of arrival.
    public var receptions: [[Reception]] = []
    public var registrations: [Registration] = []
    public var deaths: [Death] = []
    /// When the run ended, in nanoseconds since the world's beginning, as all times here.
    public var endTime: UInt64 = 0

    public init(seed: UInt64) { self.seed = seed }

    public struct Activity: Sendable {
        public var sentAt: UInt64
        /// The server that the sender was connected to.
        public var sentTo: Int
        /// Who handed it to clients, and when; the first one accepted it.
        public var publications: [Publication] = []

        public init(sentAt: UInt64, sentTo: Int) {
            self.sentAt = sentAt
            self.sentTo = sentTo
        }

        public var acceptedAt: UInt64? { publications.first?.time }
    }

    public struct Publication: Sendable, Hashable {
        public var server: Int
        public var time: UInt64

        public init(server: Int, time: UInt64) {
            self.server = server
            self.time = time
        }
    }

    /// A time in which a client followed the log of a server.
    public struct Presence: Sendable {
        public var client: Int
        public var server: Int
        public var start: UInt64
        /// nil: to the end of the run.
        public var end: UInt64?

        public init(client: Int, server: Int, start: UInt64, end: UInt64? = nil) {
            self.client = client
            self.server = server
            self.start = start
            self.end = end
        }
    }

    public struct Reception: Sendable {
        public var sender: Int
        public var number: Int
        public var time: UInt64
        /// Which session of the receiver: one that follows a REDIRECT stays the same.
        public var session: Int

        public init(sender: Int, number: Int, time: UInt64, session: Int = 0) {
            self.sender = sender
            self.number = number
            self.time = time
            self.session = session
        }
    }

    /// The answer to a REGISTER.
    public struct Registration: Sendable {
        public var client: Int
        public var name: String
        public var server: Int
        public var time: UInt64
        public var isGranted: Bool

        public init(client: Int, name: String, server: Int, time: UInt64, isGranted: Bool) {
            self.client = client
            self.name = name
            self.server = server
            self.time = time
            self.isGranted = isGranted
        }
    }

    public struct Death: Sendable {
        public var server: Int
        public var time: UInt64

        public init(server: Int, time: UInt64) {
            self.server = server
            self.time = time
        }
    }
}

/// How the world writes its history.
extension History {
    mutating func addClient(name: String?) {
        clientNames.append(name)
        activities.append([])
        receptions.append([])
    }

    mutating func noteSending(by client: Int, to server: Int, at time: UInt64) {
        activities[client].append(Activity(sentAt: time, sentTo: server))
    }

    mutating func notePublication(_ mark: ActivityMark, by server: Int, at time: UInt64) {
        // A mark that nobody sent can only come from outside the simulation's own clients.
        guard activities.indices.contains(mark.sender), activities[mark.sender].indices.contains(mark.number) else {
            return
        }
        activities[mark.sender][mark.number].publications.append(Publication(server: server, time: time))
    }

    mutating func noteReception(_ mark: ActivityMark, by client: Int, session: Int, at time: UInt64) {
        let reception = Reception(sender: mark.sender, number: mark.number, time: time, session: session)
        receptions[client].append(reception)
    }

    /// Returns the number by which `endPresence` knows it.
    mutating func beginPresence(of client: Int, at server: Int, time: UInt64) -> Int {
        presences.append(Presence(client: client, server: server, start: time))
        return presences.count - 1
    }

    /// The client is there no longer, whatever its server believes.
    mutating func endPresences(of client: Int, time: UInt64) {
        for number in presences.indices where presences[number].client == client { endPresence(number, time: time) }
    }

    mutating func endPresence(_ number: Int, time: UInt64) {
        if presences[number].end == nil { presences[number].end = time }
    }
}
