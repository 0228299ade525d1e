/// TLS between servers.
import ArgumentParser
import Server

/// Which connections are under TLS.
enum TLSPolicy: String, ExpressibleByArgument, CaseIterable {
    case off, links
}

struct TLSOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Which connections are under TLS: off or links. (default: links if --tls-cert is given)",
            valueName: "policy"))
    var tls: TLSPolicy?

    @Option(
        help: ArgumentHelp(
            "This server's certificate with its chain, a PEM file. It must be valid for the name in -lh.",
            valueName: "path"))
    var tlsCert: String?

    @Option(help: ArgumentHelp("The key of that certificate, a PEM file without a passphrase.", valueName: "path"))
    var tlsKey: String?

    @Option(
        name: .customLong("tls-ca"),
        help: ArgumentHelp(
            "The certificates of the authority by which other servers are judged, a PEM file.", valueName: "path"))
    var tlsCA: String?

    func validate() throws {
        let given = [tlsCert, tlsKey, tlsCA].compactMap { $0 }.count
        guard given == 3 || (given == 0 && tls != .links) else {
            throw ValidationError("TLS needs --tls-cert, --tls-key and --tls-ca together.")
        }
    }

    func apply(to configuration: inout ServerConfiguration) {
        guard tls != .off, let tlsCert, let tlsKey, let tlsCA else { return }
        configuration.tls = ServerConfiguration.TLS(certificate: tlsCert, key: tlsKey, authority: tlsCA)
    }
}
