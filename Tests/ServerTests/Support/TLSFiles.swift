// Certificates for tests, made by scripts/make-certs when they are first asked for; no key is checked in.

import Foundation

enum TLSFiles {
    /// Of this run alone, so that networks of runs side by side do not meet.
    static let net = "127.\(UInt8.random(in: 1...254)).\(UInt8.random(in: 1...254))"

    /// Two authorities, each with a certificate `red`; `one` also has `blue` and `old`, which has expired, and `far`,
    /// which is for another host. The others are good for 127.0.0.1, localhost and three addresses of `net`.
    private static let directory: Result<String, HarnessError> = {
        let made = NSTemporaryDirectory() + "pando-tls-\(ProcessInfo.processInfo.processIdentifier)"
        cleaner = made
        atexit { TLSFiles.clean() }
        let here = "--names 127.0.0.1,localhost,\(net).1,\(net).2,\(net).3"
        for arguments in [
            "\(here) \(made)/one red blue", "\(here) --days 0 \(made)/one old", "\(made)/one far.example.org",
            "\(here) \(made)/two red",
        ] {
            let failed = Program.run("scripts/make-certs", arguments.components(separatedBy: " "))
            if let failed { return .failure(HarnessError("scripts/make-certs \(arguments): \(failed)")) }
        }
        return .success(made)
    }()

    nonisolated(unsafe) private static var cleaner = ""

    private static func clean() { try? FileManager.default.removeItem(atPath: cleaner) }

    /// The options of a server under TLS.
    static func options(_ name: String = "red", of authority: String = "one", trusting: String = "one") throws
        -> [String]
    {
        let directory = try directory.get()
        return [
            "--tls-cert", "\(directory)/\(authority)/\(name).pem", "--tls-key", "\(directory)/\(authority)/\(name).key",
            "--tls-ca", "\(directory)/\(trusting)/ca.pem",
        ]
    }
}

extension Program {
    /// Runs a script of the repository to its end. Returns what it said if it failed.
    fileprivate static func run(_ script: String, _ arguments: [String]) -> String? {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().path
        do {
            let program = try Program(path: "\(root)/\(script)", arguments)
            return try program.waitForExit(seconds: 60) == .code(0) ? nil : program.recentErrors
        } catch { return "\(error)" }
    }
}
