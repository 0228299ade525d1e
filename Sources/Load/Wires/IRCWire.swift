/// IRC: one channel. A server does not send a message back to its sender.
struct IRCWire: Wire {
    static let echoes = false
    /// A line has at most 512 bytes.
    static let sizeMax = 512
    /// InspIRCd's backlog is 128.
    static let atOnce = 64

    private let payload: [UInt8]

    init(_ plan: LoadPlan) { payload = Self.payload(plan) }

    /// The sender's host is the server's choice; this is the usual one. The size is exact only with it.
    static func overhead(_ plan: LoadPlan) -> Int {
        ":\(name(0))!load@127.0.0.1 PRIVMSG #load :\r\n".utf8.count + Stamp.size
    }

    private static func name(_ client: Int) -> String { "p\(Text.hex(client, 6))" }

    func greeting(_ client: Int, step: UInt8) -> [UInt8] {
        Array("NICK \(Self.name(client))\r\nUSER load 0 * :load\r\n".utf8)
    }

    func message(_ client: Int) -> [UInt8] { Array("PRIVMSG #load :".utf8) + payload + Array("\r\n".utf8) }

    func frame(_ bytes: UnsafeRawBufferPointer) -> FrameEnd { line(bytes) }

    func react(to frame: UnsafeRawBufferPointer, client: Int, step: inout UInt8) -> Reaction {
        let words = Text.of(frame).split(separator: " ")
        if words.first == "PING" { return .answer(Array("PONG \(words.dropFirst().joined(separator: " "))\r\n".utf8)) }
        if words.first == "ERROR" { return .refused(Text.of(frame)) }
        guard words.count > 1 else { return .none }
        switch words[1] {
        case "001": return .answer(Array("JOIN #load\r\n".utf8))
        // The end of the list of names: the channel is joined.
        case "366": return .ready
        case "433", "437", "465", "471", "473", "474", "475", "404", "432": return .refused(Text.of(frame))
        default: return .none
        }
    }
}
