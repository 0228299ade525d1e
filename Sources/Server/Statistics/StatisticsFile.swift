/// A document that is replaced as a whole: a reader sees the old one or the new one, never half of one.
internal import Glibc
internal import Reactor

enum StatisticsFile {
    /// Writes beside the path and renames (rename(2)). Blocks; returns why it failed.
    static func write(_ document: [UInt8], to path: String) -> SystemError? {
        let draft = "\(path).\(getpid()).new"
        // Strings are passed as C strings that live through each call.
        let fd = unsafe open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard fd >= 0 else { return SystemError(code: errno, call: "open \(draft)") }
        let failure = fill(fd, document) ?? replace(path, by: draft)
        if failure != nil { unsafe unlink(draft) }
        return failure
    }

    private static func fill(_ fd: Int32, _ document: [UInt8]) -> SystemError? {
        var rest = document[...]
        var failure: SystemError?
        while !rest.isEmpty, failure == nil {
            // The slice lives through the call.
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(fd, $0.baseAddress, $0.count) }
            if count >= 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR {
                failure = SystemError(code: errno, call: "write statistics")
            }
        }
        // A full disk may show only now.
        if close(fd) != 0, failure == nil { failure = SystemError(code: errno, call: "close statistics") }
        return failure
    }

    private static func replace(_ path: String, by draft: String) -> SystemError? {
        (unsafe rename(draft, path)) == 0 ? nil : SystemError(code: errno, call: "rename to \(path)")
    }
}
