/// A thread of one's own, for what runs as long as the process.
internal import CEpollShim
internal import Glibc
internal import Reactor

enum HelperThread {
    /// Starts a thread that blocks all signals, since those are for the reactor's signalfd.
    static func start(_ body: @escaping @Sendable () -> Void) throws(SystemError) {
        let context = unsafe Unmanaged.passRetained(Body(body))
        var saved = [UInt64](repeating: 0, count: 16)
        // 128 bytes, as the shim asks for.
        unsafe ces_signals_block_all(&saved)
        var thread = pthread_t()
        // The thread takes over the retained context.
        let failure = unsafe pthread_create(&thread, nil, runBody, context.toOpaque())
        unsafe ces_signals_restore(&saved)
        guard failure == 0 else {
            unsafe context.release()
            throw SystemError(code: failure, call: "pthread_create")
        }
        pthread_detach(thread)
    }

    /// What the thread runs, boxed for the way through C.
    fileprivate final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }
}

private func runBody(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context = unsafe context else { return nil }
    // Retained by `start` for this thread.
    let body = unsafe Unmanaged<HelperThread.Body>.fromOpaque(context).takeRetainedValue()
    body.run()
    return nil
}
