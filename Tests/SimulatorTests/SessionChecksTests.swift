import Testing

@testable import Simulator

/// The checkers of sessions that go from server to server, each fed a history in which its promise is broken, and one
/// in
/// which it is kept.
struct SessionChecksTests {
    private static let second: UInt64 = 1_000_000_000

    /// How the second client's first visit, to server 0, ends at 5 s; its second one, to server 1, begins then, and it
    /// is welcomed at 5.4 s; or 0.4 s before it is welcomed.
    private struct Story {
        var name: String? = "bob"
        var end = Visit.Ending.redirected
        var isRedirected = true
        var welcome = 5 * second + 400_000_000
        /// When server 0 dies.
        var death: UInt64?
        /// When server 0 learns that the first visit has ended.
        var noticed = 5 * second
        /// The activities, sent at 2, 4.9 and 7 s, that come on each visit.
        var first = [0]
        var second = [1, 2]

        private static let second: UInt64 = 1_000_000_000

        var history: History {
            let second = Self.second
            var history = History(seed: 42)
            (history.resumeWindow, history.ticketTime) = (60 * second, 4 * second)
            (history.announcedWithin, history.restTime) = (second, 60 * second)
            history.addClient(name: nil)
            history.addClient(name: name)
            for server in 0..<2 { _ = history.beginLife(of: server, at: 0) }
            for life in 0..<2 {
                history.lives[life].noteAcquaintance(with: 1 - life, at: second / 4)
                history.lives[life].noteMeeting(with: 1 - life, at: second / 4)
            }
            // The sender is at server 1, and shows nothing here.
            history.beginVisit(of: 1, to: 0, isRedirected: false, at: second / 2)
            _ = history.beginPresence(of: 1, at: 0, session: 1, readsBytes: true, delay: 0, time: second)
            history.noteWelcome(of: 1, at: second)
            history.noteRoundTrip(of: 1, second / 10)
            for number in 0..<3 {
                let time = [2 * second, 4 * second + 900_000_000, 7 * second][number]
                let mark = ActivityMark(sender: 0, number: number)
                history.noteSending(by: 0, to: 1, on: 0, at: time - 1)
                history.noteRecord(mark, of: 1, seq: UInt64(number + 1), at: time)
                for life in 0..<2 {
                    history.hold(UInt64(number + 1), of: 1, at: life, time: time)
                    history.notePublication(mark, by: life, at: time)
                }
            }
            for number in first { history.receive(0, number, by: 1, at: 3 * second) }
            if let death {
                history.endLife(0, at: death)
                history.endPresence(0, time: death)
            }
            if end == .redirected { history.endPresence(0, time: 5 * second - 1) }
            history.endVisit(of: 1, end, at: 5 * second)
            history.noteEndNoticed(on: 0, at: noticed)
            history.leave(1, at: 5 * second)
            history.beginVisit(of: 1, to: 1, isRedirected: isRedirected, at: welcome - 400_000_000)
            _ = history.beginPresence(
                of: 1, at: 1, session: 2, readsBytes: true, delay: 0, time: welcome - 100_000_000)
            history.noteAnswer(to: 1, visit: 2, at: welcome - 100_000_000)
            history.noteWelcome(of: 1, at: welcome)
            for number in self.second { history.receive(0, number, by: 1, at: welcome + 2 * second, session: 2) }
            history.endTime = 200 * second
            history.connectedTimes = (1...200).map { $0 * second }
            if let death { history.connectedTimes.removeAll { $0 >= death } }
            return history
        }

        var kinds: [Violation.Kind] { Checks().violations(in: history).map(\.kind) }
    }

    @Test func `a move that is kept passes`() {
        #expect(Checks().violations(in: Story().history).map(\.description) == [])
        #expect(Checks().violations(in: Story(name: nil).history).map(\.description) == [])
    }

    @Test func `what a move loses is found`() {
        #expect(Story(second: [2]).kinds == [.lostOnTheWay])
        #expect(Story(name: nil, second: [2]).kinds == [.lostOnTheWay])
        #expect(Story(name: nil, welcome: 9 * Self.second, second: []).kinds == [], "its ticket was out of date")
        #expect(Story(welcome: 6 * Self.second, second: [2]).kinds == [.lostOnTheWay], "a user may take longer")
        #expect(Story(end: .loggedOut, isRedirected: false, second: [2]).kinds == [])
    }

    @Test func `a client that stands still before it reads of its ticket does not prolong it`() {
        for (name, sentAt, kinds) in [
            (nil, 4, [.lostOnTheWay]), (nil, 3, []), ("bob", 3, [.lostOnTheWay]),
        ] as [(String?, UInt64, [Violation.Kind])] {
            var history = Story(name: name, second: [2]).history
            history.sentOn[1] = [History.SentOn(time: sentAt * Self.second, target: 1, isTold: true)]
            #expect(Checks().violations(in: history).map(\.kind) == kinds)
        }
    }

    @Test func `what is no longer held where it is to be fed is a stated gap`() {
        var history = Story(second: [2]).history
        history.lives[1].noteUnfed(of: 1, 2...2, crowdedAt: 6 * Self.second, at: 6 * Self.second)
        #expect(Checks().violations(in: history).isEmpty)
    }

    @Test func `what a move doubles or disorders is found`() {
        #expect(Story(first: [0, 1]).kinds == [.repeated])
        #expect(Story(first: [0, 1], second: [0, 2]).kinds == [.repeated])
        #expect(Story(first: [1], second: [0, 2]).kinds == [.reordered])
        #expect(Story(end: .loggedOut, isRedirected: false, second: [0, 1, 2]).kinds == [.shownOld, .shownOld])
        var history = Story(first: [0, 1]).history
        history.pathChanges = [5 * Self.second]
        #expect(Checks().violations(in: history).isEmpty, "the servers were apart")
    }

    @Test func `what was over is excused if the server that knew it need not have heard of it`() {
        var story = Story(end: .loggedOut, isRedirected: false, second: [0, 1, 2])
        story.death = 5 * Self.second - 1
        #expect(story.kinds == [], "its server was dead when it said LOGOUT")
        var history = Story(name: nil, end: .fellSilent, isRedirected: false, second: [1, 2]).history
        #expect(Checks().violations(in: history).map(\.kind) == [.shownOld])
        for isTold in [true, false] {
            history.sentOn[1] = [History.SentOn(time: 5 * Self.second + 1, target: 1, isTold: isTold)]
            #expect(Checks().violations(in: history).isEmpty, "its address had a ticket")
            history.sentOn[1] = [History.SentOn(time: 5 * Self.second + 1, target: 0, isTold: isTold)]
            #expect(Checks().violations(in: history).map(\.kind) == [.shownOld], "it had one at another server")
        }
    }

    @Test func `whoever comes from an address is taken for who is expected from it, as long as its ticket is good`() {
        let second = Self.second
        var history = Story(name: nil, end: .left, isRedirected: false, second: []).history
        // It was on another visit in between.
        var visit = Visit(server: 0, isRedirected: false, start: 5 * second)
        (visit.answeredAt, visit.welcomedAt, visit.end) = (5 * second, 5 * second, (.left, 5 * second))
        history.visits[1].insert(visit, at: 1)
        history.presences[1].session = 3
        for number in [1, 2] { history.receive(0, number, by: 1, at: 7 * second + 400_000_000, session: 3) }
        #expect(Checks().violations(in: history).map(\.kind) == [.shownOld])
        history.sentOn[1] = [History.SentOn(time: 2 * second, target: 1, isTold: true)]
        #expect(Checks().violations(in: history).isEmpty)
        history.ticketTime = 3 * second
        #expect(Checks().violations(in: history).map(\.kind) == [.shownOld], "its ticket was out of date")
    }

    @Test func `a LOGOUT that was not heard is none`() {
        var history = Story(end: .loggedOut, isRedirected: false).history
        #expect(Checks().violations(in: history).map(\.kind) == [.shownOld])
        history.noteUnheard(on: 0)
        #expect(Checks().violations(in: history).isEmpty)
        history = Story(end: .loggedOut, isRedirected: false, second: [2]).history
        history.noteUnheard(on: 0)
        #expect(Checks().violations(in: history).map(\.kind) == [.lostOnTheWay], "its place is kept")
    }

    @Test func `what a resumed session lacks is found`() {
        #expect(Story(end: .broke, isRedirected: false).kinds == [])
        #expect(Story(end: .broke, isRedirected: false, second: [2]).kinds == [.lostOnTheWay])
        #expect(Story(end: .fellSilent, isRedirected: false, first: [0, 1]).kinds == [.repeated])
        #expect(Story(end: .broke, isRedirected: false, first: [0, 1]).kinds == [], "it may not be known that it came")
        #expect(Story(name: nil, end: .broke, isRedirected: false, second: [2]).kinds == [], "nobody knows who it is")
        #expect(
            Story(end: .broke, isRedirected: false, welcome: 70 * Self.second, second: []).kinds == [],
            "too late")
    }

    @Test func `a client that has left is not owed what came before its server learnt of it, and nothing comes twice`()
    {
        #expect(Story(end: .left, isRedirected: false, second: [2]).kinds == [.lostOnTheWay])
        let late = 5 * Self.second + 350_000_000
        #expect(Story(end: .left, isRedirected: false, noticed: late, second: [2]).kinds == [])
        #expect(
            Story(end: .left, isRedirected: false, noticed: late, first: [0, 1], second: [1, 2]).kinds == [.repeated])
    }

    @Test func `a client may dial again before its server learns that the connection broke, or just then`() {
        var story = Story(end: .broke, isRedirected: false, noticed: 5 * Self.second + 350_000_000, second: [2])
        #expect(story.kinds == [])
        (story.first, story.second) = ([0, 1], [1, 2])
        #expect(story.kinds == [], "it may not be known that it came")
        story.second = [0, 2]
        #expect(story.kinds.contains(.repeated), "3 s before the break")
    }

    @Test func `a client whose machine is off is not there before its server can know that it is away`() {
        let story = Story(end: .fellSilent, isRedirected: false, second: [2])
        #expect(story.kinds == [])
        // What was published at 7 s was not acknowledged.
        var late = story
        late.welcome = 8 * Self.second + 390_000_000
        #expect(late.kinds == [])
        late.welcome += 10_000_000
        #expect(late.kinds == [.lostOnTheWay])
    }

    @Test func `what ties two activities and is no longer held ties them no more where they are fed`() {
        var history = Story(first: [], second: [2, 0]).history
        #expect(Checks().violations(in: history).map(\.kind) == [.lostOnTheWay, .reordered])
        history.lives[1].noteUnfed(of: 1, 2...2, crowdedAt: 6 * Self.second, at: 6 * Self.second)
        #expect(Checks().violations(in: history).map(\.kind) == [.reordered], "it followed the log")
        history.noteFed(ActivityMark(sender: 0, number: 0), on: 1, at: 6 * Self.second)
        #expect(Checks().violations(in: history).isEmpty)
    }

    @Test func `after a crash a little may come again and nothing is missing`() {
        var story = Story(end: .broke, isRedirected: false, death: 5 * Self.second - 1)
        #expect(story.kinds == [])
        story.first = [0, 1]
        #expect(story.kinds == [], "0.1 s before the crash")
        story.first = [0]
        story.second = [0, 1, 2]
        #expect(story.kinds == [.repeated], "3 s before the crash")
        story.second = [2]
        #expect(story.kinds == [.lostOnTheWay])
    }

    /// The third visit, which is at server 1 as well, goes on from the first one, of which that server had not heard
    /// when the second one began.
    @Test(arguments: [(5, [.repeated]), (6, [])] as [(UInt64, [Violation.Kind])])
    func `a place that becomes known too late may be gone on from after the next one`(
        known: UInt64, expected: [Violation.Kind]
    ) {
        var history = Story(end: .broke, isRedirected: false, death: 5 * Self.second - 1).history
        history.connectedTimes = (1...200).map { $0 * Self.second }
        // What server 0 says of the session.
        history.hold(1, of: 0, at: 0, time: Self.second)
        history.hold(1, of: 0, at: 1, time: known * Self.second)
        history.endVisit(of: 1, .broke, at: 9 * Self.second)
        history.endPresence(1, time: 9 * Self.second)
        history.noteEndNoticed(on: 1, at: 9 * Self.second)
        history.beginVisit(of: 1, to: 1, isRedirected: false, at: 10 * Self.second)
        _ = history.beginPresence(of: 1, at: 1, session: 3, readsBytes: true, delay: 0, time: 10 * Self.second)
        history.noteAnswer(to: 1, visit: 3, at: 10 * Self.second)
        history.noteWelcome(of: 1, at: 10 * Self.second)
        history.receive(0, 2, by: 1, at: 11 * Self.second, session: 3)
        #expect(Checks().violations(in: history).map(\.kind) == expected)
    }

    // MARK: Redirects

    /// - Parameter anewAfter: so long after the client has dialled it, each server has started.
    private static func redirects(
        _ visits: [(Visit.Ending, isFed: Bool, end: UInt64)], drained: Int? = nil, anewAfter: UInt64? = nil
    ) -> [Violation.Kind] {
        var history = History(seed: 1)
        history.restTime = 60 * second
        history.addClient(name: nil)
        if let drained { history.drains = [(drained, second)] }
        for (number, visit) in visits.enumerated() {
            let start = visit.end - second
            let life = history.beginLife(of: number, at: anewAfter.map { start + $0 } ?? 0)
            history.beginVisit(of: 0, to: number, isRedirected: number > 0, at: start)
            if visit.isFed {
                _ = history.beginPresence(
                    of: 0, at: life, session: number + 1, readsBytes: true, delay: 0, time: start)
            }
            history.endVisit(of: 0, visit.0, at: visit.end)
        }
        return Checks().redirects(in: history).map(\.kind)
    }

    @Test func `what a moved client says first waits for what it said last, and not for ever`() throws {
        for (acceptedAt, waits) in [(7 * Self.second, true), (8 * Self.second - 1, true), (8 * Self.second, false)] {
            var history = Story().history
            for (number, accepted) in [4 * Self.second, acceptedAt].enumerated() {
                history.noteSending(by: 1, to: number, on: number + 1, at: [4, 6][number] * Self.second)
                history.noteRecord(ActivityMark(sender: 1, number: number), of: number, seq: 9, at: accepted)
            }
            let earlier = try #require(history.activity(ActivityMark(sender: 1, number: 0)))
            let later = try #require(history.activity(ActivityMark(sender: 1, number: 1)))
            #expect(history.areMoved(earlier, to: later, of: 1) == waits)
        }
    }

    @Test func `nobody is sent on and on`() {
        let three = (1...3).map { (Visit.Ending.redirected, isFed: false, end: UInt64($0) * 2 * Self.second) }
        #expect(Self.redirects(Array(three.prefix(1))) == [])
        #expect(Self.redirects(Array(three.prefix(2))) == [.redirectedTooOften], "it had a ticket")
        for delay in [0, Self.second / 2] {
            #expect(Self.redirects(three, anewAfter: delay) == [], "its tickets were lost")
        }
        let four = three + [(.redirected, false, 9 * Self.second)]
        #expect(Self.redirects(four, anewAfter: 0) == [.redirectedTooOften], "never more than three times")
        #expect(Self.redirects(three + [(.left, true, 9 * Self.second)], anewAfter: 0) == [])
    }

    @Test func `no session is moved twice in a minute`() {
        for isFed in [true, false] {
            let twice: [(Visit.Ending, isFed: Bool, end: UInt64)] = [
                (.redirected, isFed, 20 * Self.second), (.redirected, true, 70 * Self.second),
            ]
            #expect(Self.redirects(twice) == [.redirectedTooOften])
            #expect(Self.redirects(twice, drained: 1) == [])
            #expect(Self.redirects(twice, drained: 0) == [], "who leaves a server is not to wait for a better place")
            #expect(Self.redirects(twice, anewAfter: 0) == [])
        }
        #expect(Self.redirects([(.redirected, true, 9 * Self.second), (.redirected, true, 70 * Self.second)]) == [])
    }
}
