// Real servers that are killed, stopped and cut off while activities flow. What is asked in the end is what the
// simulator asks: every activity reached every client, once, in order; each name has one user.

import Chaos
import Testing

/// A network under load: `body` does what is to be done to it, then all is mended and judged.
private func underLoad(
    servers: Int, isIsolated: Bool = false, clientsEach: Int = 2, more: [String] = [],
    _ body: (RealNetwork) throws -> Void
) throws {
    let network = try makeNetwork(servers, isIsolated, clientsEach, more)
    try round(network) { try body(network) }
}

private func makeNetwork(
    _ servers: Int, _ isIsolated: Bool, _ clientsEach: Int, _ more: [String] = [], net: String? = nil
) throws -> RealNetwork {
    let network = try unstartedNetwork(servers, isIsolated, more, net: net)
    network.beginRound()
    try network.startAll()
    network.addClients(each: clientsEach)
    try require(network.run(seconds: 30) { network.areAllLoggedIn }, "all logged in", network)
    return network
}

private func unstartedNetwork(
    _ servers: Int, _ isIsolated: Bool, _ more: [String] = [], net: String? = nil
) throws -> RealNetwork {
    var options = RealNetwork.Options(program: Program.binaryDirectory + "/pando-server")
    options.net = net
    options.servers = servers
    options.isIsolated = isIsolated
    // As in the other tests: short, but not so short that a busy machine looks like a dead server.
    options.arguments = ["--heartbeat-ms", "250", "--silence-ms", "1500", "-a", "200"]
    options.arguments += ["--redial-min-ms", "50", "--redial-max-ms", "400"] + more
    return try RealNetwork(options)
}

private func round(_ network: RealNetwork, _ body: () throws -> Void) throws {
    try unjudgedRound(network, body)
    #expect(network.violations.map(\.description) == [], "\(network.story.joined(separator: "\n"))")
}

private func unjudgedRound(_ network: RealNetwork, seconds: Double = 60, _ body: () throws -> Void) throws {
    network.beginRound()
    network.startTraffic(perSecond: 200)
    try requireFresh(network, among: Array(0..<network.serverCount))
    try body()
    network.mendAll()
    network.endRound(seconds: seconds)
}

private func require(_ condition: Bool, _ what: String, _ network: RealNetwork) throws {
    guard !condition else { return }
    let story = network.story.joined(separator: "\n")
    throw HarnessError("waited in vain for: \(what); \(network.wholenessText)\n\(story)\n\(network.recentLogs)")
}

/// Whatever is sent now at one of these servers reaches the clients of all of them.
private func requireFresh(_ network: RealNetwork, among servers: [Int]) throws {
    try require(network.untilFresh(among: servers) != nil, "fresh activities among \(servers)", network)
}

extension HeavyTests {
    @Suite(.timeLimit(.minutes(10))) struct KillTests {
        /// The network begins as a chain: 4 is its leaf, 2 its middle, 0 its first.
        @Test func killsUnderLoadCostTheOthersNothing() throws {
            let network = try makeNetwork(5, false, 2)
            for victims in [[4], [2], [0], [1, 3], [0, 2, 4], [0, 1, 2, 3]] {
                try round(network) {
                    for victim in victims { network.kill(victim) }
                    try requireFresh(network, among: (0..<5).filter { !victims.contains($0) })
                }
            }
        }

        @Test func killsUnderTLSCostTheOthersNothing() throws {
            let network = try makeNetwork(3, false, 2, TLSFiles.options(), net: TLSFiles.net)
            for victims in [[1], [0, 2]] {
                try round(network) {
                    for victim in victims { network.kill(victim) }
                    try requireFresh(network, among: (0..<3).filter { !victims.contains($0) })
                }
            }
        }

        @Test func aServerThatIsKilledAgainAndAgainComesBackEachTime() throws {
            // For as long as their clients may come back, the dead are remembered.
            try underLoad(servers: 3, more: ["--resume-window-ms", "1000"]) { network in
                for _ in 0..<20 {
                    network.kill(1)
                    network.restart(1)
                    // At different moments of its start.
                    network.run(seconds: 0.1) { network.isWhole }
                }
                try require(network.run(seconds: 30) { network.isWhole }, "a whole network", network)
                #expect(network.statistics().map { $0?.members } == [3, 3, 3])
                // The dead leave the vectors when all have said that they hold the same of them.
                let isForgotten = network.run(seconds: 30) {
                    network.statistics().allSatisfy { $0?["servers_known"] == 3 }
                }
                try require(isForgotten, "twenty dead servers to be forgotten", network)
            }
        }

        @Test func aServerThatWasStoppedForLongerThanSilenceGoesOn() throws {
            try underLoad(servers: 3) { network in
                network.stop(1)
                try requireFresh(network, among: [0, 2])
                let isGivenUp = network.run(seconds: 30) {
                    network.statistics().enumerated().allSatisfy { $0 == 1 || $1?.links == 1 }
                }
                try require(isGivenUp, "the others to give it up", network)
                network.resume(1)
                try requireFresh(network, among: [0, 1, 2])
            }
        }

        @Test func allServersStoppedAtOnceGoOn() throws {
            try underLoad(servers: 3) { network in
                for server in 0..<3 { network.stop(server) }
                // Longer than every timer that matters: nobody is awake to tell when.
                network.run(seconds: 2)
                for server in 0..<3 { network.resume(server) }
                try requireFresh(network, among: [0, 1, 2])
            }
        }
    }

    @Suite(
        .timeLimit(.minutes(10)),
        .enabled(if: RealNetwork.obstacle == nil, "network namespaces: \(RealNetwork.obstacle ?? "")"))
    struct CutTests {
        /// Both sides go on; what was said on one side reaches the other when they meet again.
        @Test(arguments: [RealNetwork.Cut.silently, .abruptly])
        func aPartitionHealsAndNothingIsLost(_ cut: RealNetwork.Cut) throws {
            try underLoad(servers: 4, isIsolated: true) { network in
                network.partition([0, 1], from: [2, 3], cut)
                let isSeen = network.run(seconds: 30) {
                    network.statistics().allSatisfy { $0?.links == 1 }
                }
                try require(isSeen, "the cut to be seen", network)
                let rivals = network.contest("contested", at: [0, 2])
                network.contest("known-on-one-side", at: [1])
                network.contest("known-on-the-other", at: [3])
                let isDone = network.run(seconds: 30) { network.clients.allSatisfy(\.isLoggedIn) }
                try require(isDone, "both sides to register and log in", network)
                try requireFresh(network, among: [0, 1])
                try requireFresh(network, among: [2, 3])
                network.healAll()
                try requireFresh(network, among: [0, 1, 2, 3])
                let isSettled = network.run(seconds: 30) { rivals.count { $0.isLoggedIn } == 1 }
                try require(isSettled, "one of two claims to win", network)
                let loser = rivals.first { !$0.isLoggedIn }
                #expect(loser?.state == .ended)
                #expect(loser?.farewell != nil, "the loser is told")
            }
        }

        @Test func aCutInOneDirectionIsSeenAtBothEnds() throws {
            try underLoad(servers: 3, isIsolated: true) { network in
                network.cut(0, 1, .silently, .forth)
                try requireFresh(network, among: [0, 1, 2])
                let isSeen = network.run(seconds: 30) { network.statistics().map { $0?.links } == [1, 1, 2] }
                try require(isSeen, "both ends to give the link up", network)
                try requireFresh(network, among: [0, 1, 2])
            }
        }

        /// It hears the others, whose words about it are all that it could know: that they hear nothing of it.
        @Test func whatAServerSaysThatNobodyHearsComesLater() throws {
            try underLoad(servers: 3, isIsolated: true) { network in
                for other in 1...2 { network.cut(0, other, .silently, .forth) }
                let isSeen = network.run(seconds: 30) { network.statistics().map { $0?.links } == [0, 1, 1] }
                try require(isSeen, "all to give the links up", network)
                try requireFresh(network, among: [0])
                try requireFresh(network, among: [1, 2])
                network.healAll()
                try requireFresh(network, among: [0, 1, 2])
            }
        }

        /// Each has users, sessions and activities of its own; a name is registered in both.
        @Test func twoNetworksThatNeverMetBecomeOne() throws {
            let network = try unstartedNetwork(4, true)
            network.beginRound()
            try network.startApart([[0, 1], [2, 3]])
            network.addClients(each: 2)
            let rivals = network.contest("contested", at: [1, 3])
            let isIn = network.run(seconds: 30) { network.clients.allSatisfy(\.isLoggedIn) }
            try require(isIn, "both sides to register and log in", network)
            #expect(network.statistics().map { $0?.members } == [2, 2, 2, 2])
            network.startTraffic(perSecond: 200)
            try requireFresh(network, among: [0, 1])
            try requireFresh(network, among: [2, 3])
            try network.meet()
            #expect(network.statistics().map { $0?.members } == [4, 4, 4, 4])
            try requireFresh(network, among: [0, 1, 2, 3])
            let isSettled = network.run(seconds: 30) { rivals.count { $0.isLoggedIn } == 1 }
            try require(isSettled, "one of two claims to win", network)
            #expect(rivals.first { !$0.isLoggedIn }?.farewell != nil, "the loser is told")
            network.mendAll()
            network.endRound()
            #expect(network.violations.map(\.description) == [], "\(network.story.joined(separator: "\n"))")
        }

        @Test func linksThatAreResetAgainAndAgainLoseNothing() throws {
            try underLoad(servers: 3, isIsolated: true) { network in
                for time in 0..<12 {
                    network.breakLinks(time % 3, (time + 1) % 3)
                    network.run(seconds: 0.1)
                }
                try requireFresh(network, among: [0, 1, 2])
            }
        }

        /// What is said reaches everybody else while one server still waits for it.
        @Test func aSlowAndLossyServerDelaysNobodyElse() throws {
            try underLoad(servers: 4, isIsolated: true, clientsEach: 1) { network in
                network.stopTraffic()
                for other in 0..<3 { network.slow(3, other, milliseconds: 100, lossPermille: 50) }
                network.padding = 8000
                let talker = try #require(network.clients.first { $0.server == 0 })
                let before = network.history.receptions.map(\.count)
                for _ in 0..<400 { network.send(from: talker) }
                let news = { (client: Client) in network.history.receptions[client.index].count - before[client.index] }
                let near = network.clients.filter { $0.server != 3 }
                let far = try #require(network.clients.first { $0.server == 3 })
                let isDone = network.run(seconds: 30) { near.allSatisfy { news($0) >= 400 } }
                try require(isDone, "the others to have everything", network)
                #expect(news(far) < 400)
            }
        }

        /// What was said at a server that nobody could hear is gone with it; the listener on the links knows that
        /// nobody else had it. What a neighbour had taken over reaches all.
        @Test func onlyWhatAKilledServerAloneHeldIsLost() throws {
            let network = try makeNetwork(3, true, 1)
            try round(network) {
                let speaker = try #require(network.clients.first { $0.server == 0 })
                network.stopTraffic()
                let before = network.history.activities[speaker.index].count
                network.partition([0], from: [1, 2], .silently)
                for _ in 0..<10 { network.send(from: speaker) }
                let isAccepted = network.run(seconds: 10) {
                    network.history.activities[speaker.index].allSatisfy { $0.acceptedAt != nil }
                }
                try require(isAccepted, "the server to accept them", network)
                network.kill(0)
                for activity in network.history.activities[speaker.index][before...] {
                    #expect(Set(activity.holders.map(\.server)) == [0])
                }
                for activity in network.history.activities[speaker.index][..<before] {
                    #expect(Set(activity.holders.map(\.server)) == [0, 1, 2])
                }
            }
        }

        /// The checks can fail: servers that may keep almost nothing lose what was said while they were cut off.
        @Test func whatIsGivenUpAtABoundIsFound() throws {
            let network = try makeNetwork(2, true, 1, ["--max-store-mb", "1"])
            // What is lost is waited for in vain.
            try unjudgedRound(network, seconds: 2) {
                network.stopTraffic()
                network.partition([0], from: [1], .silently)
                network.padding = 20_000
                let speaker = try #require(network.clients.first { $0.server == 0 })
                for _ in 0..<200 { network.send(from: speaker) }
                try require(network.run(seconds: 20) { speaker.bytesHeard > 4_000_000 }, "all accepted", network)
            }
            #expect(Set(network.violations.map(\.kind)) == [.notReached])
        }

        /// Under TLS nobody can listen on the wires: there, what a killed server was the first to have may be lost without
        /// a question.
        @Test(arguments: [false, true]) func aMixOfAllFaults(underTLS: Bool) throws {
            var options = RealNetwork.Options(program: Program.binaryDirectory + "/pando-server")
            options.seed = 3
            if underTLS { options.arguments = try TLSFiles.options() }
            var chaos = ChaosRun(options)
            chaos.seconds = 1
            chaos.roundSeconds = 5
            let outcome = try chaos.run()
            let story = outcome.rounds.flatMap(\.story).joined(separator: "\n")
            #expect(outcome.violations.map(\.description) == [], "seed \(options.seed):\n\(story)")
        }

        /// Five times the activity log.
        @Test func aBacklogOfFiveRingsClosesNobodyAndFreshActivitiesDoNotWaitBehindIt() throws {
            var options = RealNetwork.Options(program: Program.binaryDirectory + "/pando-server")
            options.arguments = ["--heartbeat-ms", "250", "--silence-ms", "1500"]
            var measure = HealingMeasure(options)
            measure.clients = isFullRun ? 1000 : 30
            let outcome = try measure.run()
            #expect(outcome.backlogBytes >= 40 << 20)
            #expect(outcome.closed == 0)
            #expect(outcome.freshBeforeEnd > 0)
            #expect(outcome.violations.map(\.description) == [])
        }
    }
}
