/// One line from a client, understood as far as that is possible without knowing the connection's state.
///
/// Members appear as they were found, missing and mistyped ones too: whether they are wanted, and which fault
/// comes first, is for the session to judge. Nothing is copied; ranges point into the line.
public enum ClientMessage: Hashable, Sendable {
    case register(username: TextMember, secret: TextMember)
    case login(username: TextMember, secret: TextMember)
    case activity(username: TextMember, secret: TextMember, activity: ActivityMember)
    case logout
    /// The client says that we sent it something invalid: nothing is answered.
    case invalidMessage
    /// The client says that we failed to authenticate: nothing is answered.
    case authenticationFail

    // What servers of Project 1 said among themselves, on the same port.
    case authenticate(secret: TextMember)
    case serverAnnounce
    case activityBroadcast
    case lockRequest
    case lockAllowed
    case lockDenied
}

/// A member whose value should be a string.
public enum TextMember: Hashable, Sendable {
    case missing
    case null
    /// Neither a string nor null.
    case wrongType
    case text(JSONString)
}

/// The member whose value should be an object.
public enum ActivityMember: Hashable, Sendable {
    case missing
    /// Something else than an object, null included.
    case wrongType
    case object(ClientActivity)
}

/// An activity inside a client's line: what the renderer has to know of it.
public struct ClientActivity: Hashable, Sendable {
    /// From the opening to the closing brace.
    public let range: Range<Int>
    /// The offset of the first integer in it that does not fit a signed 64-bit number; nil if there is none. Many
    /// clients stop receiving at such a number.
    public let wideIntegerOffset: Int?
    /// Bytes of what the client wrote as `authenticated_user` and the renderer leaves out. Where they stand is found
    /// again when they are: hardly any client has some, and so a message is plain data.
    let forgedBytes: Int
    /// Behind the last value; behind the opening brace if there is none.
    let contentEnd: Int
    /// Whether what remains without the forged members ends with a member, not with a comma or a brace.
    let needsComma: Bool

    /// Whether the client sent an `authenticated_user` of its own.
    public var isForged: Bool { forgedBytes > 0 }
}

extension ClientMessage {
    /// Parses a line, given without its end.
    ///
    /// The whole line is validated before anything is judged by its contents, in the order of the reference's
    /// decision table: JSON, object, then (ours) duplicates, then the command. Unknown members are ignored.
    ///
    /// - Parameter depthLimit: how deeply objects and arrays may nest, the message itself included.
    /// - Complexity: one pass over the line; no allocation.
    public static func parse(
        _ line: Span<UInt8>, depthLimit: Int = JSONScanner.defaultDepthLimit
    ) throws(ClientFault) -> ClientMessage {
        var parser = ClientMessageParser(depthLimit: depthLimit)
        do {
            try parser.scan(line)
        } catch {
            throw parser.isBlank(line) ? .emptyLine : .notJSON(error)
        }
        return try parser.message(of: line)
    }
}
