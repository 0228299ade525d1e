import Codecs

// Making, losing and leaving connections.

extension ClientSession {
    private var serverName: String { Self.name(servers[serverIndex]) }

    mutating func connect(at now: UInt64) {
        phase = .connecting
        deadline = now + Self.connectTime
        effects.append(.connect(servers[serverIndex]))
    }

    /// The connection has come about.
    mutating func greet() {
        deadline = nil
        received = LineBuffer(limit: Self.receivedLimit)
        // The servers must agree before they answer a REGISTER, which can take a while: there is no time limit.
        if mustRegister {
            phase = .registering
            greeting = ClientRequest.register(username: options.username, secret: options.secret ?? []).rendered()
        } else {
            login()
        }
    }

    mutating func login() {
        phase = .loggingIn
        let known = positions.map { StreamPosition(origin: $0.key, seq: $0.value) }
        let request = ClientRequest.login(
            username: options.username, secret: options.secret, run: options.run,
            resume: options.run.map { _ in Floor(known) })
        greeting += request.rendered()
    }

    mutating func onConnectionFailed(_ words: String, at now: UInt64) {
        guard phase == .connecting else { return }
        tell("cannot connect to \(serverName): \(words)")
        guard options.reconnects else { return end(.unreachable) }
        // Another server of the network will do, if one is known.
        serverIndex = (serverIndex + 1) % servers.count
        wait(at: now)
    }

    mutating func onDisconnected(_ words: String, at now: UInt64) {
        // The last line may lack its end, and may be what tells where to go next.
        if let rest = received.end() { onReceived([rest], at: now) }
        restart()
        greeting = []
        switch phase {
        case .waiting, .ended: return
        case .leaving(.exit): return end(.success)
        case .leaving(.redirect): return follow(at: now)
        case .live(let since): noteSession(since: since, at: now)
        case .registering: mayBeRegistered = true
        case .connecting, .loggingIn: break
        }
        onLost(words, at: now)
    }

    /// The connection is over: what is not known to be safe is sent again, what was not placed comes again.
    private mutating func restart() {
        outbox.restart(resending: acknowledges)
        guard phase != .leaving(.exit) else { return }
        unplaced = []
        tellsPositions = false
        acknowledges = false
    }

    private mutating func onLost(_ words: String, at now: UInt64) {
        effects.append(.close)
        tell("lost the connection to \(serverName): \(words)")
        guard options.reconnects else { return end(.unreachable) }
        if hasLoggedIn, typingEnded, outbox.isEmpty, options.linger != nil {
            tell("what was sent last may not have arrived")
            return end(.unreachable)
        }
        wait(at: now)
    }

    private mutating func wait(at now: UInt64) {
        let time = backOff.wait(using: &jitter)
        phase = .waiting
        deadline = now + time
        tell("next attempt in \(time) ms, at \(serverName)")
    }

    /// A session has ended. If it lived for a while, troubles are counted anew.
    private mutating func noteSession(since start: UInt64, at now: UInt64) {
        guard now >= start + Self.settledTime else { return }
        backOff.reset()
        redirects = 0
    }

    // MARK: Redirects

    /// The server sends us to another one. What was typed and not begun goes there; a line that was begun is ended
    /// here, where it is still accepted.
    mutating func onRedirect(to server: Server, at now: UInt64) {
        if case .live(let since) = phase { noteSession(since: since, at: now) }
        redirects += 1
        serverIndex = remember(server)
        tell("redirected to \(serverName)")
        phase = .leaving(.redirect)
        deadline = now + Self.drainTime
        greeting = []
    }

    /// The index of `server` among those that are known; the oldest but the given one makes room for it.
    private mutating func remember(_ server: Server) -> Int {
        if let index = servers.firstIndex(of: server) { return index }
        if servers.count == Self.knownServers { servers.remove(at: 1) }
        servers.append(server)
        return servers.count - 1
    }

    /// The old connection is done with: on to the server that it named.
    private mutating func follow(at now: UInt64) {
        effects.append(.close)
        restart()
        guard redirects > Self.redirectsInARow else { return connect(at: now) }
        tell("redirected \(redirects) times in a row")
        redirects = 0
        serverIndex = 0
        guard options.reconnects else { return end(.unreachable) }
        wait(at: now)
    }

    // MARK: Ending

    /// The user, or the end of the input, wants the session to end.
    mutating func leave(at now: UInt64) {
        guard case .live = phase else { return end(.success) }
        let dropped = outbox.dropUnwritten()
        if dropped > 0 { tell("not sent: \(dropped) of the activities typed") }
        outbox.append(ClientRequest.logout.rendered())
        phase = .leaving(.exit)
        deadline = now + Self.drainTime
    }

    mutating func onTimeout(at now: UInt64) {
        guard let due = deadline, due <= now else { return }
        deadline = nil
        switch phase {
        case .waiting: connect(at: now)
        case .connecting:
            effects.append(.close)
            onConnectionFailed("no answer within \(Self.connectTime / 1000) s", at: now)
        case .live: leave(at: now)
        case .leaving(.redirect): follow(at: now)
        case .leaving(.exit): end(.success)
        case .registering, .loggingIn, .ended: break
        }
    }

    private static func name(_ server: Server) -> String {
        let host = legible(server.host)
        return host.contains(":") ? "[\(host)]:\(server.port)" : "\(host):\(server.port)"
    }

    /// Foreign text for a terminal: control characters could be orders to it.
    static func legible(_ text: [UInt8]) -> String {
        var output = String.UnicodeScalarView()
        for scalar in String(decoding: text, as: UTF8.self).unicodeScalars {
            output.append(scalar.properties.generalCategory == .control ? "\u{FFFD}" : scalar)
        }
        return String(output)
    }
}
