/// Whether all is well, as monitoring programs ask it (the Monitoring Plugins' guidelines): one line, and an exit
/// status that says how bad it is.

struct Check {
    enum Severity: Int32, Comparable, CaseIterable {
        case ok = 0
        case warning = 1
        case critical = 2
        case unknown = 3

        var word: String {
            switch self {
            case .ok: "OK"
            case .warning: "WARNING"
            case .critical: "CRITICAL"
            case .unknown: "UNKNOWN"
            }
        }

        static func < (left: Severity, right: Severity) -> Bool { left.rawValue < right.rawValue }
    }

    struct Problem: Hashable {
        var severity: Severity
        var text: String
    }

    /// Of what is worth a word.
    struct Thresholds {
        /// Of a limit, in percent.
        var limitWarning = 80
        var limitCritical = 95
        /// How long the oldest record may wait for a neighbour. Acknowledgements from afar come with announcements:
        /// less than a minute says nothing.
        var queueSeconds = 60
        var certificateWarningDays = 30
        var certificateCriticalDays = 7
    }

    var problems: [Problem]
    /// What is drawn: a name, a value, and what it may be at most.
    var figures: [(name: String, value: Int, max: Int?)] = []

    var severity: Severity { problems.map(\.severity).max() ?? .ok }

    init(_ failure: Failure) {
        problems = [Problem(severity: failure.isSilence ? .critical : .unknown, text: failure.description)]
    }

    init(_ report: Report, _ thresholds: Thresholds = Thresholds()) {
        problems = []
        if !report.isReady {
            problems.append(Problem(severity: .critical, text: "it serves no clients: it is \(report.stage)"))
        }
        if !report.unreachable.isEmpty {
            let names = report.unreachable.map(\.address).joined(separator: ", ")
            problems.append(Problem(severity: .warning, text: "out of reach: \(names)"))
        }
        problems += Self.problems(of: report.limits, thresholds)
        for member in report.present where member.isReachable && report.link(to: member) != nil {
            guard member.queueOldestMilliseconds > thresholds.queueSeconds * 1000 else { continue }
            let time = Quantity.time(milliseconds: member.queueOldestMilliseconds)
            problems.append(
                Problem(severity: .warning, text: "\(member.address) has not taken a record for \(time)"))
        }
        for certificate in report.certificates {
            let days = certificate.daysLeft(at: report.timeMilliseconds)
            guard days < thresholds.certificateWarningDays else { continue }
            problems.append(
                Problem(
                    severity: days < thresholds.certificateCriticalDays ? .critical : .warning,
                    text: "\(Table.printable(certificate.name)): \(max(0, days)) days left"))
        }
        figures = [
            ("servers", report.present.count - report.unreachable.count, nil),
            ("unreachable", report.unreachable.count, nil), ("clients", report.clients, nil),
            ("own_clients", report.members.first(where: \.isOwn)?.load ?? 0, nil),
            (
                "store_bytes", report.counters["store_bytes"] ?? 0,
                report.limits.first { $0.name == "store_bytes" }?.limit
            ),
        ]
    }

    private static func problems(of limits: [Report.Limit], _ thresholds: Thresholds) -> [Problem] {
        // A handful of browsers may take all places of the endpoint, which is no harm to anybody.
        limits.filter { $0.percent >= thresholds.limitWarning && $0.name != "admin_connections" }.map {
            Problem(
                severity: $0.percent >= thresholds.limitCritical ? .critical : .warning,
                text: "\($0.name) \($0.percent) %")
        }
    }

    /// The worst first; then what is drawn.
    var line: String {
        let texts = problems.sorted { $0.severity > $1.severity }.map(\.text)
        let summary = texts.isEmpty ? "all is well" : texts.joined(separator: "; ")
        let drawn = figures.map { figure in
            "\(figure.name)=\(figure.value)" + (figure.max.map { ";;;0;\($0)" } ?? "")
        }
        // What stands behind the bar is for the program.
        let safe = String(summary.map { $0 == "|" || $0.isNewline ? " " : $0 })
        return "PANDO \(severity.word) - \(safe)" + (drawn.isEmpty ? "" : " | " + drawn.joined(separator: " "))
    }

    var json: JSONTree {
        [
            "status": .string(severity.word.lowercased()),
            "problems": .array(
                problems.map { ["severity": .string($0.severity.word.lowercased()), "text": .string($0.text)] }),
        ]
    }
}
