/// The command line of the faults against real servers.
import ArgumentParser
import Chaos
import Glibc

@main
struct PandoChaos: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pando-chaos",
        abstract: "Real servers under real faults.",
        discussion: """
            Starts real servers, each in a network namespace of its own, with a packet switch between them, and real \
            clients. Servers are killed, stopped and started again, links are cut silently or by reset, in both \
            directions or one, slowed down, made lossy; clients come and go. Each client numbers what it sends and \
            notes what it receives. After each round of faults everything is mended, and the checkers of pando-sim are \
            asked: every activity reaches every client, once, in order; one name has one user.

            Only what a killed server alone held may be lost. Who held what is read from the links: who sent an \
            activity on, and who acknowledged it.

            A violation ends with exit status 1.
            """,
        subcommands: [Run.self, Repair.self, Healing.self, Restarts.self], defaultSubcommand: Run.self)

    /// The server that was built with this program.
    static var serverBeside: String {
        var path = [CChar](repeating: 0, count: 4096)
        guard readlink("/proc/self/exe", &path, path.count - 1) > 0, let slash = path.lastIndex(of: 0x2F) else {
            return "pando-server"
        }
        return String(decoding: path[...slash].map { UInt8(bitPattern: $0) }, as: UTF8.self) + "pando-server"
    }

    /// The results go through pipes, and are waited for.
    static func say(_ text: String) {
        print(text)
        fflush(nil)
    }
}

struct NetworkOptions: ParsableArguments {
    @Option(help: "Number of servers, 1 to 250.")
    var servers = 5

    @Option(help: ArgumentHelp("The server to test. (default: beside this program)", valueName: "path"))
    var server: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Options for every server, in one word: \"--silence-ms 1000\".", valueName: "words"))
    var with = ""

    @Flag(help: "On loopback instead of in network namespaces: nothing on the wires can go wrong then.")
    var loopback = false

    func validate() throws {
        guard (1...250).contains(servers) else { throw ValidationError("--servers is 1 to 250.") }
        if !loopback, let obstacle = RealNetwork.obstacle {
            throw ValidationError("No network namespaces here (\(obstacle)): use --loopback.")
        }
    }

    func make(seed: UInt64) -> RealNetwork.Options {
        var options = RealNetwork.Options(program: server ?? PandoChaos.serverBeside)
        options.servers = servers
        options.seed = seed
        options.isIsolated = !loopback
        options.arguments = with.split(separator: " ").map(String.init)
        return options
    }
}

extension PandoChaos {
    struct Run: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "A random mix of faults, for as long as one likes.")

        @OptionGroup var network: NetworkOptions

        @Option(help: "Decides which faults come when.")
        var seed: UInt64 = 1

        @Option(help: "How long; the round that is under way is finished.")
        var seconds = 60.0

        @Option(help: "Clients that connect to each server.")
        var clients = 4

        @Option(help: "Activities a second, over all clients.")
        var rate = 100.0

        @Flag(help: "Tell each fault as it happens.")
        var verbose = false

        func run() throws {
            var chaos = ChaosRun(network.make(seed: seed))
            chaos.seconds = seconds
            chaos.clientsPerServer = clients
            chaos.rate = rate
            if verbose { chaos.onStory = { PandoChaos.say("  \($0)") } }
            chaos.onRound = { round in
                PandoChaos.say(
                    "round \(round.number): \(round.faults) faults, \(round.activities) activities, "
                        + "\(round.deliveries) deliveries, whole after \(RealNetwork.seconds(round.wholeAfter)) s")
            }
            PandoChaos.say("seed \(seed): \(network.servers) servers, \(clients) clients each, \(rate) activities/s")
            let outcome = try chaos.run()
            PandoChaos.say("until whole after the last mending: \(outcome.wholeAfter)")
            PandoChaos.say("delays under faults: \(outcome.delays)")
            guard let last = outcome.rounds.last, !last.violations.isEmpty else {
                return PandoChaos.say("no violation")
            }
            for line in last.story { PandoChaos.say("  \(line)") }
            for violation in last.violations { PandoChaos.say("VIOLATION \(violation)") }
            throw ExitCode(1)
        }
    }
}
