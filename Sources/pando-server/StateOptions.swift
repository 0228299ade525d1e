/// What outlives the process.
import ArgumentParser
import Configuration
import Server

struct StateOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Folder in which users and the addresses of other servers are kept beyond a restart. "
                + "(default: memory only)",
            valueName: "path"), completion: .directory)
    var stateDir: String?

    var settings: [ServerSetting] {
        [ServerSetting("state-dir", stateDir, \.statePath, Kind.path.orNone, otherwise: "memory only")]
    }
}
