// One server of the network under test: an address, and one process after the other.

import CEpollShim
import Glibc

final class ServerSlot {
    let index: Int
    let host: String
    let namespace: Namespace?
    private(set) var port: UInt16
    /// Lives so far; the first is 1.
    private(set) var life = 0
    private(set) var processID: pid_t = 0
    private(set) var isStopped = false
    /// When each life began and ended, by number less 1.
    private(set) var lives: [(start: UInt64, end: UInt64?)] = []
    private let folder: String
    private var readyLife = 0

    var isUp: Bool { processID != 0 }
    /// It can answer.
    var isAwake: Bool { isUp && !isStopped }

    init(index: Int, host: String, port: UInt16, namespace: Namespace?, folder: String) {
        self.index = index
        self.host = host
        self.port = port
        self.namespace = namespace
        self.folder = folder
    }

    deinit { if isUp { end() } }

    private var statisticsPath: String { "\(folder)/server-\(index).statistics" }
    private var outputPath: String { "\(folder)/server-\(index).out" }
    var logPath: String { "\(folder)/server-\(index).log" }

    // MARK: Life

    /// - Parameter neighbour: the server that it is told of.
    func start(_ program: String, _ options: [String], neighbour: ServerSlot?, now: UInt64) throws {
        precondition(!isUp)
        var words = [program, "--bind", host, "-lh", host, "-lp", "\(port)", "--statistics-file", statisticsPath]
        if let neighbour { words += ["-rh", neighbour.host, "-rp", "\(neighbour.port)"] }
        words += options
        unlink(outputPath)
        let spawn = { try Self.spawn(words, output: self.outputPath, errors: self.logPath) }
        processID = if let namespace { try namespace.inside(spawn) } else { try spawn() }
        isStopped = false
        life += 1
        lives.append((now, nil))
    }

    /// kill -9, and what the process leaves is gone when this returns.
    func kill(now: UInt64) {
        guard isUp else { return }
        end()
        lives[life - 1].end = now
    }

    private func end() {
        Glibc.kill(processID, SIGKILL)
        var status: Int32 = 0
        while waitpid(processID, &status, 0) < 0, errno == EINTR {}
        processID = 0
        isStopped = false
    }

    /// How the process ended by itself, which it never should; nil if it lives or was killed.
    func crash(now: UInt64) -> String? {
        var status: Int32 = 0
        guard isUp, waitpid(processID, &status, WNOHANG) == processID else { return nil }
        processID = 0
        lives[life - 1].end = now
        let how = status & 0x7F == 0 ? "exit status \(status >> 8)" : "signal \(status & 0x7F)"
        return "\(how), life \(life), log:\n\(recentLog)"
    }

    func stop() {
        guard isUp else { return }
        isStopped = true
        Glibc.kill(processID, SIGSTOP)
    }

    func resume() {
        guard isUp else { return }
        isStopped = false
        Glibc.kill(processID, SIGCONT)
    }

    // MARK: What it says

    /// It has said that it takes clients.
    var isReady: Bool {
        if isUp, readyLife < life, text(of: outputPath)?.contains(" ready on ") ?? false { readyLife = life }
        return isUp && readyLife == life
    }

    /// Asks for the counters; `statistics` has them when they are written.
    func askStatistics() {
        unlink(statisticsPath)
        // Before it is ready a signal would be its end.
        if isAwake, isReady { Glibc.kill(processID, SIGUSR1) }
    }

    var statistics: ServerStatistics? {
        guard let text = text(of: statisticsPath), text.hasSuffix("}\n") else { return nil }
        return ServerStatistics(text)
    }

    var recentLog: String { String((text(of: logPath) ?? "none").suffix(3000)) }

    /// Resident memory, as the kernel counts it.
    var residentKiB: Int {
        guard let status = text(of: "/proc/\(processID)/status"), let range = status.firstRange(of: "VmRSS:") else {
            return 0
        }
        return Int(status[range.upperBound...].drop { $0 == " " || $0 == "\t" }.prefix { $0.isNumber }) ?? 0
    }

    private func text(of path: String) -> String? {
        let fd = open(path, O_RDONLY | O_CLOEXEC)
        guard fd >= 0 else { return nil }
        defer { close(fd) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = read(fd, &buffer, buffer.count)
            guard count > 0 else { break }
            bytes += buffer[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The kernel ends the process when the thread that started it is gone: nothing outlives a test.
    private static let wrapper = ["/usr/bin/setpriv", "--pdeathsig", "KILL"]

    private static func spawn(_ words: [String], output: String, errors: String) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        posix_spawn_file_actions_addopen(&actions, 2, errors, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var all = sigset_t()
        var none = sigset_t()
        sigfillset(&all)
        sigemptyset(&none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
        let argv = wrapper + words
        var pointers: [UnsafeMutablePointer<CChar>?] = argv.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var processID: pid_t = 0
        let code = posix_spawn(&processID, wrapper[0], &actions, &attributes, &pointers, environ)
        guard code == 0 else { throw ChaosError.of("start \(words[0])", -code) }
        return processID
    }
}

/// The counters of a server as it wrote them.
public struct ServerStatistics: Sendable {
    private let text: String

    init(_ text: String) { self.text = text }

    public var members: Int { self["members"] }
    public var links: Int { self["links"] }
    public var sessions: Int { self["sessions"] }
    public var registryDigest: String { value("registry_digest") }
    public func closed(_ reason: String) -> Int { self[reason] }

    /// The first number of this name; -1 if there is none.
    public subscript(name: String) -> Int { Int(value(name)) ?? -1 }

    private func value(_ name: String) -> String {
        guard let range = text.firstRange(of: "\"\(name)\":") else { return "" }
        return String(text[range.upperBound...].prefix { $0 != "," && $0 != "}" && $0 != "]" })
            .filter { $0 != "\"" && $0 != " " }
    }
}
