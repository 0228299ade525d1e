import Testing

@testable import Simulator

/// Users of a network of several servers: names, logins, moves.
@Suite(.serialized) struct UserTests {
    /// A whole network of servers that started one after the other.
    private static func network(seed: UInt64, servers: Int) -> World {
        let world = World(options: WorldOptions(seed: seed))
        world.addServers(servers, .random)
        world.startAll(spreadMilliseconds: 500 * UInt64(servers), isShuffled: false)
        world.run(milliseconds: 500 * UInt64(servers))
        let isWhole = world.run(limitMilliseconds: 20_000) { $0.isWhole }
        #expect(isWhole, "\(world.wholenessText)")
        return world
    }

    private static func expectPeace(_ world: World, _ checks: Checks = Checks()) {
        #expect(world.verdict(checks).map(\.description) == [])
    }

    @Test(arguments: 1...10 as ClosedRange<UInt64>) func oneNameAtManyServersHasOneUser(seed: UInt64) {
        let servers = 3 + Int(seed % 4)
        let world = Self.network(seed: seed, servers: servers)
        for server in 0..<servers {
            // Some at the same instant, some a little apart.
            let pause = seed % 2 == 0 ? 0 : UInt64(server) * 30
            world.addClient(
                name: "alice", steps: [.wait(milliseconds: pause), .connect(server: server), .register])
        }
        world.run(milliseconds: 20_000)
        #expect(world.history.registrations.count == servers)
        #expect(world.history.registrations.count { $0.isGranted } == 1)
        Self.expectPeace(world)
    }

    enum Change: CaseIterable { case join, death, silence }

    /// Two sites far from each other: while one server comes or goes, those of the two see different members, and
    /// different arbiters of one name.
    @Test(arguments: 1...3 as ClosedRange<UInt64>, Change.allCases)
    func oneNameHasOneUserAlsoWhileAServerComesOrGoes(seed: UInt64, change: Change) {
        var options = WorldOptions(seed: seed)
        options.latencyMilliseconds = 1...2
        let world = World(options: options)
        world.addServers(5, .random)
        for first in 0..<5 {
            for second in first + 1..<5 where (second - first) % 2 == 1 { world.setPath(first, second, .distant) }
        }
        world.startAll(spreadMilliseconds: 100, isShuffled: false, except: change == .join ? [4] : [])
        world.run(milliseconds: 30_000)
        #expect(world.isWhole)
        let users = (0..<90).map { number in
            world.addClient(name: "user\(number / 3)", steps: [.connect(server: (number + number / 3) % 4)])
        }
        world.run(milliseconds: 100)
        switch change {
        case .join: world.start(4)
        case .death: world.kill(4, .process)
        case .silence: world.kill(4, .machine)
        }
        // The names are asked for one after the other, while the news travels.
        for (number, user) in users.enumerated() {
            user.append([.wait(milliseconds: UInt64(number / 3) * 10), .register], in: world)
        }
        world.run(milliseconds: 30_000)
        for name in 0..<30 {
            let answers = world.history.registrations.filter { $0.name == "user\(name)" }
            let story = answers.map { world.history.text(of: $0) }.joined(separator: "; ")
            #expect(answers.count == 3 && answers.count { $0.isGranted } == 1, "user\(name): \(story)")
        }
        Self.expectPeace(world)
    }

    @Test(arguments: 1...10 as ClosedRange<UInt64>) func aNewNameCanLogInAnywhereAtOnce(seed: UInt64) {
        let servers = 5
        let world = Self.network(seed: seed, servers: servers)
        for server in 0..<servers {
            world.addClient(
                name: "user\(server)",
                steps: [.connect(server: server), .register, .connect(server: (server + 1) % servers), .login])
        }
        world.run(milliseconds: 10_000)
        for client in world.clients {
            #expect(client.isLoggedIn, "client \(client.index): \(client.received.map(\.text))")
        }
        Self.expectPeace(world)
    }

    @Test(arguments: 1...5 as ClosedRange<UInt64>) func aLateServerServesOldUsersAndHearsWhatFollows(seed: UInt64) {
        let world = Self.network(seed: seed, servers: 3)
        for server in 0..<3 {
            world.addClient(name: "user\(server)", steps: [.connect(server: server), .register, .login])
            world.addClient(name: nil, steps: [.connect(server: server), .login])
        }
        world.run(milliseconds: 3000)
        world.startTraffic(perSecond: 20, seconds: 20)
        world.run(milliseconds: 5000)

        let late = world.addServer(bootstrap: Int(seed % 3))
        world.start(late.index)
        // It is there before it is ready: it has to wait for it.
        let guest = world.addClient(name: "user0", steps: [.connect(server: late.index), .login])
        #expect(world.clients[0].secret != guest.secret)
        world.run(milliseconds: 5000)
        #expect(guest.received.map(\.text).first?.hasPrefix("LOGIN_FAILED") == true, "\(guest.received.map(\.text))")

        // The user of client 1's machine comes to the new server.
        let mover = world.clients[2]
        mover.append([.connect(server: late.index), .login], in: world)
        let listener = world.addClient(name: nil, steps: [.connect(server: late.index), .login])
        world.run(milliseconds: 20_000)
        #expect(mover.isLoggedIn && listener.isLoggedIn)
        #expect(world.history.views[listener.index].count > 50)
        #expect(world.isWhole, "\(world.wholenessText)")
        Self.expectPeace(world)
    }

    @Test(arguments: 1...10 as ClosedRange<UInt64>) func orderHoldsWhenTheSenderMoves(seed: UInt64) {
        let world = Self.network(seed: seed, servers: 4)
        for server in 0..<4 {
            world.addClient(
                name: nil, steps: [.wait(milliseconds: UInt64(server) * 200), .connect(server: server), .login])
        }
        world.run(milliseconds: 3000)
        let hop = [ClientStep.login, .send(count: 10, everyMilliseconds: 5), .wait(milliseconds: 200)]
        let tour = (1...3).flatMap { [.connect(server: $0)] + hop }
        world.addClient(name: "traveller", steps: [.connect(server: 0), .register] + hop + tour)
        world.run(milliseconds: 20_000)
        let sent = world.history.activities[4].count
        #expect(sent == 40)
        for listener in 0..<4 { #expect(world.history.views[listener].count == sent) }
        Self.expectPeace(world)
    }

    @Test func redirectsSpreadClientsOverServers() {
        let world = Self.network(seed: 7, servers: 3)
        for number in 0..<12 {
            world.addClient(
                name: number % 3 == 0 ? "user\(number)" : nil,
                steps: [.wait(milliseconds: UInt64(number) * 1000), .connect(server: 0)]
                    + (number % 3 == 0 ? [.register] : []) + [.login])
        }
        world.run(milliseconds: 30_000)
        #expect(world.clients.allSatisfy { $0.isLoggedIn })
        let loads = (0..<3).map { server in world.clients.count { $0.server == server } }
        #expect(loads.allSatisfy { (3...5).contains($0) }, "\(loads)")
        Self.expectPeace(world)
    }
}
