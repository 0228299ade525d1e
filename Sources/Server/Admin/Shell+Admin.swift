/// Connections of the admin endpoint: from the first byte of a request to the last of its answer.
internal import Codecs
internal import Logging
internal import Node
internal import Reactor

extension TimerToken {
    /// Answers are under way: the timer only makes a turn happen.
    static let adminAnswers: UInt64 = 16
    /// A request is overdue: likewise.
    static let adminRequests: UInt64 = 17
}

extension Shell {
    mutating func acceptAdmin(_ id: ConnectionID, in reactor: inout Reactor) {
        connections.begin(id, as: .admin)
        guard hasRoom(in: &reactor) else { return reactor.close(id, .serverFull) }
        reactor.setInputLimit(id, bytes: Admin.headBytesMax + Admin.bodyBytesMax + 1)
        reactor.setOutputLimit(id, bytes: Admin.outputBytesMax)
        let waiting = AdminWaiting(id: id, since: instant(of: reactor))
        self.admin?.waiting.append(waiting)
    }

    /// Whether there is room for the connection that has just come. If there are too many, the oldest that has not
    /// asked for anything gives way: a handful of silent ones must not keep out whoever wants to know what is going on.
    private mutating func hasRoom(in reactor: inout Reactor) -> Bool {
        guard let admin, connections.count(.admin) > admin.connectionsMax else { return true }
        self.admin?.counts.connectionsRefused += 1
        guard let oldest = admin.waiting.firstIndex(where: { !isAnswered($0.id) }) else { return false }
        reactor.close(admin.waiting[oldest].id, .serverFull)
        self.admin?.waiting.remove(at: oldest)
        return true
    }

    mutating func receiveAdmin(
        _ id: ConnectionID, _ bytes: Span<UInt8>, atEnd: Bool, in reactor: inout Reactor
    ) -> Int {
        // Whoever has said all that is wanted may go on talking, and nobody listens.
        if isAnswered(id) { return bytes.count }
        switch HTTPRequest.read(bytes) {
        case .incomplete where bytes.count > Admin.headBytesMax: refuse(id, .headTooLarge, in: &reactor)
        case .incomplete:
            // Without a whole request there is nobody to answer.
            if atEnd { reactor.close(id, .peerEnded) }
            return 0
        case .malformed: refuse(id, .badRequest, in: &reactor)
        case .complete(let request) where request.headBytes > Admin.headBytesMax:
            refuse(id, .headTooLarge, to: request, in: &reactor)
        case .complete(let request) where isToCome(request, bytes):
            if atEnd { reactor.close(id, .peerEnded) }
            return 0
        case .complete(let request):
            var body: [UInt8] = []
            if isChange(request) { body.append(bytes: bytes.extracting(request.headBytes...)) }
            answer(id, request, body: body, in: &reactor)
        }
        return bytes.count
    }

    private func isAnswered(_ id: ConnectionID) -> Bool {
        connections.flags(of: id).contains(.finishing) || admin?.answers.contains { $0.id == id } ?? true
            || admin?.changes.contains { $0.id == id } ?? true
    }

    /// The one request that has a body.
    private func isChange(_ request: HTTPRequest) -> Bool {
        request.method == .post && request.path == Self.usersPath
            && (1...Admin.bodyBytesMax).contains(request.bodyBytes)
    }

    /// Whether the rest of the body is waited for.
    private func isToCome(_ request: HTTPRequest, _ bytes: Span<UInt8>) -> Bool {
        isChange(request) && bytes.count < request.headBytes + request.bodyBytes
    }

    // MARK: Answers

    private mutating func answer(
        _ id: ConnectionID, _ request: HTTPRequest, body: [UInt8], in reactor: inout Reactor
    ) {
        guard request.majorVersion == 1 else { return refuse(id, .versionNotSupported, to: request, in: &reactor) }
        guard !request.isAmbiguous, request.host != nil || request.minorVersion == 0 else {
            return refuse(id, .badRequest, to: request, in: &reactor)
        }
        guard request.method != .other, (request.method == .post) == (request.path == Self.usersPath) else {
            return refuse(id, .methodNotAllowed, to: request, in: &reactor)
        }
        guard !request.hasBody || isChange(request) else {
            return refuse(id, .contentTooLarge, to: request, in: &reactor)
        }
        // Whether it lives is no secret, and those who ask it have none.
        if let status = health(request.path) {
            return answer(id, request, status, HTTPAnswer.json, healthDocument, in: &reactor)
        }
        guard admin?.needsTLS == false || reactor.isSecured(id) else {
            return refuse(id, .forbidden, to: request, in: &reactor)
        }
        switch admin?.access.judge(request) {
        case .granted: break
        case .needsToken, nil:
            // What a browser asks for is not enough to change anything.
            let text = request.method == .post ? "A token is needed: Authorization: Bearer TOKEN." : nil
            return refuse(id, .unauthorized, to: request, because: text, in: &reactor)
        case .foreignHost: return refuse(id, .misdirected, to: request, in: &reactor)
        }
        if request.method == .post { return change(id, request, body: body, in: &reactor) }
        switch request.path {
        case "/": answer(id, request, .ok, HTTPAnswer.html, Array(AdminPage.html.utf8), in: &reactor)
        case "/metrics": answer(id, request, .ok, HTTPAnswer.metrics, metrics(of: reactor), in: &reactor)
        case "/status.json": begin(id, request, .status(StatusProgress()), in: &reactor)
        case "/users.json": begin(id, request, .users(ListProgress()), in: &reactor)
        case "/connections.json": begin(id, request, .connections(ListProgress()), in: &reactor)
        default: refuse(id, .notFound, to: request, in: &reactor)
        }
    }

    /// A whole answer.
    private mutating func answer(
        _ id: ConnectionID, _ request: HTTPRequest, _ status: HTTPStatus, _ type: String, _ body: [UInt8],
        in reactor: inout Reactor
    ) {
        admin?.counts.count(status)
        reactor.send(id, HTTPAnswer.head(status, type: type, length: .bytes(body.count)))
        if request.method == .get { reactor.send(id, body) }
        finishAdmin(id, in: &reactor)
    }

    /// Why there is no other answer, in a line.
    mutating func refuse(
        _ id: ConnectionID, _ status: HTTPStatus, to request: HTTPRequest? = nil, because text: String? = nil,
        in reactor: inout Reactor
    ) {
        let body = Array(((text ?? Self.advice(status)) + "\n").utf8)
        admin?.counts.count(status)
        let methods = request?.path == Self.usersPath ? "POST" : "GET, HEAD"
        reactor.send(
            id, HTTPAnswer.head(status, type: HTTPAnswer.text, length: .bytes(body.count), methods: methods))
        if request?.method != .head { reactor.send(id, body) }
        finishAdmin(id, in: &reactor)
    }

    private static func advice(_ status: HTTPStatus) -> String {
        switch status {
        case .badRequest: "This is not a request of HTTP/1.1."
        case .unauthorized: "A token is needed: Authorization: Bearer TOKEN, or the token as the password of any user."
        case .forbidden: "Under TLS only: https."
        case .notFound: "There are /, /healthz, /metrics, /status.json, /connections.json and /users.json."
        case .methodNotAllowed: "GET and HEAD only, and POST to /users, by which users are changed."
        case .contentTooLarge: "A request here has no body, but for a short one to /users."
        case .misdirected: "Without a token this server answers only to localhost, or to an address of it."
        case .headTooLarge: "The head of a request has \(Admin.headBytesMax) bytes at most."
        case .versionNotSupported: "HTTP/1.1 or HTTP/1.0, please."
        case .ok, .conflict, .unavailable: status.phrase
        }
    }

    private mutating func begin(
        _ id: ConnectionID, _ request: HTTPRequest, _ document: AdminDocument, in reactor: inout Reactor
    ) {
        let isChunked = request.minorVersion > 0
        admin?.counts.count(.ok)
        reactor.send(id, HTTPAnswer.head(.ok, type: HTTPAnswer.json, length: isChunked ? .parts : .untilEnd))
        guard request.method == .get else { return finishAdmin(id, in: &reactor) }
        reactor.setDeadline(id, milliseconds: Admin.answerMilliseconds, .adminTimedOut)
        admin?.answers.append(AdminAnswer(id: id, document: document, isChunked: isChunked))
    }

    private mutating func finishAdmin(_ id: ConnectionID, in reactor: inout Reactor) {
        connections.insert(.finishing, of: id)
        reactor.finish(id, .finished, lingerMilliseconds: Admin.lingerMilliseconds, keepReading: false)
    }

    /// At the end of each turn: closes those whose requests have not come in time. A deadline of the connection itself
    /// would end with the handshake of TLS.
    mutating func closeOverdue(in reactor: inout Reactor) {
        let now = instant(of: reactor)
        while let first = admin?.waiting.first {
            let age = now.milliseconds(since: first.since)
            if reactor.isOpen(first.id), !isAnswered(first.id) {
                guard age >= Admin.requestMilliseconds else {
                    return reactor.setTimer(
                        TimerToken.adminRequests, afterMilliseconds: Admin.requestMilliseconds - Int(age))
                }
                reactor.close(first.id, .adminTimedOut)
            }
            admin?.waiting.removeFirst()
        }
    }

    // MARK: Parts

    /// At the end of each turn: some more of the answers that come in parts, each in its turn.
    mutating func continueAnswers(in reactor: inout Reactor) {
        guard var answers = admin?.answers, !answers.isEmpty else { return }
        var behind: [AdminAnswer] = []
        var parts = 0
        while parts < Admin.partsInTurn, !answers.isEmpty {
            var answer = answers.removeFirst()
            guard reactor.isOpen(answer.id) else { continue }
            guard reactor.unsent(answer.id) <= Admin.unsentBytesMax else {
                behind.append(answer)
                continue
            }
            parts += 1
            let (bytes, isLast) = nextPart(of: &answer.document, in: reactor)
            reactor.send(answer.id, answer.isChunked ? HTTPAnswer.part(bytes) : bytes)
            if !isLast {
                answers.append(answer)
            } else {
                if answer.isChunked { reactor.send(answer.id, HTTPAnswer.lastPart) }
                finishAdmin(answer.id, in: &reactor)
            }
        }
        admin?.answers = answers + behind
        if answers.isEmpty && behind.isEmpty { return }
        reactor.setTimer(TimerToken.adminAnswers, afterMilliseconds: answers.isEmpty ? Admin.waitMilliseconds : 0)
    }

    private func nextPart(
        of document: inout AdminDocument, in reactor: borrowing Reactor
    ) -> (bytes: [UInt8], isLast: Bool) {
        switch document {
        case .status(var progress):
            let part = statusPart(&progress, in: reactor)
            document = .status(progress)
            return part
        case .connections(var progress):
            let part = connectionsPart(&progress, in: reactor)
            document = .connections(progress)
            return part
        case .users(var progress):
            let part = usersPart(&progress)
            document = .users(progress)
            return part
        }
    }

    // MARK: What is remembered

    /// A connection has ended. To be called before it is forgotten.
    mutating func noteEnd(of id: ConnectionID, _ reason: CloseReason, in reactor: borrowing Reactor) {
        let role = connections.role(of: id)
        if role == .admin {
            admin?.waiting.removeAll { $0.id == id }
            admin?.changes.removeAll { $0.id == id }
        }
        guard admin != nil, role != .admin, role != .none else { return }
        let session = role == .client ? node.sessionStatus(SessionID(id)) : nil
        let address = address(of: id, role, session)
        guard let text = admin?.closed.takeReason(of: id, otherwise: reason) else { return }
        let entry = ClosedConnections.Entry(
            id: id, role: role, address: address, user: session?.user, reason: text, at: instant(of: reactor))
        admin?.closed.add(entry)
    }

    /// The other end of a connection, as far as it is known without asking the system.
    func address(_ mapped: [UInt8]) -> String { SocketAddress(mapped: mapped)?.ip ?? "" }

    private func address(
        of id: ConnectionID, _ role: ConnectionTable.Role, _ session: Node.SessionStatus?
    ) -> String {
        switch role {
        case .client, .refused: session.map { address($0.address) } ?? ""
        case .link: node.address(of: LinkID(id)).map { "\($0)" } ?? ""
        case .dialling: dials[id].map { "\($0.target)" } ?? ""
        case .undetermined: connections.address(of: id).map { "\($0)" } ?? ""
        case .none, .admin: ""
        }
    }

    mutating func noteLinkEnd(_ report: Report, in reactor: borrowing Reactor) {
        guard admin != nil, case .linkDown(let neighbour, let address, let cause) = report else { return }
        let reason =
            switch cause {
            case .closed(let reason): reason.rawValue
            case .lost: "lost"
            case .peerSaidBye(let refusal): "\(refusal)"
            }
        let entry = LinkEnds.Entry(neighbour: neighbour, address: address, reason: reason, at: instant(of: reactor))
        admin?.linkEnds.add(entry)
    }

    /// The server ends: nobody is answered any more.
    mutating func endAdmin(in reactor: inout Reactor) {
        guard let admin else { return }
        reactor.closeListener(admin.listener)
        self.admin?.answers = []
        self.admin?.changes = []
        for id in connections.connections(.admin) { reactor.close(id, .shutdown) }
    }
}
