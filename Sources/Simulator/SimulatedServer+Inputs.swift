import Codecs
import Node

/// What a simulated shell gathers between turns, and how it shows it to the node: bytes that the node does not consume
/// are kept and shown again; a paused client's are kept unseen; the end of a stream comes after its last byte.
extension SimulatedServer {
    // MARK: Gathering

    /// A connection comes in: its first bytes will tell whose it is.
    func accept(_ connection: Int) { _ = addSocket(connection: connection, side: .acceptor, role: .undecided) }

    func dialCame(tag: UInt64, to outcome: Network.Dial.Outcome, in world: World) {
        switch outcome {
        case .connected(let connection):
            let slot = addSocket(connection: connection, side: .dialler, role: .link)
            dialResults.append((DialID(rawValue: tag), .connected(slot: slot)))
        case .refused: dialResults.append((DialID(rawValue: tag), .failed("connection refused")))
        case .timedOut: dialResults.append((DialID(rawValue: tag), .failed("no answer")))
        }
        planTurn(in: world)
    }

    func hashCame(_ id: HashID, in world: World) {
        guard let digest = digests.removeValue(forKey: id) else { return }
        hashResults.append((id, digest))
        planTurn(in: world)
    }

    func receive(_ delivery: Delivery, on connection: Int, in world: World) {
        guard let slot = slotOfConnection[connection], let socket = sockets[slot] else { return }
        switch delivery {
        case .bytes(let bytes) where socket.incoming.isEmpty: socket.incoming = bytes
        case .bytes(let bytes): socket.incoming.append(contentsOf: bytes)
        case .end: socket.hasEnded = true
        case .reset: socket.isReset = true
        }
        markReady(slot)
        planTurn(in: world)
    }

    func markReady(_ slot: Int) {
        guard let socket = sockets[slot], !socket.isReady else { return }
        socket.isReady = true
        readySlots.append(slot)
    }

    // MARK: Showing

    func showDialResults(to node: inout Node, in world: World) {
        guard !dialResults.isEmpty else { return }
        let results = dialResults
        dialResults = []
        for (dial, result) in results {
            switch result {
            case .connected(let slot):
                note(in: world, "< \(name(slot)) opened, dial \(dial.rawValue)")
                node.linkOpened(linkID(slot), dial: dial, at: instant(world.now))
            case .failed(let text):
                note(in: world, "< dial \(dial.rawValue) failed: \(text)")
                node.dialFailed(dial, text: text, at: instant(world.now))
            }
        }
    }

    func showHashResults(to node: inout Node, in world: World) {
        guard !hashResults.isEmpty else { return }
        let results = hashResults
        hashResults = []
        for (id, digest) in results {
            note(in: world, "< hash \(id.rawValue)")
            node.hashed(id, digest: digest, at: instant(world.now))
        }
    }

    func showRoom(to node: inout Node, in world: World) {
        let sessions = fedSessions
        fedSessions = []
        for id in sessions where liveSlot(id.slot, id.generation) != nil {
            node.clientHasRoom(id, at: instant(world.now))
        }
    }

    /// What its operator wants.
    func showEnd(to node: inout Node, in world: World) {
        if let time = drainWithin.take() {
            note(in: world, "< drain within \(time) ms")
            node.drain(within: time, at: instant(world.now))
        }
        guard isToLeave else { return }
        isToLeave = false
        note(in: world, "< shutdown")
        node.shutdown(at: instant(world.now))
    }

    /// What the node wanted to know of its clients.
    func showProgress(to node: inout Node, in world: World) {
        let sessions = examined
        examined = []
        for id in sessions {
            let known = liveSlot(id.slot, id.generation).map { acknowledged($0, in: world) }
            let isStalled = known?.unacknowledgedSince.map { $0 + Self.stallTime <= world.now } ?? false
            // Its connections have no buffer that could be full: who acknowledges nothing does not read.
            node.clientExamined(
                id, acknowledged: known?.bytes, isStalled: isStalled, isBehind: isStalled, at: instant(world.now))
        }
        guard isMeasuring else { return }
        isMeasuring = false
        node.clientsReached(reachedByAll(in: world), at: instant(world.now))
    }

    /// Bytes that are unacknowledged for so long show that a connection is broken (design, section 6).
    static let stallTime: UInt64 = 1_000_000_000

    /// Shows what a connection brought.
    func show(_ slot: Int, to node: inout Node, in world: World) {
        guard sockets.indices.contains(slot), let socket = sockets[slot], socket.isReady else { return }
        socket.isReady = false
        if socket.role == .undecided { decide(slot, &node, in: world) }
        switch sockets[slot]?.role {
        case .client: showClient(slot, to: &node, in: world)
        case .link: showLink(slot, to: &node, in: world)
        case .undecided, nil: break
        }
    }

    /// The first bytes tell clients and servers apart.
    private func decide(_ slot: Int, _ node: inout Node, in world: World) {
        guard let socket = sockets[slot] else { return }
        guard !socket.isReset, !(socket.hasEnded && socket.incoming.isEmpty) else {
            closeSocket(slot, in: world)
            return
        }
        let first = socket.incoming
        guard !first.isEmpty else { return }
        switch Preamble.speaker(of: first.span) {
        case .undecided where !socket.hasEnded: break
        case .server:
            sockets[slot]?.role = .link
            note(in: world, "< \(name(slot)) opened")
            node.linkOpened(linkID(slot), dial: nil, at: instant(world.now))
        case .client, .undecided:
            sockets[slot]?.role = .client
            note(in: world, "< \(name(slot)) opened")
            node.clientOpened(sessionID(slot), address: clientAddress(slot, in: world), at: instant(world.now))
        }
    }

    private func showLink(_ slot: Int, to node: inout Node, in world: World) {
        guard let socket = sockets[slot] else { return }
        if !socket.incoming.isEmpty, !socket.isReset {
            note(in: world, "< \(name(slot)) \(socket.incoming.count) bytes \(Trace.mark(socket.incoming))")
            let input = socket.incoming
            let consumed = node.linkReceived(linkID(slot), input.span, at: instant(world.now))
            let taken = checked(consumed, of: input.count, in: world)
            socket.incoming = taken == input.count ? [] : Array(input[taken...])
        }
        guard socket.hasEnded || socket.isReset else { return }
        note(in: world, "< \(name(slot)) closed")
        node.linkClosed(linkID(slot), at: instant(world.now))
        closeSocket(slot, in: world)
    }

    private func showClient(_ slot: Int, to node: inout Node, in world: World) {
        guard let socket = sockets[slot] else { return }
        if socket.isReset || (socket.closing != .no && socket.hasEnded && socket.wasEndShown) {
            if let presence = socket.presence {
                world.history.noteEndNoticed(on: presence, at: world.now)
                if socket.closing == .no, !socket.incoming.isEmpty { world.history.noteUnheard(on: presence) }
            }
            endClient(slot, of: &node, in: world)
            return
        }
        if socket.closing == .discarding {
            sockets[slot]?.incoming.removeAll()
            if socket.hasEnded { endClient(slot, of: &node, in: world) }
            return
        }
        guard !socket.isPaused, socket.incoming.count > socket.seen || socket.hasEnded else { return }
        if socket.hasEnded {
            if let presence = socket.presence { world.history.noteEndNoticed(on: presence, at: world.now) }
            noteMove(of: slot, by: node, in: world)
        }
        showInput(of: socket, slot: slot, to: &node, in: world)
        if socket.hasEnded, socket.closing == .reading { endClient(slot, of: &node, in: world) }
    }

    private func showInput(of socket: ServerSocket, slot: Int, to node: inout Node, in world: World) {
        guard !socket.wasEndShown else { return }
        note(in: world, "< \(name(slot)) \(socket.incoming.count) bytes \(socket.hasEnded ? "and the end" : "")")
        let input = socket.incoming
        let consumed = node.clientReceived(
            sessionID(slot), input.span, seen: socket.seen, atEnd: socket.hasEnded,
            acknowledged: socket.hasEnded ? acknowledged(slot, in: world).bytes : nil, at: instant(world.now))
        let taken = checked(consumed, of: input.count, in: world)
        socket.incoming = taken == input.count ? [] : Array(input[taken...])
        socket.seen = socket.incoming.count
        socket.wasEndShown = socket.hasEnded
    }

    /// The connection of a client is over, whoever ended it: the node hears of it once.
    func endClient(_ slot: Int, of node: inout Node, in world: World) {
        noteMove(of: slot, by: node, in: world)
        note(in: world, "< \(name(slot)) closed")
        node.clientClosed(sessionID(slot), acknowledged: acknowledged(slot, in: world).bytes, at: instant(world.now))
        closeSocket(slot, in: world)
    }

    /// A client whose connection ends, or whose server does, may be expected elsewhere although it was told nothing.
    func noteMove(of slot: Int, by node: Node, in world: World) {
        guard sockets[slot]?.role == .client, case .client(let client) = peer(slot, in: world),
            let target = node.expectedBy(sessionID(slot)), let life = world.lifeOf[target]
        else { return }
        let server = world.history.lives[life].server
        world.history.sentOn[client, default: []].append(
            History.SentOn(time: world.now, target: server, isTold: false))
    }

    private func checked(_ consumed: Int, of count: Int, in world: World) -> Int {
        if consumed < 0 || consumed > count {
            world.found(.brokenContract, "server \(index) says that it consumed \(consumed) of \(count) bytes")
        }
        return max(0, min(consumed, count))
    }

    // MARK: Sockets

    func addSocket(connection: Int, side: Side, role: ServerSocket.Role) -> Int {
        let slot: Int
        if let free = freeSlots.popLast() {
            slot = free
            generations[slot] += 1
        } else {
            slot = sockets.count
            sockets.append(nil)
            generations.append(1)
        }
        sockets[slot] = ServerSocket(
            connection: connection, side: side, generation: generations[slot], role: role)
        slotOfConnection[connection] = slot
        return slot
    }

    /// Closes the connection and frees its slot.
    func closeSocket(_ slot: Int, in world: World) {
        guard let socket = sockets[slot] else { return }
        if let presence = socket.presence { world.history.endPresence(presence, time: world.now) }
        world.network.close(socket.connection, from: socket.side, at: world.now, in: &world.queue)
        slotOfConnection[socket.connection] = nil
        sockets[slot] = nil
        freeSlots.append(slot)
    }

    func linkID(_ slot: Int) -> LinkID { LinkID(slot: UInt32(slot), generation: generations[slot]) }
    func sessionID(_ slot: Int) -> SessionID { SessionID(slot: UInt32(slot), generation: generations[slot]) }

    /// The slot of a link or session that is still there.
    func liveSlot(_ slot: UInt32, _ generation: UInt32) -> Int? {
        let slot = Int(slot)
        guard sockets.indices.contains(slot), sockets[slot]?.generation == generation else { return nil }
        return slot
    }

    /// Who stands at the other end.
    func peer(_ slot: Int, in world: World) -> Party? {
        sockets[slot].map { world.network.connections[$0.connection].party($0.side.other) }
    }

    private func clientAddress(_ slot: Int, in world: World) -> [UInt8] {
        guard case .client(let client) = peer(slot, in: world) else { return [UInt8](repeating: 0, count: 16) }
        // 172.16.0.0/12, mapped into IPv6: one address a client.
        let tail = [172, 16 + UInt8(client >> 16 & 15), UInt8(client >> 8 & 255), UInt8(client & 255)]
        return [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF] + tail
    }

    // MARK: Trace

    func note(in world: World, _ text: @autoclosure () -> String) {
        guard world.isTraced else { return }
        world.trace.note(world.now, "s\(index) " + text())
    }

    /// Slot and other end, for the trace.
    func name(_ slot: Int) -> String { "#\(slot).\(generations[slot])" }
}
