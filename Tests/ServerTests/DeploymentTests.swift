// The files under config/ that other programs read: judged by those programs, where they are installed.

import Foundation
import Glibc
import Testing

/// The top folder of the sources.
let sourceRoot = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

extension LightTests {
    @Suite(.timeLimit(.minutes(5))) struct DeploymentTests {
        private static let analyze = "/usr/bin/systemd-analyze"
        private static let hasAnalyze = access(analyze, X_OK) == 0

        /// What a program says, which has to be content.
        private func output(_ path: String, _ arguments: [String]) throws -> [String] {
            let program = try Program(path: path, arguments)
            defer { program.kill9() }
            let status = try program.waitForExit(seconds: 60)
            #expect(status == .code(0), "\(path) \(arguments)\n\(program.outputLines)\n\(program.errorLines)")
            return program.outputLines + program.errorLines
        }

        private func withFolder(_ body: (String) throws -> Void) throws {
            let folder = NSTemporaryDirectory() + "pando-\(UUID().uuidString)"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
            defer { try? FileManager.default.removeItem(atPath: folder) }
            try body(folder)
        }

        // MARK: systemd

        @Test(.enabled(if: hasAnalyze)) func `systemd understands the unit, and finds it locked up`() throws {
            try withFolder { folder in
                let text = try String(
                    contentsOfFile: sourceRoot + "/config/systemd/pando-server.service", encoding: .utf8)
                let server = Program.binaryDirectory + "/pando-server"
                let unit = folder + "/pando-server.service"
                try text.replacing("/usr/bin/pando-server", with: server)
                    .write(toFile: unit, atomically: true, encoding: .utf8)
                // Manual pages are not installed here.
                #expect(try output(Self.analyze, ["verify", "--man=no", unit]) == [])
                // Of 100, for what it may do to the system. Its sockets and the host's files are what is left.
                let report = try output(
                    Self.analyze, ["security", "--offline=true", "--no-pager", "--threshold=15", unit])
                #expect(report.contains { $0.contains("Overall exposure level") })
            }
        }

        @Test(.enabled(if: access("/usr/bin/systemd-sysusers", X_OK) == 0))
        func `systemd makes the user and the folders`() throws {
            try withFolder { root in
                let users = sourceRoot + "/config/systemd/pando.sysusers.conf"
                let lines = try output("/usr/bin/systemd-sysusers", ["--dry-run", "--root=\(root)", users])
                #expect(lines.contains { $0.contains("Creating user 'pando'") })
                guard getuid() == 0 else { return }
                try FileManager.default.createDirectory(atPath: root + "/etc", withIntermediateDirectories: false)
                _ = try output("/usr/bin/systemd-sysusers", ["--root=\(root)", users])
                let folders = sourceRoot + "/config/systemd/pando.tmpfiles.conf"
                _ = try output("/usr/bin/systemd-tmpfiles", ["--create", "--root=\(root)", folders])
                for folder in ["/etc/pando", "/run/pando", "/var/log/pando"] {
                    #expect(access(root + folder, F_OK) == 0, "\(folder)")
                }
            }
        }

        /// The unit allows the calls of this list and no others: whatever a server calls from its start to its end,
        /// with a client, a look, a reload and a neighbour that is not there, has to be among them.
        @Test(.enabled(if: hasAnalyze && access("/usr/bin/strace", X_OK) == 0))
        func `a server makes no system call that the unit forbids`() throws {
            try withFolder { folder in
                let (calls, settings) = (folder + "/calls", folder + "/pando.yaml")
                try "log-level: debug\n".write(toFile: settings, atomically: true, encoding: .utf8)
                var options = ServerOptions()
                options.remoteHost = "localhost"
                options.remotePort = try Sockets.freePort()
                options.more = [
                    "--admin", "0", "--config", settings, "--log-file", folder + "/log", "--statistics-file",
                    folder + "/statistics",
                ]
                let program = try Program(
                    shell: "NOTIFY_SOCKET=@nobody WATCHDOG_USEC=100000 exec strace -f -qq -o \(calls) \"$0\" \"$@\"",
                    named: "pando-server", options.arguments)
                defer { program.kill9() }
                let line = try program.outputLine(seconds: 60, "the ready line") { $0.contains(" ready on ") }
                let client = try TestClient(port: try #require(ReadyLine(line)?.port))
                try client.register("alice", "secret")
                try client.login("alice", "secret")
                try client.sayAndHear(#"{"a":1}"#, as: "alice", "secret")
                let log = String(
                    decoding: FileManager.default.contents(atPath: folder + "/log") ?? Data(), as: UTF8.self)
                let port = try #require(log.firstMatch(of: #/http://127\.0\.0\.1:([0-9]+)//#).flatMap { Int($0.1) })
                let admin = try HTTPConnection(port: port)
                admin.send("GET /metrics HTTP/1.0\r\n\r\n")
                #expect(try HTTPAnswer(admin.receiveAll()).status == 200)
                // strace passes on what it is sent only to end; the server is its child.
                let children = "/proc/\(program.processID)/task/\(program.processID)/children"
                let child = try #require(
                    pid_t(String(contentsOfFile: children, encoding: .utf8).split(separator: " ")[0]))
                for signal in [SIGHUP, SIGUSR1] { kill(child, signal) }
                try wait(for: "statistics") { access(folder + "/statistics", F_OK) == 0 }
                kill(child, SIGTERM)
                #expect(try program.waitForExit(seconds: 60) == .code(0))
                let text = try String(contentsOfFile: calls, encoding: .utf8)
                let made = Set(text.matches(of: #/(?m)^[0-9]+ +([a-z0-9_]+)\(/#).map { String($0.1) })
                #expect(made.count > 30)
                #expect(made.subtracting(try allowedCalls()) == [])
            }
        }

        private func allowedCalls() throws -> Set<String> {
            let unit = try String(contentsOfFile: sourceRoot + "/config/systemd/pando-server.service", encoding: .utf8)
            var allowed = try calls(of: "@default")
            for line in unit.split(separator: "\n") where line.hasPrefix("SystemCallFilter=") {
                let words = line.dropFirst("SystemCallFilter=".count)
                let isTaken = words.hasPrefix("~")
                for word in words.drop(while: { $0 == "~" }).split(separator: " ") {
                    let some = try word.hasPrefix("@") ? calls(of: String(word)) : [String(word)]
                    if isTaken { allowed.subtract(some) } else { allowed.formUnion(some) }
                }
            }
            return allowed
        }

        private func calls(of group: String) throws -> Set<String> {
            let lines = try output(Self.analyze, ["syscall-filter", "--no-pager", group]).dropFirst()
            var calls: Set<String> = []
            for line in lines.map({ $0.trimmingCharacters(in: .whitespaces) }) where !line.hasPrefix("#") {
                if line.hasPrefix("@") { calls.formUnion(try self.calls(of: line)) } else { calls.insert(line) }
            }
            return calls
        }

        // MARK: Prometheus

        private static let promtool = "/usr/bin/promtool"
        private static let hasPromtool = access(promtool, X_OK) == 0

        @Test(.enabled(if: hasPromtool)) func `Prometheus understands its configuration, and the alerts do as tested`()
            throws
        {
            let folder = sourceRoot + "/config/prometheus"
            _ = try output(Self.promtool, ["check", "config", folder + "/prometheus.yml"])
            _ = try output(Self.promtool, ["test", "rules", folder + "/pando.rules.test.yml"])
        }

        /// Each query of the dashboard as a rule, with something in the place of its variables.
        @Test(.enabled(if: hasPromtool)) func `Prometheus understands the dashboard`() throws {
            let path = sourceRoot + "/config/grafana/pando.json"
            let board = try JSON(bytes: Array(try #require(FileManager.default.contents(atPath: path))))
            let queries = Self.queries(board)
            #expect(queries.count > 30)
            try withFolder { folder in
                var rules = "groups:\n- name: dashboard\n  rules:\n"
                for (index, query) in queries.enumerated() {
                    let expression = query.replacing("$__rate_interval", with: "1m").replacing(
                        "$__interval", with: "1m"
                    )
                    .replacing("$job", with: "pando").replacing("$instance", with: ".*")
                    rules += "  - {record: q\(index), expr: \(JSON.quoted(expression))}\n"
                }
                try rules.write(toFile: folder + "/rules.yml", atomically: true, encoding: .utf8)
                _ = try output(Self.promtool, ["check", "rules", folder + "/rules.yml"])
            }
        }

        private static func queries(_ json: JSON) -> [String] {
            switch json {
            case .array(let values): values.flatMap(queries)
            case .object(let members):
                members.flatMap { member in
                    member.name == "expr" ? [member.value.string ?? ""] : queries(member.value)
                }
            default: []
            }
        }
    }
}
