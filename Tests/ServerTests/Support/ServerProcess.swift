// One real `pando-server`, on a free loopback port.

import Foundation
import Glibc

/// What the server is told. The defaults are those of most tests: loopback, a free port, timers of a test.
struct ServerOptions {
    var bind: String? = "127.0.0.1"
    var port: Int? = 0
    var host: String? = "127.0.0.1"
    /// Another one in each test: networks of tests that run side by side must never meet, not even over a port that
    /// was another one's a moment ago.
    var secret: String? = "netkey-\(UInt32.random(in: 0 ... .max))"
    var remotePort: Int?
    var remoteHost = "127.0.0.1"
    var announceMilliseconds: Int? = 200
    /// Short, but not so short that a busy machine looks like a dead server.
    var timers = ["--heartbeat-ms", "250", "--silence-ms", "6000", "--redial-min-ms", "50", "--redial-max-ms", "400"]
    var more: [String] = []
    /// Where the program is, if it is another one than those that are tested.
    var binaryDirectory: String?
    /// Open files that it may have.
    var descriptors: Int?

    var arguments: [String] {
        var words: [String] = []
        if let bind { words += ["--bind", bind] }
        if let port { words += ["-lp", String(port)] }
        if let host { words += ["-lh", host] }
        if let secret { words += ["-s", secret] }
        if let remotePort { words += ["-rh", remoteHost, "-rp", String(remotePort)] }
        if let announceMilliseconds { words += ["-a", String(announceMilliseconds)] }
        return words + timers + more
    }
}

/// What the server says when it is ready: `pando-server VERSION ready on ADDRESS:PORT as HOST:PORT id SERVERID`.
struct ReadyLine: Equatable {
    let version: String
    let address: String
    let port: Int
    let advertisedHost: String
    let advertisedPort: Int
    let serverID: String

    init?(_ line: String) {
        let pattern = /pando-server (\S+) ready on (\S+):([0-9]+) as (\S+):([0-9]+) id (\S+)/
        guard let match = line.wholeMatch(of: pattern), let port = Int(match.3), let advertised = Int(match.5) else {
            return nil
        }
        version = String(match.1)
        address = String(match.2)
        self.port = port
        advertisedHost = String(match.4)
        advertisedPort = advertised
        serverID = String(match.6)
    }
}

final class ServerProcess {
    let program: Program
    let ready: ReadyLine
    private let statisticsPath: String

    var port: Int { ready.port }

    init(_ options: ServerOptions = ServerOptions()) throws {
        statisticsPath = NSTemporaryDirectory() + "pando-statistics-\(UUID().uuidString).json"
        let arguments = options.arguments + ["--statistics-file", statisticsPath]
        if let directory = options.binaryDirectory {
            program = try Program(path: directory + "/pando-server", arguments)
        } else if let limit = options.descriptors {
            program = try Program(shell: "ulimit -n \(limit); exec \"$0\" \"$@\"", named: "pando-server", arguments)
        } else {
            program = try Program(named: "pando-server", arguments)
        }
        let line = try program.outputLine(seconds: 20, "the ready line") { $0.contains(" ready on ") }
        guard let ready = ReadyLine(line) else { throw HarnessError("malformed ready line: \(line)") }
        self.ready = ready
    }

    deinit {
        program.kill9()
        unlink(statisticsPath)
    }

    func kill9() { program.kill9() }
    func stop() { program.stop() }
    func `continue`() { program.continue() }
    func terminate(seconds: Double = 10) throws -> ExitStatus { try program.terminate(seconds: seconds) }

    /// The counters of this moment. The server writes a new file and renames it, so a new inode is a new answer.
    func statistics(seconds: Double = 10) throws -> Statistics {
        let before = fileIdentity
        program.signal(SIGUSR1)
        try wait(for: "statistics", seconds: seconds, every: 3, state: { program.recentErrors }) {
            guard program.isRunning else { throw HarnessError("ended: \(program.recentErrors)") }
            return fileIdentity != before
        }
        return try lastStatistics()
    }

    /// The counters written last; after an orderly end those of the end.
    func lastStatistics() throws -> Statistics {
        guard let data = FileManager.default.contents(atPath: statisticsPath) else {
            throw HarnessError("no statistics at \(statisticsPath)")
        }
        return Statistics(json: try JSON(bytes: Array(data)))
    }

    private var fileIdentity: [Int] {
        var entry = stat()
        guard stat(statisticsPath, &entry) == 0 else { return [] }
        return [Int(entry.st_ino), entry.st_mtim.tv_sec, entry.st_mtim.tv_nsec]
    }
}

/// The counters of a server, as it wrote them.
struct Statistics {
    let json: JSON

    var members: Int { self["members"] }
    var membersServing: Int { self["members_serving"] }
    var links: Int { self["links"] }
    var linksByOtherSecret: Int { self["links_by_other_secret"] }
    var sessions: Int { self["sessions"] }
    var claims: Int { self["claims"] }
    var sessionsMoved: Int { self["sessions_moved"] }
    var recordsSent: Int { self["records_sent"] }
    var recordsReceived: Int { self["records_received"] }
    var recordsDuplicate: Int { self["records_duplicate"] }
    var treeImprovements: Int { self["tree_improvements"] }
    var registryDigest: String? { json["registry_digest"]?.string }

    /// What tells where clients were sent, for the text of a failure.
    var logins: String {
        [
            "logins", "redirects", "tickets_granted", "tickets_refused", "tickets_used", "requests_timed_out",
            "unicasts_dropped",
        ]
        .map { "\($0) \(self[$0])" }.joined(separator: ", ")
    }

    /// How many connections were closed for this reason.
    func closed(_ reason: String) -> Int { json["closed"]?[reason]?.integer ?? 0 }

    /// -1 if the server does not write it, so that no expectation holds by accident.
    private subscript(name: String) -> Int { json[name]?.integer ?? -1 }
}

/// Runs `body` with a server of its own and kills it afterwards, whatever happens.
///
/// The server lives until `body` has returned (a local variable would end with its last use), and it must not have
/// ended by itself until then.
func withServer<Result>(
    _ options: ServerOptions = ServerOptions(), _ body: (ServerProcess) throws -> Result
) throws -> Result {
    let server = try ServerProcess(options)
    defer { server.kill9() }
    let result: Result
    do { result = try body(server) } catch { throw HarnessError("\(error)\n\(server.program.recentErrors)") }
    guard server.program.isRunning else { throw HarnessError("the server ended: \(server.program.recentErrors)") }
    return result
}
