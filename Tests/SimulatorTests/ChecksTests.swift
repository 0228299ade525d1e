import Testing

@testable import Simulator

/// Checkers that cannot fail prove nothing: each is fed a history in which its promise is broken, and one in which it
/// is kept.
struct ChecksTests {
    private static let second: UInt64 = 1_000_000_000

    /// Two clients at two servers; client 0 sent three activities, and both got them.
    private static func good() -> History {
        var history = History(seed: 42)
        history.addClient(name: "alice")
        history.addClient(name: nil)
        history.presences = [
            History.Presence(client: 0, server: 0, start: second),
            History.Presence(client: 1, server: 1, start: second),
        ]
        for number in 0..<3 {
            let time = second * UInt64(number + 2)
            history.noteSending(by: 0, to: 0, at: time)
            let mark = ActivityMark(sender: 0, number: number)
            for server in 0..<2 { history.notePublication(mark, by: server, at: time + UInt64(server) * second / 10) }
            for client in 0..<2 { history.noteReception(mark, by: client, session: 1, at: time + second / 5) }
        }
        history.endTime = 10 * second
        return history
    }

    private static func kinds(_ history: History, _ checks: Checks = Checks()) -> [Violation.Kind] {
        checks.violations(in: history).map(\.kind)
    }

    @Test func aGoodHistoryPasses() { #expect(Checks().violations(in: Self.good()).isEmpty) }

    @Test func aMissingActivityIsFoundWithItsStory() throws {
        var history = Self.good()
        history.receptions[1].remove(at: 1)
        let violation = try #require(Checks().violations(in: history).first)
        #expect(violation.kind == .notReached)
        for part in ["activity 0/1", "client 1", "published by servers 0 at 3.000000000, 1 at 3.100000000", "seed 42"] {
            #expect(violation.description.contains(part))
        }
    }

    @Test func whoCameLaterOrLeftIsNotOwed() {
        var late = Self.good()
        late.presences[1].start = 3 * Self.second + 1
        late.receptions[1].removeFirst(2)
        #expect(Self.kinds(late) == [])

        var gone = Self.good()
        gone.presences[1].end = 9 * Self.second
        gone.receptions[1].removeAll()
        #expect(Self.kinds(gone) == [])
    }

    @Test func whatOnlyAKilledServerHeldIsNotOwed() {
        var history = Self.good()
        history.receptions[1].removeLast()
        history.activities[0][2].publications.removeLast()
        #expect(Self.kinds(history) == [.notReached])
        history.deaths = [History.Death(server: 0, time: 5 * Self.second)]
        #expect(Self.kinds(history) == [])
        history.deaths = [History.Death(server: 0, time: 3 * Self.second)]
        #expect(Self.kinds(history) == [.notReached], "it died before, and took the activity in its next life")
    }

    @Test func anActivityThatNobodyTookIsFound() {
        var history = Self.good()
        history.noteSending(by: 0, to: 0, at: 6 * Self.second)
        #expect(Self.kinds(history) == [.notAccepted])
        history.presences[0].end = 7 * Self.second
        #expect(Self.kinds(history) == [])
    }

    @Test func aRepetitionIsFound() {
        var history = Self.good()
        history.receptions[0].append(history.receptions[0][2])
        #expect(Self.kinds(history) == [.repeated])
        history.receptions[0][3].session = 2
        #expect(Self.kinds(history) == [], "another session knows nothing of the first")
    }

    @Test func aWrongOrderIsFound() {
        var history = Self.good()
        history.receptions[1].swapAt(0, 1)
        #expect(Self.kinds(history) == [.reordered])
    }

    @Test func aNameIsGrantedOnce() {
        var history = Self.good()
        func answer(_ client: Int, _ isGranted: Bool) -> History.Registration {
            History.Registration(
                client: client, name: "alice", server: client, time: Self.second, isGranted: isGranted)
        }
        history.registrations = [answer(0, true), answer(1, false)]
        #expect(Self.kinds(history) == [])
        history.registrations = [answer(0, true), answer(1, true)]
        #expect(Self.kinds(history) == [.registeredTwice])
        history.registrations = [answer(0, false), answer(1, false)]
        #expect(Self.kinds(history) == [.registeredNever])
        var checks = Checks()
        checks.allowsConflicts = true
        history.registrations = [answer(0, true), answer(1, true)]
        #expect(Self.kinds(history, checks) == [])
    }

    @Test func manyViolationsOfAKindAreSummedUp() {
        var history = Self.good()
        for _ in 0..<20 { history.receptions[0].append(history.receptions[0][0]) }
        let violations = Checks().violations(in: history)
        #expect(violations.count == 6)
        #expect(violations.last?.text.contains("and 15 more") == true)
    }
}
