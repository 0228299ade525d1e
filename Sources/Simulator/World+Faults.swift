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
        servers[index].die(death, in: self)
        if death == .machine { network.setSilent(index, true) }
    }

    /// Nothing passes between two servers until `heal`.
    public func cut(_ first: Int, _ second: Int, _ cut: Cut) {
        trace.note(now, "world cuts s\(first) from s\(second), \(cut)")
        history.pathChanges.append(now)
        if cut == .abruptly { network.breakConnections(first, second, at: now, in: &queue) }
        network.cut(first, second)
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
            for second in servers.indices where first < second {
                network.heal(first, second, at: now, in: &queue)
            }
        }
    }
}

extension SimulatedServer {
    func start(in world: World) {
        life += 1
        isUp = true
        startTime = world.now
        beginLife(in: world)
        // Instants begin anywhere; never at 0, so that a mistaken difference shows.
        clockOffset = 1_000_000_000 + random.below(100_000_000_000)
        var configuration = NodeConfiguration(address: address, secret: Array("simulated network".utf8))
        configuration.bootstrap = bootstrap.map { world.servers[$0].address }
        configuration.timing = world.options.timing
        configuration.limits = world.options.limits
        let skew = random.below(2 * world.options.clockSkewMilliseconds + 1)
        let wallClock = World.wallClockStart + world.now / 1_000_000 + skew
        var node = Node(
            configuration: configuration, cryptography: ToyCryptography.cryptography, seed: random.next(),
            wallClock: wallClock, at: instant(world.now))
        note(in: world, "starts, life \(life), told of \(configuration.bootstrap?.description ?? "nobody")")
        node.start(at: instant(world.now))
        self.node = node
        planTurn(in: world)
    }

    /// Everything that the process knew is gone.
    func die(_ death: World.Death, in world: World) {
        isUp = false
        world.history.endLife(witness.life, at: world.now)
        for slot in sockets.indices {
            guard let socket = sockets[slot] else { continue }
            if let presence = socket.presence { world.history.endPresence(presence, time: world.now) }
            switch death {
            case .process: world.network.close(socket.connection, from: socket.side, at: world.now, in: &world.queue)
            case .machine: world.network.vanish(socket.connection, from: socket.side)
            }
        }
        node = nil
        sockets = []
        generations = []
        freeSlots = []
        slotOfConnection = [:]
        readySlots = []
        dialResults = []
        hashResults = []
        log = []
        readers = []
        written = []
        heldLine = nil
        isTurnPlanned = false
        plannedDeadline = nil
        dueAgain = 0
    }
}
