// Real programs as child processes. The rule that this file keeps: no process outlives the test run, however it ends.
// Three nets hold it: `deinit` and `kill9`, a list of the living that is emptied at exit, and the kernel itself, which
// kills a child when the thread that started it is gone (`setpriv --pdeathsig`). Because of the last one all children
// are started by one thread that lives as long as the process.

import Foundation
import Glibc

/// How a process ended.
enum ExitStatus: Equatable, CustomStringConvertible {
    case code(Int32)
    case signal(Int32)

    var description: String {
        switch self {
        case .code(let code): "exit status \(code)"
        case .signal(let signal): "ended by signal \(signal)"
        }
    }
}

final class Program {
    let name: String
    let processID: pid_t
    private let state: ProgramState
    private var input: Int32

    /// - Parameter directory: where the executable is; `PANDO_BIN_DIR` overrides it.
    convenience init(named name: String, _ arguments: [String]) throws {
        try self.init(path: Self.binaryDirectory + "/" + name, arguments)
    }

    /// Starts it by a shell's script, in which it is `$0` and its arguments `$@`.
    convenience init(shell script: String, named name: String, _ arguments: [String]) throws {
        try self.init(path: "/bin/sh", ["-c", script, Self.binaryDirectory + "/" + name] + arguments)
    }

    init(path: String, _ arguments: [String]) throws {
        _ = Sockets.prepared
        name = URL(fileURLWithPath: path).lastPathComponent
        guard access(path, X_OK) == 0 else { throw HarnessError("no executable at \(path)") }
        let started = try Spawner.shared.start(path, arguments)
        processID = started.processID
        input = started.input
        state = ProgramState(processID: started.processID, output: started.output, errors: started.errors, name: name)
        state.follow()
    }

    deinit {
        kill9()
        closeInput()
    }

    /// The folder of the executables: `PANDO_BIN_DIR`, or the build folder, in which the test bundle lies too.
    static let binaryDirectory: String = {
        if let given = ProcessInfo.processInfo.environment["PANDO_BIN_DIR"] { return given }
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return URL(fileURLWithPath: own).deletingLastPathComponent().path
    }()

    var outputLines: [String] { state.lines(of: .output) }
    var errorLines: [String] { state.lines(of: .errors) }
    var exitStatus: ExitStatus? { state.exitStatus }
    var isRunning: Bool { exitStatus == nil }

    /// For the description of a failure: the last lines of the standard error stream.
    var recentErrors: String {
        let state = exitStatus?.description ?? "running"
        return "\(name) \(processID), \(state):\n" + errorLines.suffix(20).joined(separator: "\n")
    }

    /// Waits for a line on the standard output that `matches`, and returns the first.
    func outputLine(
        seconds: Double = 10, _ what: String, where matches: @escaping (String) -> Bool
    ) throws -> String {
        try line(of: .output, seconds: seconds, what, where: matches)
    }

    func errorLine(seconds: Double = 10, _ what: String, where matches: @escaping (String) -> Bool) throws -> String {
        try line(of: .errors, seconds: seconds, what, where: matches)
    }

    private func line(
        of stream: ProgramState.Stream, seconds: Double, _ what: String, where matches: (String) -> Bool
    ) throws -> String {
        if let line = state.waitForLine(of: stream, Deadline(seconds: seconds), where: matches) { return line }
        throw HarnessError("no line with \(what) on \(stream) of \(recentErrors)")
    }

    func waitForExit(seconds: Double = 10) throws -> ExitStatus {
        if let status = state.waitForExit(Deadline(seconds: seconds)) { return status }
        throw HarnessError("still running after \(seconds) s: \(recentErrors)")
    }

    func signal(_ number: Int32) { state.signal(number) }

    /// Asks it to end in order, and waits.
    func terminate(seconds: Double = 10) throws -> ExitStatus {
        signal(SIGTERM)
        return try waitForExit(seconds: seconds)
    }

    /// Ends it without a word, and waits until it is gone.
    func kill9() {
        signal(SIGKILL)
        _ = state.waitForExit(Deadline(seconds: 10))
    }

    func stop() { signal(SIGSTOP) }
    func `continue`() { signal(SIGCONT) }

    func write(_ text: String) throws {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(input, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Sockets.reason("write to \(name)") }
            rest = rest.dropFirst(count)
        }
    }

    func closeInput() {
        if input >= 0 { close(input) }
        input = -1
    }
}

/// What is shared with the thread that reads the process's output. It does not keep the `Program` alive.
private final class ProgramState: @unchecked Sendable {
    enum Stream: String { case output, errors }

    /// Enough for any test; a server that logs without end must not fill the memory.
    private static let linesMax = 20_000
    private static let keptOnOverflow = 10_000

    private struct Capture {
        var lines: [String] = []
        var partial: [UInt8] = []

        mutating func append(_ bytes: some Collection<UInt8>) {
            partial += bytes
            while let end = partial.firstIndex(of: 10) {
                lines.append(String(decoding: partial[..<end], as: UTF8.self))
                partial.removeSubrange(...end)
            }
            if lines.count > ProgramState.linesMax { lines.removeFirst(lines.count - ProgramState.keptOnOverflow) }
        }

        mutating func finish() {
            if !partial.isEmpty { append([10]) }
        }
    }

    private let condition = NSCondition()
    private let processID: pid_t
    private let descriptors: [Stream: Int32]
    private let log: FileHandle?
    private var captures: [Stream: Capture] = [.output: Capture(), .errors: Capture()]
    private var status: ExitStatus?

    init(processID: pid_t, output: Int32, errors: Int32, name: String) {
        self.processID = processID
        descriptors = [.output: output, .errors: errors]
        log = Self.logFile(name: "\(name).\(processID).log")
        LivePrograms.shared.add(processID)
    }

    /// With `PANDO_TEST_LOGS=DIRECTORY` what the programs write is kept there.
    private static func logFile(name: String) -> FileHandle? {
        guard let directory = ProcessInfo.processInfo.environment["PANDO_TEST_LOGS"] else { return nil }
        let path = directory + "/" + name
        _ = FileManager.default.createFile(atPath: path, contents: nil)
        return FileHandle(forWritingAtPath: path)
    }

    func follow() {
        let thread = Thread { [self] in
            readUntilEnd()
            reap()
        }
        thread.stackSize = 512 * 1024
        thread.start()
    }

    private func readUntilEnd() {
        var open = descriptors
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while !open.isEmpty {
            let order = Array(open)
            var entries = order.map { pollfd(fd: $0.value, events: Int16(POLLIN), revents: 0) }
            guard poll(&entries, nfds_t(entries.count), -1) > 0 else { continue }
            for (index, entry) in entries.enumerated() where entry.revents != 0 {
                let count = read(entry.fd, &buffer, buffer.count)
                if count > 0 {
                    take(buffer[..<count], from: order[index].key)
                } else if count == 0 || errno != EINTR {
                    close(entry.fd)
                    open[order[index].key] = nil
                }
            }
        }
    }

    private func take(_ bytes: ArraySlice<UInt8>, from stream: Stream) {
        log?.write(Data(bytes))
        condition.withLock {
            captures[stream]?.append(bytes)
            condition.broadcast()
        }
    }

    /// Waits without reaping first, so that the number cannot pass to another process while a signal is on its way.
    private func reap() {
        var info = siginfo_t()
        while waitid(P_PID, id_t(processID), &info, WEXITED | WNOWAIT) != 0, errno == EINTR {}
        condition.withLock {
            var raw: Int32 = 0
            while waitpid(processID, &raw, 0) < 0, errno == EINTR {}
            let signal = raw & 0x7f
            status = signal == 0 ? .code((raw >> 8) & 0xff) : .signal(signal)
            for stream in [Stream.output, .errors] { captures[stream]?.finish() }
            LivePrograms.shared.remove(processID)
            condition.broadcast()
        }
    }

    func signal(_ number: Int32) {
        condition.withLock { if status == nil { kill(processID, number) } }
    }

    var exitStatus: ExitStatus? { condition.withLock { status } }

    func lines(of stream: Stream) -> [String] { condition.withLock { captures[stream]?.lines ?? [] } }

    func waitForLine(of stream: Stream, _ deadline: Deadline, where matches: (String) -> Bool) -> String? {
        condition.lock()
        defer { condition.unlock() }
        while true {
            if let line = captures[stream]?.lines.first(where: matches) { return line }
            if status != nil || !condition.wait(until: deadline.date) && deadline.isOver { return nil }
        }
    }

    func waitForExit(_ deadline: Deadline) -> ExitStatus? {
        condition.lock()
        defer { condition.unlock() }
        while status == nil, !deadline.isOver { _ = condition.wait(until: deadline.date) }
        return status
    }
}

/// All children that have not been reaped; killed when the test process exits in order.
private final class LivePrograms: @unchecked Sendable {
    static let shared = LivePrograms()

    private let lock = NSLock()
    private var living: Set<pid_t> = []

    private init() {
        atexit { LivePrograms.shared.killAll() }
    }

    func add(_ processID: pid_t) { lock.withLock { _ = living.insert(processID) } }
    func remove(_ processID: pid_t) { lock.withLock { _ = living.remove(processID) } }
    func killAll() { lock.withLock { for processID in living { kill(processID, SIGKILL) } } }
}

/// The one thread that starts children.
private final class Spawner: @unchecked Sendable {
    struct Started {
        let processID: pid_t
        let input: Int32
        let output: Int32
        let errors: Int32
    }

    static let shared = Spawner()

    private let condition = NSCondition()
    private var jobs: [() -> Void] = []

    private init() {
        Thread { [self] in
            while true {
                condition.lock()
                while jobs.isEmpty { condition.wait() }
                let job = jobs.removeFirst()
                condition.unlock()
                job()
            }
        }.start()
    }

    func start(_ path: String, _ arguments: [String]) throws -> Started {
        let done = DispatchSemaphore(value: 0)
        let box = Box()
        condition.withLock {
            jobs.append {
                box.result = Result { try Self.spawn(path, arguments) }
                done.signal()
            }
            condition.signal()
        }
        done.wait()
        return try box.result.get()
    }

    private final class Box: @unchecked Sendable {
        var result: Result<Started, any Error> = .failure(HarnessError("not started"))
    }

    private static func spawn(_ path: String, _ arguments: [String]) throws -> Started {
        let input = try makePipe()
        let output = try makePipe()
        let errors = try makePipe()
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input.read, 0)
        posix_spawn_file_actions_adddup2(&actions, output.write, 1)
        posix_spawn_file_actions_adddup2(&actions, errors.write, 2)

        // The child starts with the signals of a fresh shell, not with those of the test process.
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

        let words = wrapper + [path] + arguments
        var argv: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for word in argv { free(word) } }
        var processID: pid_t = 0
        let code = posix_spawn(&processID, words[0], &actions, &attributes, &argv, environ)
        for fd in [input.read, output.write, errors.write] { close(fd) }
        guard code == 0 else {
            for fd in [input.write, output.read, errors.read] { close(fd) }
            throw HarnessError("cannot start \(words[0]): \(String(cString: strerror(code)))")
        }
        return Started(processID: processID, input: input.write, output: output.read, errors: errors.read)
    }

    /// The wrapper asks the kernel to kill the child with its parent and then becomes the program: same process.
    private static let wrapper: [String] = {
        let setpriv = "/usr/bin/setpriv"
        return access(setpriv, X_OK) == 0 ? [setpriv, "--pdeathsig", "KILL"] : []
    }()

    private static func makePipe() throws -> (read: Int32, write: Int32) {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw Sockets.reason("pipe") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return (ends[0], ends[1])
    }
}
