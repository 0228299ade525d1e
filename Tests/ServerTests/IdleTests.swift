// A server to which nothing happens.

import Foundation
import Testing

extension LightTests {
    @Suite(.timeLimit(.minutes(2))) struct IdleTests {
        /// How often the process has gone to sleep: each of its timers wakes it once.
        private func sleeps(_ server: ServerProcess) throws -> Int {
            let status = try String(contentsOfFile: "/proc/\(server.program.processID)/status", encoding: .utf8)
            let line = status.split(separator: "\n").first { $0.hasPrefix("voluntary_ctxt_switches") }
            return try #require(line?.split(separator: "\t").last.flatMap { Int($0) })
        }

        /// A lone server announces itself on time from the start, before the first event has come from outside.
        @Test func timersRunBeforeTheFirstEvent() throws {
            var options = ServerOptions()
            options.announceMilliseconds = 50
            try withServer(options) { server in
                let before = try sleeps(server)
                try wait(for: "ten announcements") { try sleeps(server) >= before + 10 }
                #expect(try server.statistics().sessions == 0)
                #expect(!server.program.errorLines.contains { $0.contains("stood still") })
            }
        }
    }
}
