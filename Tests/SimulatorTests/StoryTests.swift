import Testing

@testable import Simulator

/// A violation about a record can be explained: a second run of the same world tells the record's story.
struct StoryTests {
    private static func overtaken(focus: Violation.Focus?) -> RandomWorld.Outcome {
        var world = RandomWorld(seed: 1)
        (world.servers, world.clients, world.seconds) = (4, 8, 9)
        world.defect = .replayOvertaken
        world.traces = .digest
        world.focus = focus
        return world.run()
    }

    private static func losing(focus: Violation.Focus?) -> Scenario.Outcome {
        var scenario = Scenario(seed: 1)
        (scenario.servers, scenario.clientsPerServer, scenario.seconds) = (3, 1, 3)
        scenario.world.defect = .losesLine(every: 50)
        scenario.world.traces = .digest
        scenario.world.focus = focus
        return scenario.run()
    }

    @Test func theStoryNamesTheRecordItsOriginAndWhoLacksIt() throws {
        let plain = Self.overtaken(focus: nil)
        #expect(plain.causes.isEmpty)
        let violation = try #require(plain.violations.first { $0.kind == .notReached })
        let focus = try #require(violation.focus)
        let told = Self.overtaken(focus: focus)
        let story = told.causes.joined(separator: "\n")

        #expect(violation.text.contains("activity \(focus.mark) ") && violation.text.contains("record \(focus.seq) "))
        let origin = try #require(told.causes.first { $0.contains(" accepts it as record \(focus.seq) ") })
        let server = try #require(origin.split(separator: " ").dropFirst().first)
        #expect(told.causes.first?.contains("\(focus.mark) is record \(focus.seq) ") == true)
        #expect(told.causes.first?.hasSuffix("of \(server)") == true)
        #expect(violation.text.contains("sent to server \(server.dropFirst()) "))

        let place = try #require(violation.text.range(of: ", at server "))
        let lacking = "s" + violation.text[place.upperBound...].prefix { $0.isNumber }
        #expect(told.causes.last?.contains("\(lacking) never held it") == true)
        #expect(story.contains("\(lacking) steps over it"), "this defect takes records in any order")
        #expect(told.causes.count <= Story.linesMax)
    }

    /// Telling it changes nothing, or it would be the story of another run.
    @Test func theStoryIsOneOfTheSameRun() throws {
        let plain = Self.overtaken(focus: nil)
        let focus = try #require(plain.violations.lazy.compactMap(\.focus).first)
        let (first, second) = (Self.overtaken(focus: focus), Self.overtaken(focus: focus))
        #expect(first.causes == second.causes && !first.causes.isEmpty)
        #expect(first.traceDigest == plain.traceDigest)
        #expect(first.violations.map(\.description) == plain.violations.map(\.description))
    }

    @Test func aLineThatIsLostAfterwardsWasHeld() throws {
        let plain = Self.losing(focus: nil)
        let violation = try #require(plain.violations.first { $0.kind == .notReached })
        let focus = try #require(violation.focus)
        let told = Self.losing(focus: focus)
        let place = try #require(violation.text.range(of: ", at server "))
        let server = "s" + violation.text[place.upperBound...].prefix { $0.isNumber }
        #expect(told.causes.contains { $0.contains("\(server) holds it") || $0.contains("\(server) accepts it") })
        #expect(!told.causes.contains { $0.contains("\(server) publishes it") })
        #expect(told.causes.last == "in the end: \(server) held it and never published it")
        #expect(told.traceDigest == plain.traceDigest)
    }
}
