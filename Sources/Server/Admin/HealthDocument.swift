/// Whether this server is well, for programs that decide by it: whether to restart it, to send it clients, to wake
/// somebody.
internal import Codecs
internal import Node

extension Shell {
    /// The answer's status at a path that asks for health; nil at any other.
    ///
    /// - `/healthz/live`: it answers, so it lives.
    /// - `/healthz`, `/healthz/ready`: it serves clients, and is not about to stop.
    /// - `/healthz/whole`: it reaches every member that it still owes records. Not a reason to restart it, nor to
    ///   send it no clients: it is not the one that is missing.
    func health(_ path: String) -> HTTPStatus? {
        switch path {
        case "/healthz/live": .ok
        case "/healthz", "/healthz/ready": isReady ? .ok : .unavailable
        case "/healthz/whole": isWhole ? .ok : .unavailable
        default: nil
        }
    }

    /// Clients are served, and new ones as well.
    var isReady: Bool { node.stage == .serving && !life.isDraining }

    /// How far the server is, in a word. Draining is the beginning of its end, and still no leaving of the network.
    var stageName: String { life.isDraining && node.stage == .serving ? "draining" : node.stage.rawValue }

    /// What the node counts; a server that drains is not ready.
    var nodeStatistics: NodeStatistics {
        var statistics = node.statistics
        statistics.isServing = isReady
        return statistics
    }

    /// Draining is no reason for an alarm: it reaches whom it reached.
    var isWhole: Bool { node.stage == .serving && node.membership.unreachable == 0 }

    var healthDocument: [UInt8] {
        var document = JSONObject()
        document.set("live", true)
        document.set("ready", isReady)
        document.set("whole", isWhole)
        document.set("members", node.membership.reachable)
        document.set("unreachable", node.membership.unreachable)
        return document.finished + [UInt8(ascii: "\n")]
    }
}
