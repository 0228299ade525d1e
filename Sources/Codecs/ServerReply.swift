/// What a server says to one client. These and the broadcasts of `ActivityRenderer` are all it may say: half of the
/// known clients are lost at any other command, and most at an empty line. The last two go to clients that have asked
/// for them (`ClientExtensions`).
public enum ServerReply: Hashable, Sendable {
    case registerSuccess(InfoText)
    case registerFailed(InfoText)
    case loginSuccess(InfoText)
    case loginFailed(InfoText)
    /// Go to another server: its host name or address, and its port.
    case redirect(hostname: [UInt8], port: UInt16)
    case authenticationFail(InfoText)
    case invalidMessage(InfoText)
    /// The client's activities up to this number are held by enough servers.
    case activityAcknowledged(number: UInt64)
    /// The client has been shown the records of these origins up to these; of others nothing has changed. One line, so
    /// that it is never told a part of it.
    case position([StreamPosition])

    /// Whether the server closes the connection after this reply.
    public var endsConnection: Bool {
        switch self {
        case .registerSuccess, .loginSuccess, .activityAcknowledged, .position: false
        case .registerFailed, .loginFailed, .redirect, .authenticationFail, .invalidMessage: true
        }
    }

    /// Appends the reply as one line, line end included: no white space, members in the customary order.
    public func render(into output: inout [UInt8]) {
        switch self {
        case .registerSuccess(let info): Self.render("REGISTER_SUCCESS", info, into: &output)
        case .registerFailed(let info): Self.render("REGISTER_FAILED", info, into: &output)
        case .loginSuccess(let info): Self.render("LOGIN_SUCCESS", info, into: &output)
        case .loginFailed(let info): Self.render("LOGIN_FAILED", info, into: &output)
        case .authenticationFail(let info): Self.render("AUTHENTICATION_FAIL", info, into: &output)
        case .invalidMessage(let info): Self.render("INVALID_MESSAGE", info, into: &output)
        case .redirect(let hostname, let port):
            output.append(contentsOf: #"{"command":"REDIRECT","hostname":"#.utf8)
            JSONText.append(string: hostname.span, to: &output)
            // Most clients cast the port to an integer: it must not be a string or have a fraction.
            output.append(contentsOf: ",\"port\":\(port)}\n".utf8)
        case .activityAcknowledged(let number):
            output.append(contentsOf: "{\"command\":\"ACTIVITY_ACKNOWLEDGED\",\"number\":\(number)}\n".utf8)
        case .position(let positions):
            output.append(contentsOf: #"{"command":"POSITION","reached":{"#.utf8)
            for (index, position) in positions.enumerated() {
                output.append(contentsOf: "\(index > 0 ? "," : "")\"\(position.origin)\":\(position.seq)".utf8)
            }
            output.append(contentsOf: "}}\n".utf8)
        }
    }

    /// The reply as one line, line end included.
    public func rendered() -> [UInt8] {
        var output: [UInt8] = []
        render(into: &output)
        return output
    }

    private static func render(_ command: String, _ info: InfoText, into output: inout [UInt8]) {
        // Piece by piece: a string made of them would be memory for a moment, for each login.
        output.append(contentsOf: #"{"command":""#.utf8)
        output.append(contentsOf: command.utf8)
        output.append(contentsOf: #"","info":"#.utf8)
        JSONText.append(string: info.bytes.span, to: &output)
        output.append(contentsOf: "}\n".utf8)
    }
}

// The customary texts. Names are repeated up to `InfoText.echoLimit`, secrets never: replies end up in logs and on
// screens.
extension ServerReply {
    public static func registerSuccess(username: Span<UInt8>) -> ServerReply {
        .registerSuccess(InfoText("register success for ", foreign: username))
    }

    public static func alreadyRegistered(username: Span<UInt8>) -> ServerReply {
        .registerFailed(InfoText("", foreign: username, " is already registered with the system"))
    }

    public static func loginSuccess(username: Span<UInt8>) -> ServerReply {
        .loginSuccess(InfoText("logged in as user ", foreign: username))
    }

    /// One for both, so that nobody learns which names there are.
    public static var unknownUserOrSecret: ServerReply { .loginFailed("attempt to login with wrong secret") }

    public static func invalid(_ fault: ClientFault, in line: Span<UInt8>) -> ServerReply {
        .invalidMessage(fault.info(in: line))
    }
}
