import CEpollShim
import Codecs
import Glibc
import Simulator

/// What clients do.
extension RealNetwork {
    /// Adds a client that connects now.
    @discardableResult
    public func addClient(
        _ role: Client.Role, name: String?, server: Int, secret: String? = nil, isRegistered: Bool = false
    )
        -> Client
    {
        let client = Client(
            index: clients.count, name: name, role: role, server: server, secret: secret ?? "secret-of-\(name ?? "")",
            isRegistered: isRegistered)
        clients.append(client)
        history.clientNames.append(name)
        history.activities.append([])
        history.receptions.append([])
        connect(client)
        return client
    }

    /// Adds clients to each server; every other one has a name.
    public func addClients(each count: Int) {
        for number in 0..<count * slots.count {
            addClient(.regular, name: number.isMultiple(of: 2) ? "user\(number)" : nil, server: number % slots.count)
        }
    }

    public var loggedIn: Int { clients.count { $0.role == .regular && $0.isLoggedIn } }
    public var areAllLoggedIn: Bool { clients.allSatisfy { $0.role != .regular || $0.isLoggedIn } }

    // MARK: Connections

    func connect(_ client: Client) {
        client.returnsAt = nil
        let slot = slots[client.server]
        let dial = { () -> Int32 in
            let fd = ces_tcp_socket(4)
            guard fd >= 0 else { return fd }
            // Servers know an anonymous client that they have sent elsewhere by its address: each has its own, which it
            // keeps wherever it goes.
            var address = ces_address()
            _ = ces_parse_ip("127.1.\(client.index / 250).\(client.index % 250 + 1)", &address)
            var result = ces_bind(fd, &address)
            if result == 0 {
                _ = ces_parse_ip(slot.host, &address)
                address.port = slot.port
                result = ces_connect(fd, &address)
            }
            if result == 0 || result == -EINPROGRESS { return fd }
            ces_close(fd)
            return result
        }
        // Clients live in the namespace of their server: nothing of theirs crosses the wires between servers.
        let fd = slot.namespace?.inside(dial) ?? dial()
        guard fd >= 0 else { return lost(client) }
        _ = ces_set_no_delay(fd)
        client.fd = fd
        client.state = .connecting
        client.life = slot.life
        client.connection = nextConnection()
        byConnection[client.connection] = client
        _ = ces_epoll_add(poller, fd, CES_IN | CES_OUT, client.connection)
    }

    func handle(_ events: UInt32, of client: Client) {
        if client.state == .connecting {
            guard ces_take_socket_error(client.fd) == 0 else { return lost(client) }
            client.sayFirstWords()
        }
        let connection = client.connection
        if events & (CES_IN | CES_HUP | CES_ERR) != 0 { receive(client) }
        if client.connection == connection, client.fd >= 0 { flush(client) }
    }

    private func flush(_ client: Client) {
        // What cannot be sent is noticed when the end of the connection is read.
        _ = client.flush()
        let interest = client.output.isEmpty ? CES_IN : CES_IN | CES_OUT
        _ = ces_epoll_modify(poller, client.fd, interest, client.connection)
    }

    /// The client's end of its connection.
    func hangUp(_ client: Client, withReset: Bool) {
        endPresence(client)
        byConnection[client.connection] = nil
        client.hangUp(withReset: withReset)
        client.state = .away
    }

    private func endPresence(_ client: Client) {
        if let presence = client.presence { history.presences[presence].end = now }
        client.presence = nil
    }

    /// The connection ended, or could not be made.
    private func lost(_ client: Client) {
        let slot = slots[client.server]
        let isWrong = client.state == .loggedIn && slot.isUp && slot.life == client.life && client.farewell == nil
        if isWrong {
            if let how = slot.crash(now: now) { found(.brokenContract, "server \(slot.index) ended by itself: \(how)") }
            found(.brokenClientProtocol, "client \(client.index) was closed by server \(client.server), which lives")
        }
        hangUp(client, withReset: false)
        client.session += 1
        // Who was refused asks again less eagerly.
        let patience: UInt64 = client.farewell == nil ? 50 : 1000
        if client.role == .regular { comeBack(client, after: patience) } else { client.state = .ended }
    }

    /// Some time later, to the same server if it lives.
    func comeBack(_ client: Client, after milliseconds: UInt64 = 50) {
        client.farewell = nil
        if !slots[client.server].isUp {
            let living = slots.filter(\.isUp)
            if !living.isEmpty { client.server = living[random.below(living.count)].index }
        }
        client.returnsAt = now + (milliseconds + random.below(UInt64(200))) * 1_000_000
    }

    func bringClientsBack() {
        let time = now
        for client in clients { if let due = client.returnsAt, due <= time { connect(client) } }
    }

    // MARK: Lines

    private func receive(_ client: Client) {
        if client.isDeaf, client.isLoggedIn { return receiveDeaf(client) }
        let count = buffer.withUnsafeMutableBytes { bytes in
            bytes.baseAddress.map { ces_receive(client.fd, $0, bytes.count) } ?? 0
        }
        if count == -Int(EAGAIN) { return }
        guard count > 0 else { return lost(client) }
        client.bytesHeard += count
        let connection = client.connection
        var start = 0
        while start < count, client.connection == connection, client.fd >= 0, let end = lineEnd(from: start, to: count)
        {
            if client.partial.isEmpty {
                buffer.withUnsafeBytes { take(UnsafeRawBufferPointer(rebasing: $0[start..<end]), client) }
            } else {
                let line = client.partial + buffer[start..<end]
                client.partial = []
                line.withUnsafeBytes { take($0, client) }
            }
            start = end + 1
        }
        if client.connection == connection, client.fd >= 0 { client.partial += buffer[start..<count] }
    }

    /// The kernel throws the bytes away, so that a crowd costs nothing here.
    private func receiveDeaf(_ client: Client) {
        let count = recv(client.fd, nil, 4 << 20, Self.discarding)
        if count < 0, errno == EAGAIN { return }
        guard count > 0 else { return lost(client) }
        client.bytesHeard += count
    }

    private static let discarding = Int32(MSG_TRUNC) | Int32(MSG_DONTWAIT)

    private func lineEnd(from start: Int, to end: Int) -> Int? {
        buffer.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress, let found = memchr(base + start, 10, end - start) else { return nil }
            return UnsafeRawPointer(found) - base
        }
    }

    private func take(_ line: UnsafeRawBufferPointer, _ client: Client) {
        if let mark = Mark(in: line) { return hear(mark, client) }
        let bytes = Array(line)
        guard let message = try? ServerMessage.parse(bytes.span) else {
            return found(.brokenClientProtocol, "client \(client.index) got \(String(decoding: bytes, as: UTF8.self))")
        }
        switch message {
        case .registerSuccess: registered(client, true, "")
        case .registerFailed(let info): registered(client, false, String(decoding: info, as: UTF8.self))
        case .loginSuccess: loggedIn(client)
        case .redirect(let host, _): follow(client, String(decoding: host, as: UTF8.self))
        case .loginFailed(let info), .authenticationFail(let info), .invalidMessage(let info):
            refused(client, String(decoding: info, as: UTF8.self))
        case .activityBroadcast, .activityAcknowledged, .position, .unknown:
            found(.brokenClientProtocol, "client \(client.index) got \(String(decoding: bytes, as: UTF8.self))")
        }
    }

    private func hear(_ mark: Mark, _ client: Client) {
        guard client.isLoggedIn else {
            return found(.brokenClientProtocol, "client \(client.index) got activity \(mark) before LOGIN_SUCCESS")
        }
        guard mark.round == round, let activity = activity(mark) else {
            // All had come to those who were there; a server that starts may show it to who is new.
            if client.session > client.roundSession { return }
            return found(.repeated, "client \(client.index) got activity \(mark), which had come in an earlier round")
        }
        noteHolding(server: client.server, life: client.life, mark)
        let time = now
        delays.append(time - activity.sentAt)
        history.receptions[client.index].append(
            Chronicle.Reception(
                sender: mark.sender, number: mark.number, time: time, client: client.index, server: client.server,
                session: client.session))
    }

    private func registered(_ client: Client, _ isGranted: Bool, _ info: String) {
        if isGranted, let name = client.name {
            history.grants.append(Chronicle.Grant(name: name, server: client.server, time: now))
        }
        if isGranted {
            client.isRegistered = true
            client.wasGranted = true
            return client.sayLogin()
        }
        client.farewell = info
        if client.role == .rival { client.wasGranted = false }
        // The answer to an earlier attempt was lost with its connection.
        if client.role == .regular, info.contains("already registered") { client.isRegistered = true }
    }

    private func loggedIn(_ client: Client) {
        if client.role == .probe {
            client.wasGranted = true
            hangUp(client, withReset: false)
            return client.state = .ended
        }
        client.state = .loggedIn
        history.presences.append(Chronicle.Presence(client: client.index, server: client.server, start: now))
        client.presence = history.presences.count - 1
    }

    private func refused(_ client: Client, _ info: String) {
        client.farewell = info
        if client.role == .probe { client.wasGranted = false }
        tell("client \(client.index) at server \(client.server) is told: \(info)")
    }

    private func follow(_ client: Client, _ host: String) {
        guard let target = slots.first(where: { $0.host == host }) else {
            return found(.brokenClientProtocol, "client \(client.index) was redirected to \(host), where no server is")
        }
        hangUp(client, withReset: false)
        client.server = target.index
        connect(client)
    }

    // MARK: Activities

    /// Activities a second, over all clients that are logged in, until `stopTraffic`.
    public func startTraffic(perSecond rate: Double) { traffic = (UInt64(1e9 / rate), now) }

    public func stopTraffic() { traffic = nil }

    func sendTraffic() {
        guard var plan = traffic else { return }
        let time = now
        if plan.next <= time {
            let senders = clients.filter { $0.role == .regular && $0.isLoggedIn && !$0.isDeaf }
            while plan.next <= time {
                plan.next += plan.gap
                if !senders.isEmpty { send(from: senders[random.below(senders.count)]) }
            }
            traffic = plan
        }
    }

    /// Sends the client's next activity.
    public func send(from client: Client) {
        guard client.isLoggedIn, client.fd >= 0 else { return }
        let mark = Mark(round: round, sender: client.index, number: history.activities[client.index].count)
        history.activities[client.index].append(Chronicle.Activity(sentAt: now, sentTo: client.server))
        client.sayActivity(mark, padding: padding)
        flush(client)
    }
}
