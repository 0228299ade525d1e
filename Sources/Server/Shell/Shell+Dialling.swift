/// Dials: from a name or a numeric address to a link, one address after the other.
internal import Codecs
internal import Node
internal import Reactor

/// An attempt to connect that the node asked for.
struct Dial {
    let id: DialID
    let target: PeerAddress
    /// Addresses still to be tried, the next one last.
    var addresses: [SocketAddress]
    /// The address that is being tried.
    var present: SocketAddress?
    /// Why those tried so far did not lead to a connection.
    var failures: [String] = []
}

extension Shell {
    mutating func dial(_ id: DialID, _ target: PeerAddress, in reactor: inout Reactor) {
        guard !life.isEnding else { return }
        if let address = SocketAddress(ip: target.host, port: target.port) {
            return tryNext(Dial(id: id, target: target, addresses: [address]), in: &reactor)
        }
        let ticket = helpers.names.submit {
            NameResult(id: id, target: target, resolution: Resolver.resolve(host: target.host, port: target.port))
        }
        if ticket == nil { deferred.append(.dialFailed(id, "\(target.host): too many names are being looked up")) }
    }

    mutating func resolved(_ result: NameResult, in reactor: inout Reactor) {
        guard !life.isEnding else { return }
        switch result.resolution {
        case .addresses(let addresses):
            tryNext(Dial(id: result.id, target: result.target, addresses: addresses.reversed()), in: &reactor)
        case .failed(let text):
            node.dialFailed(result.id, text: text, at: instant(of: reactor))
        }
    }

    /// A connection of a dial ended before it was one.
    mutating func dialEnded(_ id: ConnectionID, _ reason: CloseReason, in reactor: inout Reactor) {
        guard var dial = dials.removeValue(forKey: id), !life.isEnding else { return }
        let text = reactor.tlsFailure(of: id).map { "TLS: \($0)" } ?? Self.text(of: reason)
        if let address = dial.present { dial.failures.append("\(address): \(text)") }
        tryNext(dial, in: &reactor)
    }

    private mutating func tryNext(_ dial: Dial, in reactor: inout Reactor) {
        var dial = dial
        while let address = dial.addresses.popLast() {
            do throws(SystemError) {
                let id = try reactor.dial(
                    address, tlsName: tlsName(of: dial.target, in: reactor),
                    deadlineMilliseconds: settings.dialMilliseconds)
                dial.present = address
                dials[id] = dial
                return connections.begin(id, as: .dialling)
            } catch {
                dial.failures.append("\(error)")
            }
        }
        deferred.append(.dialFailed(dial.id, dial.failures.joined(separator: "; ")))
    }

    private static func text(of reason: CloseReason) -> String {
        switch reason {
        case .dialRefused: "connection refused"
        case .dialTimedOut: "no answer"
        case .dialFailed: "no way to it"
        default: "\(reason)"
        }
    }
}
