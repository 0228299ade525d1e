// A crowd that wishes the server ill, beside clients that do not: `benchmarks/hostile` on a small scale.

import Foundation
import Glibc
import Synchronization
import Testing

/// Connections that are slow, deaf or mad, on a thread of their own. Whoever is closed comes again.
private final class HostileCrowd: Sendable {
    private enum Kind: CaseIterable {
        /// Says a byte of its login now and then.
        case slowLogin
        /// Logs in, and does so with an activity.
        case slowLine
        case nonsense
        /// Logs in and never reads.
        case deaf
    }

    private struct Foe {
        let kind: Kind
        var fd: Int32 = -1
        var position = 0
        /// Steps until it comes, or comes again.
        var rest = 0
    }

    /// POLLRDHUP, which Swift does not see.
    private static let hungUp: Int16 = 0x2000

    private let isOver = Atomic(false)
    private let hasEnded = DispatchSemaphore(value: 0)

    /// - Parameter count: of each kind, and twice as many that do not log in.
    init(port: Int, count: Int) {
        let thread = Thread { [self] in
            run(port, (Kind.allCases + [.slowLogin]).flatMap { [Foe](repeating: Foe(kind: $0), count: count) })
            hasEnded.signal()
        }
        thread.start()
    }

    /// Every connection is closed when this returns.
    func end() {
        isOver.store(true, ordering: .relaxed)
        hasEnded.wait()
    }

    private func run(_ port: Int, _ crowd: [Foe]) {
        var foes = crowd
        var generator = SeededGenerator(seed: 19)
        // Not all in one moment: more than the crowd may be would push out whoever comes in that very moment.
        for index in foes.indices { foes[index].rest = .random(in: 0...100, using: &generator) }
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while !isOver.load(ordering: .relaxed) {
            for index in foes.indices {
                if foes[index].rest > 0 {
                    foes[index].rest -= 1
                } else if foes[index].fd < 0 {
                    guard let fd = try? Sockets.dial(host: "127.0.0.1", port: port, receiveBuffer: 4096) else {
                        continue
                    }
                    foes[index] = Foe(kind: foes[index].kind, fd: fd)
                } else {
                    step(&foes[index], &generator, &buffer)
                }
            }
            usleep(20_000)
        }
        for foe in foes where foe.fd >= 0 { Sockets.closeWithReset(foe.fd) }
    }

    private func step(_ foe: inout Foe, _ generator: inout SeededGenerator, _ buffer: inout [UInt8]) {
        let bytes = words(&foe, &generator)
        let sent = bytes.isEmpty ? 0 : send(foe.fd, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        // Not connected yet: what it says first is said again.
        if sent < 0, errno == ENOTCONN || errno == EAGAIN { foe.position = max(0, foe.position - 1) }
        if foe.kind == .deaf {
            var entry = pollfd(fd: foe.fd, events: Self.hungUp, revents: 0)
            guard poll(&entry, 1, 0) > 0 else { return }
        } else {
            let count = recv(foe.fd, &buffer, buffer.count, 0)
            guard count == 0 || (count < 0 && errno != EAGAIN && errno != ENOTCONN) else { return }
        }
        close(foe.fd)
        (foe.fd, foe.rest) = (-1, .random(in: 0...100, using: &generator))
    }

    private func words(_ foe: inout Foe, _ generator: inout SeededGenerator) -> [UInt8] {
        let login = Array(Line.login("anonymous", nil).utf8)
        defer { foe.position += 1 }
        switch foe.kind {
        case .nonsense:
            return (0..<Int.random(in: 1...2000, using: &generator)).map { _ in .random(in: 0...255, using: &generator)
            }
        case .slowLogin: return [foe.position < login.count - 1 ? login[foe.position] : 0x20]
        case .deaf: return foe.position == 0 ? login : []
        case .slowLine: return foe.position == 0 ? login : [foe.position == 1 ? UInt8(ascii: "{") : 0x20]
        }
    }
}

extension HeavyTests {
    @Suite(.timeLimit(.minutes(5))) struct HostileTests {
        @Test func aCrowdHarmsNobodyWhoMeansWell() throws {
            var options = ServerOptions()
            options.more = [
                "--unproven-connections", "80", "--first-byte-ms", "1000", "--login-ms", "2000", "--line-ms", "1000",
                "--write-stall-ms", "2000", "--linger-ms", "200",
            ]
            try withServer(options) { server in
                let crowd = HostileCrowd(port: server.port, count: 75)
                defer { crowd.end() }
                let swarm = ClientSwarm()
                // Fewer at a time than a crowd may be.
                for _ in 0..<8 { try swarm.fill([server.port], each: 25) }
                let reasons = ["crowdedOut", "loginTimedOut", "lineTimedOut", "invalidMessage", "writeTimedOut"]
                let deadline = Deadline(seconds: 60)
                var closed: [Int] = []
                var state = ""
                repeat {
                    guard !deadline.isOver else {
                        throw HarnessError("not all came about: \(reasons) \(closed) \(state)")
                    }
                    try swarm.exchange(senders: [0, 50, 100], each: 40, padding: 2000)
                    let statistics = try server.statistics()
                    closed = reasons.map { statistics.closed($0) }
                    state = statistics.json.description
                } while closed.contains(0)
                #expect(swarm.violations == [])
                #expect(swarm.loggedIn == 200)
                #expect(try server.statistics().json["reactor"]?["buffer_bytes"]?.integer ?? .max < 64 << 20)
            }
        }
    }
}
