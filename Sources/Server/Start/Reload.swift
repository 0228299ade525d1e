/// Settings that change while the server runs: all are judged first, then all that can change changes.

/// What became of settings that were read again.
public enum Reload: Sendable {
    /// There are mistakes, so nothing changes.
    case refused([String])
    /// - Parameter configuration: what is in force from now on.
    /// - Parameter changed: names of settings that have a new value.
    /// - Parameter waiting: names of settings that differ as well, and need a new start.
    case accepted(ServerConfiguration, changed: [String], waiting: [String])

    /// Reads the settings again, beside what is in force. Called on a helper's thread, once at a time.
    public typealias Reader = @Sendable (_ inForce: ServerConfiguration) -> Reload
}
