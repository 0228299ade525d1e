import Codecs

/// Gives every server that is known a dense index, so that tables about servers and their streams are arrays. The index
/// of a server that was forgotten is given to another one: the tables are as large as the most servers at a time.
struct ServerTable: Sendable {
    /// By index; all zeros where no server is.
    private(set) var ids: [ServerID] = []
    /// By index: whether a server has it.
    private var known: [Bool] = []
    /// Indices by the hash of their identifier, each in the first free place from there on; -1 where none is. Half of
    /// the places at least are free. Every entry of every vector that comes is looked up here.
    private var places: [Int32] = [-1, -1]
    /// Indices of servers that were forgotten, the last one first in use again.
    private var vacant: [Int] = []

    /// Servers that are known.
    private(set) var count = 0
    /// Indices given out so far: the size of every table.
    var capacity: Int { ids.count }

    func index(of id: ServerID) -> Int? {
        let index = Int(places[place(of: id)])
        return index < 0 ? nil : index
    }

    mutating func insert(_ id: ServerID) -> Int {
        if let index = index(of: id) { return index }
        let index = vacant.popLast() ?? ids.count
        if index == ids.count {
            ids.append(id)
            known.append(true)
        } else {
            ids[index] = id
            known[index] = true
        }
        count += 1
        if 2 * count > places.count { arrange(in: 2 * places.count) } else { places[place(of: id)] = Int32(index) }
        return index
    }

    mutating func remove(_ index: Int) {
        precondition(known[index], "only a known server is forgotten")
        free(place(of: ids[index]))
        known[index] = false
        ids[index] = ServerID(startStamp: 0, random: 0)
        vacant.append(index)
        count -= 1
    }

    /// Frees a place. Who comes after it without a free place between moves up if it would not be found any more.
    private mutating func free(_ place: Int) {
        let mask = places.count - 1
        var free = place
        var next = (place + 1) & mask
        while places[next] >= 0 {
            let distance = (next - firstPlace(of: ids[Int(places[next])])) & mask
            if distance >= (next - free) & mask {
                places[free] = places[next]
                free = next
            }
            next = (next + 1) & mask
        }
        places[free] = -1
    }

    /// Where the identifier is if no other one is there.
    private func firstPlace(of id: ServerID) -> Int {
        Int(truncatingIfNeeded: SplitMix64.mix(id.random ^ id.startStamp)) & (places.count - 1)
    }

    /// Where the identifier is, or would be put.
    private func place(of id: ServerID) -> Int {
        let mask = places.count - 1
        var place = firstPlace(of: id)
        while places[place] >= 0, ids[Int(places[place])] != id { place = (place + 1) & mask }
        return place
    }

    /// Puts all in their places anew.
    private mutating func arrange(in size: Int) {
        places = [Int32](repeating: -1, count: size)
        for index in indices { places[place(of: ids[index])] = Int32(index) }
    }

    /// Whether a server has this index now.
    func isKnown(_ index: Int) -> Bool { known[index] }

    /// Indices of the known servers, in order.
    var indices: [Int] { ids.indices.filter { isKnown($0) } }

    subscript(index: Int) -> ServerID { ids[index] }
}
