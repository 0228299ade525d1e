import Codecs

/// Links from their first byte to their last: preamble, proof, introduction, frames, heartbeats, end.
extension Node {
    // MARK: Inputs

    /// A connection to or from another server is there. `dial` is nil for an accepted one; `binding` is what only the
    /// two ends of the channel have, or empty.
    public mutating func linkOpened(_ id: LinkID, dial: DialID?, binding: [UInt8] = [], at now: Instant) {
        self.now = now
        precondition(linkIndex(id) == nil, "a link is opened once")
        var link: Link
        let start = outbox.bytes.count
        outbox.bytes.append(contentsOf: Preamble.bytes)
        if let dial {
            let (handshake, hello) = Handshake.dialling(
                nonce: random.bytes(PeerFrame.Limit.nonceBytes), versions: configuration.versions)
            hello.encode(into: &outbox.bytes)
            link = Link(id: id, dial: dial, dialled: overlay.address(of: dial), handshake: handshake, at: now)
        } else {
            let handshake = Handshake.accepting(versions: configuration.versions)
            link = Link(id: id, dial: nil, dialled: nil, handshake: handshake, at: now)
        }
        outbox.append(.sendLink(id, start..<outbox.bytes.count))
        link.handshake.binding = binding
        link.ensure(streams: servers.capacity)
        links.append(link)
        timers.set(.linkChecks, at: now.adding(milliseconds: checkInterval))
        if phase == .leaving { return refuse(links.count - 1, .shutdown, .shutdown, "this server is leaving") }
        if dial == nil { boundUnproven() }
    }

    /// Who has not proved itself may not keep out who would: of too many accepted links in their handshake the oldest
    /// goes.
    private mutating func boundUnproven() {
        let unproven = links.indices.filter { index in
            links[index].dial == nil && !links[index].isIntroduced && links[index].phase != .closing
        }
        guard unproven.count > configuration.limits.unprovenLinks, let oldest = unproven.first else { return }
        refuse(oldest, .tooManyLinks, .tooManyLinks, "too many links in their handshake")
    }

    /// Bytes from the other server; returns how many were consumed. The rest is the beginning of a frame.
    public mutating func linkReceived(_ id: LinkID, _ bytes: Span<UInt8>, at now: Instant) -> Int {
        self.now = now
        guard var index = linkIndex(id) else { return bytes.count }
        links[index].lastHeard = now
        var offset = 0
        if !links[index].hasPreamble {
            switch Preamble.speaker(of: bytes) {
            case .undecided: return 0
            case .client:
                close(index, .notAPeer, saying: nil)
                return bytes.count
            case .server:
                links[index].hasPreamble = true
                offset = Preamble.bytes.count
            }
        }
        while links[index].phase != .closing {
            let isProven = links[index].handshake.isProven
            let limit = isProven ? configuration.limits.frameLimit : PeerFrame.Limit.unprovenBytes
            do throws(FrameFault) {
                guard let header = try PeerFrame.header(of: bytes, at: offset, limit: limit),
                    bytes.count - offset >= header.size
                else { return offset }
                try receive(header, bytes, at: offset..<offset + header.size, link: index)
                offset += header.size
            } catch {
                let reason: LinkCloseReason = if case .tooLong = error { .frameTooLong } else { .brokenFrame }
                refuse(index, .protocolError, reason, "broken frame: \(error)")
            }
            guard let present = linkIndex(id) else { return bytes.count }
            index = present
        }
        return bytes.count
    }

    /// The connection is gone, whatever the cause.
    public mutating func linkClosed(_ id: LinkID, at now: Instant) {
        self.now = now
        guard let index = linkIndex(id) else { return }
        let link = links.remove(at: index)
        if let dial = link.dial { endDial(dial, of: link) }
        overlayIsDirty = true
        guard link.neighbour >= 0 else { return }
        if link.phase != .closing {
            outbox.report(.linkDown(servers[link.neighbour], members[link.neighbour].address, .lost))
        }
        replaceParent(lost: id)
        // As long as the link seemed to live, it was not clear who is at that address.
        departSucceeded(at: members[link.neighbour].address)
        announceSoon()
    }

    private mutating func endDial(_ dial: DialID, of link: Link) {
        if link.isIntroduced || link.neighbour >= 0 {
            overlay.linkEnded(
                dial, lasted: now.milliseconds(since: link.opened), at: now, random: &random)
        } else {
            overlay.attemptEnded(dial, at: now, random: &random)
            bootstrapFailed(link.dialled, "the connection ended before the other server had introduced itself")
        }
    }

    // MARK: Finding, sending, closing

    func linkIndex(_ id: LinkID) -> Int? { links.firstIndex { $0.id == id } }

    /// The link to a neighbour that is past its introduction and not closing.
    func linkIndex(toServer server: Int) -> Int? {
        links.firstIndex { $0.neighbour == server && $0.isIntroduced }
    }

    mutating func send(_ frame: PeerFrame, link index: Int) {
        outbox.send(frame, to: links[index].id)
        links[index].lastSent = now
    }

    /// Tells the other end why, and closes.
    mutating func refuse(
        _ index: Int, _ refusal: PeerFrame.Refusal, _ reason: LinkCloseReason, _ text: String
    ) {
        guard links[index].phase != .closing else { return }
        outbox.send(.refusal(refusal, text: text), to: links[index].id)
        outbox.report(.linkRefused(links[index].id, refusal, remote: links[index].dialled, text: text))
        close(index, reason, saying: nil)
    }

    mutating func close(
        _ index: Int, _ reason: LinkCloseReason, saying farewell: PeerFrame.Refusal?
    ) {
        guard links[index].phase != .closing else { return }
        if let farewell, links[index].isIntroduced { outbox.send(.bye(farewell), to: links[index].id) }
        if links[index].neighbour >= 0 {
            let server = links[index].neighbour
            outbox.report(.linkDown(servers[server], members[server].address, .closed(reason)))
        }
        links[index].phase = .closing
        outbox.append(.closeLink(links[index].id, reason))
        replaceParent(lost: links[index].id)
        overlayIsDirty = true
    }

    // MARK: Liveness

    private var checkInterval: UInt64 { max(1, configuration.timing.heartbeat / 2) }

    /// All links in one go: a server with nothing else to do wakes up no more often than it must.
    mutating func checkLinks() {
        guard !links.isEmpty else { return }
        timers.set(.linkChecks, at: now.adding(milliseconds: checkInterval))
        for index in links.indices where links[index].phase != .closing { checkLink(index) }
    }

    private mutating func checkLink(_ index: Int) {
        let timing = configuration.timing
        if !links[index].isIntroduced {
            let age = now.milliseconds(since: links[index].opened)
            if age >= timing.handshake { close(index, .handshakeTimeout, saying: nil) }
            return
        }
        if now.milliseconds(since: links[index].lastHeard) >= timing.silence {
            close(index, .silent, saying: nil)
            return
        }
        tellCredit(link: index)
        // A check comes every half interval, so a heartbeat is late by at most that.
        if now.milliseconds(since: links[index].lastSent) >= checkInterval { send(.heartbeat, link: index) }
        checkSurplus(index)
    }

    // MARK: Frames

    private mutating func receive(
        _ header: PeerFrame.Header, _ bytes: Span<UInt8>, at range: Range<Int>, link index: Int
    ) throws(FrameFault) {
        counters.framesReceived += 1
        guard let kind = PeerFrame.Kind(rawValue: header.kind) else {
            // A newer version may say more; before the proof nobody says more.
            guard links[index].handshake.isProven else {
                throw .invalidValue(field: "frame type", value: UInt64(header.kind))
            }
            counters.framesUnknown += 1
            return
        }
        if kind == .records {
            guard links[index].isOpen else { return unexpected(index) }
            try receiveRecords(bytes, frame: range, link: index)
            return consume(range.count, link: index)
        }
        var body: [UInt8] = []
        body.append(bytes: bytes.extracting(range.lowerBound + PeerFrame.Limit.headerBytes..<range.upperBound))
        if kind == .unicast, links[index].isOpen { return try receiveUnicast(body) }
        let frame = try PeerFrame.decode(kind, body: body)
        if kind == .claims || kind == .accounts { consume(range.count, link: index) }
        receive(frame, link: index)
    }

    private mutating func receive(_ frame: PeerFrame, link index: Int) {
        if case .refusal(let refusal, let text) = frame { return refused(index, refusal, text) }
        if case .bye(let reason) = frame, links[index].isIntroduced { return receiveBye(reason, link: index) }
        switch links[index].phase {
        case .proving: prove(frame, link: index)
        case .introducing:
            guard case .introduction(let introduction) = frame else { return unexpected(index) }
            receive(introduction, link: index)
        case .levelling:
            guard case .level(let level) = frame else { return unexpected(index) }
            receive(level, link: index)
        case .open: receiveOpen(frame, link: index)
        case .closing: break
        }
    }

    private mutating func receiveOpen(_ frame: PeerFrame, link index: Int) {
        switch frame {
        case .claims(let claims): receive(claims.lazy.map { Account($0) }, link: index)
        case .accounts(let accounts): receive(accounts, link: index)
        case .members(let reachable, let unreachable):
            for announcement in reachable { receive(announcement, link: index, as: .told) }
            for announcement in unreachable { receive(announcement, link: index, as: .toldUnreachable) }
        case .stateEnd: serve(alone: false)
        case .gap(let position): receiveGap(position, link: index)
        case .have(let digests), .haveSince(let digests): onIHave(digests, link: index)
        case .prune(let origin): onPrune(origin, link: index)
        case .graft(let wishes): onGraft(wishes, link: index)
        case .announcement(let announcement): receive(announcement, link: index, as: .pushed)
        case .credit(let consumed): receiveCredit(consumed, link: index)
        case .heartbeat: break
        case .want(let isWanted):
            links[index].isWantedThere = isWanted
        case .hello, .challenge, .proof, .welcome, .refusal, .introduction, .level, .bye, .unicast:
            unexpected(index)
        }
    }

    private mutating func receiveBye(_ reason: PeerFrame.Refusal, link index: Int) {
        let server = links[index].neighbour
        outbox.report(.linkDown(servers[server], members[server].address, .peerSaidBye(reason)))
        links[index].phase = .closing
        outbox.append(.closeLink(links[index].id, .peerLeft))
        replaceParent(lost: links[index].id)
        overlayIsDirty = true
    }

    mutating func unexpected(_ index: Int) {
        refuse(index, .protocolError, .unexpectedFrame, "a frame that does not belong here")
    }

    private mutating func refused(_ index: Int, _ refusal: PeerFrame.Refusal, _ text: String) {
        let dialled = links[index].dialled
        if let dialled, refusal == .oneself {
            overlay.remove(dialled)
            if dialled == bootstrap { bootstrap = nil }
        }
        if let dialled, dialled == configuration.bootstrap, !hasServed, phase == .joining,
            [.wrongSecret, .version, .oneself, .addressTaken].contains(refusal)
        {
            outbox.report(.joinRefused(dialled, refusal, text))
        } else {
            outbox.report(.linkRefused(links[index].id, refusal, remote: dialled, text: "it says: \(text)"))
        }
        close(index, refusal == .version ? .versionMismatch : .refusedByPeer, saying: nil)
    }

    // MARK: Proof and introduction

    private mutating func prove(_ frame: PeerFrame, link index: Int) {
        var nonces = random
        let result = links[index].handshake.handle(
            frame, nonce: nonces.bytes(PeerFrame.Limit.nonceBytes), secrets: configuration.secrets,
            cryptography: cryptography)
        random = nonces
        switch result {
        case .send(let answer): send(answer, link: index)
        case .proven(let answer):
            links[index].phase = .introducing
            if links[index].isByOtherSecret { counters.proofsByOtherSecret += 1 }
            if let answer { send(answer, link: index) }
            // The dialler introduces itself first: the acceptor's introduction tells what it knows of the address.
            if links[index].dial != nil { introduce(to: links[index].dialled, link: index) }
        case .refuse(let refusal, let reason, let text): refuse(index, refusal, reason, text)
        case .unexpected: unexpected(index)
        }
    }

    /// The network's secret is being changed: from now on this server proves itself by the first of these, and takes a
    /// proof by any. Links that were proved by one of them stay; those that it has dialled it dials anew, one in the
    /// place of the other, so that in the end none is left that was proved by another one than the first. A secret that
    /// is not among them is worth nothing any more, and neither are links that were proved by it.
    public mutating func changeSecrets(_ secrets: [[UInt8]], at now: Instant) {
        precondition(!secrets.isEmpty, "a network has a secret")
        self.now = now
        var former = configuration.secrets
        configuration.secrets = secrets
        for index in links.indices {
            links[index].handshake.secret = links[index].handshake.secret.flatMap { secrets.firstIndex(of: former[$0]) }
        }
        for place in former.indices { cryptography.wipe(&former[place]) }
        for index in links.indices where links[index].isIntroduced && links[index].handshake.secret == nil {
            close(index, .wrongSecret, saying: .wrongSecret)
        }
        overlayIsDirty = true
    }

    private mutating func introduce(to address: PeerAddress?, link index: Int) {
        let known = members.dropFirst().filter { $0.address == address && $0.status != .vacant }
        let latest = known.max { ($0.rank, $0.id) < ($1.rank, $1.id) }
        send(
            .introduction(
                PeerFrame.Introduction(
                    id: id, address: configuration.address, networkTime: networkTime(), rank: ownRank,
                    known: latest?.id ?? ServerID(startStamp: 0, random: 0), knownRank: latest?.rank ?? 0)),
            link: index)
    }

    private mutating func receive(_ introduction: PeerFrame.Introduction, link index: Int) {
        if introduction.id == id || introduction.address == configuration.address {
            if introduction.id != id { outbox.report(.addressConflict(introduction.id, introduction.address)) }
            let refusal: PeerFrame.Refusal = introduction.id == id ? .oneself : .addressTaken
            return refuse(index, refusal, .oneself, "this server is at \(configuration.address) itself")
        }
        if introduction.known != id { noteNamesake(rank: introduction.knownRank) }
        guard hasRoom(for: introduction.id) else {
            return refuse(index, .tooManyLinks, .tooManyLinks, "the table of members is full")
        }
        if let holder = livingHolder(of: introduction.address, besides: introduction.id) {
            let text = "\(introduction.address) is held by the living server \(holder)"
            return refuse(index, .addressTaken, .addressTaken, text)
        }
        guard links.count(where: \.isIntroduced) < configuration.limits.links else {
            return refuse(index, .tooManyLinks, .tooManyLinks, "no link is free")
        }
        let isAcceptor = links[index].dial == nil
        if isAcceptor { introduce(to: introduction.address, link: index) }
        let server = serverIndex(of: introduction.id)
        guard resolveDuplicate(of: index, server: server) else { return }
        compareNetworkTime(introduction, isDialler: !isAcceptor)
        links[index].clockOffset = Int64(bitPattern: introduction.networkTime &- networkTime())
        if links[index].dialled == bootstrap { bootstrapWasReached = true }
        links[index].neighbour = server
        links[index].phase = .levelling
        outbox.report(.linkUp(introduction.id, introduction.address, dialled: !isAcceptor))
        members[server].rank = max(members[server].rank, introduction.rank)
        noteAlive(server, address: introduction.address)
        if phase == .joining {
            timers.set(.joinPatience, at: now.adding(milliseconds: configuration.timing.joinPatience))
        }
        sendLevel(link: index)
        overlayIsDirty = true
    }

    /// Another server at that address that is surely alive: it has a link to this one that was heard of just now.
    private func livingHolder(of address: PeerAddress, besides id: ServerID) -> ServerID? {
        for link in links where link.isIntroduced && members[link.neighbour].address == address {
            let other = servers[link.neighbour]
            if other != id, now.milliseconds(since: link.lastHeard) < 2 * configuration.timing.heartbeat {
                return other
            }
        }
        return nil
    }

    /// Two servers may dial each other at once. Both keep the link that the smaller of them dialled; of two that were
    /// dialled by the same one, the newer, since it would not dial if it held the older for alive.
    /// Returns whether the new link stays.
    private mutating func resolveDuplicate(of index: Int, server: Int) -> Bool {
        guard let old = linkIndex(toServer: server), old != index else { return true }
        let isOldOurs = links[old].dial != nil
        let isNewOurs = links[index].dial != nil
        // A link that has just shown that it lives beats one that only looks alive.
        let isOldSilent = now.milliseconds(since: links[old].lastHeard) > configuration.timing.heartbeat * 3 / 2
        let isNewKept = isOldSilent || isOldOurs == isNewOurs || isNewOurs == (id < servers[server])
        if isNewKept {
            close(old, .duplicateLink, saying: .duplicateLink)
        } else {
            links[index].neighbour = server
            links[index].phase = .levelling
            close(index, .duplicateLink, saying: .duplicateLink)
        }
        return isNewKept
    }

    /// A server without a past takes the network's time as its own. Two networks that meet keep theirs: the difference
    /// is told, since claims are compared by it.
    private mutating func compareNetworkTime(_ introduction: PeerFrame.Introduction, isDialler: Bool) {
        if isDialler, !hasServed {
            networkTimeBase = introduction.networkTime &- now.milliseconds(since: started)
            return
        }
        let (own, other) = (networkTime(), introduction.networkTime)
        let difference = own > other ? own - other : other - own
        guard difference > Self.clockFollowMax else { return }
        counters.clockAhead += 1
        let magnitude = Int64(clamping: difference)
        outbox.report(
            .clockOffset(introduction.id, introduction.address, milliseconds: own > other ? -magnitude : magnitude))
    }
}
