// The seam between the load and the protocol that it speaks. What is measured is the same code for each; a protocol
// says only how its frames look. It is bound at compile time: a worker is generic over its wire.

/// How one protocol puts activities on the wire.
protocol Wire {
    /// Whether a sender gets its own activities back.
    static var echoes: Bool { get }
    /// Bytes of a delivered frame around the padding.
    static func overhead(_ plan: LoadPlan) -> Int
    static var sizeMax: Int { get }
    /// Clients that connect and log in at the same time: below the backlog of the usual servers, beyond which a
    /// connection takes a second, and else as many as keep a server busy while it waits for its processor.
    static var atOnce: Int { get }

    init(_ plan: LoadPlan)

    /// What a client says first. `step` outlives a connection.
    func greeting(_ client: Int, step: UInt8) -> [UInt8]
    /// What a sender sends, with the stamp's mark somewhere and room for the digits behind it.
    func message(_ client: Int) -> [UInt8]
    /// The first frame of what has come.
    func frame(_ bytes: UnsafeRawBufferPointer) -> FrameEnd
    /// A frame that is no activity of ours has come.
    func react(to frame: UnsafeRawBufferPointer, client: Int, step: inout UInt8) -> Reaction
}

/// Where a frame ends.
enum FrameEnd: Equatable {
    case after(Int)
    case notYet
    case malformed
}

/// What a client does upon a frame.
enum Reaction {
    case none
    case answer([UInt8])
    /// It is logged in and gets activities from now on.
    case ready
    case redirect(ServerPlace)
    case refused(String)
}

extension Wire {
    /// Stamp and padding, so that a delivered frame has the planned size. It ends in `end`.
    static func payload(_ plan: LoadPlan, end: [UInt8] = []) -> [UInt8] {
        let room = max(0, plan.size - overhead(plan) - end.count)
        return Stamp.mark + [UInt8](repeating: UInt8(ascii: "0"), count: 32)
            + [UInt8](repeating: UInt8(ascii: "."), count: room) + end
    }

    static var atOnce: Int { 512 }

    /// The least size of a delivered frame.
    static func sizeMin(_ plan: LoadPlan) -> Int { overhead(plan) }

    /// Up to the first newline.
    func line(_ bytes: UnsafeRawBufferPointer) -> FrameEnd {
        bytes.firstIndex(of: 10).map { .after($0 + 1) } ?? .notYet
    }
}

enum Text {
    static func of(_ bytes: UnsafeRawBufferPointer) -> String {
        var text = String(decoding: bytes.prefix(300), as: UTF8.self)
        while let last = text.last, last.isNewline { text.removeLast() }
        return text
    }

    /// Hexadecimal, this many digits.
    static func hex(_ value: some BinaryInteger, _ digits: Int) -> String {
        let text = String(value, radix: 16)
        return String(repeating: "0", count: max(0, digits - text.count)) + text
    }
}
