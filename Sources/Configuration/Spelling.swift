/// Which name was meant.
enum Spelling {
    /// The nearest of some names, if it is near enough to be what somebody meant.
    static func nearest(_ name: String, among names: [String]) -> String? {
        let scored = names.map { (name: $0, distance: distance($0, name)) }
        guard let best = scored.min(by: { $0.distance < $1.distance }) else { return nil }
        return best.distance <= max(1, name.count / 3) ? best.name : nil
    }

    /// Edits from one word to the other (Levenshtein).
    static func distance(_ one: String, _ other: String) -> Int {
        let target = Array(other)
        var row = Array(0...target.count)
        for (index, left) in one.enumerated() {
            var diagonal = row[0]
            row[0] = index + 1
            for (column, right) in target.enumerated() {
                let cost = diagonal + (left == right ? 0 : 1)
                diagonal = row[column + 1]
                row[column + 1] = min(cost, diagonal + 1, row[column] + 1)
            }
        }
        return row[target.count]
    }
}
