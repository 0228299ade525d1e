import CEpollShim
import Glibc
import Testing

@testable import Reactor

@Suite struct ListeningTests {
    @Test func standsStillWithoutDescriptors() throws {
        let harness = try Harness()
        harness.reactor.injectedAcceptFailure = EMFILE
        _ = try harness.reactor.listen(on: .loopback(port: 0))
        let address = try #require(harness.localAddress)
        let peer = try Peer(connectingTo: address)
        try harness.until { harness.reactor.statistics.acceptPausesNoDescriptors == 4 }
        // Pauses of 10, 20, 40 ms; a listener that spun would take thousands of turns for that.
        #expect(harness.reactor.statistics.turns < 200)
        #expect(harness.reactor.listeners[0].pauseMilliseconds == 80)
        harness.reactor.injectedAcceptFailure = 0
        try harness.until { harness.handler.accepted.count == 1 }
        #expect(harness.reactor.listeners[0].pauseMilliseconds == 0)
        withExtendedLifetime(peer) {}
    }

    @Test func standsStillWithoutSlotsUntilOneIsFree() throws {
        let harness = try Harness {
            $0.capacity = 2
            $0.acceptPauseMilliseconds = 1_000
        }
        let (first, _) = try harness.tcp()
        harness.handler.onReceived = { _, bytes, _, _ in bytes.count }
        let (_, second) = try harness.tcp()
        let address = try #require(harness.localAddress)
        let third = try Peer(connectingTo: address)
        try harness.until { harness.reactor.statistics.acceptPausesNoSlots == 1 }
        let before = SystemClock.monotonicNanoseconds
        harness.reactor.close(first, .shutdown)
        try harness.until { harness.handler.accepted.count == 3 }
        // It does not wait for the pause to pass.
        #expect(SystemClock.monotonicNanoseconds - before < 900_000_000)
        withExtendedLifetime((second, third)) {}
    }

    @Test func acceptsWithinABudget() throws {
        let harness = try Harness { $0.acceptBudget = 3 }
        _ = try harness.reactor.listen(on: .loopback(port: 0))
        let address = try #require(harness.localAddress)
        let peers = try (0..<7).map { _ in try Peer(connectingTo: address) }
        try harness.turn(1_000)
        #expect(harness.handler.accepted.count == 3)
        try harness.turn(1_000)
        try harness.turn(1_000)
        #expect(harness.handler.accepted.count == 7)
        #expect(harness.handler.peers.allSatisfy { $0.isLoopback && $0.port != 0 })
        withExtendedLifetime(peers) {}
    }

    @Test func saysClearlyThatAPortIsTaken() throws {
        let harness = try Harness()
        _ = try harness.reactor.listen(on: .loopback(port: 0))
        let address = try #require(harness.localAddress)
        let error = #expect(throws: SystemError.self) { try harness.reactor.listen(on: address) }
        #expect(error?.description == "bind \(address): Address already in use")
        #expect(error?.code == EADDRINUSE)
    }

    @Test func theUnspecifiedAddressTakesBothFamilies() throws {
        let harness = try Harness()
        let any = try #require(SocketAddress(ip: "::", port: 0))
        _ = try harness.reactor.listen(on: any)
        let port = try #require(harness.localAddress).port
        let four = try Peer(connectingTo: .loopback(port: port))
        let six = try Peer(connectingTo: #require(SocketAddress(ip: "::1", port: port)))
        try harness.until { harness.handler.accepted.count == 2 }
        #expect(Set(harness.handler.peers.map(\.ip)) == ["127.0.0.1", "::1"])
        withExtendedLifetime((four, six)) {}
    }

    /// A client that answers nothing is given up after 120 + 5 x 30 seconds, and not while a laptop sleeps for a minute.
    @Test func aSilentConnectionIsGivenUpAfterMinutes() throws {
        let harness = try Harness()
        let (id, peer) = try harness.tcp()
        func option(_ name: Int32) -> Int32 {
            var (value, size) = (Int32(0), socklen_t(MemoryLayout<Int32>.size))
            getsockopt(harness.reactor.connections[Int(id.slot)].fd, Int32(IPPROTO_TCP), name, &value, &size)
            return value
        }
        #expect([option(TCP_KEEPIDLE), option(TCP_KEEPINTVL), option(TCP_KEEPCNT)] == [120, 30, 5])
        withExtendedLifetime(peer) {}
    }

    @Test func dials() throws {
        let harness = try Harness()
        _ = try harness.reactor.listen(on: .loopback(port: 0))
        let address = try #require(harness.localAddress)
        let id = try harness.reactor.dial(address, deadlineMilliseconds: 5_000)
        harness.reactor.send(id, Array("hello\n".utf8))
        try harness.until { harness.handler.input.values.contains(Array("hello\n".utf8)) }
        let peer = harness.reactor.peerAddress(of: id)
        #expect(peer == address)
        #expect(harness.handler.events.contains(.connected(id)))
        #expect(harness.reactor.statistics.connected == 1)
    }

    @Test func tellsThatADialWasRefused() throws {
        let harness = try Harness()
        let listener = try harness.reactor.listen(on: .loopback(port: 0))
        let address = try #require(harness.localAddress)
        harness.reactor.closeListener(listener)
        let id = try harness.reactor.dial(address, deadlineMilliseconds: 5_000)
        try harness.until { harness.handler.closed[id] != nil }
        #expect(harness.handler.events == [.closed(id, .dialRefused)])
    }

    @Test func aDialThatFailsAtOnceIsToldOnceATurn() throws {
        let harness = try Harness()
        let nowhere = SocketAddress(ipBytes: [255, 255, 255, 255], port: 1)!
        harness.handler.onClosed = { _, reactor in _ = try? reactor.dial(nowhere, deadlineMilliseconds: 1_000) }
        _ = try harness.reactor.dial(nowhere, deadlineMilliseconds: 1_000)
        for turn in 1...5 {
            try harness.turn(-1)
            #expect(harness.handler.closed.count == turn)
        }
        #expect(harness.handler.closed.values.allSatisfy { $0 == .dialFailed })
    }

    @Test func errorsOfDialsAreToldApart() {
        #expect(SystemErrno.dialReason(ECONNREFUSED) == .dialRefused)
        #expect(SystemErrno.dialReason(ETIMEDOUT) == .dialTimedOut)
        #expect(SystemErrno.dialReason(ENETUNREACH) == .dialFailed)
        #expect(SystemErrno.isOfOneAccept(ECONNABORTED) && !SystemErrno.isOfOneAccept(EMFILE))
        #expect(SystemErrno.isLost(ETIMEDOUT) && SystemErrno.isReset(EPIPE) && !SystemErrno.isReset(ETIMEDOUT))
    }

    @Test func aSlotFreedWhileATurnEndsIsUsedAtOnce() throws {
        let harness = try Harness {
            $0.capacity = 1
            $0.acceptPauseMilliseconds = 1_000
        }
        let (first, _) = try harness.tcp()
        let address = try #require(harness.localAddress)
        let second = try Peer(connectingTo: address)
        harness.handler.onTurnEnding = { $0.close(first, .shutdown) }
        let before = SystemClock.monotonicNanoseconds
        try harness.until { harness.handler.accepted.count == 2 }
        #expect(SystemClock.monotonicNanoseconds - before < 900_000_000)
        withExtendedLifetime(second) {}
    }

    @Test func givesUpADialAtItsDeadline() throws {
        // A listener with a full queue answers nobody.
        let silent = ces_tcp_socket(4)
        defer { _ = ces_close(silent) }
        var raw = SocketAddress.loopback(port: 0).raw
        try #require(ces_bind(silent, &raw) == 0 && ces_listen(silent, 0) == 0 && ces_local_address(silent, &raw) == 0)
        let address = try #require(SocketAddress(raw))
        let harness = try Harness()
        let ids = try (0..<4).map { _ in try harness.reactor.dial(address, deadlineMilliseconds: 50) }
        try harness.until { !harness.handler.closed.isEmpty }
        #expect(harness.handler.closed.values.allSatisfy { $0 == .dialTimedOut })
        #expect(ids.contains { harness.handler.closed[$0] != nil })
    }

    @Test func refusesADialWithoutASlot() throws {
        let harness = try Harness { $0.capacity = 1 }
        let (_, peer) = try harness.pair()
        #expect(throws: SystemError.self) {
            try harness.reactor.dial(.loopback(port: 1), deadlineMilliseconds: 1)
        }
        withExtendedLifetime(peer) {}
    }
}
