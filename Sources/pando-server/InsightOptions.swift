/// What an operator sees.
public import ArgumentParser
public import Logging
public import Server

extension Logger.Level: @retroactive ExpressibleByArgument {}
extension LogFormat: ExpressibleByArgument {}

struct InsightOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Least level that is logged.", valueName: "level"))
    var logLevel = Logger.Level.info

    @Option(help: ArgumentHelp("Form of the log's lines.", valueName: "format"))
    var logFormat = LogFormat.text

    @Option(
        help: ArgumentHelp(
            "File for the statistics, a JSON object; replaced at each SIGUSR1 and at the end.", valueName: "path"))
    var statisticsFile: String?

    func validate() throws {
        if let statisticsFile, statisticsFile.isEmpty || statisticsFile.hasSuffix("/") {
            throw ValidationError("--statistics-file '\(statisticsFile)': a path of a file is needed.")
        }
    }

    func apply(to configuration: inout ServerConfiguration) {
        configuration.logLevel = logLevel
        configuration.logFormat = logFormat
        configuration.statisticsPath = statisticsFile
    }
}
