@testable import Codecs

// `#expect` cannot hold a span, so tests call these forms that take arrays.

extension JSONScanner {
    @discardableResult
    static func validate(_ bytes: [UInt8], depthLimit: Int = JSONScanner.defaultDepthLimit) throws(JSONFault)
        -> JSONValue
    {
        try validate(bytes.span, depthLimit: depthLimit)
    }
}

extension JSONString {
    func decoded(in bytes: [UInt8]) -> [UInt8] { decoded(in: bytes.span) }
    func equals(_ other: [UInt8], in bytes: [UInt8]) -> Bool { equals(other.span, in: bytes.span) }
}

extension JSONText {
    static func size(ofString contents: [UInt8]) -> Int { size(ofString: contents.span) }
}

extension ClientLineSplitter {
    mutating func next(in bytes: [UInt8], from start: Int, searched: Int = 0) -> Step {
        next(in: bytes.span, from: start, searched: searched)
    }
}

extension ClientMessage {
    static func parse(_ line: [UInt8]) throws(ClientFault) -> ClientMessage { try parse(line.span) }
}

extension ServerMessage {
    static func parse(_ line: [UInt8]) throws(ServerMessageFault) -> ServerMessage { try parse(line.span) }
}

extension ActivityRenderer {
    static func size(of activity: ClientActivity, username: [UInt8]) -> Int {
        size(of: activity, username: username.span)
    }
}

extension InfoText {
    init(_ before: String, foreign text: [UInt8]) { self.init(before, foreign: text.span) }
}
