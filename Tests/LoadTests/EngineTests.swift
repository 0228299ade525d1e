// A worker without a server: one end of a socket pair is its connection, the test is at the other.

import Glibc
import Testing

@testable import Load

@Suite struct EngineTests {
    private static func plan(_ change: (inout LoadPlan) -> Void) -> LoadPlan {
        var plan = LoadPlan()
        plan.servers = [ServerPlace(host: "127.0.0.1", port: 1)]
        plan.wire = .nats
        plan.senders = 1
        plan.askedWorkers = 1
        change(&plan)
        plan.finish()
        return plan
    }

    /// Shared memory with nothing in it.
    private static func board(_ plan: LoadPlan) throws -> Board {
        let zero = open("/dev/zero", O_RDWR)
        defer { close(zero) }
        return try Board(fd: zero, plan: plan)
    }

    private static func connect(_ engine: borrowing Engine<NATSWire>, _ index: Int) -> Int32 {
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0 else { return -1 }
        engine.slots[index].fd = ends[0]
        engine.slots[index].stage = .live
        return ends[1]
    }

    /// What lies in a socket.
    private static func take(_ fd: Int32) -> [UInt8] {
        var bytes: [UInt8] = []
        var room = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(fd, &room, room.count, Int32(MSG_DONTWAIT))
            guard count > 0 else { return bytes }
            bytes += room[..<count]
        }
    }

    @Test func `an answer goes behind an activity of which the socket took a part`() throws {
        let count = 20_000
        let plan = Self.plan {
            $0.clients = 1
            $0.pace = .window(count)
        }
        var engine = Engine<NATSWire>(plan: plan, worker: 0, board: try Self.board(plan))
        let server = Self.connect(engine, 0)
        defer { close(server) }
        engine.now = 1
        engine.start = 1
        engine.planDue()
        engine.flush()
        let isStuck = !engine.senders[0].unsent.isEmpty
        try #require(isStuck)
        Array("PING\r\n".utf8).withUnsafeBytes { engine.react(0, to: $0) }
        var stream: [UInt8] = []
        while true {
            let more = Self.take(server)
            if more.isEmpty { break }
            stream += more
            engine.writable(0)
            engine.flush()
        }
        let size = engine.senders[0].messageSize
        let pong = Array("PONG\r\n".utf8)
        let place = try #require(stream.firstRange(of: pong))
        #expect(place.lowerBound % size == 0)
        stream.removeSubrange(place)
        #expect(stream.firstRange(of: pong) == nil)
        #expect(stream.count == count * size)
        for start in stride(from: 0, to: stream.count, by: size) {
            guard stream[start...].starts(with: "PUB load ".utf8) else {
                Issue.record("no activity begins at \(start)")
                break
            }
        }
    }

    @Test func `who is to stall is not counted, whenever it does`() throws {
        let plan = Self.plan {
            $0.clients = 2
            $0.slow = 1
        }
        var engine = Engine<NATSWire>(plan: plan, worker: 0, board: try Self.board(plan))
        let servers = [Self.connect(engine, 0), Self.connect(engine, 1)]
        defer { for fd in servers { close(fd) } }
        let message = engine.wire.message(0)
        var frame = Array("MSG load 1 ".utf8) + message.dropFirst("PUB load ".utf8.count)
        frame.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress,
                let mark = Engine<NATSWire>.markOffset(in: UnsafeRawBufferPointer(bytes))
            else { return }
            Stamp(sender: 0, number: 1, planned: 1).write(to: base + mark)
        }
        for (index, server) in servers.enumerated() {
            #expect(send(server, frame, frame.count, 0) == frame.count)
            engine.readable(index)
        }
        let counts = [Counter.delivered, .doubled, .lost, .malformed, .cutOff].map { engine.counters[$0.rawValue] }
        #expect(counts == [1, 0, 0, 0, 0])
    }

    @Test func `what was not taken whole goes over the next connection, without answers`() {
        var unsent = Unsent()
        unsent.keep([1, 2, 3, 4, 5, 6], taken: 2)
        let first = unsent.append([7, 8])
        #expect(first)
        #expect(Array(unsent.left) == [3, 4, 5, 6, 7, 8])
        unsent.took(2)
        unsent.rewind(activitySize: 3)
        #expect(Array(unsent.left) == [4, 5, 6])
        unsent.took(3)
        #expect(unsent.isEmpty)

        unsent.keep([1, 2, 3], taken: 0)
        let second = unsent.append([7, 8])
        #expect(second)
        unsent.took(4)
        unsent.rewind(activitySize: 3)
        #expect(unsent.isEmpty)
    }
}
