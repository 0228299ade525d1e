public import ArgumentParser
import Node
import Simulator

/// Which seeds are run, and how.
struct SeedOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The seed of one run. (default: 1)", valueName: "number"))
    var seed: UInt64?

    @Option(help: ArgumentHelp("Run each seed of a range, and sum up.", valueName: "first-last"))
    var seeds: NumberRange?

    @Option(help: ArgumentHelp("Processes that run seeds of a range at a time.", valueName: "count"))
    var jobs = Clock.cores

    @Option(
        help: ArgumentHelp(
            "Keep the results of a range in a file, and go on where it ends. Results of other code or options are "
                + "refused.", valueName: "path"))
    var resume: String?

    @Flag(help: "With --resume: begin the file anew.")
    var restart = false

    @Option(help: ArgumentHelp("A seed that takes longer has failed.", valueName: "seconds"))
    var seedLimit = 600.0

    func validate() throws {
        guard seed == nil || seeds == nil else { throw ValidationError("Give --seed or --seeds, not both.") }
        if let range = seeds?.range, range.upperBound - range.lowerBound >= 1_000_000_000 {
            throw ValidationError("--seeds is a range of at most 1000000000.")
        }
        guard (1...256).contains(jobs) else { throw ValidationError("--jobs is 1 to 256.") }
        guard seedLimit > 0 else { throw ValidationError("--seed-limit is more than 0.") }
        guard resume == nil || seeds != nil else { throw ValidationError("--resume is for a range: give --seeds.") }
        guard !restart || resume != nil else { throw ValidationError("--restart says how to --resume a file.") }
    }
}

/// A network that is not drawn. Without `--servers` nothing of it may be said but how `--faults` are drawn.
struct NetworkOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Number of servers: a steady network instead of a random world.", valueName: "count"))
    var servers: Int?

    @Option(help: ArgumentHelp("Clients that connect to each server. (default: 4)", valueName: "count"))
    var clients: Int?

    @Option(help: ArgumentHelp("Activities a second, over all clients. (default: 20)", valueName: "number"))
    var rate: Double?

    @Option(
        help: ArgumentHelp(
            "Seconds of virtual time that are measured, after the warm-up. (default: 20)", valueName: "number"))
    var seconds: Double?

    @Option(
        help: ArgumentHelp(
            "Seconds of traffic before that, in which the trees find their form. (default: 60)", valueName: "number"))
    var warmUp: Double?

    @Option(
        help: ArgumentHelp(
            "Whom each server is told of: \(Topology.allCases.map(\.rawValue).joined(separator: ", ")). "
                + "(default: random)", valueName: "name"))
    var topology: Topology?

    @Option(help: ArgumentHelp("One-way delay in milliseconds. (default: 10-100)", valueName: "min-max"))
    var latency: NumberRange?

    @Flag(help: "An empty server joins when the clients are there: how soon is the load even, by how many moves?")
    var join = false

    @Flag(help: "A random world after all, of this size if one is given: the seed draws the rest, and what goes wrong.")
    var faults = false

    @Option(
        help: ArgumentHelp(
            "With --faults: what the world is hard on: \(Strain.allCases.map(\.rawValue).joined(separator: ", ")).",
            valueName: "name"))
    var strain: Strain?

    @Option(
        help: ArgumentHelp(
            "With --faults: a kind of fault that comes, and only those that are said: "
                + "\(FaultKind.allCases.map(\.rawValue).joined(separator: ", ")).", valueName: "name"))
    var fault: [FaultKind] = []

    func validate() throws {
        if servers == nil, let option = faults ? clients.map({ _ in "--clients" }) : options.first {
            throw ValidationError("\(option) describes a network of one's own: give --servers as well.")
        }
        if faults, rate != nil || topology != nil || latency != nil || warmUp != nil || join {
            throw ValidationError("--faults: the seed draws the rate, the topology, the latency and who joins late.")
        }
        if !faults, strain != nil || !fault.isEmpty {
            throw ValidationError("--strain and --fault say how --faults are drawn.")
        }
        if let servers, !(1...1000).contains(servers) { throw ValidationError("--servers is 1 to 1000.") }
        if let clients, !(0...1000).contains(clients) { throw ValidationError("--clients is 0 to 1000.") }
        if let latency, latency.range.upperBound > 60_000 { throw ValidationError("--latency is at most 60000.") }
        if let rate, !(0...100_000).contains(rate) { throw ValidationError("--rate is 0 to 100000.") }
        if let seconds, seconds <= 0 || seconds > 86_400 {
            throw ValidationError("--seconds is more than 0, up to 86400.")
        }
        if let warmUp, !(0...86_400).contains(warmUp) { throw ValidationError("--warm-up is 0 to 86400.") }
    }

    /// As they were given.
    var options: [String] {
        var words: [String] = []
        if let servers { words += ["--servers", "\(servers)"] }
        if let clients { words += ["--clients", "\(clients)"] }
        if let rate { words += ["--rate", Text.number(rate)] }
        if let seconds { words += ["--seconds", Text.number(seconds)] }
        if let warmUp { words += ["--warm-up", Text.number(warmUp)] }
        if let topology { words += ["--topology", topology.rawValue] }
        if let latency { words += ["--latency", latency.defaultValueDescription] }
        if join { words.append("--join") }
        if faults { words.append("--faults") }
        if let strain { words += ["--strain", strain.rawValue] }
        for kind in fault { words += ["--fault", kind.rawValue] }
        return words
    }

    func job(defect: NodeDefect?, options: [String]) -> Job {
        guard let servers, !faults else {
            let all = servers.flatMap { servers in clients.map { $0 * servers } }
            return .randomWorld(options: options) { world in
                world.servers = servers
                world.clients = all
                world.seconds = seconds
                world.strain = strain
                world.faults = fault.isEmpty ? nil : fault
                world.defect = defect
            }
        }
        var scenario = Scenario(seed: 1)
        scenario.servers = servers
        scenario.world.nodeDefect = defect
        if let clients { scenario.clientsPerServer = clients }
        if let rate { scenario.rate = rate }
        if let seconds { scenario.seconds = seconds }
        if let warmUp { scenario.warmUpSeconds = warmUp }
        if let topology { scenario.topology = topology }
        if let latency { scenario.world.latencyMilliseconds = latency.range }
        if join { scenario.letJoin() }
        return .scenario(scenario, world: scenario.text, options: options)
    }
}

extension Scenario {
    /// One server more joins when the traffic begins, empty.
    fileprivate mutating func letJoin() {
        absent = [servers]
        servers += 1
        timeline.add(.start([servers - 1]), atSeconds: 1)
        evenLimitSeconds = 600
        // Trees are torn and mended when somebody joins.
        redundancyMax = .infinity
    }

    /// What the options or a file made of it.
    var text: String {
        let latency = world.latencyMilliseconds
        return "\(servers) servers (\(topology.rawValue)), \(clientsPerServer) clients each, "
            + "\(Text.number(rate)) activities/s for \(Text.number(seconds)) s, "
            + "delay \(latency.lowerBound) to \(latency.upperBound) ms"
    }
}

extension Topology: ExpressibleByArgument {}
extension NodeDefect: ExpressibleByArgument {}
extension Strain: ExpressibleByArgument {}
extension FaultKind: ExpressibleByArgument {}

/// `1-200`, or one number.
struct NumberRange: ExpressibleByArgument {
    let range: ClosedRange<UInt64>

    var defaultValueDescription: String { "\(range.lowerBound)-\(range.upperBound)" }

    init?(argument: String) {
        let parts = argument.split(separator: "-", omittingEmptySubsequences: false).map { UInt64($0) }
        guard let first = parts.first, let lower = first, let last = parts.last, let upper = last, parts.count <= 2,
            lower <= upper
        else { return nil }
        range = lower...upper
    }
}
