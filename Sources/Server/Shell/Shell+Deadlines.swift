/// How long a connection may take for each of its steps, and how much it may say before it is known whose it is. All
/// deadlines of a connection are one, in the reactor's heap: first until it is clear who speaks, then until the login,
/// then, while a line is begun, until its end. A link's times are the node's.
internal import Codecs
internal import Node
internal import Reactor

extension Shell {
    /// A connection came in.
    mutating func watch(_ id: ConnectionID, in reactor: inout Reactor) {
        connections.insert(.unproven, of: id)
        unproven.enter(id, turn: reactor.statistics.turns)
        reactor.setInputLimit(id, bytes: loginLineBytes + 2)
        reactor.setDeadline(id, milliseconds: Int(clamping: settings.limits.firstByteMilliseconds), .helloTimeout)
    }

    /// Its handshake of TLS is complete, whose deadline was in the place of that of the first byte.
    mutating func secured(_ id: ConnectionID, in reactor: inout Reactor) {
        guard connections.role(of: id) == .undetermined, !admission.contains(id) else { return }
        reactor.setDeadline(id, milliseconds: Int(clamping: settings.limits.firstByteMilliseconds), .helloTimeout)
    }

    /// A client has begun to speak.
    mutating func awaitLogin(of id: ConnectionID, in reactor: inout Reactor) {
        reactor.setDeadline(id, milliseconds: Int(clamping: settings.limits.loginMilliseconds), .loginTimedOut)
    }

    /// A client may have logged in: then it has all the time in the world, but for each line.
    mutating func noteLogin(of id: ConnectionID, in reactor: inout Reactor) {
        guard connections.flags(of: id).contains(.unproven), node.isLoggedIn(SessionID(id)) else { return }
        leaveUnproven(id, in: &reactor)
        reactor.setInputLimit(id, bytes: reactor.configuration.inputLimit)
    }

    /// It turned out to be of a server, or has logged in.
    mutating func leaveUnproven(_ id: ConnectionID, in reactor: inout Reactor) {
        forgetUnproven(id)
        reactor.setDeadline(id, milliseconds: nil, .loginTimedOut)
    }

    // MARK: Lines

    private var loginLineBytes: Int {
        min(settings.limits.loginLineBytes, reloading.inForce.limits.lineBytes)
    }

    /// Refuses a client that has not logged in and says too much in one line. The first line is looked at: what stands
    /// behind it is shown again when that has been answered.
    mutating func refusesLine(_ id: ConnectionID, _ bytes: Span<UInt8>, in reactor: inout Reactor) -> Bool {
        guard bytes.count > loginLineBytes, connections.flags(of: id).contains(.unproven) else { return false }
        for index in 0...loginLineBytes where bytes[index] == 0x0A || bytes[index] == 0x0D { return false }
        let text = InfoText("a line before the login is longer than \(loginLineBytes) bytes")
        reactor.send(id, ServerReply.invalidMessage(text).rendered().span)
        reactor.finish(
            id, .loginLineTooLong, lingerMilliseconds: Admission.lingerMilliseconds, keepReading: false)
        return true
    }

    /// The node has taken so many bytes of a client. A line that has begun must come to its end in time, however it
    /// trickles in; before the login that one's time holds.
    mutating func noteLines(of id: ConnectionID, consumed: Int, of count: Int, in reactor: inout Reactor) {
        noteLogin(of: id, in: &reactor)
        let flags = connections.flags(of: id)
        if flags.contains(.unproven) { return }
        // Nothing taken: the line that had begun goes on.
        if flags.contains(.midLine), consumed == 0 { return }
        if consumed < count {
            connections.insert(.midLine, of: id)
            reactor.setDeadline(id, milliseconds: Int(clamping: settings.limits.lineMilliseconds), .lineTimedOut)
        } else if flags.contains(.midLine) {
            connections.remove(.midLine, of: id)
            reactor.setDeadline(id, milliseconds: nil, .lineTimedOut)
        }
    }

    /// Who waits for this server gets the time anew.
    mutating func overdue(_ id: ConnectionID, _ reason: CloseReason, in reactor: inout Reactor) {
        guard !connections.flags(of: id).isDisjoint(with: .waiting) else { return }
        switch reason {
        case .loginTimedOut: awaitLogin(of: id, in: &reactor)
        case .lineTimedOut:
            reactor.setDeadline(id, milliseconds: Int(clamping: settings.limits.lineMilliseconds), reason)
        default: break
        }
    }
}
