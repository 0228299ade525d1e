// More than the activity log holds, at once: who is slow is closed, who only has an ordinary line is waited for.

import Glibc
import Testing

/// Readers at a pace of their own and senders that write as fast as they can, in one thread. Lines are only counted:
/// their order is the business of other tests.
private final class Rush {
    private struct Reader {
        var fd: Int32
        /// Bytes a second; nil is as fast as it goes.
        var rate: Double?
        var bytes = 0
        var lines = 0
        var hasEnded = false
    }

    private struct Sender {
        var fd: Int32
        var bytes: [UInt8]
        var position = 0
    }

    private var readers: [Reader] = []
    private var senders: [Sender] = []
    private var buffer = [UInt8](repeating: 0, count: 256 << 10)

    deinit {
        for fd in readers.map(\.fd) + senders.map(\.fd) { Sockets.closeWithReset(fd) }
    }

    private func dial(_ port: Int, receiveBuffer: Int32? = nil) throws -> Int32 {
        let fd = try Sockets.dial(host: "127.0.0.1", port: port, receiveBuffer: receiveBuffer)
        _ = Sockets.wait(fd, for: POLLOUT, Deadline(seconds: 10))
        return fd
    }

    /// A client that is logged in here and reads at a rate in bytes a second; at 0 it never reads again.
    func addReader(port: Int, rate: Double? = nil) throws {
        let fd = try dial(port, receiveBuffer: rate == 0 ? 4096 : nil)
        let login = Array(Line.login("anonymous", nil).utf8)
        guard Glibc.send(fd, login, login.count, Int32(MSG_NOSIGNAL)) == login.count else {
            throw Sockets.reason("send")
        }
        readers.append(Reader(fd: fd, rate: rate))
        try wait(for: "LOGIN_SUCCESS", every: 1) {
            receive(readers.count - 1)
            return readers[readers.count - 1].lines > 0
        }
        guard readers[readers.count - 1].lines == 1 else { throw HarnessError("the reader was redirected") }
        (readers[readers.count - 1].lines, readers[readers.count - 1].bytes) = (0, 0)
    }

    /// A connection that logs in and says this many activities of this size, all in its first bytes.
    func addSender(port: Int, activities: Int, padding: Int, logsOut: Bool = false) throws {
        let activity = #"{"pad":"\#(String(repeating: "x", count: padding))"}"#
        let line = Array(Line.activity(activity, as: "anonymous", nil).utf8)
        var bytes = Array(Line.login("anonymous", nil).utf8)
        for _ in 0..<activities { bytes += line }
        if logsOut { bytes += Array(Line.logout.utf8) }
        senders.append(Sender(fd: try dial(port), bytes: bytes))
    }

    var endedReaders: [Int] { readers.indices.filter { readers[$0].hasEnded } }
    var lines: [Int] { readers.map(\.lines) }

    /// Runs until each of these readers has so many lines or has ended.
    func run(readers indices: Range<Int>, lines: Int, seconds: Double = 30) throws {
        let deadline = Deadline(seconds: seconds)
        let start = ContinuousClock.now
        while indices.contains(where: { !readers[$0].hasEnded && readers[$0].lines < lines }) {
            guard !deadline.isOver else { throw HarnessError("waited in vain for \(lines) lines: \(self.lines)") }
            step(elapsed: (ContinuousClock.now - start) / .seconds(1))
            write()
        }
    }

    /// Waits a moment for whatever may be read or written, and reads what the paces allow.
    private func step(elapsed: Double) {
        let due = readers.map { !$0.hasEnded && Double($0.bytes) < ($0.rate ?? .infinity) * elapsed }
        var polls = zip(readers, due).map { pollfd(fd: $1 ? $0.fd : -1, events: Int16(POLLIN), revents: 0) }
        polls += senders.map {
            pollfd(fd: $0.fd, events: Int16($0.position < $0.bytes.count ? POLLIN | POLLOUT : POLLIN), revents: 0)
        }
        guard poll(&polls, nfds_t(polls.count), 2) > 0 else { return }
        for index in readers.indices where polls[index].revents != 0 { receive(index) }
        // What senders hear does not matter, but they must not look deaf.
        for index in senders.indices where polls[readers.count + index].revents & Int16(POLLIN) != 0 {
            _ = recv(senders[index].fd, &buffer, buffer.count, 0)
        }
    }

    private func receive(_ index: Int) {
        let count = recv(readers[index].fd, &buffer, buffer.count, 0)
        if count < 0, errno == EAGAIN || errno == EINTR { return }
        guard count > 0 else { return readers[index].hasEnded = true }
        readers[index].bytes += count
        readers[index].lines += lineEnds(in: count)
    }

    private func lineEnds(in count: Int) -> Int {
        buffer.withUnsafeBytes { bytes in
            guard var start = bytes.baseAddress else { return 0 }
            let end = start + count
            var lines = 0
            while let found = memchr(start, 10, end - start) {
                lines += 1
                start = UnsafeRawPointer(found) + 1
            }
            return lines
        }
    }

    private func write() {
        for index in senders.indices where senders[index].position < senders[index].bytes.count {
            let position = senders[index].position
            let count = senders[index].bytes.withUnsafeBytes {
                Glibc.send(
                    senders[index].fd, $0.baseAddress.map { $0 + position }, min($0.count - position, 256 << 10),
                    Int32(MSG_NOSIGNAL))
            }
            if count > 0 { senders[index].position += count }
        }
    }
}

extension HeavyTests {
    @Suite(.timeLimit(.minutes(10))) struct BackPressureTests {
        /// 100 Mbit/s.
        private static let ordinaryLine = 12.5e6

        @Test func aFloodClosesNobodyOnAnOrdinaryLine() throws {
            try withServer { server in
                let rush = Rush()
                try rush.addReader(port: server.port, rate: Self.ordinaryLine)
                for _ in 0..<3 { try rush.addReader(port: server.port) }
                try rush.addSender(port: server.port, activities: 24_000, padding: 1000)
                try rush.run(readers: 0..<4, lines: 24_000)
                #expect(rush.endedReaders == [])
                #expect(rush.lines == [Int](repeating: 24_000, count: 4))
                #expect(try server.statistics().closed("slowConsumer") == 0)
            }
        }

        @Test func readersThatStandStillOrTrickleAreClosedAndTheOthersGetEverything() throws {
            try withServer { server in
                let rush = Rush()
                for _ in 0..<18 { try rush.addReader(port: server.port) }
                try rush.addReader(port: server.port, rate: 20e3)
                try rush.addReader(port: server.port, rate: 0)
                try rush.addSender(port: server.port, activities: 16_000, padding: 1000)
                try rush.run(readers: 0..<18, lines: 16_000)
                #expect(rush.endedReaders == [])
                try wait(for: "both slow ones closed") { try server.statistics().closed("slowConsumer") == 2 }
            }
        }

        /// What a crowd brings along in its first bytes is input like any other.
        @Test func theFirstBytesOfACrowdWaitLikeAllOthers() throws {
            try withServer { server in
                let rush = Rush()
                try rush.addReader(port: server.port, rate: Self.ordinaryLine)
                for _ in 0..<300 {
                    try rush.addSender(port: server.port, activities: 60, padding: 900, logsOut: true)
                }
                try rush.run(readers: 0..<1, lines: 300 * 60)
                #expect(rush.endedReaders == [])
                #expect(rush.lines == [300 * 60])
                #expect(try server.statistics().closed("slowConsumer") == 0)
            }
        }

        /// A server that was away comes back and is brought three times its activity log.
        @Test func aBacklogOverALinkClosesNobody() throws {
            try withNetwork(2) { network in
                let rush = Rush()
                try rush.addReader(port: network.ports[1], rate: Self.ordinaryLine)
                try rush.addReader(port: network.ports[0])
                try rush.addReader(port: network.ports[1])
                network.servers[1].stop()
                try rush.addSender(port: network.ports[0], activities: 24_000, padding: 1000)
                try rush.run(readers: 1..<2, lines: 24_000)
                network.servers[1].continue()
                try rush.run(readers: 0..<3, lines: 24_000)
                #expect(rush.endedReaders == [])
                #expect(try network.statistics().map { $0.closed("slowConsumer") } == [0, 0])
            }
        }
    }
}
