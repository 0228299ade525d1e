/// Where people and programs look at a running server.
import ArgumentParser
import Configuration
import Server

struct AdminOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Address for /metrics, /healthz, /status.json and a page that shows the network: a port of 127.0.0.1, or "
                + "ADDRESS:PORT, which needs a token unless it is of this host alone. (default: none)",
            valueName: "address"))
    var admin: String?

    // A token may look like an option.
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("What who looks has to know, 16 characters or more.", valueName: "token"))
    var adminToken: String?

    @Option(help: ArgumentHelp("File whose first line is that token.", valueName: "path"), completion: .file())
    var adminTokenFile: String?

    private static let addressKind = Kind<AdminAddress>(
        "a port, or a numeric address and a port: 3790, 127.0.0.1:3790, [::1]:3790", read: { AdminAddress($0) },
        show: { $0.text })
    private static let tokenKind = Kind<String>(
        "a token must not be empty", read: { $0.isEmpty ? nil : $0 }, show: { _ in nil })

    var settings: [ServerSetting] {
        [
            ServerSetting("admin", admin, \.admin, Self.addressKind.orNone),
            ServerSetting("admin-token", adminToken, \.adminToken, Self.tokenKind.orNone, isSecret: true),
            ServerSetting("admin-token-file", adminTokenFile, \.adminTokenPath, Kind.path.orNone),
        ]
    }

    static let rules = [
        ServerRule(
            ["admin", "admin-token", "admin-token-file"],
            "admin is an address that other hosts reach, so whoever looks needs a token: name its file with "
                + "admin-token-file, or give \(prefixOfVariables)ADMIN_TOKEN; or take an address of this host alone."
        ) { ($0.target.admin?.isLoopback ?? true) || $0.target.adminToken != nil },
        ServerRule(
            ["admin-token", "admin-token-file"],
            "an admin-token has \(AdminAddress.tokenBytesMin) characters or more: it could be guessed."
        ) { ($0.target.adminToken?.utf8.count ?? .max) >= AdminAddress.tokenBytesMin },
    ]
}
