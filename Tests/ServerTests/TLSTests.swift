// Links under TLS between real servers: what is delivered, who is refused, and that both ends say why.

import Foundation
import Testing

extension LightTests {
    @Suite(.timeLimit(.minutes(10))) struct TLSTests {
        /// Two servers under TLS with a client each, beside which `body` must change nothing.
        private func besideANetwork(_ body: (Network) throws -> Void) throws {
            var options = ServerOptions()
            options.more = try TLSFiles.options()
            try withNetwork(2, .chain, options) { network in
                let clients = try network.ports.map { try TestClient(port: $0) }
                for client in clients { try client.login() }
                try body(network)
                try clients[0].say(#"{"still":"well"}"#)
                for client in clients { try client.expectBroadcast(#"{"still":"well"}"#, by: "anonymous") }
                for statistics in try network.statistics() { #expect(statistics.members == 2) }
            }
        }

        private func stranger(to network: Network, _ more: [String]) throws -> Program {
            var options = ServerOptions()
            options.secret = network.options.secret
            options.remotePort = network.ports[0]
            options.more = more
            return try Program(named: "pando-server", options.arguments)
        }

        private func expectLine(_ program: Program, _ words: String...) throws {
            _ = try program.errorLine(seconds: 20, "\(words)") { line in words.allSatisfy { line.contains($0) } }
        }

        @Test func aServerWithoutTLSIsRefusedAndToldWhy() throws {
            try besideANetwork { network in
                let plain = try stranger(to: network, [])
                defer { plain.kill9() }
                try expectLine(plain, "under TLS", "--tls-cert")
                #expect(try plain.waitForExit(seconds: 20) == .code(1))
                try expectLine(network.servers[0].program, "a link without TLS is refused", "peer=127.0.0.1:")
                try wait(for: "the counter", seconds: 20, every: 20) {
                    try network.servers[0].statistics().closed("plaintextRefused") == 1
                }
            }
        }

        @Test func aServerThatTrustsAnotherAuthorityStaysOutside() throws {
            try besideANetwork { network in
                let foreign = try stranger(to: network, TLSFiles.options(trusting: "two"))
                defer { foreign.kill9() }
                try expectLine(foreign, "TLS failed", "not accepted", "self-signed")
                try expectLine(network.servers[0].program, "TLS failed", "the other end refuses", "unknown ca")
                try wait(for: "the counter", seconds: 20, every: 20) {
                    try network.servers[0].statistics().closed("tlsFailed") > 0
                }
            }
        }

        @Test func aServerOfAnotherAuthorityStaysOutside() throws {
            try besideANetwork { network in
                let foreign = try stranger(to: network, TLSFiles.options(of: "two"))
                defer { foreign.kill9() }
                try expectLine(foreign, "TLS failed", "the other end refuses", "unknown ca")
                try expectLine(network.servers[0].program, "TLS failed", "not accepted")
            }
        }

        @Test func aServerWithAnExpiredCertificateStaysOutside() throws {
            try besideANetwork { network in
                let expired = try stranger(to: network, TLSFiles.options("old"))
                defer { expired.kill9() }
                try expectLine(expired, "warning", "a certificate has expired", "kind=own", "days_left=0")
                try expectLine(expired, "TLS failed", "the other end refuses", "expired")
                try expectLine(network.servers[0].program, "TLS failed", "not accepted", "expired")
            }
        }

        @Test func aServerWhoseCertificateIsForAnotherNameIsNotJoined() throws {
            var options = ServerOptions()
            options.more = try TLSFiles.options("far.example.org")
            try withServer(options) { far in
                options.more = try TLSFiles.options()
                options.remotePort = far.port
                try withServer(options) { joiner in
                    try expectLine(joiner.program, "TLS failed", "not accepted", "mismatch")
                    try expectLine(far.program, "TLS failed", "the other end refuses")
                    #expect(try joiner.statistics().members == 1)
                }
            }
        }

        @Test func aServerWithoutTLSIsNotJoinedByOneWithIt() throws {
            var options = ServerOptions()
            try withServer(options) { plain in
                options.more = try TLSFiles.options()
                options.remotePort = plain.port
                try withServer(options) { joiner in
                    try expectLine(joiner.program, "TLS failed", "does not speak TLS")
                    try expectLine(plain.program, "under TLS is refused", "--tls-cert")
                    try wait(for: "the counter", seconds: 20, every: 20) {
                        try plain.statistics().closed("tlsRefused") > 0
                    }
                }
            }
        }

        @Test func filesThatDoNotFitEndTheStart() throws {
            var options = ServerOptions()
            let (red, blue) = (try TLSFiles.options("red"), try TLSFiles.options("blue"))
            options.more = [red[0], red[1], blue[2], blue[3], red[4], red[5]]
            let program = try Program(named: "pando-server", options.arguments)
            #expect(try program.waitForExit(seconds: 20) == .code(64))
            try expectLine(program, "TLS cannot be set up", "key values mismatch")
            options.more = Array(red[0...3])
            let incomplete = try Program(named: "pando-server", options.arguments)
            #expect(try incomplete.waitForExit(seconds: 20) == .code(64))
            try expectLine(incomplete, "--tls-cert, --tls-key and --tls-ca together")
        }
    }
}

extension HeavyTests {
    @Suite(.timeLimit(.minutes(10))) struct TLSDeliveryTests {
        @Test func aNetworkUnderTLSDeliversEverythingOnce() throws {
            var options = ServerOptions()
            options.more = try TLSFiles.options()
            try withNetwork(3, .chain, options) { network in
                let swarm = ClientSwarm()
                try network.fill(swarm, each: 3)
                try swarm.exchange(senders: [0, 4, 8], each: isFullRun ? 2000 : 200)
                #expect(swarm.violations == [])
                for statistics in try network.statistics() {
                    let expiry = try #require(statistics.json["certificate_expiry_seconds"]?.integer)
                    #expect(expiry > Int(Date().timeIntervalSince1970) + 300 * 86_400)
                }
                for server in network.servers {
                    #expect(server.program.errorLines.contains { $0.contains("links are under TLS") })
                }
            }
        }
    }
}
