// What each protocol's frames look like.

import Testing

@testable import Load

@Suite struct WireTests {
    private func plan(_ size: Int, registers: Bool = false) -> LoadPlan {
        var plan = LoadPlan()
        plan.size = size
        plan.registers = registers
        plan.clients = 10
        return plan
    }

    private let sizes = [128, 129, 150, 199, 200, 999, 1000, 1001, 1024, 9_999, 10_100, 65_536]

    /// A wire finds the frame's end only when all of it is there, and the stamp in it.
    private func expectFrame<W: Wire>(_ wire: W, _ frame: [UInt8], followedBy next: [UInt8]) {
        let steps = Array(stride(from: 0, to: frame.count, by: max(1, frame.count / 150))) + [frame.count - 1]
        for count in steps {
            #expect(end(wire, Array(frame[..<count])) == .notYet, "\(count) of \(frame.count)")
        }
        #expect(end(wire, frame) == .after(frame.count))
        #expect(end(wire, frame + next) == .after(frame.count))
        #expect(frame.withUnsafeBytes { Engine<W>.markOffset(in: $0) } != nil)
        #expect(frame.last == 10)
    }

    private func end(_ wire: some Wire, _ bytes: [UInt8]) -> FrameEnd { bytes.withUnsafeBytes { wire.frame($0) } }

    /// What follows `word` in a message, up to what is dropped at its end.
    private func body(_ message: [UInt8], after word: String, dropping count: Int = 0) -> [UInt8] {
        guard let range = message.firstRange(of: Array(word.utf8)) else { return [] }
        return Array(message[range.upperBound...].dropLast(count))
    }

    @Test(arguments: [false, true]) func `pando's line has the planned size`(registers: Bool) {
        for size in sizes {
            let plan = plan(size, registers: registers)
            let wire = PandoWire(plan)
            let message = wire.message(3)
            let activity = body(message, after: #""activity":"#, dropping: 3)
            let name = body(message, after: #""username":""#).prefix { $0 != UInt8(ascii: "\"") }
            let line =
                Array(#"{"command":"ACTIVITY_BROADCAST","activity":"#.utf8) + activity
                + Array(#","authenticated_user":""#.utf8) + name + Array("\"}}\n".utf8)
            #expect(line.count == size)
            expectFrame(wire, line, followedBy: Array("{".utf8))
        }
    }

    @Test func `a NATS message has the planned size`() {
        for size in sizes {
            let wire = NATSWire(plan(size))
            let frame = Array("MSG load 1 ".utf8) + body(wire.message(3), after: "PUB load ")
            // Some sizes cannot be, where the length of the payload gets one more digit.
            #expect(abs(frame.count - size) <= 1)
            expectFrame(wire, frame, followedBy: Array("PING\r\n".utf8))
        }
        #expect(end(NATSWire(plan(128)), Array("PING\r\nMSG".utf8)) == .after(6))
    }

    @Test func `a Redis message has the planned size`() {
        for size in sizes {
            let wire = RedisWire(plan(size))
            let frame =
                Array(">3\r\n$7\r\nmessage\r\n$4\r\nload\r\n".utf8) + body(wire.message(3), after: "load\r\n")
            #expect(abs(frame.count - size) <= 1)
            expectFrame(wire, frame, followedBy: Array(":1\r\n".utf8))
        }
        let hello = Array("%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nmodules\r\n*0\r\n".utf8)
        #expect(end(RedisWire(plan(128)), hello + hello) == .after(hello.count))
    }

    @Test func `an MQTT packet has the planned size`() {
        for size in sizes + [130, 131, 16_386] {
            let wire = MQTTWire(plan(size))
            let frame = wire.message(3)
            #expect(abs(frame.count - size) <= 1)
            expectFrame(wire, frame, followedBy: [0x30, 2])
        }
        #expect(end(MQTTWire(plan(128)), [0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0]) == .malformed)
    }

    @Test func `an IRC line has the planned size with the usual host`() {
        for size in [128, 400, 512] {
            let wire = IRCWire(plan(size))
            let frame = Array(":p000003!load@127.0.0.1 ".utf8) + wire.message(3)
            #expect(frame.count == size)
            expectFrame(wire, frame, followedBy: Array(":".utf8))
        }
    }
}
