/// Counters and gauges as one JSON object, for operators and tests.
internal import Codecs
internal import Node
internal import Reactor
internal import TLS

enum StatisticsDocument {
    /// Everything that is counted. The counters of `NodeStatistics` and `ReactorStatistics` appear under their names in
    /// snake case, found by reflection: a new one cannot be forgotten here.
    static func make(
        id: ServerID, version: String, node: NodeStatistics, reactor: ReactorStatistics, shell: ShellCounts,
        closes: CloseCounts, certificates: [ServerTLS.Certificate] = [], now: Instant
    ) -> [UInt8] {
        var document = JSONObject()
        document.set("server", "\(id)")
        document.set("version", version)
        document.set("connections", reactor.open)
        append(countersOf: node, to: &document)
        append(countersOf: shell, to: &document)
        var reasons = JSONObject()
        for (name, count) in closes.byName(reactor) { reasons.set(name, count) }
        document.set("closed", reasons)
        var loop = JSONObject()
        append(countersOf: reactor, to: &loop)
        document.set("reactor", loop)
        document.set("store_and_forward", node.queues.map { queue($0, now: now) })
        document.set("servers", node.servers.map(server))
        document.set("certificates", certificates.map(certificate))
        return document.finished + [UInt8(ascii: "\n")]
    }

    static func certificate(_ certificate: ServerTLS.Certificate) -> JSONObject {
        var object = JSONObject()
        object.set("use", certificate.use)
        object.set("kind", certificate.kind.rawValue)
        object.set("name", certificate.name)
        object.set("expiry_seconds", certificate.expirySeconds)
        return object
    }

    private static func queue(_ queue: NodeStatistics.Queue, now: Instant) -> JSONObject {
        var object = JSONObject()
        object.set("neighbour", "\(queue.neighbour)")
        object.set("address", "\(queue.address)")
        object.set("linked", queue.isLinked)
        object.set("records", queue.records)
        object.set("bytes", queue.bytes)
        object.set("oldest_ms", queue.oldest.map { now.milliseconds(since: $0) } ?? 0)
        return object
    }

    private static func server(_ server: NodeStatistics.ServerLoad) -> JSONObject {
        var object = JSONObject()
        object.set("server", "\(server.id)")
        object.set("address", "\(server.address)")
        object.set("clients", server.load)
        object.set("weight", server.weight)
        object.set("serving", server.isServing)
        object.set("draining", server.isDraining)
        return object
    }

    private static func append(countersOf value: Any, to object: inout JSONObject) {
        for (label, field) in Mirror(reflecting: value).children {
            guard let label else { continue }
            let name = snakeCase(label)
            switch field {
            case let number as Int: object.set(name, number)
            case let number as UInt64: object.set(name, number)
            case let flag as Bool: object.set(name, flag)
            case let digest as RegistryDigest: object.set(name, "\(digest)")
            // Lists have a form of their own above.
            default: continue
            }
        }
    }

    /// `recordsSent` → `records_sent`.
    static func snakeCase(_ name: String) -> String {
        var result = ""
        for character in name {
            if character.isUppercase { result += "_" }
            result += character.lowercased()
        }
        return result
    }
}
