/// Where the settings come from, and what is told of them instead of a start.
import ArgumentParser
import Configuration
import Glibc
import Server

struct SourceOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Configuration file, as config/pando-server.yaml. (environment: PANDO_CONFIG)", valueName: "path"),
        completion: .file(extensions: ["yaml", "yml"]))
    var config: String?

    @Flag(help: "Name every mistake in options, environment and file, and end: 0 if there is none, else 64 or 78.")
    var checkConfig = false

    @Flag(help: "Print what is in force and where each value comes from, as a configuration file, and end.")
    var printConfig = false

    @Option(help: .hidden)
    var peerVersions: PeerVersions?

    static let variable = prefixOfVariables + "CONFIG"

    /// The configuration file, if there is one.
    var path: String? { config ?? Self.environment()[Self.variable] }

    func resolve(_ groups: [ServerSettings], _ rules: [ServerRule]) -> Resolution<ServerConfiguration> {
        let environment = Self.environment()
        let file = path.map { ConfigurationFile(path: $0) } ?? ConfigurationFile()
        var resolution = Resolution(
            ServerConfiguration(), groups, file: file,
            environment: environment.filter { $0.key != Self.variable })
        resolution.readSecrets()
        resolution.check(rules)
        resolution.checkTLSFiles()
        return resolution
    }

    /// The variables of this process.
    private static func environment() -> [String: String] {
        var result: [String: String] = [:]
        var next = unsafe environ
        // A list of C strings with an end, which nobody changes.
        while let entry = unsafe next.pointee {
            let text = unsafe String(cString: entry)
            if let equals = text.firstIndex(of: "="), text.hasPrefix(prefixOfVariables) {
                result[String(text[..<equals])] = String(text[text.index(after: equals)...])
            }
            unsafe next += 1
        }
        return result
    }

    // MARK: Words

    func tell(_ mistakes: [Mistake]) {
        let count = mistakes.count == 1 ? "1 mistake" : "\(mistakes.count) mistakes"
        let lines = mistakes.map { "pando-server: \($0)\n" } + ["pando-server: \(count); nothing was started\n"]
        TextFile.write(lines.joined(), to: STDERR_FILENO)
    }

    func tellThatAllIsWell() { TextFile.write("pando-server: no mistakes\n", to: STDOUT_FILENO) }

    func print(_ resolution: Resolution<ServerConfiguration>, _ groups: [ServerSettings]) {
        let title = "# pando-server \(Server.version): what is in force, and where each value comes from\n"
        TextFile.write(title + resolution.text(groups), to: STDOUT_FILENO)
    }
}

/// `1-2`. Only for tests of mixed networks: as if this program were of another release.
struct PeerVersions: ExpressibleByArgument {
    let range: ClosedRange<UInt16>

    init?(argument: String) {
        let ends = argument.split(separator: "-", omittingEmptySubsequences: false).map { UInt16($0) }
        guard ends.count == 2, let lowest = ends[0], let highest = ends[1], lowest <= highest else { return nil }
        range = lowest...highest
    }
}
