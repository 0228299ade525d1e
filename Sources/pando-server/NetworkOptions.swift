/// Who this server is and whom it joins: the options that every server of the course has, under the names that they
/// have there, and where to listen.
import ArgumentParser
import Codecs
import Configuration
import Server

struct NetworkOptions: ParsableArguments {
    @Option(
        name: [.customLong("lp", withSingleDash: true), .customLong("port")],
        help: ArgumentHelp("Port to listen on; 0 takes a free one.", valueName: "port"))
    var port = Given(standard: ServerConfiguration.defaultPort)

    @Option(
        name: [.customLong("lh", withSingleDash: true), .customLong("host")],
        help: ArgumentHelp(
            "Name or address by which servers and clients reach this one. (default: found out, else localhost)",
            valueName: "host"))
    var host: String?

    @Option(
        name: [.customLong("rh", withSingleDash: true), .customLong("remote-host")],
        help: ArgumentHelp("Any server of the network to join. Without it a new network begins.", valueName: "host"))
    var remoteHost: String?

    @Option(
        name: [.customLong("rp", withSingleDash: true), .customLong("remote-port")],
        help: ArgumentHelp("Port of that server. (default: 3780)", valueName: "port"))
    var remotePort: String?

    // A secret may look like an option.
    @Option(
        name: [.customShort("s"), .customLong("secret")], parsing: .unconditional,
        help: ArgumentHelp(
            "The network's secret. The first server draws one if none is given, and prints it.", valueName: "secret"))
    var secret: String?

    @Option(
        help: ArgumentHelp(
            "File whose first line is the network's secret. By one on a second line others may prove themselves too.",
            valueName: "path"), completion: .file())
    var secretFile: String?

    @Option(
        help: ArgumentHelp(
            "IPv4 or IPv6 address to listen on. (default: all, IPv6 included where there is IPv6)",
            valueName: "address"))
    var bind: String?

    @Option(
        help: ArgumentHelp(
            "Share of the clients relative to other servers; 0 takes none as long as others do.", valueName: "number"))
    var weight = Given(standard: ServerConfiguration().weight)

    /// What fits the sums of balance.
    private static let weightMax: UInt32 = 65_535
    private static let hostKind = Kind<String>(
        "a name or address of 1 to \(PeerAddress.hostBytesMax) printable ASCII characters, without blanks",
        read: { isHost($0) ? $0 : nil }, show: { $0 })
    private static let secretKind = Kind<NetworkSecret>(
        "a secret must not be empty", read: { $0.isEmpty ? nil : NetworkSecret($0) }, show: { _ in nil })
    private static let bindKind = Kind<BindAddress>(
        "an IPv4 or IPv6 address of this host", read: { BindAddress($0) }, show: { $0.text })

    var settings: [ServerSetting] {
        [
            ServerSetting("port", short: "-lp", port.text, \.port, .number(0...UInt16.max)),
            ServerSetting(
                "host", short: "-lh", host, \.host, Self.hostKind.orNone, otherwise: "found out, else localhost"),
            ServerSetting("remote-host", short: "-rh", remoteHost, \.remoteHost, Self.hostKind.orNone),
            ServerSetting(
                "remote-port", short: "-rp", remotePort, \.remotePort, Kind.number(1...UInt16.max).orNone,
                otherwise: "\(ServerConfiguration.defaultPort)"),
            ServerSetting(
                "secret", short: "-s", secret, \.secret, Self.secretKind.orNone,
                otherwise: "drawn and printed by the first server", isSecret: true, isLive: true),
            ServerSetting("secret-file", secretFile, \.secretPath, Kind.path.orNone, isLive: true),
            ServerSetting("bind", bind, \.bind, Self.bindKind.orNone, otherwise: "all addresses"),
            ServerSetting("weight", weight.text, \.weight, .number(0...Self.weightMax)),
        ]
    }

    static let rules = [
        ServerRule(["host"], "host (-lh) is a name or an address alone: the port is a setting of its own, port (-lp).")
        {
            isHostAlone($0.target.host)
        },
        ServerRule(
            ["remote-host"],
            "remote-host (-rh) is a name or an address alone: the port is a setting of its own, remote-port (-rp)."
        ) { isHostAlone($0.target.remoteHost) },
        ServerRule(
            ["remote-port", "remote-host"],
            "remote-port (-rp) is of the server that remote-host (-rh) names: give both."
        ) { $0.target.remoteHost != nil || $0.target.remotePort == nil },
        ServerRule(
            ["remote-host", "secret", "secret-file"],
            "joining a network needs its secret: give it with -s, \(prefixOfVariables)SECRET or secret-file (see the "
                + "first server's output)."
        ) { $0.target.remoteHost == nil || $0.target.secret != nil },
    ]

    /// Neither a port nor a part of a URL is in it: a colon is of an IPv6 address, which may name an interface.
    private static func isHostAlone(_ text: String?) -> Bool {
        guard let text, text.contains(where: { $0 == ":" || $0 == "/" }) else { return true }
        return !text.contains("/") && BindAddress(String(text.prefix { $0 != "%" })) != nil
    }

    /// What other servers accept as a name (PeerAddress).
    private static func isHost(_ text: String) -> Bool {
        (1...PeerAddress.hostBytesMax).contains(text.utf8.count) && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    }
}

/// A secret may be given itself or by a file's name: what is stronger holds, and then the other was not given.
extension Resolution<ServerConfiguration> {
    mutating func readSecrets() {
        if let lines = readSecret("secret", \.secret, \.secretPath) {
            if lines.count > 2 {
                blame(["secret-file"], "secret-file: two lines at most: the secret, and another one while it changes.")
            }
            target.secret = NetworkSecret(lines[0], other: lines.count > 1 ? lines[1] : nil)
        }
        if case .option = origin("secret") { target.showsSecret = true }
        if let lines = readSecret("admin-token", \.adminToken, \.adminTokenPath) { target.adminToken = lines[0] }
    }

    /// The lines of the file, if it is the file that holds, without empty ones at its end.
    private mutating func readSecret<Value>(
        _ name: String, _ value: WritableKeyPath<ServerConfiguration, Value?>,
        _ file: WritableKeyPath<ServerConfiguration, String?>
    ) -> [String]? {
        guard let path = target[keyPath: file] else { return nil }
        let fileName = name + "-file"
        let (own, other) = (origin(name), origin(fileName))
        if own.rank == other.rank {
            blame([name, fileName], "\(name) and \(fileName): give one of them.")
            return nil
        }
        if own.rank > other.rank {
            target[keyPath: file] = nil
            forget(fileName)
            return nil
        }
        forget(name)
        target[keyPath: value] = nil
        switch TextFile.read(path, bytesMax: ConfigurationFile.bytesMax) {
        case .failure(let failure):
            blame([fileName], "\(fileName): \(failure)")
            return nil
        case .success(let bytes):
            let lines = bytes.split(omittingEmptySubsequences: false) { $0 == UInt8(ascii: "\n") }.map { line in
                String(decoding: line.last == UInt8(ascii: "\r") ? line.dropLast() : line, as: UTF8.self)
            }
            guard let last = lines.lastIndex(where: { !$0.isEmpty }), !lines[0].isEmpty else {
                blame([fileName], "\(fileName): '\(path)' begins with an empty line: put the \(name) there.")
                return nil
            }
            return Array(lines[...last])
        }
    }
}
