import Testing

@testable import Simulator

/// Checkers that cannot fail prove nothing: each is fed a history in which its promise is broken, and one in which it
/// is kept.
struct ChecksTests {
    private static let second: UInt64 = 1_000_000_000

    /// Two clients at two servers, of which client 0 sends three activities at server 0, at 2, 3 and 4 s; who holds
    /// what, and who gets what in which order, is the test's choice.
    private static func history(
        heldBySecond: UInt64 = 3, received: [[Int]] = [[0, 1, 2], [0, 1, 2]], sender: String? = "alice"
    ) -> History {
        var history = History(seed: 42)
        history.addClient(name: sender)
        history.addClient(name: nil)
        for server in 0..<2 {
            let life = history.beginLife(of: server, at: 0)
            _ = history.beginPresence(of: server, at: life, session: 1, readsBytes: true, delay: 0, time: second)
        }
        for life in 0..<2 {
            history.lives[life].noteAcquaintance(with: 1 - life, at: second / 2)
            history.lives[life].noteMeeting(with: 1 - life, at: second / 2)
        }
        for number in 0..<3 {
            let time = second * UInt64(number + 2)
            let seq = UInt64(number + 1)
            let mark = ActivityMark(sender: 0, number: number)
            history.noteSending(by: 0, to: 0, on: 0, at: time - second / 10)
            history.noteRecord(mark, of: 0, seq: seq, at: time)
            history.hold(seq, of: 0, at: 0, time: time)
            history.notePublication(mark, by: 0, at: time)
            guard seq <= heldBySecond else { continue }
            history.hold(seq, of: 0, at: 1, time: time + second / 10)
            history.notePublication(mark, by: 1, at: time + second / 10)
        }
        for client in 0..<2 {
            for number in received[client] { history.receive(0, number, by: client, at: 5 * second) }
        }
        history.endTime = 100 * second
        return history
    }

    private static func kinds(_ history: History) -> [Violation.Kind] { Checks().violations(in: history).map(\.kind) }

    @Test func aGoodHistoryPasses() { #expect(Checks().violations(in: Self.history()).map(\.description) == []) }

    // MARK: Reach

    @Test func aMissingActivityIsFoundWithItsStory() throws {
        let violation = try #require(
            Checks().violations(in: Self.history(received: [[0, 1, 2], [0, 2]])).first)
        #expect(violation.kind == .notReached)
        for part in ["activity 0/1", "client 1", "held by server 0 at 3.0", "server 1 at 3.100000000", "seed 42"] {
            #expect(violation.description.contains(part), "\(violation.description)")
        }
    }

    @Test func whoCameLaterOrLeftIsNotOwed() {
        var late = Self.history(received: [[0, 1, 2], [2]])
        late.presences[1].start = 3 * Self.second
        #expect(Self.kinds(late) == [])
        var gone = Self.history(received: [[0, 1, 2], []])
        #expect(Self.kinds(gone).contains(.notReached))
        gone.leave(1, at: 9 * Self.second)
        #expect(Self.kinds(gone) == [])
    }

    @Test func whatOnlyAKilledServerHeldIsNotOwed() {
        var history = Self.history(heldBySecond: 2, received: [[0, 1, 2], [0, 1]])
        #expect(Self.kinds(history) == [.notReached])
        history.endLife(0, at: 5 * Self.second)
        history.endPresence(0, time: 5 * Self.second)
        #expect(Self.kinds(history) == [])
    }

    @Test func whatALivingServerHeldAtAnyTimeIsOwed() {
        // It arrived after the death of its server: it was under way.
        var history = Self.history(heldBySecond: 2, received: [[0, 1, 2], [0, 1]])
        history.endLife(0, at: 5 * Self.second)
        history.endPresence(0, time: 5 * Self.second)
        history.hold(3, of: 0, at: 1, time: 6 * Self.second)
        #expect(Self.kinds(history) == [.notReached])
        // The word of a server that it steps over what was lost changes nothing.
        history.lives[1].noteGap(of: 0, 3...3, at: 7 * Self.second)
        #expect(Self.kinds(history) == [.notReached])
    }

    @Test func aKilledServerThatHadTimeToPassItOnIsNoExcuse() {
        var history = Self.history(heldBySecond: 2, received: [[0, 1, 2], [0, 1]])
        history.endLife(0, at: 60 * Self.second)
        history.endPresence(0, time: 60 * Self.second)
        #expect(Self.kinds(history) == [])
        history.connectedTimes = (1...60).map { $0 * Self.second }
        #expect(Self.kinds(history) == [.notReached])
        history.pathChanges = [3, 25, 50].map { $0 * Self.second }
        #expect(Self.kinds(history) == [])
    }

    @Test func whoLeavesPassesOnWhatItHolds() {
        var history = Self.history(heldBySecond: 2, received: [[0, 1, 2], [0, 1]])
        history.endLife(0, at: 6 * Self.second)
        history.endPresence(0, time: 6 * Self.second)
        history.lives[0].leftAt = 5 * Self.second
        #expect(Self.kinds(history) == [.notReached])
        // To a server that is killed in its turn.
        let other = history.beginLife(of: 2, at: 0)
        history.hold(3, of: 0, at: other, time: 4 * Self.second)
        history.endLife(other, at: 5 * Self.second + 1)
        #expect(Self.kinds(history) == [])
        history.lives[other].end = 5 * Self.second
        #expect(Self.kinds(history) == [], "who leaves cannot know it yet")
        history.lives[other].end = 4 * Self.second + 500_000_000
        #expect(Self.kinds(history) == [.notReached])
        history.lives[0].noteGivenUp(of: 0, 3...3, wasFull: true, at: 3 * Self.second)
        #expect(Self.kinds(history) == [], "it has said that it gave it up")
    }

    @Test func whoIsFedIsNotOwedWhatIsSaidToBeGone() {
        var history = Self.history(received: [[0, 1, 2], [0, 2]])
        history.lives[1].noteUnfed(of: 0, 2...2, at: 4 * Self.second)
        #expect(Self.kinds(history) == [.notReached], "it followed the log")
        history.noteFed(ActivityMark(sender: 0, number: 0), on: 1, at: 4 * Self.second)
        #expect(Self.kinds(history) == [])
    }

    @Test func whatWasGivenUpIsNotOwedIfBothSidesShowIt() {
        var history = Self.history(heldBySecond: 2, received: [[0, 1, 2], [0, 1]])
        history.lives[1].noteGap(of: 0, 3...3, at: 7 * Self.second)
        #expect(Self.kinds(history) == [.notReached], "a gap that nobody gave up")
        history.lives[0].noteGivenUp(of: 0, 3...3, wasFull: true, at: 6 * Self.second)
        #expect(Self.kinds(history) == [])
        var silent = Self.history(heldBySecond: 2, received: [[0, 1, 2], [0, 1]])
        silent.lives[0].noteGivenUp(of: 0, 3...3, wasFull: true, at: 6 * Self.second)
        #expect(Self.kinds(silent) == [.notReached], "given up, and the receiver was not told")
        var forgotten = Self.history(heldBySecond: 2, received: [[0, 1, 2], [0, 1]])
        forgotten.lives[1].noteGap(of: 0, 3...3, wasFull: true, at: 7 * Self.second)
        #expect(Self.kinds(forgotten) == [], "its table of what is over had overflowed")
    }

    @Test func networksThatHadNotMetOweEachOtherOnlyWhatIsHeld() {
        func history(met: UInt64) -> History {
            var history = History(seed: 1)
            for client in 0..<2 {
                history.addClient(name: nil)
                let life = history.beginLife(of: client, at: 0)
                _ = history.beginPresence(of: client, at: life, session: 1, readsBytes: true, delay: 0, time: 1)
            }
            history.noteSending(by: 0, to: 0, on: 0, at: 2 * Self.second)
            history.noteRecord(ActivityMark(sender: 0, number: 0), of: 0, seq: 1, at: 2 * Self.second)
            history.hold(1, of: 0, at: 0, time: 2 * Self.second)
            history.receive(0, 0, by: 0, at: 2 * Self.second)
            for life in 0..<2 { history.lives[life].noteMeeting(with: 1 - life, at: met) }
            // Stepped over.
            history.lives[1].noteStream(0, held: 1, delivered: 1, stored: nil, at: 4 * Self.second)
            return history
        }
        #expect(Self.kinds(history(met: 3 * Self.second)) == [])
        #expect(Self.kinds(history(met: Self.second)) == [.notReached])
    }

    @Test func anActivityThatNobodyTookIsFound() {
        var history = Self.history()
        history.noteSending(by: 0, to: 0, on: 0, at: 6 * Self.second)
        #expect(Self.kinds(history) == [.notAccepted])
        history.endPresence(0, time: 7 * Self.second)
        #expect(Self.kinds(history) == [])
    }

    // MARK: Once, in order, not too early

    @Test func aRepetitionIsFound() {
        var history = Self.history()
        history.receive(0, 2, by: 0, at: 6 * Self.second)
        #expect(Self.kinds(history) == [.repeated])
        var resumed = Self.history()
        resumed.receive(0, 2, by: 0, at: 6 * Self.second, session: 2)
        #expect(Self.kinds(resumed) == [], "another session knows nothing of the first")
    }

    @Test func aWrongOrderIsFound() {
        #expect(Self.kinds(Self.history(received: [[0, 1, 2], [1, 0, 2]])) == [.reordered])
    }

    /// The sender has moved: its second activity arose at server 1.
    private static func moved(knownAt: UInt64?, name: String? = "alice") -> History {
        var history = Self.history(received: [[0], [2]], sender: name)
        history.activities[0][1].record = nil
        history.activities[0][2].record = History.RecordPlace(origin: 1, seq: 1, time: 10 * second)
        history.lives[0] = Life(server: 0, start: 0)
        history.lives[1] = Life(server: 1, start: 0)
        history.hold(1, of: 0, at: 0, time: 2 * second)
        if let knownAt { history.hold(1, of: 0, at: 1, time: knownAt) }
        history.hold(1, of: 1, at: 1, time: 10 * second)
        history.hold(1, of: 1, at: 0, time: 11 * second)
        history.receive(0, 0, by: 1, at: 30 * second)
        history.receive(0, 2, by: 0, at: 30 * second)
        // Nobody is owed anything here: only the order is asked.
        for presence in history.presences.indices { history.endPresence(presence, time: 99 * second) }
        return history
    }

    @Test func orderHoldsAcrossServersAsFarAsTheNewOneKnew() {
        #expect(Self.kinds(Self.moved(knownAt: 5 * Self.second)) == [.reordered])
        #expect(Self.kinds(Self.moved(knownAt: 20 * Self.second)) == [], "it came to the new server too late")
        #expect(Self.kinds(Self.moved(knownAt: nil)) == [])
        #expect(Self.kinds(Self.moved(knownAt: 5 * Self.second, name: nil)) == [], "the anonymous user is many")
    }

    @Test func whatWasDeliveredBeforeALoginIsNotShown() {
        var history = Self.history(received: [[0, 1, 2], []])
        history.leave(1, at: 6 * Self.second)
        _ = history.beginPresence(of: 1, at: 1, session: 2, readsBytes: true, delay: 0, time: 7 * Self.second)
        history.receive(0, 0, by: 1, at: 8 * Self.second, session: 2)
        #expect(Self.kinds(history) == [.shownOld])
        // A server cannot know when something was sent that comes to it late.
        var late = Self.history(heldBySecond: 2, received: [[0, 1, 2], []])
        late.leave(1, at: 6 * Self.second)
        _ = late.beginPresence(of: 1, at: 1, session: 2, readsBytes: true, delay: 0, time: 7 * Self.second)
        late.hold(3, of: 0, at: 1, time: 8 * Self.second)
        late.receive(0, 2, by: 1, at: 8 * Self.second, session: 2)
        #expect(Self.kinds(late) == [])
    }

    @Test func twoConnectionsOfOneClientMayRace() {
        func history(connections: [Int]) -> History {
            var history = History(seed: 1)
            history.addClient(name: "bob")
            let life = history.beginLife(of: 0, at: 0)
            _ = history.beginPresence(of: 0, at: life, session: 1, readsBytes: true, delay: 0, time: 1)
            for number in 0..<2 {
                history.noteSending(by: 0, to: 0, on: connections[number], at: Self.second)
            }
            for (place, number) in [1, 0].enumerated() {
                let mark = ActivityMark(sender: 0, number: number)
                history.noteRecord(mark, of: 0, seq: UInt64(place + 1), at: 2 * Self.second)
                history.hold(UInt64(place + 1), of: 0, at: 0, time: 2 * Self.second)
                history.receive(0, number, by: 0, at: 3 * Self.second)
            }
            return history
        }
        #expect(Self.kinds(history(connections: [1, 2])) == [])
        #expect(Self.kinds(history(connections: [1, 1])) == [.reordered])
    }

    // MARK: Clients that read references

    @Test func aClientGetsTheLinesOfTheLogThatHaveCome() {
        var history = History(seed: 1)
        history.addClient(name: nil)
        history.addClient(name: nil)
        let life = history.beginLife(of: 0, at: 0)
        for number in 0..<4 {
            if number == 1 {
                _ = history.beginPresence(of: 1, at: life, session: 1, readsBytes: false, delay: 5, time: 15)
            }
            history.noteSending(by: 0, to: 0, on: 0, at: UInt64(number) * 10)
            history.notePublication(ActivityMark(sender: 0, number: number), by: life, at: UInt64(number) * 10 + 10)
        }
        history.settle(at: 34)
        #expect(history.views[1].count == 1, "the first was before, the third is under way")
        history.endPresence(0, time: 35)
        history.settle(at: 35)
        #expect(history.views[1].count == 2, "what was published before the end still comes")
        history.leave(1, at: 40)
        history.settle(at: 100)
        #expect(history.views[1].count == 2, "who has hung up hears nothing more")
    }

    // MARK: Names

    private static func names(_ answers: [(life: Int, asked: UInt64, isGranted: Bool)]) -> History {
        var history = Self.history()
        history.registrations = answers.map { answer in
            History.Registration(
                client: 0, name: "bob", life: answer.life, askedAt: answer.asked * second,
                time: answer.asked * second + 1, isGranted: answer.isGranted)
        }
        return history
    }

    @Test func aNameIsGrantedOnceInACalmNetwork() {
        var history = Self.names([(0, 10, true), (1, 10, false)])
        history.connectedTimes = [5 * Self.second]
        #expect(Self.kinds(history) == [])
        history = Self.names([(0, 10, true), (1, 10, true)])
        #expect(Self.kinds(history) == [], "nothing is known of the network")
        history.connectedTimes = [5 * Self.second]
        #expect(Self.kinds(history) == [.registeredTwice])
        history.lives[1].start = 6 * Self.second
        #expect(Self.kinds(history) == [], "who has just started may be alone")
        history.lives[1].start = 0
        history.pathChanges = [6 * Self.second]
        #expect(Self.kinds(history) == [], "they were apart")
    }

    @Test func oneServerMayDieMeanwhile() {
        var history = Self.names([(0, 10, true), (1, 10, true)])
        history.connectedTimes = [5 * Self.second]
        _ = history.beginLife(of: 2, at: 0)
        history.endLife(2, at: 7 * Self.second)
        #expect(Self.kinds(history) == [.registeredTwice])
        _ = history.beginLife(of: 2, at: 8 * Self.second)
        #expect(Self.kinds(history) == [])
    }

    @Test func aNameThatAllServersKnewIsNotGrantedAgain() {
        var history = Self.names([(0, 10, true), (1, 50, true)])
        history.pathChanges = [40 * Self.second]
        #expect(Self.kinds(history) == [])
        history.wholeTimes = [30 * Self.second]
        #expect(Self.kinds(history) == [.registeredTwice], "even if the network was cut then")
        history.endLife(0, at: 20 * Self.second)
        history.endPresence(0, time: 20 * Self.second)
        #expect(Self.kinds(history) == [], "the first claim may have died with its server")
    }

    @Test func somebodyGetsTheName() {
        var history = Self.names([(0, 10, false), (1, 10, false)])
        history.connectedTimes = [5 * Self.second]
        #expect(Self.kinds(history) == [.registeredNever])
        history.asked["bob"] = 3
        #expect(Self.kinds(history) == [], "one who vanished before the answer may have it")
        history.asked["bob"] = nil
        history.registrations[0].wasBusy = true
        #expect(Self.kinds(history) == [])
        history.registrations[0].wasBusy = false
        _ = history.beginLife(of: 2, at: 7 * Self.second)
        #expect(Self.kinds(history) == [.registeredNever], "also while one server comes")
        history.endLife(1, at: 8 * Self.second)
        #expect(Self.kinds(history) == [], "not while several come and go")
    }

    // MARK: Departures, and telling

    @Test func aServerIsSucceededOnlyByASuccessor() {
        var history = Self.history()
        history.lives[0].noteDeparture(of: 1, cause: "succeeded", at: 9 * Self.second)
        #expect(Self.kinds(history) == [.departedWrongly])
        _ = history.beginLife(of: 1, at: 8 * Self.second)
        #expect(Self.kinds(history) == [])
    }

    @Test func anEarlierLifeWithALaterClockPassesForASuccessor() {
        var history = Self.history()
        _ = history.beginLife(of: 1, at: 8 * Self.second)
        history.lives[2].wallClock = 50
        history.lives[0].noteDeparture(of: 2, cause: "succeeded", at: 9 * Self.second)
        #expect(Self.kinds(history) == [.departedWrongly])
        history.lives[1].wallClock = 60
        #expect(Self.kinds(history) == [])
    }

    @Test func silenceIsWaitedOut() {
        var history = Self.history()
        history.departureAfter = 10 * Self.second
        history.connectedTimes = [20 * Self.second]
        history.lives[0].noteDeparture(of: 1, cause: "silent", at: 29 * Self.second)
        #expect(Self.kinds(history) == [.departedWrongly])
        history.connectedTimes = [18 * Self.second]
        #expect(Self.kinds(history) == [])
    }

    @Test func whatIsGivenUpIsGivenUpAtABound() {
        var history = Self.history()
        history.lives[0].noteGivenUp(of: 0, 1...2, wasFull: false, at: 9 * Self.second)
        #expect(Self.kinds(history) == [.givenUpNeedlessly])
        history.lives[0].noteDeparture(of: 1, cause: "silent", at: 9 * Self.second)
        #expect(Self.kinds(history) == [], "nothing is kept for who has departed")
        history = Self.history()
        history.lives[0].noteGivenUp(of: 0, 1...2, wasFull: true, at: 9 * Self.second)
        #expect(Self.kinds(history) == [])
    }

    @Test func `what came within the window is held for sessions that come back, if there is room`() {
        for (since, crowdedAt, isWrong) in [(3, 0, true), (3, 6, false), (11, 0, false)] as [(UInt64, UInt64, Bool)] {
            var history = Self.history()
            history.resumeWindow = 10 * Self.second
            history.lives[1].noteStream(0, held: 2, delivered: 2, stored: 1...2, at: 5 * Self.second)
            history.lives[1].noteUnfed(
                of: 0, 1...2, crowdedAt: crowdedAt * Self.second, at: (5 + since) * Self.second)
            #expect(Self.kinds(history) == (isWrong ? [.releasedNeedlessly] : []))
        }
    }

    @Test func `records that are stepped over are held by nobody near`() {
        var history = Self.history()
        history.lives[1].noteGap(of: 0, 3...3, at: 9 * Self.second)
        #expect(Self.kinds(history) == [])
        history.lives[1].noteGap(of: 0, 3...3, holder: 0, at: 9 * Self.second)
        #expect(Self.kinds(history) == [.skippedNeedlessly])
        var forgotten = Self.history()
        forgotten.lives[1].noteGap(
            of: 0, 3...3, wasFull: true, holder: 0, at: 9 * Self.second)
        #expect(Self.kinds(forgotten) == [])
    }

    @Test func manyViolationsOfAKindAreSummedUp() {
        var history = Self.history()
        for _ in 0..<20 { history.receive(0, 0, by: 0, at: 6 * Self.second) }
        let violations = Checks().violations(in: history)
        #expect(violations.count == 6)
        #expect(violations.last?.text.contains("and 15 more") == true)
    }
}

extension History {
    /// The record comes to a server, and is delivered there.
    mutating func hold(_ seq: UInt64, of origin: Int, at life: Int, time: UInt64) {
        lives[life].noteStream(origin, held: seq, delivered: seq, stored: seq...seq, at: time)
    }

    mutating func receive(
        _ sender: Int, _ number: Int, by client: Int, at time: UInt64, session: Int = 1
    ) {
        noteReception(ActivityMark(sender: sender, number: number), by: client, session: session, at: time)
    }
}
