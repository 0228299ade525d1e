/// Where log lines and the ready line go: a bounded buffer and a thread that empties it into a standard stream. The
/// reactor's thread only ever appends: a terminal that is held, or a pipe that nobody reads, costs lines and never a
/// heartbeat.
internal import CEpollShim
internal import Glibc
internal import Reactor
internal import Synchronization

/// A bounded buffer of lines in front of a descriptor. Lines that find no room are dropped, counted, and told of as
/// soon as there is room again.
final class LogSink: Sendable {
    /// Bytes that may wait. About two thousand lines: more than a second of the worst storm that is not suppressed.
    static let capacity = 256 << 10
    /// How long the end of the process waits for a reader: one that is there takes it at once. A guess.
    static let lastMilliseconds = 1000

    private struct State {
        var waiting: [UInt8] = []
        var dropped = 0
        /// The thread is between taking bytes and having written them.
        var isWriting = false
    }

    private let state = Mutex(State())
    private let semaphore: Int32
    private let stream: StandardStream
    /// Makes the line that tells of dropped ones.
    private let tellDropped: @Sendable (Int) -> [UInt8]

    init(
        _ stream: StandardStream, tellDropped: @escaping @Sendable (Int) -> [UInt8] = { _ in [] }
    ) throws(SystemError) {
        semaphore = ces_semaphore_open()
        guard semaphore >= 0 else { throw SystemError(code: -semaphore, call: "eventfd") }
        self.stream = stream
        self.tellDropped = tellDropped
        try HelperThread.start { [self] in empty() }
    }

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

    /// Waits until everything is written, or until the time is over. For the end of the process.
    func flush(milliseconds: Int) {
        for _ in 0..<milliseconds {
            if state.withLock({ $0.waiting.isEmpty && !$0.isWriting }) { return }
            usleep(1000)
        }
    }

    /// The thread: takes what waits, writes it, for ever. It ends with the process.
    private func empty() {
        while true {
            // Signals are blocked, but a debugger may interrupt.
            while ces_event_take(semaphore) < 0 {}
            while true {
                let (bytes, dropped) = state.withLock { state in
                    state.isWriting = !state.waiting.isEmpty
                    defer { (state.waiting, state.dropped) = ([], 0) }
                    return (state.waiting, state.dropped)
                }
                stream.write(bytes)
                if dropped > 0 { stream.write(tellDropped(dropped)) }
                if bytes.isEmpty { break }
            }
        }
    }
}

/// A standard stream. Writing blocks until everything is written, so it is for a sink's thread; what the other end
/// refuses is given up, since there is nobody else to tell.
struct StandardStream: Sendable {
    static let output = StandardStream(fd: 1)
    static let error = StandardStream(fd: 2)

    private let fd: Int32

    /// Gives each of the three standard descriptors that was closed at the start something to be: else a socket would
    /// get its number, and a client the log.
    static func occupyAll() {
        // The string is passed as a C string that lives through the call.
        while case let fd = unsafe open("/dev/null", O_RDWR), fd >= 0 {
            guard fd > 2 else { continue }
            close(fd)
            return
        }
    }

    func write(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            // The slice lives through the call.
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(fd, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if count == 0 {
                // A stream that takes nothing and says nothing would keep us here for ever.
                return
            } else if errno == EAGAIN {
                waitForRoom()
            } else if errno != EINTR {
                return
            }
        }
    }

    /// Somebody else may have made the terminal non-blocking.
    private func waitForRoom() {
        var entry = pollfd(fd: fd, events: Int16(POLLOUT), revents: 0)
        // One entry of our own.
        _ = unsafe poll(&entry, 1, 1000)
    }
}
