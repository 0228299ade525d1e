// Clients under TLS at real servers: with the client program, and with the openssl tool, which somebody else has written.

import Foundation
import TLS
import Testing

extension LightTests {
    @Suite(.timeLimit(.minutes(10))) struct ClientTLSTests {
        private func options(_ policy: String, _ files: [String]? = nil) throws -> ServerOptions {
            var options = ServerOptions()
            options.more = try (files ?? TLSFiles.options()) + ["--client-tls", policy]
            return options
        }

        /// The client program, which ends when it cannot connect.
        private func withProgram(
            _ port: Int, _ more: [String], host: String = "127.0.0.1", _ body: (Program) throws -> Void
        ) throws {
            let program = try Program(
                named: "pando-client", ["-rh", host, "-rp", "\(port)", "--no-reconnect"] + more)
            defer { program.kill9() }
            do { try body(program) } catch { throw HarnessError("\(error)\n\(program.recentErrors)") }
        }

        private func expectRefusal(_ port: Int, _ more: [String], _ words: String...) throws {
            try withProgram(port, more) { program in
                let line = try program.errorLine(seconds: 20, "the cause") { $0.contains("cannot connect to") }
                for word in words { #expect(line.contains(word), "\(line)") }
                #expect(try program.waitForExit(seconds: 20) == .code(2))
            }
        }

        // MARK: Policies

        @Test func plainAndSecuredClientsTalkWhereItIsAllowed() throws {
            try withServer(options("allowed")) { server in
                let plain = try TestClient(port: server.port)
                try plain.login()
                try withProgram(server.port, ["--tls-ca", TLSFiles.path("one/ca.pem")]) { program in
                    try program.write("hello\n")
                    try plain.expectBroadcast(#"{"text":"hello"}"#, by: "anonymous")
                    try plain.say(#"{"to":"you"}"#)
                    _ = try program.outputLine(seconds: 20, "the answer") { $0.contains("you") }
                    program.closeInput()
                    #expect(try program.waitForExit(seconds: 20) == .code(0))
                }
                let statistics = try server.statistics()
                #expect(statistics.closed("tlsTruncated") == 0 && statistics.closed("tlsFailed") == 0)
            }
        }

        /// To a client without TLS the policy makes no difference in any byte.
        @Test func plainClientsSeeTheSameBytes() throws {
            func answers(_ options: ServerOptions) throws -> [[UInt8]] {
                try withServer(options) { server in
                    let client = try TestClient(port: server.port)
                    try client.sendSingly(Line.login("anonymous", nil))
                    try client.send(Line.activity(#"{"a":[1,"x"]}"#, as: "anonymous", nil) + Line.login("nobody", "x"))
                    var lines: [[UInt8]] = []
                    while let line = try client.readLine() { lines.append(line) }
                    return lines
                }
            }
            let without = try answers(ServerOptions())
            #expect(try without.count == 3 && without == answers(options("allowed")))
        }

        @Test func plainClientsAreToldWhyWhereItIsRequired() throws {
            try withServer(options("required")) { server in
                let plain = try TestClient(port: server.port)
                try plain.send(Line.login("anonymous", nil))
                let reply = try plain.expect("INVALID_MESSAGE")
                #expect(reply.info == "this server takes clients under TLS only")
                try plain.expectClosed()
                _ = try server.program.errorLine("the log") {
                    $0.contains("a client without TLS is refused") && $0.contains("peer=127.0.0.1:")
                }
                try wait(for: "the counter", seconds: 20, every: 20) {
                    try server.statistics().closed("plaintextClientRefused") == 1
                }
                try withProgram(server.port, ["--tls-ca", TLSFiles.path("one/ca.pem")]) { program in
                    try program.write("hello\n")
                    _ = try program.outputLine(seconds: 20, "the echo") { $0.contains("hello") }
                }
            }
        }

        @Test func securedClientsAreToldWhyWhereThereIsNoTLS() throws {
            let arguments = ["--tls-ca", try TLSFiles.path("one/ca.pem")]
            try withServer(options("off")) { server in
                try expectRefusal(server.port, arguments, "the other end refuses", "access denied")
                _ = try server.program.errorLine("the log") { $0.contains("clients have none here") }
            }
            try withServer { server in
                try expectRefusal(server.port, arguments, "does not speak TLS")
                _ = try server.program.errorLine("the log") { $0.contains("under TLS is refused") }
            }
        }

        @Test func linksMayHaveNoTLSAtAServerWithTLSForClients() throws {
            let files = Array(try TLSFiles.options()[..<4])
            try withNetwork(2, .chain, options("required", files)) { network in
                try withProgram(network.ports[0], ["--tls-ca", TLSFiles.path("one/ca.pem")]) { program in
                    try wait(for: "a session", seconds: 20) {
                        try network.statistics().map(\.sessions).reduce(0, +) == 1
                    }
                    try program.write("hello\n")
                    _ = try program.outputLine(seconds: 20, "the echo") { $0.contains("hello") }
                }
                var stranger = try options("off")
                stranger.secret = network.options.secret
                stranger.remotePort = network.ports[0]
                let linker = try Program(named: "pando-server", stranger.arguments)
                defer { linker.kill9() }
                _ = try linker.errorLine(seconds: 20, "the cause") { $0.contains("no application protocol") }
                _ = try network.servers[0].program.errorLine("the log") { $0.contains("links have none here") }
            }
        }

        // MARK: What the client checks

        @Test func theClientJudgesTheServer() throws {
            let (right, wrong) = (try TLSFiles.path("one/ca.pem"), try TLSFiles.path("two/ca.pem"))
            try withServer(options("allowed")) { server in
                try expectRefusal(server.port, ["--tls-ca", wrong], "not accepted")
                _ = try server.program.errorLine("the log") { $0.contains("unknown ca") }
                try expectRefusal(server.port, ["--tls"], "not accepted")
                try expectRefusal(server.port, ["--tls-ca", right, "--tls-name", "blue"], "not accepted", "mismatch")
                for arguments in [["--tls-ca", right, "--tls-name", "red"], ["--tls-insecure"]] {
                    try withProgram(server.port, arguments) { program in
                        try program.write("hello\n")
                        _ = try program.outputLine(seconds: 20, "the echo") { $0.contains("hello") }
                    }
                }
            }
            try withServer(options("allowed", TLSFiles.options("old"))) { server in
                try expectRefusal(server.port, ["--tls-ca", right, "--tls-name", "old"], "not accepted", "expired")
            }
        }

        @Test func aRedirectIsFollowedUnderTLS() throws {
            try withNetwork(2, .chain, options("allowed")) { network in
                let first = try TestClient(port: network.ports[0])
                try first.login()
                try first.sayAndHear("{}")
                let arguments = ["--tls-ca", try TLSFiles.path("one/ca.pem"), "--tls-name", "red"]
                try withProgram(network.ports[0], arguments) { program in
                    try wait(for: "one session at each server") { try network.statistics().map(\.sessions) == [1, 1] }
                    try program.write("hello\n")
                    try first.expectBroadcast(#"{"text":"hello"}"#, by: "anonymous")
                }
            }
        }

        // MARK: What another implementation sees

        private func withTool(_ port: Int, _ more: [String], _ body: (Program) throws -> Void) throws {
            let program = try Program(
                path: "/usr/bin/openssl",
                ["s_client", "-connect", "127.0.0.1:\(port)", "-msg", "-CAfile", try TLSFiles.path("one/ca.pem")] + more
            )
            defer { program.kill9() }
            do { try body(program) } catch {
                throw HarnessError("\(error)\n\(program.outputLines.suffix(30).joined(separator: "\n"))")
            }
        }

        private func login(_ program: Program) throws {
            try program.write(Line.login("anonymous", nil))
            _ = try program.outputLine(seconds: 20, "the login") { $0.contains("LOGIN_SUCCESS") }
        }

        /// What was read makes the next write longer than what was to be written.
        @Test func aChangeOfKeysIsAnswered() throws {
            try withServer(options("required")) { server in
                try withTool(server.port, ["-tls1_3"]) { program in
                    try login(program)
                    try program.write("K\n")
                    _ = try program.errorLine(seconds: 20, "the client's new key") { $0.contains("KEYUPDATE") }
                    try program.write(Line.activity(#"{"still":"well"}"#, as: "anonymous", nil))
                    _ = try program.outputLine(seconds: 20, "the server's new key") {
                        $0.hasPrefix("<<<") && $0.contains("KeyUpdate")
                    }
                    _ = try program.outputLine(seconds: 20, "the echo") {
                        $0.contains("still") && $0.contains("BROADCAST")
                    }
                }
            }
        }

        @Test func noRenegotiation() throws {
            try withServer(options("required")) { server in
                try withTool(server.port, ["-tls1_2"]) { program in
                    try login(program)
                    try program.write("R\n")
                    _ = try program.outputLine(seconds: 20, "the refusal") {
                        $0.hasPrefix("<<<") && $0.contains("no_renegotiation")
                    }
                }
            }
        }

        @Test(arguments: ["client 1.2", "client 1.3", "link"])
        func noTicketsAndNoSessionsToComeBackTo(_ kind: String) throws {
            try withServer(options("allowed")) { server in
                let link = ["-alpn", "pando-link", "-cert", "one/blue.pem", "-key", "one/blue.key"]
                let more = try kind == "link" ? link.map { $0.contains("/") ? try TLSFiles.path($0) : $0 } : []
                try withTool(server.port, more + [kind == "client 1.2" ? "-tls1_2" : "-tls1_3"]) { program in
                    try login(program)
                    let words = program.outputLines.joined(separator: "\n")
                    #expect(words.contains("Verify return code: 0 (ok)"))
                    #expect(words.contains("ALPN protocol: pando-link") == (kind == "link"))
                    for word in ["NewSessionTicket", "TLS session ticket:", "Reused,"] {
                        #expect(!words.contains(word))
                    }
                }
            }
        }

        @Test func oldVersionsAreRefused() throws {
            try withServer(options("required")) { server in
                try withTool(server.port, ["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]) { program in
                    _ = try program.errorLine(seconds: 20, "the refusal") { $0.contains("alert protocol version") }
                }
                _ = try server.program.errorLine("the log") { $0.contains("TLS failed") && $0.contains("unsupported") }
            }
        }

        /// The handshake is done in time, and then there is not a word.
        @Test func whoSaysNothingUnderTLSIsClosed() throws {
            var options = try options("required")
            options.more += ["--first-byte-ms", "300"]
            try withServer(options) { server in
                try withTool(server.port, ["-tls1_3"]) { program in
                    let end = try program.waitForExit(seconds: 20)
                    #expect(end == .code(0))
                }
                let statistics = try server.statistics()
                #expect(statistics.closed("helloTimeout") == 1)
                #expect(statistics.json["reactor"]?["tls_handshakes"]?.integer == 1)
            }
        }

        // MARK: Reload

        private func reload(_ server: ServerProcess, _ count: Int, _ words: String) throws {
            server.program.signal(SIGHUP)
            try wait(for: "reload \(count): \(words)", seconds: 20) {
                server.program.errorLines.count { $0.contains(words) } == count
            }
        }

        @Test func aNewCertificateIsTakenWholeOrNotAtAll() throws {
            let (files, folder) = try TLSFiles.movable()
            try withServer(options("required", files)) { server in
                func greet(_ authority: String, _ name: String) throws {
                    let arguments = ["--tls-ca", try TLSFiles.path("\(authority)/ca.pem"), "--tls-name", name]
                    try withProgram(server.port, arguments) { program in
                        try program.write("hello\n")
                        _ = try program.outputLine(seconds: 20, "the echo") { $0.contains("hello") }
                    }
                }
                try greet("one", "red")
                // A certificate that its key does not fit: nothing changes, and the log has the cause.
                try TLSFiles.put("one/blue.pem", to: folder, as: "own.pem")
                try reload(server, 1, "not reloaded: everything stays as it is")
                _ = try server.program.errorLine("the cause") { $0.contains("key values mismatch") }
                try greet("one", "red")
                try TLSFiles.put("one/blue.key", to: folder, as: "own.key")
                try reload(server, 1, "configuration reloaded")
                try greet("one", "blue")
                try expectRefusal(
                    server.port, ["--tls-ca", try TLSFiles.path("one/ca.pem"), "--tls-name", "red"], "mismatch")
                let json = try server.statistics().json["certificates"]
                guard case .array(let certificates)? = json else { throw HarnessError("no list") }
                #expect(certificates.map { $0["name"]?.string } == ["blue", "Pando test authority"])
            }
        }

        @Test func pinsAndRevocationsAreOptions() throws {
            let base = try TLSFiles.options()
            var options = ServerOptions()
            options.more = base + ["--tls-crl", try TLSFiles.path("one/revoked.pem"), "--tls-pin", "red,gone"]
            try withServer(options) { server in
                func dial(_ name: String) throws -> Program {
                    var other = ServerOptions()
                    (other.secret, other.remotePort) = (options.secret, server.port)
                    other.more = try TLSFiles.options(name)
                    return try Program(named: "pando-server", other.arguments)
                }
                for (name, words) in [("blue", "none of the pinned names"), ("gone", "certificate revoked")] {
                    let other = try dial(name)
                    defer { other.kill9() }
                    _ = try server.program.errorLine(seconds: 20, name) { $0.contains(words) }
                    _ = try other.errorLine(seconds: 20, name) { $0.contains("the other end refuses") }
                }
                let red = try dial("red")
                defer { red.kill9() }
                _ = try red.errorLine(seconds: 20, "link up") { $0.contains("link up") }
            }
        }
    }
}

extension HeavyTests {
    @Suite(.timeLimit(.minutes(10))) struct TLSUnderLoadTests {
        /// The authority itself changes: first both are trusted, then every server shows the new certificate, then only
        /// the new authority is left. All the while clients talk.
        @Test func certificatesChangeUnderLoadAndNothingIsLost() throws {
            let (files, folder) = try TLSFiles.movable()
            var options = ServerOptions()
            options.more = files + ["--client-tls", "allowed"]
            try TLSFiles.put("one/ca.pem", "two/ca.pem", to: folder, as: "both.pem")
            try withNetwork(3, .chain, options) { network in
                let swarm = ClientSwarm()
                swarm.security = try TLSContext(client: "\(folder)/both.pem")
                try network.fill(swarm, each: 2)
                swarm.security = nil
                try network.fill(swarm, each: 1)
                try swarm.begin(senders: [0, 3, 6, 8], each: isFullRun ? 20_000 : 1_500, window: 4)
                var count = 0
                func change(_ files: [String], as name: String) throws {
                    for (file, name) in zip(files, [name, "own.key"]) { try TLSFiles.put(file, to: folder, as: name) }
                    if files.isEmpty { try TLSFiles.put("one/ca.pem", "two/ca.pem", to: folder, as: name) }
                    count += 1
                    for server in network.servers { server.program.signal(SIGHUP) }
                    try swarm.run("reload \(count)", seconds: 60) {
                        network.servers.allSatisfy {
                            $0.program.errorLines.count { $0.contains("configuration reloaded") } == count
                        }
                    }
                }
                try change([], as: "ca.pem")
                try change(["two/red.pem", "two/red.key"], as: "own.pem")
                try change(["two/ca.pem"], as: "ca.pem")
                try swarm.finish(seconds: 120)
                #expect(swarm.violations == [])
                try expectOnlyTheNewOne(network, swarm)
            }
        }

        private func expectOnlyTheNewOne(_ network: Network, _ swarm: ClientSwarm) throws {
            var options = ServerOptions()
            options.secret = network.options.secret
            options.remotePort = network.ports[0]
            options.more = try TLSFiles.options()
            let former = try Program(named: "pando-server", options.arguments)
            defer { former.kill9() }
            _ = try former.errorLine(seconds: 20, "the refusal") { $0.contains("TLS failed") }
            options.more = try TLSFiles.options(of: "two", trusting: "two") + ["--client-tls", "allowed"]
            try withServer(options) { server in
                try wait(for: "four members", seconds: 30) { try server.statistics().members == 4 }
                swarm.security = try TLSContext(client: try TLSFiles.path("two/ca.pem"))
                for port in network.ports { try swarm.add(port: port) }
                try swarm.runUntilLoggedIn()
                try swarm.exchange(senders: [0, 3, 6, 8], each: 20)
                #expect(swarm.violations == [])
            }
        }
    }
}
