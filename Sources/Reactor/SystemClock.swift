/// The process's surroundings: clocks, random bytes, the limit of descriptors. Each is a call without state.
internal import CEpollShim

/// The kernel's clocks.
public enum SystemClock {
    /// Nanoseconds of CLOCK_MONOTONIC (clock_gettime(2)): never steps back, says nothing about the date.
    public static var monotonicNanoseconds: UInt64 { ces_monotonic_ns() }
    /// Nanoseconds of processor time of the calling thread, of CLOCK_THREAD_CPUTIME_ID: a system call.
    static var threadProcessorNanoseconds: UInt64 { ces_thread_cpu_ns() }
    /// Milliseconds since 1970 of CLOCK_REALTIME (clock_gettime(2)): may be stepped.
    public static var realtimeMilliseconds: Int64 { ces_realtime_ms() }
}

/// Unpredictable bytes of the kernel (getrandom(2)): for salts, tokens, identities and seeds.
public enum SystemRandom {
    /// `count` random bytes. The kernel refuses only before it has been seeded at boot, which getrandom waits for.
    public static func bytes(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        unsafe bytes.withUnsafeMutableBytes { room in
            guard let start = room.baseAddress else { return }
            // `count` bytes of an array of that size.
            let result = unsafe ces_random(start, room.count)
            precondition(result == 0, "getrandom failed")
        }
        return bytes
    }

    /// A random word.
    public static func word() -> UInt64 { bytes(8).reduce(0) { $0 << 8 | UInt64($1) } }
}

/// The number of descriptors that the process may open.
public enum DescriptorLimit {
    /// Raises the soft limit to the hard one (RLIMIT_NOFILE, getrlimit(2)) and returns it.
    public static func raise() throws(SystemError) -> Int {
        let limit = ces_raise_descriptor_limit()
        guard limit >= 0 else { throw SystemError(code: Int32(-limit), call: "setrlimit RLIMIT_NOFILE") }
        return Int(limit)
    }
}
