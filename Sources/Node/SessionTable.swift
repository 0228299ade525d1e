import Codecs

/// The client connections of this server: one small value each, in an array indexed by the driver's slot, so that a
/// session costs no object and no look-up. What only few have at a time is beside it.
struct SessionTable: Sendable {
    enum State: UInt8, Sendable {
        /// No client has this slot.
        case free
        case new
        /// Logged in and fed from the log.
        case live
        /// Logged in and fed record by record, from a floor (`Node.feeding`).
        case catchingUp
        /// Logged in and shown nothing more: it goes elsewhere when the other server knows from where on.
        case away
        /// Sent elsewhere: its activities still count until it closes.
        case redirected
        /// Got its last reply: what still comes is ignored.
        case closing
    }

    struct Session: Sendable {
        var generation: UInt32 = 0
        /// Index of its user in `users`; -1 before the login.
        var user: Int32 = -1
        var state = State.free
        var splitter = ClientLineSplitter()
        /// A request of it is under way, its job: its input waits.
        fileprivate(set) var hasJob = false
        /// Its input waits until this server serves.
        var isHeld = false
        /// It is about to go elsewhere: `move(of:)`.
        fileprivate(set) var hasMove = false
        /// When it came from another server that had more clients: seconds since the start and one more; 0 if it
        /// did not.
        fileprivate(set) var moved: UInt32 = 0
        /// Network address, 16 bytes.
        var addressHigh: UInt64 = 0
        var addressLow: UInt64 = 0
        /// Bytes of private lines that it was sent, those that it was fed included.
        fileprivate(set) var privateBytes: UInt64 = 0
        /// The position from which it follows the log.
        fileprivate(set) var followedFrom: UInt64 = 0
        /// This server's number of a named session, under which others know it; 0 if it has none.
        fileprivate(set) var number: UInt64 = 0

        /// It comes from this host itself: ::1 or 127.0.0.0/8.
        var isOfThisHost: Bool {
            addressHigh == 0 && (addressLow == 1 || addressLow >> 24 == 0xFFFF_7F)
        }

        /// It is logged in here.
        var isPresent: Bool { state == .live || state == .catchingUp || state == .away }
    }

    /// A user with sessions here; shared by all of them.
    struct User: Sendable {
        var name: [UInt8]
        /// Keyed digest of the secret: each message is checked against it.
        var verifier: [UInt8]
        /// Nil for the anonymous user.
        var claim: ClaimID?
        var sessions: Int32 = 0
    }

    static let anonymous: Int32 = 0

    private(set) var sessions: [Session] = []
    /// The jobs of the sessions that have one, by slot.
    private var jobs: [Int: UInt64] = [:]
    private var moves: [Int: UInt64] = [:]
    private(set) var users: [User] = [User(name: Array("anonymous".utf8), verifier: [], claim: nil)]
    /// Users by a digest of their claims: the claims themselves would be most of what a user takes. Those whose digest
    /// another one has are beside it.
    private var userOf: [UInt64: Int32] = [:]
    private var userOfEqualDigest: [ClaimID: Int32] = [:]
    private var freeUsers: [Int32] = []
    /// Sessions that follow the log.
    private(set) var liveCount = 0
    /// Sessions that get activities: this server's load.
    private(set) var presentCount = 0
    /// Sessions that have a number.
    private(set) var numberedCount = 0

    /// - Parameter expected: how many sessions need not let the tables grow.
    init(expected: Int) {
        sessions.reserveCapacity(expected)
        users.reserveCapacity(expected)
        userOf.reserveCapacity(expected)
    }

    // MARK: Sessions

    mutating func open(_ id: SessionID, address: [UInt8]) {
        precondition(address.count == 16, "an address is 16 bytes")
        let slot = Int(id.slot)
        while sessions.count <= slot { sessions.append(Session()) }
        precondition(sessions[slot].state == .free, "a slot is given to one connection at a time")
        sessions[slot] = Session(generation: id.generation, state: .new)
        for index in 0..<8 {
            sessions[slot].addressHigh = sessions[slot].addressHigh << 8 | UInt64(address[index])
            sessions[slot].addressLow = sessions[slot].addressLow << 8 | UInt64(address[index + 8])
        }
    }

    /// The slot of a session that is still there.
    func slot(of id: SessionID) -> Int? {
        let slot = Int(id.slot)
        guard slot < sessions.count, sessions[slot].generation == id.generation, sessions[slot].state != .free else {
            return nil
        }
        return slot
    }

    func id(of slot: Int) -> SessionID { SessionID(slot: UInt32(slot), generation: sessions[slot].generation) }

    func address(of slot: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        for word in [sessions[slot].addressHigh, sessions[slot].addressLow] {
            for index in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * index))) }
        }
        return bytes
    }

    mutating func close(_ slot: Int) {
        setUser(nil, of: slot)
        setState(.free, of: slot)
    }

    mutating func setState(_ state: State, of slot: Int) {
        if sessions[slot].state == .live { liveCount -= 1 }
        if sessions[slot].isPresent { presentCount -= 1 }
        sessions[slot].state = state
        if sessions[slot].state == .live { liveCount += 1 }
        if sessions[slot].isPresent { presentCount += 1 }
    }

    /// The job of a session; nil if it has none.
    func job(of slot: Int) -> UInt64? { sessions[slot].hasJob ? jobs[slot] : nil }

    mutating func setJob(_ job: UInt64?, of slot: Int) {
        sessions[slot].hasJob = job != nil
        jobs[slot] = job
    }

    mutating func setNumber(_ number: UInt64, of slot: Int) {
        if sessions[slot].number > 0 { numberedCount -= 1 }
        if number > 0 { numberedCount += 1 }
        sessions[slot].number = number
    }

    mutating func setFollowing(_ slot: Int, from position: UInt64) { sessions[slot].followedFrom = position }

    mutating func addPrivate(_ count: Int, to slot: Int) { sessions[slot].privateBytes += UInt64(count) }

    /// The move of a session; nil if it stays.
    func move(of slot: Int) -> UInt64? { sessions[slot].hasMove ? moves[slot] : nil }

    mutating func setMove(_ move: UInt64?, of slot: Int) {
        sessions[slot].hasMove = move != nil
        moves[slot] = move
    }

    mutating func setMoved(at seconds: UInt32, of slot: Int) { sessions[slot].moved = seconds + 1 }

    mutating func setHeld(_ isHeld: Bool, of slot: Int) { sessions[slot].isHeld = isHeld }

    mutating func nextLine(
        in bytes: Span<UInt8>, from start: Int, searched: Int, of slot: Int
    ) -> ClientLineSplitter.Step {
        sessions[slot].splitter.next(in: bytes, from: start, searched: searched)
    }

    // MARK: Users

    /// The user of a session; the anonymous one has no claim.
    func user(of slot: Int) -> User { users[Int(sessions[slot].user)] }

    /// Logs the session in as the user of a claim, or out (nil).
    mutating func setUser(_ index: Int32?, of slot: Int) {
        let old = sessions[slot].user
        if let index { users[Int(index)].sessions += 1 }
        sessions[slot].user = index ?? -1
        guard old >= 0 else { return }
        users[Int(old)].sessions -= 1
        if old != Self.anonymous, users[Int(old)].sessions == 0 { removeUser(old) }
    }

    /// The index of the user of a claim, made if this is its first session here.
    mutating func userIndex(name: [UInt8], claim: ClaimID, verifier: [UInt8]) -> Int32 {
        if let index = userIndex(of: claim) {
            users[Int(index)].verifier = verifier
            return index
        }
        let user = User(name: name, verifier: verifier, claim: claim)
        let index = freeUsers.popLast() ?? Int32(users.count)
        if Int(index) == users.count { users.append(user) } else { users[Int(index)] = user }
        let digest = Self.digest(of: claim)
        if userOf[digest] == nil { userOf[digest] = index } else { userOfEqualDigest[claim] = index }
        return index
    }

    private func userIndex(of claim: ClaimID) -> Int32? {
        guard let index = userOf[Self.digest(of: claim)] else { return userOfEqualDigest[claim] }
        return users[Int(index)].claim == claim ? index : userOfEqualDigest[claim]
    }

    private static func digest(of claim: ClaimID) -> UInt64 {
        let origin = SplitMix64.mix(claim.origin.random &+ UInt64(claim.counter))
        return SplitMix64.mix(claim.stamp ^ SplitMix64.mix(claim.origin.startStamp ^ origin))
    }

    private mutating func removeUser(_ index: Int32) {
        if let claim = users[Int(index)].claim {
            let digest = Self.digest(of: claim)
            if userOf[digest] == index { userOf[digest] = nil } else { userOfEqualDigest[claim] = nil }
        }
        users[Int(index)] = User(name: [], verifier: [], claim: nil)
        freeUsers.append(index)
    }

    /// How many sessions a claim has here.
    func count(of claim: ClaimID) -> Int { userIndex(of: claim).map { Int(users[Int($0)].sessions) } ?? 0 }

    /// The slots of all sessions of a claim. Complexity: linear in the table; used only when a claim is lost.
    func slots(of claim: ClaimID) -> [Int] {
        guard let index = userIndex(of: claim) else { return [] }
        return sessions.indices.filter { sessions[$0].state != .free && sessions[$0].user == index }
    }
}
