public import ArgumentParser
import Glibc
import Simulator

/// Runs the standard scenario of the simulator for one seed or many.
@main
struct PandoSim: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pando-sim",
        abstract: "Runs a whole network of servers and clients in one process, under a virtual clock.",
        discussion: """
            Each run starts the servers in random order, each told of one other; lets clients register, log in and \
            send activities; and checks from outside what was promised: every activity reaches every client, once, in \
            the order of its sender; one name has one user; all servers end with the same registry; in the steady \
            state records cross their tree's edges once (RMR, the relative redundancy, is 0).

            The seed decides everything: the same seed and options give the same run, event by event. A violation \
            ends with exit status 1, and is told with the seed that repeats it. What differs from run to run, the CPU \
            time, goes to standard error.

            With --faults the seed draws the world itself: its size, places, times and bounds, and what goes wrong \
            while activities flow; then everything heals, and nothing may be lost but what only a killed server held.

            Examples:
              pando-sim --seed 7 --servers 10 --clients 5
              pando-sim --seeds 1-200 --servers 5
              pando-sim --seeds 1-100 --faults
              pando-sim --seed 7 --servers 3 --trace | less
            """)

    @Option(help: "The seed of the one run.")
    var seed: UInt64?

    @Option(help: ArgumentHelp("Run each seed of a range.", valueName: "first-last"))
    var seeds: NumberRange?

    @Option(help: "Number of servers.")
    var servers = 5

    @Option(help: "Clients that connect to each server.")
    var clients = 4

    @Option(help: "Activities a second, over all clients.")
    var rate = 20.0

    @Option(help: "Seconds of virtual time that are measured, after a warm-up of five.")
    var seconds = 20.0

    @Option(help: "Whom each server is told of: \(Topology.allCases.map(\.rawValue).joined(separator: ", ")).")
    var topology = Topology.random

    @Option(help: ArgumentHelp("One-way delay of connections in milliseconds.", valueName: "min-max"))
    var latency = NumberRange(range: 10...100)

    @Flag(help: "Random worlds: --seed and --trace count, nothing else.")
    var faults = false

    @Flag(help: "Print every event and output, and the digest of all these lines.")
    var trace = false

    func validate() throws {
        guard seed == nil || seeds == nil else { throw ValidationError("Give --seed or --seeds, not both.") }
        guard (1...1000).contains(servers) else { throw ValidationError("--servers is 1 to 1000.") }
        guard (0...1000).contains(clients) else { throw ValidationError("--clients is 0 to 1000.") }
        guard latency.range.upperBound <= 60_000 else { throw ValidationError("--latency is at most 60000.") }
        guard rate >= 0, rate <= 100_000 else { throw ValidationError("--rate is 0 to 100000.") }
        guard seconds > 0, seconds <= 86_400 else { throw ValidationError("--seconds is more than 0, up to 86400.") }
    }

    func run() throws {
        var failed: [UInt64] = []
        for seed in seeds?.range ?? (seed ?? 1)...(seed ?? 1) where !runOne(seed) { failed.append(seed) }
        guard !failed.isEmpty else { return }
        print("\(failed.count) seeds with violations: \(failed.map(String.init).joined(separator: " "))")
        throw ExitCode(1)
    }

    private var sizeText: String {
        "\(servers) servers (\(topology.rawValue)), \(clients) clients each, \(rate) activities/s"
    }

    /// Returns whether all promises held. The seed is told before the run: should the run crash, it is known.
    private func runOne(_ seed: UInt64) -> Bool {
        print("seed \(seed): " + (faults ? "a random world" : sizeText))
        fflush(nil)
        if faults { return runFaults(seed) }
        var scenario = Scenario(seed: seed)
        scenario.servers = servers
        scenario.topology = topology
        scenario.clientsPerServer = clients
        scenario.rate = rate
        scenario.seconds = seconds
        scenario.world.latencyMilliseconds = latency.range
        if trace { scenario.world.traces = .lines { print($0) } }
        let start = clock()
        let outcome = scenario.run()
        let milliseconds = (clock() - start) * 1000 / Int(CLOCKS_PER_SEC)
        print(outcome.summary)
        if trace { print("trace digest \(String(outcome.traceDigest, radix: 16))") }
        for violation in outcome.violations { print("VIOLATION \(violation)") }
        // The one number that differs between two runs goes elsewhere, so that their outputs can be compared.
        StandardError.write("seed \(seed): CPU time \(milliseconds) ms\n")
        return outcome.violations.isEmpty
    }
}

extension PandoSim {
    /// A world that the seed draws, faults and all; its story is told with a violation.
    private func runFaults(_ seed: UInt64) -> Bool {
        var random = RandomWorld(seed: seed)
        if trace { random.traces = .lines { print($0) } }
        let start = clock()
        let outcome = random.run()
        let milliseconds = (clock() - start) * 1000 / Int(CLOCKS_PER_SEC)
        print(outcome.parameters)
        let repairs = outcome.measures.repairs.map { "\($0 / 1_000_000)" }.joined(separator: " ")
        print("activities \(outcome.measures.activities), whole after \(repairs) ms")
        let states = outcome.rareStates.filter { $0.count > 0 }.map { "\($0.name) \($0.count)" }
        print("rare states: \(states.joined(separator: ", "))")
        if trace { print("trace digest \(String(outcome.traceDigest, radix: 16))") }
        StandardError.write("seed \(seed): CPU time \(milliseconds) ms\n")
        guard !outcome.violations.isEmpty else { return true }
        for fault in outcome.story { print("  \(fault)") }
        for violation in outcome.violations { print("VIOLATION \(violation)") }
        return false
    }
}

extension Topology: ExpressibleByArgument {}

/// `1-200`, or one number.
struct NumberRange: ExpressibleByArgument {
    let range: ClosedRange<UInt64>

    init(range: ClosedRange<UInt64>) { self.range = range }

    var defaultValueDescription: String { "\(range.lowerBound)-\(range.upperBound)" }

    init?(argument: String) {
        let parts = argument.split(separator: "-", omittingEmptySubsequences: false).map { UInt64($0) }
        guard let first = parts.first, let lower = first, let last = parts.last, let upper = last, parts.count <= 2,
            lower <= upper
        else { return nil }
        range = lower...upper
    }
}

/// Beside the report: what differs from run to run.
enum StandardError {
    static func write(_ text: String) {
        let bytes = Array(text.utf8)
        // The pointer is used within the call only. A failure to write here is nobody's loss.
        _ = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
