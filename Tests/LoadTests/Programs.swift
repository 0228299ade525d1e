// Real programs for these tests. None outlives the thread that started it (`setpriv --pdeathsig`), and each test runs
// on a thread of its own, which ends with it.

import Foundation
import Glibc

struct TestTrouble: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// Runs a test's body, which blocks, away from the threads that all tests share.
func onThread<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
        Thread { continuation.resume(with: Swift.Result { try body() }) }.start()
    }
}

final class Child {
    let process: pid_t
    private let output: Int32

    /// A program of the build folder, or of the system if it has a path.
    init(_ name: String, _ arguments: [String]) throws {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw TestTrouble("no pipe") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        defer { close(ends[1]) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 2)
        let path = name.hasPrefix("/") ? name : Self.folder + "/" + name
        let words = ["/usr/bin/setpriv", "--pdeathsig", "KILL", path] + arguments
        var pointers = words.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var child: pid_t = 0
        guard posix_spawn(&child, words[0], &actions, nil, &pointers, environ) == 0 else {
            throw TestTrouble("cannot start \(path)")
        }
        process = child
        output = ends[0]
    }

    private static let folder: String = {
        if let given = ProcessInfo.processInfo.environment["PANDO_BIN_DIR"] { return given }
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return URL(fileURLWithPath: own).deletingLastPathComponent().path
    }()

    /// What it writes, up to a line with `word` or its end.
    func output(until word: String? = nil) -> String {
        var bytes: [UInt8] = []
        var room = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(output, &room, room.count)
            guard count > 0 else { break }
            bytes += room[..<count]
            if let word, bytes.last == 10, String(decoding: bytes, as: UTF8.self).contains(word) { break }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Its exit status, or minus the signal that ended it.
    func wait() -> Int32 {
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        return status & 0x7F == 0 ? status >> 8 : -(status & 0x7F)
    }

    func end() {
        kill(process, SIGKILL)
        _ = wait()
        close(output)
    }
}

/// A server for one test.
func withServer<Result>(_ options: [String] = [], _ body: (_ port: Int, _ process: pid_t) throws -> Result) throws
    -> Result
{
    let secret = "load-\(UInt32.random(in: 0 ... .max))"
    let server = try Child(
        "pando-server", ["--bind", "127.0.0.1", "-lp", "0", "-lh", "127.0.0.1", "-s", secret] + options)
    defer { server.end() }
    let ready = server.output(until: " ready on ")
    guard let match = ready.firstMatch(of: /ready on 127\.0\.0\.1:([0-9]+)/), let port = Int(match.1) else {
        throw TestTrouble("the server is not ready: \(ready)")
    }
    return try body(port, server.process)
}

/// How a run ended and what it printed.
struct Run: Sendable {
    let status: Int32
    let text: String
    private let values: [String: Double]

    init(_ arguments: [String]) throws {
        let load = try Child("pando-load", arguments)
        text = load.output()
        status = load.wait()
        var values: [String: Double] = [:]
        if let line = text.split(separator: "\n").first(where: { $0.hasPrefix("{") }),
            let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        {
            for (key, value) in object { values[key] = (value as? NSNumber)?.doubleValue }
            for (key, value) in object["latency_us"] as? [String: Any] ?? [:] {
                values[key] = (value as? NSNumber)?.doubleValue
            }
        }
        self.values = values
    }

    /// NaN if it is not there or null, so that no comparison holds by accident.
    subscript(_ name: String) -> Double { values[name] ?? .nan }
}

/// Of scripts/make-certs.
enum Certificates {
    /// A new folder with an authority and a certificate for `red`.
    static func make() throws -> String {
        let folder = NSTemporaryDirectory() + "pando-load-\(UUID().uuidString)"
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().path
        let script = Process()
        script.executableURL = URL(fileURLWithPath: "\(root)/scripts/make-certs")
        script.arguments = [folder, "red"]
        script.standardError = FileHandle.nullDevice
        try script.run()
        script.waitUntilExit()
        guard script.terminationStatus == 0 else { throw TestTrouble("scripts/make-certs failed") }
        return folder
    }

    static func remove(_ folder: String) { try? FileManager.default.removeItem(atPath: folder) }
}
