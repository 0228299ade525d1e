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

    /// What a server that passes it on reads of it. The rest is between source and destination, which may be newer.
    public struct Head: Hashable, Sendable {
        public var source: ServerID
        public var destination: ServerID
        public var request: UInt64
        public var hopLimit: UInt8

        /// Bytes of it, at the beginning of a frame's body; the hop limit is the last of them.
        public static let size = 16 + 16 + 8 + 1

        public init(from reader: inout WireReader) throws(FrameFault) {
            source = try reader.serverID()
            destination = try reader.serverID()
            request = try reader.integer()
            hopLimit = try reader.integer()
        }
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
        /// To the target of a redirect: may clients come?
        case requestTicket(TicketRequest)
        /// Leave for so many of them. `load` and `loadClock` as in `Announcement`, after the decision.
        case ticket(granted: UInt16, load: UInt32, loadClock: UInt64)
        /// Where the sessions of a ticket are to begin, before their clients are told to come.
        case handOver(HandOver)
        /// The sessions of a ticket (the number of its request) have ended at the source: nothing more comes from them
        /// there, and what their user has sent before ends with these records.
        case moved(ticket: UInt64, after: [StreamPosition])
        /// Answer to the two before; false if the ticket is not there any more.
        case noted(Bool)
        /// The clients of a ticket stay at the source. Not answered.
        case withdraw(ticket: UInt64)
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

    /// A request to take clients.
    public struct TicketRequest: Hashable, Sendable {
        public var holder: TicketHolder
        public var cause: TicketCause
        /// How many clients: those of one holder that go together.
        public var count: UInt16
        /// The asker's load if it keeps the clients, and its weight.
        public var sourceLoad: UInt32
        public var sourceWeight: UInt32

        public init(
            holder: TicketHolder, cause: TicketCause, count: UInt16 = 1, sourceLoad: UInt32, sourceWeight: UInt32 = 100
        ) {
            self.holder = holder
            self.cause = cause
            self.count = count
            self.sourceLoad = sourceLoad
            self.sourceWeight = sourceWeight
        }
    }

    /// Why a client is sent elsewhere.
    public enum TicketCause: UInt8, Hashable, Sendable {
        /// It logs in where there are more than elsewhere.
        case login = 0
        /// Its server has more clients than others.
        case balance = 1
        /// Its server is about to stop.
        case drain = 2
    }

    /// What the target of a move must know before the clients come.
    public struct HandOver: Hashable, Sendable {
        /// The number of the ticket's request.
        public var ticket: UInt64
        /// The source's number of a named session; 0 if it keeps nothing of it.
        public var session: UInt64
        /// The keyed digest of the user's secret, so that it is not hashed again; nil for anonymous clients.
        public var verifier: [UInt8]?
        /// What the sessions were shown, of each stream.
        public var floor: Floor

        public init(ticket: UInt64, session: UInt64 = 0, verifier: [UInt8]?, floor: Floor) {
            self.ticket = ticket
            self.session = session
            self.verifier = verifier
            self.floor = floor
        }

        /// Bytes of a verifier.
        public static let verifierBytes = 32
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
        case handOver = 16
        case moved, noted, withdraw
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
        case .requestTicket, .ticket, .handOver, .moved, .noted, .withdraw: encodeMoving(into: &bytes)
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

    private func encodeMoving(into bytes: inout [UInt8]) {
        switch body {
        case .requestTicket(let request):
            bytes.append(Kind.requestTicket.rawValue)
            request.encode(into: &bytes)
        case .ticket(let granted, let load, let loadClock):
            bytes.append(Kind.ticket.rawValue)
            bytes.appendInteger(granted)
            bytes.appendInteger(load)
            bytes.appendInteger(loadClock)
        case .handOver(let handOver):
            bytes.append(Kind.handOver.rawValue)
            handOver.encode(into: &bytes)
        case .moved(let ticket, let positions):
            bytes.append(Kind.moved.rawValue)
            bytes.appendInteger(ticket)
            bytes.appendPositions(positions)
        case .noted(let isThere):
            bytes.append(Kind.noted.rawValue)
            bytes.appendBoolean(isThere)
        case .withdraw(let ticket):
            bytes.append(Kind.withdraw.rawValue)
            bytes.appendInteger(ticket)
        case .reserve, .reserved, .release, .lookUp, .found, .takeFloor, .floorTaken, .listSessions, .sessions:
            preconditionFailure("encoded by the caller")
        }
    }

    init(from reader: inout WireReader) throws(FrameFault) {
        let head = try Head(from: &reader)
        (source, destination) = (head.source, head.destination)
        (request, hopLimit) = (head.request, head.hopLimit)
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
        case .requestTicket: return .requestTicket(try TicketRequest(from: &reader))
        case .ticket:
            let granted: UInt16 = try reader.integer()
            let load: UInt32 = try reader.integer()
            return .ticket(granted: granted, load: load, loadClock: try reader.integer())
        case .handOver: return .handOver(try HandOver(from: &reader))
        case .moved:
            let ticket: UInt64 = try reader.integer()
            return .moved(ticket: ticket, after: try reader.positions("moved"))
        case .noted: return .noted(try reader.boolean("noted"))
        case .withdraw: return .withdraw(ticket: try reader.integer())
        case .takeFloor:
            let claim = try ClaimID(from: &reader)
            return .takeFloor(claim, number: try reader.integer())
        case .floorTaken: return .floorTaken(try FloorAnswer(from: &reader))
        case .listSessions: return .listSessions(after: try reader.integer())
        case .sessions: return .sessions(try SessionList(from: &reader))
        }
    }
}

extension Unicast.TicketRequest {
    func encode(into bytes: inout [UInt8]) {
        holder.encode(into: &bytes)
        bytes.append(cause.rawValue)
        bytes.appendInteger(count)
        bytes.appendInteger(sourceLoad)
        bytes.appendInteger(sourceWeight)
    }

    init(from reader: inout WireReader) throws(FrameFault) {
        holder = try Unicast.TicketHolder(from: &reader)
        let raw: UInt8 = try reader.integer()
        guard let cause = Unicast.TicketCause(rawValue: raw) else {
            throw .invalidValue(field: "ticket cause", value: UInt64(raw))
        }
        self.cause = cause
        count = try reader.integer()
        guard count > 0 else { throw .invalidValue(field: "ticket count", value: 0) }
        sourceLoad = try reader.integer()
        sourceWeight = try reader.integer()
    }
}

extension Unicast.HandOver {
    func encode(into bytes: inout [UInt8]) {
        bytes.appendInteger(ticket)
        bytes.appendInteger(session)
        bytes.appendBoolean(verifier != nil)
        if let verifier {
            precondition(verifier.count == Self.verifierBytes, "a verifier is 32 bytes")
            bytes.append(contentsOf: verifier)
        }
        floor.encode(into: &bytes)
    }

    init(from reader: inout WireReader) throws(FrameFault) {
        ticket = try reader.integer()
        session = try reader.integer()
        verifier = try reader.boolean("verifier") ? try reader.fixed(Self.verifierBytes) : nil
        floor = try Floor(from: &reader)
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
