import Foundation
import Simulator
import Yams

/// Reads a scenario file: YAML, whose keys are the names of the options. What a file says wrong is told with its line
/// and what would be right.
struct ScenarioReader {
    /// What stands at a place of the file cannot be.
    struct Mistake: Error, CustomStringConvertible {
        var path: String
        var mark: Mark?
        var text: String
        var description: String { path + (mark.map { ":\($0.line):\($0.column)" } ?? "") + ": " + text }
    }

    private let path: String

    static func scenario(atPath path: String) throws -> Scenario {
        guard let bytes = FileManager.default.contents(atPath: path) else {
            throw Mistake(path: path, mark: nil, text: "cannot be read.")
        }
        return try ScenarioReader(path: path).scenario(from: String(decoding: bytes, as: UTF8.self))
    }

    init(path: String) { self.path = path }

    func scenario(from text: String) throws -> Scenario {
        let root: Node?
        do {
            root = try Yams.compose(yaml: text)
        } catch let error as YamlError {
            throw mistake(of: error)
        }
        guard let root else { throw Mistake(path: path, mark: nil, text: "is empty: it needs at least a timeline.") }
        var file = try Section(root, in: path, of: "a scenario")
        var scenario = Scenario(seed: 1)
        scenario.clientsPerServer = 2
        try readNetwork(&file, into: &scenario)
        for way in try file.list("ways", of: "ways between groups of servers") ?? [] {
            var way = try Section(way, in: path, of: "a way")
            guard let groups = way.take("between") else {
                throw way.mistake(at: way.node, "this way has no 'between': groups, for example [[0, 1], [2, 3]].")
            }
            scenario.ways.append((try self.groups(groups, &way, scenario), try quality(&way, scenario)))
            try way.end()
        }
        let timeline = try file.list("timeline", of: "entries") ?? []
        for entry in timeline { try readEntry(entry, into: &scenario) }
        scenario.seconds = try file.number("seconds", in: 0.001...86_400) ?? scenario.timeline.endSeconds + 10
        // Trees are torn and mended in such a run: copies are counted, and no fault.
        if !timeline.isEmpty { (scenario.redundancyMax, scenario.warmUpSeconds) = (.infinity, 5) }
        if let node = file.take("expect") { try readExpectations(node, into: &scenario) }
        try file.end()
        return scenario
    }

    private func mistake(of error: YamlError) -> Mistake {
        switch error {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            let words = [context.map { "\($0)".trimmingCharacters(in: .whitespacesAndNewlines) }, problem]
            return Mistake(
                path: path, mark: mark, text: words.compactMap(\.self).joined(separator: ": ") + " (not YAML).")
        case .duplicatedKeysInMapping(let keys, let context):
            return Mistake(
                path: path, mark: context.mark,
                text: "\(keys.sorted().joined(separator: ", ")): said more than once here; keep one.")
        default: return Mistake(path: path, mark: nil, text: "\(error)")
        }
    }
}

// MARK: - The parts of a file

extension ScenarioReader {
    private func readNetwork(_ file: inout Section, into scenario: inout Scenario) throws {
        if let servers = try file.number("servers", in: 1...1000) { scenario.servers = Int(servers) }
        if let clients = try file.number("clients", in: 0...1000) { scenario.clientsPerServer = Int(clients) }
        if let named = try file.number("named", in: 0...100) { scenario.namedPermille = UInt64(named * 10) }
        if let rate = try file.number("rate", in: 0...100_000) { scenario.rate = rate }
        if let topology = try file.choice("topology", Topology.allCases.map { ($0.rawValue, $0) }) {
            scenario.topology = topology
        }
        if let latency = try file.latency() { scenario.world.latencyMilliseconds = latency }
        if let weights = try file.list("weights", of: "shares, one for each server") {
            scenario.weights = try weights.map { UInt32(try file.number($0, "weights", in: 1...10_000)) }
        }
        if let node = file.take("absent") {
            scenario.absent = Set(try file.servers(node, below: scenario.servers))
        }
    }

    private func readEntry(_ node: Node, into scenario: inout Scenario) throws {
        var entry = try Section(node, in: path, of: "an entry of the timeline")
        guard let seconds = try entry.number("at", in: 0...86_400) else {
            throw entry.mistake(at: node, "this entry has no 'at': the seconds since the traffic began.")
        }
        let verbs = [
            "start", "kill", "restart", "pause", "part", "break", "heal", "between", "arrive", "burst", "drain",
        ]
        let said = verbs.filter { entry.has($0) }
        guard said.count == 1, let verb = said.first, let value = entry.take(verb) else {
            try entry.end(others: verbs + ["how", "to", "after", "within", "latency", "loss", "bandwidth"])
            throw entry.mistake(at: node, "an entry says one of \(verbs.joined(separator: ", ")).")
        }
        for (time, action) in try read(verb, value, &entry, scenario) {
            scenario.timeline.add(action, atSeconds: seconds + time)
        }
        try entry.end()
    }

    /// Actions with their seconds after the entry's own time.
    private func read(
        _ verb: String, _ value: Node, _ entry: inout Section, _ scenario: Scenario
    ) throws -> [(Double, Timeline.Action)] {
        func someServers(_ node: Node) throws -> [Int] { try entry.servers(node, below: scenario.servers) }
        switch verb {
        case "start": return [(0, .start(try someServers(value)))]
        case "kill": return [(0, .kill(try someServers(value), try death(&entry)))]
        case "restart":
            let victims = try someServers(value)
            let pause = try entry.number("after", in: 0...86_400) ?? 1
            return [(0, .kill(victims, try death(&entry))), (pause, .start(victims))]
        case "pause":
            let victims = try someServers(value)
            let pause = try entry.number("after", in: 0...86_400) ?? 1
            return [(0, .pause(victims)), (pause, .goOn(victims))]
        case "drain":
            let time = try entry.number("within", in: 0.001...86_400) ?? 30
            return [(0, .drain(try someServers(value), withinMilliseconds: UInt64(time * 1000)))]
        case "part":
            let groups = try groups(value, &entry, scenario)
            let kinds: [(String, World.Cut)] = [("silently", .silently), ("abruptly", .abruptly)]
            return [(0, .part(groups, try entry.choice("how", kinds) ?? .silently))]
        case "break": return [(0, .breakLinks(try someServers(value)))]
        case "heal":
            return [(0, .heal(try someServers(value)))]
        case "between":
            return [(0, .way(try groups(value, &entry, scenario), try quality(&entry, scenario)))]
        case "arrive":
            let count = Int(try entry.number(value, verb, in: 1...10_000))
            let target = try entry.take("to").map { try someServers($0) }?.first
            return [(0, .arrive(clients: count, server: target))]
        default: return [(0, .burst(Int(try entry.number(value, verb, in: 1...100_000))))]
        }
    }

    private func groups(_ node: Node, _ section: inout Section, _ scenario: Scenario) throws -> [[Int]] {
        let groups = try section.items(node, "groups of servers, for example [[0, 1], [2, 3]]").map {
            try section.servers($0, below: scenario.servers)
        }
        let members = groups.flatMap(\.self)
        guard groups.count > 1, Set(members).count == members.count else {
            throw section.mistake(at: node, "here stand two groups or more, and each server is in one at most.")
        }
        return groups
    }

    /// What the ways of an entry are like.
    private func quality(_ section: inout Section, _ scenario: Scenario) throws -> PathQuality {
        let latency = try section.latency() ?? scenario.world.latencyMilliseconds
        var quality = PathQuality(latencyMicroseconds: latency.lowerBound * 1000...latency.upperBound * 1000)
        if let loss = try section.number("loss", in: 0...90) { quality.lossPermille = UInt64(loss * 10) }
        if let rate = try section.number("bandwidth", in: 100...1e12) { quality.bytesPerSecond = UInt64(rate) }
        return quality
    }

    private func death(_ entry: inout Section) throws -> World.Death {
        try entry.choice("how", [("process", .process), ("machine", .machine)]) ?? .process
    }

    private func readExpectations(_ node: Node, into scenario: inout Scenario) throws {
        var section = try Section(node, in: path, of: "the expectations")
        if let seconds = try section.number("whole-within", in: 0.001...86_400) {
            scenario.wholeLimitSeconds = seconds
        }
        if let seconds = try section.number("even-within", in: 0.001...86_400) {
            scenario.evenLimitSeconds = seconds
        }
        if let most = try section.number("redundancy", in: 0...1000) { scenario.redundancyMax = most }
        try section.end()
    }
}
