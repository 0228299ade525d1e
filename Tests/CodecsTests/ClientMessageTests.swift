import Testing

@testable import Codecs

/// What the parser makes of lines from clients; the rows of the reference's decision table that it decides.
@Suite struct ClientMessageTests {
    private enum Seen: Equatable {
        case message(String)
        case fault(String)
    }

    /// A message or the text of a fault, in a short form: ranges replaced by what stands there.
    private func parse(_ line: String) -> Seen {
        let bytes = Array(line.utf8)
        do {
            return .message(describe(try ClientMessage.parse(bytes.span), in: bytes))
        } catch {
            return .fault(error.info(in: bytes.span).description)
        }
    }

    private func describe(_ message: ClientMessage, in bytes: [UInt8]) -> String {
        func text(_ member: TextMember) -> String {
            guard case .text(let string) = member else { return "\(member)" }
            return "'\(String(decoding: string.decoded(in: bytes.span), as: UTF8.self))'"
        }
        switch message {
        case .register(let username, let secret): return "register \(text(username)) \(text(secret))"
        case .login(let username, let secret): return "login \(text(username)) \(text(secret))"
        case .activity(let username, let secret, .object(let activity)):
            let written = String(decoding: bytes[activity.range], as: UTF8.self)
            let wide = activity.wideIntegerOffset.map { " wide at \($0)" } ?? ""
            return "activity \(text(username)) \(text(secret)) \(written)\(wide)"
        case .activity(let username, let secret, let activity):
            return "activity \(text(username)) \(text(secret)) \(activity)"
        case .authenticate(let secret): return "authenticate \(text(secret))"
        default: return "\(message)"
        }
    }

    // MARK: Lines that are no message

    @Test(arguments: [
        ("", "JSON parse error while parsing message: the line is empty"),
        (" \t", "JSON parse error while parsing message: the line is empty"),
        ("hello", "JSON parse error while parsing message: unexpected character at byte 0"),
        (#"{"command":"LOGOUT""#, "JSON parse error while parsing message: unexpected end at byte 19"),
        (#"{"command":"LOGOUT"} x"#, "JSON parse error while parsing message: text after the value at byte 21"),
        (#"{"command":"LOGOUT"}{}"#, "JSON parse error while parsing message: text after the value at byte 20"),
        ("\u{FEFF}{}", "JSON parse error while parsing message: byte order mark at byte 0"),
        (#"{"command":01}"#, "JSON parse error while parsing message: malformed number at byte 11"),
        ("[]", "the received message is not a JSON object but an array"),
        (#""LOGIN""#, "the received message is not a JSON object but a string"),
        ("1", "the received message is not a JSON object but a number"),
        ("null", "the received message is not a JSON object but null"),
        ("true", "the received message is not a JSON object but a boolean"),
        ("{}", "the received message did not contain a command"),
        (#"{"Command":"LOGIN"}"#, "the received message did not contain a command"),
        (#"{"a":{"command":"LOGIN"}}"#, "the received message did not contain a command"),
        (#"{"command":null}"#, #"the received message did not contain a command: its "command" is not a string"#),
        (#"{"command":1}"#, #"the received message did not contain a command: its "command" is not a string"#),
        (#"{"command":{}}"#, #"the received message did not contain a command: its "command" is not a string"#),
        (#"{"command":"login"}"#, "received message with unknown command: login"),
        (#"{"command":""}"#, "received message with unknown command: "),
        (#"{"command":"LOGIN_SUCCESS"}"#, "received message with unknown command: LOGIN_SUCCESS"),
        (#"{"command":"AUTHENTICATION_FAILED"}"#, "received message with unknown command: AUTHENTICATION_FAILED"),
        (#"{"command":"ACTIVITY_REPLY","activity":{}}"#, "received message with unknown command: ACTIVITY_REPLY"),
        (#"{"command":"LOGIN "}"#, "received message with unknown command: LOGIN "),
        (#"{"command":"\ud83d\ude00"}"#, "received message with unknown command: 😀"),
        (
            #"{"command":"LOGIN","command":"LOGIN"}"#,
            #"the received message contains "command" twice, again at byte 19"#
        ),
        (#"{"username":1,"c":2,"username":1}"#, #"the received message contains "username" twice, again at byte 20"#),
        (#"{"secret":"","\u0073ecret":""}"#, #"the received message contains "secret" twice, again at byte 13"#),
        (#"{"activity":{},"activity":{}}"#, #"the received message contains "activity" twice, again at byte 15"#),
        // The order of the table: JSON first, then the rest.
        (#"{"command":1,"command":2,"#, "JSON parse error while parsing message: unexpected end at byte 25"),
        (
            #"{"command":"BAD","secret":1,"secret":2}"#,
            #"the received message contains "secret" twice, again at byte 28"#
        ),
    ])
    func faults(line: String, info: String) {
        #expect(parse(line) == .fault(info))
    }

    @Test func aLongUnknownCommandIsNotRepeatedAtLength() {
        let bytes = Array(#"{"command":"\#(String(repeating: "X", count: 5000))"}"#.utf8)
        #expect(throws: ClientFault.self) { try ClientMessage.parse(bytes) }
        guard case .fault(let info) = parse(String(decoding: bytes, as: UTF8.self)) else { return }
        #expect(info == "received message with unknown command: " + String(repeating: "X", count: 64) + "...")
    }

    @Test func nestingIsLimited() {
        let deep =
            #"{"command":"LOGOUT","x":"# + String(repeating: "[", count: 63) + String(repeating: "]", count: 63) + "}"
        #expect(parse(deep) == .message("logout"))
        let deeper = deep.replacing("[]", with: "[[]]")
        #expect(parse(deeper) == .fault("JSON parse error while parsing message: nested too deeply at byte 87"))
    }

    // MARK: Messages

    @Test(arguments: [
        (#"{"command":"LOGOUT"}"#, "logout"),
        (#"{"command" : "LOGOUT"}"#, "logout"),
        (#"{"username":"k","command":"LOGOUT"}"#, "logout"),
        (#" {"command":"\u004cOGOUT"} "#, "logout"),
        (#"{"\u0063ommand":"LOGOUT"}"#, "logout"),
        (#"{"command":"INVALID_MESSAGE","info":"x"}"#, "invalidMessage"),
        (#"{"command":"INVALID_MESSAGE"}"#, "invalidMessage"),
        (#"{"command":"AUTHENTICATION_FAIL","info":"x"}"#, "authenticationFail"),
        (#"{"command":"REGISTER","username":"alice","secret":"s"}"#, "register 'alice' 's'"),
        (#"{"secret":"s","username":"","command":"REGISTER"}"#, "register '' 's'"),
        (#"{"command":"REGISTER","username":null,"secret":1}"#, "register null wrongType"),
        (#"{"command":"REGISTER"}"#, "register missing missing"),
        (#"{"command":"LOGIN","username":"anonymous"}"#, "login 'anonymous' missing"),
        (#"{"command":"LOGIN","username":"anonymous","secret":null}"#, "login 'anonymous' null"),
        (#"{"command":"LOGIN","username":"anonymous","secret":""}"#, "login 'anonymous' ''"),
        (#"{"command":"LOGIN","username":"j\u00fcr\"gen","secret":"\n"}"#, "login 'jür\"gen' '\n'"),
        (#"{"command":"LOGIN","username":[],"secret":{}}"#, "login wrongType wrongType"),
        (#"{"command":"LOGIN","username":"a","secret":"b","timestamp":"1795","x":{"command":1}}"#, "login 'a' 'b'"),
        (#"{"command":"ACTIVITY_MESSAGE","username":"a","secret":"b","activity":{}}"#, "activity 'a' 'b' {}"),
        (#"{"activity":{ "a":[1] },"command":"ACTIVITY_MESSAGE"}"#, #"activity missing missing { "a":[1] }"#),
        (#"{"command":"ACTIVITY_MESSAGE","username":"a"}"#, "activity 'a' missing missing"),
        (#"{"command":"ACTIVITY_MESSAGE","activity":null}"#, "activity missing missing wrongType"),
        (#"{"command":"ACTIVITY_MESSAGE","activity":"{}"}"#, "activity missing missing wrongType"),
        (#"{"command":"ACTIVITY_MESSAGE","activity":[{}]}"#, "activity missing missing wrongType"),
        (#"{"command":"ACTIVITY_MESSAGE","activity":1}"#, "activity missing missing wrongType"),
        (#"{"command":"AUTHENTICATE","secret":"netkey"}"#, "authenticate 'netkey'"),
        (#"{"command":"AUTHENTICATE"}"#, "authenticate missing"),
        (#"{"command":"SERVER_ANNOUNCE","id":"n","load":0,"hostname":"h","port":3780}"#, "serverAnnounce"),
        (#"{"command":"ACTIVITY_BROADCAST","activity":{}}"#, "activityBroadcast"),
        (#"{"command":"LOCK_REQUEST","username":"a","secret":"b"}"#, "lockRequest"),
        (#"{"command":"LOCK_ALLOWED","username":"a","secret":"b"}"#, "lockAllowed"),
        (#"{"command":"LOCK_DENIED","username":"a","secret":"b"}"#, "lockDenied"),
        // Duplicates of members that are not the protocol's, or not at the top level.
        (#"{"command":"LOGOUT","x":1,"x":2}"#, "logout"),
        (
            #"{"command":"ACTIVITY_MESSAGE","activity":{"command":1,"command":2,"secret":3,"secret":4}}"#,
            #"activity missing missing {"command":1,"command":2,"secret":3,"secret":4}"#
        ),
    ])
    func messages(line: String, message: String) {
        #expect(parse(line) == .message(message))
    }

    @Test(
        arguments: [
            (#"{"command":"ACTIVITY_MESSAGE","activity":{"n":9223372036854775807}}"#, nil),
            (#"{"command":"ACTIVITY_MESSAGE","activity":{"n":9223372036854775808}}"#, 46),
            (#"{"command":"ACTIVITY_MESSAGE","activity":{"n":[{"m":-12345678901234567890}]}}"#, 52),
            (#"{"command":"ACTIVITY_MESSAGE","activity":{"n":1e30,"m":123456789012345678901234567890.5}}"#, nil),
            (#"{"command":"ACTIVITY_MESSAGE","x":12345678901234567890,"activity":{"n":1}}"#, nil),
            (#"{"command":"ACTIVITY_MESSAGE","activity":{"n":1},"x":12345678901234567890}"#, nil),
            (#"{"x":12345678901234567890,"activity":{"n":12345678901234567890},"command":"ACTIVITY_MESSAGE"}"#, 42),
        ] as [(String, Int?)])
    func onlyIntegersInsideTheActivityAreCalledWide(line: String, offset: Int?) throws {
        let bytes = Array(line.utf8)
        guard case .activity(_, _, .object(let activity)) = try ClientMessage.parse(bytes.span) else {
            Issue.record("no activity")
            return
        }
        #expect(activity.wideIntegerOffset == offset)
    }

    @Test func manyForgedUsersAreAllFound() throws {
        let forged = Array(repeating: #""authenticated_user":1,"a":2"#, count: 1000).joined(separator: ",")
        let line = Array(#"{"command":"ACTIVITY_MESSAGE","activity":{\#(forged)}}"#.utf8)
        guard case .activity(_, _, .object(let activity)) = try ClientMessage.parse(line.span) else {
            Issue.record("no activity")
            return
        }
        #expect(activity.isForged)
        var output: [UInt8] = []
        ActivityRenderer.render(activity, of: line.span, username: [0x78].span, into: &output)
        let kept = Array(repeating: #""a":2"#, count: 1000).joined(separator: ",")
        #expect(
            String(decoding: output, as: UTF8.self)
                == #"{"command":"ACTIVITY_BROADCAST","activity":{\#(kept),"authenticated_user":"x"}}"# + "\n")
    }
}
