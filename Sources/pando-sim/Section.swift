import Yams

/// A mapping of a YAML file that is read key by key: a key that nobody asked for is a mistake, told with the one that
/// was meant.
struct Section {
    private let path: String
    let node: Node
    private var rest: [(key: Node, value: Node)]
    /// All keys that were asked for.
    private var known: [String] = []

    typealias Mistake = ScenarioReader.Mistake

    init(_ node: Node, in path: String, of what: String) throws {
        guard let mapping = node.mapping else {
            throw Mistake(path: path, mark: node.mark, text: "\(what) is made of lines 'key: value'.")
        }
        self.path = path
        self.node = node
        rest = mapping.map { ($0.key, $0.value) }
    }

    func mistake(at node: Node, _ text: String) -> Mistake {
        Mistake(path: path, mark: node.mark ?? self.node.mark, text: text)
    }

    func has(_ key: String) -> Bool { rest.contains { $0.key.string == key } }

    mutating func take(_ key: String) -> Node? {
        known.append(key)
        guard let index = rest.firstIndex(where: { $0.key.string == key }) else { return nil }
        return rest.remove(at: index).value
    }

    /// Throws if a key is left that nobody took and that is not among `others`.
    func end(others: [String] = []) throws {
        let keys = known + others
        guard let unknown = rest.first(where: { !others.contains($0.key.string ?? "") }) else { return }
        let name = unknown.key.string ?? ""
        let nearest = keys.min { Self.distance($0, name) < Self.distance($1, name) } ?? ""
        let isNear = Self.distance(nearest, name) <= max(1, name.count / 3)
        let remedy = isNear ? "did you mean '\(nearest)'?" : "known here: \(keys.joined(separator: ", "))."
        throw mistake(at: unknown.key, "'\(name)' is not known; \(remedy)")
    }

    /// Edits from one word to the other (Levenshtein).
    private static func distance(_ one: String, _ other: String) -> Int {
        var row = Array(0...other.count)
        for (index, left) in one.enumerated() {
            var diagonal = row[0]
            row[0] = index + 1
            for (column, right) in other.enumerated() {
                let cost = diagonal + (left == right ? 0 : 1)
                diagonal = row[column + 1]
                row[column + 1] = min(cost, diagonal + 1, row[column] + 1)
            }
        }
        return row[other.count]
    }
}

// MARK: - Values

extension Section {
    mutating func number(_ key: String, in range: ClosedRange<Double>) throws -> Double? {
        try take(key).map { try number($0, key, in: range) }
    }

    func number(_ node: Node, _ key: String, in range: ClosedRange<Double>) throws -> Double {
        guard let value = node.string.flatMap(Double.init), range.contains(value) else {
            let bounds = "\(Text.number(range.lowerBound)) to \(Text.number(range.upperBound))"
            throw mistake(at: node, "'\(key)' is a number from \(bounds).")
        }
        return value
    }

    /// Milliseconds one way.
    mutating func latency() throws -> ClosedRange<UInt64>? {
        guard let node = take("latency") else { return nil }
        guard let range = NumberRange(argument: node.string ?? "")?.range, range.upperBound <= 60_000 else {
            throw mistake(at: node, "'latency' is milliseconds, for example 10-100, up to 60000.")
        }
        return range
    }

    mutating func choice<Value>(_ key: String, _ choices: [(name: String, value: Value)]) throws -> Value? {
        guard let node = take(key) else { return nil }
        guard let choice = choices.first(where: { $0.name == node.string }) else {
            throw mistake(at: node, "'\(key)' is \(choices.map(\.name).joined(separator: " or ")).")
        }
        return choice.value
    }

    mutating func list(_ key: String, of what: String) throws -> [Node]? {
        try take(key).map { try items($0, what) }
    }

    func items(_ node: Node, _ what: String) throws -> [Node] {
        guard let sequence = node.sequence else { throw mistake(at: node, "here stands a list of \(what).") }
        return Array(sequence)
    }

    /// `2`, `[0, 1]` or `all`.
    func servers(_ node: Node, below count: Int) throws -> [Int] {
        if node.string == "all" { return Array(0..<count) }
        let nodes = node.sequence.map(Array.init) ?? [node]
        return try nodes.map { node in
            guard let index = node.string.flatMap({ Int($0) }), (0..<count).contains(index) else {
                throw mistake(at: node, "a server is a number from 0 to \(count - 1); several: [0, 1]; or all.")
            }
            return index
        }
    }
}
