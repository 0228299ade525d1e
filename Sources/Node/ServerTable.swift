import Codecs

/// Gives every server that was heard of a dense index, so that tables about servers and their streams are arrays.
struct ServerTable: Sendable {
    private(set) var ids: [ServerID] = []
    private var indices: [ServerID: Int] = [:]

    var count: Int { ids.count }

    func index(of id: ServerID) -> Int? { indices[id] }

    mutating func insert(_ id: ServerID) -> Int {
        if let index = indices[id] { return index }
        indices[id] = ids.count
        ids.append(id)
        return ids.count - 1
    }

    subscript(index: Int) -> ServerID { ids[index] }

    /// Gives the server at `index` another identifier.
    mutating func rename(_ index: Int, to id: ServerID) {
        indices[ids[index]] = nil
        indices[id] = index
        ids[index] = id
    }
}
