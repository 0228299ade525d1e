/// Why a line from a client is no message at all. Each of these is answered with INVALID_MESSAGE and a close.
///
/// Missing or mistyped members of a known command are not here: what they mean depends on the connection's state.
public enum ClientFault: Error, Hashable, Sendable {
    /// Nothing, or only white space, between two line ends.
    case emptyLine
    case notJSON(JSONFault)
    /// JSON, but no object: what it is, in words.
    case notAnObject(found: String)
    /// A member of the protocol occurs twice; the offset is that of the second one's key.
    case duplicateMember(ClientMember, at: Int)
    case commandMissing
    /// `command` is there, but its value is no string.
    case commandNotString
    case unknownCommand(JSONString)

    /// JSON perhaps, but with more objects and arrays inside each other than are looked at.
    public var isTooDeep: Bool {
        if case .notJSON(let fault) = self { fault.kind == .tooDeep } else { false }
    }

    /// The text for the reply. It begins with the customary words and then says what was wrong, and where (byte
    /// offsets in the line, from 0).
    ///
    /// - Parameter line: the line that was parsed.
    public func info(in line: Span<UInt8>) -> InfoText {
        switch self {
        case .emptyLine:
            "JSON parse error while parsing message: the line is empty"
        case .notJSON(let fault):
            InfoText("JSON parse error while parsing message: \(fault)")
        case .notAnObject(let found):
            InfoText("the received message is not a JSON object but \(found)")
        case .duplicateMember(let member, let offset):
            InfoText("the received message contains \"\(member.rawValue)\" twice, again at byte \(offset)")
        case .commandMissing:
            "the received message did not contain a command"
        case .commandNotString:
            "the received message did not contain a command: its \"command\" is not a string"
        case .unknownCommand(let command):
            InfoText("received message with unknown command: ", foreign: command.decoded(in: line).span)
        }
    }
}

/// The members that the protocol gives a meaning to, at the top level of a message from a client.
public enum ClientMember: String, Hashable, Sendable, CaseIterable {
    case command, username, secret, activity
}

extension JSONValue {
    /// The kind of value, with its article.
    var words: String {
        switch self {
        case .object: "an object"
        case .array: "an array"
        case .string: "a string"
        case .number: "a number"
        case .boolean: "a boolean"
        case .null: "null"
        }
    }
}
