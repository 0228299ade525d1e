import ArgumentParser
import Glibc
import Load

/// `a,b,c`
struct List<Value: ParsedWord>: ExpressibleByArgument {
    let values: [Value]

    init?(argument: String) {
        let words = argument.split(separator: ",", omittingEmptySubsequences: false)
        let values = words.compactMap { Value(word: String($0)) }
        guard values.count == words.count else { return nil }
        self.values = values
    }
}

protocol ParsedWord { init?(word: String) }
extension ServerPlace: ParsedWord { init?(word: String) { self.init(word) } }
extension Int32: ParsedWord { init?(word: String) { self.init(word) } }
extension LoadProtocol: ExpressibleByArgument {}

struct CrowdOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Where to connect: clients take them in turn.", valueName: "host:port,…"))
    var servers: [List<ServerPlace>]

    @Option(
        name: .customLong("protocol"),
        help: "What the servers speak.")
    var wire = LoadProtocol.pando

    @Flag(help: "Clients are under TLS; the servers' certificates must be valid for their names.")
    var tls = false

    @Option(
        name: .customLong("tls-ca"),
        help: ArgumentHelp(
            "Who judges the servers, a PEM file; otherwise the authorities of this system. Means --tls.",
            valueName: "path"), completion: .file())
    var tlsCA: String?

    @Option(help: ArgumentHelp("The name that all servers' certificates have. Means --tls.", valueName: "name"))
    var tlsName: String?

    @Flag(help: "Take any server for the right one. Means --tls.")
    var tlsInsecure = false

    @Option(help: "Clients. All of them receive.")
    var clients = 100

    @Option(help: "So many of the clients send.")
    var senders = 1

    @Option(help: "So many of the clients log in and never read again; they do not send and are not checked.")
    var slow = 0

    @Option(help: ArgumentHelp("Connections a second. (default: as fast as they are taken)", valueName: "c/s"))
    var ramp: Double?

    @Option(
        help: ArgumentHelp(
            "Clients that connect and log in at the same time. (default: 512; 256 for redis, 64 for mqtt and irc)",
            valueName: "count"))
    var atOnce: Int?

    @Option(help: ArgumentHelp("Receivers that leave without a word and come back, a second.", valueName: "x/s"))
    var churn = 0.0

    @Flag(help: "Each client registers a user first and logs in by name (pando only).")
    var register = false

    @Flag(help: "Clients log in as anonymous; this is the default.")
    var anonymous = false

    @Option(help: "Worker processes. (default: one for each processor that this program may use)")
    var workers: Int?

    func check() throws {
        if servers.isEmpty { throw ValidationError("--servers: where to?") }
        if register, anonymous { throw ValidationError("--register or --anonymous.") }
    }

    func apply(to plan: inout LoadPlan) {
        plan.servers = servers.flatMap(\.values)
        if tls || tlsInsecure || tlsCA != nil || tlsName != nil {
            var security = LoadSecurity()
            (security.authority, security.name, security.isCredulous) = (tlsCA, tlsName, tlsInsecure)
            plan.security = security
        }
        plan.wire = wire
        plan.clients = clients
        plan.senders = senders
        plan.slow = slow
        plan.ramp = ramp
        plan.atOnce = atOnce
        plan.churn = churn
        plan.registers = register
        plan.askedWorkers = workers
    }
}

struct ActivityOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Activities a second, of all senders together, evenly.", valueName: "r/s"))
    var rate: Double?

    @Option(
        help: ArgumentHelp(
            "Each sender has so many of its activities under way; the next goes when one came back. (default: 1)",
            valueName: "count"))
    var window: Int?

    @Option(
        help: ArgumentHelp(
            "Each sender sends so many together; the next ones go when all of them came back.", valueName: "count"))
    var burst: Int?

    @Flag(help: "Senders send as much as the servers take.")
    var flood = false

    @Option(help: ArgumentHelp("Size of a line as receivers get it, its end included.", valueName: "bytes"))
    var size = 128

    func check(_ crowd: CrowdOptions) throws {
        if [rate != nil, window != nil, burst != nil, flood].count(where: { $0 }) > 1 {
            throw ValidationError("--rate, --window, --burst or --flood: one of them.")
        }
    }

    func apply(to plan: inout LoadPlan) {
        plan.size = size
        plan.pace = pace
    }

    private var pace: Pace {
        if let rate { return .rate(rate) }
        if let burst { return .burst(burst) }
        return flood ? .flood : .window(window ?? 1)
    }
}

struct TimeOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The measured window.", valueName: "s"))
    var duration = 10.0

    @Option(help: ArgumentHelp("Sending before the window begins.", valueName: "s"))
    var warmup = 1.0

    @Option(help: ArgumentHelp("Rest between the last login and the first send.", valueName: "s"))
    var settle = 0.5

    @Option(help: ArgumentHelp("Silence at the end after which what is missing is lost.", valueName: "s"))
    var drain = 3.0

    @Option(help: ArgumentHelp("A client that cannot log in for so long ends the run.", valueName: "s"))
    var patience = 30.0

    func apply(to plan: inout LoadPlan) {
        plan.seconds = duration
        plan.warmUpSeconds = warmup
        plan.settleSeconds = settle
        plan.drainSeconds = drain
        plan.patienceSeconds = patience
    }
}

struct InsightOptions: ParsableArguments {
    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "The servers' processes: their CPU time and memory are reported. Processes of this host.",
            valueName: "pid,…"))
    var pid: [List<Int32>] = []

    @Flag(help: "Print the report as one JSON object.")
    var json = false

    @Flag(help: "No line of progress each second.")
    var quiet = false
}
