/// What an operator sees.
import ArgumentParser
import Configuration
import Logging
import Server

struct InsightOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Least level that is logged: \(Kind<Logger.Level>.choice.expected).", valueName: "level"),
        completion: .list(Logger.Level.allCases.map(\.rawValue)))
    var logLevel = Given(standard: Logger.Level.info)

    @Option(
        help: ArgumentHelp("Form of the log's lines: \(Kind<LogFormat>.choice.expected).", valueName: "format"),
        completion: .list(LogFormat.allCases.map(\.rawValue)))
    var logFormat = Given(standard: LogFormat.text)

    @Option(
        help: ArgumentHelp(
            "File to which the log is appended; SIGUSR1 opens it again. (default: the standard error stream)",
            valueName: "path"), completion: .file())
    var logFile: String?

    @Option(
        help: ArgumentHelp(
            "Reports of one kind that are logged in a second; what comes in greater masses is counted and told.",
            valueName: "count"))
    var logReportsPerSecond = Given(standard: ServerConfiguration().logReportsPerSecond)

    @Option(
        help: ArgumentHelp(
            "File for the statistics, a JSON object; replaced at each SIGUSR1 and at the end.", valueName: "path"),
        completion: .file())
    var statisticsFile: String?

    var settings: [ServerSetting] {
        [
            ServerSetting("log-level", logLevel.text, \.logLevel, .choice, isLive: true),
            ServerSetting("log-format", logFormat.text, \.logFormat, .choice, isLive: true),
            ServerSetting(
                "log-file", logFile, \.logPath, Kind.path.orNone, otherwise: "the standard error stream"),
            ServerSetting(
                "log-reports-per-second", logReportsPerSecond.text, \.logReportsPerSecond, .number(1...1_000_000)),
            ServerSetting("statistics-file", statisticsFile, \.statisticsPath, Kind.path.orNone),
        ]
    }
}
