import ArgumentParser
import Chaos

extension PandoChaos {
    /// How long until deliveries go on after a fault.
    struct Repair: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Measures how long deliveries stop after a kill -9, and after a silent cut.",
            discussion: """
                Every server has a client that sends every few milliseconds and one that listens. Delivery is restored \
                when every client has heard something that was sent after the fault by every other one whose server \
                lives.
                """)

        @OptionGroup var network: NetworkOptions

        @Option(help: "Repetitions.")
        var times = 20

        func run() throws {
            let measure = RepairMeasure(network.make(seed: 1))
            PandoChaos.say("\(network.servers) servers, \(network.loopback ? "loopback" : "namespaces")")
            let kills = try measure.kills(times) { PandoChaos.say("  \($0)") }
            PandoChaos.say("after kill -9 of a server, \(kills.count) times: \(kills)")
            guard !network.loopback else { return }
            let cuts = try measure.cuts(min(times, 5)) { PandoChaos.say("  \($0)") }
            PandoChaos.say("after a silent cut of a server's wires to all but one, \(cuts.count) times: \(cuts)")
        }
    }

    /// A backlog under live clients.
    struct Healing: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Measures what a backlog does to live clients when a cut heals.")

        @OptionGroup var network: NetworkOptions

        @Option(help: "Clients of the server to which the backlog comes.")
        var clients = 1000

        @Option(help: "Size of the backlog in MiB; the activity log has 8.")
        var megabytes = 40

        func run() throws {
            var measure = HealingMeasure(network.make(seed: 1))
            (measure.clients, measure.megabytes) = (clients, megabytes)
            let outcome = try measure.run()
            let size = outcome.backlogBytes >> 20
            PandoChaos.say("\(size) MiB to \(clients) clients in \(RealNetwork.seconds(outcome.duration)) s")
            PandoChaos.say("clients closed: \(outcome.closed)")
            PandoChaos.say("fresh activities of others meanwhile, \(outcome.fresh.count): \(outcome.fresh)")
            for violation in outcome.violations { PandoChaos.say("VIOLATION \(violation)") }
            if !outcome.violations.isEmpty { throw ExitCode(1) }
        }
    }
}

extension PandoChaos {
    /// Many lives at the same address.
    struct Restarts: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Kills servers and starts them again under load, and looks at what is left in one that lives on.")

        @OptionGroup var network: NetworkOptions

        @Option(help: "Restarts in all.")
        var times = 200

        func validate() throws {
            guard network.servers > 1 else { throw ValidationError("--servers is 2 or more here.") }
        }

        func run() throws {
            let outcome = try RestartMeasure(network.make(seed: 1)).run(times) { PandoChaos.say("  \($0)") }
            PandoChaos.say(
                "servers known \(outcome.serversKnown) of \(network.servers), tombstones \(outcome.tombstones)")
            PandoChaos.say("resident \(outcome.residentFirst) KiB after the first 50, then \(outcome.residentLast) KiB")
            for violation in outcome.violations { PandoChaos.say("VIOLATION \(violation)") }
            if !outcome.violations.isEmpty { throw ExitCode(1) }
        }
    }
}
