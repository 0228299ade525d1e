// Every limit of connections, met with real sockets: who goes beyond it is closed for its reason, and the others are
// served.

import Foundation
import Glibc
import Testing

extension LightTests {
    @Suite(.timeLimit(.minutes(10))) struct LimitTests {
        /// A server with a bystander who logged in first, and for whom nothing must change.
        private func besideABystander(
            _ more: [String], _ body: (ServerProcess) throws -> Void
        ) throws {
            var options = ServerOptions()
            options.more = more
            try withServer(options) { server in
                let bystander = try TestClient(port: server.port)
                try bystander.login()
                try body(server)
                try bystander.sayAndHear(#"{"still":"served"}"#)
            }
        }

        private func expectClosed(_ server: ServerProcess, _ reason: String, _ count: Int = 1) throws {
            var newest = 0
            try wait(for: "\(count) times \(reason)", state: { "\(newest)" }) {
                newest = try server.statistics().closed(reason)
                return newest >= count
            }
            #expect(newest == count, "\(reason)")
        }

        /// Sends byte after byte until the server has had enough.
        private func trickle(_ client: TestClient, _ byte: UInt8 = UInt8(ascii: " ")) throws {
            try wait(for: "the server's patience to end", every: 20) {
                try !client.sendWhileOpen([byte]) || client.isClosedByServer()
            }
        }

        // MARK: Deadlines

        @Test func whoSaysNothingIsClosed() throws {
            try besideABystander(["--first-byte-ms", "300"]) { server in
                let silent = try TestClient(port: server.port)
                try silent.expectClosed()
                // The first byte of a server's preamble tells as little as none.
                let hesitant = try TestClient(port: server.port)
                try hesitant.send(bytes: [0])
                try hesitant.expectClosed()
                try expectClosed(server, "helloTimeout", 2)
            }
        }

        @Test func whoDoesNotLogInIsClosedHoweverBusyItLooks() throws {
            try besideABystander(["--login-ms", "400"]) { server in
                let client = try TestClient(port: server.port)
                try client.send("{")
                try trickle(client)
                try expectClosed(server, "loginTimedOut")
            }
        }

        @Test func aLineThatTricklesInIsClosedAndAnIdleClientIsNot() throws {
            try besideABystander(["--line-ms", "400"]) { server in
                let (idle, slow) = (try TestClient(port: server.port), try TestClient(port: server.port))
                for client in [idle, slow] { try client.login() }
                // A whole line, and the beginning of the next, which lasts longer than a line may.
                try slow.send(Line.activity(#"{"a":1}"#, as: "anonymous", nil) + "{")
                try idle.hear(#"{"a":1}"#)
                try trickle(slow)
                try expectClosed(server, "lineTimedOut")
                try idle.sayAndHear(#"{"idle":"for longer than a line may last"}"#)
            }
        }

        @Test func whoTakesNothingIsClosed() throws {
            var options = ServerOptions()
            options.more = ["--write-stall-ms", "400"]
            try withServer(options) { server in
                let deaf = try TestClient(port: server.port, receiveBuffer: 4096)
                let talker = try TestClient(port: server.port)
                for client in [deaf, talker] { try client.login() }
                let padding = String(repeating: "x", count: 4000)
                // Less than a client may lag behind, more than the system keeps for it.
                for round in 0..<30 {
                    for number in 0..<50 { try talker.say(#"{"r":\#(round),"n":\#(number),"pad":"\#(padding)"}"#) }
                    try talker.hear(#"{"r":\#(round),"n":49,"pad":"\#(padding)"}"#)
                }
                try expectClosed(server, "writeTimedOut")
                try talker.sayAndHear(#"{"still":"served"}"#)
                #expect(try server.statistics().closed("slowConsumer") == 0)
            }
        }

        @Test func aServerThatGoesNoFurtherThanItsPreambleIsClosed() throws {
            try besideABystander(["--handshake-ms", "400"]) { server in
                let peer = try TestClient(port: server.port)
                try peer.send(bytes: [0] + Array("PANDO\r\n".utf8))
                try wait(for: "the end", every: 20) { peer.isClosedByServer() }
                try expectClosed(server, "handshakeTimeout")
            }
        }

        // MARK: Lines

        @Test func aLineBeforeTheLoginIsShort() throws {
            try besideABystander(["--login-line-bytes", "1024"]) { server in
                func login(_ length: Int) -> String {
                    let line = Line.login("anonymous", nil).dropLast()
                    return line + String(repeating: " ", count: length - line.utf8.count)
                }
                let exact = try TestClient(port: server.port)
                try exact.send(login(1024) + "\n")
                try exact.expect("LOGIN_SUCCESS")
                try exact.sayAndHear(#"{"long":"\#(String(repeating: "y", count: 5000))"}"#)
                for end in ["\n", ""] {
                    let long = try TestClient(port: server.port)
                    try long.send(login(1025) + end)
                    #expect(try long.expect("INVALID_MESSAGE").info.contains("1024 bytes"))
                    try long.expectClosed()
                }
                try expectClosed(server, "loginLineTooLong", 2)
            }
        }

        @Test func aLineNestsSoDeeplyAndNoMore() throws {
            try besideABystander(["--max-json-depth", "10"]) { server in
                func nested(_ depth: Int) -> String {
                    #"{"t":\#(String(repeating: "[", count: depth - 2))\#(String(repeating: "]", count: depth - 2))}"#
                }
                let client = try TestClient(port: server.port)
                try client.login()
                try client.sayAndHear(nested(10))
                try client.say(nested(11))
                #expect(try client.expect("INVALID_MESSAGE").info.contains("nested too deeply"))
                try client.expectClosed()
                try expectClosed(server, "nestedTooDeeply")
            }
        }

        // MARK: Numbers

        @Test func theOldestOfACrowdGivesWayToWhoLogsIn() throws {
            try besideABystander(["--unproven-connections", "8", "--log-reports-per-second", "2"]) { server in
                // One group after the other: of those that come in one turn of the loop none is older.
                var crowd: [TestClient] = []
                for _ in 0..<3 {
                    let next = try (0..<8).map { _ in try TestClient(port: server.port) }
                    for client in crowd { try client.expectClosed() }
                    try wait(for: "a group of eight") { try server.statistics().json["connections"]?.integer == 9 }
                    crowd = next
                }
                let newcomers = try (0..<8).map { _ in try TestClient(port: server.port) }
                for client in newcomers { try client.login() }
                for client in crowd { try client.expectClosed() }
                for client in newcomers { try client.sayAndHear(#"{"in":"spite of all"}"#) }
                // Those who logged in are in it no more: there is room for eight again.
                let last = try (0..<8).map { _ in try TestClient(port: server.port) }
                for client in last { try client.login() }
                try expectClosed(server, "crowdedOut", 24)
                try wait(for: "what was not logged") {
                    try server.statistics().json["reports_suppressed"]?.integer ?? 0 > 0
                }
            }
        }

        @Test func anAddressHasItsShare() throws {
            try besideABystander(["--connections-per-address", "3"]) { server in
                // The bystander is one of them.
                let first = try (0..<2).map { _ in try TestClient(port: server.port) }
                for client in first { try client.login() }
                let surplus = try TestClient(port: server.port)
                try surplus.expectClosed()
                let others = try (0..<3).map { _ in try TestClient(port: server.port, from: "127.0.0.2") }
                for client in others { try client.login() }
                try TestClient(port: server.port, from: "127.0.0.2").expectClosed()
                try expectClosed(server, "tooManyFromAddress", 2)
                others[0].reset()
                try wait(for: "its end") { try server.statistics().sessions == 5 }
                let next = try TestClient(port: server.port, from: "127.0.0.2")
                try next.login()
            }
        }

        @Test func serversDoNotCountForTheirAddress() throws {
            var options = ServerOptions()
            options.more = ["--connections-per-address", "1", "--unproven-connections", "1"]
            try withNetwork(3, .star, options) { network in
                for port in network.ports {
                    let client = try TestClient(port: port)
                    try client.login()
                    try client.sayAndHear(#"{"beside":"links"}"#)
                }
            }
        }

        @Test func connectionsInAllAreBounded() throws {
            try besideABystander(["--max-connections", "8", "--reserved-connections", "4"]) { server in
                let clients = try (0..<3).map { _ in try TestClient(port: server.port) }
                for client in clients { try client.login() }
                let further = try TestClient(port: server.port)
                try further.send(Line.login("anonymous", nil))
                #expect(try further.expect("INVALID_MESSAGE").info.contains("full"))
                try expectClosed(server, "serverFull")
            }
        }

        @Test func acceptingIsCutAtItsBudget() throws {
            try besideABystander(["--accepts-per-turn", "1"]) { server in
                server.stop()
                let clients = try (0..<20).map { _ in try TestClient(port: server.port) }
                server.continue()
                for client in clients { try client.login() }
                #expect(try server.statistics().json["reactor"]?["accepts_cut"]?.integer ?? 0 >= 20)
            }
        }

        // MARK: Memory

        /// A line without its end is memory of this server.
        @Test func overTheLimitOfBuffersNewcomersAreRefusedBeforeOthersAreHarmed() throws {
            try besideABystander(["--max-buffer-mb", "8", "--max-line-bytes", "4194304"]) { server in
                func buffered() throws -> Int { try server.statistics().json["reactor"]?["buffer_bytes"]?.integer ?? 0 }
                let line = Line.activity(#"{"pad":"\#(String(repeating: "x", count: 200_000))"}"#, as: "anonymous", nil)
                var clients: [TestClient] = []
                while try buffered() <= 8 << 20 {
                    let client = try TestClient(port: server.port)
                    try client.login()
                    let before = try buffered()
                    try client.send(String(line.dropLast()))
                    try wait(for: "its line", every: 5) { try buffered() >= before + line.utf8.count - 1 }
                    clients.append(client)
                }
                let newcomer = try TestClient(port: server.port)
                try newcomer.send(Line.login("anonymous", nil))
                #expect(try newcomer.expect("INVALID_MESSAGE").info.contains("memory"))
                try newcomer.expectClosed()
                try expectClosed(server, "buffersFull")
                try expectClosed(server, "tooMuchBuffered", 0)
                // An eighth more: the biggest has to go, and it alone.
                let big = clients.removeFirst()
                _ = try? big.sendWhileOpen([UInt8](repeating: UInt8(ascii: " "), count: 3_000_000))
                try big.expectClosedEventually()
                try expectClosed(server, "tooMuchBuffered")
                for client in clients.prefix(8) { try client.send("\n") }
                for client in clients.prefix(2) { for _ in 0..<8 { try client.expect("ACTIVITY_BROADCAST") } }
                try wait(for: "room") { try buffered() <= 8 << 20 }
                let next = try TestClient(port: server.port)
                try next.login()
            }
        }

        // MARK: Rates

        @Test func whoTalksTooFastWaitsAndLosesNothing() throws {
            try besideABystander(["--activities-per-second", "100"]) { server in
                let (fast, other) = (try TestClient(port: server.port), try TestClient(port: server.port))
                for client in [fast, other] { try client.login() }
                var lines = ""
                for number in 0..<300 { lines += Line.activity(#"{"n":\#(number)}"#, as: "anonymous", nil) }
                try fast.send(lines)
                fast.shutdownWriting()
                try other.sayAndHear(#"{"not":"kept waiting by the other"}"#)
                try other.hear(#"{"n":299}"#)
                var number = 0
                while let line = try fast.readLine() {
                    if try JSON(bytes: line)["activity"]?["n"]?.integer == number { number += 1 }
                }
                #expect(number == 300, "all of its own, in order, and then its end")
                #expect(try server.statistics().json["inputs_paced"]?.integer ?? 0 > 0)
                #expect(try server.statistics().closed("logout") == 1)
            }
        }
    }
}
