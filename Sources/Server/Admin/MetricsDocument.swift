/// `/metrics`, in the text format of Prometheus (version 0.0.4).
internal import Glibc
internal import Node
internal import Reactor

/// A document that is being written.
struct MetricsText {
    private(set) var bytes: [UInt8] = []

    /// A metric with one value.
    mutating func add(_ metric: Metric, _ value: String) {
        begin(metric)
        bytes += Array("\(metric.name) \(value)\n".utf8)
    }

    /// A metric with a value for each of some labels; nothing at all if there are none. Of two values with one label (a
    /// server and its successor at the same address) the last counts: a reader would refuse the whole text.
    mutating func add(_ metric: Metric, _ values: [(label: String, value: String)]) {
        if values.isEmpty { return }
        begin(metric)
        var last: [String: Int] = [:]
        for (index, value) in values.enumerated() { last[value.label] = index }
        for (index, (label, value)) in values.enumerated() where last[label] == index {
            bytes += Array("\(metric.name){\(metric.field)=\"\(Self.escaped(label))\"} \(value)\n".utf8)
        }
    }

    private mutating func begin(_ metric: Metric) {
        bytes += Array("# HELP \(metric.name) \(metric.help)\n# TYPE \(metric.name) \(metric.kind.rawValue)\n".utf8)
    }

    private static func escaped(_ label: String) -> String {
        var result = ""
        for character in label {
            switch character {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            default: result.append(character)
            }
        }
        return result
    }
}

extension Shell {
    /// Everything that is counted. Complexity: linear in the members and the clients' table, some microseconds.
    func metrics(of reactor: borrowing Reactor) -> [UInt8] {
        var text = MetricsText()
        let statistics = nodeStatistics
        for metric in Metric.families {
            let values = family(metric, statistics, reactor)
            if metric.field.isEmpty {
                for value in values { text.add(metric, value.value) }
            } else {
                text.add(metric, values)
            }
        }
        let sources: [(Metric.Source, [String: Double])] = [
            (.node, Self.fields(of: statistics)), (.reactor, Self.fields(of: reactor.statistics)),
            (.shell, Self.fields(of: counts)),
        ]
        for (source, fields) in sources {
            for metric in Metric.all where metric.source == source {
                guard let value = fields[metric.field] else { continue }
                text.add(metric, Self.number(value / metric.divisor))
            }
        }
        return text.bytes
    }

    /// The numbers of a structure of counters, by their names.
    static func fields(of value: Any) -> [String: Double] {
        var fields: [String: Double] = [:]
        for (label, field) in Mirror(reflecting: value).children {
            guard let label else { continue }
            switch field {
            case let number as Int: fields[label] = Double(number)
            case let number as UInt64: fields[label] = Double(number)
            case let flag as Bool: fields[label] = flag ? 1 : 0
            // Lists and digests have a form of their own, or none.
            default: continue
            }
        }
        return fields
    }

    static func number(_ value: Double) -> String {
        Int64(exactly: value).map { "\($0)" } ?? "\(value)"
    }

    // MARK: Families

    private func family(
        _ metric: Metric, _ statistics: NodeStatistics, _ reactor: borrowing Reactor
    ) -> [(label: String, value: String)] {
        let now = instant(of: reactor)
        switch metric.name {
        case "pando_build_info": return [(settings.version, "1")]
        case "process_start_time_seconds": return [("", Self.number(admin?.startedSeconds ?? 0))]
        case "process_cpu_seconds_total": return [("", Self.number(ProcessUse.processorSeconds))]
        case "process_resident_memory_bytes": return [("", "\(ProcessUse.residentBytes)")]
        case "pando_whole": return [("", isWhole ? "1" : "0")]
        case "pando_members_unreachable": return [("", "\(node.membership.unreachable)")]
        case "pando_connections_closed_total": return closes.byName(reactor.statistics).map { ($0.name, "\($0.count)") }
        case "pando_clients":
            return node.sessionCounts.map { (StatisticsDocument.snakeCase($0.state), "\($0.count)") }
        case "pando_limit_used": return limitUses(in: reactor).map { ($0.name, "\($0.used)") }
        case "pando_limit_max": return limitUses(in: reactor).map { ($0.name, "\($0.limit)") }
        case "pando_queue_records": return statistics.queues.map { ("\($0.address)", "\($0.records)") }
        case "pando_queue_bytes": return statistics.queues.map { ("\($0.address)", "\($0.bytes)") }
        case "pando_queue_oldest_seconds":
            return statistics.queues.map { queue in
                let milliseconds = queue.oldest.map { now.milliseconds(since: $0) } ?? 0
                return ("\(queue.address)", Self.number(Double(milliseconds) / 1000))
            }
        case "pando_link_up": return statistics.queues.map { ("\($0.address)", $0.isLinked ? "1" : "0") }
        case "pando_link_round_trip_seconds": return roundTrips(in: reactor)
        case "pando_admin_requests_total":
            return HTTPStatus.allCases.map { ("\($0.rawValue)", "\(admin?.counts.answers[$0] ?? 0)") }
        case "pando_admin_connections_refused_total": return [("", "\(admin?.counts.connectionsRefused ?? 0)")]
        default: preconditionFailure("every family is made here: \(metric.name)")
        }
    }

    private func roundTrips(in reactor: borrowing Reactor) -> [(label: String, value: String)] {
        var trips: [(label: String, value: String)] = []
        for link in node.linkStatuses where link.phase == "open" {
            guard let address = link.address, let time = reactor.roundTripMicroseconds(of: ConnectionID(link.id)) else {
                continue
            }
            trips.append(("\(address)", Self.number(Double(time) / 1e6)))
        }
        return trips
    }
}

/// What this process has taken of the machine.
enum ProcessUse {
    /// Of all threads, in seconds (getrusage(2)).
    static var processorSeconds: Double {
        var usage = rusage()
        // A local of the right type.
        guard unsafe getrusage(RUSAGE_SELF.rawValue, &usage) == 0 else { return 0 }
        let microseconds =
            (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1_000_000 + usage.ru_utime.tv_usec
            + usage.ru_stime.tv_usec
        return Double(microseconds) / 1e6
    }

    /// The second number of /proc/self/statm is in pages (proc(5)). No disk is behind that file.
    static var residentBytes: Int {
        let fd = unsafe open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
        guard fd >= 0 else { return 0 }
        defer { close(fd) }
        var text = [UInt8](repeating: 0, count: 256)
        let count = text.count
        // The array is as large as it says.
        let got = unsafe text.withUnsafeMutableBytes { unsafe read(fd, $0.baseAddress, count) }
        guard got > 0 else { return 0 }
        let words = String(decoding: text[..<got], as: UTF8.self).split(separator: " ")
        return words.count > 1 ? (Int(words[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))) : 0
    }
}
