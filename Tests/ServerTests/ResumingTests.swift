// Named clients that come back: at another server, after their server was killed, and with what they had sent.

import Foundation
import Testing

@Suite(.timeLimit(.minutes(10))) struct ResumingTests {
    /// Two servers with one client each that holds its place, so that nobody who comes is sent elsewhere; and alice.
    private func withAlice(_ body: (Network, _ sender: TestClient) throws -> Void) throws {
        let network = try Network(2, .chain)
        defer { network.kill9() }
        do {
            try network.waitUntilWhole()
            let registrar = try TestClient(port: network.ports[0])
            try registrar.register("alice", "w")
            registrar.close()
            let place = try TestClient(port: network.ports[0])
            try place.login()
            let sender = try TestClient(port: network.ports[1])
            try sender.login()
            try network.waitForSessions(2)
            try body(network, sender)
            place.close()
        } catch {
            throw HarnessError("\(error)\n\(network.recentErrors)")
        }
    }

    /// Logs in at a server that has as many clients as the other one, or one more.
    private func login(_ port: Int, _ members: String = "") throws -> TestClient {
        let client = try TestClient(port: port)
        try client.send(#"{"command":"LOGIN","username":"alice","secret":"w"\#(members)}"# + "\n")
        try client.expect("LOGIN_SUCCESS")
        return client
    }

    private func text(_ number: Int) -> String { "{\"n\":\(number)}" }

    @Test(arguments: [0, 1]) func aBrokenConnectionMissesNothing(at server: Int) throws {
        try withAlice { network, sender in
            let first = try login(network.ports[0])
            try sender.sayAndHear(text(1))
            try first.expectBroadcast(text(1), by: "anonymous")
            first.reset()
            try wait(for: "a detached session", seconds: 10, every: 20, state: { "" }) {
                try network.servers[0].statistics().json["sessions_held"]?.integer == 1
            }
            try sender.sayAndHear(text(2))
            try sender.sayAndHear(text(3))
            let second = try login(network.ports[server])
            try second.expectBroadcast(text(2), by: "anonymous")
            try second.expectBroadcast(text(3), by: "anonymous")
            try sender.sayAndHear(text(4))
            try second.expectBroadcast(text(4), by: "anonymous")
        }
    }

    @Test func logoutLeavesNothing() throws {
        try withAlice { network, sender in
            let first = try login(network.ports[0])
            try first.send(Line.logout)
            try first.expectClosed()
            first.close()
            try sender.sayAndHear(text(1))
            let second = try login(network.ports[0])
            try sender.sayAndHear(text(2))
            try second.expectBroadcast(text(2), by: "anonymous")
        }
    }

    @Test func afterKill9NothingIsMissedAndNothingNewComesTwice() throws {
        try withAlice { network, sender in
            let first = try login(network.ports[0])
            try sender.sayAndHear(text(1))
            try first.expectBroadcast(text(1), by: "anonymous")
            network.servers[0].kill9()
            for number in 2...4 { try sender.sayAndHear(text(number)) }
            let second = try login(network.ports[1])
            var next = try #require(try second.expect("ACTIVITY_BROADCAST").activity?["n"]?.integer)
            // What it was shown before may come again, in order.
            #expect(next == 1 || next == 2)
            while next < 4 {
                next += 1
                try second.expectBroadcast(text(next), by: "anonymous")
            }
            try sender.sayAndHear(text(5))
            try second.expectBroadcast(text(5), by: "anonymous")
        }
    }

    /// Reads lines, activities left out, until the predicate holds.
    private func acknowledged(_ client: TestClient, atLeast number: Int) throws -> Int {
        while let line = try client.readLine() {
            let json = try JSON(bytes: line)
            guard json["command"]?.string == "ACTIVITY_ACKNOWLEDGED" else { continue }
            let found = json["number"]?.integer ?? 0
            if found >= number { return found }
        }
        throw HarnessError("closed before \(number) was acknowledged")
    }

    private func say(_ numbers: ClosedRange<Int>, by client: TestClient) throws {
        for number in numbers {
            try client.sendWhileOpen(
                Array(
                    (#"{"command":"ACTIVITY_MESSAGE","username":"alice","secret":"w","number":\#(number),"#
                        + "\"activity\":\(text(number))}\n").utf8))
        }
    }

    @Test func acknowledgedSendingSurvivesKill9() throws {
        try withAlice { network, sender in
            let first = try login(network.ports[0], #","run":"r1""#)
            try say(1...200, by: first)
            let safe = try acknowledged(first, atLeast: 1)
            try say(201...400, by: first)
            network.servers[0].kill9()
            first.close()
            let second = try login(network.ports[1], #","run":"r1""#)
            try say((safe + 1)...500, by: second)
            #expect(try acknowledged(second, atLeast: 500) == 500)
            for number in 1...500 { try sender.expectBroadcast(text(number), by: "alice") }
            try sender.sayAndHear(#"{"end":1}"#)
        }
    }

    @Test func positionsAreExactAcrossKill9() throws {
        try withAlice { network, sender in
            let first = try login(network.ports[0], #","resume":{}"#)
            for number in 1...3 { try sender.sayAndHear(text(number)) }
            var positions: [String: Int] = [:]
            var shown = 0
            while true {
                let json = try JSON(bytes: try #require(try first.readLine()))
                if json["command"]?.string == "ACTIVITY_BROADCAST" { shown += 1 }
                guard let reached = json["reached"]?.members else { continue }
                for member in reached { positions[member.name] = member.value.integer }
                if shown == 3 { break }
            }
            network.servers[0].kill9()
            try sender.sayAndHear(text(4))
            let members = positions.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ",")
            let second = try login(network.ports[1], ",\"resume\":{\(members)}")
            var texts: [Int] = []
            while texts.isEmpty {
                let json = try JSON(bytes: try #require(try second.readLine()))
                if let number = json["activity"]?["n"]?.integer { texts.append(number) }
            }
            #expect(texts == [4])
        }
    }

    /// The client program talks and listens while its server is killed and started again three times: each activity
    /// comes once, in order, in both directions.
    @Test func theClientProgramLosesAndDoublesNothingAcrossKill9() throws {
        try withAlice { network, other in
            let program = try Program(
                named: "pando-client",
                ["-rh", "127.0.0.1", "-rp", "\(network.ports[0])", "-u", "alice", "-s", "w", "--retry-max-ms", "500"])
            defer { program.kill9() }
            try network.waitForSessions(3)
            for round in 0..<3 {
                let numbers = (100 * round)..<(100 * round + 100)
                for number in numbers {
                    try program.write(text(number) + "\n")
                    try other.say(text(1000 + number))
                    // In the midst of what is under way.
                    if number == numbers.lowerBound + 50 { network.servers[0].kill9() }
                }
                try network.restart(0, through: 1)
                try network.waitUntilWhole()
            }
            var heard: (own: [Int], others: [Int]) = ([], [])
            while heard.own.count < 300 || heard.others.count < 300 {
                let reply = try other.expect("ACTIVITY_BROADCAST")
                let number = try #require(reply.activity?["n"]?.integer)
                if number < 1000 { heard.others.append(number) } else { heard.own.append(number - 1000) }
            }
            #expect(heard.others == Array(0..<300))
            #expect(heard.own == Array(0..<300))
            try other.sayAndHear(text(9999))
            _ = try program.outputLine(seconds: 20, text(9999)) { $0.contains("9999") }
            let shown = try program.outputLines.compactMap { try JSON($0)["n"]?.integer }
            #expect(shown.filter { $0 < 1000 } == Array(0..<300))
            #expect(shown.filter { (1000..<2000).contains($0) } == Array(1000..<1300))
        }
    }
}
