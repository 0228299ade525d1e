import Glibc

/// Why a run could not be made or ended early. What was found wrong with the streams is no failure but a result.
public struct LoadFailure: Error, CustomStringConvertible, Sendable {
    /// The exit statuses are those of sysexits.h, as for the server.
    public enum Kind: Int32, Sendable {
        case usage = 64
        /// No server there, or it refuses clients.
        case unavailable = 69
        case system = 71
    }

    public let kind: Kind
    public let description: String

    public init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }

    static func reason(_ number: Int32) -> String { String(cString: strerror(number)) }
    /// The failure of a shim's call, which returns a negated errno.
    static func call(_ what: String, _ result: Int32) -> LoadFailure {
        LoadFailure(.system, "\(what): \(reason(-result))")
    }
}
