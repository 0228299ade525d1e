import Foundation
import Logging
import Testing

@testable import Server

@Suite struct LogTests {
    @Test func `dates agree with the system's calendar`() {
        // From 1600 on, when Foundation's calendar is the Gregorian one. Steps that are no whole number of days or years
        // meet all months, leap days and centuries.
        let moments = stride(
            from: Int64(-11_676_096_000_000), to: 253_402_300_799_999, by: 86_400_000 * 97 + 43_210_000)
        let wrong = moments.filter { (milliseconds: Int64) in
            let date = Date(timeIntervalSince1970: Double(milliseconds / 1000))
            return date.formatted(.iso8601).prefix(19)
                != UTCTime.text(milliseconds: milliseconds / 1000 * 1000).prefix(19)
        }
        #expect(wrong.prefix(3) == [])
        #expect(UTCTime.text(milliseconds: 1_709_251_199_999) == "2024-02-29T23:59:59.999Z")
        #expect(UTCTime.text(milliseconds: -1) == "1969-12-31T23:59:59.999Z")
    }

    private func line(_ format: LogFormat, _ message: String, _ metadata: Logger.Metadata) -> String {
        let bytes = LogLine.make(format, milliseconds: 0, level: .info, message: message, metadata: metadata)
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test func `a text line is one line, whatever a value holds`() {
        #expect(line(.text, "up", [:]) == "1970-01-01T00:00:00.000Z info up\n")
        let foreign = line(
            .text, "name\nclaimed", ["b": "two words", "a": "x", "c": "say \"hi\"\n\u{1B}[2J\u{202E}", "d": ""])
        #expect(
            foreign == "1970-01-01T00:00:00.000Z info name\\nclaimed: a=x b=\"two words\" "
                + "c=\"say \\\"hi\\\"\\n\\u{1b}[2J\\u{202e}\" d=\"\"\n")
    }

    @Test func `a JSON line is an object`() throws {
        let text = line(.json, "a \"quoted\"\nmessage", ["key": "\u{1}"])
        let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: String]
        #expect(
            object == [
                "time": "1970-01-01T00:00:00.000Z", "level": "info", "message": "a \"quoted\"\nmessage", "key": "\u{1}",
            ])
        #expect(text.last == "\n" && text.dropLast().contains("\n") == false)
    }

    @Test func `reports in masses are let through a few times a second and counted`() {
        var throttle = ReportThrottle(perSecond: 7)
        let admitted = (0..<100).map { _ in throttle.admits(.gap, at: 5) }
        #expect(admitted.count { $0 } == 7)
        let other = throttle.admits(.givenUp, at: 5)
        #expect(other, "each kind has its own limit")
        let suppressed = throttle.takeSuppressed()
        #expect(suppressed.map(\.kind) == [.gap] && suppressed.map(\.count) == [100 - 7])
        let isBegging = throttle.begsForTime()
        #expect(!isBegging)
        let later = throttle.admits(.gap, at: 1_000_000_006)
        #expect(later, "a second later there is room again")
    }

    /// The time of the report must not move on while there is load.
    @Test func `a time to tell what was suppressed is asked for once`() {
        var throttle = ReportThrottle(perSecond: 7)
        var asked: [Bool] = []
        for turn in 0..<100 {
            _ = throttle.admits(.gap, at: 5)
            asked.append(throttle.begsForTime())
            if turn == 49 { _ = throttle.takeSuppressed() }
        }
        #expect(asked.indices.filter { asked[$0] } == [7, 50])
    }
}
