// What the documents hand out works as it stands there: clients to copy, and manual pages.

import Foundation
import Testing

extension LightTests {
    @Suite(.timeLimit(.minutes(5))) struct ManualTests {
        /// A block of docs/clients.md.
        struct Example: CustomTestStringConvertible, Sendable {
            var language: String
            var file: String
            var command: [String]

            var testDescription: String { file }

            func text() throws -> String {
                let page = try String(contentsOfFile: sourceRoot + "/docs/clients.md", encoding: .utf8)
                let begin = try #require(page.range(of: "```\(language)\n")).upperBound
                let end = try #require(page.range(of: "\n```\n", range: begin..<page.endIndex)).lowerBound
                return String(page[begin..<end]) + "\n"
            }

            var isRunnable: Bool { access(command[0], X_OK) == 0 }
        }

        private static let examples = [
            Example(language: "python", file: "chat.py", command: ["/usr/bin/env", "python3"]),
            Example(language: "bash", file: "chat.sh", command: ["/bin/bash"]),
            Example(language: "java", file: "Chat.java", command: ["/usr/bin/java"]),
        ]

        /// Java is much to install for one test: where it is missing, that example is not run, and the list of tests
        /// tells so.
        @Test(arguments: examples.filter(\.isRunnable)) func `a client from the guide talks, and follows its server`(
            example: Example
        ) throws {
            let folder = NSTemporaryDirectory() + "pando-\(UUID().uuidString)"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
            defer { try? FileManager.default.removeItem(atPath: folder) }
            let file = folder + "/" + example.file
            try example.text().write(toFile: file, atomically: true, encoding: .utf8)
            try withNetwork(2) { network in
                let other = try TestClient(port: network.ports[0])
                try other.register("alice", "w")
                try other.login()
                let program = try Program(
                    path: example.command[0],
                    example.command.dropFirst() + [file, "127.0.0.1", "\(network.ports[0])", "alice", "w"])
                defer { program.kill9() }
                func talk(_ word: String) throws {
                    try program.write("\(word) \"quoted\" \\ ž\n")
                    try other.expectBroadcast(#"{"text":"\#(word) \"quoted\" \\ ž"}"#, by: "alice")
                    try other.sayAndHear(#"{"for":"\#(word)"}"#)
                    _ = try program.outputLine(seconds: 20, word) { $0.contains("for") && $0.contains(word) }
                }
                // Sent on at its login.
                try wait(for: "one session at each server") { try network.statistics().map(\.sessions) == [1, 1] }
                try talk("first")
                // And sent back.
                network.servers[1].program.signal(SIGUSR2)
                #expect(try network.servers[1].program.waitForExit(seconds: 30) == .code(0))
                try network.restart(1, through: 0)
                try talk("second")
                program.closeInput()
                #expect(try program.waitForExit(seconds: 20) == .code(0))
            }
        }

        /// The blocks of a document as one script.
        private func script(of page: String) throws -> [String] {
            let text = try String(contentsOfFile: sourceRoot + "/" + page, encoding: .utf8)
            let blocks = text.components(separatedBy: "```sh\n").dropFirst().compactMap {
                $0.components(separatedBy: "```").first
            }
            #expect(blocks.count > 5)
            let joined = blocks.joined().replacing("\\\n", with: "")
                .replacing("$PWD/.build/release", with: Program.binaryDirectory)
            return joined.split(separator: "\n").compactMap { line in
                // What builds and tests everything is run by who runs this.
                if line.hasPrefix("scripts/") || line.hasPrefix("swift build") { return nil }
                if line.contains("# fails") { return "! \(line)" }
                if line.hasPrefix("timeout ") { return "\(line) || test $? = 124" }
                // In a terminal of its own.
                if line.hasPrefix("pando-server "), !line.hasSuffix("&") { return "\(line) & sleep 2" }
                return String(line)
            }
        }

        /// In a network of its own, where nobody else has the ports, with processes of its own.
        @Test(.enabled(if: getuid() == 0), arguments: ["README.md", "docs/tutorial.md"])
        func `every command runs as pasted`(page: String) throws {
            let lines = ["set -eo pipefail", "ip link set lo up"] + (try script(of: page))
            let program = try Program(
                path: "/usr/bin/env",
                ["-C", sourceRoot, "unshare", "--net", "--pid", "--fork", "--mount-proc", "--kill-child", "bash"])
            defer { program.kill9() }
            // All of it is read before any of it runs: the commands have no input.
            try program.write("{\n" + lines.joined(separator: "\n") + "\nexit 0; } < /dev/null\n")
            program.closeInput()
            let status = try program.waitForExit(seconds: 300)
            let said = (program.outputLines + program.errorLines.suffix(30)).joined(separator: "\n")
            #expect(status == .code(0), "\(said)")
            if page != "README.md" { #expect(said.contains("bob heard all, once, in order")) }
        }

        /// What the README begins with. In a network of its own, as the commands above, with processes of its own.
        @Test(.enabled(if: getuid() == 0)) func `three servers to try, of which one is killed and comes back`() throws {
            let program = try Program(
                path: "/usr/bin/env",
                [
                    "-C", sourceRoot, "PANDO_BIN_DIR=\(Program.binaryDirectory)", "PANDO_RESTART_SECONDS=1", "unshare",
                    "--net", "--pid", "--fork", "--mount-proc", "--kill-child", "bash", "-ec",
                    """
                    ip link set lo up
                    said=$(mktemp)
                    trap 'cat $said; rm $said' EXIT
                    until_said() { until grep "$1" $said; do kill -0 $run; sleep 0.1; done; }
                    scripts/run > $said 2>&1 & run=$!
                    until_said 'kill -9'
                    for name in alice bob carol; do test $(grep -c "  $name  *hears" $said) = 3; done
                    curl -sSf $(grep -o 'http://127.0.0.1:3790/$' $said) | grep -q '<!doctype html>'
                    $(grep -m 1 -o 'kill -9 [0-9]*' $said)
                    until_said 'server 3 is back'
                    kill $run
                    wait $run || test $? = 143
                    ! pgrep pando
                    """,
                ])
            defer { program.kill9() }
            let status = try program.waitForExit(seconds: 60)
            #expect(status == .code(0), "\(program.outputLines)\n\(program.errorLines)")
        }

        @Test func `the manual pages say what the programs say, and can be set`() throws {
            let check = try Program(path: sourceRoot + "/scripts/manuals", [Program.binaryDirectory, "--check"])
            defer { check.kill9() }
            #expect(try check.waitForExit(seconds: 60) == .code(0), "\(check.outputLines)\n\(check.errorLines)")
            let folder = sourceRoot + "/docs/man"
            for page in try FileManager.default.contentsOfDirectory(atPath: folder) {
                let man = try Program(
                    path: "/usr/bin/env", ["LC_ALL=C.UTF-8", "man", "--warnings", "-l", folder + "/" + page])
                defer { man.kill9() }
                #expect(try man.waitForExit(seconds: 60) == .code(0))
                #expect(man.errorLines == [], "\(page)")
                #expect(man.outputLines.contains { $0.contains("NAME") })
            }
        }
    }
}
