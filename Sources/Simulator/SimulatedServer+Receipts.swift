import Node

/// What a server's kernel knows of its clients: how much of what they were sent has come.
extension SimulatedServer {
    /// Bytes published in this life.
    var publishedBytes: UInt64 { publications.last?.end ?? 0 }

    /// How many bytes of all that a client was ever sent it has acknowledged, and since when it has not acknowledged
    /// some.
    func acknowledged(_ slot: Int, in world: World) -> (bytes: UInt64, unacknowledgedSince: UInt64?) {
        guard let socket = sockets[slot] else { return (0, nil) }
        let direct = world.network.acknowledged(socket.connection, by: socket.side.other, at: world.now)
        guard let start = socket.followedFrom else { return direct }
        let log = logReceived(by: socket, in: world)
        let oldest = [direct.unacknowledgedSince, log.unacknowledgedSince].compactMap(\.self).min()
        return (direct.bytes + log.end - min(log.end, start), oldest)
    }

    /// How much of the log is known to have come to a client that is only told which lines have.
    private func logReceived(by socket: ServerSocket, in world: World) -> (end: UInt64, unacknowledgedSince: UInt64?) {
        let delay = world.network.connections[socket.connection].delay
        var known = world.now - min(world.now, delay)
        if let presence = socket.presence.map({ world.history.presences[$0] }), presence.hasLeft, let end = presence.end
        {
            known = min(known, end)
        }
        // Publications rise in time.
        var (low, high) = (0, publications.count)
        while low < high {
            let middle = (low + high) / 2
            if publications[middle].time + delay <= known { low = middle + 1 } else { high = middle }
        }
        let end = low > 0 ? publications[low - 1].end : 0
        return (end, low < publications.count ? publications[low].time : nil)
    }

    /// Up to where in the log everybody who follows it has acknowledged everything.
    func reachedByAll(in world: World) -> UInt64 {
        var reached = publishedBytes
        for slot in sockets.indices {
            guard let socket = sockets[slot], socket.followsLog else { continue }
            if socket.followedFrom != nil {
                reached = min(reached, logReceived(by: socket, in: world).end)
            } else {
                let direct = world.network.acknowledged(socket.connection, by: socket.side.other, at: world.now)
                // Private lines that were not acknowledged count as lines of the log: it is too little rather than
                // too much.
                let missing = socket.sentBytes - direct.bytes
                reached = min(reached, publishedBytes - min(publishedBytes, missing))
            }
        }
        return reached
    }
}
