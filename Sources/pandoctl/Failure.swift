/// Why a command has no answer: what happened, and what to do about it.
struct Failure: Error, Hashable, CustomStringConvertible {
    var what: String
    var advice: String
    /// The server answered nothing at all, so it may be dead; otherwise something else is wrong.
    var isSilence = false

    var description: String { "\(what); \(advice)" }
}

/// Exit statuses. Wrong usage is 64, as with the server.
enum Status {
    static let success: Int32 = 0
    /// No answer, or a refusal.
    static let failure: Int32 = 1
}
