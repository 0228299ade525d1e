/// Small files as a whole, and the standard streams.
internal import Glibc

public enum TextFile {
    /// Why a file is not read, in words.
    public struct Failure: Error, Hashable, Sendable, CustomStringConvertible {
        public let description: String
    }

    /// Reads a regular file or a pipe. Blocks: for the start of a process.
    public static func read(_ path: String, bytesMax: Int) -> Result<[UInt8], Failure> {
        // The string is passed as a C string that lives through the call.
        let fd = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard fd >= 0 else { return .failure(failure(path)) }
        defer { close(fd) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            // The chunk lives through the call.
            let count = unsafe chunk.withUnsafeMutableBytes { unsafe Glibc.read(fd, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return .failure(failure(path)) }
            if count == 0 { return .success(bytes) }
            bytes += chunk.prefix(count)
            if bytes.count > bytesMax {
                return .failure(
                    Failure(description: "'\(path)' is longer than \(bytesMax) bytes: is it the right one?"))
            }
        }
    }

    /// Why a file could not be read; nil if it could. What is no file (a pipe) is left alone: it can be read but once.
    public static func refusal(of path: String) -> Failure? {
        var status = stat()
        // The strings are passed as C strings that live through each call, with a local of the right type.
        guard unsafe stat(path, &status) == 0 else { return failure(path) }
        if status.st_mode & S_IFMT == S_IFDIR {
            errno = EISDIR
            return failure(path)
        }
        guard status.st_mode & S_IFMT == S_IFREG else { return nil }
        let fd = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard fd >= 0 else { return failure(path) }
        close(fd)
        return nil
    }

    private static func failure(_ path: String) -> Failure {
        let code = errno
        // A static string of the C library, or one that lives until the next call of this thread.
        let reason = unsafe String(cString: strerror(code))
        let remedy =
            switch code {
            case ENOENT, ENOTDIR: "is the path right?"
            case EACCES: "let this process's user read it."
            default: "is it a file?"
            }
        return Failure(description: "'\(path)' cannot be read (\(reason)): \(remedy)")
    }

    /// Writes to a standard stream, all of it or until nobody takes it. Blocks.
    public static func write(_ text: String, to fd: Int32) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            // The slice lives through the call.
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(fd, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
}
