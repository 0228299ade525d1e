/// SIGHUP: the settings are read again by a helper, since a file may lie on a slow disk.
internal import Logging
internal import Reactor

/// What reading settings again takes.
struct Reloading {
    /// Nil if there is no file that could have changed.
    var read: Reload.Reader?
    var inForce: ServerConfiguration
    var makeLogger: @Sendable (ServerConfiguration) -> Logger
    /// It is asked for, and the helper is busy; or it was asked for again meanwhile.
    var isWanted = false
    var isUnderWay = false
}

extension Shell {
    mutating func reload() {
        guard let read = reloading.read, let files = helpers.files else {
            return log.logger.notice("SIGHUP: there is nothing to reload without --config")
        }
        reloading.isWanted = true
        guard !reloading.isUnderWay else { return }
        let inForce = reloading.inForce
        guard files.submit({ .reload(read(inForce)) }) != nil else { return }
        (reloading.isWanted, reloading.isUnderWay) = (false, true)
    }

    mutating func reloaded(_ result: Reload) {
        reloading.isUnderWay = false
        switch result {
        case .refused(let mistakes):
            for mistake in mistakes {
                log.logger.error("a mistake in the configuration", metadata: ["mistake": "\(mistake)"])
            }
            log.logger.error(
                "configuration not reloaded: everything stays as it is", metadata: ["mistakes": "\(mistakes.count)"])
        case .accepted(let configuration, let changed, let waiting):
            reloading.inForce = configuration
            log.logger = reloading.makeLogger(configuration)
            tell(changed: changed, waiting: waiting)
        }
    }

    /// Whatever the level is now: who asked for it wants to know.
    private func tell(changed: [String], waiting: [String]) {
        var logger = log.logger
        logger.logLevel = min(logger.logLevel, .notice)
        let names = changed.isEmpty ? "none" : changed.joined(separator: ", ")
        logger.notice("configuration reloaded", metadata: ["changed": "\(names)"])
        if waiting.isEmpty { return }
        logger.warning(
            "settings differ that change only with a new start",
            metadata: ["settings": "\(waiting.joined(separator: ", "))"])
    }
}
