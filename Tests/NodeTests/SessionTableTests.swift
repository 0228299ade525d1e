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

    /// Beside the reactor's, this is what a session takes: each byte is there ten thousands of times.
    @Test func `a session takes little memory`() {
        #expect(MemoryLayout<SessionTable.Session>.stride == 32)
        #expect(MemoryLayout<SessionTable.Login>.stride == 24)
        #expect(MemoryLayout<SessionTable.User>.stride == 48)
    }

    @Test func `addresses are kept in short and told in full`() {
        let addresses: [[UInt8]] = [
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 127, 0, 0, 9],
            [0x20, 1, 0xD, 0xB8, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 192, 0, 2, 1],
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        ]
        var table = SessionTable(expected: 0)
        for (slot, address) in addresses.enumerated() {
            table.open(SessionID(slot: UInt32(slot), generation: 1), address: address)
        }
        #expect(addresses.indices.map { table.address(of: $0) } == addresses)
        #expect(addresses.indices.map { table.isOfThisHost($0) } == [true, false, false, true])
        #expect(table.network(of: 1) == 0x2001_0DB8_0001_0203)
        // The slot of an IPv6 client is taken by one that comes by IPv4.
        table.close(1)
        table.open(SessionID(slot: 1, generation: 2), address: addresses[2])
        #expect(table.address(of: 1) == addresses[2])
    }

    @Test func `what a session was sent is known when it gets a name, and when it gets another one`() {
        var table = SessionTable(expected: 0)
        let claims = (1...2).map { ClaimID(stamp: $0, origin: ServerID(startStamp: 9, random: 9), counter: 1) }
        table.open(SessionID(slot: 0, generation: 1), address: [UInt8](repeating: 0, count: 16))
        table.addPrivate(30, to: 0)
        let first = table.userIndex(name: [0x61], claim: claims[0], verifier: [])
        table.setUser(first, of: 0)
        table.follow(0, from: 500)
        table.setNumber(7, of: 0)
        table.addPrivate(5, to: 0)
        #expect(table.privateBytes(of: 0) == 35 && table.followedFrom(of: 0) == 500 && table.numberedCount == 1)
        // The other user is owed nothing from before: all counts as private that was sent by then.
        let second = table.userIndex(name: [0x62], claim: claims[1], verifier: [])
        table.setUser(second, of: 0)
        #expect(table.number(of: 0) == 0 && table.numberedCount == 0)
        table.setFollowedFrom(540, of: 0)
        #expect(table.privateBytes(of: 0) == 75)
        // An anonymous one that stops to follow and goes on later has been sent what was between.
        table.setUser(SessionTable.anonymous, of: 0)
        table.unfollow(0, at: 560)
        table.follow(0, from: 900)
        let again = table.userIndex(name: [0x61], claim: claims[0], verifier: [])
        table.setUser(again, of: 0)
        table.setFollowedFrom(910, of: 0)
        #expect(table.privateBytes(of: 0) == 105)
    }
}
