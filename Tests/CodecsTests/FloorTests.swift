import Testing

@testable import Codecs

@Suite struct FloorTests {
    private func id(_ number: UInt64) -> ServerID { ServerID(startStamp: number, random: 7) }

    private func floor(_ seqs: (UInt64, UInt64)...) -> Floor {
        Floor(seqs.map { StreamPosition(origin: id($0.0), seq: $0.1) })
    }

    @Test func `a floor is in order, each origin once with its later position, and says 0 of others`() {
        let floor = floor((3, 1), (1, 5), (2, 0), (3, 4), (1, 2))
        #expect(floor.positions == [StreamPosition(origin: id(1), seq: 5), StreamPosition(origin: id(3), seq: 4)])
        #expect((1...4).map { floor[id($0)] } == [5, 0, 4, 0])
    }

    @Test func `no floor holds more than it may: of too many positions the first go, the spared ones last`() throws {
        let most = UInt64(Floor.positionsMax)
        let all = (1...2 * most).map { StreamPosition(origin: id($0), seq: $0) }
        var bytes: [UInt8] = []
        Floor(all + all).encode(into: &bytes)
        var reader = WireReader(bytes)
        #expect(try Floor(from: &reader).positions == Array(all.suffix(Floor.positionsMax)))
        let (some, leftOut) = Floor.limited(all) { $0.startStamp <= 3 }
        #expect(some.positions == Array(all.prefix(3) + all.suffix(Floor.positionsMax - 3)))
        #expect(leftOut == Floor.positionsMax)
        let (spared, sparedLeftOut) = Floor.limited(all) { $0.startStamp <= most + 1 }
        #expect(spared.positions == Array(all[1...Int(most)]))
        #expect(sparedLeftOut == Floor.positionsMax)
        #expect(Floor.limited(all.suffix(Floor.positionsMax)) { _ in false }.leftOut == 0)
    }

    @Test func `a floor is decoded as it was encoded`() throws {
        for floor in [floor(), floor((1, 5)), floor((1, 5), (9, .max))] {
            var bytes: [UInt8] = []
            floor.encode(into: &bytes)
            #expect(bytes.count == floor.size)
            var reader = WireReader(bytes)
            #expect(try Floor(from: &reader) == floor)
            try reader.finish()
        }
    }

    @Test func `a floor in another form than it is written in is refused`() {
        let positions = [(1, 5), (2, 0), (1, 1)] as [(UInt64, UInt64)]
        for first in positions {
            for second in positions {
                var bytes: [UInt8] = []
                bytes.appendInteger(UInt32(2))
                for (origin, seq) in [first, second] {
                    bytes.appendServerID(id(origin))
                    bytes.appendInteger(seq)
                }
                #expect(throws: FrameFault.self) {
                    var reader = WireReader(bytes)
                    _ = try Floor(from: &reader)
                }
            }
        }
    }

    @Test func `a floor that is too long or cut off is refused`() {
        var bytes: [UInt8] = []
        bytes.appendInteger(UInt32(Floor.positionsMax + 1))
        bytes += [UInt8](repeating: 0, count: 24 * (Floor.positionsMax + 1))
        #expect(throws: FrameFault.self) {
            var reader = WireReader(bytes)
            _ = try Floor(from: &reader)
        }
        #expect(throws: FrameFault.self) {
            var reader = WireReader([2, 0, 0, 0] + [UInt8](repeating: 0, count: 24))
            _ = try Floor(from: &reader)
        }
    }
}
