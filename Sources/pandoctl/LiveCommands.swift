/// Commands that look again and again, and those that ask a server of this host to do something.
import ArgumentParser
import Glibc

struct LiveOptions: ParsableArguments {
    @Option(help: ArgumentHelp("From one look to the next.", valueName: "ms"))
    var intervalMs = 1000

    @Option(
        help: ArgumentHelp("End after so many looks (events: so many events); otherwise never.", valueName: "number"))
    var count: Int?

    func validate() throws {
        guard intervalMs >= 10 else { throw ValidationError("--interval-ms is 10 or more.") }
        guard count ?? 1 > 0 else { throw ValidationError("--count is 1 or more.") }
    }
}

struct TopCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top", abstract: "What goes on, look by look: rates, servers, queues. ctrl-C ends it.")
    @OptionGroup var source: EndpointOptions
    @OptionGroup var form: JSONOption
    @OptionGroup var live: LiveOptions

    func run() throws {
        let endpoint = try source.endpoint()
        var (last, left) = (Report?.none, live.count)
        while left != 0 {
            let next = Moment.now.later(milliseconds: live.intervalMs)
            do throws(Failure) {
                let report = Report(try endpoint.document("/status.json"))
                show(from: last, to: report)
                last = report
            } catch {
                // A server that was there may come back; one that was never there is a mistake.
                guard last != nil, error.isSilence else { throw error }
                Output.write([form.json ? Self.silence(error).text : "\(error)"])
            }
            left = left.map { $0 - 1 }
            if left != 0 { next.sleep() }
        }
    }

    private func show(from old: Report?, to new: Report) {
        if form.json { return Output.write([Top.json(from: old, to: new).text]) }
        let lines = Top.lines(from: old, to: new)
        // On a terminal each look takes the place of the one before.
        if Output.isTerminal {
            Output.write("\u{1B}[H\u{1B}[2J" + lines.map { $0 + "\n" }.joined(), to: STDOUT_FILENO)
        } else {
            Output.write(lines + [""])
        }
    }

    private static func silence(_ failure: Failure) -> JSONTree { ["error": .string("\(failure)")] }
}

struct EventsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events", abstract: "What happens in the network, as it happens. ctrl-C ends it.",
        discussion: """
            The server is asked again and again, and what differs is told: what begins and ends between two looks is \
            not seen. Its log has everything.
            """)
    @OptionGroup var source: EndpointOptions
    @OptionGroup var form: JSONOption
    @OptionGroup var live: LiveOptions
    @Flag(help: "Clients that come and go, too.") var clients = false

    func run() throws {
        let endpoint = try source.endpoint()
        var last = try look(endpoint)
        var (isSilent, left) = (false, live.count)
        while left ?? 1 > 0 {
            Moment.now.later(milliseconds: live.intervalMs).sleep()
            var events: [Event] = []
            do throws(Failure) {
                let now = try look(endpoint)
                if isSilent { events.append(Event(what: "answers again", subject: endpoint.url)) }
                events += Events.between(last.report, now.report)
                if let before = last.connections, let after = now.connections, last.report.id == now.report.id {
                    events += Events.clients(before, after)
                }
                (last, isSilent) = (now, false)
            } catch {
                guard error.isSilence else { throw error }
                if !isSilent { events.append(Event(what: "does not answer", subject: endpoint.url)) }
                isSilent = true
            }
            for event in events.prefix(left ?? .max) { tell(event) }
            left = left.map { max(0, $0 - events.count) }
        }
    }

    private func look(_ endpoint: Endpoint) throws(Failure) -> (report: Report, connections: JSONTree?) {
        let report = Report(try endpoint.document("/status.json"))
        return (report, clients ? try endpoint.document("/connections.json") : nil)
    }

    private func tell(_ event: Event) {
        var now = timespec()
        // A local of the right type; this clock is always there.
        _ = unsafe clock_gettime(CLOCK_REALTIME, &now)
        Output.write([
            form.json ? event.json(at: now.tv_sec * 1000 + now.tv_nsec / 1_000_000).text : Self.clock(now) + event.text
        ])
    }

    /// The time of day, as the terminal's owner has it.
    private static func clock(_ now: timespec) -> String {
        var (seconds, parts) = unsafe (now.tv_sec, tm())
        // Locals of the right types.
        _ = unsafe localtime_r(&seconds, &parts)
        func two(_ number: Int32) -> String { (number < 10 ? "0" : "") + "\(number)" }
        return unsafe "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))  "
    }
}

struct ReloadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reload", abstract: "Makes a server of this host read its settings and certificates again.",
        discussion: """
            It is sent SIGHUP, so this takes the right to do so: be its user, or root. What came of it is told, and \
            the exit status is 1 if there were mistakes: then everything is as it was.
            """)
    @OptionGroup var source: EndpointOptions
    @OptionGroup var form: JSONOption

    func run() throws {
        let endpoint = try source.endpoint()
        let before = Report(try endpoint.document("/status.json"))
        let process = try ServerProcess(before, endpoint)
        try process.send(SIGHUP)
        let result = try outcome(endpoint, otherThan: before.reload?["count"])
        let isAccepted = result["accepted"]?.boolean == true
        Output.write(form.json ? [result.text] : Self.lines(result))
        if !isAccepted { throw ExitCode(Status.failure) }
    }

    private func outcome(_ endpoint: Endpoint, otherThan count: JSONTree?) throws(Failure) -> JSONTree {
        let deadline = Moment.now.later(milliseconds: source.timeoutMs)
        while deadline.milliseconds(since: .now) > 0 {
            let report = Report(try endpoint.document("/status.json"))
            if let reload = report.reload, reload["count"] != count { return reload }
            Moment.now.later(milliseconds: 50).sleep()
        }
        throw Failure(
            what: "nothing came of it within \(source.timeoutMs) ms", advice: "look into the log of the server")
    }

    static func lines(_ result: JSONTree) -> [String] {
        func list(_ name: String) -> [String] { (result[name]?.elements ?? []).compactMap(\.string) }
        guard result["accepted"]?.boolean == true else {
            return list("mistakes").map(Table.printable) + ["refused: everything stays as it is"]
        }
        let changed = list("changed")
        var lines = ["changed: " + (changed.isEmpty ? "nothing" : changed.joined(separator: ", "))]
        let waiting = list("waiting")
        if !waiting.isEmpty { lines.append("only with a new start: " + waiting.joined(separator: ", ")) }
        return lines
    }
}

struct DrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain", abstract: "Makes a server of this host move its clients elsewhere, and end.",
        discussion: """
            It is sent SIGUSR2, so this takes the right to do so: be its user, or root. It goes on by itself; \
            events and servers show how far it is.
            """)
    @OptionGroup var source: EndpointOptions
    @OptionGroup var form: JSONOption

    func run() throws {
        let endpoint = try source.endpoint()
        let report = Report(try endpoint.document("/status.json"))
        let process = try ServerProcess(report, endpoint)
        try process.send(SIGUSR2)
        let clients = report.members.first(where: \.isOwn)?.load ?? 0
        let json: JSONTree = ["draining": .string(report.address), "clients": .integer(clients)]
        Output.write([form.json ? json.text : "\(report.address) moves its clients (\(clients)) elsewhere, and ends"])
    }
}
