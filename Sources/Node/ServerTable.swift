import Codecs

/// Gives every server that is known a dense index, so that tables about servers and their streams are arrays. The index
/// of a server that was forgotten is given to another one: the tables are as large as the most servers at a time.
struct ServerTable: Sendable {
    /// By index; all zeros where no server is.
    private(set) var ids: [ServerID] = []
    /// Looked up, never iterated.
    private var places: [ServerID: Int] = [:]
    /// Indices of servers that were forgotten, the last one first in use again.
    private var vacant: [Int] = []

    /// Servers that are known.
    var count: Int { places.count }
    /// Indices given out so far: the size of every table.
    var capacity: Int { ids.count }

    func index(of id: ServerID) -> Int? { places[id] }

    mutating func insert(_ id: ServerID) -> Int {
        if let index = places[id] { return index }
        let index = vacant.popLast() ?? ids.count
        if index == ids.count { ids.append(id) } else { ids[index] = id }
        places[id] = index
        return index
    }

    mutating func remove(_ index: Int) {
        precondition(places[ids[index]] == index, "only a known server is forgotten")
        places[ids[index]] = nil
        ids[index] = ServerID(startStamp: 0, random: 0)
        vacant.append(index)
    }

    /// Whether a server has this index now.
    func isKnown(_ index: Int) -> Bool { places[ids[index]] == index }

    /// Indices of the known servers, in order.
    var indices: [Int] { ids.indices.filter { isKnown($0) } }

    subscript(index: Int) -> ServerID { ids[index] }
}
