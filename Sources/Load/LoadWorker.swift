// A worker process: it has the plan and the board, runs its engine, and writes what it found to its standard output.

import CEpollShim
import CLoadShim
import Glibc
import Histogram

/// Which of how many workers a process is.
public struct WorkerPlace: Sendable {
    public let index: Int
    public let workers: Int
    /// The run's mark.
    public let tag: UInt32
    let parent: Int32

    init(index: Int, workers: Int, tag: UInt32, parent: Int32) {
        self.index = index
        self.workers = workers
        self.tag = tag
        self.parent = parent
    }

    /// As the parent passes it.
    public init?(_ text: String) {
        let parts = text.split(separator: ":").compactMap { Int($0) }
        guard parts.count == 4, parts[0] >= 0, parts[0] < parts[1], let tag = UInt32(exactly: parts[2]),
            let parent = Int32(exactly: parts[3])
        else { return nil }
        self.init(index: parts[0], workers: parts[1], tag: tag, parent: parent)
    }

    var text: String { "\(index):\(workers):\(tag):\(parent)" }
}

public enum LoadWorker {
    /// Runs to the end that the parent decides. Returns the exit status.
    public static func run(_ plan: LoadPlan, as place: WorkerPlace) -> Int32 {
        var plan = plan
        plan.workers = place.workers
        plan.tag = place.tag
        do throws(LoadFailure) {
            let orphaned = cls_die_with(place.parent)
            guard orphaned == 0 else { throw .call("prctl", orphaned) }
            _ = ces_ignore_sigpipe()
            _ = ces_raise_descriptor_limit()
            let board = try Board(fd: Board.descriptor, plan: plan)
            switch plan.wire {
            case .pando: try work(PandoWire.self, plan, place.index, board)
            case .nats: try work(NATSWire.self, plan, place.index, board)
            case .redis: try work(RedisWire.self, plan, place.index, board)
            case .mqtt: try work(MQTTWire.self, plan, place.index, board)
            case .irc: try work(IRCWire.self, plan, place.index, board)
            }
            return 0
        } catch {
            Output.write(WorkerLine.failure(error).text, to: STDOUT_FILENO)
            return error.kind.rawValue
        }
    }

    private static func work<W: Wire>(
        _ wire: W.Type, _ plan: LoadPlan, _ index: Int, _ board: Board
    ) throws(LoadFailure) {
        var engine = Engine<W>(plan: plan, worker: index, board: board)
        try engine.run()
        engine.finish()
        var text = ""
        for sender in 0..<plan.senders where !engine.checks[sender].isEmpty {
            text += WorkerLine.faults(sender: sender, engine.checks[sender]).text
        }
        for value in engine.latencies.recordedValues() {
            text += WorkerLine.latency(microseconds: value.value, count: value.count).text
        }
        text += WorkerLine.silence(microseconds: engine.longestSilence / 1000).text
        text += WorkerLine.cutOff(lost: engine.lostAfterCutOff).text
        engine.leaveAll()
        Output.write(text + WorkerLine.done.text, to: STDOUT_FILENO)
    }
}

/// What a worker tells at its end, a line each.
enum WorkerLine {
    case latency(microseconds: UInt64, count: UInt64)
    case silence(microseconds: UInt64)
    /// What receivers missed after they were cut off; it is among the faults.
    case cutOff(lost: Int)
    case faults(sender: Int, StreamChecks.Faults)
    case failure(LoadFailure)
    case done

    var text: String {
        switch self {
        case .latency(let microseconds, let count): "latency \(microseconds) \(count)\n"
        case .silence(let microseconds): "silence \(microseconds)\n"
        case .cutOff(let lost): "cutoff \(lost)\n"
        case .faults(let sender, let faults):
            "faults \(sender) \(faults.lost) \(faults.doubled) \(faults.outOfOrder)\n"
        case .failure(let failure): "failure \(failure.kind.rawValue) \(failure.description)\n"
        case .done: "done\n"
        }
    }

    init?(_ line: some StringProtocol) {
        let words = line.split(separator: " ", maxSplits: line.hasPrefix("failure") ? 2 : 8)
        let numbers = words.dropFirst().compactMap { Int($0) }
        switch (words.first, numbers.count) {
        case ("latency", 2): self = .latency(microseconds: UInt64(numbers[0]), count: UInt64(numbers[1]))
        case ("silence", 1): self = .silence(microseconds: UInt64(numbers[0]))
        case ("cutoff", 1): self = .cutOff(lost: numbers[0])
        case ("faults", 4):
            let faults = StreamChecks.Faults(lost: numbers[1], doubled: numbers[2], outOfOrder: numbers[3])
            self = .faults(sender: numbers[0], faults)
        case ("failure", _):
            guard words.count == 3, let kind = Int32(words[1]).flatMap(LoadFailure.Kind.init) else { return nil }
            self = .failure(LoadFailure(kind, String(words[2])))
        case ("done", 0): self = .done
        default: return nil
        }
    }
}

public enum Output {
    /// Writes all of it. False if nobody reads any more.
    @discardableResult
    public static func write(_ text: String, to fd: Int32) -> Bool {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(fd, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }
}
