extension RecordKind {
    /// Whether its payload is a `SessionRecord`.
    public var isAboutSessions: Bool {
        switch self {
        case .sessionOpened, .sessionMoved, .sessionDetached, .sessionClosed, .sessionsReached: true
        case .activity, .claim, .secretChanged, .userRemoved: false
        }
    }
}

/// What the records about named sessions say. Their header has the claim.
///
/// - `sessionOpened`: the session's number, and what it had been shown, as far as that is beyond the server's last
///   `sessionsReached`.
/// - `sessionMoved`: a session has gone on from its floor; its server and its number there are the one position.
/// - `sessionDetached`: number and whole floor.
/// - `sessionClosed`: the number; the floor is empty.
/// - `sessionsReached`: no claim, number 0; the floor that covers nothing which some named session here may lack.
public struct SessionRecord: Hashable, Sendable {
    /// The origin's number of the session.
    public var number: UInt64
    public var floor: Floor

    public init(number: UInt64, floor: Floor = Floor()) {
        self.number = number
        self.floor = floor
    }

    /// Bytes on the wire.
    public var size: Int { 8 + floor.size }

    public func encode(into bytes: inout [UInt8]) {
        bytes.appendInteger(number)
        floor.encode(into: &bytes)
    }

    public init(from reader: inout WireReader) throws(FrameFault) {
        number = try reader.integer()
        floor = try Floor(from: &reader)
    }
}
