/// What a server is told at its start, with the defaults: the command line's values, already checked each for itself.
public import Codecs
public import Logging
public import Node
internal import Reactor
public import TLS

/// Whether links are under TLS.
public enum LinkTLS: String, CaseIterable, Sendable {
    case off, links
}

/// Whether clients are under TLS.
public enum ClientTLS: String, CaseIterable, Sendable {
    /// They are not: who tries is refused.
    case off
    /// The first byte tells.
    case allowed
    /// Who tries without is refused.
    case required
}

/// All settings of a server process.
public struct ServerConfiguration: Sendable {
    /// The address to listen on; nil is every address, IPv6 included where there is IPv6.
    public var bind: BindAddress?
    /// The port to listen on; 0 lets the kernel choose.
    public var port: UInt16 = ServerConfiguration.defaultPort
    /// The name or address told to others and to clients; nil finds one.
    public var host: String?
    /// A server of the network to join; nil starts a new one.
    public var remoteHost: String?
    /// Its port; nil is the default one.
    public var remotePort: UInt16?
    /// The network's secret; nil draws one, which is possible only for the first server.
    public var secret: NetworkSecret?
    /// The file that it was read from.
    public var secretPath: String?
    /// The secret stands in the command line, which every user of this host can read.
    public var showsSecret = false

    /// The versions of the protocol between servers that this one speaks: fewer than it could in tests.
    public var peerVersions = PeerFrame.versions

    /// TLS on the links between servers; nil: if there is a certificate and an authority.
    public var linkTLS: LinkTLS?
    public var clientTLS = ClientTLS.off
    /// Files in PEM form.
    public var tlsCertificate: String?
    public var tlsKey: String?
    public var tlsAuthority: String?
    public var tlsRevocations: String?
    /// What clients are shown; nil: the same as servers.
    public var clientTLSCertificate: String?
    public var clientTLSKey: String?
    /// Names of which another server's certificate must have one.
    public var tlsPins: [String] = []
    public var tlsHandshakeMilliseconds: UInt64 = 10_000
    public var tlsHandshakesMax = 1024
    /// How long before its end a certificate is warned of.
    public var tlsWarningDays = 30

    /// Share of the clients relative to other servers.
    public var weight: UInt32 = 100
    /// How long SIGTERM may take to move the clients elsewhere, in milliseconds; 0 closes them at once.
    public var drainGrace: UInt64 = 0
    public var timing = NodeConfiguration.Timing()
    public var limits = NodeConfiguration.Limits()
    public var connections = ConnectionLimits()
    public var allowsHugeIntegers = false
    /// The binary logarithm of scrypt's N for new users.
    public var hashCost: UInt8 = 10
    /// Servers that must hold an activity before its client is told, if it asks to be.
    public var acknowledgingServers = 2
    /// Bytes of the activity log; nil is 8 MiB, or four of the longest lines if that is more.
    public var activityLogBytes: Int?
    /// Whether the kernel is handed many sends in one call, where it can take them.
    public var batchesSends = true
    /// Threads that hash secrets; nil leaves one processor to the reactor.
    public var helperThreads: Int?

    /// The folder in which state outlives the process; nil is memory only.
    public var statePath: String?
    public var logLevel = Logger.Level.info
    public var logFormat = LogFormat.text
    /// Reports of one kind that are logged in a second, of those that can come in masses: enough to see what is going
    /// on, little enough to read. A guess.
    public var logReportsPerSecond = 10
    /// The file of the log; nil is the standard error stream.
    public var logPath: String?
    /// Where people and programs may look at this server; nil is nowhere.
    public var admin: AdminAddress?
    /// What they have to know; nil is nothing.
    public var adminToken: String?
    /// The file that it was read from.
    public var adminTokenPath: String?
    /// Where counters are written at SIGUSR1 and at the end; nil is nowhere.
    public var statisticsPath: String?

    public init() {}

    /// The server to join.
    public var remote: PeerAddress? { remoteHost.map { PeerAddress(host: $0, port: remotePort ?? Self.defaultPort) } }
    /// What this server shows to other servers; nil if links are plain.
    public var linkIdentity: TLSIdentity? {
        linkTLS == .off || tlsAuthority == nil ? nil : Self.identity(tlsCertificate, tlsKey)
    }
    /// What this server shows to clients; nil if they have no TLS.
    public var clientIdentity: TLSIdentity? {
        guard clientTLS != .off else { return nil }
        return Self.identity(clientTLSCertificate, clientTLSKey) ?? Self.identity(tlsCertificate, tlsKey)
    }

    private static func identity(_ certificate: String?, _ key: String?) -> TLSIdentity? {
        guard let certificate, let key else { return nil }
        return TLSIdentity(certificate: certificate, key: key)
    }

    /// The port of the course's servers.
    public static let defaultPort: UInt16 = 3780
    /// Bytes of the activity log unless more are needed for long lines: 64,000 lines of 128 bytes.
    public static let activityLogBytesDefault = 8 << 20
    /// The activity log holds at least so many of the longest lines: fewer would make every reader a slow one.
    public static let linesInLogMin = 4
    /// Longest and shortest limit of a line. A record (16 MiB at most) holds the line and what the server adds; a
    /// registration has to fit into the shortest.
    public static let lineBytesRange = 1024...(RecordHeader.recordBytesMax / 2)
    /// Limits of the nesting that are allowed: an activity is two levels.
    public static let jsonDepthRange = 2...JSONScanner.greatestDepthLimit
    /// Limits of a frame that are allowed: a state of many servers is a frame as well. What a server may send is no
    /// more than the largest.
    public static let frameMebibytesRange = 4...(RecordHeader.recordBytesMax >> 20)
    /// Costs of a hash that are allowed: the most takes 1 GiB. The least is for tests.
    public static let hashCostRange: ClosedRange<UInt8> = 1...Claim.Limit.cost

    /// Bytes of the smallest activity log for a limit of lines.
    public static func activityLogBytesMin(lineBytes: Int) -> Int { linesInLogMin * (lineBytes + lineMargin) }

    /// Bytes of the smallest limit of a frame for a limit of lines.
    public static func frameBytesMin(lineBytes: Int) -> Int { lineBytes + lineMargin }

    var activityLogSize: Int {
        activityLogBytes ?? max(Self.activityLogBytesDefault, Self.activityLogBytesMin(lineBytes: limits.lineBytes))
    }

    /// Bytes of activities published in a turn, and the longest line: a part of the log for which at least one of the
    /// longest lines is small enough.
    var deliveryBytes: Int { activityLogSize / Self.linesInLogMin }

    /// What a broadcast adds to the activity: the command, the user's name with every byte escaped.
    static let lineMargin = 8 << 10
}

/// Where the admin endpoint listens.
public struct AdminAddress: Hashable, Sendable {
    /// An address and a port.
    public let text: String

    /// `ADDRESS:PORT`, `localhost:PORT`, or a port alone, which is one of this host for this host; nil for anything
    /// else. Other names are not looked up.
    public init?(_ text: String) {
        var full = text
        if !text.contains(":") { full = "127.0.0.1:\(text)" }
        if text.hasPrefix("localhost:") { full = "127.0.0.1:\(text.dropFirst("localhost:".count))" }
        guard let address = SocketAddress(full) else { return nil }
        self.text = "\(address)"
    }

    /// Nobody but this host reaches it.
    public var isLoopback: Bool { SocketAddress(text)?.isLoopback ?? false }

    /// Shorter tokens could be guessed.
    public static let tokenBytesMin = 16
}

/// A numeric address to listen on.
public struct BindAddress: Hashable, Sendable {
    /// As it was given, brackets removed.
    public let text: String

    /// Nil unless it is an IPv4 or IPv6 address; names are not looked up.
    public init?(_ text: String) {
        guard let address = SocketAddress(ip: text, port: 0) else { return nil }
        self.text = address.ip
    }
}
