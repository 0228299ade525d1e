// One name, one user, in the whole network, from the moment of REGISTER_SUCCESS on.

import Foundation
import Testing

extension LightTests {
    @Suite(.timeLimit(.minutes(10))) struct RegistrationTests {
        @Test func aNameCanLogInElsewhereAtOnce() throws {
            try withNetwork(3) { network in
                for round in 0..<(isFullRun ? 50 : 8) {
                    for (here, there) in [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)] {
                        let name = "user-\(round)-\(here)-\(there)"
                        let first = try TestClient(port: network.ports[here])
                        let second = try TestClient(port: network.ports[there])
                        try first.register(name, "s-\(name)")
                        try second.login(name, "s-\(name)")
                    }
                }
            }
        }

        /// Who registers and is gone costs nothing; who stays is served in turn.
        @Test func registrationsOfClientsThatAreGoneDelayNobody() throws {
            var options = ServerOptions()
            // About 200 ms for each: the abandoned ones would take 20 s.
            options.more = ["--hash-cost", "16", "--helper-threads", "1"]
            try withServer(options) { server in
                for number in 0..<100 {
                    let client = try TestClient(port: server.port)
                    try client.send(Line.register("gone-\(number)", "s"))
                    client.reset()
                }
                let begin = ContinuousClock.now
                let honest = try TestClient(port: server.port)
                try honest.send(Line.register("honest", "s"))
                try honest.expect("REGISTER_SUCCESS", seconds: 60)
                #expect(ContinuousClock.now - begin < .seconds(5))
                let cancelled = try server.statistics().json["hashes_cancelled"]?.integer ?? 0
                #expect(cancelled >= 90)
                #expect(try server.statistics().sessions <= 1)
            }
        }

        @Test func theSameNameAtTheSameMomentIsWonOnce() throws {
            try withNetwork(3) { network in
                for round in 0..<(isFullRun ? 500 : 50) {
                    let clients = try network.ports.map { try TestClient(port: $0) }
                    let name = "contested-\(round)"
                    for (index, client) in clients.enumerated() {
                        try client.send(Line.register(name, "secret-\(index)"))
                    }
                    let answers = try clients.map { try $0.reply().command }
                    let winners = answers.indices.filter { answers[$0] == "REGISTER_SUCCESS" }
                    #expect(winners.count == 1, "round \(round): \(answers)")
                    #expect(answers.count { $0 == "REGISTER_FAILED" } == 2, "round \(round): \(answers)")
                    guard let winner = winners.first else { continue }
                    for port in network.ports { try checkOwner(of: name, winner: winner, port: port) }
                }
            }
        }

        private func checkOwner(of name: String, winner: Int, port: Int) throws {
            let right = try TestClient(port: port)
            try right.login(name, "secret-\(winner)")
            let wrong = try TestClient(port: port)
            try wrong.send(Line.login(name, "secret-\((winner + 1) % 3)"))
            try wrong.expect("LOGIN_FAILED")
            try wrong.expectClosed()
        }

        @Test func aNameThatIsTakenElsewhereIsRefusedAtOnce() throws {
            try withNetwork(3) { network in
                for (here, there) in [(0, 1), (1, 2), (2, 0), (0, 2)] {
                    let name = "taken-\(here)-\(there)"
                    let first = try TestClient(port: network.ports[here])
                    try first.register(name, "mine")
                    for secret in ["mine", "other"] {
                        let second = try TestClient(port: network.ports[there])
                        try second.send(Line.register(name, secret))
                        try second.expect("REGISTER_FAILED")
                        try second.expectClosed()
                    }
                    try first.login(name, "mine")
                }
            }
        }

        @Test func severalNamesOnOneConnection() throws {
            try withNetwork(2) { network in
                let client = try TestClient(port: network.ports[0])
                for name in ["a", "b", "c"] { try client.register(name, name) }
                for name in ["a", "b", "c"] { try TestClient(port: network.ports[1]).login(name, name) }
            }
        }

        @Test func aLateJoinerKnowsEverybody() throws {
            try withNetwork(3) { network in
                let names = (0..<(isFullRun ? 1000 : 60)).map { "early-\($0)" }
                for (index, name) in names.enumerated() {
                    let client = try TestClient(port: network.ports[index % 3])
                    try client.register(name, "s-\(name)")
                }
                let late = try network.add(through: 2)
                for name in names {
                    let client = try TestClient(port: late.port)
                    try client.login(name, "s-\(name)")
                }
                let thief = try TestClient(port: late.port)
                try thief.send(Line.register("early-0", "x"))
                try thief.expect("REGISTER_FAILED")
                try network.waitUntilWhole()
            }
        }

        @Test func theSameUserMayBeConnectedTwice() throws {
            try withNetwork(2) { network in
                let first = try TestClient(port: network.ports[0])
                try first.register("alice", "w")
                try first.login("alice", "w")
                let second = try TestClient(port: network.ports[1])
                try second.login("alice", "w")
                try first.say(#"{"n":1}"#, as: "alice", "w")
                try second.expectBroadcast(#"{"n":1}"#, by: "alice")
                try second.say(#"{"n":2}"#, as: "alice", "w")
                try first.expectBroadcast(#"{"n":1}"#, by: "alice")
                try first.expectBroadcast(#"{"n":2}"#, by: "alice")
            }
        }
    }
}
