import Testing

@testable import Codecs

/// The lines that go out, byte by byte, and what our own client makes of them.
@Suite struct ServerReplyTests {
    private let alice = Array("alice".utf8)

    private func text(_ reply: ServerReply) -> String { String(decoding: reply.rendered(), as: UTF8.self) }
    private func text(_ request: ClientRequest) -> String { String(decoding: request.rendered(), as: UTF8.self) }

    @Test func repliesHaveTheCustomaryForm() {
        let local = Array("127.0.0.1".utf8)
        let table: [(ServerReply, String)] = [
            (
                .registerSuccess(username: alice.span),
                #"{"command":"REGISTER_SUCCESS","info":"register success for alice"}"#
            ),
            (
                .alreadyRegistered(username: alice.span),
                #"{"command":"REGISTER_FAILED","info":"alice is already registered with the system"}"#
            ),
            (.loginSuccess(username: alice.span), #"{"command":"LOGIN_SUCCESS","info":"logged in as user alice"}"#),
            (.unknownUserOrSecret, #"{"command":"LOGIN_FAILED","info":"attempt to login with wrong secret"}"#),
            (.redirect(hostname: local, port: 3781), #"{"command":"REDIRECT","hostname":"127.0.0.1","port":3781}"#),
            (
                .authenticationFail("the supplied secret is incorrect"),
                #"{"command":"AUTHENTICATION_FAIL","info":"the supplied secret is incorrect"}"#
            ),
            (
                .invalid(.commandMissing, in: alice.span),
                #"{"command":"INVALID_MESSAGE","info":"the received message did not contain a command"}"#
            ),
            (
                .loginSuccess(username: Array("a\"\n\u{1}é".utf8).span),
                #"{"command":"LOGIN_SUCCESS","info":"logged in as user a\"\n\u0001é"}"#
            ),
        ]
        for (reply, line) in table {
            #expect(text(reply) == line + "\n")
            #expect(JSONOracle.isValid(reply.rendered()))
        }
    }

    @Test func requestsHaveTheCustomaryForm() {
        let secret = Array("wonder1".utf8)
        let table: [(ClientRequest, String)] = [
            (
                .register(username: alice, secret: secret),
                #"{"command":"REGISTER","username":"alice","secret":"wonder1"}"#
            ),
            (.login(username: alice, secret: secret), #"{"command":"LOGIN","username":"alice","secret":"wonder1"}"#),
            (.login(username: Array("anonymous".utf8), secret: nil), #"{"command":"LOGIN","username":"anonymous"}"#),
            (
                .activity(username: alice, secret: secret, activity: Array(#"{"type":"note"}"#.utf8)),
                #"{"command":"ACTIVITY_MESSAGE","username":"alice","secret":"wonder1","activity":{"type":"note"}}"#
            ),
            (
                .activity(username: Array("anonymous".utf8), secret: nil, activity: Array("{}".utf8)),
                #"{"command":"ACTIVITY_MESSAGE","username":"anonymous","activity":{}}"#
            ),
            (.logout, #"{"command":"LOGOUT"}"#),
        ]
        for (request, line) in table { #expect(text(request) == line + "\n") }
    }

    @Test func whatTheServerSaysIsUnderstood() throws {
        let info = Array("x".utf8)
        let table: [(String, ServerMessage)] = [
            (#"{"command":"REGISTER_SUCCESS","info":"x"}"#, .registerSuccess(info: info)),
            (#"{"info":"x","command":"REGISTER_FAILED"}"#, .registerFailed(info: info)),
            (#"{"command":"LOGIN_SUCCESS","info":"x","id":{"a":[1]}}"#, .loginSuccess(info: info)),
            (#"{"command":"LOGIN_FAILED"}"#, .loginFailed(info: [])),
            (#"{"command":"AUTHENTICATION_FAIL","info":1}"#, .authenticationFail(info: [])),
            (#"{"command":"INVALID_MESSAGE","info":"\u0078"}"#, .invalidMessage(info: info)),
            (#"{"command":"REDIRECT","hostname":"x","port":65535}"#, .redirect(hostname: info, port: 65535)),
            (#"{"command":"ACTIVITY_BROADCAST","time":1,"activity":{}}"#, .activityBroadcast(52..<54)),
            (#"{"command":"x"}"#, .unknown(command: info)),
        ]
        for (line, message) in table {
            #expect(try ServerMessage.parse(Array(line.utf8)) == message)
        }
    }

    @Test(arguments: [
        ("", ServerMessageFault.notJSON(JSONFault(.unexpectedEnd, at: 0))), ("[]", .notAnObject), ("{}", .noCommand),
        (#"{"command":1}"#, .noCommand), (#"{"command":"REDIRECT"}"#, .badRedirect),
        (#"{"command":"REDIRECT","hostname":"h","port":"3781"}"#, .badRedirect),
        (#"{"command":"REDIRECT","hostname":"h","port":0}"#, .badRedirect),
        (#"{"command":"REDIRECT","hostname":"h","port":65536}"#, .badRedirect),
        (#"{"command":"REDIRECT","hostname":"h","port":-1}"#, .badRedirect),
        (#"{"command":"REDIRECT","hostname":"h","port":99999999999999999999999}"#, .badRedirect),
        (#"{"command":"REDIRECT","hostname":"","port":1}"#, .badRedirect),
        (#"{"command":"ACTIVITY_BROADCAST","activity":"x"}"#, .noActivity),
    ])
    func nonsenseFromAServerIsAFault(line: String, fault: ServerMessageFault) {
        let bytes = Array(line.utf8)
        #expect(throws: fault) { try ServerMessage.parse(bytes) }
    }
}
