// What a client may do wrong, row by row, and what it gets for it. Each row has a server of its own and a bystander,
// who must notice nothing.

import Testing

/// One row: who says what, and what follows.
struct Row: Sendable, CustomTestStringConvertible {
    enum State: Sendable { case new, anonymous, alice }

    enum Outcome: Sendable {
        /// This reply, with an `info` text, and then the connection is closed.
        case closes(String)
        /// One of these replies, and then the connection is closed.
        case closesWithOneOf([String])
        /// No reply: closed.
        case closesSilently
        /// This reply, and the connection stays as it is.
        case stays(String)
        /// The activity comes back as this, from this user.
        case broadcasts(String, by: String)
    }

    let name: String
    let state: State
    let bytes: [UInt8]
    let outcome: Outcome

    var testDescription: String { name }

    init(_ name: String, _ line: String, _ outcome: Outcome) { self.init(name, .new, line, outcome) }

    init(_ name: String, _ state: State, _ line: String, _ outcome: Outcome) {
        self.init(name, state, bytes: Array((line + "\n").utf8), outcome)
    }

    init(_ name: String, _ state: State = .new, bytes: [UInt8], _ outcome: Outcome) {
        self.name = name
        self.state = state
        self.bytes = bytes
        self.outcome = outcome
    }
}

extension Row {
    /// Plays the row at a server of its own.
    func play(_ options: ServerOptions = ServerOptions()) throws {
        try withServer(options) { server in
            let bystander = try TestClient(port: server.port)
            try bystander.register("alice", "wonder1")
            try bystander.login()
            let client = try TestClient(port: server.port)
            try enter(client)
            try client.send(bytes: bytes)
            try check(client, bystander)
            // Had the bystander been sent anything meanwhile, it would come first.
            let marker = try TestClient(port: server.port)
            try marker.login()
            try marker.sayAndHear(#"{"marker":1}"#)
            try bystander.expectBroadcast(#"{"marker":1}"#, by: "anonymous")
        }
    }

    private func enter(_ client: TestClient) throws {
        switch state {
        case .new: break
        case .anonymous: try client.login()
        case .alice: try client.login("alice", "wonder1")
        }
    }

    private func check(_ client: TestClient, _ bystander: TestClient) throws {
        switch outcome {
        case .closes(let command):
            try client.expect(command)
            try client.expectClosed()
        case .closesWithOneOf(let commands):
            let reply = try client.reply()
            guard commands.contains(reply.command) else { throw HarnessError("one of \(commands), got \(reply)") }
            try client.expectClosed()
        case .closesSilently:
            try client.expectClosed()
        case .stays(let command):
            try client.expect(command)
            // The quickest sign of life that every state has.
            try client.send(Line.login("alice", "wonder1"))
            try client.expect("LOGIN_SUCCESS")
        case .broadcasts(let activity, let user):
            try client.expectBroadcast(activity, by: user)
            try bystander.expectBroadcast(activity, by: user)
        }
    }
}

extension LightTests {
    @Suite(.timeLimit(.minutes(10))) struct DecisionTableTests {
        private static let say = #""command":"ACTIVITY_MESSAGE""#
        private static let asAlice = #""command":"ACTIVITY_MESSAGE","username":"alice","secret":"wonder1""#

        static let notAMessage: [Row] = [
            Row("no JSON", "hello", .closes("INVALID_MESSAGE")),
            Row("an HTTP request", "GET / HTTP/1.1", .closes("INVALID_MESSAGE")),
            Row("half an object", #"{"command":"LOGIN""#, .closes("INVALID_MESSAGE")),
            Row("text after the object", #"{"command":"LOGOUT"} x"#, .closes("INVALID_MESSAGE")),
            Row("two objects on a line", #"{"command":"LOGOUT"}{"command":"LOGOUT"}"#, .closes("INVALID_MESSAGE")),
            Row("a trailing comma", #"{"command":"LOGOUT",}"#, .closes("INVALID_MESSAGE")),
            Row("single quotes", "{'command':'LOGOUT'}", .closes("INVALID_MESSAGE")),
            Row(
                "a number with a leading zero", .anonymous, #"{"command":"LOGOUT","n":01}"#, .closes("INVALID_MESSAGE")),
            Row("an empty line", "", .closes("INVALID_MESSAGE")),
            Row("a line of blanks", "   \t ", .closes("INVALID_MESSAGE")),
            Row("an empty line after login", .alice, "", .closes("INVALID_MESSAGE")),
            Row("an array", #"["LOGOUT"]"#, .closes("INVALID_MESSAGE")),
            Row("a string", #""LOGOUT""#, .closes("INVALID_MESSAGE")),
            Row("a number", "1", .closes("INVALID_MESSAGE")),
            Row("null", "null", .closes("INVALID_MESSAGE")),
            Row("no command", #"{"username":"alice"}"#, .closes("INVALID_MESSAGE")),
            Row("an empty object", "{}", .closes("INVALID_MESSAGE")),
            Row("command null", #"{"command":null}"#, .closes("INVALID_MESSAGE")),
            Row("command a number", #"{"command":1}"#, .closes("INVALID_MESSAGE")),
            Row("command an object", #"{"command":{"command":"LOGOUT"}}"#, .closes("INVALID_MESSAGE")),
            Row("unknown command", #"{"command":"PING"}"#, .closes("INVALID_MESSAGE")),
            Row("unknown command after login", .alice, #"{"command":"PING"}"#, .closes("INVALID_MESSAGE")),
            Row("empty command", #"{"command":""}"#, .closes("INVALID_MESSAGE")),
            Row("wrong case", #"{"command":"login","username":"anonymous"}"#, .closes("INVALID_MESSAGE")),
            Row("a blank in the command", #"{"command":"LOGOUT "}"#, .closes("INVALID_MESSAGE")),
            Row("a reply of the server's", #"{"command":"LOGIN_SUCCESS","info":"x"}"#, .closes("INVALID_MESSAGE")),
            Row(
                "REDIRECT from a client", .alice, #"{"command":"REDIRECT","hostname":"x","port":1}"#,
                .closes("INVALID_MESSAGE")),
            Row(
                "what client K says", .alice,
                #"{"reciever":"a","sender":"b","command":"ACTIVITY_REPLY","timestamp":null}"#,
                .closes("INVALID_MESSAGE")),
            Row("INVALID_MESSAGE", #"{"command":"INVALID_MESSAGE","info":"x"}"#, .closesSilently),
            Row("INVALID_MESSAGE after login", .alice, #"{"command":"INVALID_MESSAGE","info":"x"}"#, .closesSilently),
            Row("AUTHENTICATION_FAIL", #"{"command":"AUTHENTICATION_FAIL","info":"x"}"#, .closesSilently),
            Row(
                "AUTHENTICATION_FAIL after login", .alice, #"{"command":"AUTHENTICATION_FAIL","info":"x"}"#,
                .closesSilently
            ),
            Row("LOGOUT before login", #"{"command":"LOGOUT"}"#, .closesSilently),
            Row("LOGOUT", .alice, #"{"command":"LOGOUT"}"#, .closesSilently),
            Row("LOGOUT with more members", .alice, #"{"command":"LOGOUT","username":"alice"}"#, .closesSilently),
            Row(
                "white space between tokens", " { \"command\" :\t\"LOGIN\" , \"username\" : \"anonymous\" } ",
                .stays("LOGIN_SUCCESS")),
            Row(
                "escapes in member names", #"{"\u0063ommand":"LOGIN","user\u006eame":"anonymous"}"#,
                .stays("LOGIN_SUCCESS")),
            Row(
                "unknown members", #"{"command":"LOGIN","username":"anonymous","timestamp":"1","x":{"y":[null]}}"#,
                .stays("LOGIN_SUCCESS")),
        ]

        static let register: [Row] = [
            Row("REGISTER", #"{"command":"REGISTER","username":"bob","secret":"b"}"#, .stays("REGISTER_SUCCESS")),
            Row(
                "REGISTER with an empty secret", #"{"command":"REGISTER","username":"bob","secret":""}"#,
                .stays("REGISTER_SUCCESS")),
            Row(
                "REGISTER a name beyond ASCII", #"{"command":"REGISTER","username":"žluťoučký 😀","secret":"b"}"#,
                .stays("REGISTER_SUCCESS")),
            Row(
                "REGISTER after login", .alice, #"{"command":"REGISTER","username":"bob","secret":"b"}"#,
                .closes("INVALID_MESSAGE")),
            Row(
                "REGISTER after anonymous login", .anonymous, #"{"command":"REGISTER","username":"bob","secret":"b"}"#,
                .closes("INVALID_MESSAGE")),
            Row("REGISTER without username", #"{"command":"REGISTER","secret":"b"}"#, .closes("INVALID_MESSAGE")),
            Row(
                "REGISTER, username null", #"{"command":"REGISTER","username":null,"secret":"b"}"#,
                .closes("INVALID_MESSAGE")),
            Row(
                "REGISTER, username a number", #"{"command":"REGISTER","username":1,"secret":"b"}"#,
                .closes("INVALID_MESSAGE")),
            Row("REGISTER without secret", #"{"command":"REGISTER","username":"bob"}"#, .closes("INVALID_MESSAGE")),
            Row(
                "REGISTER, secret null", #"{"command":"REGISTER","username":"bob","secret":null}"#,
                .closes("INVALID_MESSAGE")),
            Row(
                "REGISTER, secret a number", #"{"command":"REGISTER","username":"bob","secret":1}"#,
                .closes("INVALID_MESSAGE")),
            Row(
                "REGISTER, empty username", #"{"command":"REGISTER","username":"","secret":"b"}"#,
                .closes("INVALID_MESSAGE")),
            Row(
                "REGISTER anonymous", #"{"command":"REGISTER","username":"anonymous","secret":"b"}"#,
                .closes("REGISTER_FAILED")),
            Row(
                "REGISTER a known name", #"{"command":"REGISTER","username":"alice","secret":"other"}"#,
                .closes("REGISTER_FAILED")),
            Row(
                "REGISTER a known name, same secret", #"{"command":"REGISTER","username":"alice","secret":"wonder1"}"#,
                .closes("REGISTER_FAILED")),
            Row(
                "REGISTER a known name, escaped", #"{"command":"REGISTER","username":"\u0061lice","secret":"x"}"#,
                .closes("REGISTER_FAILED")),
        ]

        static let login: [Row] = [
            Row("LOGIN", #"{"command":"LOGIN","username":"alice","secret":"wonder1"}"#, .stays("LOGIN_SUCCESS")),
            Row("LOGIN without username", #"{"command":"LOGIN","secret":"wonder1"}"#, .closes("INVALID_MESSAGE")),
            Row("LOGIN, username null", #"{"command":"LOGIN","username":null}"#, .closes("INVALID_MESSAGE")),
            Row(
                "LOGIN, username a number", #"{"command":"LOGIN","username":5,"secret":"x"}"#,
                .closes("INVALID_MESSAGE")),
            Row("LOGIN without secret", #"{"command":"LOGIN","username":"alice"}"#, .closes("INVALID_MESSAGE")),
            Row(
                "LOGIN, secret null", #"{"command":"LOGIN","username":"alice","secret":null}"#,
                .closes("INVALID_MESSAGE")),
            Row(
                "LOGIN, secret a number", #"{"command":"LOGIN","username":"alice","secret":1}"#,
                .closes("INVALID_MESSAGE")),
            Row(
                "LOGIN, unknown name", #"{"command":"LOGIN","username":"carol","secret":"x"}"#, .closes("LOGIN_FAILED")),
            Row(
                "LOGIN, wrong secret", #"{"command":"LOGIN","username":"alice","secret":"x"}"#, .closes("LOGIN_FAILED")),
            Row(
                "LOGIN, secret in wrong case", #"{"command":"LOGIN","username":"alice","secret":"Wonder1"}"#,
                .closes("LOGIN_FAILED")),
            Row(
                "LOGIN, Anonymous is no anonymous", #"{"command":"LOGIN","username":"Anonymous","secret":"x"}"#,
                .closes("LOGIN_FAILED")),
            Row(
                "LOGIN again", .anonymous, #"{"command":"LOGIN","username":"alice","secret":"wonder1"}"#,
                .stays("LOGIN_SUCCESS")),
            Row(
                "LOGIN again as anonymous", .alice, #"{"command":"LOGIN","username":"anonymous"}"#,
                .stays("LOGIN_SUCCESS")),
            Row(
                "LOGIN again, wrong secret", .alice, #"{"command":"LOGIN","username":"alice","secret":"x"}"#,
                .closes("LOGIN_FAILED")),
        ]

        static let activity: [Row] = [
            Row("activity before login", "{\(asAlice),\"activity\":{}}", .closes("AUTHENTICATION_FAIL")),
            Row(
                "anonymous activity before login", "{\(say),\"username\":\"anonymous\",\"activity\":{}}",
                .closes("AUTHENTICATION_FAIL")),
            Row("activity before login, members missing", "{\(say)}", .closes("AUTHENTICATION_FAIL")),
            Row(
                "activity without username", .alice, "{\(say),\"secret\":\"wonder1\",\"activity\":{}}",
                .closes("INVALID_MESSAGE")),
            Row(
                "activity, username null", .anonymous, "{\(say),\"username\":null,\"activity\":{}}",
                .closes("INVALID_MESSAGE")),
            Row(
                "activity, username a number", .alice, "{\(say),\"username\":1,\"secret\":\"wonder1\",\"activity\":{}}",
                .closes("INVALID_MESSAGE")),
            Row(
                "activity of another user", .alice,
                "{\(say),\"username\":\"bob\",\"secret\":\"wonder1\",\"activity\":{}}",
                .closes("AUTHENTICATION_FAIL")),
            Row(
                "anonymous activity of alice", .alice, "{\(say),\"username\":\"anonymous\",\"activity\":{}}",
                .closes("AUTHENTICATION_FAIL")),
            Row(
                "alice's activity of anonymous", .anonymous, "{\(asAlice),\"activity\":{}}",
                .closes("AUTHENTICATION_FAIL")),
            Row(
                "activity without secret", .alice, "{\(say),\"username\":\"alice\",\"activity\":{}}",
                .closes("INVALID_MESSAGE")),
            Row(
                "activity, secret null", .alice, "{\(say),\"username\":\"alice\",\"secret\":null,\"activity\":{}}",
                .closes("INVALID_MESSAGE")),
            Row(
                "activity, wrong secret", .alice, "{\(say),\"username\":\"alice\",\"secret\":\"x\",\"activity\":{}}",
                .closes("AUTHENTICATION_FAIL")),
            Row("activity missing", .alice, "{\(asAlice)}", .closes("INVALID_MESSAGE")),
            Row("activity null", .alice, "{\(asAlice),\"activity\":null}", .closes("INVALID_MESSAGE")),
            Row("activity a string", .alice, "{\(asAlice),\"activity\":\"x\"}", .closes("INVALID_MESSAGE")),
            Row("activity an array", .alice, "{\(asAlice),\"activity\":[{}]}", .closes("INVALID_MESSAGE")),
            Row("activity empty", .alice, "{\(asAlice),\"activity\":{}}", .broadcasts("{}", by: "alice")),
        ]

        /// A duplicate of a protocol member is refused wherever it stands and however it is escaped.
        static let duplicates: [Row] = [
            Row(
                "command twice", #"{"command":"LOGIN","command":"LOGIN","username":"anonymous"}"#,
                .closes("INVALID_MESSAGE")),
            Row(
                "username twice", #"{"command":"LOGIN","username":"alice","username":"anonymous"}"#,
                .closes("INVALID_MESSAGE")),
            Row(
                "secret twice", #"{"command":"LOGIN","username":"alice","secret":"x","secret":"wonder1"}"#,
                .closes("INVALID_MESSAGE")),
            Row("activity twice", .alice, "{\(asAlice),\"activity\":{},\"activity\":{}}", .closes("INVALID_MESSAGE")),
            Row(
                "username twice, once escaped", #"{"command":"LOGIN","username":"alice","user\u006eame":"anonymous"}"#,
                .closes("INVALID_MESSAGE")),
            Row(
                "an unknown member twice", #"{"command":"LOGIN","username":"anonymous","x":1,"x":2}"#,
                .stays("LOGIN_SUCCESS")),
            Row(
                "duplicates inside the activity", .alice, "{\(asAlice),\"activity\":{\"a\":1,\"a\":2}}",
                .broadcasts(#"{"a":1,"a":2}"#, by: "alice")),
        ]

        /// What stands in an activity passes as written; only the name in it is ours.
        static let content: [Row] = [
            #"{"n":[0,-0,1,1.0,1.50,1e5,1E+5,-2.5e-3,0.1,123456789012345678.25]}"#,
            #"{"max":9223372036854775807,"min":-9223372036854775808}"#,
            #"{"a":{"b":[{"c":null},[],{},[[[true,false]]]]}}"#,
            #"{"text":"café 中文 😀"}"#,
            #"{"text":"caf\u00e9 \ud83d\ude00 \/ \u003c \" \\ \b\f\n\r\t \u0000"}"#,
            #"{"command":"LOGOUT","username":"mallory","secret":"x","activity":{}}"#,
            #"{"":"","a b":1}"#,
            #"{"big":1e400}"#,
        ].map { Row("the activity \($0)", .alice, "{\(asAlice),\"activity\":\($0)}", .broadcasts($0, by: "alice")) }

        static let forgery: [Row] =
            [
                ("forged", #"{"authenticated_user":"bob","a":1}"#),
                ("forged twice", #"{"authenticated_user":"bob","a":1,"authenticated_user":"carol"}"#),
                ("forged with an escape", #"{"authenticated\u005fuser":"bob","a":1}"#),
                ("forged all in escapes", #"{"a":1,"\u0061uthenticated_use\u0072":"bob"}"#),
                ("forged as an object", #"{"authenticated_user":{"x":[1]},"a":1}"#),
                ("forged as null", #"{"a":1,"authenticated_user":null}"#),
            ].map {
                Row(
                    "authenticated_user \($0.0)", .alice, "{\(asAlice),\"activity\":\($0.1)}",
                    .broadcasts(#"{"a":1}"#, by: "alice"))
            } + [
                Row(
                    "authenticated_user deeper down is nobody's business", .alice,
                    "{\(asAlice),\"activity\":{\"a\":{\"authenticated_user\":\"bob\"}}}",
                    .broadcasts(#"{"a":{"authenticated_user":"bob"}}"#, by: "alice"))
            ]

        static let hugeIntegers = [
            #"{"n":9223372036854775808}"#, #"{"n":-9223372036854775809}"#, #"{"n":12345678901234567890123}"#,
            #"{"a":[{"b":18446744073709551616}]}"#,
        ]

        /// The secret of anonymous is ignored, whatever it is.
        static let anonymousSecrets = [
            "", #","secret":"""#, #","secret":null"#, #","secret":"x""#, #","secret":5"#, #","secret":true"#,
            #","secret":[]"#, #","secret":{"a":1}"#,
        ]

        static let allRows = notAMessage + register + login + activity + duplicates + content + forgery

        @Test(arguments: allRows)
        func badInputIsAnsweredAndConfined(_ row: Row) throws { try row.play() }

        @Test(arguments: hugeIntegers)
        func anIntegerBeyond64BitsIsRefused(_ activity: String) throws {
            try Row("", .alice, "{\(Self.asAlice),\"activity\":\(activity)}", .closes("INVALID_MESSAGE")).play()
        }

        @Test(arguments: hugeIntegers)
        func anIntegerBeyond64BitsPassesWithTheOption(_ activity: String) throws {
            var options = ServerOptions()
            options.more = ["--allow-huge-integers"]
            try Row("", .alice, "{\(Self.asAlice),\"activity\":\(activity)}", .broadcasts(activity, by: "alice"))
                .play(options)
        }

        @Test(arguments: anonymousSecrets)
        func anonymousMayCarryAnySecret(_ secret: String) throws {
            let login = #"{"command":"LOGIN","username":"anonymous"\#(secret)}"#
            try Row("", login, .stays("LOGIN_SUCCESS")).play()
            let activity = #"{"command":"ACTIVITY_MESSAGE","username":"anonymous"\#(secret),"activity":{"a":1}}"#
            try Row("", .anonymous, activity, .broadcasts(#"{"a":1}"#, by: "anonymous")).play()
        }

        @Test func bytesThatAreNoTextAreRefused() throws {
            let open = Array(#"{"command":"LOGIN","username":"anonymous","x":""#.utf8)
            let end = Array("\"}\n".utf8)
            let cases: [(String, [UInt8])] = [
                ("an overlong slash", [0xc0, 0xaf]), ("a lone continuation", [0x80]),
                ("half a character", [0xe4, 0xb8]),
                ("a surrogate", [0xed, 0xa0, 0x80]), ("beyond Unicode", [0xf4, 0x90, 0x80, 0x80]), ("0xff", [0xff]),
                ("a NUL", [0]), ("a tab", [9]), ("an escape character", [0x1b]),
            ]
            for (name, bytes) in cases {
                try Row(name, bytes: open + bytes + end, .closes("INVALID_MESSAGE")).play()
            }
        }

        @Test func aByteOrderMarkIsRefused() throws {
            try Row(
                "", bytes: [0xef, 0xbb, 0xbf] + Array((#"{"command":"LOGOUT"}"# + "\n").utf8),
                .closes("INVALID_MESSAGE")
            )
            .play()
        }

        @Test(arguments: [#"\ud800"#, #"\udc00\ud800"#, #"\u12"#, #"\x41"#, #"\"#])
        func brokenEscapesAreRefused(_ escape: String) throws {
            try Row("", #"{"command":"LOGIN","username":"anonymous","x":"\#(escape)"}"#, .closes("INVALID_MESSAGE"))
                .play()
        }

        @Test func nestingWithoutEndIsRefused() throws {
            let deep = String(repeating: "[", count: 100_000)
            try Row("", .alice, "{\(Self.asAlice),\"activity\":{\"a\":\(deep)}}", .closes("INVALID_MESSAGE")).play()
        }
    }
}
