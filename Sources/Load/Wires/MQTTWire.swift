/// MQTT 3.1.1, QoS 0, one topic.
struct MQTTWire: Wire {
    static let echoes = true
    static let sizeMax = LoadPlan.sizeMax
    /// Mosquitto's backlog is 100.
    static let atOnce = 64

    private let plan: LoadPlan
    private let packet: [UInt8]

    init(_ plan: LoadPlan) {
        self.plan = plan
        let body = Self.text("load") + Self.payload(plan, end: [10])
        packet = [0x30] + Self.length(body.count) + body
    }

    /// A string with its length.
    private static func text(_ text: String) -> [UInt8] { [0, UInt8(text.utf8.count)] + Array(text.utf8) }

    /// The length of what follows, seven bits a byte.
    private static func length(_ count: Int) -> [UInt8] {
        var rest = count
        var bytes: [UInt8] = []
        repeat {
            bytes.append(UInt8(rest & 0x7F) | (rest > 0x7F ? 0x80 : 0))
            rest >>= 7
        } while rest > 0
        return bytes
    }

    /// A few sizes cannot be, where the length takes a byte more: then the frame is one byte larger.
    static func overhead(_ plan: LoadPlan) -> Int {
        let lengthBytes = (1...4).first { length(plan.size - 1 - $0).count <= $0 } ?? 4
        return 1 + lengthBytes + 6 + Stamp.size
    }

    static func sizeMin(_ plan: LoadPlan) -> Int { overhead(plan) + 1 }

    func greeting(_ client: Int, step: UInt8) -> [UInt8] {
        let name = Self.text("load\(Text.hex(plan.tag, 8))\(Text.hex(client, 5))")
        // A clean session, no time-out; then the subscription, packet 1, QoS 0.
        let connect = Self.text("MQTT") + [4, 2, 0, 0] + name
        let subscribe = [0, 1] + Self.text("load") + [0]
        return [0x10] + Self.length(connect.count) + connect + [0x82] + Self.length(subscribe.count) + subscribe
    }

    func message(_ client: Int) -> [UInt8] { packet }

    func frame(_ bytes: UnsafeRawBufferPointer) -> FrameEnd {
        var count = 0
        for index in 1..<5 {
            guard index < bytes.count else { return .notYet }
            count |= Int(bytes[index] & 0x7F) << (7 * (index - 1))
            guard bytes[index] & 0x80 != 0 else {
                guard count <= LoadPlan.sizeMax * 2 else { return .malformed }
                return bytes.count > index + count ? .after(index + 1 + count) : .notYet
            }
        }
        return .malformed
    }

    func react(to frame: UnsafeRawBufferPointer, client: Int, step: inout UInt8) -> Reaction {
        switch frame[0] >> 4 {
        case 2: frame.count > 3 && frame[3] == 0 ? .none : .refused("CONNACK \(frame.last ?? 0)")
        case 9: frame.last == 0x80 ? .refused("SUBACK 128") : .ready
        default: .none
        }
    }
}
