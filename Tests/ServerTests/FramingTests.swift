// Lines: how they end, how long they may be, how they come in.

import Testing

extension LightTests {
    @Suite(.timeLimit(.minutes(10))) struct FramingTests {
        private func withClient(
            _ change: (inout ServerOptions) -> Void = { _ in }, _ body: (TestClient, ServerProcess) throws -> Void
        ) throws {
            var options = ServerOptions()
            change(&options)
            try withServer(options) { server in
                let client = try TestClient(port: server.port)
                try body(client, server)
                // Whatever happened, others are served.
                let other = try TestClient(port: server.port)
                try other.login()
                try other.sayAndHear(#"{"still":"served"}"#)
            }
        }

        private let login = #"{"command":"LOGIN","username":"anonymous"}"#
        private let activity = #"{"command":"ACTIVITY_MESSAGE","username":"anonymous","activity":{"a":1}}"#

        @Test(arguments: ["\n", "\r\n", "\r"])
        func aLineMayEndInThreeWays(_ end: String) throws {
            try withClient { client, _ in
                // The answer must not wait for what follows the CR.
                try client.send(login + end)
                try client.expect("LOGIN_SUCCESS")
                try client.send(activity + end)
                try client.expectBroadcast(#"{"a":1}"#, by: "anonymous")
                try client.send(#"{"command":"LOGOUT"}"# + end)
                try client.expectClosed()
            }
        }

        @Test func aSplitPairIsOneLineEnd() throws {
            try withClient { client, _ in
                try client.send(login + "\r")
                try client.expect("LOGIN_SUCCESS")
                try client.send("\n" + activity + "\r")
                try client.expectBroadcast(#"{"a":1}"#, by: "anonymous")
                try client.send("\n")
                try client.sayAndHear(#"{"b":1}"#)
            }
        }

        @Test(arguments: ["\r\r", "\n\n", "\r\n\r\n", "\n\r", "\r\n\n"])
        func anEmptyLineIsAnErrorHoweverItEnds(_ ends: String) throws {
            try withClient { client, _ in
                try client.send(login + ends)
                try client.expect("LOGIN_SUCCESS")
                try client.expect("INVALID_MESSAGE")
                try client.expectClosed()
            }
        }

        @Test func theLastLineNeedsNoEnd() throws {
            try withClient { client, server in
                let bystander = try TestClient(port: server.port)
                try bystander.login()
                try client.send(login + "\n")
                try client.expect("LOGIN_SUCCESS")
                try client.send(activity)
                client.shutdownWriting()
                try bystander.expectBroadcast(#"{"a":1}"#, by: "anonymous")
                try client.expectClosedEventually()
            }
        }

        @Test func aLoginAsLastLineIsAnswered() throws {
            try withClient { client, _ in
                try client.send(#"{"command":"REGISTER","username":"bob","secret":"b"}"#)
                client.shutdownWriting()
                try client.expect("REGISTER_SUCCESS")
                try client.expectClosed()
            }
        }

        @Test func aLogoutWithoutEndIsALogout() throws {
            try withClient { client, _ in
                try client.send(login + "\n")
                try client.expect("LOGIN_SUCCESS")
                try client.send(#"{"command":"LOGOUT"}"#)
                client.shutdownWriting()
                try client.expectClosed()
            }
        }

        @Test func severalMessagesMayComeInOneSegment() throws {
            try withClient { client, server in
                let bystander = try TestClient(port: server.port)
                try bystander.login()
                try client.send(
                    Line.register("bob", "b") + Line.login("bob", "b") + Line.activity(#"{"n":1}"#, as: "bob", "b")
                        + Line.activity(#"{"n":2}"#, as: "bob", "b") + Line.logout)
                try client.expect("REGISTER_SUCCESS")
                try client.expect("LOGIN_SUCCESS")
                try bystander.expectBroadcast(#"{"n":1}"#, by: "bob")
                try bystander.expectBroadcast(#"{"n":2}"#, by: "bob")
                try client.expectClosedEventually()
            }
        }

        @Test func aMessageMayComeByteByByte() throws {
            try withClient { client, _ in
                try client.sendSingly(login + "\r\n" + activity + "\n")
                try client.expect("LOGIN_SUCCESS")
                try client.expectBroadcast(#"{"a":1}"#, by: "anonymous")
            }
        }

        @Test func aCharacterMayComeInPieces() throws {
            try withClient { client, _ in
                try client.login()
                try client.sendSingly(Line.activity(#"{"t":"中😀"}"#, as: "anonymous", nil))
                try client.expectBroadcast(#"{"t":"中😀"}"#, by: "anonymous")
            }
        }

        @Test func anActivityOfNearlyAMebibytePasses() throws {
            try withClient { client, server in
                let bystander = try TestClient(port: server.port)
                try bystander.login()
                try client.login()
                let activity = #"{"text":"\#(String(repeating: "x", count: 1_000_000))"}"#
                try client.sendWhileOpen(Array(Line.activity(activity, as: "anonymous", nil).utf8))
                try client.expectBroadcast(activity, by: "anonymous")
                try bystander.expectBroadcast(activity, by: "anonymous")
            }
        }

        private func shortLines(_ options: inout ServerOptions) { options.more = ["--max-line-bytes", "65536"] }

        @Test func aLineBelowTheLimitPasses() throws {
            try withClient(shortLines) { client, _ in
                try client.login()
                try client.sayAndHear(#"{"text":"\#(String(repeating: "x", count: 65_000))"}"#)
            }
        }

        @Test func aLineOverTheLimitIsRefused() throws {
            try withClient(shortLines) { client, _ in
                try client.login()
                let activity = #"{"text":"\#(String(repeating: "x", count: 70_000))"}"#
                try client.sendWhileOpen(Array(Line.activity(activity, as: "anonymous", nil).utf8))
                try client.expect("INVALID_MESSAGE")
                try client.expectClosed()
            }
        }

        @Test func aLineThatNeverEndsIsRefused() throws {
            try withClient(shortLines) { client, _ in
                let chunk = [UInt8](repeating: UInt8(ascii: " "), count: 65_536)
                var chunks = 0
                while chunks < 256, try client.sendWhileOpen(chunk) { chunks += 1 }
                try client.expect("INVALID_MESSAGE")
                try client.expectClosed()
            }
        }

        @Test func anUnfinishedLineIsNoReasonToClose() throws {
            try withClient { client, _ in
                try client.send(#"{"command":"LOG"#)
                #expect(throws: HarnessError.self) { try client.readLine(seconds: isFullRun ? 30 : 1) }
                #expect(!client.hasEnded)
                try client.send(#"IN","username":"anonymous"}"# + "\n")
                try client.expect("LOGIN_SUCCESS")
            }
        }
    }
}
