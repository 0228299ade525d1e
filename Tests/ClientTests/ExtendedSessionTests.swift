import Codecs
import Testing

@testable import pando_client

/// A session that asks for acknowledgements and positions, driven by hand.
@Suite struct ExtendedSessionTests {
    typealias Effect = ClientSession.Effect

    private static let origin = ServerID(startStamp: 1, random: 2)
    private static let position = #"{"command":"POSITION","reached":{"\#(origin)":"#

    private func session() -> ClientSession {
        let server = ClientSession.Server(host: Array("one".utf8), port: 3780)
        var options = ClientSession.Options(server: server, username: Array("alice".utf8))
        options.secret = Array("s".utf8)
        options.run = Array("r".utf8)
        return ClientSession(options)
    }

    private func receive(_ lines: String..., by session: inout ClientSession) -> [Effect] {
        session.handle(.received(Array(lines.map { $0 + "\n" }.joined().utf8)), at: 1000)
    }

    private func written(by session: inout ClientSession) -> [String] {
        var bytes: [UInt8] = []
        while !session.chunk().isEmpty {
            let chunk = session.chunk()
            bytes += chunk
            session.wrote(chunk.count, at: 1000)
        }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    private func login(_ positions: String) -> String {
        #"{"command":"LOGIN","username":"alice","secret":"s","run":"r","resume":{\#(positions)}}"#
    }

    private func message(_ number: Int) -> String {
        #"{"command":"ACTIVITY_MESSAGE","username":"alice","secret":"s","#
            + "\"number\":\(number),\"activity\":{\"n\":\(number)}}"
    }

    private func broadcast(_ number: Int) -> String {
        #"{"command":"ACTIVITY_BROADCAST","activity":{"n":\#(number)}}"#
    }

    private func show(_ number: Int) -> Effect { .show(Array("{\"n\":\(number)}".utf8)) }

    /// Connects and logs in; returns the LOGIN.
    private func goLive(_ session: inout ClientSession, isExtended: Bool = true) -> [String] {
        _ = session.handle(.connected, at: 1000)
        let said = written(by: &session)
        _ = receive(#"{"command":"LOGIN_SUCCESS","info":"hi"}"#, by: &session)
        if isExtended { _ = receive(Self.position + "5}}", by: &session) }
        return said
    }

    private func breakAndRetry(_ session: inout ClientSession) {
        _ = session.handle(.disconnected("reset"), at: 1000)
        _ = session.handle(.timeout, at: session.deadline ?? 0)
    }

    @Test func whatWasNotAcknowledgedIsSentAgain() {
        var session = session()
        _ = session.handle(.start, at: 1000)
        #expect(goLive(&session) == [login("")])
        _ = session.handle(.typed(Array("{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n".utf8)), at: 1000)
        #expect(written(by: &session) == (1...3).map(message))
        _ = receive(#"{"command":"ACTIVITY_ACKNOWLEDGED","number":1}"#, by: &session)
        _ = session.handle(.typed(Array("{\"n\":4}\n".utf8)), at: 1000)
        breakAndRetry(&session)
        _ = goLive(&session)
        #expect(written(by: &session) == (2...4).map(message))
        _ = receive(#"{"command":"ACTIVITY_ACKNOWLEDGED","number":4}"#, by: &session)
        breakAndRetry(&session)
        _ = goLive(&session)
        #expect(written(by: &session).isEmpty)
    }

    @Test func toAServerThatTellsNothingNothingIsSentTwice() {
        var session = session()
        _ = session.handle(.start, at: 1000)
        _ = goLive(&session, isExtended: false)
        _ = session.handle(.typed(Array("{\"n\":1}\n".utf8)), at: 1000)
        #expect(written(by: &session) == [message(1)])
        #expect(receive(broadcast(1), by: &session) == [show(1)])
        breakAndRetry(&session)
        #expect(goLive(&session, isExtended: false) == [login("")])
        #expect(written(by: &session).isEmpty)
    }

    @Test func anActivityIsShownWhenItsPositionHasCome() {
        var session = session()
        _ = session.handle(.start, at: 1000)
        _ = goLive(&session)
        #expect(receive(broadcast(1), by: &session).isEmpty)
        #expect(receive(broadcast(2), Self.position + "7}}", by: &session) == [show(1), show(2)])
        #expect(receive(broadcast(3), by: &session).isEmpty)
        breakAndRetry(&session)
        // It comes again.
        #expect(goLive(&session) == [login("\"\(Self.origin)\":7")])
        #expect(receive(broadcast(3), Self.position + "8}}", by: &session) == [show(3)])
    }

    @Test func aServerThatTellsNoPositionsKeepsThemAndAcknowledges() {
        var session = session()
        _ = session.handle(.start, at: 1000)
        _ = goLive(&session)
        breakAndRetry(&session)
        #expect(goLive(&session, isExtended: false) == [login("\"\(Self.origin)\":5")])
        // Nothing was shown: the position is as good as it was.
        breakAndRetry(&session)
        #expect(goLive(&session, isExtended: false) == [login("\"\(Self.origin)\":5")])
        #expect(receive(broadcast(1), by: &session) == [show(1)])
        _ = session.handle(.typed(Array("{\"n\":1}\n{\"n\":2}\n".utf8)), at: 1000)
        #expect(written(by: &session) == (1...2).map(message))
        _ = receive(#"{"command":"ACTIVITY_ACKNOWLEDGED","number":1}"#, by: &session)
        breakAndRetry(&session)
        #expect(goLive(&session) == [login("")])
        #expect(written(by: &session) == [message(2)])
    }

    @Test func theEndOfInputWaitsForTheLastAcknowledgement() {
        var session = session()
        _ = session.handle(.start, at: 1000)
        _ = goLive(&session)
        _ = session.handle(.typed(Array("{\"n\":1}\n".utf8)), at: 1000)
        _ = session.handle(.typedEnd, at: 1000)
        #expect(written(by: &session) == [message(1)])
        #expect(session.deadline == nil)
        _ = receive(#"{"command":"ACTIVITY_ACKNOWLEDGED","number":1}"#, by: &session)
        #expect(session.deadline == 1500)
    }
}
