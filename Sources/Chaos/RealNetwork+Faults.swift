import Simulator

/// What can go wrong.
extension RealNetwork {
    /// Starts a server that is told of another one.
    public func start(_ index: Int, neighbour: Int?) {
        guard !slots[index].isUp else { return }
        do {
            let arguments = ["-s", secret] + options.arguments + (options.argumentsOf[index] ?? [])
            try slots[index].start(
                options.program, arguments, neighbour: neighbour.map { slots[$0] }, now: now)
        } catch { found(.brokenContract, "server \(index) does not start: \(error)") }
    }

    /// Starts all, each told of the one before it, and waits until they are one network.
    public func startAll(seconds: Double = 30) throws {
        for index in slots.indices {
            start(index, neighbour: index == 0 ? nil : index - 1)
            guard run(seconds: seconds, until: { slots[index].isReady }) else {
                throw ChaosError("server \(index) is not ready")
            }
        }
        guard run(seconds: seconds, until: { isWhole }) else { throw ChaosError("no whole network: \(wholenessText)") }
    }

    /// Starts networks that know nothing of each other, each as a chain. The first server of each but the first network
    /// is told of the first one of that, to which nothing passes yet: it finds it when all wires are whole.
    public func startApart(_ sides: [[Int]], seconds: Double = 30) throws {
        history.strangers = (sides, .max)
        for (number, side) in sides.enumerated() {
            for other in sides[..<number] { partition(other, from: side, .abruptly) }
        }
        for side in sides {
            for (place, index) in side.enumerated() {
                let neighbour = place > 0 ? side[place - 1] : side == sides[0] ? nil : sides[0][0]
                start(index, neighbour: neighbour)
                guard run(seconds: seconds, until: { slots[index].isReady }) else {
                    throw ChaosError("server \(index) is not ready")
                }
            }
        }
    }

    /// All wires are whole; from when all servers know each other, everything is owed to everybody.
    public func meet(seconds: Double = 30) throws {
        healAll()
        guard run(seconds: seconds, until: { isWhole }) else { throw ChaosError("no whole network: \(wholenessText)") }
        history.strangers?.until = now
    }

    /// kill -9. What the server had said before is noted first.
    public func kill(_ index: Int) {
        guard slots[index].isUp else { return }
        slots[index].kill(now: now)
        let time = slots[index].lives.last?.end ?? now
        history.deaths.append(Chronicle.Death(server: index, time: time))
        tell("server \(index) is killed")
    }

    /// Starts a dead server again at its address; it is told of a random other one that lives.
    public func restart(_ index: Int) {
        guard !slots[index].isUp else { return }
        let living = slots.filter { $0.isUp && $0.index != index }
        start(index, neighbour: living.isEmpty ? nil : living[random.below(living.count)].index)
        tell("server \(index) starts again")
    }

    public func stop(_ index: Int) {
        guard slots[index].isAwake else { return }
        slots[index].stop()
        tell("server \(index) is stopped")
    }

    public func resume(_ index: Int) {
        guard slots[index].isStopped else { return }
        slots[index].resume()
        tell("server \(index) goes on")
    }

    // MARK: Wires

    public enum Direction: Hashable, Sendable { case both, forth }

    public enum Cut: Hashable, Sendable {
        /// Packets vanish, and nobody is told.
        case silently
        /// Connections are reset, and none can be opened.
        case abruptly
    }

    /// Nothing passes from one server to another until `healAll`.
    public func cut(_ first: Int, _ second: Int, _ cut: Cut, _ direction: Direction = .both) {
        change(first, second, direction) { path in
            switch cut {
            case .silently: path.isCut = true
            case .abruptly: path.resets = true
            }
        }
        tell("\(first) \(direction == .both ? "and" : "to") \(second) cut \(cut)")
    }

    public func partition(_ one: [Int], from other: [Int], _ cut: Cut) {
        for first in one { for second in other { self.cut(first, second, cut) } }
    }

    public func slow(_ first: Int, _ second: Int, milliseconds: UInt64, lossPermille: UInt64) {
        change(first, second, .both) { path in
            path.delayMilliseconds = milliseconds
            path.lossPermille = lossPermille
        }
        tell("\(first) and \(second) slow, \(milliseconds) ms, and lossy, \(lossPermille)/1000")
    }

    private func change(_ first: Int, _ second: Int, _ direction: Direction, _ body: (inout Path) -> Void) {
        body(&packetSwitch.paths[first][second])
        if direction == .both { body(&packetSwitch.paths[second][first]) }
    }

    /// The links between two servers are reset once; new ones may be opened at once.
    public func breakLinks(_ first: Int, _ second: Int) {
        for key in listener.flows where Set([key.from, key.to]) == [first, second] { packetSwitch.doom(key) }
        tell("links of \(first) and \(second) break")
    }

    public func healAll() {
        for first in slots.indices {
            for second in slots.indices { packetSwitch.paths[first][second] = Path() }
        }
        tell("all wires are whole")
    }

    // MARK: Clients

    /// The connections of so many clients break; they come back.
    public func breakClients(_ count: Int) {
        let victims = clients.filter { $0.role == .regular && $0.isLoggedIn }.shuffled(using: &random).prefix(count)
        for client in victims {
            hangUp(client, withReset: true)
            client.session += 1
            comeBack(client)
        }
        tell("connections of \(victims.count) clients break")
    }

    /// Clients at several servers register the same name at the same time.
    @discardableResult
    public func contest(_ name: String, at servers: [Int]) -> [Client] {
        defer { tell("\(name) is registered at \(servers)") }
        return servers.map { server in
            addClient(.rival, name: name, server: server, secret: "\(name)-at-\(server)-\(random.next())")
        }
    }
}
