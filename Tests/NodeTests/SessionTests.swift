import Codecs
import Testing

@testable import Node

/// What one server answers to clients, row by row of the client protocol.
@Suite struct SessionTests {
    struct Row: CustomTestStringConvertible {
        var said: [String]
        var answered: [String]
        var reason: SessionCloseReason?
        var testDescription: String { said.last.map { String($0.prefix(100)) } ?? "" }

        init(_ said: String..., answers: [String] = [], ends reason: SessionCloseReason? = nil) {
            self.said = said
            answered = answers
            self.reason = reason
        }
    }

    private static let register = #"{"command":"REGISTER","username":"ada","secret":"s"}"#
    private static let login = #"{"command":"LOGIN","username":"ada","secret":"s"}"#
    private static let anonymous = #"{"command":"LOGIN","username":"anonymous"}"#
    private static let registered = "REGISTER_SUCCESS: register success for ada"
    private static let loggedIn = "LOGIN_SUCCESS: logged in as user ada"
    private static let loggedInAnonymous = "LOGIN_SUCCESS: logged in as user anonymous"

    private static func activity(_ members: String) -> String { "{\"command\":\"ACTIVITY_MESSAGE\",\(members)}" }

    /// Plays the lines to a fresh server that knows ada; returns the replies as "COMMAND: info" and why it ended.
    private func play(
        _ lines: [String], change: (inout NodeConfiguration) -> Void = { _ in }
    ) -> (replies: [String], reason: SessionCloseReason?) {
        let wires = Wires.network(1, change: change)
        wires.drop(wires.register("ada", at: 0))
        let client = wires.connect(to: 0)
        for line in lines { wires.say(line, by: client) }
        let replies = wires.clients[client].lines.map { line in
            line.replacing("{\"command\":\"", with: "").replacing("\",\"info\":\"", with: ": ").replacing(
                "\"}", with: "")
        }
        return (replies, wires.clients[client].isFinished)
    }

    private static func invalid(_ said: String..., info: String) -> Row {
        var row = Row(answers: ["INVALID_MESSAGE: " + info], ends: .invalidMessage)
        row.said = said
        return row
    }

    static let malformed: [Row] = [
        invalid("", info: "JSON parse error while parsing message: the line is empty"),
        invalid("[]", info: "the received message is not a JSON object but an array"),
        invalid("null", info: "the received message is not a JSON object but null"),
        invalid("7", info: "the received message is not a JSON object but a number"),
        invalid("{}", info: "the received message did not contain a command"),
        invalid(
            #"{"command":7}"#,
            info: "the received message did not contain a command: its \\\"command\\\" is not a string"),
        invalid(#"{"command":"login"}"#, info: "received message with unknown command: login"),
        invalid(#"{"command":"LOGIN_SUCCESS"}"#, info: "received message with unknown command: LOGIN_SUCCESS"),
        Row(#"{"command":"INVALID_MESSAGE","info":"x"}"#, ends: .peerSaidInvalid),
        Row(#"{"command":"AUTHENTICATION_FAIL","info":"x"}"#, ends: .peerSaidInvalid),
    ]

    static let registrations: [Row] = [
        Row(
            #"{"command":"REGISTER","username":"bob","secret":"s"}"#,
            answers: ["REGISTER_SUCCESS: register success for bob"]),
        invalid(#"{"command":"REGISTER","secret":"s"}"#, info: #"REGISTER needs a \"username\" that is a string"#),
        invalid(
            #"{"command":"REGISTER","username":null,"secret":"s"}"#,
            info: #"REGISTER needs a \"username\" that is a string"#),
        invalid(#"{"command":"REGISTER","username":"bob"}"#, info: #"REGISTER needs a \"secret\" that is a string"#),
        invalid(
            #"{"command":"REGISTER","username":"bob","secret":7}"#,
            info: #"REGISTER needs a \"secret\" that is a string"#),
        invalid(
            #"{"command":"REGISTER","username":"","secret":"s"}"#,
            info: #"REGISTER needs a \"username\" that is not empty"#),
        Row(
            #"{"command":"REGISTER","username":"anonymous","secret":"s"}"#,
            answers: ["REGISTER_FAILED: anonymous is already registered with the system"], ends: .registerFailed),
        Row(
            register, answers: ["REGISTER_FAILED: ada is already registered with the system"], ends: .registerFailed),
        Row(
            #"{"command":"REGISTER","username":"ada","secret":"another"}"#,
            answers: ["REGISTER_FAILED: ada is already registered with the system"], ends: .registerFailed),
        Row(
            anonymous, register,
            answers: [
                loggedInAnonymous,
                "INVALID_MESSAGE: REGISTER is not possible after a login on the same connection",
            ], ends: .invalidMessage),
    ]

    static let logins: [Row] = [
        Row(anonymous, answers: [loggedInAnonymous]),
        Row(#"{"command":"LOGIN","username":"anonymous","secret":""}"#, answers: [loggedInAnonymous]),
        Row(#"{"command":"LOGIN","username":"anonymous","secret":null}"#, answers: [loggedInAnonymous]),
        Row(#"{"command":"LOGIN","username":"anonymous","secret":[1]}"#, answers: [loggedInAnonymous]),
        Row(login, answers: [loggedIn]),
        invalid(#"{"command":"LOGIN"}"#, info: #"LOGIN needs a \"username\" that is a string"#),
        invalid(#"{"command":"LOGIN","username":null}"#, info: #"LOGIN needs a \"username\" that is a string"#),
        invalid(
            #"{"command":"LOGIN","username":"ada"}"#, info: #"LOGIN by name needs a \"secret\" that is a string"#),
        invalid(
            #"{"command":"LOGIN","username":"ada","secret":null}"#,
            info: #"LOGIN by name needs a \"secret\" that is a string"#),
        Row(
            #"{"command":"LOGIN","username":"ada","secret":"wrong"}"#,
            answers: ["LOGIN_FAILED: attempt to login with wrong secret"], ends: .loginFailed),
        Row(
            #"{"command":"LOGIN","username":"eve","secret":"s"}"#,
            answers: ["LOGIN_FAILED: attempt to login with wrong secret"],
            ends: .loginFailed),
        Row(anonymous, login, answers: [loggedInAnonymous, loggedIn]),
        Row(login, anonymous, answers: [loggedIn, loggedInAnonymous]),
        Row(
            login, #"{"command":"LOGIN","username":"ada","secret":"wrong"}"#,
            answers: [loggedIn, "LOGIN_FAILED: attempt to login with wrong secret"], ends: .loginFailed),
        Row(#"{"command":"LOGOUT"}"#, ends: .logout),
        Row(anonymous, #"{"command":"LOGOUT"}"#, answers: [loggedInAnonymous], ends: .logout),
    ]

    static let activities: [Row] = [
        Row(
            activity(#""username":"anonymous","activity":{}"#),
            answers: ["AUTHENTICATION_FAIL: an activity needs a login first"], ends: .authenticationFailed),
        Row(
            activity(#""username":7"#), answers: ["AUTHENTICATION_FAIL: an activity needs a login first"],
            ends: .authenticationFailed),
        Row(
            anonymous, activity(#""activity":{}"#),
            answers: [loggedInAnonymous, #"INVALID_MESSAGE: ACTIVITY_MESSAGE needs a \"username\" that is a string"#],
            ends: .invalidMessage),
        Row(
            anonymous, activity(#""username":"ada","secret":"s","activity":{}"#),
            answers: [loggedInAnonymous, "AUTHENTICATION_FAIL: the username is not that of the login"],
            ends: .authenticationFailed),
        Row(
            login, activity(#""username":"anonymous","activity":{}"#),
            answers: [loggedIn, "AUTHENTICATION_FAIL: the username is not that of the login"],
            ends: .authenticationFailed),
        Row(
            login, activity(#""username":"ada","activity":{}"#),
            answers: [loggedIn, #"INVALID_MESSAGE: ACTIVITY_MESSAGE needs a \"secret\" that is a string"#],
            ends: .invalidMessage),
        Row(
            login, activity(#""username":"ada","secret":"wrong","activity":{}"#),
            answers: [loggedIn, "AUTHENTICATION_FAIL: the supplied secret is incorrect"],
            ends: .authenticationFailed),
        Row(
            anonymous, activity(#""username":"anonymous""#),
            answers: [
                loggedInAnonymous, #"INVALID_MESSAGE: ACTIVITY_MESSAGE needs an \"activity\" that is an object"#,
            ],
            ends: .invalidMessage),
        Row(
            anonymous, activity(#""username":"anonymous","activity":[]"#),
            answers: [
                loggedInAnonymous, #"INVALID_MESSAGE: ACTIVITY_MESSAGE needs an \"activity\" that is an object"#,
            ],
            ends: .invalidMessage),
    ]

    static let serversOfProject1: [Row] =
        [
            Row(
                #"{"command":"AUTHENTICATE","secret":"netkey"}"#,
                answers: ["AUTHENTICATION_FAIL: the supplied secret is incorrect"], ends: .authenticationFailed),
            invalid(#"{"command":"AUTHENTICATE"}"#, info: #"AUTHENTICATE needs a \"secret\" that is a string"#),
            invalid(
                #"{"command":"AUTHENTICATE","secret":"network secret"}"#,
                info: "this network does not speak the Project 1 server protocol"),
        ]
        + [
            #"{"command":"SERVER_ANNOUNCE","id":"n","load":0,"hostname":"localhost","port":3780}"#,
            #"{"command":"ACTIVITY_BROADCAST","activity":{}}"#,
            #"{"command":"LOCK_REQUEST","username":"ada","secret":"s"}"#,
            #"{"command":"LOCK_ALLOWED","username":"ada","secret":"s"}"#,
            #"{"command":"LOCK_DENIED","username":"ada","secret":"s"}"#,
        ].map { line in
            invalid(line, info: "this command is for servers of Project 1, and this connection is not one")
        }

    @Test(arguments: malformed + registrations + logins + activities + serversOfProject1)
    func `the decision table`(row: Row) {
        let (replies, reason) = play(row.said)
        #expect(replies == row.answered)
        #expect(reason == row.reason)
    }

    // MARK: Activities

    @Test func `an activity comes back to its sender under the name of the login, and passes as written`() {
        let wires = Wires.network(1)
        let client = wires.anonymous(at: 0)
        wires.say(
            #"{"command":"ACTIVITY_MESSAGE","username":"anonymous","activity":{"a":1.0,"authenticated_user":"x","b":[null]}}"#,
            by: client)
        #expect(
            wires.clients[client].lines.dropFirst() == [
                #"{"command":"ACTIVITY_BROADCAST","activity":{"a":1.0,"b":[null],"authenticated_user":"anonymous"}}"#
            ])
    }

    @Test func `an integer outside 64 bits is refused unless the option allows it`() {
        let line = Self.activity(#""username":"anonymous","activity":{"n":9223372036854775808}"#)
        let (refused, reason) = play([Self.anonymous, line])
        #expect(
            refused == [
                Self.loggedInAnonymous, "INVALID_MESSAGE: the activity has an integer outside 64 bits at byte 69",
            ])
        #expect(reason == .invalidMessage)
        let (allowed, end) = play([Self.anonymous, line]) { $0.allowsHugeIntegers = true }
        #expect(allowed.count == 2 && allowed[1].contains("9223372036854775808"))
        #expect(end == nil)
    }

    @Test func `nobody hears before a login or after a logout`() {
        let wires = Wires.network(1)
        let silent = wires.connect(to: 0)
        let gone = wires.anonymous(at: 0)
        wires.say(#"{"command":"LOGOUT"}"#, by: gone)
        wires.post("x", by: wires.anonymous(at: 0))
        #expect(wires.clients[silent].lines.isEmpty)
        #expect(wires.texts(gone).isEmpty)
        #expect(wires.nodes[0].statistics.sessions == 1)
    }

    // MARK: The stream of lines

    @Test func `REGISTER keeps the connection, and a LOGIN in the same segment waits for its answer`() {
        let wires = Wires.network(2)
        let client = wires.connect(to: 0)
        wires.say(Self.register + "\r\n" + Self.login, by: client)
        wires.pass(milliseconds: 20)
        #expect(wires.commands(client) == ["REGISTER_SUCCESS", "LOGIN_SUCCESS"])
        #expect(wires.clients[client].isFinished == nil)
    }

    @Test func `a second LOGIN changes who it is and not the load`() {
        let wires = Wires.network(1)
        wires.drop(wires.register("ada", at: 0))
        let client = wires.anonymous(at: 0)
        wires.say(Self.login, by: client)
        #expect(wires.nodes[0].statistics.sessions == 1)
        wires.post("x", as: "ada", by: client)
        #expect(wires.clients[client].lines.last?.contains(#""authenticated_user":"ada""#) == true)
    }

    @Test func `the last line may lack its end, and the end of the stream is a logout`() {
        let wires = Wires.network(1)
        let listener = wires.anonymous(at: 0)
        let client = wires.anonymous(at: 0)
        wires.write(
            Array(#"{"command":"ACTIVITY_MESSAGE","username":"anonymous","activity":{"text":"last"}}"#.utf8),
            by: client)
        wires.end(client)
        #expect(wires.texts(listener) == ["last"])
        #expect(wires.clients[client].isFinished == .logout)
        #expect(wires.nodes[0].statistics.sessions == 1)
    }

    @Test func `a request in the last line is answered before the end of the stream counts`() {
        let wires = Wires.network(1)
        let client = wires.connect(to: 0)
        wires.write(Array(Self.register.utf8), by: client)
        wires.end(client)
        #expect(wires.commands(client) == ["REGISTER_SUCCESS"])
        #expect(wires.clients[client].isFinished == .logout)
    }

    @Test(arguments: [true, false])
    func `a line over the limit is refused, whether its end came or not`(hasEnd: Bool) {
        let wires = Wires.network(1) { $0.limits.lineBytes = 100 }
        let client = wires.connect(to: 0)
        wires.write([UInt8](repeating: 0x20, count: 100), by: client)
        #expect(wires.clients[client].isFinished == nil)
        wires.write(hasEnd ? [0x20, 0x0A] : [0x20], by: client)
        #expect(wires.clients[client].isFinished == .lineTooLong)
        #expect(wires.commands(client) == ["INVALID_MESSAGE"])
    }

    @Test func `a client that closes while its secret is hashed leaves nothing behind`() {
        let desk = Desk()
        let client = desk.connect()
        desk.say(Self.register + "\n", by: client)
        desk.node.clientClosed(client, at: desk.now)
        desk.hash()
        #expect(desk.node.jobs.isEmpty && desk.node.hashJobs.isEmpty)
        #expect(desk.replies.isEmpty)
        #expect(desk.node.statistics.claims == 0)
    }

    @Test func `clients that come before the state transfer is in are answered after it`() {
        let wires = Wires()
        wires.add()
        wires.drop(wires.register("ada", at: 0))
        wires.hold(0, 1)
        let joiner = wires.add(bootstrap: 0)
        let client = wires.login("ada", at: joiner)
        wires.pass(milliseconds: 100)
        #expect(wires.clients[client].lines.isEmpty)
        wires.release(0, 1)
        #expect(wires.commands(client) == ["LOGIN_SUCCESS"])
    }

    @Test func `a job that ends after its session was closed says nothing more`() {
        let desk = Desk()
        let client = desk.anonymous()
        desk.say(Self.register.replacing("REGISTER", with: "LOGIN") + "\n", by: client)
        desk.hash()
        #expect(desk.finished[client] == .loginFailed)
        let second = desk.connect()
        desk.say(Self.register + "\n", by: second)
        desk.hash()
        let third = desk.connect()
        desk.say(Self.anonymous + "\n", by: third)
        desk.node.shutdown(at: desk.now)
        desk.settle()
        desk.hash()
        #expect(desk.node.statistics.sessions == 0)
    }
}
