// Streams that nobody reads, files that are none, descriptors that were closed.

import Foundation
import Glibc
import Testing

extension LightTests {
    @Suite(.timeLimit(.minutes(5))) struct SurroundingsTests {
        /// A pipe that takes nothing more. Others write to it by the path.
        private final class FullPipe {
            private var ends: [Int32] = [0, 0]
            var path: String { "/proc/\(getpid())/fd/\(ends[1])" }

            init() throws {
                guard pipe(&ends) == 0 else { throw Sockets.reason("pipe") }
                for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
                _ = fcntl(ends[1], F_SETFL, O_NONBLOCK)
                let bytes = [UInt8](repeating: 10, count: 4096)
                while write(ends[1], bytes, bytes.count) > 0 {}
            }

            deinit { for end in ends { close(end) } }
        }

        /// A server started by a shell, which arranges its descriptors.
        private func server(_ redirection: String, port: Int, _ more: [String] = []) throws -> Program {
            let arguments = ["--bind", "127.0.0.1", "-lh", "127.0.0.1", "-lp", "\(port)"] + more
            return try Program(shell: "exec \"$0\" \"$@\" \(redirection)", named: "pando-server", arguments)
        }

        private func login(port: Int) throws -> TestClient {
            var client: TestClient?
            try wait(for: "the port") {
                client = try? TestClient(port: port)
                return client != nil
            }
            let connected = try #require(client)
            try connected.login()
            return connected
        }

        @Test(arguments: [[], ["-s", "x"]])
        func aStandardOutputThatNobodyReadsHoldsUpNothing(_ more: [String]) throws {
            let full = try FullPipe()
            let port = try Sockets.freePort()
            let program = try server("> \(full.path)", port: port, more)
            defer { program.kill9() }
            try login(port: port).sayAndHear(#"{"still":"served"}"#)
            #expect(try program.terminate() == .code(0))
            withExtendedLifetime(full) {}
        }

        @Test func aFailureThatNobodyReadsIsStillAnEnd() throws {
            let full = try FullPipe()
            try withServer { other in
                let program = try server("2> \(full.path)", port: other.port)
                defer { program.kill9() }
                #expect(try program.waitForExit() == .code(69))
            }
            withExtendedLifetime(full) {}
        }

        @Test func closedStandardStreamsAreNoPlaceForAClient() throws {
            let port = try Sockets.freePort()
            let program = try server("<&- >&- 2>&-", port: port, ["--log-level", "trace"])
            defer { program.kill9() }
            let clients = try (0..<4).map { _ in try login(port: port) }
            for client in clients { try client.sayAndHear(#"{"only":"this"}"#) }
            try clients[0].send(Line.logout)
            try clients[0].expectClosedEventually()
            #expect(try program.terminate() == .code(0))
        }

        // MARK: The statistics' file

        private func withFolder(_ body: (String) throws -> Void) throws {
            let folder = NSTemporaryDirectory() + "pando-\(UUID().uuidString)"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
            defer { try? FileManager.default.removeItem(atPath: folder) }
            try body(folder)
        }

        private func expectRefusal(of path: String) throws {
            let port = try Sockets.freePort()
            let program = try server("", port: port, ["--statistics-file", path])
            defer { program.kill9() }
            #expect(try program.waitForExit() == .code(64))
            #expect(program.errorLines.count == 1, "\(program.errorLines)")
            #expect(program.errorLines.first?.contains("\(path): it exists and is not a regular file") == true)
        }

        @Test func whatIsNoFileIsNotReplacedByStatistics() throws {
            try withFolder { folder in
                let (link, fifo, victim) = (folder + "/link", folder + "/fifo", folder + "/victim")
                try #require(FileManager.default.createFile(atPath: victim, contents: Data("kept".utf8)))
                try #require(symlink(victim, link) == 0 && mkfifo(fifo, 0o600) == 0)
                for path in [link, fifo, folder] { try expectRefusal(of: path) }
                #expect(FileManager.default.contents(atPath: victim) == Data("kept".utf8))
            }
        }

        /// Somebody else may write to the folder: what he puts where a draft could be stays as it is.
        @Test func aDraftFollowsNoLink() throws {
            try withFolder { folder in
                let (path, victim) = (folder + "/statistics.json", folder + "/victim")
                try #require(FileManager.default.createFile(atPath: victim, contents: Data("kept".utf8)))
                let port = try Sockets.freePort()
                let program = try server("", port: port, ["--statistics-file", path])
                defer { program.kill9() }
                _ = try program.outputLine("the ready line") { $0.contains(" ready on ") }
                try #require(symlink(victim, "\(path).\(program.processID).new") == 0)
                program.signal(SIGUSR1)
                try wait(for: "statistics") { FileManager.default.contents(atPath: path) != nil }
                #expect(try program.terminate() == .code(0))
                #expect(FileManager.default.contents(atPath: victim) == Data("kept".utf8))
                let names = try FileManager.default.contentsOfDirectory(atPath: folder).count
                #expect(names == 3, "no draft is left")
            }
        }
    }
}
