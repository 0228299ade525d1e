/// Who this server is and whom it joins: the options that every server of the course has, under the names that they
/// have there, and where to listen.
import ArgumentParser
import Codecs
import Server

struct NetworkOptions: ParsableArguments {
    @Option(
        name: [.customLong("lp", withSingleDash: true), .customLong("port")],
        help: ArgumentHelp("Port to listen on; 0 takes a free one. (default: 3780)", valueName: "port"),
        transform: parsePort)
    var port = ServerConfiguration.defaultPort

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
        help: ArgumentHelp("Port of that server. (default: 3780)", valueName: "port"), transform: parsePort)
    var remotePort: UInt16?

    // A secret may look like an option.
    @Option(
        name: [.customShort("s"), .customLong("secret")], parsing: .unconditional,
        help: ArgumentHelp(
            "The network's secret. The first server draws one if none is given, and prints it.", valueName: "secret"))
    var secret: String?

    @Option(
        help: ArgumentHelp(
            "IPv4 or IPv6 address to listen on. (default: all, IPv6 included where there is IPv6)",
            valueName: "address"))
    var bind: String?

    func validate() throws {
        if let host { try Self.check(host: host, "-lh") }
        if let remoteHost { try Self.check(host: remoteHost, "-rh") }
        if remoteHost == nil, remotePort != nil {
            throw ValidationError("-rp is the port of the server that -rh names: give -rh as well.")
        }
        if remotePort == 0 { throw ValidationError("-rp 0: nobody listens on port 0.") }
        if remoteHost != nil, secret == nil {
            throw ValidationError(
                "Joining a network needs its secret: give it with -s (see the first server's output).")
        }
        if let secret, secret.isEmpty { throw ValidationError("-s: the secret must not be empty.") }
        if let bind, BindAddress(bind) == nil {
            throw ValidationError("--bind \(bind): not an IPv4 or IPv6 address.")
        }
    }

    /// What other servers accept as a name (PeerAddress).
    private static func check(host: String, _ option: String) throws {
        guard (1...PeerAddress.hostBytesMax).contains(host.utf8.count) else {
            throw ValidationError("\(option): a host has 1 to \(PeerAddress.hostBytesMax) characters.")
        }
        guard host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw ValidationError("\(option) \(host): a host is of printable ASCII characters, without blanks.")
        }
    }

    func apply(to configuration: inout ServerConfiguration) {
        configuration.port = port
        configuration.host = host
        configuration.remote = remoteHost.map {
            PeerAddress(host: $0, port: remotePort ?? ServerConfiguration.defaultPort)
        }
        configuration.secret = secret
        configuration.bind = bind.flatMap { BindAddress($0) }
    }
}

private func parsePort(_ text: String) throws -> UInt16 {
    guard let port = UInt16(text) else { throw ValidationError("A port is a number from 0 to 65535.") }
    return port
}
