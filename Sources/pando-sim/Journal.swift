import Foundation

/// The results of a long run on disk, so that it can go on after an interruption: a first line that says which code ran
/// with which options, then the line of each seed as it was finished. It is only ever appended to; what a kill left of
/// a last line is dropped.
struct Journal {
    private let descriptor: Int32

    struct Header: Codable, Equatable {
        /// Digest of the executable.
        var code: String
        var options: [String]
    }

    struct Refusal: Error, CustomStringConvertible {
        var description: String
    }

    /// Opens the journal, or begins it anew, and hands out each result that it holds.
    init(path: String, header: Header, isNew: Bool, each: (SeedResult) -> Void) throws {
        // The text lives through the call.
        descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | (isNew ? O_TRUNC : 0), 0o644)
        guard descriptor >= 0 else {
            throw Refusal(description: "\(path): \(Worker.reason(errno))")
        }
        var isUsable = false
        defer { if !isUsable { close() } }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            throw Refusal(description: "\(path): another pando-sim writes to it.")
        }
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: false)
        let bytes = try file.readToEnd() ?? Data()
        let whole = bytes.lastIndex(of: 0x0A).map { bytes.index(after: $0) } ?? bytes.startIndex
        try file.truncate(atOffset: UInt64(whole))
        var lines = bytes[..<whole].split(separator: 0x0A).map { String(decoding: $0, as: UTF8.self) }[...]
        guard let first = lines.popFirst() else {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            Output.write(String(decoding: try encoder.encode(header), as: UTF8.self) + "\n", to: descriptor)
            isUsable = true
            return
        }
        try Self.check(first, against: header, path)
        for (index, line) in lines.enumerated() {
            guard let result = try? SeedResult(line: line) else {
                throw Refusal(description: "\(path):\(index + 2): not a result of pando-sim.")
            }
            each(result)
        }
        isUsable = true
    }

    private static func check(_ line: String, against header: Header, _ path: String) throws {
        let remedy = "Give --restart to begin it anew, or another file."
        guard let found = try? JSONDecoder().decode(Header.self, from: Data(line.utf8)) else {
            throw Refusal(description: "\(path): not a journal of pando-sim. \(remedy)")
        }
        guard found.code == header.code else {
            throw Refusal(
                description: "\(path): these are results of other code (\(found.code), this is \(header.code)). "
                    + remedy)
        }
        guard found.options == header.options else {
            let options = found.options.isEmpty ? "no options" : found.options.joined(separator: " ")
            throw Refusal(description: "\(path): these are results with \(options). \(remedy)")
        }
    }

    /// Another run may write to it then.
    func close() { _ = Foundation.close(descriptor) }

    func append(_ result: SeedResult) throws {
        guard Output.write(try result.line() + "\n", to: descriptor) else {
            throw Refusal(description: "the journal cannot be written: \(Worker.reason(errno))")
        }
    }
}

/// A name for the code that runs: FNV-1a over the executable, eight bytes at a time. It tells builds apart; it is no
/// proof against forgery.
enum CodeDigest {
    static func ofThisProgram() -> String {
        guard let bytes = try? Data(contentsOf: URL(fileURLWithPath: "/proc/self/exe"), options: .alwaysMapped) else {
            return "unknown"
        }
        var digest: UInt64 = 0xCBF2_9CE4_8422_2325
        // Loads stay inside the buffer, which lives through the call.
        unsafe bytes.withUnsafeBytes { bytes in
            for offset in stride(from: 0, to: bytes.count - 7, by: 8) {
                let word = unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                digest = (digest ^ word) &* 0x0000_0100_0000_01B3
                digest ^= digest >> 29
            }
            for offset in bytes.count / 8 * 8..<bytes.count {
                digest = (digest ^ UInt64(unsafe bytes[offset])) &* 0x0000_0100_0000_01B3
            }
        }
        let text = String(digest, radix: 16)
        return String(repeating: "0", count: 16 - text.count) + text
    }
}
