import Codecs
import Node

/// Carrying out what a node asks for. Nothing here calls the node back: results come as inputs of a later turn.
extension SimulatedServer {
    func carryOutputs(of core: Core, in world: World) {
        guard !core.node.outbox.isEmpty else { return }
        // The node gets a new outbox before the old one is read: reading it in place would lock the node.
        var outbox = Outbox()
        swap(&outbox, &core.node.outbox)
        for output in outbox.outputs { carryOut(output, bytes: outbox.bytes, in: world) }
        outbox.removeAll()
        core.node.outbox = outbox
    }

    /// Without leave nothing is published but what would be lost: with a gap, or at a bound.
    func checkLeave(of outputs: [Output], in world: World) {
        guard isBehind, hadNoLeave else { return }
        var lines = 0
        for output in outputs {
            switch output {
            case .publish: lines += 1
            case .report(.gap), .report(.givenUp): return
            default: break
            }
        }
        guard lines > 0 else { return }
        world.found(.readersOverrun, "server \(index) published \(lines) lines to readers that were behind")
    }

    private func carryOut(_ output: Output, bytes: [UInt8], in world: World) {
        switch output {
        case .sendLink(let id, let range): sendLink(id, bytes[range], in: world)
        case .closeLink(let id, let reason): closeLink(id, reason, in: world)
        case .dial(let dial, let address): self.dial(dial, address, in: world)
        case .reply(let id, let range): reply(id, Array(bytes[range]), in: world)
        case .feed(let id, let range): feed(id, bytes[range], in: world)
        case .publish(let range): publish(Array(bytes[range]), in: world)
        case .follow(let id): follow(id, in: world)
        case .unfollow(let id): unfollow(id, in: world)
        case .pause(let id): setPaused(id, true, in: world)
        case .resume(let id): setPaused(id, false, in: world)
        case .finish(let id, let reason, let linger, let keepsReading):
            finish(id, reason, linger: linger, closing: keepsReading ? .reading : .discarding, in: world)
        case .hash(let id, let secret, let salt, let cost):
            let digest = ToyCryptography.passwordDigest(secret: secret, salt: salt, cost: cost)
            digests[id] = digest
            note(in: world, "> hash \(id.rawValue)")
            let time = world.now + world.options.hashMilliseconds * 1_000_000
            world.queue.plan(.hashed(server: index, life: life, id), at: time)
        case .examine(let id): examined.append(id)
        case .measure: isMeasuring = true
        case .store, .accountAnswered: preconditionFailure("simulated servers have no disk and no operator")
        case .report(let report):
            reports.append(TimedReport(time: world.now, report: report))
            note(in: world, "> report \(report)")
            world.tell(report, by: self)
            note(report, in: world)
            if case .drained(let count, let records) = report {
                world.leave(index, sessionsLeft: count, recordsLeft: records)
            }
        }
    }

    // MARK: Links

    private func sendLink(_ id: LinkID, _ bytes: ArraySlice<UInt8>, in world: World) {
        guard let slot = liveSlot(id.slot, id.generation), let socket = sockets[slot] else { return }
        let kinds = world.tap.sent(bytes, by: index, on: socket.connection, from: socket.side, at: world.now)
        if world.story != nil, case .server(let peer) = peer(slot, in: world) { world.tellFrames(from: self, to: peer) }
        note(in: world, "> \(name(slot)) \(bytes.count) bytes \(Trace.mark(bytes)) \(Self.list(kinds))")
        write(bytes, to: slot)
    }

    private func write(_ bytes: some Collection<UInt8>, to slot: Int) {
        guard let socket = sockets[slot] else { return }
        if socket.outgoing.isEmpty { written.append(slot) }
        socket.outgoing.append(contentsOf: bytes)
    }

    private static func list(_ kinds: [PeerFrame.Kind?]) -> String {
        kinds.map { $0.map { "\($0)" } ?? "?" }.joined(separator: " ")
    }

    /// The node hears nothing more of the link but, in a later turn, that it is closed.
    private func closeLink(_ id: LinkID, _ reason: LinkCloseReason, in world: World) {
        guard let slot = liveSlot(id.slot, id.generation), let socket = sockets[slot] else { return }
        note(in: world, "> \(name(slot)) close, \(reason)")
        world.rareStates.noteClose(reason)
        send(slot, in: world)
        world.network.close(socket.connection, from: socket.side, at: world.now, in: &world.queue)
        sockets[slot]?.isReset = true
        markReady(slot)
    }

    private func dial(_ dial: DialID, _ address: PeerAddress, in world: World) {
        note(in: world, "> dial \(dial.rawValue) \(address)")
        guard let target = world.server(at: address) else {
            dialResults.append((dial, .failed("unknown host \(address)")))
            planTurn(in: world)
            return
        }
        world.network.dial(
            from: .server(index), life: life, to: target, tag: dial.rawValue, at: world.now, in: &world.queue)
    }

    // MARK: Clients

    private func reply(_ id: SessionID, _ line: [UInt8], in world: World) {
        guard let slot = liveSlot(id.slot, id.generation) else { return }
        note(in: world, "> \(name(slot)) \(ServerLine(line))")
        sockets[slot]?.repliedAt = world.now
        if case .client(let client) = peer(slot, in: world) { noteReply(line, to: client, on: slot, in: world) }
        write(line, to: slot)
    }

    private func noteReply(_ line: [UInt8], to client: Int, on slot: Int, in world: World) {
        switch world.reader.read(line) {
        case .redirect(let address):
            guard let target = world.server(at: address) else { return }
            world.history.sentOn[client, default: []].append(
                History.SentOn(time: world.now, target: target, isTold: true))
        case .loginSuccess:
            guard let socket = sockets[slot], world.clients[client].listens(to: socket.connection) else { return }
            world.history.noteAnswer(to: client, visit: world.clients[client].session, at: world.now)
        default: break
        }
    }

    /// The network takes all of it at once: there is room in the next turn.
    private func feed(_ id: SessionID, _ lines: ArraySlice<UInt8>, in world: World) {
        guard let slot = liveSlot(id.slot, id.generation) else { return }
        note(in: world, "> \(name(slot)) fed \(lines.count) bytes \(Trace.mark(lines))")
        beginPresence(slot, readsBytes: true, in: world)
        if let presence = sockets[slot]?.presence {
            for line in lines.split(separator: 0x0A) {
                guard case .broadcast(let mark, _) = world.reader.read(Array(line)) else { continue }
                world.history.noteFed(mark, on: presence, at: world.now)
            }
        }
        write(lines, to: slot)
        fedSessions.append(id)
        planTurn(in: world)
    }

    private func follow(_ id: SessionID, in world: World) {
        guard let slot = liveSlot(id.slot, id.generation) else { return }
        note(in: world, "> \(name(slot)) follow")
        sockets[slot]?.followsLog = true
        // It had its answer in an earlier turn: this server had to catch up with what it was shown elsewhere.
        if let replied = sockets[slot]?.repliedAt, replied < world.now { world.rareStates[.floorAhead] += 1 }
        guard case .client(let index) = peer(slot, in: world) else { return }
        beginPresence(slot, readsBytes: world.clients[index].readsBytes, in: world)
        // Who listens no longer is sent the bytes all the same, and may answer that nobody is there.
        if let presence = sockets[slot]?.presence, !world.history.presences[presence].readsBytes {
            sockets[slot]?.followedFrom = publishedBytes
            return
        }
        sockets[slot]?.cursor = log.count
        if !readers.contains(slot) { readers.append(slot) }
    }

    /// The client is fed from now on, if it is not yet. One that listens no longer, although this server does not know
    /// it, is not present.
    private func beginPresence(_ slot: Int, readsBytes: Bool, in world: World) {
        guard let socket = sockets[slot], socket.presence == nil, case .client(let index) = peer(slot, in: world),
            world.clients[index].listens(to: socket.connection)
        else { return }
        sockets[slot]?.presence = world.history.beginPresence(
            of: index, at: witness.life, session: world.clients[index].session, readsBytes: readsBytes,
            delay: world.network.connections[socket.connection].delay, time: world.now)
    }

    private func unfollow(_ id: SessionID, in world: World) {
        guard let slot = liveSlot(id.slot, id.generation) else { return }
        note(in: world, "> \(name(slot)) unfollow")
        stopFollowing(slot, in: world)
    }

    private func stopFollowing(_ slot: Int, in world: World) {
        takeFromLog(slot)
        sockets[slot]?.cursor = nil
        sockets[slot]?.followsLog = false
        sockets[slot]?.followedFrom = nil
        if let presence = sockets[slot]?.presence { world.history.endPresence(presence, time: world.now) }
        sockets[slot]?.presence = nil
    }

    private func setPaused(_ id: SessionID, _ isPaused: Bool, in world: World) {
        guard let slot = liveSlot(id.slot, id.generation) else { return }
        note(in: world, "> \(name(slot)) \(isPaused ? "pause" : "resume")")
        sockets[slot]?.isPaused = isPaused
        // Lines behind the one that led to the pause were seen and not read.
        sockets[slot]?.seen = 0
        if isPaused { return }
        // So is the end, which belongs after them.
        sockets[slot]?.wasEndShown = false
        markReady(slot)
    }

    private func finish(
        _ id: SessionID, _ reason: SessionCloseReason, linger: UInt64, closing: ServerSocket.Closing, in world: World
    ) {
        guard let slot = liveSlot(id.slot, id.generation), let socket = sockets[slot] else { return }
        note(in: world, "> \(name(slot)) finish, \(reason), linger \(linger)")
        if let presence = socket.presence { world.history.noteEndNoticed(on: presence, at: world.now) }
        stopFollowing(slot, in: world)
        send(slot, in: world)
        world.network.shutDown(socket.connection, from: socket.side, at: world.now, in: &world.queue)
        sockets[slot]?.closing = closing
        sockets[slot]?.isPaused = false
        let event = Event.lingerEnds(server: index, life: life, slot: slot, generation: socket.generation)
        world.queue.plan(event, at: world.now + linger * 1_000_000)
        markReady(slot)
    }

    func lingerEnded(slot: Int, generation: UInt32, in world: World) {
        guard let slot = liveSlot(UInt32(slot), generation) else { return }
        sockets[slot]?.isReset = true
        markReady(slot)
        planTurn(in: world)
    }

    // MARK: The log

    private func publish(_ line: [UInt8], in world: World) {
        publishedLines += 1
        publications.append((world.now, publishedBytes + UInt64(line.count)))
        var lines = [line]
        switch world.options.defect {
        case .losesLine(let every) where publishedLines % every == 0: lines = []
        case .repeatsLine(let every) where publishedLines % every == 0: lines.append(line)
        case .swapsLines(let every) where publishedLines % every == 0: heldLine = lines.removeLast()
        default: if let held = heldLine.take() { lines.append(held) }
        }
        for line in lines {
            let understood = world.reader.read(line)
            note(in: world, "> publish \(understood)")
            if case .broadcast(let mark, _) = understood {
                world.history.notePublication(mark, by: witness.life, at: world.now)
                world.tellPublication(of: mark, by: index)
            }
            if !readers.isEmpty { log.append(contentsOf: line) }
        }
    }

    /// A follower's part of the log goes into its output.
    private func takeFromLog(_ slot: Int) {
        guard let socket = sockets[slot], let cursor = socket.cursor, cursor < log.count else { return }
        if cursor == 0, socket.outgoing.isEmpty {
            // As everybody else: one copy for all.
            written.append(slot)
            socket.outgoing = log
        } else {
            write(log[cursor...], to: slot)
        }
        socket.cursor = log.count
    }

    // MARK: Flushing

    /// Writes everything, followers' logs included; the log starts anew.
    func flush(in world: World) {
        if !log.isEmpty {
            readers.removeAll { sockets[$0]?.cursor == nil }
            for slot in readers {
                takeFromLog(slot)
                sockets[slot]?.cursor = 0
            }
            log = []
        }
        for slot in written { send(slot, in: world) }
        written.removeAll(keepingCapacity: true)
    }

    private func send(_ slot: Int, in world: World) {
        guard let socket = sockets[slot], !socket.outgoing.isEmpty else { return }
        let bytes = socket.outgoing
        socket.outgoing = []
        socket.sentBytes += UInt64(bytes.count)
        world.network.send(
            bytes, on: socket.connection, from: socket.side, at: world.now, in: &world.queue)
    }
}
