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
