/// What happened in a network of real processes, as clients and the wires between servers show it. The simulator looks
/// into its servers; here what a server had is known only from what it acknowledged.
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
