// The report as text and as JSON.

extension LoadReport {
    /// For people.
    public var text: String {
        var lines = ["\(plan.wire.rawValue): \(what)", connecting]
        if plan.senders > 0 || plan.churn > 0 { lines += sending }
        return lines.joined(separator: "\n") + "\n" + warnings.map { "warning: \($0)\n" }.joined()
    }

    private var what: String {
        let servers = plan.servers.count
        var text = "\(Figures.grouped(plan.clients)) clients, \(servers) server\(servers == 1 ? "" : "s")"
        if plan.slow > 0 { text += ", \(Figures.grouped(plan.slow)) of the clients do not read" }
        guard plan.senders > 0 else { return text }
        return text + ", \(plan.senders) of them send, \(plan.pace.text), \(plan.size) bytes a line"
    }

    private var connecting: String {
        var text =
            "connected   all in \(Figures.fixed(connectSeconds, 3)) s: "
            + "\(Figures.grouped(Int(connectsPerSecond))) connections/s, "
            + "\(Figures.grouped(Int(loginsPerSecond))) logins/s"
        if redirected > 0 { text += ", \(Figures.grouped(redirected)) redirections" }
        if let cost = serverLoginMicroseconds { text += "\n            server: \(Figures.fixed(cost, 1)) µs CPU each" }
        if let bytes = serverIdleBytes { text += ", \(Figures.grouped(Int(bytes))) bytes each while idle" }
        if let share = serverIdleShare { text += ", \(Figures.fixed(share * 100, 1)) % of a core while idle" }
        return text
    }

    private var sending: [String] {
        var lines = [
            "delivered   \(Figures.grouped(delivered)) of \(Figures.grouped(expected)) "
                + "(\(Figures.grouped(sent)) sent); "
                + "\(Figures.grouped(Int(deliveriesPerSecond)))/s in \(Figures.fixed(seconds, 1)) s",
            "checked     lost \(Figures.grouped(found.lost)), doubled \(Figures.grouped(found.doubled)), "
                + "out of order \(Figures.grouped(found.outOfOrder)), malformed \(Figures.grouped(malformed)), "
                + "cut off \(Figures.grouped(cutOff))",
        ]
        for (sender, faults) in faults.sorted(by: { $0.key < $1.key }).prefix(10) {
            lines.append(
                "            sender \(sender): lost \(faults.lost), doubled \(faults.doubled), "
                    + "out of order \(faults.outOfOrder)")
        }
        if faults.count > 10 { lines.append("            and \(faults.count - 10) senders more") }
        if plan.churn > 0 { lines.append("left and came back: \(Figures.grouped(churned))") }
        if plan.slow > 0 { lines.append("stalled and cut off: \(slowCutOff) of \(plan.slow)") }
        let shares = [("p50", 50.0), ("p90", 90), ("p99", 99), ("p99.9", 99.9), ("p99.99", 99.99), ("max", 100)]
        let latencies = shares.compactMap { name, share in percentile(share).map { "\(name) \(Figures.time($0))" } }
        lines.append("latency     " + (latencies.isEmpty ? "none" : latencies.joined(separator: ", ")))
        lines.append("silence     at most \(Figures.time(longestSilence)) at a receiver")
        if let cpu = serverCPUSeconds {
            let each = serverMicrosecondsPerDelivery.map { ", \(Figures.fixed($0, 3)) µs a delivery" } ?? ""
            lines.append("server      \(Figures.fixed(cpu / max(seconds, 1e-9) * 100, 0)) % of a core\(each)")
        }
        lines.append(
            "itself      \(plan.workers) worker\(plan.workers == 1 ? "" : "s"), the busiest "
                + "\(Figures.fixed(loadCPUShare * 100, 0)) % of a core")
        return lines
    }

    /// What keeps the figures from being the servers'.
    public var warnings: [String] {
        var texts: [String] = []
        if isBottleneck {
            texts.append("this program was the limit (a worker used over 90 % of a core): the servers can do more.")
        }
        if loadWaitShare > 0.1 {
            texts.append(
                "a worker waited for a processor \(Figures.fixed(loadWaitShare * 100, 0)) % of the time: latencies "
                    + "are too high. Pin servers and this program to processors of their own.")
        }
        if !plan.serverProcesses.isEmpty, serverCPUSeconds == nil {
            texts.append("a watched server was gone: what the servers took is not known.")
        }
        if unsent > 0 { texts.append("\(unsent) senders could not send all that was due.") }
        return texts
    }

    /// One object, for programs.
    public var json: String {
        var object = JSONLine()
        object.add("protocol", plan.wire.rawValue)
        object.add("servers", plan.servers.count)
        object.add("clients", plan.clients)
        object.add("senders", plan.senders)
        object.add("workers", plan.workers)
        object.add("size", plan.size)
        object.add("mode", plan.pace.text)
        object.add("tls", raw: plan.security == nil ? "false" : "true")
        object.add("seconds", seconds)
        object.add("sent", sent)
        object.add("delivered", delivered)
        object.add("expected", expected)
        object.add("lost", found.lost)
        object.add("lost_after_cut_off", lostAfterCutOff)
        object.add("doubled", found.doubled)
        object.add("out_of_order", found.outOfOrder)
        object.add("malformed", malformed)
        object.add("cut_off", cutOff)
        object.add("slow_cut_off", slowCutOff)
        object.add("redirected", redirected)
        object.add("churned", churned)
        object.add("window_delivered", windowDelivered)
        object.add("deliveries_per_second", deliveriesPerSecond)
        object.add("connects_per_second", connectsPerSecond)
        object.add("logins_per_second", loginsPerSecond)
        object.add("connect_seconds", connectSeconds)
        var latencies = JSONLine()
        let shares = [("p50", 50.0), ("p90", 90), ("p99", 99), ("p999", 99.9), ("p9999", 99.99), ("max", 100)]
        for (name, share) in shares { latencies.add(name, percentile(share).map { Int($0) }) }
        object.add("latency_us", raw: latencies.text)
        object.add("load_cpu_seconds", loadCPUSeconds)
        object.add("longest_silence_us", plan.senders > 0 ? Int(longestSilence) : nil)
        object.add("load_cpu_share", loadCPUShare)
        object.add("load_wait_share", loadWaitShare)
        object.add("server_cpu_seconds", serverCPUSeconds)
        object.add("server_cpu_us_per_delivery", serverMicrosecondsPerDelivery)
        object.add("server_cpu_us_per_login", serverLoginMicroseconds)
        object.add("server_memory_idle_bytes_per_client", serverIdleBytes)
        object.add("server_idle_cpu_share", serverIdleShare)
        object.add("bottleneck", raw: "\(isBottleneck)")
        let senders = faults.sorted { $0.key < $1.key }.prefix(100).map { sender, faults in
            var entry = JSONLine()
            entry.add("sender", sender)
            entry.add("lost", faults.lost)
            entry.add("doubled", faults.doubled)
            entry.add("out_of_order", faults.outOfOrder)
            return entry.text
        }
        object.add("faulty_senders", raw: "[\(senders.joined(separator: ","))]")
        // Plain words: none has a character that JSON would escape.
        object.add("warnings", raw: "[\(warnings.map { "\"\($0)\"" }.joined(separator: ","))]")
        return object.text + "\n"
    }
}

/// A JSON object of numbers and plain words.
private struct JSONLine {
    private var members: [String] = []

    var text: String { "{\(members.joined(separator: ","))}" }

    mutating func add(_ key: String, raw value: String) { members.append("\"\(key)\":\(value)") }
    mutating func add(_ key: String, _ value: String) { add(key, raw: "\"\(value)\"") }
    mutating func add(_ key: String, _ value: Int?) { add(key, raw: value.map { "\($0)" } ?? "null") }
    mutating func add(_ key: String, _ value: Double?) { add(key, raw: value.map { Figures.fixed($0, 6) } ?? "null") }
}

/// Numbers as people write them.
enum Figures {
    /// Without a fraction if it has none.
    static func plain(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? "\(Int(value))" : "\(value)"
    }

    static func fixed(_ value: Double, _ digits: Int) -> String {
        let unit = (0..<digits).reduce(1) { unit, _ in unit * 10 }
        guard value.isFinite, abs(value) < 1e12 else { return "0" }
        let whole = Int((abs(value) * Double(unit)).rounded())
        let sign = value < 0 && whole > 0 ? "-" : ""
        guard digits > 0 else { return "\(sign)\(whole)" }
        let fraction = "\(whole % unit)"
        return "\(sign)\(whole / unit)." + String(repeating: "0", count: digits - fraction.count) + fraction
    }

    /// 1,234,567
    static func grouped(_ value: Int) -> String {
        let digits = Array("\(abs(value))")
        let text = digits.enumerated().map { index, digit in
            index > 0 && (digits.count - index) % 3 == 0 ? ",\(digit)" : "\(digit)"
        }
        return (value < 0 ? "-" : "") + text.joined()
    }

    static func time(_ microseconds: UInt64) -> String {
        microseconds < 1000 ? "\(microseconds) µs" : "\(fixed(Double(microseconds) / 1000, 2)) ms"
    }
}
