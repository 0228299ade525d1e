import ArgumentParser
import Glibc

/// Many seeds on all cores: progress, journal, summary.
struct LongRun {
    var job: Job
    var seeds: ClosedRange<UInt64>
    var options: SeedOptions
    var json: Bool

    /// Failures that are told with their story; the rest by their seeds.
    private static let toldMax = 5
    /// Those of them for which the seed is run once more.
    private static let storiesMax = 3

    func run() throws {
        let interrupts = Interrupts.install()
        var summary = Summary()
        var done: Set<UInt64> = []
        let code = CodeDigest.ofThisProgram()
        var journal: Journal?
        if let path = options.resume {
            let header = Journal.Header(code: code, options: job.options)
            journal = try Journal(path: path, header: header, isNew: options.restart) { result in
                guard seeds.contains(result.seed), done.insert(result.seed).inserted else { return }
                summary.add(result)
            }
        }
        var progress = Progress(total: seeds.count - done.count)
        if !done.isEmpty { progress.say("\(done.count) of \(seeds.count) seeds were run before") }
        var pool = Pool(jobs: options.jobs, secondsMax: options.seedLimit, interrupts: interrupts) { seed, text in
            SeedResult(seed: seed, world: "unknown", failure: text)
        }
        let isComplete = try pool.run(seeds: seeds.lazy.filter { !done.contains($0) }) { result in
            try journal?.append(result)
            summary.add(result)
            progress.note(result)
        } tick: {
            progress.tick()
        }
        progress.end()
        // Whoever interrupts does not want to wait.
        if isComplete { summary.tellCauses(of: Self.storiesMax, job.causes) }
        try tell(summary, code: code)
        Output.write(summary.cost(wallSeconds: progress.elapsed) + "\n", to: STDERR_FILENO)
        if !summary.failures.isEmpty { throw ExitCode(1) }
        guard isComplete else {
            Output.write("interrupted: \(seeds.count - summary.seeds) seeds are left\n", to: STDERR_FILENO)
            throw ExitCode(130)
        }
    }

    private func tell(_ summary: Summary, code: String) throws {
        guard !json else { return print(try summary.json(code: code, options: job.options, replay: job.replay)) }
        print(summary.report)
        guard !summary.failures.isEmpty else { return }
        for result in summary.failed.prefix(Self.toldMax) {
            print("")
            print("seed \(result.seed): \(result.world)")
            for line in result.story { print("  \(line)") }
            result.printViolations()
            print(Self.advice(job, result.seed))
        }
        print("")
        print("code \(code); failed seeds: \(summary.failed.map { "\($0.seed)" }.joined(separator: " "))")
    }

    static func advice(_ job: Job, _ seed: UInt64) -> String { "replay: \(job.replay(seed: seed))" }
}
