/// How far a document is that is one long list: it is made part by part, while the server works, so it shows no one
/// moment.
struct ListProgress {
    private var place = 0
    private var hasBegun = false
    private var hasEntries = false

    private static let placesInPart = 256

    /// The next part of the document.
    ///
    /// - Parameter head: what stands before the list, which is still open.
    /// - Parameter count: how many places there are now.
    /// - Parameter entry: what is at a place; nil for nothing.
    /// - Parameter tail: what comes after the last entry, the end of the list included.
    mutating func part(
        head: () -> JSONObject, count: Int, entry: (Int) -> JSONObject?, tail: () -> [UInt8]
    ) -> (bytes: [UInt8], isLast: Bool) {
        var bytes = hasBegun ? [] : head().unfinished
        hasBegun = true
        let places = place..<max(place, min(place + Self.placesInPart, count))
        for object in places.lazy.compactMap(entry) {
            if hasEntries { bytes.append(UInt8(ascii: ",")) }
            hasEntries = true
            bytes += object.finished
        }
        place = places.upperBound
        if place >= count { return (bytes + tail(), true) }
        // All of these places may be empty, and a part is not.
        return (bytes.isEmpty ? [UInt8(ascii: "\n")] : bytes, false)
    }
}
