import ArgumentParser
import Glibc
import Node
import Simulator

/// Runs seeds of random worlds, of a steady network or of a scenario file.
@main
struct PandoSim: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pando-sim",
        abstract: "Runs whole networks of servers and clients in one process, under a virtual clock.",
        discussion: """
            Each run lets servers start, clients register, log in and send activities, and things go wrong; and it \
            checks from outside what was promised: every activity reaches every client, once, in the order of its \
            sender; one name has one user; all servers end with the same registry.

            There are three kinds of runs:
              pando-sim --seed 7                    a random world: the seed draws the network and its faults
              pando-sim --seed 7 --servers 256      a steady network without faults: what does it cost?
              pando-sim --file partition.yaml       a network and its faults as a file describes them

            The seed decides everything: the same seed and options give the same run, event by event. A violation is \
            told with what led to it and the command that replays it. What differs from run to run (progress, CPU \
            time, memory) goes to standard error.

            Examples:
              pando-sim --seeds 1-10000           on all cores, with a summary
              pando-sim --seeds 1-90000 --resume night.journal
                                                  goes on where it was interrupted
              pando-sim --seed 17 --trace | less  every event of one seed
              pando-sim --seeds 1-100 --servers 5 --faults
                                                  random faults in such a network

            Exit status: 0 all promises held, 1 one did not, 64 mistaken use, 130 interrupted.
            """)

    @OptionGroup(title: "Seeds")
    var seeds: SeedOptions

    @OptionGroup(title: "A network of one's own")
    var network: NetworkOptions

    @Option(help: ArgumentHelp("Run the scenario in a file (see config/simulations).", valueName: "path"))
    var file: String?

    @Option(
        help: ArgumentHelp(
            "Plant a mistake in every server, to see that it is found: "
                + NodeDefect.allCases.map(\.rawValue).joined(separator: ", ") + ".", valueName: "name"))
    var defect: NodeDefect?

    @Flag(help: "Print every event and output, and the digest of all these lines.")
    var trace = false

    @Flag(help: "Print the summary as JSON.")
    var json = false

    /// Reads seeds from standard input and answers with results; for this program's own use.
    @Flag(help: .hidden)
    var worker = false

    func validate() throws {
        if file != nil, let option = network.options.first {
            throw ValidationError("\(option) and --file: the file says what the network is; change it there.")
        }
        if trace, seeds.seeds != nil || json { throw ValidationError("--trace is for one --seed, as text.") }
    }

    func run() throws {
        do {
            try start(job())
        } catch let mistake as ScenarioReader.Mistake {
            try Self.refuse(mistake.description)
        } catch let refusal as Journal.Refusal {
            try Self.refuse(refusal.description)
        }
    }

    /// The user's mistake, but none of the command line: a usage line would not help.
    private static func refuse(_ text: String) throws -> Never {
        Output.write("pando-sim: \(text)\n", to: STDERR_FILENO)
        throw ExitCode.validationFailure
    }

    private func start(_ job: Job) throws {
        if worker {
            serve(job)
        } else if let range = seeds.seeds?.range {
            try LongRun(job: job, seeds: range, options: seeds, json: json).run()
        } else {
            try runOne(job, seed: seeds.seed ?? 1)
        }
    }

    private func job() throws -> Job {
        let planted = defect.map { ["--defect", $0.rawValue] } ?? []
        guard let file else { return network.job(defect: defect, options: network.options + planted) }
        var scenario = try ScenarioReader.scenario(atPath: file)
        scenario.world.nodeDefect = defect
        return .scenario(scenario, world: "\(file), \(scenario.text)", options: ["--file", file] + planted)
    }

    /// The worker's side of `Worker`.
    private func serve(_ job: Job) {
        while let line = readLine() {
            guard let seed = UInt64(line), let result = try? job.run(seed: seed).line(),
                Output.write(result + "\n", to: STDOUT_FILENO)
            else { return }
        }
    }

    private func runOne(_ job: Job, seed: UInt64) throws {
        var result = job.run(seed: seed, traces: trace ? .lines { print($0) } : .off)
        result.causes = job.causes(of: result)
        let code = result.isGood && !json ? "" : CodeDigest.ofThisProgram()
        if json {
            var summary = Summary()
            summary.add(result)
            print(try summary.json(code: code, options: job.options, replay: job.replay))
        } else {
            print(result.report)
            if trace { print("trace digest \(String(result.traceDigest, radix: 16))") }
            result.printViolations()
        }
        let memory = Memory.peak.map { "; \(Text.number($0)) MiB of memory at most" } ?? ""
        Output.write("seed \(seed): \(Text.number(result.cpuSeconds)) CPU seconds\(memory)\n", to: STDERR_FILENO)
        if !result.isGood {
            if !json { print("code \(code)\n\(LongRun.advice(job, seed))") }
            throw ExitCode(1)
        }
    }
}

/// What this process takes of the machine.
enum Memory {
    /// MiB; nil where the kernel does not say.
    static var peak: Double? {
        var usage = rusage()
        // The struct lives through the call. Linux tells KiB.
        guard unsafe getrusage(RUSAGE_SELF.rawValue, &usage) == 0 else { return nil }
        return Double(usage.ru_maxrss) / 1024
    }
}
