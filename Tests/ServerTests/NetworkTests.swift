// Every activity reaches every client, anywhere, once, in the sender's order: the promise itself, in networks of
// several sizes and shapes.

import Testing

extension HeavyTests {
    @Suite(.timeLimit(.minutes(20))) struct NetworkTests {
        static let shapes: [(Int, Shape)] =
            [1, 2, 3, 5, 10].flatMap { count in
                [Shape.chain, .star, .random(seed: UInt64(count))].map { (count, $0) }
            }

        @Test(arguments: shapes)
        func everyActivityReachesEveryClientOnceInOrder(_ count: Int, _ shape: Shape) throws {
            try withNetwork(count, shape) { network in
                let swarm = ClientSwarm()
                try network.fill(swarm, each: 3)
                let senders = [0, 1, swarm.members.count / 2, swarm.members.count - 1]
                try swarm.exchange(senders: Array(Set(senders)), each: isFullRun ? 500 : 25)
                #expect(swarm.violations == [])
            }
        }

        @Test(arguments: [(2, Shape.chain), (3, .star), (5, .random(seed: 9)), (10, .chain)])
        func inTheSteadyStateARecordCrossesEachServerOnce(_ count: Int, _ shape: Shape) throws {
            try withNetwork(count, shape) { network in
                let swarm = ClientSwarm()
                try network.fill(swarm, each: 1)
                let senders = [0, count - 1]
                try warmUp(swarm, senders, network)
                let before = try totals(network)
                let each = 50
                try swarm.exchange(senders: senders, each: each)
                var received = 0
                // The last record may still be on its way to a server without waiting clients.
                try wait(for: "the counters", state: { "\(received)" }) {
                    received = try totals(network).received - before.received
                    return received >= (count - 1) * each * senders.count
                }
                let after = try totals(network)
                let duplicate = after.duplicate - before.duplicate
                #expect(after.received - before.received - duplicate == (count - 1) * each * senders.count)
                // On a busy machine a way may become slow at any time; leaving it costs what is under way.
                #expect(duplicate == 0 || after.improvements > before.improvements && duplicate < each / 2)
                #expect(swarm.violations == [])
            }
        }

        /// Sends until a round goes by without a duplicate: then the trees have settled.
        private func warmUp(_ swarm: ClientSwarm, _ senders: [Int], _ network: Network) throws {
            var quiet = 0
            for _ in 0..<60 {
                let before = try totals(network)
                try swarm.exchange(senders: senders, each: 5)
                quiet = try totals(network).duplicate == before.duplicate ? quiet + 1 : 0
                if quiet == 3 { return }
            }
            throw HarnessError("the trees do not settle: duplicates in every round")
        }

        private func totals(_ network: Network) throws -> (received: Int, duplicate: Int, improvements: Int) {
            try network.statistics().reduce((0, 0, 0)) {
                ($0.0 + $1.recordsReceived, $0.1 + $1.recordsDuplicate, $0.2 + $1.treeImprovements)
            }
        }

        @Test func aLateJoinerTakesPartAtOnce() throws {
            try withNetwork(3) { network in
                let swarm = ClientSwarm()
                try network.fill(swarm, each: 3)
                try swarm.exchange(senders: [0, 4], each: 10)
                // The joiner comes while activities are on their way.
                try swarm.begin(senders: [0, 4], each: isFullRun ? 2000 : 100, window: 2)
                let late = try network.add(through: 1)
                let newcomer = try swarm.add(port: late.port)
                try swarm.finish()
                try network.settle(swarm)
                try swarm.exchange(senders: [newcomer, 0], each: 20)
                #expect(swarm.violations == [])
                try network.waitUntilWhole()
            }
        }

        @Test func namedUsersTalkAcrossServers() throws {
            try withNetwork(3, .star) { network in
                let swarm = ClientSwarm()
                for (index, port) in (network.ports + network.ports).enumerated() {
                    try TestClient(port: port).register("user-\(index)", "secret-\(index)")
                    try swarm.add(port: port, user: "user-\(index)", secret: "secret-\(index)")
                }
                try network.settle(swarm)
                try swarm.exchange(senders: Array(0..<6), each: 20)
                #expect(swarm.violations == [])
            }
        }

        @Test func aClientThatVanishesChangesNothingForOthers() throws {
            try withNetwork(3) { network in
                let swarm = ClientSwarm()
                try network.fill(swarm, each: 2)
                for port in network.ports {
                    let logout = try TestClient(port: port)
                    try logout.login()
                    try logout.send(Line.logout)
                    let resetting = try TestClient(port: port)
                    try resetting.login()
                    resetting.reset()
                    let half = try TestClient(port: port)
                    try half.send(#"{"command":"LO"#)
                    half.close()
                }
                try swarm.exchange(senders: [0, 3], each: 20)
                #expect(swarm.violations == [])
                try network.waitForSessions(6)
            }
        }
    }
}
