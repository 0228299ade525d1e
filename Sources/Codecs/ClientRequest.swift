/// What a client says to a server. For our own client and for tests.
public enum ClientRequest: Hashable, Sendable {
    case register(username: [UInt8], secret: [UInt8])
    /// The secret is left out for `anonymous`. `run` and `resume` ask for what is beyond the protocol
    /// (`ClientExtensions`).
    case login(username: [UInt8], secret: [UInt8]?, run: [UInt8]? = nil, resume: Floor? = nil)
    /// The activity is a JSON object, and is sent as it is. Its number is that within the run.
    case activity(username: [UInt8], secret: [UInt8]?, activity: [UInt8], number: UInt64? = nil)
    case logout

    /// Appends the request as one line, line end included.
    public func render(into output: inout [UInt8]) {
        switch self {
        case .register(let username, let secret):
            Self.render("REGISTER", username, secret, into: &output)
        case .login(let username, let secret, let run, let resume):
            Self.render("LOGIN", username, secret, into: &output)
            if let run {
                output.append(contentsOf: #","run":"#.utf8)
                JSONText.append(string: run.span, to: &output)
            }
            if let resume {
                output.append(contentsOf: #","resume":{"#.utf8)
                let members = resume.positions.map { "\"\($0.origin)\":\($0.seq)" }
                output.append(contentsOf: members.joined(separator: ",").utf8)
                output.append(UInt8(ascii: "}"))
            }
        case .activity(let username, let secret, let activity, let number):
            Self.render("ACTIVITY_MESSAGE", username, secret, into: &output)
            if let number { output.append(contentsOf: ",\"number\":\(number)".utf8) }
            output.append(contentsOf: #","activity":"#.utf8)
            output.append(bytes: activity.span)
        case .logout:
            output.append(contentsOf: #"{"command":"LOGOUT""#.utf8)
        }
        output.append(contentsOf: "}\n".utf8)
    }

    /// The request as one line, line end included.
    public func rendered() -> [UInt8] {
        var output: [UInt8] = []
        render(into: &output)
        return output
    }

    /// All but the end of a line with user name and secret.
    private static func render(
        _ command: String, _ username: [UInt8], _ secret: [UInt8]?, into output: inout [UInt8]
    ) {
        output.append(contentsOf: "{\"command\":\"\(command)\",\"username\":".utf8)
        JSONText.append(string: username.span, to: &output)
        guard let secret else { return }
        output.append(contentsOf: #","secret":"#.utf8)
        JSONText.append(string: secret.span, to: &output)
    }
}
