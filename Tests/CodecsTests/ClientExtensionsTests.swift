import Testing

@testable import Codecs

/// What clients ask for beyond the protocol, and what they are told.
@Suite struct ClientExtensionsTests {
    private let origin = ServerID(startStamp: 0x0102, random: 0xFFEE)
    private let digits = "0000000000000102000000000000ffee"

    private func login(_ members: String) -> ClientExtensions {
        ClientExtensions(login: Array("{\"command\":\"LOGIN\",\"username\":\"a\"\(members)}".utf8).span)
    }

    private func number(_ line: [UInt8]) -> UInt64? { ClientExtensions.number(ofActivity: line.span) }

    private func understood(_ line: String) throws -> ServerMessage {
        let bytes = Array(line.utf8)
        return try ServerMessage.parse(bytes.span)
    }

    @Test func `a login asks for what it names`() {
        #expect(login("").isEmpty)
        #expect(login(#","run":"r""#).run == login(#","run":"\u0072""#).run)
        #expect(login(#","run":"r""#).run != login(#","run":"s""#).run)
        #expect(login(#","resume":{}"#) == ClientExtensions(positions: Floor()))
        #expect(
            login(",\"resume\":{\"\(digits)\":7}").positions == Floor([StreamPosition(origin: origin, seq: 7)]))
    }

    @Test(arguments: [
        #","run":7"#, #","run":"""#, #","run":null"#, #","resume":[]"#, #","resume":null"#, #","resume":{"x":1}"#,
        #","resume":{"0000000000000102000000000000ffee":"7"}"#, #","Run":"r""#, #","x":{"run":"r"}"#,
    ])
    func `what has another form asks for nothing`(members: String) { #expect(login(members).isEmpty) }

    @Test func `a run has at most 64 bytes`() {
        let name = String(repeating: "x", count: 64)
        #expect(login(",\"run\":\"\(name)\"").run != nil)
        #expect(login(",\"run\":\"\(name)x\"").run == nil)
    }

    @Test(
        arguments: [
            ("1", 1), ("9999999999999999999", 9_999_999_999_999_999_999), ("0", nil), ("-1", nil), ("1.0", nil),
            ("1e3", nil), ("\"1\"", nil), ("12345678901234567890", nil), ("null", nil),
        ] as [(String, UInt64?)])
    func `an activity's number is an integer above 0`(text: String, number: UInt64?) {
        let line = "{\"command\":\"ACTIVITY_MESSAGE\",\"number\":\(text),\"activity\":{\"number\":5}}"
        let found = self.number(Array(line.utf8))
        #expect(found == number)
    }

    @Test func `an identifier is read as it is written, and nothing else is`() {
        #expect(ServerID(hexadecimal: Array(origin.description.utf8)) == origin)
        for text in ["", "0", digits + "0", String(digits.dropLast()) + "g"] {
            #expect(ServerID(hexadecimal: Array(text.utf8)) == nil)
        }
    }

    @Test func `a client understands what a server tells it`() throws {
        let position = [StreamPosition(origin: origin, seq: 1042)]
        let told = [ServerReply.position(position), .activityAcknowledged(number: 17)].map { reply in
            String(decoding: reply.rendered(), as: UTF8.self)
        }
        #expect(
            told == [
                "{\"command\":\"POSITION\",\"reached\":{\"\(digits)\":1042}}\n",
                "{\"command\":\"ACTIVITY_ACKNOWLEDGED\",\"number\":17}\n",
            ])
        let read = try told.map { try understood(String($0.dropLast())) }
        #expect(read == [.position(position), .activityAcknowledged(number: 17)])
        let vague = try understood(#"{"command":"POSITION","reached":{"x":1}}"#)
        #expect(vague == .unknown(command: Array("POSITION".utf8)))
    }

    @Test func `a request says what its client asks for`() {
        let login = ClientRequest.login(
            username: [0x61], secret: [0x73], run: [0x72], resume: Floor([StreamPosition(origin: origin, seq: 7)]))
        #expect(
            String(decoding: login.rendered(), as: UTF8.self)
                == "{\"command\":\"LOGIN\",\"username\":\"a\",\"secret\":\"s\",\"run\":\"r\","
                + "\"resume\":{\"\(digits)\":7}}\n")
        let activity = ClientRequest.activity(username: [0x61], secret: nil, activity: Array("{}".utf8), number: 3)
        let number = number(Array(activity.rendered().dropLast()))
        #expect(number == 3)
    }
}
