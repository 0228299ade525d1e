/// Redis: publish and subscribe on one channel. RESP3, in which a subscriber may publish as well.
struct RedisWire: Wire {
    static let echoes = true
    static let sizeMax = LoadPlan.sizeMax
    /// The backlog is 511.
    static let atOnce = 256

    private let payload: [UInt8]

    init(_ plan: LoadPlan) { payload = Self.payload(plan) }

    private static let head = ">3\r\n$7\r\nmessage\r\n$4\r\nload\r\n$"

    static func overhead(_ plan: LoadPlan) -> Int {
        let fixed = head.utf8.count + 2 + Stamp.size + 2
        let digits = (1...7).first { "\(plan.size - fixed - $0 + Stamp.size)".utf8.count <= $0 } ?? 7
        return fixed + digits
    }

    func greeting(_ client: Int, step: UInt8) -> [UInt8] { Array("HELLO 3\r\nSUBSCRIBE load\r\n".utf8) }

    func message(_ client: Int) -> [UInt8] {
        Array("*3\r\n$7\r\nPUBLISH\r\n$4\r\nload\r\n$\(payload.count)\r\n".utf8) + payload + Array("\r\n".utf8)
    }

    func frame(_ bytes: UnsafeRawBufferPointer) -> FrameEnd {
        var at = 0
        var values = 1
        while values > 0 {
            guard case .after(let length) = line(UnsafeRawBufferPointer(rebasing: bytes[at...])), length >= 3 else {
                return bytes.count > at + LoadPlan.sizeMax ? .malformed : .notYet
            }
            let count = Int(String(decoding: bytes[(at + 1)..<(at + length - 2)], as: UTF8.self))
            let kind = bytes[at]
            at += length
            values -= 1
            switch kind {
            case UInt8(ascii: "$"):
                guard let count, count <= LoadPlan.sizeMax * 2 else { return .malformed }
                if count >= 0 { at += count + 2 }
            case UInt8(ascii: "*"), UInt8(ascii: ">"), UInt8(ascii: "~"), UInt8(ascii: "%"):
                guard let count, count <= 1000 else { return .malformed }
                values += max(0, kind == UInt8(ascii: "%") ? 2 * count : count)
            default: break
            }
            if at > bytes.count { return .notYet }
        }
        return .after(at)
    }

    func react(to frame: UnsafeRawBufferPointer, client: Int, step: inout UInt8) -> Reaction {
        if frame.first == UInt8(ascii: "-") { return .refused(Text.of(frame)) }
        return frame.starts(with: ">3\r\n$9\r\nsubscribe".utf8) ? .ready : .none
    }
}
