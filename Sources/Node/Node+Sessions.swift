import Codecs

/// Clients: what they say, line by line, and what follows from it without asking anybody. The order of the checks is
/// that of the client protocol's decision table.
extension Node {
    // MARK: Inputs

    /// A client has connected. `address` is its network address, 16 bytes (IPv4 mapped into IPv6).
    public mutating func clientOpened(_ id: SessionID, address: [UInt8], at now: Instant) {
        self.now = now
        sessions.open(id, address: address)
        if phase == .leaving, let slot = sessions.slot(of: id) { finish(slot, .shutdown, keepsReading: false) }
    }

    /// Bytes from a client; returns how many were consumed. The rest is the beginning of a line, or waits for
    /// `.resume`.
    /// The first `seen` bytes are known to hold no line end. At the end of the stream `acknowledged` tells how many
    /// bytes of all that the client was ever sent have arrived, as `clientClosed` has it.
    public mutating func clientReceived(
        _ id: SessionID, _ bytes: Span<UInt8>, seen: Int, atEnd: Bool, acknowledged: UInt64? = nil, at now: Instant
    ) -> Int {
        self.now = now
        guard let slot = sessions.slot(of: id) else { return bytes.count }
        if phase == .joining {
            hold(slot)
            return 0
        }
        var offset = 0
        while sessions.sessions[slot].state != .closing {
            guard !sessions.sessions[slot].hasJob else { return offset }
            switch sessions.nextLine(in: bytes, from: offset, searched: seen, of: slot) {
            case .line(let range, let next):
                offset = next
                handle(line: bytes.extracting(range), of: slot)
            case .partial(let start):
                offset = start
                guard bytes.count - start <= configuration.limits.lineBytes else {
                    tooLong(slot)
                    return bytes.count
                }
                guard atEnd else { return start }
                return endOfStream(bytes, from: start, acknowledged: acknowledged, of: slot)
            }
        }
        return bytes.count
    }

    /// The connection is gone, whatever the cause. Of all bytes that the client was ever sent on it so many were
    /// acknowledged by its machine; nil: all.
    public mutating func clientClosed(_ id: SessionID, acknowledged: UInt64? = nil, at now: Instant) {
        self.now = now
        guard let slot = sessions.slot(of: id) else { return }
        abandonJob(of: slot)
        detach(slot, acknowledged: acknowledged)
        leave(slot)
        endMove(of: slot)
        sessions.close(slot)
        fedLines[slot] = nil
        lookalikes[id] = nil
        forgetAsked(slot)
    }

    /// Clients that come before the state transfer is in wait for it: else they would be told that they are unknown.
    private mutating func hold(_ slot: Int) {
        guard !sessions.sessions[slot].isHeld else { return }
        sessions.setHeld(true, of: slot)
        heldSessions.append(sessions.id(of: slot))
        outbox.append(.pause(sessions.id(of: slot)))
    }

    /// A last line may lack its end; then the end of the stream equals LOGOUT.
    private mutating func endOfStream(
        _ bytes: Span<UInt8>, from start: Int, acknowledged: UInt64?, of slot: Int
    ) -> Int {
        if start < bytes.count {
            handle(line: bytes.extracting(start..<bytes.count), of: slot)
            // Its answer is still to come: the end is shown again when the input resumes.
            guard !sessions.sessions[slot].hasJob else { return bytes.count }
        }
        if sessions.sessions[slot].state != .closing {
            detach(slot, acknowledged: acknowledged)
            leave(slot)
            finish(slot, .logout, keepsReading: false)
        }
        return bytes.count
    }

    private mutating func tooLong(_ slot: Int) {
        invalid("the line is longer than \(configuration.limits.lineBytes) bytes", slot, .lineTooLong)
    }

    // MARK: Lines

    private mutating func handle(line: Span<UInt8>, of slot: Int) {
        guard line.count <= configuration.limits.lineBytes else { return tooLong(slot) }
        let message: ClientMessage
        do throws(ClientFault) {
            message = try ClientMessage.parse(line, depthLimit: configuration.limits.jsonDepth)
        } catch {
            counters.invalidMessages += 1
            reply(.invalid(error, in: line), to: slot)
            return finish(slot, error.isTooDeep ? .nestedTooDeeply : .invalidMessage, keepsReading: false)
        }
        handle(message, line: line, of: slot)
    }

    private mutating func handle(_ message: ClientMessage, line: Span<UInt8>, of slot: Int) {
        let isRedirected = sessions.sessions[slot].state == .redirected
        switch message {
        case .activity(let username, let secret, let activity):
            handleActivity(username, secret, activity, line: line, of: slot)
        case .register, .login:
            // The client was sent elsewhere: it says this again there.
            guard !isRedirected else { return }
            if case .register(let username, let secret) = message {
                handleRegister(username, secret, line: line, of: slot)
            } else if case .login(let username, let secret) = message {
                handleLogin(username, secret, line: line, of: slot)
            }
        case .logout:
            leave(slot)
            finish(slot, .logout, keepsReading: false)
        case .invalidMessage, .authenticationFail:
            leave(slot)
            finish(slot, .peerSaidInvalid, keepsReading: false)
        case .authenticate(let secret): handleAuthenticate(secret, line: line, of: slot)
        case .serverAnnounce, .activityBroadcast, .lockRequest, .lockAllowed, .lockDenied:
            invalid("this command is for servers of Project 1, and this connection is not one", slot)
        }
    }

    /// A server of Project 1 dials in: it must not half-join.
    private mutating func handleAuthenticate(_ secret: TextMember, line: Span<UInt8>, of slot: Int) {
        guard case .text(let text) = secret else {
            return invalid("AUTHENTICATE needs a \"secret\" that is a string", slot)
        }
        // Whoever guesses learns nothing more for a while, whatever it says.
        guard heedsGuessAtNetwork(by: slot), isNetworkSecret(text.decoded(in: line)) else {
            noteGuessAtNetwork(by: slot)
            reply(.authenticationFail("the supplied secret is incorrect"), to: slot)
            return finish(slot, .authenticationFailed, keepsReading: false)
        }
        invalid("this network does not speak the Project 1 server protocol", slot)
    }

    private func isNetworkSecret(_ text: [UInt8]) -> Bool {
        configuration.secrets.count { Handshake.areEqual(text, $0) } > 0
    }

    // MARK: Activities

    private mutating func handleActivity(
        _ username: TextMember, _ secret: TextMember, _ activity: ActivityMember, line: Span<UInt8>, of slot: Int
    ) {
        if configuration.defect == .redirectedDropped, sessions.sessions[slot].state == .redirected { return }
        guard sessions.sessions[slot].isLoggedIn else {
            return unauthenticated("an activity needs a login first", slot)
        }
        guard case .text(let name) = username else {
            return invalid("ACTIVITY_MESSAGE needs a \"username\" that is a string", slot)
        }
        let user = Int(sessions.userIndex(of: slot))
        let loginName = sessions.users[user].name
        guard name.equals(loginName.span, in: line) else {
            return unauthenticated("the username is not that of the login", slot)
        }
        if user != Int(SessionTable.anonymous) {
            guard case .text(let text) = secret else {
                return invalid("ACTIVITY_MESSAGE needs a \"secret\" that is a string", slot)
            }
            guard let claim = sessions.users[user].claim else {
                return unauthenticated("the supplied secret is incorrect", slot)
            }
            var secret = text.decoded(in: line)
            let isRight = Handshake.areEqual(verifier(of: secret, claim: claim), sessions.users[user].verifier)
            cryptography.wipe(&secret)
            guard isRight else { return unauthenticated("the supplied secret is incorrect", slot) }
        }
        guard case .object(let object) = activity else {
            return invalid("ACTIVITY_MESSAGE needs an \"activity\" that is an object", slot)
        }
        if let offset = object.wideIntegerOffset, !configuration.allowsHugeIntegers {
            return invalid("the activity has an integer outside 64 bits at byte \(offset)", slot)
        }
        let size = ActivityRenderer.size(of: object, username: loginName.span)
        guard size <= RecordHeader.payloadBytesMax else {
            return invalid("the activity is larger than \(RecordHeader.payloadBytesMax) bytes", slot)
        }
        // A call may copy this value: only for those that number.
        let sending = asked.isEmpty ? nil : sending(of: line, slot)
        if let sending, let claim = sessions.users[user].claim, isKnown(sending, of: claim, slot) { return }
        let seq = broadcast(object, size: size, line: line, user: user, sending)
        if let sending { awaitHolders(sending.number, at: StreamPosition(origin: id, seq: seq), slot) }
        noteActivity(ofMove: slot)
        noteAlive(slot)
    }

    /// Makes the record of an activity: rendered once, for every client of every server.
    private mutating func broadcast(
        _ activity: ClientActivity, size: Int, line: Span<UInt8>, user: Int, _ sending: Sending?
    ) -> UInt64 {
        var header = RecordHeader(
            kind: RecordKind.activity.rawValue, claim: sessions.users[user].claim, sending: sending)
        // Named by each one, and not only by the next: that one may be in a gap.
        if let claim = header.claim { header.dependency = lastActivity[claim] }
        let name = sessions.users[user].name
        return originate(header, payloadBytes: size) { bytes in
            ActivityRenderer.render(activity, of: line, username: name.span, into: &bytes)
        }
    }

    /// A digest of a secret under a key of this process: what is kept to check each message.
    func verifier(of secret: [UInt8], claim: ClaimID) -> [UInt8] {
        var message: [UInt8] = []
        message.reserveCapacity(secret.count + 28)
        message.appendInteger(claim.stamp)
        message.appendInteger(claim.origin.startStamp)
        message.appendInteger(claim.origin.random)
        message.appendInteger(claim.counter)
        message.append(contentsOf: secret)
        defer { cryptography.wipe(&message) }
        return cryptography.hmac(verifierKey, message)
    }

    // MARK: Replies and ends

    mutating func reply(_ reply: ServerReply, to slot: Int) {
        let start = outbox.bytes.count
        reply.render(into: &outbox.bytes)
        sessions.addPrivate(outbox.bytes.count - start, to: slot)
        outbox.append(.reply(sessions.id(of: slot), start..<outbox.bytes.count))
    }

    mutating func invalid(_ text: String, _ slot: Int, _ reason: SessionCloseReason = .invalidMessage) {
        counters.invalidMessages += 1
        reply(.invalidMessage(InfoText(text)), to: slot)
        finish(slot, reason, keepsReading: false)
    }

    private mutating func unauthenticated(_ text: String, _ slot: Int) {
        reply(.authenticationFail(InfoText(text)), to: slot)
        finish(slot, .authenticationFailed, keepsReading: false)
    }

    /// The session counts no more: it has logged out, or its connection has ended.
    mutating func leave(_ slot: Int) {
        if sessions.sessions[slot].isPresent {
            stopShowing(slot)
            sessions.setState(.new, of: slot)
            loadChanged()
        }
        sessions.setUser(nil, of: slot)
    }

    /// The session gets no more activities than those so far.
    private mutating func stopShowing(_ slot: Int) {
        stopFeeding(slot)
        toldPositions.remove(slot)
        closeSession(slot)
    }

    /// The same of one that is not over.
    mutating func stopFeeding(_ slot: Int) {
        let id = sessions.id(of: slot)
        switch sessions.sessions[slot].state {
        case .live:
            outbox.append(.unfollow(id))
            sessions.unfollow(slot, at: publications.end)
        case .catchingUp: _ = feeding.remove(id)
        case .free, .new, .away, .redirected, .closing: break
        }
    }

    /// Ends the connection after what was sent. With `keepsReading` its activities still count until it closes.
    mutating func finish(_ slot: Int, _ reason: SessionCloseReason, keepsReading: Bool) {
        let id = sessions.id(of: slot)
        let wasPresent = sessions.sessions[slot].isPresent
        stopShowing(slot)
        sessions.setState(keepsReading ? .redirected : .closing, of: slot)
        if !keepsReading { endMove(of: slot) }
        if wasPresent { loadChanged() }
        outbox.append(.finish(id, reason, linger: configuration.timing.linger, keepsReading: keepsReading))
    }
}
