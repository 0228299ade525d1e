// Clients end evenly spread, whoever they dial first, and are not sent about.

import Testing

extension HeavyTests {
    @Suite(.timeLimit(.minutes(20))) struct LoadTests {
        /// On a busy machine servers wait for each other: no request is sent again or given up for that, and who comes
        /// late is still expected. Nothing but the loads decides who goes where.
        private static var patient: ServerOptions {
            var options = ServerOptions()
            options.more = ["--request-retry-ms", "60000", "--request-timeout-ms", "60000", "--ticket-ms", "60000"]
            return options
        }

        /// Nobody is sent on more than once at its login. Who is there may be moved afterwards, which the servers count.
        private func expectShortWays(_ swarm: ClientSwarm, in network: Network) throws {
            #expect(swarm.violations == [])
            let further = swarm.members.reduce(0) { $0 + max(0, $1.redirects - 1) }
            let moved = try network.statistics().reduce(0) { $0 + $1.sessionsMoved }
            #expect(further <= moved, "\(further) were sent on again, \(moved) of them moved")
        }

        @Test func loginsAtRandomServersAreSpread() throws {
            var generator = SeededGenerator(seed: 60)
            try withNetwork(3, .chain, Self.patient) { network in
                let swarm = ClientSwarm()
                for _ in 0..<60 {
                    try swarm.add(port: network.ports[Int.random(in: 0..<3, using: &generator)])
                    try swarm.runUntilLoggedIn()
                }
                try network.settle(swarm, spreadMax: 2)
                try expectShortWays(swarm, in: network)
            }
        }

        @Test(arguments: [3, 5])
        func aCrowdAtOneServerIsSpread(_ count: Int) throws {
            try withNetwork(count, .chain, Self.patient) { network in
                let swarm = ClientSwarm()
                for _ in 0..<300 { try swarm.add(port: network.ports[0]) }
                try swarm.runUntilLoggedIn()
                try network.settle(swarm, spreadMax: 2)
                try expectShortWays(swarm, in: network)
                try swarm.exchange(senders: [0, 299], each: 5)
                #expect(swarm.violations == [])
            }
        }

        @Test func theSecondClientIsRedirectedTheFirstIsNot() throws {
            try withNetwork(2) { network in
                let first = try TestClient(port: network.ports[0])
                try first.login()
                try first.sayAndHear("{}")
                let second = try TestClient(port: network.ports[0])
                try second.login()
                let reply = try second.expect("REDIRECT")
                #expect(reply.json["port"]?.integer == network.ports[1])
                #expect(reply.json["hostname"]?.string == "127.0.0.1")
                try second.expectClosed()
                let again = try TestClient(port: network.ports[1])
                try again.login()
                try again.sayAndHear(#"{"arrived":true}"#)
            }
        }

        @Test func aServerAloneRedirectsNobody() throws {
            try withServer { server in
                let swarm = ClientSwarm()
                try swarm.fill([server.port], each: 50)
                try swarm.exchange(senders: [0], each: 3)
                #expect(swarm.violations == [])
                #expect(swarm.members.allSatisfy { $0.redirects == 0 })
            }
        }

        /// What a client wrote before it saw the REDIRECT is accepted, and nobody is cut off by a reset.
        @Test func whatWasSentBeforeTheRedirectWasSeenCounts() throws {
            try withNetwork(2) { network in
                let first = try TestClient(port: network.ports[0])
                try first.login()
                let second = try TestClient(port: network.ports[0])
                try second.send(Line.login("anonymous", nil) + Line.activity(#"{"early":1}"#, as: "anonymous", nil))
                try second.expect("LOGIN_SUCCESS")
                try second.expect("REDIRECT")
                try second.expectClosed()
                #expect(!second.wasReset)
                try first.expectBroadcast(#"{"early":1}"#, by: "anonymous")
            }
        }
    }
}
