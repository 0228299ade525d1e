import Foundation
import Testing

/// The program as a user runs it. Two processes matter: within one, hashed collections iterate alike.
@Suite(.serialized) struct ProcessTests {
    private struct Result {
        var status: Int32
        var output: Data
    }

    /// Runs `pando-sim`, which is built beside the tests.
    private static func run(_ arguments: [String]) throws -> Result {
        let tests = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        let process = Process()
        process.executableURL = tests.deletingLastPathComponent().appendingPathComponent("pando-sim")
        process.arguments = arguments
        var environment = ProcessInfo.processInfo.environment
        environment["SWIFT_DETERMINISTIC_HASHING"] = nil
        process.environment = environment
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return Result(status: process.terminationStatus, output: output)
    }

    @Test func oneSeedGivesOneTraceInTwoProcesses() throws {
        let arguments = ["--seed", "5", "--servers", "4", "--clients", "3", "--seconds", "3", "--trace"]
        let first = try Self.run(arguments)
        let second = try Self.run(arguments)
        #expect(first.status == 0)
        #expect(first.output.count > 100_000)
        #expect(first.output == second.output)
    }

    @Test func seedsAreRunOneByOneAndSummedUp() throws {
        let result = try Self.run(["--seeds", "1-2", "--servers", "2", "--clients", "1", "--seconds", "1"])
        let text = String(decoding: result.output, as: UTF8.self)
        #expect(result.status == 0)
        #expect(text.contains("seed 1:") && text.contains("seed 2:") && text.contains("RMR 0.000"))
    }

    @Test func mistakesAreExplained() throws {
        #expect(try Self.run(["--seed", "1", "--seeds", "1-2"]).status == 64)
        #expect(try Self.run(["--servers", "0"]).status == 64)
        let help = String(decoding: try Self.run(["--help"]).output, as: UTF8.self)
        for word in ["--seed", "--seeds", "--servers", "--clients", "--rate", "--seconds", "--trace", "Examples"] {
            #expect(help.contains(word))
        }
    }
}
