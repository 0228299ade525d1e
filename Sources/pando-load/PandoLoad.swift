/// The program: options in, a run, a report out.
import ArgumentParser
import Glibc
import Load

@main
struct PandoLoad: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pando-load",
        abstract: "Puts load on servers, measures it honestly, and checks every line that arrives.",
        discussion: """
            Clients connect and log in; some of them send, and everybody receives. Each activity carries its sender, \
            its number and the time at which it was to be sent. Receivers check every sender's numbers, and latency \
            counts from the planned time: a server that stalls is not spared the activities that it held up.

            EXAMPLES
              How much does a server deliver, and what does that cost it?
                pando-load --servers 127.0.0.1:3780 --clients 1000 --window 64 --pid $(pidof pando-server)
              How long does an activity take when 25 a second go to 1,000 clients?
                pando-load --servers 127.0.0.1:3780 --clients 1000 --senders 10 --rate 25
              What does an idle client cost?
                pando-load --servers 127.0.0.1:3780 --clients 10000 --senders 0 --settle 5 --pid $(pidof pando-server)
              The same load on another program
                pando-load --protocol redis --servers 127.0.0.1:6379 --clients 1000 --window 64

            HOW IT WORKS
              One process a processor, and more where 20,000 descriptors a process do not suffice; beyond 10,000 \
            clients a server it dials from addresses 127.0.x.y of its own. A run connects all clients, waits \
            (--settle), sends (--warmup), measures (--duration), and waits until everything has come or nothing has \
            come for a while (--drain). To measure servers keep it off their processors: \
            taskset -c 1 pando-load …, and the server on another one. It warns when it was the limit itself.

            EXIT STATUS
              0 everybody got everything, once and in order; 1 something was lost, doubled, out of order, malformed \
            or cut off; 64 wrong usage; 69 a server cannot be reached or refuses clients; 71 the operating system \
            refused something.
            """,
        version: "0.2.0")

    @OptionGroup(title: "Who") var crowd: CrowdOptions
    @OptionGroup(title: "What is sent") var activities: ActivityOptions
    @OptionGroup(title: "How long") var times: TimeOptions
    @OptionGroup(title: "What is told") var insight: InsightOptions

    /// For this program's own use.
    @Option(help: .hidden) var worker: String?

    func validate() throws {
        try crowd.check()
        try activities.check(crowd)
        do {
            try plan().validate()
        } catch {
            throw ValidationError(error.description)
        }
    }

    private func plan() -> LoadPlan {
        var plan = LoadPlan()
        crowd.apply(to: &plan)
        activities.apply(to: &plan)
        times.apply(to: &plan)
        plan.serverProcesses = insight.pid.flatMap(\.values)
        plan.finish()
        return plan
    }

    func run() throws {
        if let worker {
            guard let place = WorkerPlace(worker) else { throw ExitCode(64) }
            throw ExitCode(LoadWorker.run(plan(), as: place))
        }
        let report = try measure()
        if insight.json {
            Output.write(report.json, to: STDOUT_FILENO)
            for warning in report.warnings { Output.write("pando-load: \(warning)\n", to: STDERR_FILENO) }
        } else {
            Output.write(report.text, to: STDOUT_FILENO)
        }
        if !report.isGood { throw ExitCode.failure }
    }

    private func measure() throws -> LoadReport {
        do throws(LoadFailure) {
            return try Conductor(plan(), showsProgress: !insight.quiet).run()
        } catch {
            Output.write("pando-load: \(error.description)\n", to: STDERR_FILENO)
            throw ExitCode(error.kind.rawValue)
        }
    }
}
