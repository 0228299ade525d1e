import Codecs

/// Which links this server keeps: wishes, dials, surplus.
extension Node {
    // MARK: Inputs

    /// The attempt came to nothing: nobody there, or the name does not resolve.
    public mutating func dialFailed(_ id: DialID, text: String, at now: Instant) {
        self.now = now
        let address = overlay.address(of: id)
        overlay.attemptEnded(id, at: now, random: &random)
        overlayIsDirty = true
        bootstrapFailed(address, text)
    }

    /// Without its one neighbour, and any that it knew, a server serves what it knows, and goes on dialling.
    mutating func bootstrapFailed(_ address: PeerAddress?, _ text: String) {
        guard let address, phase == .joining else { return }
        if address == configuration.bootstrap, !candidatesTried.contains(address) {
            outbox.report(.bootstrapUnreachable(address, text))
        }
        candidateFailed(address)
    }

    // MARK: Wishes

    /// Compares the links that there are with those that should be.
    mutating func updateOverlay() {
        overlayIsDirty = false
        guard phase != .leaving else { return }
        let all = members.indices.dropFirst().filter { members[$0].isOwed }.map { members[$0].seat }
        for link in links where link.isOutdated {
            if let dial = link.dial { overlay.renew(dial, at: now) }
        }
        let linked = links.filter { $0.isIntroduced && !$0.isOutdated }.map { members[$0.neighbour].address }
        let wanted = wantedAddresses(among: all, linked: linked)
        for index in links.indices where links[index].isIntroduced {
            let isWanted = wanted.contains(members[links[index].neighbour].address)
            guard links[index].isWantedHere != isWanted else { continue }
            links[index].isWantedHere = isWanted
            if links[index].isOpen { send(.want(isWanted), link: index) }
        }
        var missing = wanted.filter { !linked.contains($0) }
        // The one known neighbour is dialled until it was reached once, whoever else has come meanwhile: else two parts
        // that grew around servers that waited for each other would never meet. After that it is a member like others.
        if linked.isEmpty || !bootstrapWasReached, let bootstrap, !missing.contains(bootstrap) {
            missing.append(bootstrap)
        }
        // So are the servers of the last life, one of which is enough.
        if linked.isEmpty, phase == .joining || reachableOthers.isEmpty {
            missing += candidates.filter { !missing.contains($0) }
        }
        // Of a member that never announced itself nobody else can know: only this server can find it again.
        for index in members.indices.dropFirst() where members[index].isOwed && members[index].announcement == nil {
            let address = members[index].address
            if !linked.contains(address), !missing.contains(address) { missing.append(address) }
        }
        for address in overlay.remembered where all.contains(where: { $0.address == address }) {
            overlay.forget(address)
        }
        overlay.setTargets(missing, at: now)
        for (dial, address) in overlay.takeDue(at: now) { outbox.append(.dial(dial, address)) }
        if let next = overlay.nextAttempt { timers.set(.dial, at: next) }
    }

    /// The neighbours on the ring of all members, so that parts that cannot reach each other keep trying; on the
    /// ring of those that can be reached; and, as long as one does not answer, the next one after it: survivors of
    /// many deaths would not find each other among the dead otherwise. Whoever does not answer goes on being dialled.
    private func wantedAddresses(among all: [Overlay.Seat], linked: [PeerAddress]) -> [PeerAddress] {
        let reachable = reachableOthers.map { members[$0].seat }
        let failing = overlay.failing.filter { address in
            !linked.contains(address) && all.contains { $0.address == address }
        }
        let answering = failing.isEmpty ? all : all.filter { !failing.contains($0.address) }
        var wanted: [PeerAddress] = []
        for candidates in [all, reachable, answering] {
            wanted += Overlay.wanted(by: members[Self.ownIndex].seat, among: candidates)
        }
        wanted += failing
        return wanted.indices.filter { !wanted[..<$0].contains(wanted[$0]) }.map { wanted[$0] }
    }

    /// A link that neither end has wanted for a while is closed by the end that dialled it.
    mutating func checkSurplus(_ index: Int) {
        guard links[index].isOpen, !links[index].isWantedHere, !links[index].isWantedThere else {
            links[index].surplusSince = nil
            return
        }
        guard let since = links[index].surplusSince else {
            links[index].surplusSince = now
            return
        }
        // As long as a wanted link is missing here, the surplus one may be what holds the network together.
        guard links[index].dial != nil, overlay.isComplete(links.compactMap(\.dial)) else { return }
        guard now.milliseconds(since: since) >= configuration.timing.surplusGrace else { return }
        close(index, .surplusLink, saying: .surplusLink)
    }
}
