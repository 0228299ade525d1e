import Codecs

/// One thing that a simulated client does. A step that waits for the server's answer ends with it.
public enum ClientStep: Hashable, Sendable {
    /// Opens a connection to a server; one that is open is closed first, without LOGOUT.
    case connect(server: Int)
    case register
    /// A REDIRECT that follows is obeyed at any time.
    case login
    case send(count: Int, everyMilliseconds: UInt64)
    /// Sends so many activities at once, each of at least so many bytes.
    case burst(count: Int, bytes: Int)
    case wait(milliseconds: UInt64)
    case logout
    /// The connection breaks, and the server learns of it as of a crash.
    case vanish
    /// The client's machine is off: the server is not told, and nothing answers it.
    case fallSilent
}

/// How a client leaves a connection after a REDIRECT: the real clients differ (client protocol, section 10).
public enum RedirectManners: Hashable, Sendable, CaseIterable {
    case closes
    case saysLogout
    /// It never closes the old connection.
    case leavesOpen
    /// It closes the old connection when it is logged in on the new one.
    case closesLast
}

/// A client as its user would see it: it plays a script, obeys REDIRECT, and remembers each line with its time.
public final class SimulatedClient {
    public let index: Int
    /// nil: the anonymous user.
    public let name: String?
    public let secret: String
    public let manners: RedirectManners
    public private(set) var received: [TimedLine] = []
    /// Whether its last LOGIN was answered by LOGIN_SUCCESS on the connection that it has now.
    private(set) var isLoggedIn = false
    /// The server of its connection, or of the one that it is opening.
    private(set) var server: Int?
    /// It was told that it cannot go on, or its connection ended.
    private(set) var isStopped = false

    /// Its name was given to it.
    public private(set) var hasRegistered = false

    private var steps: [ClientStep]
    private var stepIndex = 0
    /// Activities left in the present `send`.
    private var left = 0
    private(set) var connection: Int?
    /// Dials and connections that it has given up are not listened to.
    private var dialTag: UInt64 = 0
    /// After a REDIRECT the connection begins with a LOGIN.
    private var logsInAgain = false
    private var awaited: Awaited = .nothing
    private var partial: [UInt8] = []
    private var nextNumber = 0
    /// The activity that it sent with the LOGIN on its connection.
    private var hasty: ActivityMark?
    /// Rises with each connection that it opens.
    private(set) var session = 0
    /// The connection that it left open to follow a REDIRECT, and closes when it is logged in again.
    private var oldConnection: Int?
    /// When its last REGISTER was sent, and to which life of a server.
    private var asked: (time: UInt64, life: Int) = (0, 0)

    /// Whether the broadcast reaches it as bytes over its connection, cut anywhere, as everything else does. Most
    /// clients of a large world are only told which lines of the server's log have come: it is the same log for all,
    /// and reading it a hundred times shows nothing new.
    var readsBytes: Bool { index < 12 || index.isMultiple(of: 64) }

    /// A line without its end, and when it came.
    public struct TimedLine: Sendable {
        public var time: UInt64
        public var text: String
    }

    private enum Awaited {
        case nothing, registration, login
    }

    init(index: Int, name: String?, manners: RedirectManners, steps: [ClientStep]) {
        self.index = index
        self.name = name
        self.manners = manners
        self.steps = steps
        secret = "secret-\(index)"
    }

    /// It has done all that its script holds.
    public var hasFinished: Bool { isStopped || stepIndex == steps.count }
}

// MARK: - The script

extension SimulatedClient {
    /// Adds to the script; a client that had finished goes on.
    public func append(_ more: [ClientStep], in world: World) {
        let hadFinished = stepIndex == steps.count
        steps += more
        if hadFinished { world.queue.plan(.clientContinues(client: index, step: stepIndex), at: world.now) }
    }

    /// Does the present step, if it is the one that was waited for.
    func proceed(step: Int, in world: World) {
        guard step == stepIndex, stepIndex < steps.count, !isStopped else { return }
        switch steps[stepIndex] {
        case .connect(let server): connect(to: server, in: world)
        case .register: ask(.registration, ClientLine.register(name: name ?? "anonymous", secret: secret), in: world)
        case .login: logIn(in: world)
        case .send(let count, let pause): sendNext(of: count, pause: pause, in: world)
        case .wait(let milliseconds): advance(after: milliseconds, in: world)
        case .logout:
            write(ClientLine.logout, in: world)
            world.history.endVisit(of: index, .loggedOut, at: world.now)
            hangUp(in: world)
            advance(after: 0, in: world)
        case .burst(let count, let bytes):
            for _ in 0..<count { sendActivity(in: world, bytes: bytes) }
            advance(after: 0, in: world)
        case .vanish:
            hangUp(in: world)
            advance(after: 0, in: world)
        case .fallSilent:
            fallSilent(in: world)
            advance(after: 0, in: world)
        }
    }

    /// Forgets what is left of the script and begins another one, whatever has happened to it: its user is back.
    public func begin(_ script: [ClientStep], in world: World) {
        note(in: world, "> begins anew")
        hangUp(in: world)
        isStopped = false
        left = 0
        awaited = .nothing
        // A step of its own, so that what the old script still waits for finds none.
        steps = Array(steps.prefix(stepIndex)) + [.wait(milliseconds: 0)] + script
        stepIndex += 1
        world.queue.plan(.clientContinues(client: index, step: stepIndex), at: world.now)
    }

    private func advance(after milliseconds: UInt64, in world: World) {
        stepIndex += 1
        left = 0
        awaited = .nothing
        let time = world.now + milliseconds * 1_000_000
        world.queue.plan(.clientContinues(client: index, step: stepIndex), at: time)
    }

    private func sendNext(of count: Int, pause: UInt64, in world: World) {
        if left == 0 { left = count }
        // Between two servers there is nobody to send to: a user would wait.
        if isLoggedIn {
            sendActivity(in: world)
            left -= 1
        }
        guard left > 0 else { return advance(after: pause, in: world) }
        let time = world.now + max(1, pause) * 1_000_000
        world.queue.plan(.clientContinues(client: index, step: stepIndex), at: time)
    }

    /// Hasty clients do not wait for the answer before they send their first activity.
    private func logIn(in world: World) {
        var line = ClientLine.login(name: name, secret: secret)
        if world.options.hasHastyClients, index % 4 == 3, let server {
            hasty = ActivityMark(sender: index, number: nextNumber)
            line += activity(bytes: 0, to: server, in: world)
        }
        ask(.login, line, in: world)
    }

    private func ask(_ answer: Awaited, _ line: [UInt8], in world: World) {
        awaited = answer
        if case .registration = answer, let server {
            asked = (world.now, world.servers[server].witness.life)
            world.history.asked[name ?? "anonymous", default: 0] += 1
        }
        write(line, in: world)
    }

    /// Sends the next numbered activity, of at least so many bytes. False if it is not logged in.
    @discardableResult
    public func sendActivity(in world: World, bytes: Int = 0) -> Bool {
        guard isLoggedIn, let server else { return false }
        write(activity(bytes: bytes, to: server, in: world), in: world)
        return true
    }

    private func activity(bytes: Int, to server: Int, in world: World) -> [UInt8] {
        let mark = ActivityMark(sender: index, number: nextNumber)
        nextNumber += 1
        guard let connection else { preconditionFailure("who sends has a connection") }
        world.history.noteSending(by: index, to: server, on: connection, at: world.now)
        world.story?.noteSending(mark, to: server, at: world.now)
        return ClientLine.activity(name: name, secret: secret, mark: mark, bytes: bytes)
    }
}

// MARK: - The connection

extension SimulatedClient {
    private func connect(to server: Int, isRedirected: Bool = false, in world: World) {
        hangUp(in: world)
        session += 1
        world.history.beginVisit(of: index, to: server, isRedirected: isRedirected, at: world.now)
        world.network.setSilent(.client(index), false)
        self.server = server
        dialTag += 1
        note(in: world, "> connect s\(server)")
        world.network.dial(
            from: .client(index), life: 0, to: server, tag: dialTag, at: world.now, in: &world.queue)
    }

    func dialCame(tag: UInt64, to outcome: Network.Dial.Outcome, in world: World) {
        guard case .connected(let connection) = outcome else {
            note(in: world, "< \(outcome)")
            if tag == dialTag { stop() }
            return
        }
        guard tag == dialTag, !isStopped else {
            world.network.close(connection, from: .dialler, at: world.now, in: &world.queue)
            return
        }
        self.connection = connection
        let delay = world.network.connections[connection].delay
        world.history.noteRoundTrip(of: index, 2 * delay * (1000 + world.options.jitterPermille) / 1000)
        if logsInAgain {
            write(ClientLine.login(name: name, secret: secret), in: world)
        } else {
            advance(after: 0, in: world)
        }
    }

    private func write(_ line: [UInt8], in world: World) {
        guard let connection else { return }
        note(in: world, "> \(String(decoding: line.dropLast(), as: UTF8.self))")
        world.network.send(line, on: connection, from: .dialler, at: world.now, in: &world.queue)
    }

    /// Whether this is the connection that it has now.
    func listens(to connection: Int) -> Bool { connection == self.connection }

    private func hangUp(_ how: Visit.Ending = .left, in world: World) {
        world.history.leave(index, at: world.now)
        world.history.endVisit(of: index, how, at: world.now)
        isLoggedIn = false
        logsInAgain = false
        hasty = nil
        partial = []
        dialTag += 1
        if let connection { world.network.close(connection, from: .dialler, at: world.now, in: &world.queue) }
        connection = nil
        closeOld(in: world)
    }

    private func closeOld(in world: World) {
        guard let old = oldConnection.take() else { return }
        world.network.close(old, from: .dialler, at: world.now, in: &world.queue)
    }

    private func fallSilent(in world: World) {
        world.history.stalls.append(world.now)
        world.network.setSilent(.client(index), true)
        for connection in [connection, oldConnection].compactMap(\.self) {
            world.network.vanish(connection, from: .dialler)
        }
        (connection, oldConnection) = (nil, nil)
        hangUp(.fellSilent, in: world)
    }

    private func stop() {
        isStopped = true
        isLoggedIn = false
    }

    func receive(_ delivery: Delivery, on connection: Int, in world: World) {
        guard connection == self.connection else { return }
        switch delivery {
        case .bytes(let bytes): receive(bytes, in: world)
        case .end, .reset:
            note(in: world, "< \(delivery)")
            hangUp(.broke, in: world)
            stop()
        }
    }

    private func receive(_ bytes: [UInt8], in world: World) {
        partial.append(contentsOf: bytes)
        while let end = partial.firstIndex(of: 0x0A) {
            let line = Array(partial[..<end])
            partial.removeFirst(end + 1)
            understand(line, in: world)
        }
    }

    func note(in world: World, _ text: @autoclosure () -> String) {
        guard world.isTraced else { return }
        world.trace.note(world.now, "c\(index) " + text())
    }
}

// MARK: - What the server says

extension SimulatedClient {
    private func understand(_ bytes: [UInt8], in world: World) {
        let line = world.reader.read(bytes)
        note(in: world, "< \(line)")
        if case .broadcast = line {} else { received.append(TimedLine(time: world.now, text: "\(line)")) }
        switch line {
        case .broadcast(let mark, let user): receive(mark, user: user, in: world)
        case .registerSuccess: registrationAnswered(isGranted: true, in: world)
        case .registerFailed(let info):
            registrationAnswered(isGranted: false, wasBusy: info.contains("busy"), in: world)
        case .loginSuccess: loggedIn(in: world)
        case .authenticationFail(let info):
            if info.contains("registered earlier") { world.history.expulsions.append((index, world.now)) }
            refused(in: world)
        case .loginFailed, .invalidMessage: refused(in: world)
        case .redirect(let address): follow(address, in: world)
        case .notUnderstood(let text):
            world.found(.brokenClientProtocol, "client \(index) got a line that it does not understand: \(text)")
        }
    }

    private func receive(_ mark: ActivityMark, user: String, in world: World) {
        // Its last line may overtake the broadcast: private lines go before the rest of the log.
        if !isLoggedIn, !isStopped {
            world.found(.brokenClientProtocol, "client \(index) got activity \(mark) before LOGIN_SUCCESS")
        }
        if user != world.clients[mark.sender].name ?? "anonymous" {
            world.found(.brokenClientProtocol, "activity \(mark) reached client \(index) as one of \(user)")
        }
        world.history.noteReception(mark, by: index, session: session, at: world.now)
    }

    private func registrationAnswered(isGranted: Bool, wasBusy: Bool = false, in world: World) {
        world.history.registrations.append(
            History.Registration(
                client: index, name: name ?? "anonymous", life: asked.life, askedAt: asked.time, time: world.now,
                isGranted: isGranted, wasBusy: wasBusy))
        hasRegistered = hasRegistered || isGranted
        guard case .registration = awaited else { return }
        if isGranted { advance(after: 0, in: world) } else { stop() }
    }

    private func refused(in world: World) {
        world.history.endVisit(of: index, .refused, at: world.now)
        stop()
    }

    private func loggedIn(in world: World) {
        world.history.noteWelcome(of: index, at: world.now)
        isLoggedIn = true
        logsInAgain = false
        closeOld(in: world)
        if case .login = awaited { advance(after: 0, in: world) }
    }

    private func follow(_ address: PeerAddress, in world: World) {
        guard let target = world.server(at: address) else {
            world.found(.brokenClientProtocol, "client \(index) was redirected to \(address), where no server is")
            return
        }
        if target == server {
            world.found(.brokenClientProtocol, "server \(target) redirected client \(index) to itself")
        }
        if let hasty, isLoggedIn { world.history.noteFarewell(hasty, at: world.now) }
        world.history.endVisit(of: index, .redirected, at: world.now)
        switch manners {
        case .saysLogout: write(ClientLine.logout, in: world)
        case .leavesOpen: connection = nil
        case .closesLast:
            let present = connection.take()
            closeOld(in: world)
            oldConnection = present
        case .closes: break
        }
        // What it was told before on the connection that it leaves open is its own; the rest is not read.
        let old = oldConnection.take()
        connect(to: target, isRedirected: true, in: world)
        oldConnection = old
        logsInAgain = true
    }
}
