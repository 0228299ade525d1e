// A server with as many clients as it can have.

import Foundation
import Testing

extension LightTests {
    @Suite(.timeLimit(.minutes(2))) struct FullTableTests {
        /// 16 connections, of which clients get 12.
        private static let descriptors = 64 + 16
        private static let clients = 12

        private func full(_ body: (ServerProcess, ServerOptions, [TestClient]) throws -> Void) throws {
            var options = ServerOptions()
            options.descriptors = Self.descriptors
            try withServer(options) { server in
                let clients = try (0..<Self.clients).map { _ in try TestClient(port: server.port) }
                for client in clients { try client.login() }
                try body(server, options, clients)
            }
        }

        @Test func aFullServerSaysSo() throws {
            try full { server, _, clients in
                for _ in 0..<8 {
                    let further = try TestClient(port: server.port)
                    try further.send(Line.login("anonymous", nil))
                    #expect(try further.expect("INVALID_MESSAGE").info.contains("full"))
                    try further.expectClosed()
                }
                #expect(try server.statistics().closed("serverFull") == 8)
                try clients[0].sayAndHear(#"{"still":"served"}"#)
                clients[0].reset()
                try wait(for: "the client's end") { try server.statistics().sessions == Self.clients - 1 }
                let next = try TestClient(port: server.port)
                try next.login()
                try next.sayAndHear(#"{"room":"again"}"#)
            }
        }

        @Test func neighboursGetInAndAreDialled() throws {
            try full { server, options, clients in
                // More than there are slots, and none says a word.
                let silent = try (0..<20).map { _ in try TestClient(port: server.port) }
                var other = ServerOptions()
                other.secret = options.secret
                other.remotePort = server.port
                try withServer(other) { other in
                    try wait(for: "two members", seconds: 20) { try server.statistics().members == 2 }
                    let far = try TestClient(port: other.port)
                    try far.login()
                    try far.say(#"{"from":"afar"}"#)
                    for client in clients { try client.hear(#"{"from":"afar"}"#) }
                }
                for client in silent { try client.expectClosed() }
            }
        }

        @Test func aFullServerJoinsANetwork() throws {
            let port = try Sockets.freePort()
            var options = ServerOptions()
            options.descriptors = Self.descriptors
            options.remotePort = port
            try withServer(options) { server in
                let clients = try (0..<20).map { _ in try TestClient(port: server.port) }
                for client in clients.prefix(Self.clients) { try client.login() }
                var first = ServerOptions()
                first.secret = options.secret
                first.port = port
                try withServer(first) { first in
                    try wait(for: "two members", seconds: 20) { try first.statistics().members == 2 }
                }
            }
        }
    }
}
