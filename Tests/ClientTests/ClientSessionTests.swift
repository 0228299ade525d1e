import Codecs
import Testing

@testable import pando_client

/// A session, driven by hand: each input is compared with all the effects that it has.
@Suite struct ClientSessionTests {
    typealias Effect = ClientSession.Effect

    /// A session and the connection that it believes to have.
    private struct Driver {
        var session: ClientSession
        var now: UInt64 = 1_000_000

        init(_ change: (inout ClientSession.Options) -> Void = { _ in }) {
            var options = ClientSession.Options(server: Driver.server("one"), username: Array("alice".utf8))
            options.secret = Array("s".utf8)
            change(&options)
            session = ClientSession(options)
        }

        static func server(_ host: String, _ port: UInt16 = 3780) -> ClientSession.Server {
            ClientSession.Server(host: Array(host.utf8), port: port)
        }

        mutating func pass(_ input: ClientSession.Input) -> [Effect] { session.handle(input, at: now) }
        mutating func receive(_ line: String) -> [Effect] { pass(.received(Array((line + "\n").utf8))) }
        mutating func type(_ text: String) -> [Effect] { pass(.typed(Array(text.utf8))) }

        /// What the session writes when the connection takes everything.
        mutating func written(limit: Int = .max) -> String {
            var bytes: [UInt8] = []
            while !session.chunk().isEmpty, bytes.count < limit {
                #expect(session.hasChunk)
                let chunk = session.chunk().prefix(limit - bytes.count)
                bytes += chunk
                session.wrote(chunk.count, at: now)
            }
            #expect(session.hasChunk == !session.chunk().isEmpty)
            return String(decoding: bytes, as: UTF8.self)
        }

        /// Passes until the deadline. Fails if there is none.
        mutating func timeOut() -> [Effect] {
            guard let deadline = session.deadline else {
                Issue.record("no deadline")
                return []
            }
            now = max(now, deadline)
            return pass(.timeout)
        }

        /// Connects and logs in.
        mutating func goLive() {
            _ = pass(.start)
            _ = pass(.connected)
            _ = written()
            _ = receive(#"{"command":"LOGIN_SUCCESS","info":"logged in"}"#)
        }
    }

    private static let login = #"{"command":"LOGIN","username":"alice","secret":"s"}"# + "\n"
    private static let logout = #"{"command":"LOGOUT"}"# + "\n"

    private func message(_ activity: String) -> String {
        #"{"command":"ACTIVITY_MESSAGE","username":"alice","secret":"s","activity":\#(activity)}"# + "\n"
    }

    // MARK: Logging in

    @Test func aUserLogsInSendsAndReceives() {
        var driver = Driver()
        #expect(driver.pass(.start) == [.connect(Driver.server("one"))])
        #expect(driver.type("before\n").isEmpty)
        #expect(driver.pass(.connected).isEmpty)
        #expect(driver.written() == Self.login, "nothing else before the login is answered")
        #expect(driver.receive(#"{"command":"LOGIN_SUCCESS","info":"hi"}"#) == [.tell("hi")])
        #expect(driver.type("{\"a\":1}\nhe").isEmpty)
        #expect(driver.type("llo\n").isEmpty)
        #expect(
            driver.written() == message(#"{"text":"before"}"#) + message(#"{"a":1}"#) + message(#"{"text":"hello"}"#))
        #expect(
            driver.receive(#"{"command":"ACTIVITY_BROADCAST","activity":{"a": 1 }}"#) == [
                .show(Array(#"{"a": 1 }"#.utf8))
            ])
        #expect(driver.session.deadline == nil)
    }

    @Test func theAnonymousUserHasNoSecret() {
        var driver = Driver {
            $0.username = Array("anonymous".utf8)
            $0.secret = nil
        }
        _ = driver.pass(.start)
        _ = driver.pass(.connected)
        #expect(driver.written() == #"{"command":"LOGIN","username":"anonymous"}"# + "\n")
    }

    @Test func aNewUserRegistersThenLogsInOnTheSameConnection() {
        var driver = Driver { $0.registers = true }
        _ = driver.pass(.start)
        _ = driver.pass(.connected)
        #expect(driver.written() == #"{"command":"REGISTER","username":"alice","secret":"s"}"# + "\n")
        #expect(driver.session.deadline == nil, "the servers may take their time")
        #expect(driver.receive(#"{"command":"REGISTER_SUCCESS","info":"done"}"#) == [.tell("done")])
        #expect(driver.written() == Self.login)
    }

    @Test(arguments: [
        (#"{"command":"LOGIN_FAILED","info":"no"}"#, "the login is refused: no"),
        (#"{"command":"LOGIN_FAILED"}"#, "the login is refused"),
        (#"{"command":"AUTHENTICATION_FAIL","info":"no"}"#, "the server does not accept the user and the secret: no"),
        (#"{"command":"INVALID_MESSAGE","info":"\u001b[2Jno"}"#, "the server refuses a message: \u{FFFD}[2Jno"),
        (#"{"command":"REGISTER_FAILED","info":"taken"}"#, "the registration is refused: taken"),
    ])
    func aRefusalEndsTheSession(line: String, words: String) {
        var driver = Driver()
        _ = driver.pass(.start)
        _ = driver.pass(.connected)
        #expect(driver.receive(line) == [.tell(words), .close, .exit(.refused)])
        #expect(driver.pass(.interrupted).isEmpty, "ended is ended")
    }

    @Test func aSecretOfARefusedRegistrationIsNobodys() {
        var driver = Driver { $0.registers = true }
        _ = driver.pass(.start)
        _ = driver.pass(.connected)
        #expect(
            driver.receive(#"{"command":"REGISTER_FAILED","info":"taken"}"#) == [
                .tell("the secret that was drawn is nobody's: forget it"), .tell("the registration is refused: taken"),
                .close, .exit(.refused),
            ])
    }

    @Test func whoIsKickedIsNotToldThatTheSecretIsWrong() {
        var driver = Driver()
        _ = driver.pass(.start)
        _ = driver.pass(.connected)
        _ = driver.receive(#"{"command":"LOGIN_SUCCESS","info":"hi"}"#)
        #expect(
            driver.receive(#"{"command":"AUTHENTICATION_FAIL","info":"kicked"}"#)
                == [.tell("the server ends the session: kicked"), .close, .exit(.refused)])
    }

    @Test func aRegistrationWhoseAnswerWasLostMayBeOurs() {
        var driver = Driver { $0.registers = true }
        _ = driver.pass(.start)
        _ = driver.pass(.connected)
        _ = driver.written()
        _ = driver.pass(.disconnected("reset"))
        _ = driver.timeOut()
        _ = driver.pass(.connected)
        #expect(driver.written().hasPrefix(#"{"command":"REGISTER""#))
        #expect(
            driver.receive(#"{"command":"REGISTER_FAILED","info":"taken"}"#)
                == [.tell("taken; trying to log in"), .close, .connect(Driver.server("one"))])
        _ = driver.pass(.connected)
        #expect(driver.written() == Self.login)
        #expect(driver.receive(#"{"command":"LOGIN_FAILED","info":"no"}"#).last == .exit(.refused))
    }

    // MARK: Redirects

    @Test func aRedirectAtLoginIsFollowed() {
        var driver = Driver()
        _ = driver.pass(.start)
        _ = driver.pass(.connected)
        _ = driver.written()
        _ = driver.type("hi\n")
        let lines =
            #"{"command":"LOGIN_SUCCESS","info":"hi"}"# + "\n" + #"{"command":"REDIRECT","hostname":"two","port":2}"#
        #expect(driver.receive(lines) == [.tell("hi"), .tell("redirected to two:2")])
        #expect(driver.written().isEmpty, "what was typed goes to the new server")
        #expect(driver.session.isDoneWriting)
        #expect(driver.pass(.disconnected("closed")) == [.close, .connect(Driver.server("two", 2))])
        _ = driver.pass(.connected)
        #expect(driver.written() == Self.login)
        _ = driver.receive(#"{"command":"LOGIN_SUCCESS","info":"hi"}"#)
        #expect(driver.written() == message(#"{"text":"hi"}"#))
    }

    @Test func aRedirectInMidLineLetsTheLineEnd() {
        var driver = Driver()
        driver.goLive()
        _ = driver.type("first\nsecond\n")
        let first = driver.written(limit: 10)
        #expect(driver.receive(#"{"command":"REDIRECT","hostname":"two","port":2}"#) == [.tell("redirected to two:2")])
        #expect(!driver.session.isDoneWriting)
        #expect(first + driver.written() == message(#"{"text":"first"}"#))
        #expect(driver.session.isDoneWriting)
        // The server never closes: we do not wait for ever.
        #expect(driver.timeOut() == [.close, .connect(Driver.server("two", 2))])
        _ = driver.pass(.connected)
        _ = driver.written()
        _ = driver.receive(#"{"command":"LOGIN_SUCCESS"}"#)
        #expect(driver.written() == message(#"{"text":"second"}"#))
    }

    @Test func aRedirectWithoutALineEndCounts() {
        var driver = Driver()
        driver.goLive()
        _ = driver.pass(.received(Array(#"{"command":"REDIRECT","hostname":"::1","port":2}"#.utf8)))
        #expect(
            driver.pass(.disconnected("closed"))
                == [.tell("redirected to [::1]:2"), .close, .connect(Driver.server("::1", 2))])
    }

    @Test func redirectsInARowAreBounded() {
        var driver = Driver()
        driver.goLive()
        for number in 1...ClientSession.redirectsInARow {
            _ = driver.receive(#"{"command":"REDIRECT","hostname":"h\#(number)","port":2}"#)
            #expect(driver.pass(.disconnected("")) == [.close, .connect(Driver.server("h\(number)", 2))])
            _ = driver.pass(.connected)
            _ = driver.receive(#"{"command":"LOGIN_SUCCESS"}"#)
        }
        _ = driver.receive(#"{"command":"REDIRECT","hostname":"h","port":2}"#)
        let effects = driver.pass(.disconnected(""))
        #expect(effects.prefix(2) == [.close, .tell("redirected 9 times in a row")])
        #expect(driver.timeOut() == [.connect(Driver.server("one"))])
    }

    @Test func settledSessionsMayBeRedirectedForEver() {
        var driver = Driver()
        driver.goLive()
        for number in 1...50 {
            driver.now += ClientSession.settledTime
            _ = driver.receive(#"{"command":"REDIRECT","hostname":"h\#(number)","port":2}"#)
            #expect(driver.pass(.disconnected("")) == [.close, .connect(Driver.server("h\(number)", 2))])
            _ = driver.pass(.connected)
            _ = driver.receive(#"{"command":"LOGIN_SUCCESS"}"#)
        }
        #expect(driver.session.servers.count == ClientSession.knownServers)
    }

    // MARK: Losing the connection

    @Test func aLostConnectionIsMadeAgainAndNothingTypedIsLost() {
        var driver = Driver()
        driver.goLive()
        _ = driver.type("first\nsecond\n")
        _ = driver.written(limit: message(#"{"text":"first"}"#).utf8.count + 5)
        let effects = driver.pass(.disconnected("reset"))
        #expect(effects.prefix(2) == [.close, .tell("lost the connection to one:3780: reset")])
        #expect(effects.count == 3)
        _ = driver.type("third\n")
        #expect(driver.timeOut() == [.connect(Driver.server("one"))])
        _ = driver.pass(.connected)
        #expect(driver.written() == Self.login)
        _ = driver.receive(#"{"command":"LOGIN_SUCCESS"}"#)
        #expect(driver.written() == message(#"{"text":"second"}"#) + message(#"{"text":"third"}"#))
    }

    @Test func pausesGrowAndOtherServersAreTried() {
        var driver = Driver { $0.backOff = BackOff(shortest: 100, longest: 1000) }
        driver.goLive()
        _ = driver.receive(#"{"command":"REDIRECT","hostname":"two","port":2}"#)
        _ = driver.pass(.disconnected(""))
        var hosts: [String] = []
        for step: UInt64 in [100, 200, 400, 800, 1000, 1000] {
            #expect(driver.pass(.connectionFailed("refused")).count == 2)
            let wait = (driver.session.deadline ?? 0) - driver.now
            #expect(wait >= step / 2 && wait <= step)
            guard case .connect(let server) = driver.timeOut().first else { continue }
            hosts.append(String(decoding: server.host, as: UTF8.self))
        }
        #expect(hosts == ["one", "two", "one", "two", "one", "two"])
    }

    @Test func aServerThatLetsUsInAndDropsUsDoesNotMakeUsRun() {
        var driver = Driver { $0.backOff = BackOff(shortest: 100, longest: 1000) }
        driver.goLive()
        var longest: UInt64 = 0
        for _ in 0..<6 {
            _ = driver.pass(.disconnected("closed"))
            longest = (driver.session.deadline ?? 0) - driver.now
            _ = driver.timeOut()
            _ = driver.pass(.connected)
            _ = driver.receive(#"{"command":"LOGIN_SUCCESS"}"#)
        }
        #expect(longest >= 500)
        driver.now += ClientSession.settledTime
        _ = driver.pass(.disconnected("closed"))
        #expect((driver.session.deadline ?? 0) - driver.now <= 100)
    }

    @Test func aConnectionThatDoesNotComeAboutIsGivenUp() {
        var driver = Driver()
        _ = driver.pass(.start)
        let effects = driver.timeOut()
        #expect(effects.prefix(2) == [.close, .tell("cannot connect to one:3780: no answer within 10 s")])
    }

    @Test func withoutReconnectingALossIsTheEnd() {
        var driver = Driver { $0.reconnects = false }
        _ = driver.pass(.start)
        #expect(
            driver.pass(.connectionFailed("refused"))
                == [.tell("cannot connect to one:3780: refused"), .close, .exit(.unreachable)])
        driver = Driver { $0.reconnects = false }
        driver.goLive()
        _ = driver.type("a\nb\n")
        #expect(
            driver.pass(.disconnected("reset")) == [
                .close, .tell("lost the connection to one:3780: reset"), .tell("not sent: 2 of the activities typed"),
                .close, .exit(.unreachable),
            ])
    }

    @Test func whileDisconnectedInputIsReadUpToABound() {
        var driver = Driver()
        _ = driver.pass(.start)
        for _ in 1..<ClientSession.outboxLines { #expect(driver.type("x\n").isEmpty) }
        #expect(driver.session.wantsTyping)
        #expect(
            driver.type("x\n") == [.tell("1000 activities wait for the server; no more are read until it takes them")])
        #expect(!driver.session.wantsTyping)
        _ = driver.pass(.connected)
        _ = driver.receive(#"{"command":"LOGIN_SUCCESS"}"#)
        _ = driver.written()
        #expect(driver.session.wantsTyping)
    }

    // MARK: Ending

    @Test func afterTheEndOfInputTheRestIsSentAndAnswersAwaited() {
        var driver = Driver { $0.linger = 300 }
        _ = driver.pass(.start)
        _ = driver.type("hi")
        #expect(driver.pass(.typedEnd).isEmpty)
        _ = driver.pass(.connected)
        _ = driver.written()
        _ = driver.receive(#"{"command":"LOGIN_SUCCESS"}"#)
        #expect(driver.session.deadline == nil, "the time counts from when all is sent")
        #expect(driver.written() == message(#"{"text":"hi"}"#))
        #expect(driver.session.deadline == driver.now + 300)
        #expect(driver.timeOut().isEmpty)
        #expect(driver.written() == Self.logout)
        #expect(driver.session.isDoneWriting)
        #expect(driver.receive(#"{"command":"ACTIVITY_BROADCAST","activity":{}}"#) == [.show(Array("{}".utf8))])
        #expect(driver.pass(.disconnected("closed")) == [.close, .exit(.success)])
    }

    @Test func whoStaysIsNotLoggedOut() {
        var driver = Driver { $0.linger = nil }
        driver.goLive()
        #expect(driver.pass(.typedEnd).isEmpty)
        #expect(driver.session.deadline == nil)
        #expect(driver.pass(.disconnected("reset")).count == 3)
        #expect(driver.timeOut() == [.connect(Driver.server("one"))])
    }

    @Test func aLossAfterTheEndOfInputIsTold() {
        var driver = Driver()
        driver.goLive()
        _ = driver.type("hi\n")
        _ = driver.pass(.typedEnd)
        _ = driver.written()
        #expect(
            driver.pass(.disconnected("reset")).dropFirst(2) == [
                .tell("what was sent last may not have arrived"), .close, .exit(.unreachable),
            ])
    }

    @Test func anInterruptLogsOut() {
        var driver = Driver()
        driver.goLive()
        _ = driver.type("first\nsecond\n")
        let begun = driver.written(limit: 3)
        #expect(driver.pass(.interrupted) == [.tell("not sent: 1 of the activities typed")])
        #expect(!driver.session.wantsTyping)
        #expect(begun + driver.written() == message(#"{"text":"first"}"#) + Self.logout)
        #expect(driver.timeOut() == [.close, .exit(.success)])
    }

    @Test func anInterruptWithoutALoginEndsAtOnce() {
        var driver = Driver()
        _ = driver.pass(.start)
        #expect(driver.pass(.interrupted) == [.close, .exit(.success)])
    }

    @Test func aReaderThatHasGoneEndsTheSessionQuietly() {
        var driver = Driver()
        driver.goLive()
        #expect(driver.pass(.outputFailed(nil)).isEmpty)
        #expect(driver.written() == Self.logout)
        driver = Driver()
        driver.goLive()
        #expect(
            driver.pass(.outputFailed("disk full"))
                == [.tell("cannot write to standard output: disk full"), .close, .exit(.outputFailed)])
    }

    // MARK: Odd lines

    @Test func oddLinesFromAServerDoNoHarm() {
        var driver = Driver()
        driver.goLive()
        #expect(driver.receive("").isEmpty)
        #expect(
            driver.receive("nonsense") == [
                .tell("a line from the server is left out: not JSON: unknown word at byte 0")
            ])
        #expect(driver.receive(#"{"command":"PING"}"#) == [.tell("a line from the server is left out: command PING")])
        #expect(
            driver.receive(#"{"command":"ACTIVITY_BROADCAST","activity":1}"#)
                == [.tell("a line from the server is left out: an ACTIVITY_BROADCAST without an activity object")])
        #expect(driver.receive(#"{"command":"LOGIN_SUCCESS"}"#).isEmpty)
        #expect(
            driver.receive(#"{"activity":{"b":2},"command":"ACTIVITY_BROADCAST","id":7}"# + "\r")
                == [.show(Array(#"{"b":2}"#.utf8))])
    }

    @Test func linesThatCannotBeSentAreTold() {
        var driver = Driver()
        driver.goLive()
        #expect(driver.pass(.typed([0xFF, 0x0A])) == [.tell("line 1 is not sent: it is not UTF-8")])
        let long = String(repeating: "x", count: ClientSession.typedLimit + 1)
        #expect(driver.type(long + "\n") == [.tell("line 2 is not sent: it is longer than 1048576 bytes")])
        #expect(
            driver.type("{x}\n") == [
                .tell("line 3 is sent as text, as it is not a JSON object: unexpected character at byte 1")
            ])
        #expect(driver.written() == message(#"{"text":"{x}"}"#))
    }
}
