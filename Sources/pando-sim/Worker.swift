import Glibc

/// This program once more, as a process of its own: it reads seeds, a line each, and answers each with the line of its
/// result. So all cores work, and a crash costs one seed.
struct Worker {
    let process: pid_t
    /// Where seeds go to and results come from.
    let input: Int32
    let output: Int32
    /// The seed under way.
    private(set) var seed: UInt64?
    private(set) var startTime: Double = 0
    private var partial: [UInt8] = []

    /// Starts one with the arguments of this process and one more.
    init(extraArgument: String) throws {
        let (seedsOut, seedsIn) = try Self.pipe()
        let (resultsOut, resultsIn) = try Self.pipe()
        defer {
            _ = close(seedsOut)
            _ = close(resultsIn)
        }
        var actions = unsafe posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        unsafe posix_spawn_file_actions_init(&actions)
        unsafe posix_spawnattr_init(&attributes)
        defer {
            unsafe posix_spawn_file_actions_destroy(&actions)
            unsafe posix_spawnattr_destroy(&attributes)
        }
        unsafe posix_spawn_file_actions_adddup2(&actions, seedsOut, STDIN_FILENO)
        unsafe posix_spawn_file_actions_adddup2(&actions, resultsIn, STDOUT_FILENO)
        // A group of its own: ctrl-C is for the parent, which decides.
        unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
        // A crash is told by the parent, and its replay tells more; the backtracer would take minutes.
        unsafe setenv("SWIFT_BACKTRACE", "enable=no", 0)
        let words = [CommandLine.arguments.first ?? "pando-sim"] + CommandLine.arguments.dropFirst() + [extraArgument]
        // Each copy is freed below, after the call that reads it.
        var arguments = unsafe words.map { unsafe strdup($0) } + [nil]
        defer { for index in unsafe arguments.indices { unsafe free(arguments[index]) } }
        var child: pid_t = 0
        let status = unsafe posix_spawn(&child, "/proc/self/exe", &actions, &attributes, &arguments, environ)
        guard status == 0 else {
            _ = close(seedsIn)
            _ = close(resultsOut)
            throw Failure(action: "start a worker", errno: status)
        }
        process = child
        input = seedsIn
        output = resultsOut
    }

    struct Failure: Error, CustomStringConvertible {
        var action: String
        var errno: Int32
        var description: String { "cannot \(action): \(Worker.reason(errno))" }
    }

    static func reason(_ number: Int32) -> String { unsafe String(cString: strerror(number)) }

    static func pipe() throws -> (output: Int32, input: Int32) {
        var ends: [Int32] = [-1, -1]
        // Two descriptors fit into two elements. Workers started later must not inherit them.
        guard unsafe Glibc.pipe(&ends) == 0 else { throw Failure(action: "make a pipe", errno: errno) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return (ends[0], ends[1])
    }

    /// Gives it a seed. A worker that is dead shows when its output ends.
    mutating func begin(_ seed: UInt64, at time: Double) {
        self.seed = seed
        startTime = time
        Output.write("\(seed)\n", to: input)
    }

    /// What came from it. The line of the seed under way once it is complete; nil and `hasEnded` at its end.
    mutating func read() -> (line: String?, hasEnded: Bool) {
        var chunk = [UInt8](repeating: 0, count: 65_536)
        // The buffer lives through the call.
        let count = unsafe chunk.withUnsafeMutableBytes { unsafe Glibc.read(output, $0.baseAddress, $0.count) }
        if count < 0, errno == EINTR { return (nil, false) }
        guard count > 0 else { return (nil, true) }
        partial.append(contentsOf: chunk[..<count])
        guard partial.last == 0x0A else { return (nil, false) }
        defer { partial.removeAll(keepingCapacity: true) }
        seed = nil
        return (String(decoding: partial.dropLast(), as: UTF8.self), false)
    }

    /// Ends it if it has not ended, and waits for it. Returns how it ended.
    func end(isForced: Bool) -> String {
        _ = close(input)
        if isForced { _ = kill(process, SIGKILL) }
        _ = close(output)
        var status: Int32 = 0
        while unsafe waitpid(process, &status, 0) < 0, errno == EINTR {}
        let signal = status & 0x7F
        return signal == 0 ? "ended with status \((status >> 8) & 0xFF)" : "was ended by signal \(signal)"
    }
}

/// Writing to descriptors.
enum Output {
    /// Writes everything, or nothing more once a write fails: a reader that has gone is nobody's loss.
    @discardableResult
    static func write(_ text: String, to descriptor: Int32) -> Bool {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            // The pointer is used within the call only.
            let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            bytes = bytes.dropFirst(count)
        }
        return true
    }
}
