// A client and a sender as a worker keeps them: plain structs in arrays, mutated in place.

/// One client.
struct Slot {
    enum Stage: UInt8 {
        case idle, connecting, greeting, live
        /// Logged in, and never reads again.
        case stalled
        case closed
    }

    var fd: Int32 = -1
    /// Counts connections, so that an event of an earlier one is known.
    var generation: UInt32 = 0
    var client: Int32
    /// Its row of the stream checks; -1: it is to stall, and owed nothing.
    var row: Int32 = -1
    /// Its place among this worker's senders; -1: it only receives.
    var sender: Int32 = -1
    /// The sender whose activities count as back when they arrive here, by its number in the run; -1: none.
    var witnessed: Int32 = -1
    /// Its server, in `Engine.places`.
    var place: Int32
    var stage = Stage.idle
    /// The wire's own memory.
    var step: UInt8 = 0
    /// It has got an activity on this or an earlier connection, and is owed all that follow.
    var isOwed = false
    /// When it began to connect for the first time in this attempt.
    var since: UInt64 = 0
    /// When its last activity came.
    var heard: UInt64 = 0
    /// The beginning of a frame whose end has not come.
    var held: UnsafeMutableRawPointer?
    var heldCount = 0

    init(client: Int, place: Int) {
        self.client = Int32(client)
        self.place = Int32(place)
    }

    /// What epoll gives back with an event.
    func word(index: Int) -> UInt64 { UInt64(generation) << 32 | UInt64(index) }
}

/// The sending side of a client.
struct Sender {
    let slot: Int
    /// Its number in the run.
    let number: Int
    /// How many activities are due so far, and how many are written or lie in `unsent`.
    var planned: UInt32 = 0
    var sent: UInt32 = 0
    /// How many of a burst have come back.
    var cameBack = 0
    /// It has something to send; and it waits for its socket or its login meanwhile.
    var isDirty = false
    var isBlocked = false
    /// When what it has to send became due.
    var dueSince: UInt64 = 0
    var unsent = Unsent()
    /// The activity to be stamped.
    let message: UnsafeMutableRawPointer
    let messageSize: Int
    let markOffset: Int
}
