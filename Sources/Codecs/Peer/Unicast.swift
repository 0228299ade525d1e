/// A message from one server to another one that need not be its neighbour: passed on, hop by hop, along the trees.
/// Each is idempotent, so that it can be sent again.
public struct Unicast: Hashable, Sendable {
    public var source: ServerID
    public var destination: ServerID
    /// The source's number for this request; an answer repeats the number of its request.
    public var request: UInt64
    /// Each server that passes it on takes one off; at 0 it is dropped, since parents may point in a circle.
    public var hopLimit: UInt8
    public var body: Body

    public init(source: ServerID, destination: ServerID, request: UInt64, hopLimit: UInt8, body: Body) {
        self.source = source
        self.destination = destination
        self.request = request
        self.hopLimit = hopLimit
        self.body = body
    }

    public enum Body: Hashable, Sendable {
        /// To an arbiter: keep this name for this claim.
        case reserve(Claim)
        case reserved(Verdict)
        /// The claim came to nothing: forget the reservation. Not answered.
        case release(ClaimID, name: [UInt8])
        /// To an arbiter: who holds this name?
        case lookUp(name: [UInt8])
        case found(Claim?)
        /// To the target of a redirect: may a client come? `sourceLoad` is the asker's load if it keeps the client.
        case requestTicket(TicketHolder, sourceLoad: UInt32)
        /// `load` and `loadClock` as in `Announcement`, after the decision.
        case ticket(isGranted: Bool, load: UInt32, loadClock: UInt64)
        /// To the server of a named session, which has a number there: its user logs in here; is it detached?
        case takeFloor(ClaimID, number: UInt64)
        case floorTaken(FloorAnswer)
        /// Which named sessions are there, with numbers after this one? Asked of a server that may have had some before
        /// the asker heard of it.
        case listSessions(after: UInt64)
        case sessions(SessionList)
    }

    /// Named sessions of a server, in order of their numbers.
    public struct SessionList: Hashable, Sendable {
        public var entries: [Entry]
        /// What all of them have been shown at least.
        public var reached: Floor
        /// There are no more.
        public var isLast: Bool

        public struct Entry: Hashable, Sendable {
            public var claim: ClaimID
            public var number: UInt64

            public init(claim: ClaimID, number: UInt64) {
                self.claim = claim
                self.number = number
            }
        }

        public init(entries: [Entry], reached: Floor, isLast: Bool) {
            self.entries = entries
            self.reached = reached
            self.isLast = isLast
        }
    }

    /// What has become of a session.
    public enum FloorAnswer: Hashable, Sendable {
        /// There is nothing of it any more.
        case gone
        /// It is connected.
        case alive
        /// It was detached, and ends with this answer.
        case floor(Floor)
    }

    public enum Verdict: UInt8, Hashable, Sendable {
        case granted = 0
        /// The name is registered.
        case registered = 1
        /// Another claim to the name is under way.
        case reserved = 2
        /// The arbiter's table of reservations is full.
        case busy = 3
    }

    /// By what the target knows the client that comes with a ticket.
    public enum TicketHolder: Hashable, Sendable {
        case claim(ClaimID)
        /// An anonymous client: its network address (16 bytes; IPv4 mapped into IPv6, RFC 4291, section 2.5.5.2).
        case address([UInt8])
    }

    private enum Kind: UInt8 {
        case reserve = 1
        case reserved, release, lookUp, found, requestTicket, ticket, takeFloor, floorTaken
        case listSessions, sessions
    }

    func encode(into bytes: inout [UInt8]) {
        bytes.appendServerID(source)
        bytes.appendServerID(destination)
        bytes.appendInteger(request)
        bytes.append(hopLimit)
        switch body {
        case .reserve(let claim):
            bytes.append(Kind.reserve.rawValue)
            claim.encode(into: &bytes)
        case .reserved(let verdict):
            bytes.append(contentsOf: [Kind.reserved.rawValue, verdict.rawValue])
        case .release(let id, let name):
            bytes.append(Kind.release.rawValue)
            id.encode(into: &bytes)
            bytes.appendShort(name)
        case .lookUp(let name):
            bytes.append(Kind.lookUp.rawValue)
            bytes.appendShort(name)
        case .found(let claim):
            bytes.append(Kind.found.rawValue)
            bytes.appendBoolean(claim != nil)
            claim?.encode(into: &bytes)
        case .requestTicket(let holder, let sourceLoad):
            bytes.append(Kind.requestTicket.rawValue)
            holder.encode(into: &bytes)
            bytes.appendInteger(sourceLoad)
        case .ticket(let isGranted, let load, let loadClock):
            bytes.append(Kind.ticket.rawValue)
            bytes.appendBoolean(isGranted)
            bytes.appendInteger(load)
            bytes.appendInteger(loadClock)
        case .takeFloor(let claim, let number):
            bytes.append(Kind.takeFloor.rawValue)
            claim.encode(into: &bytes)
            bytes.appendInteger(number)
        case .floorTaken(let answer):
            bytes.append(Kind.floorTaken.rawValue)
            switch answer {
            case .gone: bytes.append(0)
            case .alive: bytes.append(1)
            case .floor(let floor):
                bytes.append(2)
                floor.encode(into: &bytes)
            }
        case .listSessions(let number):
            bytes.append(Kind.listSessions.rawValue)
            bytes.appendInteger(number)
        case .sessions(let list):
            bytes.append(Kind.sessions.rawValue)
            list.encode(into: &bytes)
        }
    }

    init(from reader: inout WireReader) throws(FrameFault) {
        source = try reader.serverID()
        destination = try reader.serverID()
        request = try reader.integer()
        hopLimit = try reader.integer()
        let raw: UInt8 = try reader.integer()
        guard let kind = Kind(rawValue: raw) else { throw .invalidValue(field: "unicast kind", value: UInt64(raw)) }
        body = try Self.body(kind, from: &reader)
    }

    private static func body(_ kind: Kind, from reader: inout WireReader) throws(FrameFault) -> Body {
        switch kind {
        case .reserve: return .reserve(try Claim(from: &reader))
        case .reserved:
            let raw: UInt8 = try reader.integer()
            guard let verdict = Verdict(rawValue: raw) else {
                throw .invalidValue(field: "verdict", value: UInt64(raw))
            }
            return .reserved(verdict)
        case .release:
            let id = try ClaimID(from: &reader)
            return .release(id, name: try reader.short("user name", limit: Claim.Limit.userNameBytes))
        case .lookUp: return .lookUp(name: try reader.short("user name", limit: Claim.Limit.userNameBytes))
        case .found: return .found(try reader.boolean("found") ? try Claim(from: &reader) : nil)
        case .requestTicket:
            let holder = try TicketHolder(from: &reader)
            return .requestTicket(holder, sourceLoad: try reader.integer())
        case .ticket:
            let isGranted = try reader.boolean("granted")
            let load: UInt32 = try reader.integer()
            return .ticket(isGranted: isGranted, load: load, loadClock: try reader.integer())
        case .takeFloor:
            let claim = try ClaimID(from: &reader)
            return .takeFloor(claim, number: try reader.integer())
        case .floorTaken: return .floorTaken(try FloorAnswer(from: &reader))
        case .listSessions: return .listSessions(after: try reader.integer())
        case .sessions: return .sessions(try SessionList(from: &reader))
        }
    }
}

extension Unicast.TicketHolder {
    /// Bytes of an address of a holder.
    public static let addressBytes = 16

    func encode(into bytes: inout [UInt8]) {
        switch self {
        case .claim(let id):
            bytes.append(1)
            id.encode(into: &bytes)
        case .address(let address):
            precondition(address.count == Self.addressBytes, "an address is 16 bytes")
            bytes.append(2)
            bytes.append(contentsOf: address)
        }
    }

    init(from reader: inout WireReader) throws(FrameFault) {
        let kind: UInt8 = try reader.integer()
        switch kind {
        case 1: self = .claim(try ClaimID(from: &reader))
        case 2: self = .address(try reader.fixed(Self.addressBytes))
        default: throw .invalidValue(field: "ticket holder", value: UInt64(kind))
        }
    }
}

extension Unicast.FloorAnswer {
    init(from reader: inout WireReader) throws(FrameFault) {
        let kind: UInt8 = try reader.integer()
        switch kind {
        case 0: self = .gone
        case 1: self = .alive
        case 2: self = .floor(try Floor(from: &reader))
        default: throw .invalidValue(field: "answer about a floor", value: UInt64(kind))
        }
    }
}

extension Unicast.SessionList {
    func encode(into bytes: inout [UInt8]) {
        bytes.appendInteger(UInt32(entries.count))
        for entry in entries {
            entry.claim.encode(into: &bytes)
            bytes.appendInteger(entry.number)
        }
        reached.encode(into: &bytes)
        bytes.appendBoolean(isLast)
    }

    init(from reader: inout WireReader) throws(FrameFault) {
        entries = []
        for _ in 0..<(try reader.count("sessions", entrySize: ClaimID.size + 8)) {
            let claim = try ClaimID(from: &reader)
            entries.append(Entry(claim: claim, number: try reader.integer()))
        }
        reached = try Floor(from: &reader)
        isLast = try reader.boolean("last")
    }
}
