import Codecs

/// What simulated clients say. Anonymous clients send no secret.
enum ClientLine {
    static func register(name: String, secret: String) -> [UInt8] {
        ClientRequest.register(username: Array(name.utf8), secret: Array(secret.utf8)).rendered()
    }

    static func login(name: String?, secret: String) -> [UInt8] {
        ClientRequest.login(username: user(name), secret: name.map { _ in Array(secret.utf8) }).rendered()
    }

    /// An activity of at least `bytes` bytes: its number begins with as many zeros as that takes.
    static func activity(name: String?, secret: String, mark: ActivityMark, bytes: Int = 0) -> [UInt8] {
        let zeros = String(repeating: "0", count: max(0, bytes - 20))
        let activity = Array(#"{"mark":"\#(mark.sender)/\#(zeros)\#(mark.number)"}"#.utf8)
        let secret = name.map { _ in Array(secret.utf8) }
        return ClientRequest.activity(username: user(name), secret: secret, activity: activity).rendered()
    }

    static let logout = ClientRequest.logout.rendered()

    private static func user(_ name: String?) -> [UInt8] { Array((name ?? "anonymous").utf8) }
}

/// Names a simulated activity: the client that sent it and its number there. It travels as `"mark":"3/17"`.
struct ActivityMark: Hashable, Codable, CustomStringConvertible {
    var sender: Int
    var number: Int

    var description: String { "\(sender)/\(number)" }

    init(sender: Int, number: Int) {
        self.sender = sender
        self.number = number
    }

    init?(_ text: String) {
        let parts = text.split(separator: "/")
        guard parts.count == 2, let sender = Int(parts[0]), let number = Int(parts[1]) else { return nil }
        self.init(sender: sender, number: number)
    }
}

/// A line of a server, as a simulated client understands it.
enum ServerLine: Hashable, CustomStringConvertible {
    case registerSuccess
    case registerFailed(String)
    case loginSuccess
    case loginFailed(String)
    case redirect(PeerAddress)
    case broadcast(ActivityMark, user: String)
    case authenticationFail(String)
    case invalidMessage(String)
    case notUnderstood(String)

    /// A line with or without its end.
    init(_ line: [UInt8]) {
        let text = line.last == 0x0A ? Array(line.dropLast()) : line
        do throws(ServerMessageFault) {
            self = Self.make(of: try ServerMessage.parse(text.span), in: text)
        } catch {
            self = .notUnderstood("\(error): \(String(decoding: text, as: UTF8.self))")
        }
    }

    private static func make(of message: ServerMessage, in line: [UInt8]) -> ServerLine {
        switch message {
        case .registerSuccess: .registerSuccess
        case .registerFailed(let info): .registerFailed(String(decoding: info, as: UTF8.self))
        case .loginSuccess: .loginSuccess
        case .loginFailed(let info): .loginFailed(String(decoding: info, as: UTF8.self))
        case .authenticationFail(let info): .authenticationFail(String(decoding: info, as: UTF8.self))
        case .invalidMessage(let info): .invalidMessage(String(decoding: info, as: UTF8.self))
        case .redirect(let host, let port):
            .redirect(PeerAddress(host: String(decoding: host, as: UTF8.self), port: port))
        case .activityBroadcast(let range): broadcast(of: Array(line[range]))
        case .activityAcknowledged, .position, .unknown: .notUnderstood(String(decoding: line, as: UTF8.self))
        }
    }

    /// Simulated activities hold nothing but the mark, to which the server adds the user: any other content is a fault
    /// of the server, and shows as a line that is not understood.
    private static func broadcast(of activity: [UInt8]) -> ServerLine {
        let pieces = activity.split(separator: UInt8(ascii: "\""), omittingEmptySubsequences: false)
        guard pieces.count == frame.count,
            zip(pieces, frame).allSatisfy({ piece, expected in expected.map { piece.elementsEqual($0.utf8) } ?? true }),
            let mark = ActivityMark(String(decoding: pieces[3], as: UTF8.self))
        else { return .notUnderstood(String(decoding: activity, as: UTF8.self)) }
        return .broadcast(mark, user: String(decoding: pieces[7], as: UTF8.self))
    }

    /// What stands between an activity's quotes; nil for the mark and the user.
    private static let frame: [String?] = ["{", "mark", ":", nil, ",", "authenticated_user", ":", nil, "}"]

    var description: String {
        switch self {
        case .registerSuccess: "REGISTER_SUCCESS"
        case .registerFailed(let info): "REGISTER_FAILED \(info)"
        case .loginSuccess: "LOGIN_SUCCESS"
        case .loginFailed(let info): "LOGIN_FAILED \(info)"
        case .redirect(let address): "REDIRECT \(address)"
        case .broadcast(let mark, let user): "ACTIVITY_BROADCAST \(mark) of \(user)"
        case .authenticationFail(let info): "AUTHENTICATION_FAIL \(info)"
        case .invalidMessage(let info): "INVALID_MESSAGE \(info)"
        case .notUnderstood(let line): "not understood: \(line)"
        }
    }
}

/// Understands lines, and each line that many clients read only once.
struct ServerLineReader {
    private var known: [Key: ServerLine] = [:]
    /// Lines kept: more than are on their way at a time in any scenario so far (a guess); then it begins anew.
    private static let knownMax = 4096

    mutating func read(_ line: [UInt8]) -> ServerLine {
        let key = Key(line: line)
        if let line = known[key] { return line }
        if known.count == Self.knownMax { known.removeAll(keepingCapacity: true) }
        let understood = ServerLine(line)
        known[key] = understood
        return understood
    }

    /// An array of bytes hashes itself byte by byte, with a call for each: most of what it costs to know a line.
    private struct Key: Hashable {
        var line: [UInt8]

        func hash(into hasher: inout Hasher) { unsafe line.withUnsafeBytes { unsafe hasher.combine(bytes: $0) } }
    }
}
