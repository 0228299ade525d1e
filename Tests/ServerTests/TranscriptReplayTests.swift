// Real clients, byte for byte: each recorded session is replayed against real servers, and what they answer must be
// what the recording shows, as far as a real server can give it.
//
// The recordings were made with a scripted stub. How each scenario is brought about here, and what is held against it:
//
// | scenario                    | before the replay        | expected                                                  |
// |-----------------------------|--------------------------|-----------------------------------------------------------|
// | anon-, login-session        | alice registered         | the recorded replies and broadcasts, in order             |
// | register-session            | nothing                  | the same                                                  |
// | redirect-at-login(-anon),   | 2 servers, the first has | the recorded replies, REDIRECT to server 2 included; the  |
// | redirect-after-register     | 2 clients, the other 1   | rest is played there                                      |
// | redirect-mid-session(-anon) | alice registered         | REDIRECT is not provoked: each connection in turn, at one |
// |                             |                          | server, gets what it would get without                    |
// | tolerance                   | alice registered         | bob's activities arrive; odd framing is the stub's alone  |
// | send-special                | alice registered         | the activity comes back as it was sent, but for the name  |
// | huge-integer, blank-line,   | alice registered         | the hostile line is the stub's alone; the client's        |
// | activity-is-string,         |                          | reaction to it gets what the protocol demands             |
// | unknown-command             |                          |                                                           |
// | server-closes, -resets      | alice registered         | the client's bytes; the server does not go away           |
// | login-failed                | nothing                  | LOGIN_FAILED, close                                       |
// | register-failed             | alice registered         | REGISTER_FAILED, close                                    |
// | invalid-message,            | alice registered         | the client does nothing wrong: no error. What it says to  |
// | authentication-fail         |                          | the stub's error (LOGOUT, INVALID_MESSAGE) ends it        |
//
// Everywhere: LOGOUT and INVALID_MESSAGE from the client get a silent close; K's ACTIVITY_REPLY gets INVALID_MESSAGE
// and a close; L's ACTIVITY_MESSAGE on a connection without LOGIN gets AUTHENTICATION_FAIL and a close. What a client
// writes after that goes to a closed connection, as in life.

import Testing

extension LightTests {
    @Suite(.timeLimit(.minutes(10))) struct TranscriptReplayTests {
        @Test func allRecordingsAreThere() {
            #expect(Transcript.all.count == 319)
            #expect(Set(Transcript.all.map(\.client)).count == 17)
        }

        @Test(arguments: Transcript.all)
        func realServersAnswerTheRecordedClient(_ transcript: Transcript) throws {
            if transcript.isRedirectedAtLogin {
                try replayWithRedirect(transcript)
            } else {
                try withServer { server in
                    try Replay(transcript, ports: [server.port, server.port]).run(helper: server.port)
                }
            }
        }

        /// Whether a login is redirected depends on what the first server has heard of the second one's load. If that was
        /// stale, the recording is played again in a fresh network.
        private func replayWithRedirect(_ transcript: Transcript) throws {
            for attempt in 1...5 {
                do {
                    try withNetwork(2) { network in
                        let others = try makeFirstServerBusier(network)
                        defer { for other in others { other.close() } }
                        try Replay(transcript, ports: network.ports).run(helper: network.ports[1])
                    }
                    return
                } catch let fault as HarnessError {
                    guard fault.description.contains(Replay.notRedirected), attempt < 5 else { throw fault }
                }
            }
        }

        /// Two clients at the first server. With bob at the second one, a third at the first is sent away.
        private func makeFirstServerBusier(_ network: Network) throws -> [TestClient] {
            var clients: [TestClient] = []
            let first = try TestClient(port: network.ports[0])
            try first.login()
            clients.append(first)
            let second = try TestClient(port: network.ports[1])
            try second.login()
            clients.append(second)
            try wait(for: "a second client that stays at the first server", seconds: 20, every: 100) {
                let third = try TestClient(port: network.ports[0])
                try third.login()
                // It stays if its own activity comes back.
                try third.say(#"{"probe":1}"#)
                let answer = try third.reply()
                guard answer.command == "REDIRECT" else {
                    clients.append(third)
                    return true
                }
                return false
            }
            second.close()
            try network.waitForSessions(2)
            return clients
        }
    }
}

extension Transcript {
    var isRedirectedAtLogin: Bool {
        scenario.hasPrefix("redirect-at") && entries.contains { $0.message?["command"] == .string("REDIRECT") }
    }

    /// Whether alice exists before the client starts.
    fileprivate var needsAlice: Bool {
        let registers = entries.contains {
            $0.direction == .toServer && $0.message?["command"] == .string("REGISTER")
        }
        return scenario == "register-failed" || !registers && scenario != "login-failed"
    }

    /// Whether every recorded reply must come from a real server too.
    fileprivate var isStrict: Bool {
        scenario.hasSuffix("-session") && !scenario.hasPrefix("redirect") || isRedirectedAtLogin
            || ["login-failed", "register-failed", "send-special"].contains(scenario)
    }
}

/// Plays the client's part of one recording and holds what the servers say against it.
private final class Replay {
    static let notRedirected = "the login was not redirected"

    /// What the protocol has made of a connection so far.
    private enum Phase { case new, loggedIn(user: String, secret: String?), redirected, ended }

    private let transcript: Transcript
    private let ports: [Int]
    private var clients: [Int: TestClient] = [:]
    private var phases: [Int: Phase] = [:]
    /// What the servers have said on each connection, and have not been recorded as saying yet.
    private var said: [Int: [Reply]] = [:]
    private var bob: TestClient?

    init(_ transcript: Transcript, ports: [Int]) {
        self.transcript = transcript
        self.ports = ports
    }

    /// - Parameter helper: the port of the server at which alice is registered and bob is logged in.
    func run(helper: Int) throws {
        let bob = try TestClient(port: helper)
        self.bob = bob
        if transcript.needsAlice { try bob.register("alice", "wonder1") }
        try bob.register("bob", "builder")
        try bob.login("bob", "builder")
        for (index, entry) in transcript.entries.enumerated() {
            do { try play(entry, index) } catch {
                throw HarnessError("\(transcript.testDescription), line \(index + 1), \(entry.text): \(error)")
            }
        }
        for client in clients.values { client.close() }
        try bob.sayAndHear(#"{"still":"served"}"#, as: "bob", "builder")
    }

    private func play(_ entry: Transcript.Entry, _ index: Int) throws {
        guard let number = entry.connection else { return }
        switch entry.direction {
        case .toServer: try send(entry, number, index)
        case .toClient: try compare(entry, number)
        case .event:
            switch entry.text {
            case "connect":
                clients[number] = try TestClient(port: ports[(entry.server ?? 1) - 1])
                phases[number] = .new
            case "client closed": clients[number]?.close()
            case "client reset": clients[number]?.reset()
            default: break
            }
        }
    }

    // MARK: The client's lines

    private func send(_ entry: Transcript.Entry, _ number: Int, _ index: Int) throws {
        guard let client = clients[number], let phase = phases[number] else { throw HarnessError("not connected") }
        guard let message = entry.message, let command = message["command"]?.string else {
            throw HarnessError("the recorded client sends no JSON")
        }
        if case .ended = phase {
            try client.sendWhileOpen(entry.bytes)
            return
        }
        try client.send(bytes: entry.bytes)
        switch (command, phase) {
        case ("LOGOUT", _), ("INVALID_MESSAGE", _): try expectEnd(nil, number)
        case ("REGISTER", .new):
            if transcript.scenario == "register-failed" {
                try expectEnd("REGISTER_FAILED", number)
            } else {
                try expect("REGISTER_SUCCESS", number)
            }
        case ("LOGIN", _): try login(message, number, index)
        case ("ACTIVITY_MESSAGE", .new): try expectEnd("AUTHENTICATION_FAIL", number)
        case ("ACTIVITY_MESSAGE", .loggedIn(let user, _)):
            let reply = try expect("ACTIVITY_BROADCAST", number)
            let expected = message["activity"]?.setting("authenticated_user", to: .string(user))
            guard reply.activity == expected else { throw HarnessError("came back as \(reply)") }
        case ("ACTIVITY_MESSAGE", .redirected): break
        default: try expectEnd("INVALID_MESSAGE", number)
        }
    }

    private func login(_ message: JSON, _ number: Int, _ index: Int) throws {
        if transcript.scenario == "login-failed" { return try expectEnd("LOGIN_FAILED", number) }
        try expect("LOGIN_SUCCESS", number)
        phases[number] = .loggedIn(user: message["username"]?.string ?? "", secret: message["secret"]?.string)
        let next = transcript.entries[(index + 1)...].filter { $0.connection == number && $0.direction == .toClient }
        guard transcript.isRedirectedAtLogin,
            next.prefix(2).last?.message?["command"] == .string("REDIRECT")
        else { return }
        guard let client = clients[number], let reply = try? client.expect("REDIRECT", seconds: 3) else {
            throw HarnessError(Self.notRedirected)
        }
        guard reply.json["hostname"] == .string("127.0.0.1"), reply.json["port"]?.integer == ports[1] else {
            throw HarnessError("redirected elsewhere: \(reply)")
        }
        said[number, default: []].append(reply)
        phases[number] = .redirected
        try client.expectClosed()
    }

    @discardableResult
    private func expect(_ command: String, _ number: Int) throws -> Reply {
        guard let client = clients[number] else { throw HarnessError("not connected") }
        let reply = try client.expect(command)
        said[number, default: []].append(reply)
        return reply
    }

    /// The server says this, or nothing, and closes.
    private func expectEnd(_ command: String?, _ number: Int) throws {
        if let command { try expect(command, number) }
        // The stub let these pass, so no recorded line corresponds.
        if ["INVALID_MESSAGE", "AUTHENTICATION_FAIL"].contains(command) { said[number] = [] }
        phases[number] = .ended
        try clients[number]?.expectClosed()
    }

    // MARK: The server's lines

    /// Holds a recorded line of the stub against what the real server has said, or lets bob bring it about.
    private func compare(_ entry: Transcript.Entry, _ number: Int) throws {
        let message = entry.message
        if case .ended? = phases[number], said[number, default: []].isEmpty { return }
        if let activity = message?["activity"], isBobs(message) { return try letBobSay(activity, number) }
        guard transcript.isStrict else {
            said[number] = []
            return
        }
        guard let reply = said[number]?.first else { throw HarnessError("the server did not say it") }
        said[number]?.removeFirst()
        guard reply.command == message?["command"]?.string, reply.activity == message?["activity"] else {
            throw HarnessError("the server said \(reply)")
        }
    }

    private func isBobs(_ message: JSON?) -> Bool {
        guard let activity = message?["activity"], activity.isObject, !activity.hasHugeInteger else { return false }
        return [nil, .string("bob")].contains(activity["authenticated_user"])
    }

    private func letBobSay(_ activity: JSON, _ number: Int) throws {
        guard let bob, let client = clients[number], !client.hasEnded, case .loggedIn? = phases[number] else { return }
        try bob.sayAndHear(activity.description, as: "bob", "builder")
        let reply = try client.expect("ACTIVITY_BROADCAST")
        guard reply.activity == activity.setting("authenticated_user", to: .string("bob")) else {
            throw HarnessError("bob's activity arrived as \(reply)")
        }
    }
}
