// The server's command line: what it takes, what it prints, how it ends.

import Foundation
import Glibc
import Testing

extension LightTests {
    @Suite(.timeLimit(.minutes(10))) struct CommandLineTests {
        private func server(_ arguments: String...) throws -> Program { try Program(named: "pando-server", arguments) }

        /// A start that must fail: one clear line on the standard error stream, nothing on the other, no success.
        private func expectRefusal(_ arguments: [String], mentioning words: [String]) throws {
            let program = try Program(named: "pando-server", arguments)
            defer { program.kill9() }
            let status = try program.waitForExit(seconds: 20)
            guard case .code(let code) = status, code != 0 else {
                throw HarnessError("\(arguments): a failure expected, \(program.recentErrors)")
            }
            #expect(!program.outputLines.contains { $0.contains(" ready on ") })
            let said = program.errorLines.joined(separator: "\n").lowercased()
            for word in words { #expect(said.contains(word.lowercased()), "\(arguments): \(program.recentErrors)") }
            #expect(!said.contains("fatal error"), "\(program.recentErrors)")
        }

        @Test func helpNamesEveryOption() throws {
            let program = try server("--help")
            #expect(try program.waitForExit() == .code(0))
            let text = program.outputLines.joined(separator: "\n")
            for option in [
                "-lp", "-lh", "-rh", "-rp", "-s", "-a", "--port", "--host", "--remote-host", "--remote-port",
                "--secret",
                "--announce-interval-ms", "--bind", "--log-level", "--max-line-bytes", "--allow-huge-integers",
                "--statistics-file", "3780", "5000",
            ] { #expect(text.contains(option), "--help does not mention \(option)") }
        }

        /// Releases are named by it: the change log begins with the one that is to come, or has just come.
        @Test func `programs say of which release they are`() throws {
            let log = try String(contentsOfFile: sourceRoot + "/CHANGELOG.md", encoding: .utf8)
            let version = try #require(log.firstMatch(of: #/\n## ([0-9]+\.[0-9]+\.[0-9]+)/#)).1
            for name in ["pando-server", "pandoctl", "pando-client", "pando-load"] {
                let program = try Program(named: name, ["--version"])
                #expect(try program.waitForExit() == .code(0))
                #expect(program.outputLines == [String(version)])
            }
        }

        @Test func theReadyLineTellsWhereItIs() throws {
            try withServer { server in
                #expect(server.ready.address == "127.0.0.1")
                #expect(server.ready.advertisedHost == "127.0.0.1")
                #expect(server.ready.advertisedPort == server.port)
                #expect(server.port > 0)
                #expect(server.ready.serverID.wholeMatch(of: /[0-9a-f]{32}/) != nil)
                #expect(server.program.outputLines.count == 1, "\(server.program.outputLines)")
            }
        }

        @Test func longFormsMeanTheSame() throws {
            let port = try Sockets.freePort()
            let program = try server(
                "--bind", "127.0.0.1", "--port", "\(port)", "--host", "localhost", "--secret", "x",
                "--announce-interval-ms", "300", "--log-level", "debug")
            defer { program.kill9() }
            let line = try program.outputLine("the ready line") { $0.contains(" ready on ") }
            #expect(ReadyLine(line)?.port == port)
            #expect(ReadyLine(line)?.advertisedHost == "localhost")
        }

        @Test func theSixOptionsOfOldWorkTogether() throws {
            try withServer { first in
                let secret = "a secret with blanks & \"quotes\""
                var options = ServerOptions()
                options.secret = secret
                try withServer(options) { other in
                    let port = try Sockets.freePort()
                    let program = try server(
                        "-lp", "\(port)", "-lh", "127.0.0.1", "-rh", "127.0.0.1", "-rp", "\(other.port)", "-s", secret,
                        "-a", "200")
                    defer { program.kill9() }
                    let line = try program.outputLine("the ready line") { $0.contains(" ready on ") }
                    #expect(ReadyLine(line)?.port == port)
                    try wait(for: "two members", seconds: 20) { try other.statistics().members == 2 }
                    #expect(try first.statistics().members == 1)
                }
            }
        }

        @Test func aSecretMayBeginWithADash() throws {
            var options = ServerOptions()
            options.secret = "-rh"
            try withNetwork(2, .chain, options) { _ in }
        }

        /// Somebody may hold the port already; then the server must say so.
        @Test func thePortIs3780WithoutTheOption() throws {
            let program = try server("--bind", "127.0.0.1")
            defer { program.kill9() }
            try wait(for: "ready or refused") {
                program.outputLines.contains { $0.contains(" ready on ") } || !program.isRunning
            }
            let said = (program.outputLines + program.errorLines).joined(separator: "\n")
            #expect(said.contains("3780"), "\(said)")
        }

        @Test func withoutBindItListensEverywhere() throws {
            var options = ServerOptions()
            options.bind = nil
            try withServer(options) { server in
                for host in Sockets.hasIPv6 ? ["127.0.0.1", "::1"] : ["127.0.0.1"] {
                    let client = try TestClient(port: server.port, host: host)
                    try client.login()
                    try client.sayAndHear(#"{"from":"\#(host)"}"#)
                }
            }
        }

        @Test(.enabled(if: Sockets.hasIPv6, "this machine has no IPv6 loopback"))
        func itListensOnIPv6Alone() throws {
            var options = ServerOptions()
            options.bind = "::1"
            options.host = "::1"
            try withServer(options) { server in
                let client = try TestClient(port: server.port, host: "::1")
                try client.login()
                try client.sayAndHear("{}")
                #expect(throws: HarnessError.self) { try TestClient(port: server.port) }
                var second = ServerOptions()
                second.secret = options.secret
                second.remoteHost = "::1"
                second.remotePort = server.port
                try withServer(second) { second in
                    try wait(for: "two members", seconds: 20) { try second.statistics().members == 2 }
                }
            }
        }

        // MARK: Secrets

        @Test func aFirstServerWithoutSecretMakesOneThatLetsOthersIn() throws {
            var options = ServerOptions()
            options.secret = nil
            try withServer(options) { first in
                let prefix = "Secret for the system: "
                let lines = first.program.outputLines
                let line = try #require(lines.first { $0.hasPrefix(prefix) }, "\(lines)")
                #expect(line == lines.first)
                let secret = String(line.dropFirst(prefix.count))
                #expect(secret.count >= 20)
                var other = ServerOptions()
                other.secret = secret
                other.remotePort = first.port
                try withServer(other) { second in
                    try wait(for: "two members", seconds: 20) { try second.statistics().members == 2 }
                }
            }
        }

        @Test func madeSecretsDiffer() throws {
            var options = ServerOptions()
            options.secret = nil
            let lines = try (0..<2).map { _ in try withServer(options) { $0.program.outputLines.first ?? "" } }
            #expect(lines[0] != lines[1])
        }

        @Test func aGivenSecretIsNotPrinted() throws {
            var options = ServerOptions()
            options.secret = "verySecretIndeed"
            options.more = ["--log-level", "trace"]
            try withServer(options) { server in
                let client = try TestClient(port: server.port)
                try client.register("alice", "alsoVerySecret")
                try client.login("alice", "alsoVerySecret")
                try client.sayAndHear("{}", as: "alice", "alsoVerySecret")
                let said = (server.program.outputLines + server.program.errorLines).joined()
                #expect(!said.contains("verySecretIndeed"))
                #expect(!said.contains("alsoVerySecret"))
            }
        }

        @Test func joiningWithoutSecretIsRefused() throws {
            try expectRefusal(["-lp", "0", "--bind", "127.0.0.1", "-rh", "127.0.0.1", "-rp", "9"], mentioning: ["-s"])
        }

        // MARK: Errors at the start

        @Test(arguments: [
            ["--nonsense"], ["-lp"], ["-lp", "abc"], ["-lp", "65536"], ["-lp", "-1"], ["-a", "soon"], ["-rp", "x"],
            ["--max-line-bytes", "many"], ["unexpected"],
        ])
        func aBadOptionIsRefused(_ arguments: [String]) throws {
            try expectRefusal(arguments, mentioning: [String(arguments[0].drop { $0 == "-" })])
        }

        @Test func aBusyPortIsRefused() throws {
            try withServer { server in
                try expectRefusal(
                    ["--bind", "127.0.0.1", "-lp", "\(server.port)", "-s", "x"], mentioning: ["\(server.port)"])
            }
        }

        @Test func anAddressThatIsNotOursIsRefused() throws {
            try expectRefusal(["--bind", "192.0.2.1", "-lp", "0", "-s", "x"], mentioning: ["192.0.2.1"])
        }

        @Test func aBindAddressThatIsNoneIsRefused() throws {
            try expectRefusal(["--bind", "300.1.2.3", "-lp", "0", "-s", "x"], mentioning: ["300.1.2.3"])
        }

        // MARK: Neighbours that are not there

        @Test func aNeighbourThatIsDownIsDialledUntilItComes() throws {
            let port = try Sockets.freePort()
            var options = ServerOptions()
            options.remotePort = port
            try withServer(options) { early in
                let client = try TestClient(port: early.port)
                try client.register("alice", "w")
                try client.login("alice", "w")
                try client.sayAndHear(#"{"alone":true}"#, as: "alice", "w")
                _ = try early.program.errorLine("the failure to connect") { $0.contains("\(port)") }
                var late = options
                late.port = port
                late.remotePort = nil
                try withServer(late) { late in
                    try wait(for: "two members", seconds: 20) {
                        try early.statistics().members == 2 && late.statistics().members == 2
                    }
                    let other = try TestClient(port: late.port)
                    try other.login("alice", "w")
                    try other.say(#"{"together":true}"#, as: "alice", "w")
                    try client.expectBroadcast(#"{"together":true}"#, by: "alice")
                }
            }
        }

        @Test func aNameThatDoesNotResolveIsNoReasonToEnd() throws {
            var options = ServerOptions()
            options.remoteHost = "no-such-host.invalid"
            options.remotePort = 3780
            let server = try ServerProcess(options)
            defer { server.kill9() }
            let client = try TestClient(port: server.port)
            try client.login()
            try client.sayAndHear("{}")
            _ = try server.program.errorLine(seconds: 30, "the name") { $0.contains("no-such-host.invalid") }
            #expect(try server.terminate() == .code(0))
        }

        // MARK: Ends

        @Test(arguments: [SIGTERM, SIGINT])
        func aSignalEndsItInOrder(_ signal: Int32) throws {
            let server = try ServerProcess()
            defer { server.kill9() }
            let client = try TestClient(port: server.port)
            try client.login()
            let silent = try TestClient(port: server.port)
            server.program.signal(signal)
            #expect(try server.program.waitForExit(seconds: 15) == .code(0))
            try client.expectClosedEventually()
            try silent.expectClosed()
            #expect(try server.lastStatistics().members >= 1)
            #expect(Sockets.isFree(port: server.port), "the port must be free for a successor")
        }

        @Test func aPortIsFreeForASuccessorAtOnce() throws {
            var options = ServerOptions()
            options.port = try Sockets.freePort()
            for _ in 0..<3 {
                let server = try ServerProcess(options)
                let client = try TestClient(port: server.port)
                try client.login()
                server.kill9()
            }
        }

        @Test func statisticsAreWrittenOnRequest() throws {
            try withServer { server in
                #expect(try server.statistics().sessions == 0)
                let client = try TestClient(port: server.port)
                try client.register("alice", "w")
                try client.login("alice", "w")
                let statistics = try server.statistics()
                #expect(statistics.sessions == 1)
                #expect(statistics.members == 1)
                #expect(statistics.json["server"]?.string == server.ready.serverID)
                #expect(statistics.json["store_and_forward"] != nil)
            }
        }
    }
}
