/// The TLS of a configuration: made whole from its files, or not at all.
internal import Logging
internal import Reactor
internal import TLS

/// What connections are given that begin under TLS, and when the certificates of it expire.
struct ServerTLS: Sendable {
    let setup: TLSSetup
    let certificates: [Certificate]

    /// A certificate, or a list of revoked ones, with its time.
    struct Certificate: Hashable, Sendable {
        /// For whom it is: links or clients.
        var use: String
        var kind: TLSContext.Expiry.Kind
        var name: String
        /// When it expires, in seconds since 1970.
        var expirySeconds: Int64

        func daysLeft(at milliseconds: Int64) -> Int64 { (expirySeconds - milliseconds / 1000) / 86_400 }
    }

    /// Reads the files; may take as long as a disk takes.
    init(_ configuration: ServerConfiguration) throws(TLSError) {
        var setup = TLSSetup()
        if let identity = configuration.linkIdentity, let authority = configuration.tlsAuthority {
            setup.links = try TLSContext(
                links: identity, authority: authority, revocations: configuration.tlsRevocations,
                pins: configuration.tlsPins)
        }
        if let identity = configuration.clientIdentity { setup.clients = try TLSContext(server: identity) }
        self.setup = setup
        certificates =
            Self.certificates(setup.links, "links")
            // What both are shown is told once.
            + (configuration.clientIdentity == configuration.linkIdentity
                ? [] : Self.certificates(setup.clients, "clients"))
    }

    private static func certificates(_ context: TLSContext?, _ use: String) -> [Certificate] {
        (context?.expiries ?? []).map {
            Certificate(use: use, kind: $0.kind, name: $0.name, expirySeconds: $0.seconds)
        }
    }

    /// When the first of our own certificates expires, in seconds since 1970; 0 without TLS.
    var expirySeconds: Int { Int(certificates.filter { $0.kind == .own }.map(\.expirySeconds).min() ?? 0) }

    // MARK: The log

    func tell(_ configuration: ServerConfiguration, _ logger: Logger) {
        if let identity = configuration.linkIdentity {
            logger.info("links are under TLS", metadata: ["certificate": "\(identity.certificate)"])
        }
        if let identity = configuration.clientIdentity {
            let message: Logger.Message =
                configuration.clientTLS == .required ? "clients are under TLS" : "clients may be under TLS"
            logger.info(message, metadata: ["certificate": "\(identity.certificate)"])
        }
        warn(ofDays: configuration.tlsWarningDays, logger)
    }

    /// Tells what expires within so many days.
    func warn(ofDays days: Int, _ logger: Logger) {
        let now = SystemClock.realtimeMilliseconds
        for certificate in certificates {
            let left = certificate.daysLeft(at: now)
            guard left < Int64(days) else { continue }
            let isOver = certificate.expirySeconds * 1000 <= now
            let what = certificate.kind == .revocations ? "list of revoked certificates" : "certificate"
            logger.warning(
                isOver ? "a \(what) has expired" : "a \(what) expires soon",
                metadata: [
                    "name": "\(certificate.name)", "kind": "\(certificate.kind.rawValue)", "use": "\(certificate.use)",
                    "days_left": "\(max(0, left))",
                ])
        }
    }
}
