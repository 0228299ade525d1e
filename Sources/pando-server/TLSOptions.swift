/// TLS between servers.
import ArgumentParser
import Configuration
import Server

struct TLSOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Which connections are under TLS: off or links. (default: links if --tls-cert is given)",
            valueName: "policy"),
        completion: .list(TLSPolicy.allCases.map(\.rawValue)))
    var tls: String?

    @Option(
        help: ArgumentHelp(
            "This server's certificate with its chain, a PEM file. It must be valid for the name in -lh.",
            valueName: "path"), completion: .file())
    var tlsCert: String?

    @Option(
        help: ArgumentHelp("The key of that certificate, a PEM file without a passphrase.", valueName: "path"),
        completion: .file())
    var tlsKey: String?

    @Option(
        name: .customLong("tls-ca"),
        help: ArgumentHelp(
            "The certificates of the authority by which other servers are judged, a PEM file.", valueName: "path"),
        completion: .file())
    var tlsCA: String?

    var settings: [ServerSetting] {
        [
            ServerSetting(
                "tls", tls, \.tlsPolicy, Kind<TLSPolicy>.choice.orNone, otherwise: "links if there is a tls-cert"),
            ServerSetting("tls-cert", tlsCert, \.tlsCertificate, Kind.path.orNone),
            ServerSetting("tls-key", tlsKey, \.tlsKey, Kind.path.orNone),
            ServerSetting("tls-ca", tlsCA, \.tlsAuthority, Kind.path.orNone),
        ]
    }

    static let rules = [
        ServerRule(
            ["tls", "tls-cert", "tls-key", "tls-ca"], "TLS needs --tls-cert, --tls-key and --tls-ca together."
        ) {
            let files = [$0.target.tlsCertificate, $0.target.tlsKey, $0.target.tlsAuthority].compactMap { $0 }
            return files.count == 3 || (files.isEmpty && $0.target.tlsPolicy != .links)
        }
    ]
}
