// Settings from a file, the environment and options, with the real program; and whether the documents name what it has.

import Foundation
import Testing

extension LightTests {
    @Suite(.timeLimit(.minutes(10))) struct ConfigurationTests {
        private static let root = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

        /// What a run that ends by itself said.
        private struct Answer {
            var status: ExitStatus
            var output: [String]
            var errors: [String]
        }

        private func run(_ arguments: [String], environment: [String] = []) throws -> Answer {
            let script = environment.map { "export '\($0)'; " }.joined() + "exec \"$0\" \"$@\""
            let program = try Program(shell: script, named: "pando-server", arguments)
            defer { program.kill9() }
            return Answer(
                status: try program.waitForExit(seconds: 20), output: program.outputLines, errors: program.errorLines)
        }

        /// Runs `body` with the path of a file that has this text.
        private func withFile<Result>(_ text: String, _ body: (String) throws -> Result) throws -> Result {
            let path = NSTemporaryDirectory() + "pando-settings-\(UUID().uuidString).yaml"
            try Data(text.utf8).write(to: URL(fileURLWithPath: path))
            defer { unlink(path) }
            return try body(path)
        }

        // MARK: What is in force

        @Test func `an option wins over the environment over the file over the default`() throws {
            try withFile("max-store-mb: 11\nhash-cost: 11\nlog-level: debug\n") { path in
                let answer = try run(
                    ["--config", path, "--print-config", "--max-store-mb", "13"],
                    environment: ["PANDO_MAX_STORE_MB=12", "PANDO_HASH_COST=12"])
                #expect(answer.status == .code(0))
                #expect(answer.output.contains("max-store-mb: 13  # --max-store-mb"))
                #expect(answer.output.contains("hash-cost: 12  # PANDO_HASH_COST"))
                #expect(answer.output.contains("log-level: debug  # \(path):3:12"))
                #expect(answer.output.contains("log-format: text  # default"))
            }
        }

        @Test func `what is in force is a file that says the same`() throws {
            let first = try run(["--print-config", "-lp", "4000", "-lh", "it's", "-a", "250", "--allow-huge-integers"])
            try withFile(first.output.joined(separator: "\n")) { path in
                #expect(try run(["--config", path, "--check-config"]).status == .code(0))
                let second = try run(["--config", path, "--print-config"])
                func values(_ answer: Answer) -> [String] {
                    answer.output.map { $0.components(separatedBy: "  # ")[0] }
                }
                #expect(values(first) == values(second))
                #expect(values(first).contains("allow-huge-integers: true"))
                #expect(values(first).contains("host: 'it''s'"))
            }
        }

        @Test func `the environment may name the file, and a server runs by it`() throws {
            let text = "bind: 127.0.0.1\nhost: localhost\nport: 0\nallow-huge-integers: true\n"
            try withFile(text) { path in
                let script = "export PANDO_CONFIG='\(path)' PANDO_SECRET=hidden; exec \"$0\" \"$@\""
                let program = try Program(shell: script, named: "pando-server", [])
                defer { program.kill9() }
                let line = try program.outputLine("the ready line") { $0.contains(" ready on ") }
                let ready = try #require(ReadyLine(line))
                #expect(ready.advertisedHost == "localhost")
                #expect(program.outputLines.count == 1, "the secret was given, so none is drawn")
                let client = try TestClient(port: ready.port)
                try client.login()
                try client.sayAndHear("{\"n\":123456789012345678901234567890}")
            }
        }

        // MARK: Secrets

        @Test func `a secret from a file lets a server join, and nobody prints it`() throws {
            var options = ServerOptions()
            options.secret = "hidden words"
            try withServer(options) { first in
                try withFile("hidden words\nanything\n") { secretPath in
                    try withFile("secret-file: \(secretPath)\n") { path in
                        var other = options
                        other.secret = nil
                        other.remotePort = first.port
                        other.more = ["--config", path]
                        try withServer(other) { second in
                            try wait(for: "two members", seconds: 20) { try second.statistics().members == 2 }
                        }
                        let answer = try run(["--config", path, "--print-config"])
                        #expect(!(answer.output + answer.errors).joined().contains("hidden"))
                    }
                }
            }
        }

        @Test func `a secret's two ways are weighed like any other setting`() throws {
            try withFile("x\n") { path in
                let both = try run(["--secret-file", path, "-s", "hidden", "--check-config"])
                #expect(both.status == .code(64))
                #expect(both.errors.first?.contains("give one of them") == true)
                let option = try run(
                    ["--secret-file", path, "--print-config"], environment: ["PANDO_SECRET=hidden"])
                #expect(option.output.contains { $0.hasPrefix("secret-file: ") })
                let stronger = try run(["-s", "hidden", "--print-config"], environment: ["PANDO_SECRET_FILE=\(path)"])
                #expect(stronger.output.contains("# secret: not shown  # -s, --secret"))
                #expect(stronger.output.contains { $0.hasPrefix("# secret-file: ") })
            }
            #expect(try run(["--secret-file", "/nonexistent", "--check-config"]).status == .code(64))
        }

        // MARK: Mistakes

        @Test func `every mistake is told with its place and its remedy`() throws {
            try withFile("port: 99999\nlog-levl: info\nheartbeat-ms: 9000\nsecret: hidden\n") { path in
                let answer = try run(
                    ["--config", path, "--check-config", "-lh", "two words"], environment: ["PANDO_MAX_STORE_MB=lots"])
                #expect(answer.status == .code(78))
                #expect(answer.output == [])
                #expect(
                    answer.errors.map { $0.replacingOccurrences(of: "pando-server: \(path)", with: "FILE") } == [
                        "FILE:1:7: port: '99999' is not taken; a number from 0 to 65535.",
                        "pando-server: -lh, --host: 'two words' is not taken; a name or address of 1 to 255 printable "
                            + "ASCII characters, without blanks.",
                        "FILE:4:9: 'secret' does not stand in this file: put it into one of its own, and name that "
                            + "with 'secret-file'.",
                        "pando-server: PANDO_MAX_STORE_MB: 'lots' is not taken; 1 to 1048576 MiB.",
                        "FILE:2:1: 'log-levl' is not known; did you mean 'log-level'?",
                        "FILE:3:15: heartbeat-ms must be less than silence-ms.",
                        "pando-server: 6 mistakes; nothing was started",
                    ])
                // Without the option the same mistakes keep it from starting.
                #expect(try run(["--config", path]).status == .code(78))
            }
        }

        @Test(arguments: ["red:3780", "http://red", "red/", "[::1]:3780"])
        func `a host is no place with a port`(host: String) throws {
            try withFile("host: '\(host)'\nremote-host: '\(host)'\n") { path in
                let answer = try run(["--config", path, "--check-config", "-s", "x"])
                #expect(answer.status == .code(78))
                #expect(answer.errors.first?.hasSuffix("the port is a setting of its own, port (-lp).") == true)
                #expect(answer.errors.contains { $0.contains(":2:14: ") && $0.contains("remote-port (-rp).") })
            }
        }

        @Test(arguments: ["::1", "[::1]", "fe80::1%eth0", "red.example.org", "127.0.0.1"])
        func `a host is a name or an address`(host: String) throws {
            let answer = try run(["--check-config", "-lh", host, "-rh", host, "-s", "x"])
            #expect(answer.status == .code(0), "\(answer)")
        }

        @Test func `files of TLS that cannot be read are told with their places`() throws {
            let names = ["tls-cert", "tls-key", "tls-ca", "tls-crl", "client-tls-cert", "client-tls-key"]
            let lines = names.map { "\($0): /nobody/is/here\n" } + ["client-tls: allowed\n"]
            try withFile(lines.joined()) { path in
                let answer = try run(["--config", path, "--check-config"])
                #expect(answer.status == .code(78))
                for (index, name) in names.enumerated() {
                    let place = "\(path):\(index + 1):\(name.count + 3): \(name): '/nobody/is/here' cannot be read"
                    #expect(answer.errors.contains { $0.contains(place) }, "\(answer.errors)")
                }
                #expect(answer.errors.last == "pando-server: 6 mistakes; nothing was started")
            }
        }

        @Test func `mistakes in options alone are wrong usage`() throws {
            #expect(try run(["-lp", "abc", "--check-config"]).status == .code(64))
            #expect(try run(["--config", "/nonexistent/pando.yaml"]).status == .code(78))
            let fine = try run(["--check-config"])
            #expect(fine.status == .code(0))
            #expect(fine.errors == [])
        }

        // MARK: Reload

        @Test func `a reload changes what can change and names what needs a new start`() throws {
            try withFile("log-level: notice\nmax-store-mb: 10\n") { path in
                var options = ServerOptions()
                options.more = ["--config", path]
                try withServer(options) { server in
                    try Data("log-level: debug\nlog-format: json\nmax-store-mb: 20\n".utf8)
                        .write(to: URL(fileURLWithPath: path))
                    server.program.signal(SIGHUP)
                    let reloaded = try server.program.errorLine("the change") { $0.contains("configuration reloaded") }
                    let line = try JSON(reloaded)
                    #expect(line["changed"]?.string == "log-level, log-format")
                    let waiting = try server.program.errorLine("the rest") { $0.contains("only with a new start") }
                    #expect(try JSON(waiting)["settings"]?.string == "max-store-mb")
                    // What is told at that level only is told now.
                    let client = try TestClient(port: server.port)
                    try client.login()
                    _ = try server.program.errorLine("a line of that level") { $0.contains("\"level\":\"debug\"") }
                }
            }
        }

        @Test func `TLS that begins waits for a new start, the rest changes`() throws {
            let files = try TLSFiles.options("red")
            try withFile("log-level: notice\n") { path in
                var options = ServerOptions()
                options.more = ["--config", path]
                try withServer(options) { server in
                    let text =
                        "log-level: info\nclient-tls: allowed\nclient-tls-cert: \(files[1])\n"
                        + "client-tls-key: \(files[3])\n"
                    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
                    server.program.signal(SIGHUP)
                    let reloaded = try server.program.errorLine("the change") { $0.contains("configuration reloaded") }
                    #expect(reloaded.hasSuffix("changed=log-level"), "\(reloaded)")
                    let waiting = try server.program.errorLine("the rest") { $0.contains("only with a new start") }
                    #expect(waiting.contains("client-tls, client-tls-cert, client-tls-key"), "\(waiting)")
                }
            }
        }

        @Test func `one mistake leaves everything as it is`() throws {
            try withFile("log-level: notice\n") { path in
                var options = ServerOptions()
                options.more = ["--config", path]
                try withServer(options) { server in
                    try Data("log-format: json\nmax-store-mb: lots\nbnid: '::'\n".utf8)
                        .write(to: URL(fileURLWithPath: path))
                    server.program.signal(SIGHUP)
                    let last = try server.program.errorLine("the refusal") { $0.contains("not reloaded") }
                    #expect(last.hasSuffix("mistakes=2"), "\(last)")
                    let said = server.program.errorLines
                    #expect(said.contains { $0.contains("\(path):2:15: max-store-mb: 'lots' is not taken") })
                    #expect(said.contains { $0.contains("did you mean 'bind'?") })
                    // Mended, it is taken.
                    try Data("log-format: json\n".utf8).write(to: URL(fileURLWithPath: path))
                    server.program.signal(SIGHUP)
                    let line = try server.program.errorLine("the change") { $0.contains("configuration reloaded") }
                    #expect(try JSON(line)["changed"]?.string == "log-level, log-format")
                }
            }
        }

        @Test func `without a file there is nothing to reload`() throws {
            try withServer { server in
                server.program.signal(SIGHUP)
                _ = try server.program.errorLine("the answer") { $0.contains("nothing to reload without --config") }
            }
        }

        // MARK: Completion

        /// What bash offers for the last of these words, asked the way that bash asks.
        private func completions(_ words: String...) throws -> [String] {
            let script = """
                source <("$0" --generate-completion-script bash)
                COMP_WORDS=(pando-server "$@"); COMP_CWORD=$#; COMP_LINE="${COMP_WORDS[*]}"; COMP_POINT=${#COMP_LINE}
                _pando-server pando-server "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
                printf '%s\\n' "${COMPREPLY[@]}"
                """
            let path = Program.binaryDirectory + "/pando-server"
            let program = try Program(path: "/bin/bash", ["-c", script, path] + words)
            defer { program.kill9() }
            #expect(try program.waitForExit(seconds: 20) == .code(0))
            #expect(program.errorLines == [])
            return program.outputLines
        }

        @Test func `a shell completes options and their values`() throws {
            #expect(
                try completions("--max") == [
                    "--max-line-bytes", "--max-json-depth", "--max-frame-mb", "--max-store-mb", "--max-connections",
                    "--max-buffer-mb",
                ])
            #expect(try completions("--log-level", "d") == ["debug"])
            #expect(try completions("--log-format", "") == ["text", "json"])
        }

        @Test(arguments: ["bash", "zsh", "fish"])
        func `a completion script names every option`(shell: String) throws {
            let script = try run(["--generate-completion-script", shell]).output.joined(separator: "\n")
            for key in try options().map(\.key) { #expect(script.contains(key), "\(shell): \(key)") }
        }

        // MARK: Documents

        /// Settings that do not stand in the file.
        private let secrets = ["secret", "admin-token"]

        /// A setting as the option parser knows it.
        private struct Option {
            var key: String
            var row: String
        }

        private func options() throws -> [Option] {
            let text = try run(["--experimental-dump-help"]).output.joined(separator: "\n")
            guard case .array(let arguments) = try JSON(text)["command"]?["arguments"] else { return [] }
            return arguments.compactMap { argument in
                guard let section = argument["sectionTitle"]?.string, section != "Configuration",
                    case .array(let names) = argument["names"], let key = names.last?["name"]?.string,
                    !key.hasPrefix("no-")
                else { return nil }
                return Option(key: key, row: row(argument, names, key))
            }
        }

        /// The line of the table in the documents.
        private func row(_ argument: JSON, _ names: [JSON], _ key: String) -> String {
            var text = argument["abstract"]?.string ?? ""
            var standard = argument["kind"]?.string == "flag" ? "false" : ""
            if let match = text.firstMatch(of: /\ \(default: (.*)\)$/) {
                standard = String(match.1)
                text.removeSubrange(match.range)
            }
            standard = argument["defaultValue"]?.string ?? standard
            let options = names.map { name in
                "`\(name["kind"]?.string == "long" ? "--" : "-")\(name["name"]?.string ?? "")`"
            }
            let variable = "PANDO_" + key.uppercased().replacingOccurrences(of: "-", with: "_")
            let place = secrets.contains(key) ? "" : "`\(key)`"
            return "| \(place) | \(options.joined(separator: ", ")) | `\(variable)` | \(standard) | \(text) |"
        }

        @Test func `the table of the documents is that of the program`() throws {
            let text = try String(contentsOfFile: Self.root + "/docs/configuration.md", encoding: .utf8)
            let rows = text.components(separatedBy: "\n").filter { $0.contains("| `PANDO_") }
            let expected = try options().map(\.row)
            #expect(expected.count > 30)
            #expect(rows == expected)
        }

        @Test func `every option is a setting`() throws {
            let printed = try run(["--print-config"]).output.compactMap { line in
                line.firstMatch(of: /^(?:\#\ )?([a-z-]+):\ /).map { String($0.1) }
            }
            let keys = try options().map(\.key)
            #expect(printed.filter { $0 != "pando-server" } == keys)
        }

        @Test func `the file that is shipped has every setting, each with a value that is taken`() throws {
            let text = try String(contentsOfFile: Self.root + "/config/pando-server.yaml", encoding: .utf8)
            let asItIs = try run(["--config", Self.root + "/config/pando-server.yaml", "--check-config"])
            #expect(asItIs.status == .code(0))
            let keys = text.components(separatedBy: "\n").compactMap { line in
                line.firstMatch(of: /^\#([a-z-]+):\ /).map { String($0.1) }
            }
            let expected = try options().map(\.key).filter { !secrets.contains($0) }
            #expect(keys == expected)
            try withFile("sixteen characters\n") { secret in
                let all = text.replacing(/(?m)^\#([a-z-]+:\ )/) { $0.1 }
                    .replacing(/\/etc\/pando\/(secret|admin-token|[a-z]+\.(pem|key))/, with: secret)
                try withFile(all) { path in
                    let answer = try run(["--config", path, "--check-config"])
                    #expect(answer.status == .code(0), "\(answer.errors)")
                }
            }
        }
    }
}
