// The recorded sessions of real clients; the format is described in Transcripts' own README.

import Foundation
import Testing

struct Transcript: Sendable, CustomTestStringConvertible {
    enum Direction: String { case toServer = "c2s", toClient = "s2c", event }

    struct Entry: Sendable {
        let direction: Direction
        /// The bytes; for an event its description.
        let bytes: [UInt8]
        let connection: Int?
        let server: Int?

        var text: String { String(decoding: bytes, as: UTF8.self) }
        /// The message without its line end; nil if it is no JSON.
        var message: JSON? {
            try? JSON(bytes: Array(bytes.reversed().drop { $0 == 10 || $0 == 13 }.reversed()))
        }
    }

    /// The letter of the client: A to P, and C2.
    let client: String
    let scenario: String
    let entries: [Entry]

    var testDescription: String { "client \(client), \(scenario)" }

    init(contentsOf url: URL) throws {
        let words = url.lastPathComponent.split(separator: ".")
        client = words[0].dropFirst("client-".count).uppercased()
        scenario = String(words[1])
        entries = try String(contentsOf: url, encoding: .utf8).split(separator: "\n").map(Self.entry)
    }

    private static func entry(_ line: Substring) throws -> Entry {
        let json = try JSON(line)
        guard let direction = json["dir"]?.string.flatMap(Direction.init), let data = json["data"]?.string else {
            throw HarnessError("not a transcript: \(line)")
        }
        let isLatin = json["enc"]?.string == "latin-1"
        let bytes = isLatin ? data.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) } : Array(data.utf8)
        return Entry(
            direction: direction, bytes: bytes, connection: json["conn"]?.integer, server: json["srv"]?.integer)
    }

    /// All of them, in the order of their names.
    static let all: [Transcript] = {
        let folder = Bundle.module.resourceURL?.appendingPathComponent("Transcripts")
        let files = folder.flatMap {
            try? FileManager.default.contentsOfDirectory(at: $0, includingPropertiesForKeys: nil)
        }
        return (files ?? []).filter { $0.pathExtension == "jsonl" }
            .sorted { $0.lastPathComponent < $1.lastPathComponent }
            .compactMap { try? Transcript(contentsOf: $0) }
    }()
}
