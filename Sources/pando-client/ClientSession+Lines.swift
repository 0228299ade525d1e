import Codecs

// Lines from the server and lines that were typed.

extension ClientSession {
    // MARK: From the server

    mutating func onReceived(_ lines: [LineBuffer.Line], at now: UInt64) {
        for line in lines where phase != .ended {
            switch line {
            case .tooLong: tell("a line of more than \(Self.receivedLimit) bytes from the server is left out")
            case .complete(let bytes): onLine(bytes, at: now)
            }
        }
    }

    private mutating func onLine(_ line: [UInt8], at now: UInt64) {
        // Some servers send empty lines to prove themselves alive.
        guard !line.isEmpty else { return }
        do {
            onMessage(try ServerMessage.parse(line.span), in: line, at: now)
        } catch {
            tell("a line from the server is left out: \(error)")
        }
    }

    private mutating func onMessage(_ message: ServerMessage, in line: [UInt8], at now: UInt64) {
        switch message {
        case .activityBroadcast(let activity):
            if tellsPositions {
                unplaced.append(Array(line[activity]))
            } else {
                // Where we are is what the server keeps from now on; our positions are behind that.
                positions = [:]
                effects.append(.show(Array(line[activity])))
            }
        case .position(let positions): onPosition(positions)
        case .activityAcknowledged(let number):
            acknowledges = true
            outbox.acknowledge(through: number)
        case .registerSuccess(let info): onRegistered(info)
        case .registerFailed(let info): onRegisterFailed(info, at: now)
        case .loginSuccess(let info): onLoggedIn(info, at: now)
        case .loginFailed(let info): refuse("the login is refused", info)
        case .authenticationFail(let info):
            // Once it has accepted them, this is an operator's doing.
            if case .live = phase { return refuse("the server ends the session", info) }
            refuse("the server does not accept the user and the secret", info)
        case .invalidMessage(let info): refuse("the server refuses a message", info)
        case .redirect(let host, let port):
            // After the first one, and when the user is ending, there is nothing to decide any more.
            if case .leaving = phase { return }
            onRedirect(to: Server(host: host, port: port), at: now)
        case .unknown(let command): tell("a line from the server is left out: command \(Self.legible(command))")
        }
    }

    /// What came before it is shown, and will not come again. The first one comes before any activity.
    private mutating func onPosition(_ reached: [StreamPosition]) {
        guard options.run != nil, case .live = phase else { return }
        tellsPositions = true
        acknowledges = true
        for position in reached { positions[position.origin] = position.seq }
        showUnplaced()
    }

    mutating func showUnplaced() {
        effects += unplaced.map { .show($0) }
        unplaced = []
    }

    private mutating func onRegistered(_ info: [UInt8]) {
        guard phase == .registering else { return }
        tell(Self.legible(info))
        mustRegister = false
        login()
    }

    private mutating func onRegisterFailed(_ info: [UInt8], at now: UInt64) {
        guard phase == .registering, mayBeRegistered else {
            if options.registers { tell("the secret that was drawn is nobody's: forget it") }
            return refuse("the registration is refused", info)
        }
        // The connection broke before an earlier answer came: it may well be our own registration that is in the way.
        mayBeRegistered = false
        mustRegister = false
        tell("\(Self.legible(info)); trying to log in")
        effects.append(.close)
        outbox.restart()
        greeting = []
        connect(at: now)
    }

    private mutating func onLoggedIn(_ info: [UInt8], at now: UInt64) {
        guard phase == .loggingIn else { return }
        tell(Self.legible(info))
        hasLoggedIn = true
        phase = .live(now)
    }

    private mutating func refuse(_ words: String, _ info: [UInt8]) {
        tell(info.isEmpty ? words : "\(words): \(Self.legible(info))")
        end(.refused)
    }

    // MARK: From the user

    mutating func onTyped(_ lines: [LineBuffer.Line]) {
        for line in lines {
            typedCount += 1
            switch line {
            case .tooLong: tell("line \(typedCount) is not sent: it is longer than \(Self.typedLimit) bytes")
            case .complete(let bytes): onTyped(TypedLine(bytes))
            }
        }
    }

    private mutating func onTyped(_ line: TypedLine) {
        switch line {
        case .blank: break
        case .activity(let activity): send(activity)
        case .text(let activity, let fault):
            tell("line \(typedCount) is sent as text, as it is not a JSON object: \(fault)")
            send(activity)
        case .notUTF8: tell("line \(typedCount) is not sent: it is not UTF-8")
        }
    }

    private mutating func send(_ activity: [UInt8]) {
        let number = options.run.map { _ in lastNumber + 1 }
        if let number { lastNumber = number }
        let message = ClientRequest.activity(
            username: options.username, secret: options.secret, activity: activity, number: number)
        outbox.append(message.rendered(), number: number)
    }

    mutating func onTypedEnd() {
        guard !typingEnded else { return }
        if let rest = typed.end() { onTyped([rest]) }
        typingEnded = true
    }

    mutating func onOutputFailed(_ words: String?, at now: UInt64) {
        // Whoever read our output has gone, like `head` after its lines: that ends the session, and is no fault.
        guard let words else { return leave(at: now) }
        tell("cannot write to standard output: \(words)")
        end(.outputFailed)
    }
}
