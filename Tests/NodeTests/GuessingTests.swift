import Codecs
import Testing

@testable import Node

/// Who guesses names and secrets learns little, and slowly.
@Suite struct GuessingTests {
    private static let refusal = #"{"command":"LOGIN_FAILED","info":"attempt to login with wrong secret"}"#
    private static let wait = #"{"command":"LOGIN_FAILED","info":"too many failed logins, try again later"}"#
    private static let busy =
        #"{"command":"LOGIN_FAILED","info":"the server is too busy to check secrets, try again later"}"#

    /// A desk at which "ada" is registered with the secret "s".
    private func desk(_ change: (inout NodeConfiguration) -> Void = { _ in }) -> Desk {
        let desk = Desk(change: change)
        let client = desk.connect()
        desk.say("{\"command\":\"REGISTER\",\"username\":\"ada\",\"secret\":\"s\"}\n", by: client)
        desk.hash()
        return desk
    }

    private func logIn(
        _ secret: String, as name: String = "ada", at desk: Desk, from address: UInt8 = 2, hashing: Bool = true
    ) -> SessionID {
        let client = desk.connect(address: address)
        desk.say("{\"command\":\"LOGIN\",\"username\":\"\(name)\",\"secret\":\"\(secret)\"}\n", by: client)
        if hashing { desk.hash() }
        return client
    }

    /// The answer to a login. (`desk.replies[logIn(…)]` would look before the login is made.)
    private func answer(
        _ secret: String, as name: String = "ada", at desk: Desk, from address: UInt8 = 2, hashing: Bool = true
    ) -> [String]? {
        let client = logIn(secret, as: name, at: desk, from: address, hashing: hashing)
        return desk.replies[client]
    }

    /// Fails at so many names, each another one.
    private func fail(_ count: Int, at desk: Desk, from address: UInt8 = 2) {
        for index in 0..<count { _ = logIn("s", as: "nobody\(desk.replies.count)-\(index)", at: desk, from: address) }
    }

    private func isLoggedIn(_ client: SessionID, at desk: Desk) -> Bool {
        desk.replies[client]?.first?.contains("LOGIN_SUCCESS") ?? false
    }

    // MARK: Names

    @Test func `an unknown name and a wrong secret cost a hash each, and get the same answer`() {
        let desk = desk()
        for (name, secret) in [("ada", "wrong"), ("nobody", "s")] {
            _ = desk.takeOutputs()
            let client = logIn(secret, as: name, at: desk, hashing: false)
            #expect(desk.replies[client] == nil, "the answer waits for the hash")
            let costs = desk.outputs.compactMap {
                if case .hash(_, _, let salt, let cost) = $0 { [salt.count, Int(cost)] } else { nil }
            }
            #expect(costs == [[Claim.Limit.saltBytes, 10]])
            desk.hash()
            #expect(desk.replies[client] == [Self.refusal])
            #expect(desk.finished[client] == .loginFailed)
        }
    }

    @Test func `the secret of an unknown name is hashed while arbiters are asked`() {
        let desk = Desk()
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        desk.say(.announcement(Peers.announcement(1, of: 1)), over: link)
        let client = logIn("s", as: "nobody", at: desk)
        #expect(desk.replies[client] == nil, "an arbiter is to answer")
        let asked = desk.heard(over: link).compactMap { said -> UInt64? in
            if case .frame(.unicast(let unicast)) = said, case .lookUp = unicast.body { unicast.request } else { nil }
        }
        #expect(asked.count == 1)
        let answer = Unicast(
            source: Peers.id(1), destination: desk.node.id, request: asked.first ?? 0, hopLimit: 3, body: .found(nil))
        desk.say(.unicast(answer), over: link)
        #expect(desk.replies[client] == [Self.refusal])
    }

    @Test func `a name that an arbiter knows is checked against its claim, whenever the first hash is done`() {
        for isHashedFirst in [true, false] {
            let desk = Desk()
            let link = desk.join(Peers.id(1), at: Peers.address(1))
            desk.say(.announcement(Peers.announcement(1, of: 1)), over: link)
            let client = logIn("s", as: "user", at: desk, hashing: isHashedFirst)
            let asked = desk.heard(over: link).compactMap { said -> UInt64? in
                if case .frame(.unicast(let unicast)) = said, case .lookUp = unicast.body {
                    unicast.request
                } else {
                    nil
                }
            }
            let answer = Unicast(
                source: Peers.id(1), destination: desk.node.id, request: asked.first ?? 0, hopLimit: 3,
                body: .found(Peers.claim("user")))
            desk.say(.unicast(answer), over: link)
            desk.hash()
            #expect(isLoggedIn(client, at: desk))
        }
    }

    // MARK: Addresses

    @Test func `an address that has failed ten times waits, longer each time, and others do not`() {
        let desk = desk()
        fail(Guesses.failuresDefault - 1, at: desk)
        #expect(answer("s", as: "nobody", at: desk) == [Self.refusal])
        #expect(answer("s", at: desk) == [Self.wait], "right or wrong")
        #expect(isLoggedIn(logIn("s", at: desk, from: 3), at: desk))
        desk.pass(milliseconds: 999)
        #expect(answer("s", at: desk) == [Self.wait])
        desk.pass(milliseconds: 1)
        #expect(isLoggedIn(logIn("s", at: desk), at: desk))
        fail(1, at: desk)
        desk.pass(milliseconds: 1999)
        #expect(answer("s", at: desk) == [Self.wait], "twice as long after one more")
        #expect(desk.node.statistics.loginsBackedOff == 3)
    }

    @Test func `a wait has an end, and after ten quiet minutes all is forgotten`() {
        let desk = desk()
        for round in 0..<40 {
            desk.pass(milliseconds: Guesses.longestWait)
            #expect(answer("s", as: "nobody\(round)", at: desk) == [Self.refusal])
        }
        desk.pass(milliseconds: Guesses.memory)
        for round in 0..<Guesses.failuresDefault {
            #expect(answer("s", as: "nobody\(round)", at: desk) == [Self.refusal])
        }
    }

    @Test func `nobody waits on this host itself, unless it is set`() {
        for (count, isRefused) in [(nil, false), (0, false), (3, true)] as [(Int?, Bool)] {
            let desk = desk { $0.limits.failedLogins = count }
            fail(20, at: desk, from: 1)
            #expect((answer("s", at: desk, from: 1) == [Self.wait]) == isRefused)
        }
    }

    @Test func `anonymous clients do not wait`() {
        let desk = desk()
        fail(20, at: desk)
        #expect(isLoggedIn(desk.anonymous(address: 2), at: desk))
    }

    @Test func `who does not wait for the answer has guessed as well`() {
        let desk = desk()
        for _ in 0..<Guesses.failuresDefault {
            let client = logIn("wrong", at: desk, hashing: false)
            desk.node.clientClosed(client, at: desk.now)
            desk.settle()
        }
        #expect(answer("s", at: desk) == [Self.wait])
    }

    // MARK: Names that are guessed at

    @Test func `answers about a name that is guessed at come a little later, but they come`() {
        let desk = desk()
        for address in 2..<5 as Range<UInt8> { _ = logIn("wrong", at: desk, from: address) }
        let client = logIn("s", at: desk, from: 9)
        #expect(isLoggedIn(client, at: desk), "the secret is known here: it does not wait")
        let guess = logIn("other", at: desk, from: 10)
        #expect(desk.replies[guess] == nil)
        desk.pass(milliseconds: Guesses.firstDelay)
        desk.hash()
        #expect(desk.replies[guess] == [Self.refusal])
        #expect(desk.node.statistics.loginsDelayed == 1)
    }

    @Test func `nobody keeps out the user of a name`() {
        let desk = Desk()
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        desk.say(.claims([Peers.claim("user")]), over: link)
        for address in 2..<250 as Range<UInt8> {
            _ = logIn("wrong", as: "user", at: desk, from: address)
            desk.pass(milliseconds: Guesses.longestDelay)
            desk.hash()
        }
        let client = logIn("s", as: "user", at: desk, from: 250)
        desk.pass(milliseconds: Guesses.longestDelay)
        desk.hash()
        #expect(isLoggedIn(client, at: desk))
    }

    // MARK: The network's secret

    @Test func `guesses at the network's secret are looked at once a second at most, from wherever they come`() {
        let desk = Desk()
        func answer(_ secret: String, from address: UInt8) -> String {
            let client = desk.connect(address: address)
            desk.say("{\"command\":\"AUTHENTICATE\",\"secret\":\"\(secret)\"}\n", by: client)
            return desk.replies[client]?.first ?? ""
        }
        for address in 2..<5 as Range<UInt8> { #expect(answer("wrong", from: address).contains("AUTHENTICATION_FAIL")) }
        // The right one, and nobody can tell.
        #expect(answer("network secret", from: 9).contains("AUTHENTICATION_FAIL"))
        desk.pass(milliseconds: 2000)
        #expect(answer("network secret", from: 9).contains("INVALID_MESSAGE"))
    }

    // MARK: Bounds

    @Test func `the table is bounded, and those that guess most stay in it`() {
        var guesses = Guesses()
        let now = Instant(nanoseconds: 1_000_000_000)
        #expect(guesses.count(at: now) == 0)
        for _ in 0..<30 { guesses.note(7, at: now) }
        for key in 100..<100_100 as Range<UInt64> { guesses.note(key, at: now) }
        #expect(guesses.count(at: now) == Guesses.entriesMax)
        #expect(guesses.wait(of: 7, allowed: 10, at: now) == Guesses.longestWait)
    }

    @Test func `a full queue of hashes is told, counted and reported`() {
        let desk = desk { $0.limits.hashJobs = 2 }
        let waiting = (0..<2).map { _ in logIn("wrong", at: desk, hashing: false) }
        #expect(answer("wrong", at: desk, hashing: false) == [Self.busy])
        #expect(answer("s", as: "nobody", at: desk, hashing: false) == [Self.busy])
        let registering = desk.connect(address: 2)
        desk.say("{\"command\":\"REGISTER\",\"username\":\"eve\",\"secret\":\"s\"}\n", by: registering)
        #expect(desk.finished[registering] == .registerFailed)
        #expect(desk.node.statistics.hashesRefused == 3)
        #expect(desk.reports.filter { $0 == .limitReached("secrets that wait to be hashed") }.count == 1)
        // Who was known before needs no hash.
        #expect(isLoggedIn(logIn("s", at: desk, hashing: false), at: desk))
        desk.hash()
        for client in waiting { #expect(desk.replies[client] == [Self.refusal]) }
    }

    // MARK: Wiping

    @Test func `each secret is wiped when its login, registration or message has ended`() {
        let wiped = Wiped()
        let cryptography = Cryptography(hmac: Desk.cryptography.hmac) { secret in
            wiped.texts.append(String(decoding: secret, as: UTF8.self))
            secret = []
        }
        let desk = Desk(cryptography: cryptography)
        let client = desk.connect()
        desk.say("{\"command\":\"REGISTER\",\"username\":\"ada\",\"secret\":\"long enough 1\"}\n", by: client)
        desk.hash()
        _ = logIn("long enough 2", at: desk)
        _ = logIn("long enough 3", as: "nobody", at: desk)
        let there = logIn("long enough 1", at: desk)
        let gone = logIn("long enough 4", at: desk, hashing: false)
        _ = desk.takeOutputs()
        desk.node.clientClosed(gone, at: desk.now)
        desk.say(
            #"{"command":"ACTIVITY_MESSAGE","username":"ada","secret":"long enough 5","activity":{}}"# + "\n", by: there
        )
        let places = [1, 2, 3, 1, 4, 5].map { "long enough \($0)" }
        #expect(wiped.texts.filter { $0.hasPrefix("long enough") } == places)
        // What was digested had it in it as well, behind the claim: each but that of the registration.
        for number in [1, 5] {
            #expect(wiped.texts.contains { $0.hasSuffix("long enough \(number)") && $0.count > 13 })
        }
    }
}

/// What was wiped, in order.
private final class Wiped: @unchecked Sendable {
    var texts: [String] = []
}
