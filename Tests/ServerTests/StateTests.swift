// What outlives a server, on real disks and with real kills.

import Foundation
import Glibc
import Testing

extension LightTests {
    @Suite(.timeLimit(.minutes(10))) struct StateTests {
        private static let token = "a token of the tests"

        /// A folder that is gone after the test.
        private func withFolder(_ body: (String) throws -> Void) throws {
            let folder = NSTemporaryDirectory() + "pando-state-\(UUID().uuidString)"
            defer { try? FileManager.default.removeItem(atPath: folder) }
            try body(folder)
        }

        private func options(_ folder: String, _ more: [String] = []) -> ServerOptions {
            var options = ServerOptions()
            options.more =
                ["--state-dir", folder, "--hash-cost", "1", "--admin", "0", "--admin-token", Self.token] + more
            return options
        }

        private func users(_ server: ServerProcess) throws -> Set<String> {
            let connection = try HTTPConnection(port: try AdminClient(server.program).port)
            connection.send(
                "GET /users.json HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \(Self.token)\r\n\r\n")
            guard case .array(let users)? = try HTTPAnswer(connection.receiveAll()).json["users"] else { return [] }
            return Set(users.compactMap { $0["user"]?.string })
        }

        @Test func `a state that begins is told apart from one that is restored`() throws {
            try withFolder { folder in
                for word in ["began a new state", "state restored"] {
                    let server = try ServerProcess(options(folder))
                    _ = try server.program.errorLine(word) { $0.contains(word) }
                    #expect(try server.program.terminate() == .code(0))
                }
            }
        }

        // MARK: Kills

        /// Clients register as fast as they are answered, and the server is killed somewhere in between. `PANDO_KILLS`
        /// says how often.
        @Test func `what was acknowledged is there after any number of kills`() throws {
            let kills = ProcessInfo.processInfo.environment["PANDO_KILLS"].flatMap { Int($0) } ?? (isFullRun ? 100 : 10)
            try withFolder { folder in
                var acknowledged: Set<String> = []
                for round in 0..<kills {
                    let server = try ServerProcess(options(folder))
                    let known = try users(server)
                    #expect(acknowledged.subtracting(known) == [], "round \(round)")
                    acknowledged.formUnion(try register(round: round, at: server))
                }
                try withServer(options(folder)) { server in
                    #expect(acknowledged.subtracting(try users(server)) == [])
                    let name = try #require(acknowledged.first)
                    try TestClient(port: server.port).login(name, "s-\(name)")
                }
                #expect(acknowledged.count >= kills, "too few to mean anything")
            }
        }

        /// Returns the names that were acknowledged before the kill.
        private func register(round: Int, at server: ServerProcess) throws -> Set<String> {
            let clients = try (0..<8).map { _ in try TestClient(port: server.port) }
            var names: [[String]] = []
            for (index, client) in clients.enumerated() {
                names.append((0..<40).map { "user-\(round)-\(index)-\($0)" })
                for name in names[index] { try client.send(Line.register(name, "s-\(name)")) }
            }
            // So far that some have been answered, and then at any moment.
            var counts = try clients.map { try $0.reply().command == "REGISTER_SUCCESS" ? 1 : 0 }
            usleep(UInt32.random(in: 0...30_000))
            server.kill9()
            for (index, client) in clients.enumerated() {
                while let line = try client.readLine(), try Reply(line: line).command == "REGISTER_SUCCESS" {
                    counts[index] += 1
                }
            }
            return Set(names.indices.flatMap { names[$0].prefix(counts[$0]) })
        }

        // MARK: Disks

        @Test func `a damaged file is refused, with what to do`() throws {
            try withFolder { folder in
                try withServer(options(folder)) { try TestClient(port: $0.port).register("ada", "s") }
                let path = folder + "/pando-state.sqlite"
                let size = try #require(FileManager.default.contents(atPath: path)?.count)
                try Data(repeating: 7, count: size).write(to: URL(fileURLWithPath: path))
                unlink(path + "-wal")
                let program = try Program(named: "pando-server", options(folder).arguments)
                #expect(try program.waitForExit(seconds: 30) == .code(65))
                let text = program.errorLines.joined(separator: "\n")
                #expect(text.contains("is damaged") && text.contains("put a backup in its place"), "\(text)")
            }
        }

        @Test func `a folder belongs to one server at a time`() throws {
            try withFolder { folder in
                try withServer(options(folder)) { _ in
                    let program = try Program(named: "pando-server", options(folder).arguments)
                    #expect(try program.waitForExit(seconds: 30) == .code(71))
                    #expect(program.errorLines.contains { $0.contains("needs a --state-dir of its own") })
                }
            }
        }

        /// No file may grow beyond a MiB, which is what a full disk looks like from within. (The activity log is one.)
        @Test func `a full disk is told and counted and stops nobody`() throws {
            try withFolder { folder in
                let program = try Program(
                    shell: "trap '' XFSZ; ulimit -f 2048; exec \"$0\" \"$@\"", named: "pando-server",
                    options(folder, ["--activity-log-mb", "1", "--max-line-bytes", "65536"]).arguments)
                defer { program.kill9() }
                let line = try program.outputLine(seconds: 20, "the ready line") { $0.contains(" ready on ") }
                let port = try #require(ReadyLine(line)).port
                for number in 0..<400 { try TestClient(port: port).register("user-\(number)", "s") }
                _ = try program.errorLine(seconds: 20, "the failure") { $0.contains("the state cannot be written") }
                let connection = try HTTPConnection(port: try AdminClient(program).port)
                connection.send(
                    "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \(Self.token)\r\n\r\n")
                let metrics = try HTTPAnswer(connection.receiveAll()).text
                #expect(metrics.contains("\npando_state_failing 1\n"))
                #expect(!metrics.contains("\npando_state_writes_failed_total 0\n"))
                #expect(!metrics.contains("\npando_registrations_unstored_total 0\n"))
            }
        }

        /// The folder is in a small file system of its own, which is full before the server starts.
        @Test(.enabled(if: getuid() == 0))
        func `a disk that is full already keeps nobody from starting, with those whom it knew`() throws {
            try withFolder { folder in
                try withServer(options(folder)) { try TestClient(port: $0.port).register("ada", "s") }
                let room = folder + "/full"
                try FileManager.default.createDirectory(atPath: room, withIntermediateDirectories: false)
                let program = try Program(
                    shell: """
                        exec unshare --mount sh -ec 'mount -t tmpfs -o size=64k none \(room)
                        cp \(folder)/pando* \(room)
                        head -c 1M /dev/zero > \(room)/rest || exec "$0" "$@"' "$0" "$@"
                        """, named: "pando-server", options(room).arguments)
                defer { program.kill9() }
                let line = try program.outputLine(seconds: 20, "the ready line") { $0.contains(" ready on ") }
                let port = try #require(ReadyLine(line)).port
                try TestClient(port: port).login("ada", "s")
                try TestClient(port: port).register("eve", "s")
                _ = try program.errorLine(seconds: 20, "the failure") { $0.contains("the state cannot be written") }
            }
        }

        @Test func `without a folder it says that nothing is kept`() throws {
            try withServer { server in
                _ = try server.program.errorLine(seconds: 20, "the line") { $0.contains("kept in memory only") }
            }
        }

        // MARK: Networks

        @Test func `a network is found again though the first neighbour is gone`() throws {
            try withFolder { folder in
                var own = ServerOptions()
                let first = try ServerProcess(own)
                defer { first.kill9() }
                own.remotePort = first.port
                let living = try ServerProcess(own)
                defer { living.kill9() }
                var third = options(folder)
                (third.secret, third.remotePort) = (own.secret, first.port)
                let before = try ServerProcess(third)
                try TestClient(port: before.port).register("ada", "s")
                try wait(for: "three members", seconds: 20) { try before.statistics().members == 3 }
                third.port = before.port
                before.kill9()
                first.kill9()
                let after = try ServerProcess(third)
                defer { after.kill9() }
                try wait(for: "the other one", seconds: 30) { try after.statistics().links == 1 }
                try TestClient(port: after.port).login("ada", "s")
            }
        }
    }
}
