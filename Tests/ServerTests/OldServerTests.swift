// A server of the first project dials in: it must not half-join, and must learn why.

import Testing

extension LightTests {
    @Suite(.timeLimit(.minutes(10))) struct OldServerTests {
        static let rows: [Row] = [
            Row(
                "AUTHENTICATE, wrong secret", #"{"command":"AUTHENTICATE","secret":"wrong"}"#,
                .closes("AUTHENTICATION_FAIL")),
            Row(
                "AUTHENTICATE without secret", #"{"command":"AUTHENTICATE"}"#,
                .closesWithOneOf(["AUTHENTICATION_FAIL", "INVALID_MESSAGE"])),
            Row(
                "AUTHENTICATE, secret a number", #"{"command":"AUTHENTICATE","secret":1}"#,
                .closesWithOneOf(["AUTHENTICATION_FAIL", "INVALID_MESSAGE"])),
            Row(
                "SERVER_ANNOUNCE",
                #"{"command":"SERVER_ANNOUNCE","id":"x","load":0,"hostname":"localhost","port":3780}"#,
                .closes("INVALID_MESSAGE")),
            Row(
                "ACTIVITY_BROADCAST", #"{"command":"ACTIVITY_BROADCAST","activity":{"a":1}}"#,
                .closes("INVALID_MESSAGE")),
            Row(
                "ACTIVITY_BROADCAST after login", .alice, #"{"command":"ACTIVITY_BROADCAST","activity":{"a":1}}"#,
                .closes("INVALID_MESSAGE")),
            Row("LOCK_REQUEST", #"{"command":"LOCK_REQUEST","username":"a","secret":"b"}"#, .closes("INVALID_MESSAGE")),
            Row("LOCK_ALLOWED", #"{"command":"LOCK_ALLOWED","username":"a","secret":"b"}"#, .closes("INVALID_MESSAGE")),
            Row("LOCK_DENIED", #"{"command":"LOCK_DENIED","username":"a","secret":"b"}"#, .closes("INVALID_MESSAGE")),
        ]

        @Test(arguments: rows)
        func itIsRefusedWithoutEffect(_ row: Row) throws { try row.play() }

        @Test func theRightSecretIsToldThatTheProtocolIsAnotherOne() throws {
            var options = ServerOptions()
            options.secret = "netkey"
            try Row("", #"{"command":"AUTHENTICATE","secret":"netkey"}"#, .closes("INVALID_MESSAGE")).play(options)
        }
    }
}
