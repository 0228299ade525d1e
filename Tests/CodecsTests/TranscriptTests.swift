import Foundation
import Testing

@testable import Codecs

/// What real clients sent, recorded byte by byte: the splitter and the parser must take all of it.
@Suite struct TranscriptTests {
    private struct Entry: Decodable {
        var dir: String
        var data: String
        var conn: Int?
        var enc: String?
    }

    private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../ServerTests/Transcripts")

    private static func files() throws -> [URL] {
        try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .filter { $0.pathExtension == "jsonl" }
            .sorted { $0.path < $1.path }
    }

    /// What each connection of a transcript carried in one direction.
    private static func streams(_ file: URL, _ direction: String) throws -> [[UInt8]] {
        var streams: [Int: [UInt8]] = [:]
        for line in try Data(contentsOf: file).split(separator: UInt8(ascii: "\n")) {
            let entry = try JSONDecoder().decode(Entry.self, from: line)
            guard entry.dir == direction else { continue }
            let encoding: String.Encoding = entry.enc == "latin-1" ? .isoLatin1 : .utf8
            streams[entry.conn ?? 0, default: []] += entry.data.data(using: encoding) ?? Data()
        }
        return streams.keys.sorted().compactMap { streams[$0] }
    }

    private static func lines(_ stream: [UInt8]) -> [[UInt8]] {
        var splitter = ClientLineSplitter()
        var lines: [[UInt8]] = []
        var start = 0
        while case .line(let range, let next) = splitter.next(in: stream.span, from: start) {
            lines.append(Array(stream[range]))
            start = next
        }
        if start < stream.count { lines.append(Array(stream[start...])) }
        return lines
    }

    /// Two clients answer some server lines with a command that no server knows, or with a hand-made fault.
    private static let commandsOfTheirOwn: Set<String> = ["ACTIVITY_REPLY"]

    @Test func everyRecordedLineOfAClientParses() throws {
        var count = 0
        for file in try Self.files() {
            for line in try Self.streams(file, "c2s").flatMap(Self.lines) {
                do {
                    _ = try ClientMessage.parse(line.span)
                } catch .unknownCommand(let name) {
                    let command = String(decoding: name.decoded(in: line.span), as: UTF8.self)
                    #expect(Self.commandsOfTheirOwn.contains(command), "\(file.lastPathComponent): \(command)")
                } catch {
                    Issue.record("\(file.lastPathComponent): \(error) in \(String(decoding: line, as: UTF8.self))")
                }
                count += 1
            }
        }
        #expect(count > 300)
    }

    /// What the stub servers said, odd lines included, to our own client.
    @Test func everyRecordedLineOfAServerIsUnderstood() throws {
        var broadcasts = 0
        for file in try Self.files() {
            for line in try Self.streams(file, "s2c").flatMap(Self.lines) where !line.isEmpty {
                let name = file.lastPathComponent
                do {
                    switch try ServerMessage.parse(line.span) {
                    case .activityBroadcast: broadcasts += 1
                    case .unknown: #expect(name.contains("unknown-command") || name.contains("tolerance"), "\(name)")
                    default: break
                    }
                } catch {
                    #expect(error == .noActivity && name.contains("activity-is-string"), "\(name): \(error)")
                }
            }
        }
        #expect(broadcasts > 100)
    }

    @Test func everyRecordedActivityPassesAsWritten() throws {
        var count = 0
        for file in try Self.files() {
            for line in try Self.streams(file, "c2s").flatMap(Self.lines) {
                guard case .activity(_, _, .object(let activity)) = try? ClientMessage.parse(line.span) else {
                    continue
                }
                var output: [UInt8] = []
                ActivityRenderer.render(activity, of: line.span, username: Array("alice".utf8).span, into: &output)
                output.removeLast()
                guard case .activityBroadcast(let range) = try ServerMessage.parse(output.span) else {
                    Issue.record("\(file.lastPathComponent): no broadcast")
                    continue
                }
                var sent = try object(line[activity.range])
                sent["authenticated_user"] = "alice"
                #expect(try object(output[range]) as NSDictionary == sent as NSDictionary)
                count += 1
            }
        }
        #expect(count > 100)
    }

    private func object(_ bytes: ArraySlice<UInt8>) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
    }
}
