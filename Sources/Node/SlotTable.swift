/// What only few sessions have, by slot: an array in order of slots, so that it can be gone through.
struct SlotTable<Value: Sendable>: Sendable {
    private(set) var entries: [(slot: Int, value: Value)] = []

    var isEmpty: Bool { entries.isEmpty }
    var slots: [Int] { entries.map(\.slot) }

    /// Complexity: logarithmic in the number of entries; linear where one comes or goes.
    subscript(slot: Int) -> Value? {
        get {
            let place = place(of: slot)
            return isAt(place, slot) ? entries[place].value : nil
        }
        set {
            let place = place(of: slot)
            switch (isAt(place, slot), newValue) {
            case (true, let value?): entries[place].value = value
            case (true, nil): entries.remove(at: place)
            case (false, let value?): entries.insert((slot, value), at: place)
            case (false, nil): break
            }
        }
    }

    /// Changes a value in place, made first if there is none.
    mutating func change(_ slot: Int, otherwise made: @autoclosure () -> Value, _ body: (inout Value) -> Void) {
        let place = place(of: slot)
        if !isAt(place, slot) { entries.insert((slot, made()), at: place) }
        body(&entries[place].value)
    }

    /// Changes every value in place.
    mutating func changeAll(_ body: (inout Value) -> Void) {
        for place in entries.indices { body(&entries[place].value) }
    }

    private func isAt(_ place: Int, _ slot: Int) -> Bool { place < entries.count && entries[place].slot == slot }

    private func place(of slot: Int) -> Int {
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].slot < slot { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
