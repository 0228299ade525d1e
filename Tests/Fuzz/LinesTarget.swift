import Codecs

/// What a client may send: split into lines in any segments, each line understood or answered, and what is broadcast
/// of it well formed.
enum LinesTarget {
    private static let username = Array("b\"ob\u{e9}".utf8)

    static func run(_ bytes: [UInt8]) {
        guard let first = bytes.first else { return }
        let bytes = Array(bytes.dropFirst())
        let whole = lines(of: bytes, segments: bytes.count)
        must(whole == lines(of: bytes, segments: 1 + Int(first)), "other segments, other lines")
        for line in whole { check(Array(bytes[line])) }
    }

    /// The lines, when the bytes come in segments of so many.
    private static func lines(of bytes: [UInt8], segments size: Int) -> [Range<Int>] {
        var splitter = ClientLineSplitter()
        var found: [Range<Int>] = []
        var kept = 0
        var arrived = 0
        while arrived < bytes.count {
            let searched = arrived - kept
            arrived = min(arrived + size, bytes.count)
            let pending = Array(bytes[kept..<arrived])
            var start = 0
            splitting: while true {
                switch splitter.next(in: pending.span, from: start, searched: searched) {
                case .line(let range, let next):
                    must(range.lowerBound >= start && next > range.upperBound, "a line lies behind the one before")
                    found.append(kept + range.lowerBound..<kept + range.upperBound)
                    start = next
                case .partial(let from):
                    kept += from
                    break splitting
                }
            }
        }
        if kept < bytes.count { found.append(kept..<bytes.count) }
        return found
    }

    private static func check(_ line: [UInt8]) {
        let isJSON = (try? JSONScanner.validate(line.span)) != nil
        must(isJSON == PlainJSON.isValid(line), "the scanner and the plain reader differ")
        if let message = try? ServerMessage.parse(line.span) {
            must(isJSON, "a message from a server is JSON: \(message)")
        }
        do throws(ClientFault) {
            let message = try ClientMessage.parse(line.span)
            must(isJSON, "a message is JSON")
            check(message, line)
        } catch {
            switch error {
            case .emptyLine, .notJSON: must(!isJSON, "JSON is taken for none")
            default: must(isJSON, "no JSON is taken for some")
            }
            check(error, line)
        }
    }

    private static func check(_ fault: ClientFault, _ line: [UInt8]) {
        let reply = ServerReply.invalid(fault, in: line.span).rendered()
        checkLine(reply)
        guard case .invalidMessage(let info) = try? ServerMessage.parse(reply.dropLast().map { $0 }.span) else {
            fatalError("the answer is one that a client reads")
        }
        must(!info.isEmpty && info.count < 400, "the answer says something, and not too much")
    }

    private static func check(_ message: ClientMessage, _ line: [UInt8]) {
        switch message {
        case .register(let username, let secret), .login(let username, let secret):
            for case .text(let text) in [username, secret] { check(text, line) }
            checkExtensions(line)
        case .activity(let username, let secret, let activity):
            for case .text(let text) in [username, secret] { check(text, line) }
            if case .object(let object) = activity { check(object, line) }
        default: break
        }
    }

    /// What a string stands for can be written and read again.
    private static func check(_ text: JSONString, _ line: [UInt8]) {
        let decoded = text.decoded(in: line.span)
        must(text.equals(decoded.span, in: line.span), "a string equals what it stands for")
        var written: [UInt8] = []
        JSONText.append(string: decoded.span, to: &written)
        must(written.count == JSONText.size(ofString: decoded.span), "the size of a string is told rightly")
        guard case .string(let again) = try? JSONScanner.validate(written.span) else { fatalError("written as JSON") }
        must(again.decoded(in: written.span) == decoded, "a string is the same after writing and reading")
    }

    /// What all clients get of an activity is one line of JSON, and the user in it is ours.
    private static func check(_ activity: ClientActivity, _ line: [UInt8]) {
        var output: [UInt8] = []
        ActivityRenderer.render(activity, of: line.span, username: username.span, into: &output)
        must(output.count == ActivityRenderer.size(of: activity, username: username.span), "its size is told rightly")
        checkLine(output)
        let head = Array(#"{"command":"ACTIVITY_MESSAGE","#.utf8)
        let echo = head + output.dropFirst(head.count + 2).dropLast()
        guard case .activity(_, _, .object(let again)) = try? ClientMessage.parse(echo.span) else {
            fatalError("a broadcast is well formed")
        }
        must(again.isForged, "the user stands in it")
        var twice: [UInt8] = []
        ActivityRenderer.render(again, of: echo.span, username: username.span, into: &twice)
        must(twice == output, "the user stands in it once, at the end")
    }

    private static func checkExtensions(_ line: [UInt8]) {
        guard let positions = ClientExtensions(login: line.span).positions else { return }
        checkLine(ServerReply.position(positions.positions).rendered())
        must(positions.positions.count <= Floor.positionsMax, "positions are bounded")
    }

    /// A line that goes to clients.
    static func checkLine(_ line: [UInt8]) {
        must(line.last == 0x0A && line.firstIndex(of: 0x0A) == line.count - 1, "one line, with its end")
        guard case .object = try? JSONScanner.validate(line.dropLast().map { $0 }.span, depthLimit: 1024) else {
            fatalError("a line to clients is an object: \(String(decoding: line, as: UTF8.self))")
        }
    }

    /// One of the clients' log: a broadcast, or what a server that knows the secret has sent as one.
    static func checkPublished(_ line: [UInt8]) {
        must(line.count > 2 && line.firstIndex(of: 0x0A) == line.count - 1, "what is published is one line")
    }
}
