// The client program in pipes: lines in, activities out.

import Foundation
import Testing

extension LightTests {
    @Suite(.timeLimit(.minutes(10))) struct ClientProgramTests {
        /// Runs `body` with a client program at this port and ends it afterwards.
        private func withProgram(_ port: Int, _ more: [String] = [], _ body: (Program) throws -> Void) throws {
            let program = try Program(named: "pando-client", ["-rh", "127.0.0.1", "-rp", "\(port)"] + more)
            defer { program.kill9() }
            do { try body(program) } catch { throw HarnessError("\(error)\n\(program.recentErrors)") }
        }

        /// Waits until the program's standard output shows this activity of this user.
        private func expect(_ program: Program, shows activity: String, by user: String) throws {
            let expected = try JSON(activity).setting("authenticated_user", to: .string(user))
            _ = try program.outputLine(seconds: 20, "\(expected)") { (try? JSON($0)) == expected }
        }

        private func login(at server: ServerProcess, as user: String = "anonymous", _ secret: String? = nil) throws
            -> TestClient
        {
            let client = try TestClient(port: server.port)
            try client.login(user, secret)
            return client
        }

        @Test func anonymousSpeaksAndHears() throws {
            try withServer { server in
                let other = try login(at: server)
                try withProgram(server.port) { program in
                    try program.write(#"{"type":"note","n":1.0}"# + "\n")
                    try other.expectBroadcast(#"{"type":"note","n":1.0}"#, by: "anonymous")
                    try expect(program, shows: #"{"type":"note","n":1.0}"#, by: "anonymous")
                    try other.say(#"{"to":"you","list":[1,null]}"#)
                    try expect(program, shows: #"{"to":"you","list":[1,null]}"#, by: "anonymous")
                }
            }
        }

        @Test func textBecomesAnActivity() throws {
            try withServer { server in
                let other = try login(at: server)
                try withProgram(server.port) { program in
                    for text in ["hello world", "say \"hi\" \\ ž 😀", "{no json", "[1,2]", "42"] {
                        try program.write(text + "\n")
                        try other.expectBroadcast(#"{"text":\#(JSON.quoted(text))}"#, by: "anonymous")
                    }
                }
            }
        }

        @Test func aNameAloneRegistersAndTellsTheSecret() throws {
            try withServer { server in
                let other = try login(at: server)
                try withProgram(server.port, ["-u", "alice"]) { program in
                    try program.write("hello\n")
                    try other.expectBroadcast(#"{"text":"hello"}"#, by: "alice")
                    let said = (program.outputLines + program.errorLines).joined(separator: "\n")
                    let secret = try #require(said.firstMatch(of: /[0-9a-v]{26}/), "no secret in: \(said)")
                    _ = try login(at: server, as: "alice", String(secret.0))
                }
            }
        }

        @Test func aNameWithASecretLogsIn() throws {
            try withServer { server in
                let other = try TestClient(port: server.port)
                try other.register("alice", "-w 1")
                try other.login()
                try withProgram(server.port, ["-u", "alice", "-s", "-w 1"]) { program in
                    try program.write("hello\n")
                    try other.expectBroadcast(#"{"text":"hello"}"#, by: "alice")
                }
            }
        }

        @Test func theNameAnonymousNeedsNoSecret() throws {
            try withServer { server in
                let other = try login(at: server)
                try withProgram(server.port, ["-u", "anonymous"]) { program in
                    try program.write("hello\n")
                    try other.expectBroadcast(#"{"text":"hello"}"#, by: "anonymous")
                }
            }
        }

        @Test func aRedirectIsFollowed() throws {
            try withNetwork(2) { network in
                let first = try login(at: network.servers[0])
                try first.sayAndHear("{}")
                try withProgram(network.ports[0]) { program in
                    try wait(for: "one session at each server") { try network.statistics().map(\.sessions) == [1, 1] }
                    try program.write("hello\n")
                    try first.expectBroadcast(#"{"text":"hello"}"#, by: "anonymous")
                    try expect(program, shows: #"{"text":"hello"}"#, by: "anonymous")
                }
            }
        }

        @Test func itComesBackAfterAServerRestart() throws {
            var options = ServerOptions()
            options.port = try Sockets.freePort()
            let first = try ServerProcess(options)
            defer { first.kill9() }
            try withProgram(first.port) { program in
                try wait(for: "a session") { try first.statistics().sessions == 1 }
                first.kill9()
                try withServer(options) { second in
                    try wait(for: "the session again", seconds: 30) { try second.statistics().sessions == 1 }
                    let other = try login(at: second)
                    try other.say(#"{"again":1}"#)
                    try expect(program, shows: #"{"again":1}"#, by: "anonymous")
                    try program.write("back\n")
                    try other.hear(#"{"text":"back"}"#)
                }
            }
        }

        @Test func endOfInputIsALogout() throws {
            try withServer { server in
                let other = try login(at: server)
                try withProgram(server.port) { program in
                    try program.write("last\n")
                    program.closeInput()
                    #expect(try program.waitForExit() == .code(0))
                    try other.expectBroadcast(#"{"text":"last"}"#, by: "anonymous")
                    try wait(for: "one session") { try server.statistics().sessions == 1 }
                }
            }
        }

        // MARK: Errors

        private func expectFailure(_ arguments: [String], code: Int32? = nil, mentioning word: String) throws {
            let program = try Program(named: "pando-client", arguments)
            defer { program.kill9() }
            let status = try program.waitForExit(seconds: 20)
            if let code {
                #expect(status == .code(code), "\(arguments)")
            } else {
                #expect(status != .code(0), "\(arguments)")
            }
            let said = program.errorLines.joined(separator: "\n").lowercased()
            #expect(said.contains(word.lowercased()), "\(arguments): \(said)")
        }

        @Test func aWrongSecretEndsItWithAMessage() throws {
            try withServer { server in
                try TestClient(port: server.port).register("alice", "w")
                try expectFailure(["-rp", "\(server.port)", "-u", "alice", "-s", "x"], mentioning: "login is refused")
            }
        }

        @Test func aTakenNameEndsItWithAMessage() throws {
            try withServer { server in
                try TestClient(port: server.port).register("alice", "w")
                try expectFailure(["-rp", "\(server.port)", "-u", "alice"], mentioning: "registration is refused")
            }
        }

        /// As the clients that exist: usage, and status 255.
        @Test(arguments: [["--nonsense"], ["-rp", "abc"], ["-rp"], ["-rp", "70000"]])
        func aBadOptionPrintsTheUsage(_ arguments: [String]) throws {
            try expectFailure(arguments, code: 255, mentioning: "usage")
        }

        @Test func helpNamesEveryOption() throws {
            let program = try Program(named: "pando-client", ["--help"])
            #expect(try program.waitForExit() == .code(0))
            let text = program.outputLines.joined(separator: "\n")
            for option in ["-u", "-s", "-rh", "-rp"] { #expect(text.contains(option)) }
        }
    }
}
