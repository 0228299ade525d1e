/// What happened in a world as seen from outside: by clients, and by whoever looks into all servers at once. What a
/// server says of itself counts only where something else shows it as well. The checkers read nothing else, so that a
/// history can be written by hand to test them.
///
/// Servers are named by their *lives*: each start of a server is a life, and has a stream of its own.
public struct History: Sendable {
    public var seed: UInt64
    /// Name of each client; nil for an anonymous one.
    public var clientNames: [String?] = []
    /// By client, then by number: the first activity of a client has number 0.
    public var activities: [[Activity]] = []
    public var presences: [Presence] = []
    /// By client.
    public var views: [ClientView] = []
    /// By client: its connections, as it knows them.
    public var visits: [[Visit]] = []
    /// What was sent to one client alone, and when: by presence, then by the activity's place. Looked up, never
    /// iterated.
    var fed: [Int: [Int: UInt64]] = [:]
    /// How long a user whose connection broke may stay away and is owed what was sent meanwhile, in nanoseconds; 0: at
    /// all times nothing.
    public var resumeWindow: UInt64 = 0
    /// How long a client that was sent elsewhere is waited for there, in nanoseconds; 0: nothing is owed to it.
    public var ticketTime: UInt64 = 0
    /// When clients stopped reading, or went on: a server cannot tell then how far all of its clients are.
    public var stalls: [UInt64] = []
    /// A session that was moved is left where it is for so many nanoseconds.
    public var restTime: UInt64 = 0
    /// Servers that were told to empty themselves, and when.
    public var drains: [(server: Int, time: UInt64)] = []
    /// What happens to a session is announced within so many nanoseconds.
    public var announcedWithin: UInt64 = 0
    /// In the order of their beginnings.
    public var lives: [Life] = []
    public var registrations: [Registration] = []
    /// How often each name was asked for. Looked up, never iterated.
    var asked: [String: Int] = [:]
    /// Users who were told that their name is another's, and when.
    var expulsions: [(client: Int, time: UInt64)] = []
    /// Activities that were sent before the sender could know of a REDIRECT, and when that came.
    var farewells: [(mark: ActivityMark, life: Int, time: UInt64)] = []
    /// When the ways between servers changed: cuts, healings, breaks.
    public var pathChanges: [UInt64] = []
    /// By client: when a server said that it is to go elsewhere, whether it heard that or not, or meant to say so and
    /// could not. Looked up, never iterated.
    var sentOn: [Int: [SentOn]] = [:]
    /// Looks at the network in which every living server was a reachable member of every other.
    public var connectedTimes: [UInt64] = []
    /// Those of them in which all registries were equal as well.
    public var wholeTimes: [UInt64] = []
    /// A member that was heard of later than this, in nanoseconds before, has not departed in silence.
    public var departureAfter: UInt64 = 0
    /// Within so many nanoseconds a server that has fallen silent is out of reach for the others.
    public var silenceNoticed: UInt64 = 0
    /// Receptions that broke a rule. A broken rule is usually broken a thousand times: only the first are kept.
    public private(set) var faultyReceptions: [FaultyReception] = []
    public private(set) var faultyCount = 0
    /// When the run ended, in nanoseconds since the world's beginning, as all times here.
    public var endTime: UInt64 = 0

    private var activityCount = 0
    /// The presence of each client on the connection that it has now.
    private var presentNumbers: [Int?] = []

    public init(seed: UInt64) { self.seed = seed }

    public struct Activity: Sendable {
        public var sentAt: UInt64
        /// The server that the sender was connected to.
        public var sentTo: Int
        /// The connection that it was sent on, among all of the network.
        public var connection: Int
        /// Its place among all activities of the history.
        let ordinal: Int
        /// Where it became a record, and when; nil if no server took it.
        public var record: RecordPlace?

        public var acceptedAt: UInt64? { record?.time }
    }

    struct SentOn: Sendable {
        var time: UInt64
        /// The server that expected the client.
        var target: Int
        /// A REDIRECT was sent; else the client was to be sent on.
        var isTold: Bool
    }

    public struct RecordPlace: Sendable, Hashable {
        /// The life in which it arose.
        public var origin: Int
        public var seq: UInt64
        public var time: UInt64
    }

    /// A time in which a client followed the log of a server, on the connection that it listened to.
    public struct Presence: Sendable {
        public var client: Int
        public var life: Int
        public var start: UInt64
        /// nil: to the end of the run.
        public var end: UInt64?
        /// Which connection of the client, from 1.
        var session = 0
        /// The lines of the server's log that are for it, of which those before `cursor` have come. A client that reads
        /// bytes has none here.
        var cursor = 0
        var logEnd: Int?
        /// From a line's publication to its arrival.
        var delay: UInt64 = 0
        var readsBytes = true
        /// The client listens to this connection no longer: what is under way is lost.
        var hasLeft = false

        public init(client: Int, life: Int, start: UInt64, end: UInt64? = nil) {
            self.client = client
            self.life = life
            self.start = start
            self.end = end
        }
    }

    /// A line that a client should not have got, at least not then.
    public struct FaultyReception: Sendable {
        public enum Fault: Sendable, Hashable {
            case repeated
            /// It came after a later one of its sender.
            case disordered(after: Int)
            /// It was sent before the login, and this server had delivered it before.
            case old
        }

        public var fault: Fault
        public var client: Int
        public var sender: Int
        public var number: Int
        public var time: UInt64
        /// The server's life from which it came.
        public var life: Int
        /// The client's connection on which it came.
        public var visit = 0
        /// The earlier connection on which what it repeats, or should have come before, had come; nil: the same one.
        public var earlierVisit: Int?
    }

    /// A REGISTER and its answer.
    public struct Registration: Sendable {
        public var client: Int
        public var name: String
        /// The server's life that answered.
        public var life: Int
        public var askedAt: UInt64
        public var time: UInt64
        public var isGranted: Bool
        /// Refused because a bound was reached.
        public var wasBusy = false

        public init(
            client: Int, name: String, life: Int, askedAt: UInt64, time: UInt64, isGranted: Bool, wasBusy: Bool = false
        ) {
            self.client = client
            self.name = name
            self.life = life
            self.askedAt = askedAt
            self.time = time
            self.isGranted = isGranted
            self.wasBusy = wasBusy
        }
    }
}

// MARK: - Clients

extension History {
    mutating func addClient(name: String?) {
        clientNames.append(name)
        activities.append([])
        views.append(ClientView())
        visits.append([])
        presentNumbers.append(nil)
    }

    mutating func noteSending(by client: Int, to server: Int, on connection: Int, at time: UInt64) {
        activities[client].append(
            Activity(sentAt: time, sentTo: server, connection: connection, ordinal: activityCount))
        activityCount += 1
    }

    /// A REDIRECT has come, after an activity was sent that may still be under way.
    mutating func noteFarewell(_ mark: ActivityMark, at time: UInt64) {
        guard let activity = activity(mark), let life = lives.lastIndex(where: { $0.server == activity.sentTo }) else {
            return
        }
        farewells.append((mark, life, time))
    }

    func activity(_ mark: ActivityMark) -> Activity? {
        // A mark that nobody sent can only come from outside the simulation's own clients.
        guard activities.indices.contains(mark.sender), activities[mark.sender].indices.contains(mark.number) else {
            return nil
        }
        return activities[mark.sender][mark.number]
    }

    /// The client got the line of an activity from the server that it listens to.
    mutating func noteReception(_ mark: ActivityMark, by client: Int, session: Int, at time: UInt64) {
        guard let activity = activity(mark) else { return }
        let acceptedAt = activity.acceptedAt ?? .max
        noteReception(mark, activity.ordinal, acceptedAt: acceptedAt, by: client, session: session, at: time)
    }

    private mutating func noteReception(
        _ mark: ActivityMark, _ ordinal: Int, acceptedAt: UInt64, by client: Int, session: Int, at time: UInt64
    ) {
        let broken = views[client].see(mark, ordinal: ordinal, session: session)
        guard let presence = presentNumbers[client] else { return }
        if let broken {
            noteFault(
                broken.fault, mark, presence: presences[presence], visit: session, earlier: broken.earlierVisit,
                at: time)
        }
        guard acceptedAt < presences[presence].start, let record = activity(mark)?.record else { return }
        noteIfOld(record, mark, presence: presences[presence], at: time)
    }

    private mutating func noteFault(
        _ fault: FaultyReception.Fault, _ mark: ActivityMark, presence: Presence, visit: Int, earlier: Int? = nil,
        at time: UInt64
    ) {
        faultyCount += 1
        guard faultyReceptions.count < 10_000 else { return }
        faultyReceptions.append(
            FaultyReception(
                fault: fault, client: presence.client, sender: mark.sender, number: mark.number, time: time,
                life: presence.life, visit: visit, earlierVisit: earlier))
    }

    /// A client is not shown what was sent before its login. A server cannot know when something was sent that comes to
    /// it late; but what it had delivered before the login is over.
    private mutating func noteIfOld(_ record: RecordPlace, _ mark: ActivityMark, presence: Presence, at time: UInt64) {
        guard let delivered = lives[presence.life].deliveredAt(record), delivered < presence.start else { return }
        noteFault(.old, mark, presence: presence, visit: presence.session, at: time)
    }

    // MARK: Presences

    /// The client follows the log of a life from its present end. Returns the number by which `endPresence` knows it.
    mutating func beginPresence(
        of client: Int, at life: Int, session: Int, readsBytes: Bool, delay: UInt64, time: UInt64
    ) -> Int {
        // What it was sent before on the same connection comes before what it is sent now.
        if let earlier = presentNumbers[client] { settle(earlier, at: .max) }
        var presence = Presence(client: client, life: life, start: time)
        presence.session = session
        presence.readsBytes = readsBytes
        presence.delay = delay
        presence.cursor = lives[life].log.count
        presences.append(presence)
        presentNumbers[client] = presences.count - 1
        notePresence(presences.count - 1, of: client, visit: session)
        return presences.count - 1
    }

    /// The server sends it nothing more; what was published before is under way.
    mutating func endPresence(_ number: Int, time: UInt64) {
        if presences[number].end == nil { presences[number].end = time }
        if presences[number].logEnd == nil { presences[number].logEnd = lives[presences[number].life].log.count }
    }

    /// The client listens to its connection no longer.
    mutating func leave(_ client: Int, at time: UInt64) {
        guard let number = presentNumbers[client] else { return }
        settle(number, at: time)
        endPresence(number, time: time)
        presences[number].hasLeft = true
        presentNumbers[client] = nil
    }

    /// Lets every client have what has come to it.
    mutating func settle(at time: UInt64) {
        for client in presentNumbers.indices {
            if let number = presentNumbers[client] { settle(number, at: time) }
        }
    }

    private mutating func settle(_ number: Int, at time: UInt64) {
        let presence = presences[number]
        guard !presence.readsBytes, !presence.hasLeft else { return }
        let end = presence.logEnd ?? lives[presence.life].log.count
        var cursor = presence.cursor
        while cursor < end {
            let line = lives[presence.life].log[cursor]
            guard time == .max || line.time + presence.delay <= time else { break }
            cursor += 1
            guard line.ordinal >= 0 else { continue }
            noteReception(
                line.mark, line.ordinal, acceptedAt: line.acceptedAt, by: presence.client, session: presence.session,
                at: line.time + presence.delay)
        }
        presences[number].cursor = cursor
    }
}

// MARK: - Servers

extension History {
    /// A server starts. Returns the number of its life.
    mutating func beginLife(of server: Int, at time: UInt64) -> Int {
        lives.append(Life(server: server, start: time))
        return lives.count - 1
    }

    mutating func endLife(_ number: Int, at time: UInt64, inSilence: Bool = false) {
        guard lives[number].end == nil else { return }
        lives[number].end = time
        lives[number].fellSilent = inSilence
    }

    /// An activity has become a record of a life's stream.
    mutating func noteRecord(_ mark: ActivityMark, of life: Int, seq: UInt64, at time: UInt64) {
        guard activity(mark) != nil else { return }
        activities[mark.sender][mark.number].record = RecordPlace(origin: life, seq: seq, time: time)
    }

    mutating func notePublication(_ mark: ActivityMark, by life: Int, at time: UInt64) {
        lives[life].log.append(LogLine(mark: mark, activity: activity(mark), time: time))
    }
}

/// A line that a server handed to all clients that followed it then.
public struct LogLine: Sendable {
    private let sender: Int32
    private let number: Int32
    private let place: Int32
    let time: UInt64
    /// When the activity became a record, so that those who read the log need not look it up.
    let acceptedAt: UInt64

    /// `activity` is nil for what nobody sent.
    init(mark: ActivityMark, activity: History.Activity?, time: UInt64) {
        sender = Int32(truncatingIfNeeded: mark.sender)
        number = Int32(truncatingIfNeeded: mark.number)
        place = activity.map { Int32(truncatingIfNeeded: $0.ordinal) } ?? -1
        acceptedAt = activity?.acceptedAt ?? .max
        self.time = time
    }

    var mark: ActivityMark { ActivityMark(sender: Int(sender), number: Int(number)) }
    /// The activity's place among all of the history; negative for what nobody sent.
    var ordinal: Int { Int(place) }
}
