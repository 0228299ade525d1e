import Glibc

/// The few calls on plain descriptors that the client makes. EINTR is retried unless a signal asks us to end.
enum Descriptor {
    enum Result: Equatable {
        case bytes(Int)
        /// Nothing can be read or written now.
        case later
        case failed(Int32)
    }

    /// read(2) into the whole of `buffer`. Zero bytes: the end.
    static func read(_ descriptor: Int32, into buffer: inout [UInt8]) -> Result {
        result {
            // The pointer is used during the call only, and the count is the buffer's.
            unsafe buffer.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
        }
    }

    /// write(2) of what stands from `offset` on.
    static func write(_ descriptor: Int32, _ bytes: [UInt8], from offset: Int = 0) -> Result {
        result {
            // As above; the slice is bounds-checked.
            unsafe bytes[offset...].withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
        }
    }

    private static func result(_ call: () -> Int) -> Result {
        while true {
            let count = call()
            if count >= 0 { return .bytes(count) }
            switch errno {
            case EINTR: if Interrupts.isPending { return .later }
            case EAGAIN: return .later
            default: return .failed(errno)
            }
        }
    }

    static func setNonBlocking(_ descriptor: Int32) {
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
    }

    /// strerror(3).
    static func words(_ code: Int32) -> String {
        // strerror gives a terminated string that is copied before any other call; there is one thread.
        unsafe String(cString: strerror(code))
    }

    /// Opens /dev/null in place of standard streams that are closed, or a socket could take their number.
    static func openStandardOnes() {
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
            // It takes the lowest free number, and all below this one are open. The path is a constant.
            _ = unsafe open("/dev/null", O_RDWR)
        }
    }

    /// Whether `descriptor` can be written, after waiting for that at most so many milliseconds, or until a signal.
    static func isWritable(_ descriptor: Int32, within milliseconds: Int32) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        // One entry, alive during the call.
        return unsafe poll(&entry, 1, milliseconds) == 1
    }

    /// Writes a line to standard error. If that fails there is nobody left to tell.
    static func tell(_ words: String) {
        let line = Array((words + "\n").utf8)
        var offset = 0
        while offset < line.count {
            switch write(STDERR_FILENO, line, from: offset) {
            case .bytes(let count): offset += count
            case .later where !Interrupts.isPending: _ = isWritable(STDERR_FILENO, within: 1000)
            case .later, .failed: return
            }
        }
    }
}
