/// The back end of swift-log: events become lines, lines go to a sink that never blocks.
internal import Logging
internal import Reactor

struct LineLogHandler: LogHandler {
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    private let format: LogFormat
    private let sink: LogSink

    init(level: Logger.Level, format: LogFormat, sink: LogSink) {
        logLevel = level
        self.format = format
        self.sink = sink
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let own = event.metadata ?? [:]
        let all = metadata.isEmpty ? own : metadata.merging(own) { _, newer in newer }
        sink.write(
            LogLine.make(
                format, isForJournal: sink.isJournal, milliseconds: SystemClock.realtimeMilliseconds,
                level: event.level,
                message: event.message.description, metadata: all))
    }
}
