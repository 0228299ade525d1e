import Glibc

/// How far a run is, on standard error: one line, redrawn, on a terminal; a new one every few seconds elsewhere.
struct Progress {
    private let total: Int
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private let start = Clock.seconds
    private var lastShown = Clock.seconds
    private var done = 0
    private var failures = 0
    private var isDrawn = false

    init(total: Int) { self.total = total }

    /// Seconds since the beginning.
    var elapsed: Double { Clock.seconds - start }

    mutating func note(_ result: SeedResult) {
        done += 1
        guard !result.isGood else { return }
        failures += 1
        say("seed \(result.seed): \(result.violations.first ?? "")")
    }

    /// Shows it, if it is time to.
    mutating func tick() {
        let now = Clock.seconds
        guard now - lastShown >= (isTerminal ? 0.5 : 10), done > 0 else { return }
        lastShown = now
        let rate = Double(done) / elapsed
        let left = Int(Double(total - done) / rate)
        let text =
            "\(done) of \(total) seeds, \(Text.number(rate)) a second, \(failures) failed, \(Self.time(left)) left"
        Output.write(isTerminal ? "\r\u{1B}[K\(text)" : "\(text)\n", to: STDERR_FILENO)
        isDrawn = isTerminal
    }

    /// A line that stays.
    mutating func say(_ text: String) {
        Output.write((isDrawn ? "\r\u{1B}[K" : "") + text + "\n", to: STDERR_FILENO)
        isDrawn = false
    }

    /// Leaves a clean line behind.
    mutating func end() {
        if isDrawn { Output.write("\r\u{1B}[K", to: STDERR_FILENO) }
        isDrawn = false
    }

    private static func time(_ seconds: Int) -> String {
        switch seconds {
        case ..<120: "\(seconds) s"
        case ..<7200: "\(seconds / 60) min"
        default: "\(seconds / 3600) h \(seconds / 60 % 60) min"
        }
    }
}
