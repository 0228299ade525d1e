/// NATS: publish and subscribe on one subject.
struct NATSWire: Wire {
    static let echoes = true
    static let sizeMax = LoadPlan.sizeMax

    private let payload: [UInt8]

    init(_ plan: LoadPlan) { payload = Self.payload(plan) }

    private static func head(_ payload: Int) -> String { "MSG load 1 \(payload)\r\n" }

    static func overhead(_ plan: LoadPlan) -> Int {
        // The payload's length stands in the frame: its digits count as well.
        let fixed = head(0).utf8.count - 1 + Stamp.size + 2
        let digits = (1...7).first { "\(plan.size - fixed - $0 + Stamp.size)".utf8.count <= $0 } ?? 7
        return fixed + digits
    }

    func greeting(_ client: Int, step: UInt8) -> [UInt8] {
        Array("CONNECT {\"verbose\":false,\"pedantic\":false,\"name\":\"pando-load\"}\r\nSUB load 1\r\nPING\r\n".utf8)
    }

    func message(_ client: Int) -> [UInt8] {
        Array("PUB load \(payload.count)\r\n".utf8) + payload + Array("\r\n".utf8)
    }

    func frame(_ bytes: UnsafeRawBufferPointer) -> FrameEnd {
        guard case .after(let end) = line(bytes) else { return .notYet }
        guard bytes.starts(with: "MSG ".utf8) else { return .after(end) }
        let length = bytes[..<end].dropLast(2).reversed().prefix { $0 != 32 }.reversed()
        guard let count = Int(String(decoding: length, as: UTF8.self)), count >= 0, count <= LoadPlan.sizeMax * 2
        else { return .malformed }
        return bytes.count >= end + count + 2 ? .after(end + count + 2) : .notYet
    }

    func react(to frame: UnsafeRawBufferPointer, client: Int, step: inout UInt8) -> Reaction {
        if frame.starts(with: "PONG".utf8) { return .ready }
        if frame.starts(with: "PING".utf8) { return .answer(Array("PONG\r\n".utf8)) }
        return frame.starts(with: "-ERR".utf8) ? .refused(Text.of(frame)) : .none
    }
}
