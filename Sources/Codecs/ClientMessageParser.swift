/// Collects the members of one message while a scanner walks over it, then makes the message of them.
struct ClientMessageParser {
    private var scanner: JSONScanner
    private var command = TextMember.missing
    private var username = TextMember.missing
    private var secret = TextMember.missing
    private var activity = ActivityMember.missing
    /// Which protocol members were seen: one bit each.
    private var seen: UInt8 = 0
    /// What stands against the message although it is JSON; the first such thing.
    private var fault: ClientFault?

    init(depthLimit: Int) {
        scanner = JSONScanner(depthLimit: depthLimit)
    }

    /// Goes through the whole line.
    mutating func scan(_ line: Span<UInt8>) throws(JSONFault) {
        try scanner.begin(in: line)
        if try scanner.enterObject(in: line) {
            while let key = try scanner.nextKey(in: line) { try scanMember(key, in: line) }
        } else {
            fault = .notAnObject(found: try scanner.scanValue(in: line).words)
        }
        try scanner.finish(in: line)
    }

    /// Whether nothing but white space stands in a line that failed to scan.
    func isBlank(_ line: Span<UInt8>) -> Bool {
        // White space is all that a scanner steps over before it needs a value.
        var scanner = JSONScanner()
        scanner.skipWhiteSpace(in: line)
        return scanner.position == line.count
    }

    /// The message that the members make up.
    func message(of line: Span<UInt8>) throws(ClientFault) -> ClientMessage {
        if let fault { throw fault }
        switch command {
        case .missing: throw .commandMissing
        case .null, .wrongType: throw .commandNotString
        case .text(let name):
            guard let command = ClientCommand(name, in: line) else { throw .unknownCommand(name) }
            return message(for: command)
        }
    }

    private func message(for command: ClientCommand) -> ClientMessage {
        switch command {
        case .activityMessage: .activity(username: username, secret: secret, activity: activity)
        case .login: .login(username: username, secret: secret)
        case .register: .register(username: username, secret: secret)
        case .logout: .logout
        case .invalidMessage: .invalidMessage
        case .authenticationFail: .authenticationFail
        case .authenticate: .authenticate(secret: secret)
        case .serverAnnounce: .serverAnnounce
        case .activityBroadcast: .activityBroadcast
        case .lockRequest: .lockRequest
        case .lockAllowed: .lockAllowed
        case .lockDenied: .lockDenied
        }
    }

    // MARK: Members

    /// Scans the value that belongs to `key`, and keeps it if the protocol knows the key.
    private mutating func scanMember(_ key: JSONString, in line: Span<UInt8>) throws(JSONFault) {
        guard let member = ClientMember(key, in: line) else {
            _ = try scanner.scanValue(in: line)
            return
        }
        let bit: UInt8 = 1 << UInt8(member.index)
        if seen & bit != 0, fault == nil { fault = .duplicateMember(member, at: key.range.lowerBound - 1) }
        seen |= bit
        switch member {
        case .command: command = try scanText(in: line)
        case .username: username = try scanText(in: line)
        case .secret: secret = try scanText(in: line)
        case .activity: activity = try scanActivity(in: line)
        }
    }

    private mutating func scanText(in line: Span<UInt8>) throws(JSONFault) -> TextMember {
        switch try scanner.scanValue(in: line) {
        case .string(let text): .text(text)
        case .null: .null
        default: .wrongType
        }
    }

    private mutating func scanActivity(in line: Span<UInt8>) throws(JSONFault) -> ActivityMember {
        // Integers in front of the activity go to nobody, so only those inside it count.
        scanner.wideIntegerOffset = nil
        guard try scanner.enterObject(in: line) else {
            _ = try scanner.scanValue(in: line)
            return .wrongType
        }
        let start = scanner.position - 1
        var contents = ActivityContents(end: scanner.position)
        while let key = try scanner.nextKey(in: line) {
            contents.begin(at: key.range.lowerBound - 1, isForged: ClientActivity.isForged(key, in: line))
            _ = try scanner.scanValue(in: line)
            contents.end = scanner.position
        }
        return .object(contents.activity(start..<scanner.position, wideIntegerOffset: scanner.wideIntegerOffset))
    }
}

/// Sorts the members of an activity into those that pass and those that the client must not set.
private struct ActivityContents {
    /// Behind the last value so far.
    var end: Int
    private(set) var forgedBytes = 0
    /// Where the forged members that were met last begin; nil after a member that passes.
    private var forgedStart: Int?
    private var isEmpty = true

    init(end: Int) { self.end = end }

    /// A member begins whose key stands at `start`. If it passes, the forged ones before it are returned.
    @discardableResult
    mutating func begin(at start: Int, isForged: Bool) -> Range<Int>? {
        isEmpty = false
        guard isForged else { return endForged(at: start) }
        forgedStart = forgedStart ?? start
        return nil
    }

    /// The comma between them and a member that passes goes with the forged ones.
    mutating func endForged(at end: Int) -> Range<Int>? {
        guard let start = forgedStart else { return nil }
        forgedStart = nil
        forgedBytes += end - start
        return start..<end
    }

    consuming func activity(_ range: Range<Int>, wideIntegerOffset: Int?) -> ClientActivity {
        // In front of forged members at the end a comma remains, or the brace.
        let needsComma = !isEmpty && forgedStart == nil
        _ = endForged(at: end)
        return ClientActivity(
            range: range, wideIntegerOffset: wideIntegerOffset, forgedBytes: forgedBytes, contentEnd: end,
            needsComma: needsComma)
    }
}

extension ClientActivity {
    fileprivate static func isForged(_ key: JSONString, in line: Span<UInt8>) -> Bool {
        key.equals("authenticated_user", in: line)
    }

    /// What the renderer leaves out: ascending, each from a key to the next member, or to the end of the last value.
    ///
    /// - Parameter line: the line that was parsed.
    func forged(in line: Span<UInt8>) -> [Range<Int>] {
        var scanner = JSONScanner(depthLimit: JSONScanner.greatestDepthLimit)
        scanner.position = range.lowerBound
        var contents = ActivityContents(end: contentEnd)
        var ranges: [Range<Int>] = []
        do throws(JSONFault) {
            guard try scanner.enterObject(in: line) else { return [] }
            while let key = try scanner.nextKey(in: line) {
                let isForged = Self.isForged(key, in: line)
                if let range = contents.begin(at: key.range.lowerBound - 1, isForged: isForged) { ranges.append(range) }
                _ = try scanner.scanValue(in: line)
            }
        } catch {
            // It has been parsed before.
        }
        if let range = contents.endForged(at: contentEnd) { ranges.append(range) }
        return ranges
    }
}

/// The commands that a connection may send, by the state machine's decision or not.
private enum ClientCommand {
    case activityMessage, login, register, logout, invalidMessage, authenticationFail
    case authenticate, serverAnnounce, activityBroadcast, lockRequest, lockAllowed, lockDenied

    /// Literals compared in a chain: a table of names would be memory that is counted at every look.
    init?(_ text: JSONString, in line: Span<UInt8>) {
        // The one that is sent most comes first.
        if text.equals("ACTIVITY_MESSAGE", in: line) {
            self = .activityMessage
        } else if text.equals("LOGIN", in: line) {
            self = .login
        } else if text.equals("REGISTER", in: line) {
            self = .register
        } else if text.equals("LOGOUT", in: line) {
            self = .logout
        } else if text.equals("INVALID_MESSAGE", in: line) {
            self = .invalidMessage
        } else if text.equals("AUTHENTICATION_FAIL", in: line) {
            self = .authenticationFail
        } else if text.equals("AUTHENTICATE", in: line) {
            self = .authenticate
        } else if text.equals("SERVER_ANNOUNCE", in: line) {
            self = .serverAnnounce
        } else if text.equals("ACTIVITY_BROADCAST", in: line) {
            self = .activityBroadcast
        } else if text.equals("LOCK_REQUEST", in: line) {
            self = .lockRequest
        } else if text.equals("LOCK_ALLOWED", in: line) {
            self = .lockAllowed
        } else if text.equals("LOCK_DENIED", in: line) {
            self = .lockDenied
        } else {
            return nil
        }
    }
}

extension ClientMember {
    fileprivate init?(_ key: JSONString, in line: Span<UInt8>) {
        if key.equals("command", in: line) {
            self = .command
        } else if key.equals("username", in: line) {
            self = .username
        } else if key.equals("secret", in: line) {
            self = .secret
        } else if key.equals("activity", in: line) {
            self = .activity
        } else {
            return nil
        }
    }

    /// A small number of its own for each member.
    fileprivate var index: Int {
        switch self {
        case .command: 0
        case .username: 1
        case .secret: 2
        case .activity: 3
        }
    }
}
