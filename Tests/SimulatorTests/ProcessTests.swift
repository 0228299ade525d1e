import Foundation
import Testing

/// The program as a user runs it. Two processes matter: within one, hashed collections iterate alike.
@Suite(.serialized) struct ProcessTests {
    private struct Result {
        var status: Int32
        var output: Data
        var text: String { String(decoding: output, as: UTF8.self) }
    }

    /// `pando-sim`, which is built beside the tests, ready to be run.
    private static func process(_ arguments: [String]) -> (Process, Pipe) {
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
        return (process, pipe)
    }

    private static func result(of process: Process, _ pipe: Pipe) -> Result {
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return Result(status: process.terminationStatus, output: output)
    }

    private static func run(_ arguments: [String]) throws -> Result {
        let (process, pipe) = process(arguments)
        try process.run()
        return result(of: process, pipe)
    }

    /// The first of the processes that a process has started, once there is one.
    private static func worker(of process: Process) -> pid_t? {
        let id = process.processIdentifier
        while process.isRunning {
            let children = try? String(contentsOfFile: "/proc/\(id)/task/\(id)/children", encoding: .utf8)
            if let first = children?.split(separator: " ").first { return pid_t(first) }
            usleep(1000)
        }
        return nil
    }

    @Test func oneSeedGivesOneTraceInTwoProcesses() throws {
        let arguments = ["--seed", "5", "--servers", "4", "--clients", "3", "--seconds", "3", "--trace"]
        let first = try Self.run(arguments)
        let second = try Self.run(arguments)
        #expect(first.status == 0)
        #expect(first.output.count > 100_000)
        #expect(first.output == second.output)
    }

    /// However many processes share the seeds.
    @Test func manySeedsAreSummedUpAlike() throws {
        let arguments = ["--seeds", "1-6", "--servers", "2", "--clients", "1", "--seconds", "1"]
        let one = try Self.run(arguments + ["--jobs", "1"])
        let three = try Self.run(arguments + ["--jobs", "3"])
        #expect(one.status == 0)
        #expect(one.output == three.output)
        #expect(one.text.contains("6 seeds: every promise held"))
        #expect(one.text.contains("redundancy (RMR)"))
    }

    @Test func aSummaryCanBeReadByPrograms() throws {
        let arguments = ["--seeds", "1-2", "--servers", "2", "--clients", "1", "--seconds", "1", "--json"]
        let result = try Self.run(arguments)
        let document = try #require(try JSONSerialization.jsonObject(with: result.output) as? [String: Any])
        #expect(document["seeds"] as? Int == 2)
        #expect((document["failures"] as? [Any])?.isEmpty == true)
        #expect((document["measures"] as? [String: Any])?["redundancy (RMR)"] != nil)
    }

    @Test func aViolationSaysHowToReplayIt() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let file =
            "servers: 2\nclients: 1\nseconds: 2\ntimeline: [{at: 1, part: [[0], [1]]}]\nexpect: {whole-within: 20}\n"
        try Data(file.utf8).write(to: URL(fileURLWithPath: path))
        let result = try Self.run(["--file", path, "--seeds", "3-4"])
        #expect(result.status == 1)
        #expect(result.text.contains("VIOLATION notReached"))
        #expect(result.text.contains("s0 | s1 cut silently"))
        #expect(result.text.contains("replay: pando-sim --seed 3 --file \(path) --trace"))
        #expect(result.text.contains("failed seeds: 3 4"))
    }

    /// A crash in one seed costs this seed, and is told.
    @Test func aCrashIsAFailureOfItsSeed() throws {
        let (process, pipe) = Self.process(
            ["--seeds", "1-12", "--servers", "3", "--clients", "2", "--seconds", "10", "--jobs", "1"])
        try process.run()
        let worker = try #require(Self.worker(of: process))
        #expect(kill(worker, SIGKILL) == 0)
        let result = Self.result(of: process, pipe)
        #expect(result.status == 1)
        #expect(result.text.contains("12 seeds: 11 kept every promise, 1 did not"))
        #expect(result.text.contains("crashed: the simulator's process was ended by signal 9"))
    }

    @Test func anInterruptedRunGoesOn() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let network = ["--servers", "3", "--clients", "1", "--seconds", "5", "--resume", path]
        let (process, pipe) = Self.process(["--seeds", "1-100000", "--jobs", "2"] + network)
        try process.run()
        // Two results at least: the header and two lines.
        while process.isRunning,
            (try? Data(contentsOf: URL(fileURLWithPath: path)))?.count(where: { $0 == 10 }) ?? 0 < 3
        {
            usleep(1000)
        }
        process.interrupt()
        let interrupted = Self.result(of: process, pipe)
        #expect(interrupted.status == 130)
        #expect(interrupted.text.contains("every promise held"))
        let before = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").count
        let resumed = try Self.run(["--seeds", "1-4"] + network)
        let whole = try Self.run(["--seeds", "1-4"] + network.dropLast(2))
        #expect(resumed.output == whole.output)
        let after = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").count
        #expect(after <= before + 2, "what was done is not done again")
        #expect(try Self.run(["--seeds", "1-4", "--resume", path]).status == 64)
        #expect(try Self.run(["--seeds", "1-2"] + network + ["--restart"]).status == 0)
        #expect(try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").count == 3)
    }

    @Test func mistakesAreExplained() throws {
        for arguments in [
            ["--seed", "1", "--seeds", "1-2"], ["--servers", "0"], ["--clients", "3"],
            ["--seed", "1", "--resume", "x"],
            ["--seeds", "0-18446744073709551615"], ["--seeds", "5-4"], ["--faults", "--servers", "3", "--rate", "3"],
            ["--file", "/nowhere.yaml"], ["--file", "x.yaml", "--servers", "3"], ["--seeds", "1-2", "--trace"],
        ] {
            #expect(try Self.run(arguments).status == 64, "\(arguments)")
        }
        let help = try Self.run(["--help"]).text
        for word in ["--seed", "--seeds", "--servers", "--clients", "--rate", "--seconds", "--trace", "Examples"] {
            #expect(help.contains(word))
        }
    }
}
