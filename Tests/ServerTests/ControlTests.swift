// pandoctl against real servers.

import Foundation
import Glibc
import Testing

extension LightTests {
    @Suite(.timeLimit(.minutes(5))) struct ControlTests {
        private static let options: ServerOptions = {
            var options = ServerOptions()
            options.more = ["--admin", "0"]
            return options
        }()

        /// What pandoctl says and how it ends.
        private func control(
            _ arguments: String..., variables: String = ""
        ) throws -> (lines: [String], errors: [String], status: ExitStatus) {
            let program = try Program(
                shell: "unset PANDO_ADMIN PANDO_ADMIN_TOKEN PANDO_ADMIN_TOKEN_FILE; \(variables) exec \"$0\" \"$@\"",
                named: "pandoctl", arguments)
            defer { program.kill9() }
            let status = try program.waitForExit(seconds: 30)
            return (program.outputLines, program.errorLines, status)
        }

        private func withAdmin(
            _ options: ServerOptions = options, _ body: (ServerProcess, String) throws -> Void
        ) throws { try withServer(options) { try body($0, "\(AdminClient($0.program).port)") } }

        @Test func `each question has its answer, for people and for programs`() throws {
            try withAdmin { server, port in
                let client = try TestClient(port: server.port)
                try client.register("alice", "secret")
                try client.login("alice", "secret")
                let own = "127.0.0.1:\(server.port)"
                let status = try control("status", "--admin", port)
                #expect(status.lines.first == "\(own)  serving, the network is whole")
                #expect(status.status == .code(0) && status.errors == [])
                let servers = try control("servers", "-a", port)
                #expect(servers.lines.last?.hasPrefix("\(own) *  serving") == true)
                let clients = try control("clients", variables: "PANDO_ADMIN=127.0.0.1:\(port)")
                #expect(clients.lines.last?.hasPrefix("alice   127.0.0.1  live") == true, "\(clients)")
                #expect(try control("graph", "-a", port).lines.first?.hasPrefix("● \(own)  1 client") == true)
                #expect(try control("graph", "-a", port, "--format", "dot").lines.last == "}")
                #expect(try control("graph", "-a", port, "--format", "svg").lines.last == "</svg>")
                #expect(try control("top", "-a", port, "--count", "2", "--interval-ms", "20").lines.count >= 16)
                let check = try control("check", "-a", port)
                #expect(check.lines.first?.hasPrefix("PANDO OK - all is well | servers=1 ") == true)
                #expect(check.status == .code(0))
                for command in [["status"], ["servers"], ["clients"], ["clients", "--closed"], ["graph"], ["check"]] {
                    let program = try Program(named: "pandoctl", command + ["--json", "-a", port])
                    #expect(try program.waitForExit(seconds: 30) == .code(0))
                    #expect(program.outputLines.count == 1)
                    _ = try JSON(program.outputLines.first ?? "")
                }
                let top = try control("top", "--json", "-a", port, "--count", "2", "--interval-ms", "20")
                #expect(try top.lines.map { try JSON($0)["clients"]?.integer } == [1, 1])
            }
        }

        // MARK: Users

        @Test func `an operator changes users, with the token`() throws {
            var options = Self.options
            let token = "a token of the tests"
            options.more += ["--admin-token", token]
            try withServer(options) { server in
                let port = "\(try AdminClient(server.program).port)"
                let variables = "PANDO_ADMIN=\(port) PANDO_ADMIN_TOKEN='\(token)'"
                let secrets = NSTemporaryDirectory() + "pando-secret-\(UUID().uuidString)"
                defer { unlink(secrets) }
                try Data("first\n".utf8).write(to: URL(fileURLWithPath: secrets))
                let added = try control("user", "add", "ada", "--secret-file", secrets, variables: variables)
                #expect(added.lines == ["ada: add: done"] && added.status == .code(0), "\(added)")
                let again = try control("user", "add", "ada", "--secret-file", secrets, variables: variables)
                #expect(again.status == .code(1))
                #expect(again.errors.first?.contains("refuses: The name is registered already; choose ") == true)
                let nobody = try control("user", "kick", "eve", variables: variables)
                #expect(nobody.errors.first?.contains("There is no such user; 'pandoctl users' lists") == true)
                let client = try TestClient(port: server.port)
                try client.login("ada", "first")
                #expect(try control("users", variables: variables).lines.last?.hasPrefix("ada ") == true)
                #expect(try control("user", "kick", "ada", variables: variables).lines == ["ada: kick: done"])
                try client.expect("AUTHENTICATION_FAIL")
                try client.expectClosed()
                try Data("second\n".utf8).write(to: URL(fileURLWithPath: secrets))
                let changed = try control(
                    "user", "set-secret", "ada", "--json", "--secret-file", secrets, variables: variables)
                #expect(try JSON(changed.lines.first ?? "")["action"]?.string == "set-secret")
                try TestClient(port: server.port).login("ada", "second")
                #expect(try control("user", "remove", "ada", variables: variables).status == .code(0))
                #expect(try control("users", variables: variables).lines == ["no users"])
                try TestClient(port: server.port).register("ada", "third")
            }
        }

        @Test func `without a token nobody changes users`() throws {
            try withAdmin { _, port in
                let refused = try control("user", "kick", "ada", "-a", port)
                #expect(refused.status == .code(1))
                #expect(refused.errors.first?.contains("--admin-token-file") == true, "\(refused)")
            }
        }

        // MARK: Watching

        @Test func `a check warns of a server that is missed, and of one that does not answer at all`() throws {
            let server = try ServerProcess(Self.options)
            defer { server.kill9() }
            do {
                let port = "\(try AdminClient(server.program).port)"
                var options = Self.options
                options.remotePort = server.port
                let other = try ServerProcess(options)
                defer { other.kill9() }
                let events = try Program(
                    named: "pandoctl", ["events", "-a", port, "--interval-ms", "50", "--json"])
                defer { events.kill9() }
                try wait(for: "two servers", seconds: 20) {
                    try control("check", "-a", port).lines.first?.contains("servers=2 ") == true
                }
                other.kill9()
                let address = "127.0.0.1:\(other.port)"
                var check = try control("check", "-a", port)
                try wait(for: "a warning", seconds: 30, state: { "\(check)" }) {
                    check = try control("check", "-a", port)
                    return check.status == .code(1)
                }
                #expect(check.lines.first?.hasPrefix("PANDO WARNING - out of reach: \(address) |") == true)
                let line = try events.outputLine(seconds: 20, "its silence") { $0.contains(#""event":"unreachable""#) }
                #expect(try JSON(line)["subject"]?.string == address)
                server.kill9()
                let gone = try control("check", "-a", port)
                #expect(gone.status == .code(2))
                #expect(gone.lines.first?.hasPrefix("PANDO CRITICAL - http://127.0.0.1:\(port)/ does not") == true)
                _ = try events.outputLine(seconds: 20, "the other silence") { $0.contains("does not answer") }
            }
        }

        // MARK: Refusals

        @Test func `whoever gets no answer is told what to do`() throws {
            let port = try Sockets.freePort()
            let silent = try control("status", "-a", "\(port)")
            #expect(silent.status == .code(1) && silent.lines == [])
            #expect(silent.errors.count == 1)
            #expect(silent.errors.first?.contains("does not answer: Connection refused; does the server run") == true)
            let mute = try Sockets.listen()
            defer { close(mute.fd) }
            let slow = try control("status", "-a", "\(mute.port)", "--timeout-ms", "200")
            #expect(slow.errors.first?.contains("nothing for 200 ms") == true)
            #expect(try control("status", "-a", "nonsense").status == .code(64))
            #expect(try control("check", "-a", "nonsense").status == .code(3))
            #expect(try control("check", "--what").lines.first?.hasPrefix("PANDO UNKNOWN - wrong usage") == true)
            #expect(try control("status", variables: "PANDO_ADMIN=x").errors.first?.contains("in PANDO_ADMIN") == true)
            // The clients' port.
            try withServer { server in
                let other = try control("status", "-a", "\(server.port)")
                #expect(other.errors.first?.contains("is no HTTP; is http://127.0.0.1:\(server.port)/") == true)
                #expect(try control("check", "-a", "\(server.port)").status == .code(3))
                let secure = try control("status", "-a", "https://127.0.0.1:\(server.port)")
                #expect(secure.errors.first?.contains("say http://") == true, "\(secure)")
            }
        }

        @Test func `an endpoint of other hosts wants its token, under TLS`() throws {
            var options = ServerOptions()
            options.more = ["--admin", "0.0.0.0:0", "--admin-token", "a token of many characters"]
            options.more += ["--client-tls", "allowed"] + (try TLSFiles.options())
            try withServer(options) { server in
                let url = "https://localhost:\(try AdminClient(server.program).port)"
                let authority = try #require(try TLSFiles.options().last)
                let none = try control("status", "-a", url, "--tls-ca", authority)
                #expect(none.errors.first?.contains("wants a token; it is the first line of") == true)
                let wrong = try control("status", "-a", url, "--tls-ca", authority, variables: "PANDO_ADMIN_TOKEN=x")
                #expect(wrong.status == .code(1) && wrong.errors.first?.contains("wants another token") == true)
                let file = NSTemporaryDirectory() + "pando-token-\(UUID().uuidString)"
                defer { unlink(file) }
                try "a token of many characters\n".write(toFile: file, atomically: true, encoding: .utf8)
                let right = try control("status", "-a", url, "--tls-ca", authority, "--token-file", file)
                #expect(right.status == .code(0), "\(right)")
                // Whoever cannot judge the certificate does not talk, and whoever talks in the clear is not answered.
                let unjudged = try control("status", "-a", url, "--token-file", file)
                #expect(unjudged.errors.first?.contains("--tls-ca") == true)
                let plain = url.replacingOccurrences(of: "https", with: "http")
                #expect(try control("status", "-a", plain).errors.first?.contains("say https://") == true)
                for option in ["--token-file", "--tls-ca"] {
                    let missing = try control("status", "-a", url, option, "/none")
                    #expect(missing.errors.first?.contains("No such file or directory") == true, "\(missing)")
                }
            }
        }

        // MARK: Settings

        @Test func `settings are read again, and what came of it is told`() throws {
            let path = NSTemporaryDirectory() + "pando-\(UUID().uuidString).yaml"
            defer { unlink(path) }
            func write(_ text: String) throws { try text.write(toFile: path, atomically: true, encoding: .utf8) }
            try write("log-level: info\n")
            var options = Self.options
            options.more += ["--config", path]
            try withAdmin(options) { _, port in
                #expect(try control("reload", "-a", port).lines == ["changed: nothing"])
                try write("log-level: debug\nmax-store-mb: 64\n")
                let changed = try control("reload", "-a", port)
                #expect(changed.lines == ["changed: log-level", "only with a new start: max-store-mb"])
                try write("log-level: loud\n")
                let refused = try control("reload", "-a", port)
                #expect(refused.status == .code(1))
                #expect(refused.lines.first?.contains("'loud' is not taken") == true)
                #expect(refused.lines.last == "refused: everything stays as it is")
                let json = try control("reload", "--json", "-a", port)
                #expect(try JSON(json.lines.first ?? "")["accepted"] == .bool(false))
            }
            // There is nothing to read again.
            try withAdmin { _, port in
                let nothing = try control("reload", "-a", port)
                #expect(nothing.lines == ["changed: nothing"])
            }
        }

        @Test(arguments: [
            ["--limit-warning", "99", "--limit-critical", "10"], ["--limit-warning", "200"], ["--limit-critical", "0"],
            ["--queue-warning=-1"], ["--certificate-warning", "3"],
        ])
        func `thresholds that make no sense are wrong usage`(options: [String]) throws {
            let program = try Program(named: "pandoctl", ["check"] + options)
            defer { program.kill9() }
            #expect(try program.waitForExit(seconds: 30) == .code(3))
            #expect(program.outputLines.first?.hasPrefix("PANDO UNKNOWN - wrong usage: ") == true)
        }

        @Test func `a server that drains alone says so, and closes who is left`() throws {
            var options = Self.options
            options.more += ["--drain-grace-ms", "3000"]
            let server = try ServerProcess(options)
            defer { server.kill9() }
            let port = "\(try AdminClient(server.program).port)"
            let client = try TestClient(port: server.port)
            try client.login()
            server.program.signal(SIGUSR2)
            _ = try server.program.errorLine("the beginning") { $0.contains("notice draining") }
            let check = try control("check", "-a", port)
            #expect(check.lines.first?.contains("it serves no clients: it is draining") == true)
            #expect(check.status == .code(2))
            #expect(try control("servers", "-a", port).lines.last?.contains("draining") == true)
            _ = try server.program.errorLine("the end") {
                $0.contains("the time to drain is over: clients that are left are closed: left=1")
            }
            #expect(try server.program.waitForExit(seconds: 20) == .code(0))
        }

        @Test func `a server that is drained sends its clients elsewhere, and ends`() throws {
            try withAdmin { server, _ in
                var options = Self.options
                options.remotePort = server.port
                let other = try ServerProcess(options)
                defer { other.kill9() }
                let port = "\(try AdminClient(other.program).port)"
                try wait(for: "two servers", seconds: 20) { try other.statistics().members == 2 }
                let drained = try control("drain", "-a", port)
                #expect(drained.lines.first?.hasSuffix("moves its clients (0) elsewhere, and ends") == true)
                #expect(try other.program.waitForExit(seconds: 60) == .code(0))
                #expect(other.program.errorLines.contains { $0.contains("notice draining") })
            }
        }

        @Test(arguments: ["bash", "zsh", "fish"]) func `shells complete it`(shell: String) throws {
            let script = try control("--generate-completion-script", shell)
            #expect(script.status == .code(0))
            for word in ["status", "servers", "clients", "graph", "top", "events", "check", "reload"] {
                #expect(script.lines.contains { $0.contains(word) }, "\(word)")
            }
            // Where the shell is installed it has nothing to say against the script.
            guard let path = ["/bin/", "/usr/bin/"].map({ $0 + shell }).first(where: { access($0, X_OK) == 0 }) else {
                return
            }
            let judge = try Program(path: path, ["-n"])
            defer { judge.kill9() }
            try judge.write(script.lines.joined(separator: "\n") + "\n")
            judge.closeInput()
            #expect(try judge.waitForExit() == .code(0), "\(judge.errorLines)")
        }
    }
}
