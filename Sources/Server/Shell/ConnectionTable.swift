/// What each connection of the reactor means to the shell: plain data, in an array by slot, so that an idle client
/// costs eight bytes here and no look-up by hash stands between a byte and its reader.
internal import Reactor

/// The connections by slot. An entry is valid for one generation; any other is not there.
struct ConnectionTable {
    enum Role: UInt8, CaseIterable {
        case none
        /// Accepted; its first bytes have not told yet who speaks.
        case undetermined
        case client
        case link
        /// A dial under way.
        case dialling
        /// A client that is turned away, until it is gone.
        case refused
        /// Looks at this server (`Admin`).
        case admin
    }

    struct Flags: OptionSet {
        let rawValue: UInt8
        /// The node wants no input of it for now.
        static let paused = Flags(rawValue: 1 << 0)
        /// The fan-out is behind: its input waits.
        static let held = Flags(rawValue: 1 << 1)
        /// Held, but due for one read, so that the other end does not look dead.
        static let mayBreathe = Flags(rawValue: 1 << 2)
        /// The node has closed it, and the reason is counted.
        static let finishing = Flags(rawValue: 1 << 3)
        /// Neither a server nor logged in, as far as is known.
        static let unproven = Flags(rawValue: 1 << 4)
        /// A line has begun and not ended, and its time runs.
        static let midLine = Flags(rawValue: 1 << 5)
        /// It has said more than its rate allows, and waits.
        static let paced = Flags(rawValue: 1 << 6)

        /// While one of these holds it waits for us: its time does not run.
        static let waiting: Flags = [.paused, .held, .paced]
    }

    private struct Entry {
        var generation: UInt32 = 0
        var role = Role.none
        var flags: Flags = []
    }

    private var entries: [Entry] = []
    /// How many connections have each role.
    private var counts = [Int](repeating: 0, count: Role.allCases.count)
    /// The other ends of undetermined connections, by slot: whoever is known to be a client needs no entry.
    private var addresses: [UInt32: SocketAddress] = [:]

    /// - Parameter capacity: of the reactor. Reserved memory that nobody has touched is none; an array that grew would
    ///   leave its former selves behind.
    init(capacity: Int) { entries.reserveCapacity(capacity) }

    /// Connections that are not of servers, as far as is known.
    var callers: Int { count(.undetermined) + count(.client) + count(.refused) }

    func count(_ role: Role) -> Int { counts[Int(role.rawValue)] }

    mutating func begin(_ id: ConnectionID, as role: Role, address: SocketAddress? = nil) {
        let slot = Int(id.slot)
        // Grows with the slots in use, which the reactor fills from below.
        while entries.count <= slot { entries.append(Entry()) }
        precondition(entries[slot].role == .none, "a slot is given to one connection at a time")
        entries[slot] = Entry(generation: id.generation, role: role)
        counts[Int(role.rawValue)] += 1
        addresses[id.slot] = address
    }

    /// The other end of a connection that is undetermined yet; forgotten here.
    mutating func takeAddress(of id: ConnectionID) -> SocketAddress? {
        role(of: id) == .undetermined ? addresses.removeValue(forKey: id.slot) : nil
    }

    /// The other end of a connection that is undetermined yet.
    func address(of id: ConnectionID) -> SocketAddress? { role(of: id) == .undetermined ? addresses[id.slot] : nil }

    /// Slots that have been used so far.
    var slots: Int { entries.count }

    /// The connection in a slot; nil if there is none.
    func connection(at slot: Int) -> ConnectionID? {
        guard slot < entries.count, entries[slot].role != .none else { return nil }
        return ConnectionID(slot: UInt32(slot), generation: entries[slot].generation)
    }

    /// Forgets a connection and returns what it was.
    mutating func end(_ id: ConnectionID) -> Role {
        let role = role(of: id)
        if role != .none { change(id, role, to: .none) }
        return role
    }

    func role(of id: ConnectionID) -> Role {
        let slot = Int(id.slot)
        guard slot < entries.count, entries[slot].generation == id.generation else { return .none }
        return entries[slot].role
    }

    mutating func setRole(_ role: Role, of id: ConnectionID) {
        let former = self.role(of: id)
        precondition(former != .none && role != .none, "only a connection that is there has a role")
        change(id, former, to: role)
    }

    private mutating func change(_ id: ConnectionID, _ former: Role, to role: Role) {
        if former == .undetermined { addresses[id.slot] = nil }
        entries[Int(id.slot)].role = role
        counts[Int(former.rawValue)] -= 1
        if role != .none { counts[Int(role.rawValue)] += 1 }
    }

    func flags(of id: ConnectionID) -> Flags { role(of: id) == .none ? [] : entries[Int(id.slot)].flags }

    mutating func insert(_ flags: Flags, of id: ConnectionID) {
        if role(of: id) != .none { entries[Int(id.slot)].flags.insert(flags) }
    }

    mutating func remove(_ flags: Flags, of id: ConnectionID) {
        if role(of: id) != .none { entries[Int(id.slot)].flags.remove(flags) }
    }

    /// All connections of a role. Complexity: linear in the table; for the end of the process.
    func connections(_ role: Role) -> [ConnectionID] {
        entries.indices.filter { entries[$0].role == role }
            .map { ConnectionID(slot: UInt32($0), generation: entries[$0].generation) }
    }
}
