import CEpollShim
import Codecs
import Glibc
public import Simulator

/// Real servers as processes, real clients as sockets, and the wires between the servers, in one thread. It writes a
/// history as the simulator does, so that the same checkers judge it.
///
/// This file has the cast and the loop; `RealNetwork+Clients` what clients do, `RealNetwork+Faults` what can go wrong,
/// `RealNetwork+Rounds` what is asked in the end.
public final class RealNetwork {
    public struct Options: Sendable {
        public var servers = 5
        public var seed: UInt64 = 1
        /// The executable.
        public var program: String
        /// Each server in a network namespace of its own, with the packet switch between them; otherwise loopback.
        public var isIsolated = true
        /// For every server.
        public var arguments: [String] = []
        /// For one of them alone.
        public var argumentsOf: [Int: [String]] = [:]
        /// The first three numbers of the servers' loopback addresses, `127.1.2`; nil draws them.
        public var net: String?

        public init(program: String) { self.program = program }
    }

    public let options: Options
    public internal(set) var history: Chronicle
    public internal(set) var violations: [Violation] = []
    public internal(set) var round = 0
    /// Bytes that each activity is padded with.
    public var padding = 0
    /// Delays of deliveries in this round, in nanoseconds.
    public internal(set) var delays: [UInt64] = []
    /// Told of every fault and of what clients were told against their wish.
    public var onStory: (String) -> Void = { _ in }
    public internal(set) var story: [String] = []

    let slots: [ServerSlot]
    public internal(set) var clients: [Client] = []
    var byConnection: [UInt64: Client] = [:]
    var packetSwitch: PacketSwitch
    var listener = LinkListener()
    var random: Draw
    var traffic: (gap: UInt64, next: UInt64)?
    /// What is planned, soonest last.
    var plans: [(due: UInt64, action: () -> Void)] = []
    /// When the counters were asked for.
    var askedAt: UInt64 = 0
    let poller: Int32
    var buffer = [UInt8](repeating: 0, count: 256 << 10)
    private var connections: UInt64 = 0
    private let start: UInt64
    private let folder: String
    let secret = "chaos-\(UInt64.random(in: 0 ... .max))"

    private static let subnet: UInt32 = 0x0A4D_0000
    private static let tunnelBit: UInt64 = 1 << 63
    private static let port: UInt16 = 13_780

    /// Why `isIsolated` is not possible here; nil if it is.
    public static var obstacle: String? { Namespace.obstacle }

    public init(_ options: Options) throws {
        _ = Self.prepared
        self.options = options
        start = ces_monotonic_ns()
        history = Chronicle(seed: options.seed)
        random = Draw(seed: options.seed)
        packetSwitch = PacketSwitch(servers: options.servers, seed: options.seed)
        poller = try ChaosError.check("epoll_create", ces_epoll_create())
        var template = Array("/tmp/pando-chaos-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw ChaosError("no folder for the servers' files") }
        let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        self.folder = folder
        // Networks that run side by side must not meet: each has addresses and a secret of its own.
        let net = options.net ?? "127.\(UInt8.random(in: 1...254)).\(UInt8.random(in: 1...254))"
        slots = try (0..<options.servers).map { index in
            let last = UInt32(index + 1)
            let space = options.isIsolated ? try Namespace(address: Self.subnet | last) : nil
            return ServerSlot(
                index: index, host: options.isIsolated ? "10.77.0.\(last)" : "\(net).\(last)", port: Self.port,
                namespace: space, folder: folder)
        }
        for slot in slots {
            guard let tunnel = slot.namespace?.tunnel else { continue }
            _ = try ChaosError.check(
                "epoll_add", ces_epoll_add(poller, tunnel, CES_IN, Self.tunnelBit | UInt64(slot.index)))
        }
    }

    deinit {
        for slot in slots { slot.kill(now: now) }
        ces_close(poller)
        for slot in slots {
            for suffix in ["out", "log", "statistics"] { unlink("\(folder)/server-\(slot.index).\(suffix)") }
        }
        rmdir(folder)
    }

    private static let prepared: Void = {
        _ = ces_ignore_sigpipe()
        _ = ces_raise_descriptor_limit()
    }()

    /// Nanoseconds since the beginning.
    public var now: UInt64 { ces_monotonic_ns() - start }

    public var serverCount: Int { slots.count }
    public var livingCount: Int { slots.count(where: \.isUp) }

    // MARK: The loop

    /// Lets everything happen until `condition` holds. False if it does not in time.
    @discardableResult
    public func run(seconds: Double, until condition: () -> Bool = { false }) -> Bool {
        let end = now + UInt64(seconds * 1e9)
        while !condition() {
            guard now < end else { return false }
            step(until: end)
        }
        return true
    }

    /// Does something in so many seconds; what is planned is forgotten when all is mended.
    public func plan(after seconds: Double, _ action: @escaping () -> Void) {
        plans.append((now + UInt64(seconds * 1e9), action))
        plans.sort { $0.due > $1.due }
    }

    private func step(until end: UInt64) {
        var due = min(end, now + 20_000_000)
        for candidate in [packetSwitch.nextDue, traffic?.next, plans.last?.due] { due = min(due, candidate ?? due) }
        let current = now
        let timeout = due > current ? Int32((due - current + 999_999) / 1_000_000) : 0
        var events = [ces_event](repeating: ces_event(events: 0, word: 0), count: 256)
        let count = ces_epoll_wait(poller, &events, Int32(events.count), timeout)
        for event in events.prefix(Int(max(0, count))) {
            if event.word & Self.tunnelBit != 0 {
                readTunnel(Int(event.word & 0xFF))
            } else if let client = byConnection[event.word] {
                handle(event.events, of: client)
            }
        }
        packetSwitch.release(now: now) { receiver, bytes in
            bytes.withUnsafeBytes { writeTunnel(receiver, $0) }
        }
        while let plan = plans.last, plan.due <= now {
            plans.removeLast()
            plan.action()
        }
        bringClientsBack()
        sendTraffic()
    }

    // MARK: The wires

    func readTunnel(_ index: Int) {
        guard let tunnel = slots[index].namespace?.tunnel else { return }
        for _ in 0..<128 {
            let count = read(tunnel, &buffer, 65_536)
            guard count > 0 else { return }
            buffer.withUnsafeBytes { forward(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        }
    }

    private func forward(_ bytes: UnsafeRawBufferPointer) {
        guard let packet = Packet(bytes, subnet: Self.subnet, servers: slots.count) else { return }
        if packet.isOpening { packetSwitch.forget(packet.key) }
        listener.sent(packet, bytes, life: slots[packet.key.from].life) { life, mark in
            noteHolding(server: life.server, life: life.number, mark)
        }
        switch packetSwitch.judge(packet, bytes: bytes, now: now) {
        case .forward: writeTunnel(packet.key.to, bytes)
        case .later, .drop: break
        case .reset(let toSender, let toReceiver):
            toSender.withUnsafeBytes { writeTunnel(packet.key.from, $0) }
            toReceiver.withUnsafeBytes { writeTunnel(packet.key.to, $0) }
        }
    }

    private func writeTunnel(_ index: Int, _ bytes: UnsafeRawBufferPointer) {
        guard let tunnel = slots[index].namespace?.tunnel else { return }
        // A full device loses the packet, as a wire would.
        _ = write(tunnel, bytes.baseAddress, bytes.count)
    }

    // MARK: The history

    /// A life of a server is known to hold, or to have held, an activity.
    func noteHolding(server: Int, life: Int, _ mark: Mark) {
        guard mark.round == round, let activity = activity(mark) else { return }
        guard slots[server].lives.indices.contains(life - 1) else { return }
        let span = slots[server].lives[life - 1]
        if activity.holders.isEmpty {
            // Whoever has it has it from the server that it was sent to.
            let first = Chronicle.Holder(server: activity.sentTo, time: activity.sentAt)
            history.activities[mark.sender][mark.number].holders.append(first)
        }
        let isKnown = history.activities[mark.sender][mark.number].holders.contains {
            $0.server == server && $0.time >= span.start && $0.time <= span.end ?? .max
        }
        if isKnown { return }
        history.activities[mark.sender][mark.number].holders.append(
            Chronicle.Holder(server: server, time: span.end ?? now))
    }

    func activity(_ mark: Mark) -> Chronicle.Activity? {
        guard history.activities.indices.contains(mark.sender),
            history.activities[mark.sender].indices.contains(mark.number)
        else { return nil }
        return history.activities[mark.sender][mark.number]
    }

    func found(_ kind: Violation.Kind, _ text: String) {
        violations.append(Violation(kind: kind, seed: options.seed, time: now, text: text))
    }

    func tell(_ text: String) {
        let line = "\(Self.seconds(now)) s: \(text)"
        story.append(line)
        onStory(line)
    }

    /// `12.345`.
    public static func seconds(_ time: UInt64) -> String {
        let milliseconds = String(time / 1_000_000 % 1000)
        return "\(time / 1_000_000_000)." + String(repeating: "0", count: 3 - milliseconds.count) + milliseconds
    }

    /// A name for the next connection.
    func nextConnection() -> UInt64 {
        connections += 1
        return connections
    }
}
