// Sessions that are moved while activities flow, by servers that join, drain and come back. The clients only follow
// REDIRECT, as the real ones do.

import Glibc
import Testing

extension HeavyTests {
    @Suite(.timeLimit(.minutes(10))) struct BalanceTests {
        private static let secret = "s"

        private func options(_ more: [String] = []) -> ServerOptions {
            var options = ServerOptions()
            options.more = ["--hash-cost", "1"] + more
            return options
        }

        /// Named users, registered and logged in at the servers in turn.
        private func addUsers(_ count: Int, to swarm: ClientSwarm, in network: Network) throws {
            let registrar = try TestClient(port: network.ports[0])
            for number in 0..<count {
                try registrar.register("user\(number)", Self.secret)
                try swarm.add(
                    port: network.ports[number % network.ports.count], user: "user\(number)", secret: Self.secret)
            }
            try swarm.runUntilLoggedIn()
        }

        private func settle(_ network: Network, _ swarm: ClientSwarm) throws {
            try network.settle(swarm, spreadMax: 1, seconds: 30)
        }

        /// Lets clients, all of which dial the first server, log in and spread over all of them.
        private func burst(_ count: Int, named: Bool, in network: Network) throws {
            let swarm = ClientSwarm()
            for number in 0..<count {
                try swarm.add(
                    port: network.ports[0], user: named ? "user\(number)" : nil, secret: named ? Self.secret : nil)
            }
            try swarm.runUntilLoggedIn()
            try network.settle(swarm, spreadMax: 2, seconds: 2)
            #expect(swarm.violations == [])
            let redirects = (0...4).map { number in swarm.members.count { $0.redirects == number } }
            let timeouts = try network.statistics().map { $0.json["requests_timed_out"]?.integer ?? -1 }
            #expect(redirects[2...] == [0, 0, 0], "\(redirects), requests without an answer: \(timeouts)")
        }

        @Test func aBurstOfTwoThousandAtOneServerIsSpread() throws {
            try withNetwork(4, .star, options()) { try burst(2000, named: false, in: $0) }
        }

        /// Each of them costs a hash at the first server, and none at the second; in the full run one of the usual cost.
        @Test func aBurstOfNamedClientsIsSpread() throws {
            try withNetwork(4, .star, isFullRun ? ServerOptions() : options()) { network in
                let count = isFullRun ? 2000 : 200
                let registrar = try TestClient(port: network.ports[1])
                for number in 0..<count { try registrar.register("user\(number)", Self.secret) }
                try burst(count, named: true, in: network)
            }
        }

        @Test func aServerThatJoinsLateGetsItsShareWhileActivitiesFlow() throws {
            try withNetwork(2, .star, options()) { network in
                let swarm = ClientSwarm()
                try addUsers(24, to: swarm, in: network)
                for number in 0..<6 { try swarm.add(port: network.ports[number % 2]) }
                try swarm.runUntilLoggedIn()
                try settle(network, swarm)
                let before = try network.statistics().map(\.sessionsMoved).reduce(0, +)
                try swarm.begin(senders: Array(0..<24), each: 400, window: 4)
                try network.add(through: 0)
                try swarm.finish()
                try network.waitUntilWhole()
                try settle(network, swarm)
                try swarm.exchange(senders: Array(0..<24), each: 20)
                #expect(swarm.violations == [])
                let moves = try network.statistics().map(\.sessionsMoved)
                #expect(moves.reduce(0, +) - before == 10, "\(before), then \(moves)\n\(network.recentErrors)")
                #expect(swarm.members.allSatisfy { $0.redirects <= 2 })
            }
        }

        @Test func aRollingRestartUnderLoadLosesDoublesAndReordersNothing() throws {
            try withNetwork(5, .star, options()) { network in
                let swarm = ClientSwarm()
                try addUsers(30, to: swarm, in: network)
                try settle(network, swarm)
                for index in 0..<5 {
                    try swarm.begin(senders: Array(0..<30), each: 60, window: 2)
                    let server = network.servers[index]
                    server.program.signal(SIGUSR2)
                    try swarm.run("the end of server \(index)", seconds: 30) { !server.program.isRunning }
                    #expect(server.program.exitStatus == .code(0))
                    try network.restart(index, through: (index + 1) % 5)
                    try swarm.finish()
                    try network.waitUntilWhole()
                }
                try settle(network, swarm)
                try swarm.exchange(senders: Array(0..<30), each: 10)
                #expect(swarm.violations == [])
            }
        }

        @Test func terminationWithAGraceTimeMovesTheClients() throws {
            try withNetwork(2, .star, options(["--drain-grace-ms", "10000"])) { network in
                let swarm = ClientSwarm()
                try addUsers(4, to: swarm, in: network)
                for _ in 0..<4 { try swarm.add(port: network.ports[0]) }
                try swarm.runUntilLoggedIn()
                try settle(network, swarm)
                let server = network.servers[1]
                server.program.signal(SIGTERM)
                try swarm.run("its end", seconds: 30) { !server.program.isRunning }
                #expect(server.program.exitStatus == .code(0))
                #expect(swarm.load(of: network.ports) == [8, 0])
                try swarm.exchange(senders: [0, 1, 2, 3], each: 5)
                #expect(swarm.violations == [])
                try network.restart(1, through: 0)
                try network.waitUntilWhole()
                try settle(network, swarm)
            }
        }
    }
}
