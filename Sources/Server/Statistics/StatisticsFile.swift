/// A document that is replaced as a whole: a reader sees the old one or the new one, never half of one, and never an
/// older one after a newer one, whoever writes them at the same time.
internal import Glibc
internal import Reactor
internal import Synchronization

/// The file of the statistics. Documents are numbered in the order in which they are made, and each has a draft of its
/// own; what comes too late is thrown away.
final class StatisticsFile: Sendable {
    private struct Order {
        var made: UInt64 = 0
        var placed: UInt64 = 0
    }

    let path: String
    private let order = Mutex(Order())

    init(path: String) { self.path = path }

    /// Why a path is not to be replaced, in words; nil if nothing speaks against it. The file is put in the place of
    /// what is there: of a device, a link or a socket nothing would be left.
    static func refusal(of path: String) -> String? {
        var entry = stat()
        // The string is passed as a C string that lives through the call, with a local of the right type.
        guard unsafe lstat(path, &entry) == 0 else {
            return errno == ENOENT ? nil : "\(SystemError(code: errno, call: path))"
        }
        return entry.st_mode & S_IFMT == S_IFREG ? nil : "\(path): it exists and is not a regular file"
    }

    /// The number of the next document: to be taken when the document is made.
    func nextNumber() -> UInt64 {
        order.withLock { order in
            order.made += 1
            return order.made
        }
    }

    /// Writes beside the path and renames (rename(2)). Blocks; returns why it failed.
    func write(_ document: [UInt8], number: UInt64) -> SystemError? {
        if Self.refusal(of: path) != nil { return SystemError(code: EEXIST, call: "no regular file: \(path)") }
        // Nobody can know the name, and so nobody can put a link there; O_EXCL follows none.
        let draft = "\(path).\(getpid()).\(number).\(String(SystemRandom.word(), radix: 36)).new"
        // Strings are passed as C strings that live through each call.
        let fd = unsafe open(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o644)
        guard fd >= 0 else { return SystemError(code: errno, call: "open \(draft)") }
        if let failure = Self.fill(fd, document) {
            unsafe unlink(draft)
            return failure
        }
        return place(draft, number: number)
    }

    private func place(_ draft: String, number: UInt64) -> SystemError? {
        order.withLock { order in
            guard number > order.placed else {
                unsafe unlink(draft)
                return nil
            }
            guard unsafe rename(draft, path) == 0 else {
                let failure = SystemError(code: errno, call: "rename to \(path)")
                unsafe unlink(draft)
                return failure
            }
            order.placed = number
            return nil
        }
    }

    private static func fill(_ fd: Int32, _ document: [UInt8]) -> SystemError? {
        var rest = document[...]
        var failure: SystemError?
        while !rest.isEmpty, failure == nil {
            // The slice lives through the call.
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(fd, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if count == 0 {
                // No file does that; one that did would keep us here for ever.
                failure = SystemError(code: EIO, call: "write statistics")
            } else if errno != EINTR {
                failure = SystemError(code: errno, call: "write statistics")
            }
        }
        // A full disk may show only now.
        if close(fd) != 0, failure == nil { failure = SystemError(code: errno, call: "close statistics") }
        return failure
    }
}
