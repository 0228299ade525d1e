/// The program: a look at a network of servers from outside, by the admin endpoint of one of them.
import ArgumentParser
import Glibc

@main
struct Pandoctl: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pandoctl",
        abstract: "Shows a network of Pando servers, as one of them sees it.",
        discussion: """
            It asks the admin endpoint of a server (pando-server --admin). That server knows the whole network; what \
            passes between other servers it does not see.

            EXAMPLES
              pandoctl status                       the server on this host, its links
              pandoctl servers --admin red:3790     all servers, what waits for whom
              pandoctl graph --format svg > pando.svg
              pandoctl top                          rates, until ctrl-C
              pandoctl events --json >> events.log  what happens, as it happens
              pandoctl user kick mallory            ends a user's sessions, everywhere
              pandoctl check || wake-somebody       for monitoring

            EXIT STATUS
              0 it is as asked; 1 no answer, or a refusal: the line on standard error says what to do; 64 wrong usage. \
            check says by its status how bad it is: 0 well, 1 warning, 2 critical, 3 unknown.
            """,
        version: "0.2.0",
        subcommands: [
            StatusCommand.self, ServersCommand.self, ClientsCommand.self, GraphCommand.self, TopCommand.self,
            EventsCommand.self, CheckCommand.self, UsersCommand.self, UserCommand.self, ReloadCommand.self,
            DrainCommand.self,
        ])

    /// As `ParsableCommand.main`, but for what monitoring programs take for an answer.
    static func main() {
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch let failure as Failure {
            Output.complain(failure)
            Glibc.exit(Status.failure)
        } catch {
            guard exitCode(for: error) == .validationFailure, CommandLine.arguments.dropFirst().first == "check" else {
                exit(withError: error)
            }
            Output.write(["PANDO UNKNOWN - wrong usage: \(message(for: error))"])
            Glibc.exit(Check.Severity.unknown.rawValue)
        }
    }
}

struct JSONOption: ParsableArguments {
    @Flag(help: "Answer in JSON, for programs.")
    var json = false
}

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "The server that is asked, its links, and what is near a limit.")
    @OptionGroup var source: EndpointOptions
    @OptionGroup var form: JSONOption

    func run() throws {
        let document = try source.endpoint().document("/status.json")
        Output.write(form.json ? [document.text] : Report(document).statusLines)
    }
}

struct ServersCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "servers", abstract: "All servers, their clients, and what waits for them (* is the one asked).")
    @OptionGroup var source: EndpointOptions
    @OptionGroup var form: JSONOption

    func run() throws {
        let document = try source.endpoint().document("/status.json")
        Output.write(form.json ? [(document["members"] ?? []).text] : Report(document).serverLines)
    }
}

struct ClientsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clients", abstract: "The clients of the server that is asked.")
    @OptionGroup var source: EndpointOptions
    @OptionGroup var form: JSONOption
    @Flag(help: "Those that left last, and why.")
    var closed = false

    func run() throws {
        let document = try source.endpoint().document("/connections.json")
        guard form.json else { return Output.write(Clients.lines(document, areClosed: closed)) }
        Output.write([JSONTree.array(closed ? Clients.closed(document) : Clients.open(document)).text])
    }
}

struct GraphCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "graph", abstract: "The network as a drawing.",
        discussion: """
            The way of one server's activities is drawn bold (double in text), as far as it passes the server that is \
            asked. A link that only one end tells of is dashed.
            """)

    enum Format: String, CaseIterable, ExpressibleByArgument {
        case text, dot, svg
    }

    @OptionGroup var source: EndpointOptions
    @OptionGroup var form: JSONOption
    @Option(help: "text, dot (for Graphviz) or svg.") var format = Format.text
    @Option(
        help: ArgumentHelp(
            "Whose activities are followed; otherwise those of the server asked.", valueName: "host:port"))
    var origin: String?

    func run() throws {
        let report = Report(try source.endpoint().document("/status.json"))
        let graph = try Graph(report, origin: origin)
        if form.json { return Output.write([graph.json.text]) }
        switch format {
        case .text: Output.write(graph.lines)
        case .dot: Output.write(graph.dot)
        case .svg: Output.write(graph.svg)
        }
    }
}

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Whether all is well, as monitoring programs ask it.",
        discussion: """
            One line, with figures behind a bar, and an exit status: 0 all is well; 1 a warning: a server is out of \
            reach, a limit is near, a neighbour takes nothing, a certificate expires; 2 critical: the server does not \
            answer or serves no clients, a limit is all but reached; 3 unknown: it refuses the question.
            """)
    @OptionGroup var source: EndpointOptions
    @OptionGroup var form: JSONOption
    @Option(help: ArgumentHelp("A limit that is used so far is a warning.", valueName: "percent"))
    var limitWarning = Check.Thresholds().limitWarning
    @Option(help: ArgumentHelp("So far, it is critical.", valueName: "percent"))
    var limitCritical = Check.Thresholds().limitCritical
    @Option(help: ArgumentHelp("How long a record may wait for a neighbour.", valueName: "seconds"))
    var queueWarning = Check.Thresholds().queueSeconds
    @Option(help: ArgumentHelp("A certificate that expires so soon is a warning.", valueName: "days"))
    var certificateWarning = Check.Thresholds().certificateWarningDays
    @Option(help: ArgumentHelp("So soon, it is critical.", valueName: "days"))
    var certificateCritical = Check.Thresholds().certificateCriticalDays

    func validate() throws {
        guard 1...100 ~= limitWarning, 1...100 ~= limitCritical else {
            throw ValidationError("--limit-warning and --limit-critical are 1 to 100 percent.")
        }
        guard limitWarning <= limitCritical else {
            throw ValidationError("--limit-warning is not more than --limit-critical, which is \(limitCritical).")
        }
        guard queueWarning >= 0 else { throw ValidationError("--queue-warning is 0 or more.") }
        guard certificateCritical >= 0, certificateCritical <= certificateWarning else {
            throw ValidationError(
                "--certificate-critical is 0 or more, and not more than --certificate-warning, which is "
                    + "\(certificateWarning).")
        }
    }

    func run() throws {
        let check = judge()
        Output.write([form.json ? check.json.text : check.line])
        throw ExitCode(check.severity.rawValue)
    }

    private func judge() -> Check {
        let thresholds = Check.Thresholds(
            limitWarning: limitWarning, limitCritical: limitCritical, queueSeconds: queueWarning,
            certificateWarningDays: certificateWarning, certificateCriticalDays: certificateCritical)
        do throws(Failure) {
            return Check(Report(try source.endpoint().document("/status.json")), thresholds)
        } catch {
            return Check(error)
        }
    }
}
