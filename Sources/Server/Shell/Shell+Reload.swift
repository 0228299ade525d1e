/// SIGHUP: the settings and the files of TLS are read again by a helper, since a file may lie on a slow disk.
internal import Logging
internal import Node
internal import Reactor
internal import TLS

/// What reading settings again takes.
struct Reloading {
    /// Nil if there is no file that could have changed.
    var read: Reload.Reader?
    var inForce: ServerConfiguration
    var makeLogger: @Sendable (ServerConfiguration) -> Logger
    /// It is asked for, and the helper is busy; or it was asked for again meanwhile.
    var isWanted = false
    var isUnderWay = false
    /// How often it was done, and what came of it the last time.
    var count = 0
    var last: Outcome?

    struct Outcome {
        var at: Instant
        /// Empty if the settings were accepted.
        var mistakes: [String] = []
        var changed: [String] = []
        /// Those that need a new start.
        var waiting: [String] = []
    }

    mutating func note(_ outcome: Outcome) {
        count += 1
        last = outcome
    }

    /// Whether there is anything that could have changed.
    var canReload: Bool { read != nil || inForce.linkIdentity != nil || inForce.clientIdentity != nil }
}

/// What was read again: either all of it will do, or nothing changes.
struct Reloaded: Sendable {
    let settings: Reload
    /// Nil if the settings are refused.
    let tls: ServerTLS?

    /// Blocks.
    init(_ read: Reload.Reader?, inForce: ServerConfiguration) {
        let settings = read?(inForce) ?? .accepted(inForce, changed: [], waiting: [])
        guard case .accepted(let configuration, _, _) = settings else {
            (self.settings, tls) = (settings, nil)
            return
        }
        let isSwitched =
            (configuration.linkIdentity == nil) != (inForce.linkIdentity == nil)
            || (configuration.clientIdentity == nil) != (inForce.clientIdentity == nil)
        // It is what this server was started with, or has drawn itself.
        guard configuration.secret != nil || inForce.secret == nil else {
            (self.settings, tls) = (.refused(["there is no secret any more: give it as before, or a new one"]), nil)
            return
        }
        // All that TLS is made of stays together: a part of it would be another TLS that nobody has asked for.
        guard !isSwitched else {
            (self.settings, tls) = (settings.withTLS(of: inForce), nil)
            return
        }
        do throws(TLSError) {
            (self.settings, tls) = (settings, try ServerTLS(configuration))
        } catch {
            (self.settings, tls) = (.refused(["TLS cannot be set up: \(error)"]), nil)
        }
    }
}

extension Reload {
    /// TLS begins or ends with a new start only: the same, but its settings wait.
    fileprivate func withTLS(of inForce: ServerConfiguration) -> Reload {
        guard case .accepted(var configuration, let changed, let waiting) = self else { return self }
        configuration.tlsCertificate = inForce.tlsCertificate
        configuration.tlsKey = inForce.tlsKey
        configuration.tlsAuthority = inForce.tlsAuthority
        configuration.tlsRevocations = inForce.tlsRevocations
        configuration.tlsPins = inForce.tlsPins
        configuration.clientTLS = inForce.clientTLS
        configuration.clientTLSCertificate = inForce.clientTLSCertificate
        configuration.clientTLSKey = inForce.clientTLSKey
        let names: Set = [
            "tls-cert", "tls-key", "tls-ca", "tls-crl", "tls-pin", "client-tls", "client-tls-cert", "client-tls-key",
        ]
        return .accepted(
            configuration, changed: changed.filter { !names.contains($0) },
            waiting: changed.filter { names.contains($0) } + waiting)
    }
}

extension Shell {
    mutating func reload(in reactor: inout Reactor) {
        tellReloading(in: &reactor)
        guard reloading.canReload, let files = helpers.files else {
            log.logger.notice("SIGHUP: there is nothing to reload without --config, --secret-file or TLS")
            reloading.note(Reloading.Outcome(at: instant(of: reactor)))
            return tellReloaded(in: &reactor)
        }
        reloading.isWanted = true
        guard !reloading.isUnderWay else { return }
        let (read, inForce) = (reloading.read, reloading.inForce)
        guard files.submit({ .reload(Reloaded(read, inForce: inForce)) }) != nil else { return }
        (reloading.isWanted, reloading.isUnderWay) = (false, true)
    }

    mutating func reloaded(_ result: Reloaded, in reactor: inout Reactor) {
        reloading.isUnderWay = false
        // Also if it was refused: what held before holds on.
        if !reloading.isWanted { tellReloaded(in: &reactor) }
        switch result.settings {
        case .refused(let mistakes):
            reloading.note(Reloading.Outcome(at: instant(of: reactor), mistakes: mistakes))
            for mistake in mistakes {
                log.logger.error("a mistake in the configuration", metadata: ["mistake": "\(mistake)"])
            }
            log.logger.error(
                "configuration not reloaded: everything stays as it is", metadata: ["mistakes": "\(mistakes.count)"])
        case .accepted(let configuration, let changed, let waiting):
            reloading.inForce = configuration
            reloading.note(Reloading.Outcome(at: instant(of: reactor), changed: changed, waiting: waiting))
            log.logger = reloading.makeLogger(configuration)
            tell(changed: changed, waiting: waiting)
            if changed.contains("secret"), let secret = configuration.secret {
                node.changeSecrets(secret.keys, at: instant(of: reactor))
                secret.tell(log.logger)
            }
            if let tls = result.tls { renewTLS(tls, in: &reactor) }
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
