/// What operators change over the admin endpoint: users. `POST /users` with an action, a username and a secret.
internal import Codecs
internal import Node
internal import Reactor

/// A request for which the node has still to say what came of it.
struct AdminChange {
    let number: AccountRequestID
    let id: ConnectionID
    let request: HTTPRequest
}

extension AccountChange {
    /// Reads the body of a request; nil if it is none. What is not known is an error: it may be a slip of the keyboard.
    init?(body: [UInt8]) {
        var (action, name, secret): ([UInt8]?, [UInt8]?, [UInt8]?)
        var scanner = JSONScanner()
        do throws(JSONFault) {
            try scanner.begin(in: body.span)
            guard try scanner.enterObject(in: body.span) else { return nil }
            while let key = try scanner.nextKey(in: body.span) {
                guard case .string(let text) = try scanner.scanValue(in: body.span) else { return nil }
                let value = text.decoded(in: body.span)
                switch String(decoding: key.decoded(in: body.span), as: UTF8.self) {
                case "action" where action == nil: action = value
                case "username" where name == nil: name = value
                case "secret" where secret == nil: secret = value
                default: return nil
                }
            }
            try scanner.finish(in: body.span)
        } catch {
            return nil
        }
        guard let name, let action = action.flatMap({ Action(rawValue: String(decoding: $0, as: UTF8.self)) }),
            action.needsSecret == (secret != nil)
        else { return nil }
        self.init(action, name: name, secret: secret ?? [])
    }
}

extension Shell {
    static let usersPath = "/users"

    /// A change is asked for by who has the token, in so many words: what a browser adds by itself, for whatever page,
    /// does not count.
    mutating func change(_ id: ConnectionID, _ request: HTTPRequest, body: [UInt8], in reactor: inout Reactor) {
        guard admin?.access.mayChange(request) == true else {
            let text =
                admin?.access.hasToken == true
                ? "Users are changed with Authorization: Bearer TOKEN; the token as a password is only for looking."
                : "Users are changed with a token: start the server with --admin-token-file, and say "
                    + "Authorization: Bearer TOKEN."
            return refuse(id, .forbidden, to: request, because: text, in: &reactor)
        }
        guard let change = AccountChange(body: body) else {
            return refuse(
                id, .badRequest, to: request,
                because: "The body is {\"action\":…,\"username\":…}: add and set-secret with a \"secret\", kick and "
                    + "remove without.", in: &reactor)
        }
        guard node.stage == .serving else { return refuse(id, .unavailable, to: request, in: &reactor) }
        admin?.changesMade += 1
        let number = AccountRequestID(rawValue: admin?.changesMade ?? 0)
        admin?.changes.append(AdminChange(number: number, id: id, request: request))
        reactor.setDeadline(id, milliseconds: Admin.answerMilliseconds, .adminTimedOut)
        node.changeAccount(number, change, at: instant(of: reactor))
        carryOut(in: &reactor)
    }

    mutating func answerOperator(_ number: AccountRequestID, _ answer: AccountAnswer, in reactor: inout Reactor) {
        // Who asked may be gone; it is done all the same.
        guard let index = admin?.changes.firstIndex(where: { $0.number == number }),
            let change = admin?.changes.remove(at: index), reactor.isOpen(change.id)
        else { return }
        let (status, text): (HTTPStatus, String) =
            switch answer {
            case .done: (.ok, "done")
            case .unknownUser: (.notFound, "There is no such user.")
            case .alreadyRegistered: (.conflict, "The name is registered already.")
            case .invalid:
                (
                    .badRequest,
                    "A name and a secret have 1 to \(Claim.Limit.userNameBytes) bytes each; anonymous is nobody's name."
                )
            case .busy: (.unavailable, "Too much is under way, or the name is being registered: try again.")
            }
        refuse(change.id, status, to: change.request, because: text, in: &reactor)
    }
}
