// Certificates for tests, made by scripts/make-certs when they are first asked for; no key is checked in.

import Foundation

enum TLSFiles {
    /// Of this run alone, so that networks of runs side by side do not meet.
    static let net = "127.\(UInt8.random(in: 1...254)).\(UInt8.random(in: 1...254))"

    /// Two authorities, each with a certificate `red`; `one` also has `blue`, `old`, which has expired, `gone`, which is
    /// revoked, and `far`, which is for another host. The others are good for 127.0.0.1, localhost, three addresses of `net` and
    /// those of five servers in network namespaces.
    private static let directory: Result<String, HarnessError> = {
        let made = NSTemporaryDirectory() + "pando-tls-\(ProcessInfo.processInfo.processIdentifier)"
        cleaner = made
        atexit { TLSFiles.clean() }
        let isolated = (1...5).map { "10.77.0.\($0)" }.joined(separator: ",")
        let here = "--names 127.0.0.1,localhost,\(net).1,\(net).2,\(net).3,\(isolated)"
        for arguments in [
            "\(here) \(made)/one red blue gone", "\(here) --days 0 \(made)/one old", "\(made)/one far.example.org",
            "\(here) \(made)/two red", "--revoke gone \(made)/one",
        ] {
            let failed = Program.run("scripts/make-certs", arguments.components(separatedBy: " "))
            if let failed { return .failure(HarnessError("scripts/make-certs \(arguments): \(failed)")) }
        }
        return .success(made)
    }()

    nonisolated(unsafe) private static var cleaner = ""

    private static func clean() { try? FileManager.default.removeItem(atPath: cleaner) }

    static func path(_ file: String) throws -> String { "\(try directory.get())/\(file)" }

    /// The options of a server whose certificate and authority can change: they lie in a folder of its own.
    static func movable(_ name: String = "red") throws -> (options: [String], folder: String) {
        let folder = "\(try directory.get())/moved-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try put("one/\(name).pem", folder, "own.pem")
        try put("one/\(name).key", folder, "own.key")
        try put("one/ca.pem", folder, "ca.pem")
        let options = [
            "--tls-cert", "\(folder)/own.pem", "--tls-key", "\(folder)/own.key", "--tls-ca", "\(folder)/ca.pem",
        ]
        return (options, folder)
    }

    /// Puts files, one behind the other, in the place of one of such a server.
    static func put(_ files: String..., to folder: String, as name: String) throws {
        let parts = try files.map { try String(contentsOfFile: "\(try directory.get())/\($0)", encoding: .utf8) }
        try parts.joined().write(toFile: "\(folder)/\(name)", atomically: true, encoding: .utf8)
    }

    private static func put(_ file: String, _ folder: String, _ name: String) throws {
        try put(file, to: folder, as: name)
    }

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
