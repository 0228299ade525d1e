import Codecs

/// Pando's own: one JSON object a line.
struct PandoWire: Wire {
    static let echoes = true
    static let sizeMax = LoadPlan.sizeMax

    private let plan: LoadPlan
    private let payload: String

    init(_ plan: LoadPlan) {
        self.plan = plan
        payload = String(decoding: Self.payload(plan), as: UTF8.self)
    }

    static func overhead(_ plan: LoadPlan) -> Int {
        #"{"command":"ACTIVITY_BROADCAST","activity":{"#.utf8.count + Stamp.size
            + #"","authenticated_user":""}}"#.utf8.count + name(0, plan).utf8.count + 1
    }

    /// All names of a run have the same length, so that all lines have.
    private static func name(_ client: Int, _ plan: LoadPlan) -> String {
        plan.registers ? "l\(Text.hex(plan.tag, 8))\(Text.hex(client, 5))" : "anonymous"
    }

    private static let secret = "load"

    /// The members that say who one is.
    private func identity(_ client: Int) -> String {
        #""username":"\#(Self.name(client, plan))""# + (plan.registers ? #","secret":"\#(Self.secret)""# : "")
    }

    private func login(_ client: Int) -> [UInt8] { Array("{\"command\":\"LOGIN\",\(identity(client))}\n".utf8) }

    /// - Parameter step: 1 once the user is registered.
    func greeting(_ client: Int, step: UInt8) -> [UInt8] {
        guard plan.registers, step == 0 else { return login(client) }
        return Array("{\"command\":\"REGISTER\",\(identity(client))}\n".utf8)
    }

    func message(_ client: Int) -> [UInt8] {
        Array("{\"command\":\"ACTIVITY_MESSAGE\",\(identity(client)),\"activity\":{\(payload)\"}}\n".utf8)
    }

    func frame(_ bytes: UnsafeRawBufferPointer) -> FrameEnd { line(bytes) }

    func react(to frame: UnsafeRawBufferPointer, client: Int, step: inout UInt8) -> Reaction {
        let line = frame.dropLast()
        guard let message = try? ServerMessage.parse(Array(line).span) else {
            return .refused("what is no message: \(Text.of(frame))")
        }
        switch message {
        case .registerSuccess:
            step = 1
            return .answer(login(client))
        case .loginSuccess: return .ready
        case .redirect(let host, let port):
            return .redirect(ServerPlace(host: String(decoding: host, as: UTF8.self), port: port))
        case .activityBroadcast, .activityAcknowledged, .position, .unknown: return .none
        case .registerFailed, .loginFailed, .authenticationFail, .invalidMessage: return .refused(Text.of(frame))
        }
    }
}
