/// Why a server ends against its will, and how it says so.
internal import Codecs
internal import Logging
internal import Node

/// Why a server cannot start or go on, in words for an operator, and the exit status that says so to scripts.
public struct ServerFailure: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String
    public let exitStatus: Int32

    init(_ description: String, exitStatus: Int32) {
        self.description = description
        self.exitStatus = exitStatus
    }

    /// Writes it to the standard error stream, on one line. If nobody takes it there within a second, it is lost: a
    /// server that cannot go on must end.
    public func tell() {
        // Without a thread to write it there is nothing left to do but to end.
        guard let sink = try? LogSink(.error) else { return }
        let priority = sink.isJournal ? "<\(Logger.Level.critical.priority)>" : ""
        sink.write(Array("\(priority)pando-server: \(self)\n".utf8))
        sink.flush(milliseconds: LogSink.lastMilliseconds)
    }

    /// The one known neighbour answered, and does not want this server: its configuration is wrong, so waiting is no
    /// help.
    static func joinRefused(_ remote: PeerAddress, _ refusal: PeerFrame.Refusal, _ text: String) -> ServerFailure {
        let advice =
            switch refusal {
            case .wrongSecret: "give the secret of that network with -s"
            case .version: "the two servers are of releases or settings that do not fit"
            case .oneself: "-rh and -rp name this server itself: name another one, or none to begin a network"
            case .addressTaken: "choose another -lh or -lp: a living server of that network has this address"
            default: "look into the log of that server"
            }
        return ServerFailure(
            "\(remote) refuses this server: \(printable(text)); \(advice)", exitStatus: ExitStatus.refused)
    }

    /// A peer's words, on one line.
    private static func printable(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7F ? "?" : $0 }))
    }
}

/// Exit statuses, as in sysexits(3) where that has one.
public enum ExitStatus {
    /// The network refused this server.
    public static let refused: Int32 = 1
    /// A wrong option or value (EX_USAGE); the option parser's own.
    public static let usage: Int32 = 64
    /// What was kept of an earlier life cannot be read (EX_DATAERR).
    public static let data: Int32 = 65
    /// The address to listen on is taken or not of this host (EX_UNAVAILABLE).
    public static let unavailable: Int32 = 69
    /// The operating system refused something else: memory, descriptors, threads (EX_OSERR).
    public static let system: Int32 = 71
    /// A wrong value in the configuration file or the environment (EX_CONFIG).
    public static let configuration: Int32 = 78
    /// The address to listen on is forbidden, as ports below 1024 are (EX_NOPERM).
    public static let forbidden: Int32 = 77
}
