import Codecs
import Testing

@testable import Node

/// Indices of servers that come and go.
@Suite struct ServerTableTests {
    @Test(arguments: 1...8 as ClosedRange<UInt64>)
    func `whoever goes, all others are found where they were`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var table = ServerTable()
        var known: [(id: ServerID, index: Int)] = []
        for number in 0..<2000 as Range<UInt64> {
            // It grows to a hundred, then keeps about that size: the table stays nearly as full as it may be.
            if known.count < 100 || random.next() % 2 == 0 {
                let id = ServerID(startStamp: number, random: random.next())
                known.append((id, table.insert(id)))
            } else {
                let gone = known.remove(at: Int(random.next() % UInt64(known.count)))
                table.remove(gone.index)
                #expect(table.index(of: gone.id) == nil)
            }
            let isFound = known.allSatisfy { table.index(of: $0.id) == $0.index && table[$0.index] == $0.id }
            #expect(isFound && table.count == known.count)
        }
    }
}
