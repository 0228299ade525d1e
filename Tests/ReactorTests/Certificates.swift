import Glibc
import TLS
import Testing

/// Certificates made by scripts/make-certs: two authorities (`one`, `two`), each with `red` and `blue`; `one` also has
/// `old`, which has expired, and `gone`, which is revoked. Every certificate is good for its own name, `localhost` and
/// 127.0.0.1.
enum Certificates {
    static let directory: String? = {
        let made = "/tmp/pando-tls-\(getpid())"
        let root = String(#filePath.prefix(#filePath.count - "/Tests/ReactorTests/Certificates.swift".count))
        let script = "'\(root)/scripts/make-certs'"
        let names = "--names localhost,127.0.0.1"
        let steps = [
            "\(script) \(names) \(made)/one red blue gone", "\(script) \(names) --days 0 \(made)/one old",
            "\(script) --revoke gone \(made)/one", "\(script) \(names) \(made)/two red blue",
        ]
        atexit { system("rm -rf /tmp/pando-tls-\(getpid())") }
        return steps.allSatisfy { system("\($0) 2>/dev/null") == 0 } ? made : nil
    }()

    static func path(_ file: String) throws -> String {
        "\(try #require(directory, "scripts/make-certs works"))/\(file)"
    }

    static func identity(_ name: String) throws -> TLSIdentity {
        TLSIdentity(certificate: try path("\(name).pem"), key: try path("\(name).key"))
    }

    static func context(
        _ name: String, trusting authority: String = "one", revocations: String? = nil, pins: [String] = []
    ) throws -> TLSContext {
        try TLSContext(
            links: try identity(name), authority: try path("\(authority)/ca.pem"),
            revocations: try revocations.map { try path($0) }, pins: pins)
    }
}
