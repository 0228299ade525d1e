import CEpollShim
import Glibc
import Testing

@testable import Reactor

@Suite struct InputTests {
    @Test func answersAPeerThatHasEndedItsStream() throws {
        let harness = try Harness()
        let (id, peer) = try harness.tcp()
        harness.handler.onReceived = { id, bytes, atEnd, reactor in
            if atEnd {
                reactor.send(id, Array("goodbye\n".utf8))
                reactor.finish(id, .peerEnded, lingerMilliseconds: 5_000, keepReading: false)
            }
            return bytes.count
        }
        try peer.write("hello\n")
        peer.shutdownWrite()
        try harness.until { harness.handler.closed[id] != nil }
        #expect(harness.handler.closed[id] == .peerEnded)
        #expect(peer.read() == Array("goodbye\n".utf8))
        #expect(peer.readOutcome() == 0)
        let ends = harness.handler.events.filter { if case .received(_, _, _, true) = $0 { true } else { false } }
        #expect(ends.count == 1)
        #expect(harness.handler.input[id] == Array("hello\n".utf8))
    }

    @Test func tellsAReset() throws {
        let harness = try Harness()
        let (id, peer) = try harness.tcp()
        peer.reset()
        try harness.until { harness.handler.closed[id] != nil }
        #expect(harness.handler.closed[id] == .reset)
        #expect(harness.reactor.statistics.closed(.reset) == 1)
        #expect(harness.reactor.statistics.open == 0)
    }

    @Test func dropsStaleEvents() throws {
        let harness = try Harness()
        let pairs = try (0..<4).map { _ in try harness.pair() }
        for (_, peer) in pairs { try peer.write("x\n") }
        let ids = pairs.map(\.id)
        harness.handler.onReceived = { id, bytes, _, reactor in
            for other in ids where other != id { reactor.close(other, .shutdown) }
            return bytes.count
        }
        try harness.turn()
        #expect(harness.reactor.statistics.staleEvents == 3)
        #expect(harness.handler.closed.count == 3)
        #expect(harness.handler.input.count == 1)
        // The slots are used again under new names; the old ones mean nothing any more.
        let (next, _) = try harness.pair()
        #expect(!ids.contains(next))
        for id in ids where harness.handler.input[id] == nil {
            #expect(!harness.isOpen(id))
            harness.reactor.close(id, .shutdown)
        }
        #expect(harness.isOpen(next))
    }

    @Test func readsWithinABudget() throws {
        let harness = try Harness { $0.readBudget = 1_024 }
        let (busy, flood) = try harness.pair()
        let (quiet, peer) = try harness.pair()
        try flood.write([UInt8](repeating: 0x61, count: 10_000))
        try peer.write("short\n")
        try harness.turn()
        #expect(harness.handler.shown.allSatisfy { $0 <= 1_024 })
        #expect(harness.handler.input[busy]?.count == 1_024)
        #expect(harness.handler.input[quiet]?.count == 6)
        try harness.until { harness.handler.input[busy]?.count == 10_000 }
        #expect(harness.reactor.statistics.receives == 11)
    }

    @Test func keepsPartialInputAndSaysWhatWasSeen() throws {
        let harness = try Harness()
        let (id, peer) = try harness.pair()
        harness.handler.onReceived = { _, bytes, _, _ in (bytes.lastIndex(of: 0x0A) ?? -1) + 1 }
        try peer.write("one\ntw")
        try harness.turn()
        try peer.write("o")
        try harness.turn()
        try peer.write("\nthree")
        try harness.turn()
        peer.shutdownWrite()
        try harness.turn()
        #expect(
            harness.handler.events == [
                .received(id, "one\ntw", seen: 0, atEnd: false),
                .received(id, "two", seen: 2, atEnd: false),
                .received(id, "two\nthree", seen: 3, atEnd: false),
                .received(id, "three", seen: 5, atEnd: true),
            ])
        // An ended stream that nobody closes does not turn the loop.
        #expect(harness.reactor.connections[Int(id.slot)].interest == 0)
        #expect(harness.reactor.connections[Int(id.slot)].input.isEmpty)
    }

    @Test func tellsOfAResetWhilePaused() throws {
        let harness = try Harness()
        let (id, peer) = try harness.tcp()
        harness.handler.onReceived = { id, bytes, _, reactor in
            reactor.pauseReading(id)
            return bytes.count
        }
        try peer.write("one")
        try harness.until { harness.handler.input[id] != nil }
        peer.reset()
        try harness.until { harness.handler.events.last == .hungUp(id) }
        let count = harness.handler.events.count
        try harness.turn(50)
        #expect(harness.handler.events.count == count && harness.isOpen(id), "told once, and left to the handler")
    }

    @Test func closesWhoSendsAnEndlessLine() throws {
        let harness = try Harness { $0.readBudget = 300 }
        let (id, peer) = try harness.pair()
        harness.reactor.setInputLimit(id, bytes: 1_000)
        harness.handler.onReceived = { _, _, _, _ in 0 }
        try peer.write([UInt8](repeating: 0x61, count: 5_000))
        try harness.until { harness.handler.closed[id] != nil }
        #expect(harness.handler.closed[id] == .inputOverflow)
        #expect(harness.handler.shown == [300, 600, 900, 1_200])
    }

    @Test func showsLeftoverAgainAfterAPause() throws {
        let harness = try Harness()
        let (id, peer) = try harness.pair()
        harness.handler.onReceived = { id, bytes, _, reactor in
            reactor.pauseReading(id)
            return (bytes.firstIndex(of: 0x0A) ?? -1) + 1
        }
        try peer.write("1\n2\n3\n")
        try harness.turn()
        try peer.write("4\n")
        try harness.turn()
        #expect(harness.handler.events == [.received(id, "1\n2\n3\n", seen: 0, atEnd: false)])
        harness.reactor.resumeReading(id)
        try harness.turn()
        #expect(harness.handler.events.last == .received(id, "2\n3\n4\n", seen: 0, atEnd: false))
        harness.handler.onReceived = { _, bytes, _, _ in bytes.count }
        harness.reactor.resumeReading(id)
        try harness.until { harness.handler.input[id]?.count == 8 }
        #expect(harness.handler.input[id] == Array("1\n2\n3\n4\n".utf8))
        #expect(harness.handler.closed.isEmpty)
    }

    @Test func pauseAndResumeWithinACallYieldsToOthers() throws {
        let harness = try Harness()
        let (id, peer) = try harness.pair()
        harness.handler.onReceived = { id, bytes, _, reactor in
            reactor.pauseReading(id)
            reactor.resumeReading(id)
            return (bytes.firstIndex(of: 0x0A) ?? -1) + 1
        }
        try peer.write("1\n2\n")
        try harness.turn()
        try harness.turn()
        try harness.turn()
        #expect(
            harness.handler.events == [
                .received(id, "1\n2\n", seen: 0, atEnd: false), .received(id, "2\n", seen: 0, atEnd: false),
            ])
    }

    @Test func aHandlerThatTakesAllAndPausesAtTheEndIsShownItAgain() throws {
        let harness = try Harness()
        let (id, peer) = try harness.tcp()
        var isFirst = true
        harness.handler.onReceived = { id, bytes, atEnd, reactor in
            if atEnd, isFirst {
                isFirst = false
                reactor.pauseReading(id)
                return bytes.count
            }
            return atEnd ? bytes.count : 0
        }
        try peer.write("last")
        peer.shutdownWrite()
        try harness.until { !isFirst }
        harness.reactor.resumeReading(id)
        let end = Recorder.Event.received(id, "", seen: 0, atEnd: true)
        try harness.until { harness.handler.events.contains(end) }
        try harness.turn()
        #expect(harness.handler.events.count { $0 == end } == 1)
    }

    @Test func aPausedConnectionThatHangsUpDoesNotSpin() throws {
        let harness = try Harness()
        let (id, peer) = try harness.tcp()
        harness.reactor.pauseReading(id)
        try peer.write("last\n")
        peer.reset()
        try harness.until { harness.flags(id).contains(.unpolled) }
        #expect(harness.handler.closed.isEmpty)
        harness.reactor.resumeReading(id)
        try harness.until { harness.handler.closed[id] != nil }
        #expect(harness.handler.closed[id] == .reset)
    }

    @Test func hearsWhatAPeerSentBeforeItDied() throws {
        let harness = try Harness()
        let (id, peer) = try harness.tcp()
        harness.reactor.pauseReading(id)
        harness.reactor.send(id, Array("unread\n".utf8))
        try harness.turn()
        try peer.wait(POLLIN)
        try peer.write("last\n")
        // Closing with unread input is a reset.
        peer.close()
        harness.reactor.send(id, Array("more\n".utf8))
        try harness.until { harness.flags(id).contains(.writeDead) || harness.flags(id).contains(.unpolled) }
        harness.reactor.send(id, Array("and more\n".utf8))
        try harness.turn()
        #expect(harness.flags(id).contains(.writeDead))
        #expect(harness.handler.closed.isEmpty)
        harness.reactor.resumeReading(id)
        try harness.until { harness.handler.closed[id] != nil }
        #expect(harness.handler.input[id] == Array("last\n".utf8))
        #expect(harness.handler.closed[id] == .reset)
    }
}
