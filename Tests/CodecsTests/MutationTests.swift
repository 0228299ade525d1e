import Testing

@testable import Codecs

/// Random and mutated inputs from a fixed seed: no input stops the program, and what is accepted is JSON.
@Suite struct MutationTests {
    private static let samples = [
        #"{"command":"ACTIVITY_MESSAGE","username":"alice","secret":"s","activity":{"a":[1,-2.5e3,null,true],"t":"x"}}"#,
        #"{"command":"ACTIVITY_MESSAGE","username":"a","activity":{"authenticated_user":"m","b":{},"authenticated\u005fuser":1}}"#,
        #"{"command":"LOGIN","username":"jürgen 😀","secret":"\ud83d\ude00\n\"\\"}"#,
        #"{"command":"REDIRECT","hostname":"127.0.0.1","port":37}"#,
        #"{"command":"REGISTER","username":null,"secret":[[[{"a":[]}]]]}"#,
        #" { "command" : "LOGOUT" , "n" : 12 } "#,
    ].map { Array($0.utf8) }

    /// Bytes that mean something, so that mutations reach further than the first character.
    private static let alphabet =
        Array("{}[]:,\"\\ue0123456789.+-tfn \r\n\tauthenticated_user".utf8) + [0, 0x1F, 0x7F]
        + [0x80, 0xBF, 0xC3, 0xA9, 0xE2, 0x82, 0xED, 0xA0, 0xF0, 0x9F, 0xF4, 0xFF]

    private static func mutated(_ generator: inout SplitMix64) -> [UInt8] {
        var bytes = samples[Int.random(in: 0..<samples.count, using: &generator)]
        for _ in 0..<Int.random(in: 0...4, using: &generator) {
            let place = Int.random(in: 0...bytes.count, using: &generator)
            let byte = alphabet[Int.random(in: 0..<alphabet.count, using: &generator)]
            switch generator.next() % 5 {
            case 0: bytes.insert(byte, at: place)
            case 1 where place < bytes.count: bytes[place] = byte
            case 2 where place < bytes.count: bytes.remove(at: place)
            case 3: bytes.removeSubrange(place..<min(bytes.count, place + 5))
            default: bytes.insert(contentsOf: bytes[place..<min(bytes.count, place + 12)], at: place)
            }
        }
        return bytes
    }

    private static func random(_ generator: inout SplitMix64) -> [UInt8] {
        (0..<Int.random(in: 0...24, using: &generator)).map { _ in
            alphabet[Int.random(in: 0..<alphabet.count, using: &generator)]
        }
    }

    /// Passes one input through everything. Returns whether it is JSON to us.
    private static func check(_ bytes: [UInt8]) -> Bool {
        var splitter = ClientLineSplitter(skipsLineFeed: bytes.count % 2 == 0)
        var start = 0
        while case .line(let range, let next) = splitter.next(in: bytes.span, from: start) {
            precondition(range.lowerBound >= start && range.upperBound < next)
            start = next
        }
        _ = try? ServerMessage.parse(bytes.span)
        do {
            let message = try ClientMessage.parse(bytes.span)
            if case .activity(_, _, .object(let activity)) = message { checkRendering(activity, of: bytes) }
        } catch {
            let info = error.info(in: bytes.span)
            #expect(!info.bytes.isEmpty && info.bytes.count < 300)
        }
        return (try? JSONScanner.validate(bytes.span)) != nil
    }

    private static func checkRendering(_ activity: ClientActivity, of line: [UInt8]) {
        let name = Array("bob".utf8)
        var output: [UInt8] = []
        ActivityRenderer.render(activity, of: line.span, username: name.span, into: &output)
        #expect(output.count == ActivityRenderer.size(of: activity, username: name))
        // Parsed as if a client had sent it, the only forged member must be ours.
        let head = #"{"command":"ACTIVITY_MESSAGE","#
        let echo = Array(head.utf8) + output.dropFirst(head.utf8.count + 2).dropLast()
        guard case .activity(_, _, .object(let again)) = try? ClientMessage.parse(echo.span) else {
            Issue.record("not rendered well: \(String(decoding: output, as: UTF8.self))")
            return
        }
        let ours = Array(#""authenticated_user":"bob""#.utf8)
        let forged = again.forged(in: echo.span)
        #expect(forged.count == 1 && Array(echo[forged[0]]) == ours)
    }

    @Test func noInputStopsTheProgram() {
        var generator = SplitMix64(seed: 20180501)
        var accepted = 0
        for round in 0..<200_000 {
            let bytes = round % 4 == 0 ? Self.random(&generator) : Self.mutated(&generator)
            guard Self.check(bytes) else { continue }
            accepted += 1
            // The oracle is slow, so it sees a sample. It refuses 1e999, which is valid: no input of this seed has that.
            if accepted % 8 == 0, !JSONOracle.isValid(bytes) {
                Issue.record("accepted: \(String(decoding: bytes, as: UTF8.self))")
            }
        }
        #expect(accepted > 20_000, "the mutations are too wild to reach the inside")
    }
}
