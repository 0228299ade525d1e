/// One line from a server, as a client sees it. For our own client and for tests.
///
/// Milder than what the server asks of clients: extra members are ignored, a missing `info` is an empty one, and
/// an unknown command is no fault.
public enum ServerMessage: Hashable, Sendable {
    case registerSuccess(info: [UInt8])
    case registerFailed(info: [UInt8])
    case loginSuccess(info: [UInt8])
    case loginFailed(info: [UInt8])
    case redirect(hostname: [UInt8], port: UInt16)
    /// The activity object stands in this range of the line.
    case activityBroadcast(Range<Int>)
    case authenticationFail(info: [UInt8])
    case invalidMessage(info: [UInt8])
    /// To who has asked for it: activities up to this number are safe.
    case activityAcknowledged(number: UInt64)
    /// To who has asked for it: what was shown so far covers the records of these origins up to these.
    case position([StreamPosition])
    /// A command that no client has to know.
    case unknown(command: [UInt8])
}

/// Why a line from a server means nothing to a client.
public enum ServerMessageFault: Error, Hashable, Sendable, CustomStringConvertible {
    case notJSON(JSONFault)
    case notAnObject
    /// `command` is missing or no string.
    case noCommand
    /// REDIRECT without a host name, or without a port from 1 to 65535.
    case badRedirect
    /// ACTIVITY_BROADCAST without an activity object.
    case noActivity

    public var description: String {
        switch self {
        case .notJSON(let fault): "not JSON: \(fault)"
        case .notAnObject: "not a JSON object"
        case .noCommand: "no command"
        case .badRedirect: "a REDIRECT without a usable host name and port"
        case .noActivity: "an ACTIVITY_BROADCAST without an activity object"
        }
    }
}

extension ServerMessage {
    /// Parses a line, given without its end. The last one of duplicate members counts.
    public static func parse(
        _ line: Span<UInt8>, depthLimit: Int = JSONScanner.defaultDepthLimit
    ) throws(ServerMessageFault) -> ServerMessage {
        var members = Members()
        let isObject: Bool
        do {
            isObject = try members.scan(line, depthLimit: depthLimit)
        } catch {
            throw .notJSON(error)
        }
        guard isObject else { throw .notAnObject }
        return try members.message(of: line)
    }

    /// The members that some message from a server has.
    private struct Members {
        var command: JSONString?
        var info: JSONString?
        var hostname: JSONString?
        var port: Range<Int>?
        var activity: Range<Int>?
        var reached: Range<Int>?
        var number: Range<Int>?

        /// Goes through the line. False if it holds something else than an object.
        mutating func scan(_ line: Span<UInt8>, depthLimit: Int) throws(JSONFault) -> Bool {
            var scanner = JSONScanner(depthLimit: depthLimit)
            try scanner.begin(in: line)
            let isObject = try scanner.enterObject(in: line)
            if isObject {
                while let key = try scanner.nextKey(in: line) {
                    keep(try scanner.scanValue(in: line), as: key.decoded(in: line))
                }
            } else {
                _ = try scanner.scanValue(in: line)
            }
            try scanner.finish(in: line)
            return isObject
        }

        private mutating func keep(_ value: JSONValue, as key: [UInt8]) {
            switch (String(decoding: key, as: UTF8.self), value) {
            case ("command", .string(let text)): command = text
            case ("info", .string(let text)): info = text
            case ("hostname", .string(let text)): hostname = text
            case ("port", .number(let range)): port = range
            case ("activity", .object(let range)): activity = range
            case ("reached", .object(let range)): reached = range
            case ("number", .number(let range)): number = range
            default: break
            }
        }

        func message(of line: Span<UInt8>) throws(ServerMessageFault) -> ServerMessage {
            guard let command else { throw .noCommand }
            let name = command.decoded(in: line)
            let info = info?.decoded(in: line) ?? []
            switch String(decoding: name, as: UTF8.self) {
            case "REGISTER_SUCCESS": return .registerSuccess(info: info)
            case "REGISTER_FAILED": return .registerFailed(info: info)
            case "LOGIN_SUCCESS": return .loginSuccess(info: info)
            case "LOGIN_FAILED": return .loginFailed(info: info)
            case "AUTHENTICATION_FAIL": return .authenticationFail(info: info)
            case "INVALID_MESSAGE": return .invalidMessage(info: info)
            case "REDIRECT": return try redirect(in: line)
            case "ACTIVITY_BROADCAST":
                guard let activity else { throw .noActivity }
                return .activityBroadcast(activity)
            case "ACTIVITY_ACKNOWLEDGED":
                guard let number = Self.integer(number, in: line) else { return .unknown(command: name) }
                return .activityAcknowledged(number: number)
            case "POSITION":
                guard let reached, let positions = ClientExtensions.positions(in: line.extracting(reached)) else {
                    return .unknown(command: name)
                }
                return .position(positions)
            default: return .unknown(command: name)
            }
        }

        private static func integer(_ range: Range<Int>?, in line: Span<UInt8>) -> UInt64? {
            guard let range, range.count <= 19 else { return nil }
            var number: UInt64 = 0
            for index in range {
                guard line[index] >= ASCII.zero, line[index] <= ASCII.nine else { return nil }
                number = number * 10 + UInt64(line[index] - ASCII.zero)
            }
            return number
        }

        private func redirect(in line: Span<UInt8>) throws(ServerMessageFault) -> ServerMessage {
            guard let hostname, hostname.range.count > 0, let port else { throw .badRedirect }
            var number = 0
            for index in port {
                guard line[index] >= ASCII.zero, line[index] <= ASCII.nine, number <= 65535 else {
                    throw .badRedirect
                }
                number = number * 10 + Int(line[index] - ASCII.zero)
            }
            guard let port = UInt16(exactly: number), port > 0 else { throw .badRedirect }
            return .redirect(hostname: hostname.decoded(in: line), port: port)
        }
    }
}
