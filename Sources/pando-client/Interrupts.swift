import Glibc
import Synchronization

/// SIGINT and SIGTERM as something that poll(2) can wait for: the handler writes a byte to a pipe.
///
/// The first one logs out, the second ends without waiting for the server, and the third ends the process wherever
/// it is, in a slow look-up of a name for example.
enum Interrupts {
    /// The write end, for the handler; constants of these types are safe to reach from one.
    private static let pipeEnd = Atomic<Int32>(-1)
    private static let count = Atomic<Int>(0)

    /// Whether a signal has come.
    static var isPending: Bool { count.load(ordering: .acquiring) > 0 }

    /// Installs the handlers, and ignores SIGPIPE: a closed pipe shows as EPIPE where we write.
    ///
    /// - Returns: the descriptor that becomes readable at the first signal, or -1 if there is no pipe to be had.
    static func install() -> Int32 {
        var ends: [Int32] = [-1, -1]
        // Two descriptors fit into two elements.
        guard unsafe pipe(&ends) == 0 else { return -1 }
        Descriptor.setNonBlocking(ends[1])
        // Touched here, so that no lazy initialization is left to the handler.
        pipeEnd.store(ends[1], ordering: .releasing)
        count.store(0, ordering: .releasing)
        ignoreBrokenPipes()
        handle(SIGINT)
        handle(SIGTERM)
        return ends[0]
    }

    private static func ignoreBrokenPipes() {
        _ = signal(SIGPIPE, SIG_IGN)
    }

    private static func handle(_ number: Int32) {
        var action = sigaction()
        // The union holds the one handler that is set here, which calls write(2), _exit(2) and atomics only: all are
        // safe in a handler.
        unsafe action.__sigaction_handler.sa_handler = { _ in Interrupts.note() }
        // No SA_RESTART: a blocked write has to return. The struct is alive during the call.
        _ = unsafe sigaction(number, &action, nil)
    }

    private static func note() {
        let before = errno
        // The customary status of a process that SIGINT ended.
        if count.add(1, ordering: .acquiringAndReleasing).newValue > 2 { _exit(130) }
        // One byte of a constant.
        _ = unsafe write(pipeEnd.load(ordering: .acquiring), "!", 1)
        errno = before
    }
}
