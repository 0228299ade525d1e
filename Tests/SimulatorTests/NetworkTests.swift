import Testing

@testable import Simulator

/// The simulated network by itself: streams stay streams, whatever jitter, cuts and closings do.
struct NetworkTests {
    /// A network with one connection, dialled by server 0 to server 1, and what arrived at each end.
    private struct Wire {
        var network: Network
        var queue = EventQueue()
        var now: UInt64 = 0
        var connection = 0
        var arrived: [Side: [UInt8]] = [.dialler: [], .acceptor: []]
        var segments = 0
        var others: [(Side, Delivery)] = []
        var log: [String] = []

        init(seed: UInt64, changing change: (inout WorldOptions) -> Void = { _ in }) {
            var options = WorldOptions(seed: seed)
            change(&options)
            network = Network(options: options)
            network.dial(from: .server(0), life: 1, to: 1, tag: 7, at: 0, in: &queue)
            run()
        }

        /// Carries out all events.
        mutating func run(upTo limit: UInt64 = .max - 1) {
            while let (time, event) = queue.next(upTo: limit) {
                now = time
                switch event {
                case .dialReaches(let dial): _ = network.reach(dial, isListening: true, at: now, in: &queue)
                case .arrival(let connection, let side): arrive(connection, side)
                default: break
                }
            }
        }

        private mutating func arrive(_ connection: Int, _ side: Side) {
            guard let delivery = network.arrive(connection, at: side, at: now, in: &queue) else { return }
            log.append("\(now) \(side) \(delivery)")
            segments += 1
            if case .bytes(let bytes) = delivery {
                arrived[side]?.append(contentsOf: bytes)
            } else {
                others.append((side, delivery))
            }
        }

        mutating func send(_ bytes: [UInt8], from side: Side) {
            network.send(bytes, on: connection, from: side, at: now, in: &queue)
        }
    }

    private static func bytes(_ count: Int, from start: Int) -> [UInt8] {
        (start..<start + count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>) func bytesArriveInOrderAndComplete(seed: UInt64) {
        var wire = Wire(seed: seed) { $0.jitterPermille = 1000 }
        var sent: [Side: [UInt8]] = [.dialler: [], .acceptor: []]
        for round in 0..<200 {
            for side in [Side.dialler, .acceptor] {
                let bytes = Self.bytes(1 + round % 50, from: round * 64)
                wire.send(bytes, from: side)
                sent[side]?.append(contentsOf: bytes)
            }
            wire.now += 1_000_000
        }
        wire.run()
        #expect(wire.arrived[.acceptor] == sent[.dialler])
        #expect(wire.arrived[.dialler] == sent[.acceptor])
        #expect(wire.segments > 420, "what is written at once is cut somewhere else as well")
    }

    @Test func oneSeedGivesOneRun() {
        func log(seed: UInt64) -> [String] {
            var wire = Wire(seed: seed)
            for round in 0..<100 { wire.send(Self.bytes(40, from: round), from: .dialler) }
            wire.run()
            return wire.log
        }
        #expect(log(seed: 5) == log(seed: 5))
        #expect(log(seed: 5) != log(seed: 6))
    }

    @Test func latencyStaysInItsRange() {
        for seed in 1...100 as ClosedRange<UInt64> {
            var wire = Wire(seed: seed) {
                $0.latencyMilliseconds = 20...30
                $0.jitterPermille = 500
            }
            wire.now += 100_000_000
            let start = wire.now
            wire.send([1], from: .dialler)
            wire.run()
            #expect((20_000_000...45_000_000).contains(wire.now - start))
        }
    }

    @Test func endComesAfterTheLastByte() {
        var wire = Wire(seed: 3)
        wire.send(Self.bytes(1000, from: 0), from: .dialler)
        wire.network.shutDown(0, from: .dialler, at: wire.now, in: &wire.queue)
        wire.send([9], from: .dialler)
        wire.run()
        #expect(wire.arrived[.acceptor]?.count == 1000)
        #expect(wire.others.map(\.1) == [.end])
        wire.send([1, 2], from: .acceptor)
        wire.run()
        #expect(wire.arrived[.dialler] == [1, 2], "a connection closes half by half")
    }

    @Test func bytesForAClosedEndAreAnsweredByAReset() {
        var wire = Wire(seed: 3)
        wire.network.close(0, from: .acceptor, at: wire.now, in: &wire.queue)
        wire.run()
        wire.send([1], from: .dialler)
        wire.run()
        #expect(wire.arrived[.acceptor] == [])
        #expect(wire.others.map(\.1) == [.end, .reset])
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>) func healingReordersNothing(seed: UInt64) {
        var wire = Wire(seed: seed)
        let sent = Self.bytes(3000, from: 0)
        for start in stride(from: 0, to: 1000, by: 50) { wire.send(Array(sent[start..<start + 50]), from: .dialler) }
        wire.run(upTo: wire.now + 40_000_000)
        wire.network.cut(from: 0, to: 1)
        for start in stride(from: 1000, to: 2000, by: 50) { wire.send(Array(sent[start..<start + 50]), from: .dialler) }
        let before = wire.arrived[.acceptor]?.count
        wire.run()
        #expect(wire.arrived[.acceptor]?.count == before)
        wire.network.heal(from: 0, to: 1, at: wire.now, in: &wire.queue)
        for start in stride(from: 2000, to: 3000, by: 50) { wire.send(Array(sent[start..<start + 50]), from: .dialler) }
        wire.run()
        #expect(wire.arrived[.acceptor] == sent)
    }

    @Test func anAbruptCutLosesWhatIsUnderWayAndTellsBothEnds() {
        var wire = Wire(seed: 4)
        wire.send(Self.bytes(1000, from: 0), from: .dialler)
        wire.network.breakConnections(0, 1, at: wire.now, in: &wire.queue)
        wire.send([1], from: .acceptor)
        wire.run()
        #expect(wire.arrived[.acceptor] == [] && wire.arrived[.dialler] == [])
        #expect(wire.others.count == 2 && wire.others.allSatisfy { $0.1 == .reset })
    }

    @Test func dialsFailAsTheyShould() {
        var network = Network(options: WorldOptions(seed: 1))
        var queue = EventQueue()
        network.dial(from: .server(0), life: 1, to: 1, tag: 1, at: 0, in: &queue)
        #expect(network.reach(0, isListening: false, at: 50_000_000, in: &queue) == nil)
        #expect(network.dials[0].outcome == .refused)
        network.cut(from: 0, to: 1)
        network.dial(from: .server(0), life: 1, to: 1, tag: 2, at: 0, in: &queue)
        #expect(network.reach(1, isListening: true, at: 500_000_000, in: &queue) == nil)
        #expect(network.dials[1].outcome == .timedOut)
        network.dial(from: .server(2), life: 1, to: 1, tag: 3, at: 0, in: &queue)
        #expect(network.reach(2, isListening: true, at: 50_000_000, in: &queue) == 0)
    }
}
