// A network is upgraded server by server, and its secret changed, while clients talk and nobody misses anything.

import Foundation
import Glibc
import Testing

extension HeavyTests {
    @Suite(.timeLimit(.minutes(10))) struct UpgradeTests {
        // MARK: Another version

        /// As servers of the other version are started: of another build, which scripts/check-upgrade makes of the last
        /// release, or, without one, the present program speaking no more than the first version of the protocol.
        private func others(_ options: ServerOptions) -> ServerOptions {
            var others = options
            others.binaryDirectory = ProcessInfo.processInfo.environment["PANDO_OTHER_BIN_DIR"]
            if others.binaryDirectory == nil { others.more += ["--peer-versions", "1-1"] }
            return others
        }

        @Test func aNetworkIsUpgradedAndTakenBackServerByServerUnderLoad() throws {
            var options = ServerOptions()
            options.more = ["--hash-cost", "1"]
            try withNetwork(3, .chain, others(options)) { network in
                let swarm = ClientSwarm()
                let registrar = try TestClient(port: network.ports[0])
                for number in 0..<6 {
                    try registrar.register("user\(number)", "s")
                    try swarm.add(port: network.ports[number % 3], user: "user\(number)", secret: "s")
                }
                registrar.close()
                try swarm.runUntilLoggedIn()
                for (step, next) in [options, others(options)].enumerated() {
                    for index in 0..<3 {
                        try swarm.begin(senders: Array(0..<6), each: isFullRun ? 400 : 60, window: 2)
                        let server = network.servers[index]
                        server.program.signal(SIGUSR2)
                        try swarm.run("step \(step), the end of server \(index)", seconds: 30) {
                            !server.program.isRunning
                        }
                        #expect(server.program.exitStatus == .code(0))
                        try network.restart(index, through: (index + 1) % 3, next)
                        try swarm.finish()
                        try network.waitUntilWhole()
                    }
                }
                #expect(swarm.violations == [])
            }
        }

        // MARK: Another secret

        @Test func theSecretIsChangedServerByServerUnderLoad() throws {
            let path = NSTemporaryDirectory() + "pando-secret-\(UUID().uuidString)"
            defer { unlink(path) }
            let (old, new) = ("old-\(UUID().uuidString)", "new-\(UUID().uuidString)")
            func put(_ lines: [String]) throws {
                try lines.map { $0 + "\n" }.joined().write(toFile: path, atomically: true, encoding: .utf8)
            }
            try put([old])
            var options = ServerOptions()
            options.secret = nil
            options.more = ["--secret-file", path]
            try withNetwork(3, .chain, options) { network in
                let swarm = ClientSwarm()
                try network.fill(swarm, each: 2)
                try swarm.begin(senders: [0, 3, 5], each: isFullRun ? 20_000 : 1_500, window: 4)
                for (round, lines) in [[old, new], [new, old], [new]].enumerated() {
                    try put(lines)
                    for server in network.servers { try reload(server, count: round + 1, swarm) }
                    try swarm.run("links by the present secret alone", seconds: 60) {
                        try network.statistics().allSatisfy { $0.linksByOtherSecret == 0 && $0.links > 0 }
                    }
                }
                try swarm.finish(seconds: 120)
                #expect(swarm.violations == [])
                for server in network.servers {
                    #expect(!server.program.errorLines.contains { $0.contains("link refused") })
                }
                try expectOnly(new, not: old, network)
            }
        }

        private func reload(_ server: ServerProcess, count: Int, _ swarm: ClientSwarm) throws {
            server.program.signal(SIGHUP)
            try swarm.run("reload \(count)", seconds: 30) {
                server.program.errorLines.count { $0.contains("configuration reloaded") } == count
            }
        }

        private func expectOnly(_ new: String, not old: String, _ network: Network) throws {
            var options = ServerOptions()
            options.remotePort = network.ports[0]
            options.secret = old
            let late = try Program(named: "pando-server", options.arguments)
            defer { late.kill9() }
            #expect(try late.waitForExit(seconds: 20) == .code(1))
            options.secret = new
            try withServer(options) { server in
                try wait(for: "four members", seconds: 30) { try server.statistics().members == 4 }
            }
        }

        /// What a reload refuses changes nothing.
        @Test func aSecretFileThatCannotBeSecretsIsRefused() throws {
            let path = NSTemporaryDirectory() + "pando-secret-\(UUID().uuidString)"
            defer { unlink(path) }
            var options = ServerOptions()
            try "\(options.secret ?? "")\n\n".write(toFile: path, atomically: true, encoding: .utf8)
            var given = options
            given.secret = nil
            given.more = ["--secret-file", path]
            try withServer(given) { server in
                for (text, words) in [("a\nb\nc\n", "two lines at most"), ("\na\n", "begins with an empty line")] {
                    try text.write(toFile: path, atomically: true, encoding: .utf8)
                    server.program.signal(SIGHUP)
                    _ = try server.program.errorLine("the mistake") { $0.contains(words) }
                }
                options.remotePort = server.port
                try withServer(options) { other in
                    try wait(for: "two members", seconds: 20) { try other.statistics().members == 2 }
                }
            }
        }
    }
}
