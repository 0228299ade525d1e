/// Where the admin endpoint listens.
internal import Glibc
internal import Logging
internal import Node
internal import Reactor

extension Server {
    /// Opens the endpoint if somebody asked for one, and says where it is.
    static func openAdmin(
        _ configuration: ServerConfiguration, _ logger: Logger, in reactor: inout Reactor
    ) throws(ServerFailure) -> Admin? {
        guard let wanted = configuration.admin, let address = SocketAddress(wanted.text) else { return nil }
        let (listener, access) = try listen(on: address, token: configuration.adminToken, in: &reactor)
        let bound = reactor.localAddress(of: listener) ?? address
        let needsTLS = !bound.isLoopback && reactor.tls.clients != nil
        logger.notice(
            "the admin endpoint is open",
            metadata: [
                "url": "\(needsTLS ? "https" : "http")://\(bound)/",
                "token": configuration.adminToken == nil ? "none" : "needed",
            ])
        if !bound.isLoopback, !needsTLS {
            logger.warning(
                "the admin endpoint can be reached from other hosts; without TLS its token can be read there")
        }
        return Admin(
            listener: listener, access: access,
            connectionsMax: Admin.connectionsMax(capacity: reactor.configuration.capacity),
            needsTLS: needsTLS, started: Instant(nanoseconds: SystemClock.monotonicNanoseconds),
            startedSeconds: Double(SystemClock.realtimeMilliseconds) / 1000)
    }

    private static func listen(
        on address: SocketAddress, token: String?, in reactor: inout Reactor
    ) throws(ServerFailure) -> (ListenerID, AdminAccess) {
        let access: AdminAccess
        do throws(CryptoError) {
            access = try AdminAccess(token: token)
        } catch {
            throw ServerFailure("the admin token cannot be hashed: \(error)", exitStatus: ExitStatus.system)
        }
        do throws(SystemError) {
            return (try reactor.listen(on: address), access)
        } catch {
            let isTaken = error.code == EADDRINUSE
            let advice = isTaken ? "another program listens there, choose another port" : "choose another address"
            throw ServerFailure(
                "cannot listen for --admin: \(error); \(advice)",
                exitStatus: error.code == EACCES ? ExitStatus.forbidden : ExitStatus.unavailable)
        }
    }
}
