import Codecs
import Testing

@testable import Node

@Suite struct SessionTableTests {
    /// Users are found by a digest of their claims; these two have the same one.
    @Test func `users whose claims have equal digests are told apart`() {
        let claims = [(random: 8, counter: 1), (random: 7, counter: 2), (random: 6, counter: 3)].map { place in
            ClaimID(
                stamp: 5, origin: ServerID(startStamp: 9, random: UInt64(place.random)), counter: UInt32(place.counter))
        }
        var table = SessionTable(expected: 0)
        let names = ["a", "b", "c"].map { Array($0.utf8) }
        func index(_ user: Int) -> Int32 { table.userIndex(name: names[user], claim: claims[user], verifier: []) }
        let indices = (0..<3).map { index($0) }
        #expect(Set(indices).count == 3)
        #expect((0..<3).map { index($0) } == indices)
        for (slot, user) in indices.enumerated() {
            table.open(SessionID(slot: UInt32(slot), generation: 1), address: [UInt8](repeating: 0, count: 16))
            table.setUser(user, of: slot)
        }
        #expect(claims.map { table.slots(of: $0) } == [[0], [1], [2]])
        // The one that is found by the digest goes, and the others stay.
        table.close(0)
        #expect(claims.map { table.slots(of: $0) } == [[], [1], [2]])
        table.close(2)
        #expect(claims.map { table.slots(of: $0) } == [[], [1], []])
        let again = (0..<3).map { index($0) }
        #expect(again.map { table.users[Int($0)].name } == names)
    }
}
