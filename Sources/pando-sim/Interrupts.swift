import Glibc
import Synchronization

/// SIGINT and SIGTERM as something that poll(2) can wait for: the handler writes a byte to a pipe. A second one ends
/// the process wherever it is.
enum Interrupts {
    /// The write end, for the handler; constants of these types are safe to reach from one.
    private static let pipeEnd = Atomic<Int32>(-1)
    private static let count = Atomic<Int>(0)

    /// Installs the handlers, and ignores SIGPIPE: a worker that is dead shows when its output ends.
    ///
    /// - Returns: the descriptor that becomes readable at the first signal, or -1 if there is no pipe to be had.
    static func install() -> Int32 {
        guard let ends = try? Worker.pipe() else { return -1 }
        // Touched here, so that no lazy initialization is left to the handler.
        pipeEnd.store(ends.input, ordering: .releasing)
        count.store(0, ordering: .releasing)
        _ = signal(SIGPIPE, SIG_IGN)
        // Whoever started this program may have blocked them.
        var wanted = sigset_t()
        unsafe sigemptyset(&wanted)
        unsafe sigaddset(&wanted, SIGINT)
        unsafe sigaddset(&wanted, SIGTERM)
        unsafe sigprocmask(SIG_UNBLOCK, &wanted, nil)
        _ = signal(SIGINT) { _ in Interrupts.note() }
        _ = signal(SIGTERM) { _ in Interrupts.note() }
        return ends.output
    }

    private static func note() {
        let before = errno
        // The customary status of a process that SIGINT ended.
        if count.add(1, ordering: .acquiringAndReleasing).newValue > 1 { _exit(130) }
        // One byte of a constant.
        _ = unsafe write(pipeEnd.load(ordering: .acquiring), "!", 1)
        errno = before
    }
}
