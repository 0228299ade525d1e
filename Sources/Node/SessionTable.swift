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

    /// What every session has: 32 bytes.
    struct Session: Sendable {
        var generation: UInt32 = 0
        /// Index in `logins`; -1 before the login.
        fileprivate(set) var login: Int32 = -1
        /// When it came from another server that had more clients: seconds since the start and one more; 0 if it
        /// did not.
        fileprivate(set) var moved: UInt32 = 0
        fileprivate(set) var state = State.free
        fileprivate var flags: Flags = []
        fileprivate var splitter = ClientLineSplitter()
        /// The lower half of its network address if that is an IPv4 one, mapped into IPv6; the upper half of any other,
        /// whose lower half is in `interfaces`.
        fileprivate var network: UInt64 = 0
        /// The position in the log from which it follows it, less the private bytes that it was sent, those that it was
        /// fed included: what follows it has been sent up to a position when it has been sent as many bytes as the
        /// position exceeds this.
        fileprivate var origin: UInt64 = 0

        var isLoggedIn: Bool { login >= 0 }
        var isAnonymous: Bool { login == SessionTable.anonymous }
        /// A request of it is under way, its job: its input waits.
        var hasJob: Bool { flags.contains(.job) }
        /// It is about to go elsewhere: `move(of:)`.
        var hasMove: Bool { flags.contains(.move) }
        /// Its input waits until this server serves.
        var isHeld: Bool { flags.contains(.held) }
        /// It is logged in here.
        var isPresent: Bool { state == .live || state == .catchingUp || state == .away }
    }

    struct Flags: OptionSet, Sendable {
        let rawValue: UInt8
        static let job = Flags(rawValue: 1 << 0)
        static let move = Flags(rawValue: 1 << 1)
        static let held = Flags(rawValue: 1 << 2)
        /// Its network address is not an IPv4 one.
        static let wide = Flags(rawValue: 1 << 3)
    }

    /// What a session has beside that when it is logged in by name. That of the anonymous ones is one for all.
    struct Login: Sendable {
        /// Index of its user in `users`.
        var user: Int32
        /// This server's number of the session, under which others know it; 0 if it has none.
        var number: UInt64 = 0
        /// The position from which it follows the log.
        var followedFrom: UInt64 = 0
    }

    /// A user with sessions here; shared by all of them.
    struct User: Sendable {
        var name: [UInt8]
        /// Keyed digest of the secret: each message is checked against it.
        var verifier: [UInt8]
        private let holder: ClaimID
        var sessions: Int32 = 0

        /// An optional one would take eight bytes more.
        private static let nobody = ClaimID(stamp: 0, origin: ServerID(startStamp: 0, random: 0), counter: 0)

        init(name: [UInt8], verifier: [UInt8], claim: ClaimID?) {
            self.name = name
            self.verifier = verifier
            holder = claim ?? Self.nobody
        }

        /// Nil for the anonymous user.
        var claim: ClaimID? { holder == Self.nobody ? nil : holder }
    }

    /// Index of the anonymous user, and of its login.
    static let anonymous: Int32 = 0

    private(set) var sessions: [Session] = []
    /// The jobs of the sessions that have one, by slot.
    private var jobs: [Int: UInt64] = [:]
    private var moves: [Int: UInt64] = [:]
    private var logins: [Login] = [Login(user: SessionTable.anonymous)]
    private var freeLogins: [Int32] = []
    /// By slot; empty as long as all clients come by IPv4.
    private var interfaces: [UInt64] = []
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
        logins.reserveCapacity(expected)
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
        setAddress(Self.half(of: address, from: 0), Self.half(of: address, from: 8), of: slot)
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
        set(.job, job != nil, of: slot)
        jobs[slot] = job
    }

    /// The move of a session; nil if it stays.
    func move(of slot: Int) -> UInt64? { sessions[slot].hasMove ? moves[slot] : nil }

    mutating func setMove(_ move: UInt64?, of slot: Int) {
        set(.move, move != nil, of: slot)
        moves[slot] = move
    }

    mutating func setMoved(at seconds: UInt32, of slot: Int) { sessions[slot].moved = seconds + 1 }

    mutating func setHeld(_ isHeld: Bool, of slot: Int) { set(.held, isHeld, of: slot) }

    private mutating func set(_ flag: Flags, _ isSet: Bool, of slot: Int) {
        if isSet { sessions[slot].flags.insert(flag) } else { sessions[slot].flags.remove(flag) }
    }

    mutating func nextLine(
        in bytes: Span<UInt8>, from start: Int, searched: Int, of slot: Int
    ) -> ClientLineSplitter.Step {
        sessions[slot].splitter.next(in: bytes, from: start, searched: searched)
    }

    // MARK: Addresses

    /// Network address, 16 bytes.
    func address(of slot: Int) -> [UInt8] {
        let (high, low) = halves(of: slot)
        var bytes: [UInt8] = []
        for word in [high, low] {
            for index in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * index))) }
        }
        return bytes
    }

    /// What counts as one host: an IPv4 address, and all of those that an IPv6 host has for itself.
    func network(of slot: Int) -> UInt64 {
        let (high, low) = halves(of: slot)
        return high == 0 ? low : high
    }

    /// It comes from this host itself: ::1 or 127.0.0.0/8.
    func isOfThisHost(_ slot: Int) -> Bool {
        let (high, low) = halves(of: slot)
        return high == 0 && (low == 1 || low >> 24 == 0xFFFF_7F)
    }

    private func halves(of slot: Int) -> (high: UInt64, low: UInt64) {
        let network = sessions[slot].network
        return sessions[slot].flags.contains(.wide) ? (network, interfaces[slot]) : (0, network)
    }

    private mutating func setAddress(_ high: UInt64, _ low: UInt64, of slot: Int) {
        guard high != 0 || low >> 32 != 0xFFFF else { return sessions[slot].network = low }
        sessions[slot].flags.insert(.wide)
        sessions[slot].network = high
        while interfaces.count <= slot { interfaces.append(0) }
        interfaces[slot] = low
    }

    private static func half(of address: [UInt8], from start: Int) -> UInt64 {
        address[start..<start + 8].reduce(0) { $0 << 8 | UInt64($1) }
    }

    // MARK: What it was sent

    /// Private lines, or such as it was fed.
    mutating func addPrivate(_ count: Int, to slot: Int) { sessions[slot].origin &-= UInt64(count) }

    /// How many bytes that was; of one with a name.
    func privateBytes(of slot: Int) -> UInt64 { followedFrom(of: slot) &- sessions[slot].origin }

    /// The position from which one with a name follows the log.
    func followedFrom(of slot: Int) -> UInt64 {
        sessions[slot].login < 0 ? 0 : logins[Int(sessions[slot].login)].followedFrom
    }

    /// It follows the log from this position on.
    mutating func follow(_ slot: Int, from position: UInt64) {
        let count = privateBytes(of: slot)
        setState(.live, of: slot)
        setFollowedFrom(position, of: slot)
        sessions[slot].origin = position &- count
    }

    /// It follows the log no longer, which ends at this position. All that an anonymous one was sent counts as private
    /// from now on: nobody asks where it is.
    mutating func unfollow(_ slot: Int, at position: UInt64) {
        if sessions[slot].isAnonymous { sessions[slot].origin &-= position }
    }

    /// All that one with a name was sent up to this position of the log counts as private: it has become somebody else,
    /// who is owed nothing from before; or it goes on from here after it did not follow for a while.
    mutating func setFollowedFrom(_ position: UInt64, of slot: Int) {
        let login = Int(sessions[slot].login)
        if login > Int(Self.anonymous) { logins[login].followedFrom = position }
    }

    // MARK: Users

    /// The index of a session's user; -1 before the login.
    func userIndex(of slot: Int) -> Int32 { sessions[slot].login < 0 ? -1 : logins[Int(sessions[slot].login)].user }

    /// The user of a session; the anonymous one has no claim.
    func user(of slot: Int) -> User { users[Int(userIndex(of: slot))] }

    /// The number of a session with a name; 0 if it has none.
    func number(of slot: Int) -> UInt64 { sessions[slot].login < 0 ? 0 : logins[Int(sessions[slot].login)].number }

    mutating func setNumber(_ number: UInt64, of slot: Int) {
        guard sessions[slot].login > Self.anonymous else { return }
        let login = Int(sessions[slot].login)
        if logins[login].number > 0 { numberedCount -= 1 }
        if number > 0 { numberedCount += 1 }
        logins[login].number = number
    }

    /// Logs the session in as a user, or out (nil).
    mutating func setUser(_ index: Int32?, of slot: Int) {
        let old = userIndex(of: slot)
        if let index { users[Int(index)].sessions += 1 }
        setLogin(index.map { Login(user: $0, followedFrom: followedFrom(of: slot)) }, of: slot)
        guard old >= 0 else { return }
        users[Int(old)].sessions -= 1
        if old != Self.anonymous, users[Int(old)].sessions == 0 { removeUser(old) }
    }

    private mutating func setLogin(_ login: Login?, of slot: Int) {
        setNumber(0, of: slot)
        if sessions[slot].login > Self.anonymous { freeLogins.append(sessions[slot].login) }
        guard let login, login.user != Self.anonymous else {
            sessions[slot].login = login == nil ? -1 : Self.anonymous
            return
        }
        let place = freeLogins.popLast() ?? Int32(logins.count)
        if Int(place) == logins.count { logins.append(login) } else { logins[Int(place)] = login }
        sessions[slot].login = place
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
        return sessions.indices.filter { sessions[$0].state != .free && userIndex(of: $0) == index }
    }
}
