import Codecs
import Node

/// What a test or an adversary does to a world.
extension World {
    /// How a server dies.
    public enum Death: Hashable, Sendable {
        /// The process is killed: its kernel still sends what was written, and closes the connections.
        case process
        /// The machine is off: it falls silent, and what reaches it is lost until it is started again.
        case machine
    }

    /// How a link is cut.
    public enum Cut: Hashable, Sendable {
        /// Bytes no longer pass, and nobody is told.
        case silently
        /// Connections break at both ends as well, and new ones are not possible.
        case abruptly
    }

    public func kill(_ index: Int, _ death: Death) {
        guard servers[index].isUp else { return }
        trace.note(now, "world kills s\(index), \(death)")
        rareStates.noteDeath(of: servers[index])
        tellLife(of: servers[index], "is killed (\(death))")
        if death == .machine { network.setSilent(.server(index), true) }
        servers[index].die(death, in: self)
        network.setFrozen(.server(index), false, at: now, in: &queue)
    }

    /// The server is to move all its clients elsewhere, within a time; then it leaves in order.
    public func drain(_ index: Int, withinMilliseconds time: UInt64) {
        guard servers[index].isUp, !servers[index].isDraining else { return }
        trace.note(now, "world drains s\(index) within \(time) ms")
        tellLife(of: servers[index], "is drained")
        history.drains.append((index, now))
        servers[index].isDraining = true
        servers[index].drainWithin = time
        // Its clock may be a little faster.
        servers[index].drainEnds = now + time * 995_000
        servers[index].planTurn(in: self)
    }

    /// It says that its clients are gone, but for some, and that its records are elsewhere, but for some: it says
    /// goodbye to its neighbours, and ends. Only when its time is over may something be left.
    func leave(_ index: Int, sessionsLeft count: Int, recordsLeft: UInt64) {
        let life = servers[index].life
        let isOutOfTime = now >= servers[index].drainEnds && (count > 0 || recordsLeft > 0)
        rareStates[isOutOfTime ? .drainedInVain : .drained] += 1
        history.lives[servers[index].witness.life].leftAt = isOutOfTime ? nil : now
        // Nobody looks for it any more: who starts it again tells it of one of the others.
        if servers[index].bootstrap == nil, let others = servers[index].core?.node.reachableServers.dropFirst() {
            servers[index].bootstrap =
                others.lazy.compactMap { self.lifeOf[$0] }.map { self.history.lives[$0].server }.first
        }
        servers[index].isToLeave = true
        servers[index].planTurn(in: self)
        at(milliseconds: now / 1_000_000 + Self.farewellMilliseconds) { world in
            if world.servers[index].life == life { world.kill(index, .process) }
        }
    }

    /// From its last client until it is gone. (As the real shell has it.)
    static let farewellMilliseconds: UInt64 = 3000

    /// The process stands still, as by SIGSTOP, until `goOn`: it does nothing, and its kernel takes in what comes as
    /// far as its buffers have room, connections too.
    public func pause(_ index: Int) {
        guard servers[index].isUp, !servers[index].isPaused else { return }
        trace.note(now, "world pauses s\(index)")
        history.pathChanges.append(now)
        servers[index].isPaused = true
        network.setFrozen(.server(index), true, at: now, in: &queue)
    }

    /// The process goes on: what has come is waiting, and its timers are due.
    public func goOn(_ index: Int) {
        guard servers[index].isUp, servers[index].isPaused else { return }
        trace.note(now, "world lets s\(index) go on")
        history.pathChanges.append(now)
        servers[index].isPaused = false
        network.setFrozen(.server(index), false, at: now, in: &queue)
        servers[index].plannedDeadline = nil
        servers[index].planTurn(in: self)
    }

    /// The clients of a server read too slowly, or fast enough again: until then it may not publish.
    public func setBehind(_ index: Int, _ isBehind: Bool) {
        guard servers[index].isUp else { return }
        trace.note(now, "world says that readers of s\(index) are \(isBehind ? "behind" : "up to date")")
        servers[index].isBehind = isBehind
        if !isBehind { servers[index].planTurn(in: self) }
    }

    /// A client's connection breaks; both ends hear of it.
    public func breakConnection(ofClient client: Int) {
        guard let connection = clients[client].connection else { return }
        trace.note(now, "world breaks the connection of c\(client)")
        // What it still says is not heard.
        history.endVisit(of: client, .broke, at: now)
        network.breakConnection(connection, at: now, in: &queue)
    }

    /// A client reads nothing for a while, or goes on.
    public func setReading(client: Int, _ isReading: Bool) {
        trace.note(now, "world lets c\(client) \(isReading ? "read" : "stand still")")
        history.stalls.append(now)
        network.setFrozen(.client(client), !isReading, at: now, in: &queue)
    }

    /// The wall clock is set forward or back. A server looks at it when it starts.
    public func stepClock(_ index: Int, milliseconds: Int64) {
        trace.note(now, "world steps the clock of s\(index) by \(milliseconds) ms")
        servers[index].wallClockOffset += milliseconds
    }

    /// The server that it is told of when it starts next.
    public func setBootstrap(_ index: Int, to other: Int?) { servers[index].bootstrap = other }

    /// The way between two servers is like this from now on.
    public func setPath(_ first: Int, _ second: Int, _ quality: PathQuality) {
        trace.note(now, "world makes the way between s\(first) and s\(second) \(quality)")
        history.pathChanges.append(now)
        network.setPath(.server(first), .server(second), quality)
    }

    /// The way between two servers as it is now.
    public func path(_ first: Int, _ second: Int) -> PathQuality { network.path(.server(first), .server(second)) }

    /// Nothing passes between two servers until `heal`.
    public func cut(_ first: Int, _ second: Int, _ cut: Cut) {
        trace.note(now, "world cuts s\(first) from s\(second), \(cut)")
        history.pathChanges.append(now)
        rareStates.noteCut(servers[first], servers[second])
        if cut == .abruptly { network.breakConnections(first, second, at: now, in: &queue) }
        network.cut(from: first, to: second)
        network.cut(from: second, to: first)
    }

    /// What one server sends reaches the other no more, and nobody is told; the other way is open.
    public func cutOneWay(from source: Int, to target: Int) {
        trace.note(now, "world cuts the way from s\(source) to s\(target)")
        history.pathChanges.append(now)
        rareStates.noteCut(servers[source], servers[target])
        network.cut(from: source, to: target)
    }

    /// Two servers reach each other again.
    public func heal(_ first: Int, _ second: Int) {
        trace.note(now, "world heals s\(first) and s\(second)")
        history.pathChanges.append(now)
        network.heal(from: first, to: second, at: now, in: &queue)
        network.heal(from: second, to: first, at: now, in: &queue)
    }

    /// The links between two servers break once; they may connect again at once.
    public func breakLinks(_ first: Int, _ second: Int) {
        trace.note(now, "world breaks links of s\(first) and s\(second)")
        history.pathChanges.append(now)
        network.breakConnections(first, second, at: now, in: &queue)
    }

    /// Cuts each server of one set from each of the other.
    public func partition(_ one: [Int], from other: [Int], _ cut: Cut) {
        for first in one { for second in other { self.cut(first, second, cut) } }
    }

    /// All servers reach each other again.
    public func healAll() {
        trace.note(now, "world heals")
        history.pathChanges.append(now)
        for first in servers.indices {
            for second in servers.indices { network.heal(from: first, to: second, at: now, in: &queue) }
        }
    }
}

extension SimulatedServer {
    func start(in world: World) {
        life += 1
        isUp = true
        isPaused = false
        isBehind = false
        (isDraining, drainWithin, isToLeave) = (false, nil, false)
        hadNoLeave = false
        startTime = world.now
        beginLife(in: world)
        starts.append(world.now)
        // Instants begin anywhere; never at 0, so that a mistaken difference shows.
        clockOffset = 1_000_000_000 + random.below(100_000_000_000)
        var configuration = NodeConfiguration(address: address, secrets: [Array("simulated network".utf8)])
        configuration.bootstrap = bootstrap.map { world.servers[$0].address }
        configuration.weight = weight
        configuration.timing = world.options.timing
        configuration.limits = world.options.limits
        configuration.defect = world.options.nodeDefect
        let wallClock = UInt64(Int64(World.wallClockStart + world.now / 1_000_000) + wallClockOffset)
        world.rareStates.noteStart(of: self, wallClock: wallClock)
        world.history.lives[witness.life].wallClock = wallClock
        lastWallClock = wallClock
        var node = Node(
            configuration: configuration, cryptography: ToyCryptography.cryptography, seed: random.next(),
            wallClock: wallClock, at: instant(world.now))
        note(in: world, "starts, life \(life), told of \(configuration.bootstrap?.description ?? "nobody")")
        world.tellLife(of: self, "starts, life \(witness.life)")
        node.start(at: instant(world.now))
        core = Core(node)
        planTurn(in: world)
    }

    /// Everything that the process knew is gone.
    func die(_ death: World.Death, in world: World) {
        isUp = false
        world.history.endLife(witness.life, at: world.now, inSilence: death == .machine)
        for slot in sockets.indices {
            guard let socket = sockets[slot] else { continue }
            if let node = core?.node { noteMove(of: slot, by: node, in: world) }
            if let presence = socket.presence { world.history.endPresence(presence, time: world.now) }
            switch death {
            case .process: world.network.close(socket.connection, from: socket.side, at: world.now, in: &world.queue)
            case .machine: world.network.vanish(socket.connection, from: socket.side)
            }
        }
        core = nil
        sockets = []
        generations = []
        freeSlots = []
        slotOfConnection = [:]
        readySlots = []
        dialResults = []
        hashResults = []
        fedSessions = []
        examined = []
        isMeasuring = false
        digests = [:]
        log = []
        publications = []
        readers = []
        written = []
        heldLine = nil
        isTurnPlanned = false
        plannedDeadline = nil
        nextDeadline = nil
        dueAgain = 0
    }
}
