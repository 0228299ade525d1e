// A client as the real ones are.

import CEpollShim
import Codecs
import Glibc

/// Registers, logs in, follows REDIRECT, sends, reads, and comes back when its connection breaks.
public final class Client {
    public enum State: Hashable, Sendable {
        case away, connecting, registering, loggingIn, loggedIn
        /// It will not come back: it was told why, or has left.
        case ended
    }

    /// What a client is for.
    public enum Role: Hashable, Sendable {
        /// Comes back when its connection ends.
        case regular
        /// Registers a name that others want as well, logs in, and stays until it is told to go.
        case rival
        /// Logs in once to see whether it can, and leaves.
        case probe
    }

    /// Its place in the history of the round.
    public internal(set) var index: Int
    public let name: String?
    let secret: String
    public let role: Role
    public internal(set) var server: Int
    public internal(set) var state = State.away
    var isRegistered: Bool
    /// The answer to the REGISTER or the LOGIN that this client was made for.
    public internal(set) var wasGranted: Bool?
    /// What the server said before it closed.
    public internal(set) var farewell: String?
    /// Reads as fast as it can and looks at nothing.
    var isDeaf = false
    public internal(set) var bytesHeard = 0
    var fd: Int32 = -1
    /// Names the connection; a later one has another.
    var connection: UInt64 = 0
    /// The life of the server that the connection is to.
    var life = 0
    /// Each connection but one that follows a REDIRECT is a new session.
    var session = 0
    /// Its session when the round began.
    var roundSession = 0
    var presence: Int?
    var output: [UInt8] = []
    var partial: [UInt8] = []
    var returnsAt: UInt64?
    var isFollowing = false

    init(index: Int, name: String?, role: Role, server: Int, secret: String, isRegistered: Bool = false) {
        self.index = index
        self.name = name
        self.role = role
        self.server = server
        self.secret = secret
        self.isRegistered = isRegistered
    }

    deinit { if fd >= 0 { ces_close(fd) } }

    public var isLoggedIn: Bool { state == .loggedIn }

    func say(_ request: ClientRequest) { request.render(into: &output) }

    func sayFirstWords() {
        if let name, !isRegistered {
            state = .registering
            say(.register(username: Array(name.utf8), secret: Array(secret.utf8)))
        } else {
            sayLogin()
        }
    }

    func sayLogin() {
        state = .loggingIn
        say(.login(username: user, secret: name.map { _ in Array(secret.utf8) }))
    }

    func sayActivity(_ mark: Mark, padding: Int) {
        var text = "{\"mark\":\"\(mark)\""
        if padding > 0 { text += ",\"pad\":\"\(String(repeating: "x", count: padding))\"" }
        say(.activity(username: user, secret: name.map { _ in Array(secret.utf8) }, activity: Array((text + "}").utf8)))
    }

    private var user: [UInt8] { Array((name ?? "anonymous").utf8) }

    /// Sends what there is. False if the connection is of no use any more.
    func flush() -> Bool {
        while !output.isEmpty {
            let count = output.withUnsafeBytes { bytes in
                // Swift's arrays of some length always have a base.
                bytes.baseAddress.map { ces_send(fd, $0, bytes.count) } ?? 0
            }
            if count == -Int(EAGAIN) { return true }
            guard count > 0 else { return false }
            output.removeFirst(count)
        }
        return true
    }

    /// Ends the connection as if the client's machine had been pulled from the net: a reset, unread data lost.
    func hangUp(withReset: Bool) {
        guard fd >= 0 else { return }
        if withReset {
            var value = linger(l_onoff: 1, l_linger: 0)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &value, socklen_t(MemoryLayout<linger>.size))
        }
        ces_close(fd)
        fd = -1
        output = []
        partial = []
    }
}
