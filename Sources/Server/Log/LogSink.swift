/// Where log lines and the ready line go: a bounded buffer and a thread that empties it into a standard stream or a
/// file. The reactor's thread only ever appends: a terminal that is held, a pipe that nobody reads or a disk that is
/// full costs lines and never a heartbeat.
internal import CEpollShim
internal import Glibc
internal import Reactor
internal import Synchronization

/// A bounded buffer of lines in front of a descriptor. Lines that find no room, here or on the disk, are dropped,
/// counted, and told of as soon as there is room again.
final class LogSink: Sendable {
    /// Bytes that may wait. About two thousand lines: more than a second of the worst storm that is not suppressed.
    static let capacity = 256 << 10
    /// How long the end of the process waits for a reader: one that is there takes it at once. A guess.
    static let lastMilliseconds = 1000

    private struct State {
        var waiting: [UInt8] = []
        var dropped = 0
        /// The file is to be opened again.
        var isReopening = false
        /// The thread is between taking bytes and having written them.
        var isWriting = false
    }

    private let state = Mutex(State())
    private let semaphore: Int32
    private let place: LogPlace
    /// Whether the lines go to the system's journal, which adds the time to each and wants to know its priority.
    let isJournal: Bool
    /// Makes the line that tells of it.
    private let tell: @Sendable (Trouble) -> [UInt8]

    /// What a reader of the lines has to know about them.
    enum Trouble {
        case dropped(Int)
        /// The file is not opened again; the one that is open stays in use.
        case notReopened(SystemError)
    }

    init(
        _ place: LogPlace, tell: @escaping @Sendable (Trouble) -> [UInt8] = { _ in [] }
    ) throws(SystemError) {
        semaphore = ces_semaphore_open()
        guard semaphore >= 0 else { throw SystemError(code: -semaphore, call: "eventfd") }
        self.place = place
        isJournal = place.isJournal
        self.tell = tell
        let stream = try place.open()
        try HelperThread.start { [self] in empty(into: stream) }
    }

    var isFile: Bool { if case .file = place { true } else { false } }

    /// Appends a line, or drops it.
    func write(_ line: [UInt8]) {
        let wasEmpty = state.withLock { state in
            guard state.waiting.count + line.count <= Self.capacity else {
                state.dropped += 1
                return false
            }
            let wasEmpty = state.waiting.isEmpty
            state.waiting += line
            return wasEmpty
        }
        // A post that fails would mean 2^64 lines that nobody took.
        if wasEmpty { _ = ces_event_add(semaphore, 1) }
    }

    /// Opens the file again, behind the lines so far: somebody has moved it away.
    func reopen() {
        state.withLock { $0.isReopening = true }
        _ = ces_event_add(semaphore, 1)
    }

    /// Waits until everything is written, or until the time is over. For the end of the process.
    func flush(milliseconds: Int) {
        for _ in 0..<milliseconds {
            if state.withLock({ $0.waiting.isEmpty && !$0.isWriting }) { return }
            usleep(1000)
        }
    }

    /// The thread: takes what waits, writes it, for ever. It ends with the process.
    private func empty(into first: LogStream) {
        var stream = first
        // Lines that are lost and not told of yet.
        var lost = 0
        while true {
            // Signals are blocked, but a debugger may interrupt.
            while ces_event_take(semaphore) < 0 {}
            while true {
                let taken = state.withLock { state in
                    let taken = state
                    state.isWriting = !state.waiting.isEmpty || state.isReopening
                    (state.waiting, state.dropped, state.isReopening) = ([], 0, false)
                    return taken
                }
                lost += taken.dropped
                if !stream.write(taken.waiting) { lost += taken.waiting.count { $0 == UInt8(ascii: "\n") } }
                if taken.isReopening { reopen(&stream) }
                if lost > 0, stream.write(tell(.dropped(lost))) { lost = 0 }
                if taken.waiting.isEmpty, !taken.isReopening { break }
            }
        }
    }

    private func reopen(_ stream: inout LogStream) {
        do throws(SystemError) {
            let next = try place.open()
            stream.close()
            stream = next
        } catch {
            _ = stream.write(tell(.notReopened(error)))
        }
    }
}

/// What lines are written to.
enum LogPlace: Hashable, Sendable {
    /// The standard streams.
    case output, error
    case file(String)

    func open() throws(SystemError) -> LogStream {
        switch self {
        case .output: return LogStream(fd: 1)
        case .error: return LogStream(fd: 2)
        case .file(let path):
            // A pipe that nobody reads is refused rather than waited for. The string is passed as a C string that lives
            // through the call.
            let flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK
            let fd = unsafe Glibc.open(path, flags, 0o640)
            guard fd >= 0 else { throw SystemError(code: errno, call: "open \(path)") }
            return LogStream(fd: fd)
        }
    }

    /// Whether this is the stream that the journal has given this process (sd-daemon(3)), and not one that somebody
    /// has put in its place.
    var isJournal: Bool {
        guard self == .error else { return false }
        var entry = stat()
        // A C string of the environment, which nobody changes, copied at once; and a local of the right type.
        guard let text = unsafe getenv("JOURNAL_STREAM"), unsafe fstat(2, &entry) == 0 else { return false }
        return unsafe String(cString: text) == "\(entry.st_dev):\(entry.st_ino)"
    }
}

/// A descriptor for lines. Writing blocks until everything is written, so it is for a sink's thread; what the other end
/// refuses is given up.
struct LogStream: Sendable {
    fileprivate let fd: Int32

    /// Gives each of the three standard descriptors that was closed at the start something to be: else a socket would
    /// get its number, and a client the log.
    static func occupyAll() {
        // The string is passed as a C string that lives through the call.
        while case let fd = unsafe open("/dev/null", O_RDWR), fd >= 0 {
            guard fd > 2 else { continue }
            Glibc.close(fd)
            return
        }
    }

    fileprivate func close() { _ = Glibc.close(fd) }

    /// Returns whether all of it was taken.
    func write(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            // The slice lives through the call.
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(fd, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if count == 0 {
                // A stream that takes nothing and says nothing would keep us here for ever.
                return false
            } else if errno == EAGAIN {
                waitForRoom()
            } else if errno != EINTR {
                return false
            }
        }
        return true
    }

    /// Somebody else may have made the terminal non-blocking.
    private func waitForRoom() {
        var entry = pollfd(fd: fd, events: Int16(POLLOUT), revents: 0)
        // One entry of our own.
        _ = unsafe poll(&entry, 1, 1000)
    }
}
