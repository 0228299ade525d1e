/// What goes on, look by look: rates between two looks.

struct Rates {
    /// A second.
    private(set) var perSecond: [String: Int] = [:]

    init(from old: Report?, to new: Report) {
        guard let old, old.id == new.id else { return }
        let milliseconds = new.uptimeMilliseconds - old.uptimeMilliseconds
        guard milliseconds > 0 else { return }
        for (name, value) in new.counters {
            guard let before = old.counters[name], value >= before else { continue }
            perSecond[name] = (value - before) * 1000 / milliseconds
        }
    }

    subscript(name: String) -> Int? { perSecond[name] }

    /// Nothing before the second look.
    func text(_ name: String) -> String { perSecond[name].map { Quantity.count($0) } ?? "…" }
    func bytes(_ name: String) -> String { perSecond[name].map { Quantity.bytes($0) } ?? "…" }
}

enum Top {
    static func lines(from old: Report?, to new: Report) -> [String] {
        let rates = Rates(from: old, to: new)
        let health = new.isWhole ? "whole" : new.isReady ? "NOT WHOLE" : "NOT READY"
        return [
            "\(new.address)  up \(Quantity.time(milliseconds: new.uptimeMilliseconds))  \(health)  "
                + "\(new.clients) clients at \(new.present.count - new.unreachable.count) servers",
            "activities/s  made here \(rates.text("records_originated"))"
                + "  shown here \(rates.text("activities_delivered"))",
            "records/s     received \(rates.text("records_received"))"
                + "  of them copies \(rates.text("records_duplicate"))  sent \(rates.text("records_sent"))",
            "bytes/s       received \(rates.bytes("bytes_received"))  sent \(rates.bytes("bytes_sent"))",
            "store         \(Quantity.count(new.counters["store_records"] ?? 0)) records  "
                + Quantity.bytes(new.counters["store_bytes"] ?? 0),
            "",
        ] + new.serverLines
    }

    static func json(from old: Report?, to new: Report) -> JSONTree {
        let rates = Rates(from: old, to: new)
        return [
            "time_ms": .integer(new.timeMilliseconds), "address": .string(new.address),
            "whole": .boolean(new.isWhole), "clients": .integer(new.clients),
            "servers": .integer(new.present.count - new.unreachable.count),
            "unreachable": .integer(new.unreachable.count),
            "per_second": .object(
                rates.perSecond.sorted { $0.key < $1.key }.map { .init(name: $0.key, value: .integer($0.value)) }),
        ]
    }
}
