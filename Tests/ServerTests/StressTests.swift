// Many clients at once, and one that does not read.

import Testing

extension HeavyTests {
    @Suite(.timeLimit(.minutes(20))) struct StressTests {
        @Test func nineHundredClientsAndTenSenders() throws {
            try withNetwork(3) { network in
                let swarm = ClientSwarm()
                try network.fill(swarm, each: 300, seconds: 120)
                let senders = (0..<(isFullRun ? 30 : 10)).map { $0 * 29 }
                let each = isFullRun ? 100 : 10
                try swarm.exchange(senders: senders, each: each, seconds: isFullRun ? 600 : 120)
                #expect(swarm.violations == [])
                #expect(swarm.deliveries == 900 * senders.count * each)
            }
        }

        @Test func aRushOfConnectionsIsServed() throws {
            try withServer { server in
                let swarm = ClientSwarm()
                let count = isFullRun ? 9000 : 2000
                for _ in 0..<count { try swarm.add(port: server.port) }
                try swarm.runUntilLoggedIn(seconds: 120)
                #expect(swarm.loggedIn == count)
                try swarm.exchange(senders: [0], each: 1, seconds: 120)
                #expect(swarm.violations == [])
                #expect(try server.statistics().sessions == count)
            }
        }

        @Test func aClientThatNeverReadsDelaysNobodyAndIsClosedAtItsBound() throws {
            try withServer { server in
                let deaf = try TestClient(port: server.port, receiveBuffer: 4096)
                try deaf.login()
                let listener = try TestClient(port: server.port)
                try listener.login()
                let speaker = try TestClient(port: server.port)
                try speaker.login()
                let padding = String(repeating: "x", count: 60_000)
                var slowest = Duration.zero
                // The bound is the server's own affair; far beyond 256 MB nobody may lag.
                for number in 0..<4500 {
                    let start = ContinuousClock.now
                    let activity = #"{"n":\#(number),"pad":"\#(padding)"}"#
                    try speaker.send(Line.activity(activity, as: "anonymous", nil))
                    for client in [speaker, listener] { _ = try client.readLine() }
                    slowest = max(slowest, .now - start)
                    if number % 50 == 49, try server.statistics().closed("slowConsumer") > 0 { break }
                }
                #expect(slowest < .seconds(5))
                let statistics = try server.statistics()
                #expect(statistics.closed("slowConsumer") == 1)
                #expect(statistics.sessions == 2)
                try speaker.sayAndHear(#"{"end":1}"#)
                try listener.expectBroadcast(#"{"end":1}"#, by: "anonymous")
            }
        }

        /// A client that stops reading for a moment (a dialog is open) loses nothing.
        @Test func aPauseInReadingLosesNothing() throws {
            try withNetwork(2) { network in
                let swarm = ClientSwarm()
                try network.fill(swarm, each: 5)
                swarm.setPaused(1, true)
                try swarm.exchange(senders: [0], each: 300)
                swarm.setPaused(1, false)
                try swarm.exchange(senders: [0, 2], each: 10)
                #expect(swarm.violations == [])
            }
        }

        /// Connections that come and go while activities flow.
        @Test func churnDisturbsNobody() throws {
            try withNetwork(3) { network in
                let swarm = ClientSwarm()
                try network.fill(swarm, each: 20)
                try swarm.begin(senders: [0, 1, 2], each: isFullRun ? 2000 : 200, window: 4)
                for round in 0..<(isFullRun ? 1000 : 100) {
                    let visitor = try TestClient(port: network.ports[round % 3])
                    if round % 3 != 0 { try visitor.send(Line.login("anonymous", nil)) }
                    if round % 2 == 0 { visitor.reset() } else { visitor.close() }
                    swarm.step(milliseconds: 1)
                }
                try swarm.finish(seconds: 120)
                #expect(swarm.violations == [])
                try network.waitForSessions(60)
            }
        }
    }
}
