// Whether every receiver gets every sender's activities, once each and in order: 8 bytes a pair of them.

/// The places of receivers in the senders' streams.
struct StreamChecks: ~Copyable {
    /// One receiver's place in one sender's stream.
    struct Place {
        /// The highest number that came, or the one before the first that is owed.
        var last: UInt32 = 0
        /// Bit n: `last - n` has come. Bit 0 is off until something came.
        var seen: UInt32 = 0
    }

    /// What was found wrong with a sender's activities.
    struct Faults: Hashable {
        var lost = 0
        var doubled = 0
        var outOfOrder = 0

        var isEmpty: Bool { lost == 0 && doubled == 0 && outOfOrder == 0 }

        static func += (sum: inout Faults, more: Faults) {
            sum.lost += more.lost
            sum.doubled += more.doubled
            sum.outOfOrder += more.outOfOrder
        }
    }

    let rows: Int
    let senders: Int
    private let places: UnsafeMutablePointer<Place>
    private let faults: UnsafeMutablePointer<Faults>

    init(rows: Int, senders: Int) {
        self.rows = rows
        self.senders = senders
        places = .allocate(capacity: max(1, rows * senders))
        places.initialize(repeating: Place(), count: max(1, rows * senders))
        faults = .allocate(capacity: max(1, senders))
        faults.initialize(repeating: Faults(), count: max(1, senders))
    }

    deinit {
        places.deallocate()
        faults.deallocate()
    }

    subscript(sender: Int) -> Faults {
        get { faults[sender] }
        set { faults[sender] = newValue }
    }

    /// An activity has come. Returns nil if it was the next one, else what is wrong (a late one makes up for a loss).
    ///
    /// What is 32 or more behind counts as doubled: whether it came before is not known any more.
    @inline(__always)
    func take(row: Int, sender: Int, number: UInt32) -> Faults? {
        let place = places + (row * senders + sender)
        guard number &- place.pointee.last == 1 else { return takeUnexpected(place, sender, number) }
        place.pointee.last = number
        place.pointee.seen = place.pointee.seen << 1 | 1
        return nil
    }

    @inline(never)
    private func takeUnexpected(_ place: UnsafeMutablePointer<Place>, _ sender: Int, _ number: UInt32) -> Faults {
        var found = Faults()
        let last = place.pointee.last
        if number > last {
            let step = number - last
            place.pointee.seen = step < 32 ? place.pointee.seen << step | 1 : 1
            place.pointee.last = number
            found.lost = Int(step) - 1
        } else if place.pointee.seen & 1 == 0 {
            // The first one, sent before the login was through: not owed, and welcome.
            place.pointee = Place(last: number, seen: 1)
        } else if last - number < 32, place.pointee.seen >> (last - number) & 1 == 0 {
            place.pointee.seen |= 1 << (last - number)
            found.outOfOrder = 1
            found.lost = -1
        } else {
            found.doubled = 1
        }
        faults[sender] += found
        return found
    }

    /// The receiver is new: it is owed what comes after this.
    func begin(row: Int, sender: Int, after number: UInt32) {
        places[row * senders + sender] = Place(last: number, seen: 0)
    }

    /// The sender sends no more: what the receiver has not got is lost.
    @discardableResult
    func end(row: Int, sender: Int, sent: UInt32) -> Int {
        let place = places + (row * senders + sender)
        let lost = sent > place.pointee.last ? Int(sent - place.pointee.last) : 0
        faults[sender].lost += lost
        return lost
    }
}
