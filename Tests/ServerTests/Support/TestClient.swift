// One client on a blocking line: bytes out exactly as given, lines in, each wait with a deadline. Every line that a
// server sends is held against the rules of the client protocol on the way.

import Foundation
import Glibc

/// One line from the server, checked.
struct Reply: CustomStringConvertible {
    let json: JSON
    let command: String

    /// The only commands that a client may be sent.
    private static let withInfo: Set = [
        "REGISTER_SUCCESS", "REGISTER_FAILED", "LOGIN_SUCCESS", "LOGIN_FAILED", "AUTHENTICATION_FAIL",
        "INVALID_MESSAGE",
    ]

    /// - Throws: if the line breaks a rule that all servers keep towards clients.
    init(line: [UInt8]) throws {
        func fault(_ what: String) -> HarnessError {
            HarnessError("the server sent \(what): \(String(decoding: line.prefix(300), as: UTF8.self))")
        }
        guard !line.isEmpty else { throw fault("an empty line") }
        guard !line.contains(13) else { throw fault("a carriage return") }
        json = try JSON(bytes: line)
        guard let command = json["command"]?.string else { throw fault("no command") }
        self.command = command
        guard !json.members.contains(where: { $0.value == .null }) else { throw fault("a null at the top") }
        switch command {
        case let name where Self.withInfo.contains(name):
            guard json["info"]?.string != nil else { throw fault("no info string") }
        case "REDIRECT":
            guard json["hostname"]?.string != nil, json["port"]?.integer != nil else { throw fault("a bad address") }
        case "ACTIVITY_BROADCAST":
            guard let activity = json["activity"], activity.isObject else { throw fault("no activity object") }
            guard activity.members.count(where: { $0.name == "authenticated_user" }) == 1 else {
                throw fault("not exactly one authenticated_user")
            }
        default: throw fault("a command that no client knows")
        }
    }

    var activity: JSON? { json["activity"] }
    var info: String { json["info"]?.string ?? "" }
    var description: String { json.description }
}

final class TestClient {
    private var fd: Int32
    private var received: [UInt8] = []
    private(set) var hasEnded = false
    /// Whether the connection ended by a reset instead of an end of stream.
    private(set) var wasReset = false

    static let patience: Double = 10

    init(
        port: Int, host: String = "127.0.0.1", from source: String? = nil, receiveBuffer: Int32? = nil
    ) throws {
        fd = try Sockets.dial(host: host, port: port, from: source, receiveBuffer: receiveBuffer)
        let connected = Sockets.wait(fd, for: POLLOUT, Deadline(seconds: Self.patience))
        let code = Sockets.pendingError(fd)
        guard connected, code == 0 else {
            Glibc.close(fd)
            fd = -1
            throw HarnessError("cannot connect to \(host):\(port): \(String(cString: strerror(code)))")
        }
    }

    deinit { reset() }

    // MARK: Bytes out

    func send(_ text: String) throws { try send(bytes: Array(text.utf8)) }

    func send(bytes: [UInt8]) throws {
        if try !sendWhileOpen(bytes) { throw HarnessError("the server closed before all was sent") }
    }

    /// Sends as much as the server takes. False if it closed before the end. What it says meanwhile is read, so that
    /// neither side waits for the other.
    @discardableResult
    func sendWhileOpen(_ bytes: [UInt8], seconds: Double = 30) throws -> Bool {
        let deadline = Deadline(seconds: seconds)
        var position = 0
        while position < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(fd, $0.baseAddress.map { $0 + position }, $0.count - position, Int32(MSG_NOSIGNAL))
            }
            if count > 0 { position += count }
            if count < 0, errno != EAGAIN, errno != EINTR { return false }
            if count < 0, errno == EAGAIN {
                guard !deadline.isOver else { throw HarnessError("the server takes no more bytes") }
                _ = Sockets.wait(fd, for: POLLIN | POLLOUT, Deadline(seconds: 0.2))
                receiveSome(Deadline(seconds: 0))
            }
        }
        return true
    }

    /// Each byte in a segment of its own.
    func sendSingly(_ text: String) throws { for byte in text.utf8 { try send(bytes: [byte]) } }

    // MARK: Lines in

    /// Reads what is there, or waits for it. False if nothing came.
    @discardableResult
    private func receiveSome(_ deadline: Deadline) -> Bool {
        guard !hasEnded, Sockets.wait(fd, for: POLLIN, deadline) else { return false }
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = recv(fd, &buffer, buffer.count, 0)
        if count > 0 {
            received += buffer[..<count]
            return true
        }
        if count < 0, errno == EAGAIN || errno == EINTR { return true }
        hasEnded = true
        wasReset = count < 0
        return false
    }

    /// The next line without its end; nil at the end of the stream.
    ///
    /// - Throws: if nothing comes in time, or if the stream ends within a line.
    func readLine(seconds: Double = TestClient.patience) throws -> [UInt8]? {
        let deadline = Deadline(seconds: seconds)
        var searched = 0
        while true {
            if let end = received[searched...].firstIndex(of: 10) {
                defer { received.removeSubrange(...end) }
                return Array(received[..<end])
            }
            searched = received.count
            if hasEnded {
                guard received.isEmpty || wasReset else { throw HarnessError("the last line has no end") }
                return nil
            }
            if !receiveSome(deadline), !hasEnded { throw HarnessError("no line within \(seconds) s") }
        }
    }

    /// The next message.
    func reply(seconds: Double = TestClient.patience) throws -> Reply {
        guard let line = try readLine(seconds: seconds) else {
            throw HarnessError("a message expected, the connection was \(wasReset ? "reset" : "closed")")
        }
        return try Reply(line: line)
    }

    /// The next message, which must be of this kind.
    @discardableResult
    func expect(_ command: String, seconds: Double = TestClient.patience) throws -> Reply {
        let reply = try reply(seconds: seconds)
        guard reply.command == command else { throw HarnessError("\(command) expected, got \(reply)") }
        return reply
    }

    /// The next message must be the broadcast of this activity by this user.
    func expectBroadcast(_ activity: String, by user: String) throws {
        let expected = try JSON(activity).setting("authenticated_user", to: .string(user))
        let reply = try expect("ACTIVITY_BROADCAST")
        guard reply.activity == expected else { throw HarnessError("\(expected) expected, got \(reply)") }
    }

    /// The server must close, and say nothing before.
    func expectClosed(seconds: Double = TestClient.patience) throws {
        if let line = try readLine(seconds: seconds) {
            throw HarnessError("close expected, got \(String(decoding: line.prefix(300), as: UTF8.self))")
        }
    }

    /// The server must close; what it broadcasts before does not matter.
    func expectClosedEventually(seconds: Double = TestClient.patience) throws {
        while let line = try readLine(seconds: seconds) { _ = try Reply(line: line) }
    }

    /// Whether the server has closed by now; what it said before is kept.
    func isClosedByServer() -> Bool {
        while receiveSome(Deadline(seconds: 0)) {}
        return hasEnded
    }

    // MARK: Ending

    func shutdownWriting() { shutdown(fd, Int32(SHUT_WR)) }

    func close() {
        if fd >= 0 { Glibc.close(fd) }
        fd = -1
        hasEnded = true
    }

    /// Closes so that the server sees a reset.
    func reset() {
        if fd >= 0 { Sockets.closeWithReset(fd) }
        fd = -1
        hasEnded = true
    }

    // MARK: The protocol

    func register(_ user: String, _ secret: String) throws {
        try send(Line.register(user, secret))
        try expect("REGISTER_SUCCESS")
    }

    /// Logs in; without a name as anonymous.
    func login(_ user: String = "anonymous", _ secret: String? = nil) throws {
        try send(Line.login(user, secret))
        try expect("LOGIN_SUCCESS")
    }

    func say(_ activity: String, as user: String = "anonymous", _ secret: String? = nil) throws {
        try send(Line.activity(activity, as: user, secret))
    }

    /// Says something and waits until it has come back, past what others say.
    func sayAndHear(_ activity: String, as user: String = "anonymous", _ secret: String? = nil) throws {
        try say(activity, as: user, secret)
        try hear(activity, by: user)
    }

    /// Reads until this broadcast comes.
    func hear(_ activity: String, by user: String = "anonymous") throws {
        let expected = try JSON(activity).setting("authenticated_user", to: .string(user))
        while try expect("ACTIVITY_BROADCAST").activity != expected {}
    }
}

/// The lines that clients send.
enum Line {
    static func register(_ user: String, _ secret: String) -> String {
        #"{"command":"REGISTER","username":\#(JSON.quoted(user)),"secret":\#(JSON.quoted(secret))}"# + "\n"
    }

    static func login(_ user: String, _ secret: String?) -> String {
        #"{"command":"LOGIN","username":\#(JSON.quoted(user))\#(member(secret))}"# + "\n"
    }

    static func activity(_ activity: String, as user: String, _ secret: String?) -> String {
        #"{"command":"ACTIVITY_MESSAGE","username":\#(JSON.quoted(user))\#(member(secret)),"activity":\#(activity)}"#
            + "\n"
    }

    static let logout = #"{"command":"LOGOUT"}"# + "\n"

    private static func member(_ secret: String?) -> String { secret.map { #","secret":\#(JSON.quoted($0))"# } ?? "" }
}
