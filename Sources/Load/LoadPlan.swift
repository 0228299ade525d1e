// What is to be done, as the options say it. Parent and workers read the same options and so have the same plan.

import CLoadShim

/// A server that clients connect to.
public struct ServerPlace: Hashable, Sendable {
    public let host: String
    public let port: UInt16

    public init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// `host:port`, brackets around IPv6.
    public init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0
        else { return nil }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard !host.isEmpty else { return nil }
        self.init(host: String(host), port: port)
    }
}

/// The protocols that the same load can be put on.
public enum LoadProtocol: String, Sendable, CaseIterable {
    case pando, nats, redis, mqtt, irc
}

/// When the senders send.
public enum Pace: Hashable, Sendable {
    /// So many activities a second, of all senders together, evenly.
    case rate(Double)
    /// Each sender has so many of its activities under way: the next one goes when one came back.
    case window(Int)
    /// Each sender sends so many together, and the next ones when all of them came back.
    case burst(Int)
    /// As much as the servers take.
    case flood

    public var text: String {
        switch self {
        case .rate(let rate): "rate \(Figures.plain(rate))"
        case .window(let size): "window \(size)"
        case .burst(let size): "burst \(size)"
        case .flood: "flood"
        }
    }
}

/// A run of the load generator.
public struct LoadPlan: Sendable {
    public var servers: [ServerPlace] = []
    public var wire = LoadProtocol.pando
    /// Clients are under TLS.
    public var security: LoadSecurity?
    public var clients = 0
    /// So many of the clients send as well; at most all.
    public var senders = 0
    public var pace = Pace.window(1)
    /// Bytes of a line as each receiver gets it, its end included.
    public var size = 128
    /// Sending before the measuring begins.
    public var warmUpSeconds = 1.0
    /// The measured window.
    public var seconds = 10.0
    /// Connections a second; nil: as fast as they are taken.
    public var ramp: Double?
    /// Clients that connect and log in at the same time; nil: what suits the protocol.
    public var atOnce: Int?
    /// Each client registers a user of its own first.
    public var registers = false
    /// Receivers that leave and come back, a second.
    public var churn = 0.0
    /// Receivers that log in and never read again: the last of the clients.
    public var slow = 0
    /// Processes whose CPU time and memory are watched.
    public var serverProcesses: [Int32] = []
    /// Workers that were asked for; nil: as many as there are processors.
    public var askedWorkers: Int?
    public internal(set) var workers = 1
    /// Between the last login and the first send: for the idle figures.
    public var settleSeconds = 0.5
    /// Silence after which what has not come is lost.
    public var drainSeconds = 3.0
    /// A client that is not logged in after so long ends the run.
    public var patienceSeconds = 30.0
    /// Makes the names of this run's users different from any other's.
    var tag: UInt32 = 0
    /// Clients dial from many loopback addresses, because the ports of one do not suffice.
    var spreadsSources = false

    public init() {}

    /// Clients whose stream counts.
    public var readers: Int { clients - slow }

    // MARK: Who is who

    /// The senders stand in the middle, so that they are neither the first nor the last that a server serves.
    public var firstSender: Int { max(0, (readers - senders) / 2) }

    /// The number of a client among the senders.
    public func sender(of client: Int) -> Int? {
        let number = client - firstSender
        return number >= 0 && number < senders ? number : nil
    }

    public func isSlow(_ client: Int) -> Bool { client >= readers }

    /// Clients are dealt out in turn to workers and, by another turn, to servers.
    public func worker(of client: Int) -> Int { client % workers }
    public func server(of client: Int) -> Int { client % servers.count }

    // MARK: Limits

    /// Descriptors of a process, less what a worker needs beside its clients.
    public static let clientsPerWorkerMax = 19_900
    /// Memory for the places of all receivers in all senders' streams, in all workers.
    public static let checkBytesMax = 4 << 30
    public static let sizeMax = 1 << 20

    /// Clients of one server that may share a local address. There are 28,000 ports for them, but the kernel first
    /// takes the odd ones, and when those 14,000 are in use it tries each of them again before each connection:
    /// measured, 300 connections a second instead of 7,000.
    static let clientsPerAddressMax = 10_000

    /// Decides what follows from the rest.
    ///
    /// One process for each processor, more where descriptors end, and none without a client.
    public mutating func finish() {
        let least = (clients + Self.clientsPerWorkerMax - 1) / Self.clientsPerWorkerMax
        workers = max(1, least, min(askedWorkers ?? Int(cls_processors()), clients))
        spreadsSources = clients > Self.clientsPerAddressMax * max(1, servers.count)
    }

    /// A plan that cannot be carried out.
    public struct Mistake: Error, CustomStringConvertible, Sendable {
        public let description: String
    }

    public func validate() throws(Mistake) {
        let limits: [(Bool, String)] = [
            (clients >= 1 && clients <= 1_000_000, "--clients is 1 to 1000000."),
            (slow >= 0 && slow < clients, "--slow is less than --clients."),
            (senders >= 0 && senders <= readers, "--senders is at most as many as there are clients that read."),
            (
                senders == 0 || readers <= Self.checkBytesMax / MemoryLayout<StreamChecks.Place>.stride / senders,
                "--clients times --senders: too many to check, at most \(Figures.grouped(Self.checkBytesMax / 8))."
            ),
            (churn >= 0 && churn <= 100_000, "--churn is 0 to 100000."),
            (atOnce ?? 1 > 0, "--at-once is at least 1."),
            (ramp ?? 1 > 0, "--ramp is more than 0."),
            (!registers || wire == .pando, "--register: only with --protocol pando."),
            (workers <= 250, "--workers is at most 250."),
            (seconds > 0 && seconds <= 86_400, "--duration is more than 0, at most 86400."),
            (warmUpSeconds >= 0 && settleSeconds >= 0 && drainSeconds >= 0, "Times are not negative."),
            (wire != .irc || senders == 0 || readers >= 2 * senders, "irc: half of the clients must not send."),
        ]
        for (holds, text) in limits where !holds { throw Mistake(description: text) }
        switch pace {
        case .rate(let rate):
            guard rate > 0, rate <= 1e7 else { throw Mistake(description: "--rate is more than 0, at most 10000000.") }
        case .window(let size), .burst(let size):
            guard 1...100_000 ~= size else { throw Mistake(description: "--window, --burst: 1 to 100000.") }
        case .flood: break
        }
        let sizes = self.sizes
        guard sizes.contains(size) else {
            throw Mistake(description: "--size is \(sizes.lowerBound) to \(sizes.upperBound) for \(wire.rawValue).")
        }
    }

    private var sizes: ClosedRange<Int> {
        func range<W: Wire>(_ wire: W.Type) -> ClosedRange<Int> { W.sizeMin(self)...W.sizeMax }
        return switch wire {
        case .pando: range(PandoWire.self)
        case .nats: range(NATSWire.self)
        case .redis: range(RedisWire.self)
        case .mqtt: range(MQTTWire.self)
        case .irc: range(IRCWire.self)
        }
    }
}
