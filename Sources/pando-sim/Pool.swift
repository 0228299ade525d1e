import Glibc

/// Runs seeds on many workers, and hands out results in the order in which they come.
struct Pool {
    var jobs: Int
    /// A seed that takes longer is given up and told.
    var secondsMax: Double
    /// Becomes readable when the user wants it to end.
    var interrupts: Int32
    var failed: (_ seed: UInt64, _ text: String) -> SeedResult

    private var workers: [Worker] = []

    init(
        jobs: Int, secondsMax: Double, interrupts: Int32,
        failed: @escaping (_ seed: UInt64, _ text: String) -> SeedResult
    ) {
        self.jobs = jobs
        self.secondsMax = secondsMax
        self.interrupts = interrupts
        self.failed = failed
    }

    /// Returns whether it came to its end; false if the user interrupted it.
    mutating func run(
        seeds: some Sequence<UInt64>, each: (SeedResult) throws -> Void, tick: () -> Void
    ) throws -> Bool {
        var rest = seeds.makeIterator()
        defer {
            for worker in workers { _ = worker.end(isForced: true) }
            workers = []
        }
        while workers.count < jobs, let seed = rest.next() {
            var worker = try Worker(extraArgument: "--worker")
            worker.begin(seed, at: Clock.seconds)
            workers.append(worker)
        }
        while !workers.isEmpty {
            var descriptors = workers.map { pollfd(fd: $0.output, events: Int16(POLLIN), revents: 0) }
            descriptors.append(pollfd(fd: interrupts, events: Int16(POLLIN), revents: 0))
            // The array has as many elements as it says.
            _ = unsafe poll(&descriptors, nfds_t(descriptors.count), 200)
            if descriptors.last?.revents != 0 { return false }
            for index in workers.indices.reversed() {
                let isReadable = descriptors[index].revents != 0
                if let result = try serve(index, isReadable: isReadable) {
                    try each(result)
                    give(rest.next(), to: index)
                }
            }
            tick()
        }
        return true
    }

    /// The result of a worker's seed, if it is there or will never be. A dead worker is replaced.
    private mutating func serve(_ index: Int, isReadable: Bool) throws -> SeedResult? {
        let seed = workers[index].seed
        let isLate = Clock.seconds - workers[index].startTime > secondsMax
        if isReadable {
            let (line, hasEnded) = workers[index].read()
            if let line { return try SeedResult(line: line) }
            guard hasEnded else { return nil }
        } else if !isLate {
            return nil
        }
        // Out of the list first: whatever is thrown now, nobody ends it twice.
        let end = workers.remove(at: index).end(isForced: isLate)
        workers.insert(try Worker(extraArgument: "--worker"), at: index)
        let text = isLate ? "did not end within \(Text.number(secondsMax)) s" : "the simulator's process \(end)"
        return seed.map { failed($0, "crashed: \(text)") }
    }

    private mutating func give(_ seed: UInt64?, to index: Int) {
        if let seed {
            workers[index].begin(seed, at: Clock.seconds)
        } else {
            _ = workers.remove(at: index).end(isForced: false)
        }
    }
}

/// The wall clock of this program; nothing of a run depends on it.
enum Clock {
    static var seconds: Double {
        var time = timespec()
        // The struct lives through the call.
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    static var cores: Int { max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }
}
