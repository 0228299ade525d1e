// Who may be a server of the network, and what a false one can do: nothing.

import Testing

extension LightTests {
    @Suite(.timeLimit(.minutes(10))) struct PeerTests {
        /// Runs `body` beside a network of two with a client at each, which must not notice.
        private func besideANetwork(_ body: (Network) throws -> Void) throws {
            try withNetwork(2) { network in
                let clients = try network.ports.map { try TestClient(port: $0) }
                for client in clients { try client.login() }
                try body(network)
                try clients[0].say(#"{"still":"well"}"#)
                for client in clients { try client.expectBroadcast(#"{"still":"well"}"#, by: "anonymous") }
                for statistics in try network.statistics() { #expect(statistics.members == 2) }
            }
        }

        @Test func aServerWithTheWrongSecretStaysOutside() throws {
            try besideANetwork { network in
                var options = ServerOptions()
                options.secret = "another"
                options.remotePort = network.ports[0]
                let program = try Program(named: "pando-server", options.arguments)
                defer { program.kill9() }
                // Both sides say why.
                _ = try program.errorLine(seconds: 20, "the secret") { $0.lowercased().contains("secret") }
                _ = try network.servers[0].program.errorLine(seconds: 20, "the secret") {
                    $0.lowercased().contains("secret")
                }
                #expect(program.exitStatus != .code(0))
            }
        }

        /// The first byte of a link is 0; what follows here is no link.
        private static let garbage: [(name: String, rest: [UInt8])] = [
            ("nothing more", []), ("a zero", [0]), ("HTTP", Array("GET / HTTP/1.1\r\n\r\n".utf8)),
            ("ones", [UInt8](repeating: 0xff, count: 4096)), ("zeros", [UInt8](repeating: 0, count: 100_000)),
            ("a client's line", Array(Line.login("anonymous", nil).utf8)),
        ]

        @Test(arguments: garbage.map(\.name))
        func garbageOnALinkIsClosedWithoutEffect(_ name: String) throws {
            let bytes = try #require(Self.garbage.first { $0.name == name }).rest
            try besideANetwork { network in
                for port in network.ports {
                    let peer = try TestClient(port: port)
                    try peer.sendWhileOpen([0] + bytes)
                    peer.shutdownWriting()
                    try expectEnd(of: peer)
                }
            }
        }

        @Test func randomBytesOnALinkAreClosedWithoutEffect() throws {
            var generator = SeededGenerator(seed: 7)
            try besideANetwork { network in
                for _ in 0..<(isFullRun ? 1000 : 40) {
                    let peer = try TestClient(port: network.ports[0])
                    let count = Int.random(in: 1...2000, using: &generator)
                    let bytes: [UInt8] = (0..<count).map { _ in .random(in: 0...255, using: &generator) }
                    try peer.sendWhileOpen([0] + bytes)
                    peer.shutdownWriting()
                    try expectEnd(of: peer)
                }
            }
        }

        /// What the server says on a link is its own affair; here only the end counts.
        private func expectEnd(of peer: TestClient) throws {
            try wait(for: "the end of a false link", seconds: 20, every: 1) {
                _ = try? peer.readLine(seconds: 0.05)
                return peer.hasEnded
            }
        }

        @Test(.enabled(if: isFullRun, "takes as long as the server's patience: PANDO_FULL=1"))
        func aLinkThatSaysNothingIsClosed() throws {
            try besideANetwork { network in
                let peer = try TestClient(port: network.ports[0])
                try peer.send(bytes: [0])
                try wait(for: "the end of a silent link", seconds: 60) {
                    _ = try? peer.readLine(seconds: 0.2)
                    return peer.hasEnded
                }
            }
        }

        @Test func aServerThatDiesAndComesBackIsOneMember() throws {
            try withNetwork(2) { network in
                let client = try TestClient(port: network.ports[0])
                try client.register("alice", "w")
                try client.login("alice", "w")
                var options = network.options
                options.port = try Sockets.freePort()
                options.remotePort = network.ports[1]
                for _ in 0..<3 {
                    try withServer(options) { mortal in
                        try wait(for: "three members", seconds: 30, every: 50) {
                            try mortal.statistics().members == 3
                                && network.statistics().allSatisfy { $0.members == 3 }
                        }
                        let other = try TestClient(port: mortal.port)
                        try other.login("alice", "w")
                        try client.say(#"{"n":1}"#, as: "alice", "w")
                        try other.expectBroadcast(#"{"n":1}"#, by: "alice")
                        try client.hear(#"{"n":1}"#, by: "alice")
                    }
                }
            }
        }
    }
}
