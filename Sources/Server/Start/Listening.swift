/// Where a server listens, and what it says if it cannot.
internal import Glibc
internal import Reactor

extension Server {
    /// Listens as configured. Without an address: on every one, of both versions of the protocol if the host has both.
    static func listen(
        _ configuration: ServerConfiguration, in reactor: inout Reactor
    ) throws(ServerFailure) -> (ListenerID, SocketAddress) {
        let choices = configuration.bind.map { [$0.text] } ?? ["::", "0.0.0.0"]
        var failure = SystemError(code: EINVAL, call: "listen")
        for choice in choices {
            guard let address = SocketAddress(ip: choice, port: configuration.port) else { continue }
            do throws(SystemError) {
                let listener = try reactor.listen(on: address)
                return (listener, reactor.localAddress(of: listener) ?? address)
            } catch {
                failure = error
                // Only a host without IPv6 is offered the other choice.
                guard error.code == EAFNOSUPPORT || error.code == EADDRNOTAVAIL else { break }
            }
        }
        throw explain(failure)
    }

    private static func explain(_ error: SystemError) -> ServerFailure {
        let text = "cannot listen: \(error)"
        return switch error.code {
        case EADDRINUSE:
            ServerFailure(
                "\(text); another program listens there, choose another port with -lp",
                exitStatus: ExitStatus.unavailable)
        case EADDRNOTAVAIL:
            ServerFailure(
                "\(text); --bind takes an address of this host, -lh is what others are told",
                exitStatus: ExitStatus.unavailable)
        case EACCES, EPERM:
            ServerFailure(
                "\(text); ports below 1024 need a privilege, choose another with -lp",
                exitStatus: ExitStatus.forbidden)
        default: ServerFailure(text, exitStatus: ExitStatus.system)
        }
    }
}
