/// Which name was meant.
enum Spelling {
    /// The nearest of some names, if it is near enough to be what somebody meant.
    static func nearest(_ name: String, among names: [String]) -> String? {
        let scored = names.map { (name: $0, distance: distance($0, name)) }
        guard let best = scored.min(by: { $0.distance < $1.distance }) else { return nil }
        return best.distance <= max(1, name.count / 3) ? best.name : nil
    }

    /// Edits from one word to the other; two neighbours exchanged, the most frequent slip of the fingers, are one
    /// (Damerau and Levenshtein, each letter moved once at most).
    static func distance(_ one: String, _ other: String) -> Int {
        let (source, target) = (Array(one), Array(other))
        var older: [Int] = []
        var last = Array(0...target.count)
        for index in source.indices {
            var row = [index + 1]
            for column in target.indices {
                var cost = last[column] + (source[index] == target[column] ? 0 : 1)
                cost = min(cost, row[column] + 1, last[column + 1] + 1)
                if index > 0, column > 0, source[index] == target[column - 1], source[index - 1] == target[column] {
                    cost = min(cost, older[column - 1] + 1)
                }
                row.append(cost)
            }
            (older, last) = (last, row)
        }
        return last[target.count]
    }
}
