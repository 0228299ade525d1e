/// TLS: between servers, and for clients.
import ArgumentParser
import Configuration
import Server

struct TLSOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Which links are under TLS: off or links, that is all. (default: links if --tls-ca is given)",
            valueName: "policy"),
        completion: .list(LinkTLS.allCases.map(\.rawValue)))
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

    @Option(
        help: ArgumentHelp(
            "Certificates that this authority has revoked, a PEM file; it must be in force.", valueName: "path"),
        completion: .file())
    var tlsCrl: String?

    @Option(
        help: ArgumentHelp(
            "Names, separated by commas, of which another server's certificate must have one.", valueName: "names"))
    var tlsPin: String?

    @Option(
        help: ArgumentHelp(
            "TLS for clients, on the same port: \(Kind<ClientTLS>.choice.expected).", valueName: "policy"),
        completion: .list(ClientTLS.allCases.map(\.rawValue)))
    var clientTls = Given(standard: ClientTLS.off)

    @Option(
        help: ArgumentHelp("The certificate for clients, a PEM file. (default: --tls-cert)", valueName: "path"),
        completion: .file())
    var clientTlsCert: String?

    @Option(
        help: ArgumentHelp("The key of that certificate, a PEM file. (default: --tls-key)", valueName: "path"),
        completion: .file())
    var clientTlsKey: String?

    @Option(
        help: ArgumentHelp(
            "How long the handshake of a connection that came may take, in milliseconds.", valueName: "ms"))
    var tlsHandshakeMs = Given(standard: 10_000)

    @Option(
        help: ArgumentHelp(
            "Handshakes of such connections at a time; beyond that the oldest gives way.", valueName: "count"))
    var tlsHandshakes = Given(standard: 1024)

    @Option(help: ArgumentHelp("How long before its end a certificate is warned of.", valueName: "days"))
    var tlsWarnDays = Given(standard: 30)

    private static let pins = Kind<[String]>(
        "names, separated by commas",
        read: { text in
            let names = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            return names.contains { $0.isEmpty || $0.contains(" ") } ? nil : names
        },
        show: { $0.isEmpty ? nil : $0.joined(separator: ",") })
    private static let handshakesRange = 1...(1 << 20)
    /// A day.
    private static let longest: UInt64 = 86_400_000

    var settings: [ServerSetting] {
        [
            ServerSetting("tls", tls, \.linkTLS, Kind<LinkTLS>.choice.orNone, otherwise: "links if there is a tls-ca"),
            ServerSetting("tls-cert", tlsCert, \.tlsCertificate, Kind.path.orNone, isLive: true),
            ServerSetting("tls-key", tlsKey, \.tlsKey, Kind.path.orNone, isLive: true),
            ServerSetting("tls-ca", tlsCA, \.tlsAuthority, Kind.path.orNone, isLive: true),
            ServerSetting("tls-crl", tlsCrl, \.tlsRevocations, Kind.path.orNone, isLive: true),
            ServerSetting("tls-pin", tlsPin, \.tlsPins, Self.pins, isLive: true),
            ServerSetting("client-tls", clientTls.text, \.clientTLS, .choice, isLive: true),
            ServerSetting(
                "client-tls-cert", clientTlsCert, \.clientTLSCertificate, Kind.path.orNone, otherwise: "tls-cert",
                isLive: true),
            ServerSetting(
                "client-tls-key", clientTlsKey, \.clientTLSKey, Kind.path.orNone, otherwise: "tls-key", isLive: true),
            ServerSetting(
                "tls-handshake-ms", tlsHandshakeMs.text, \.tlsHandshakeMilliseconds, .number(1...Self.longest)),
            ServerSetting("tls-handshakes", tlsHandshakes.text, \.tlsHandshakesMax, .number(Self.handshakesRange)),
            ServerSetting("tls-warn-days", tlsWarnDays.text, \.tlsWarningDays, .number(0...3650), isLive: true),
        ]
    }

    static let rules = [
        ServerRule(
            ["tls", "tls-cert", "tls-key", "tls-ca", "client-tls"],
            "TLS on links needs --tls-cert, --tls-key and --tls-ca together."
        ) {
            let target = $0.target
            let hasIdentity = target.tlsCertificate != nil && target.tlsKey != nil
            let hasHalf = (target.tlsCertificate == nil) != (target.tlsKey == nil)
            if target.tlsAuthority != nil || target.linkTLS == .links {
                return target.tlsAuthority != nil && hasIdentity
            }
            return !hasHalf && (!hasIdentity || target.clientTLS != .off || target.linkTLS == .off)
        },
        ServerRule(
            ["tls-ca", "tls-crl", "tls-pin"], "tls-crl and tls-pin are of links under TLS: give --tls-ca as well."
        ) {
            $0.target.tlsAuthority != nil || ($0.target.tlsRevocations == nil && $0.target.tlsPins.isEmpty)
        },
        ServerRule(
            ["client-tls-cert", "client-tls-key"], "client-tls-cert and client-tls-key belong together: give both."
        ) { ($0.target.clientTLSCertificate == nil) == ($0.target.clientTLSKey == nil) },
        ServerRule(
            ["client-tls", "tls-cert", "tls-key", "client-tls-cert", "client-tls-key"],
            "client-tls needs a certificate and its key: --tls-cert and --tls-key, or --client-tls-cert and "
                + "--client-tls-key."
        ) { $0.target.clientTLS == .off || $0.target.clientIdentity != nil },
    ]
}

/// What TLS is made of has to be there before anything is started; whether it fits together is seen then.
extension Resolution<ServerConfiguration> {
    mutating func checkTLSFiles() {
        var files: [(name: String, path: String?)] = []
        let own = [("tls-cert", target.tlsCertificate), ("tls-key", target.tlsKey)]
        if target.linkIdentity != nil {
            files += own + [("tls-ca", target.tlsAuthority), ("tls-crl", target.tlsRevocations)]
        }
        if target.clientTLS != .off {
            let isOfClients = target.clientTLSCertificate != nil && target.clientTLSKey != nil
            if isOfClients {
                files += [
                    ("client-tls-cert", target.clientTLSCertificate), ("client-tls-key", target.clientTLSKey),
                ]
            } else if target.linkIdentity == nil {
                files += own
            }
        }
        for (name, path) in files {
            guard let path, let refusal = TextFile.refusal(of: path) else { continue }
            blame([name], "\(name): \(refusal)")
        }
    }
}
