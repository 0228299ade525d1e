import Foundation
import Testing

@testable import Server

@Suite struct StatisticsFileTests {
    private func withFolder(_ body: (String) throws -> Void) throws {
        let folder = NSTemporaryDirectory() + "pando-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try body(folder)
    }

    @Test func `an older document never follows a newer one`() throws {
        try withFolder { folder in
            let file = StatisticsFile(path: folder + "/statistics")
            let (first, second) = (file.nextNumber(), file.nextNumber())
            #expect(file.write(Array("second".utf8), number: second) == nil)
            #expect(file.write(Array("first".utf8), number: first) == nil)
            #expect(FileManager.default.contents(atPath: file.path) == Data("second".utf8))
            let names = try FileManager.default.contentsOfDirectory(atPath: folder)
            #expect(names == ["statistics"])
        }
    }

    @Test func `only a regular file is replaced`() throws {
        try withFolder { folder in
            let file = StatisticsFile(path: folder + "/link")
            #expect(StatisticsFile.refusal(of: file.path) == nil, "nothing is there")
            #expect(file.write([1], number: file.nextNumber()) == nil)
            #expect(StatisticsFile.refusal(of: file.path) == nil)
            try FileManager.default.removeItem(atPath: file.path)
            try FileManager.default.createSymbolicLink(atPath: file.path, withDestinationPath: "nowhere")
            #expect(StatisticsFile.refusal(of: file.path) != nil)
            #expect(file.write([2], number: file.nextNumber()) != nil, "put there since the start")
            let target = try FileManager.default.destinationOfSymbolicLink(atPath: file.path)
            #expect(target == "nowhere")
        }
    }
}
