/// The failure of a system call: which call, on what, and the kernel's reason. The only error that this module throws
/// for anything that the operating system refused.
internal import CEpollShim

/// A system call that failed.
public struct SystemError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The `errno` of the failure (errno(3)), a positive number.
    public let code: Int32
    /// The call and what it was about, for instance `bind 127.0.0.1:3780`.
    public let call: String

    /// Creates an error from a positive `errno`.
    public init(code: Int32, call: String) {
        self.code = code
        self.call = call
    }

    /// The call and the text of the code: `bind 127.0.0.1:3780: Address already in use`.
    public var description: String { "\(call): \(SystemError.text(of: code))" }

    /// The kernel's text for an `errno` (strerror(3)).
    public static func text(of code: Int32) -> String {
        var room = [CChar](repeating: 0, count: 128)
        return unsafe room.withUnsafeMutableBufferPointer { buffer in
            guard let start = buffer.baseAddress else { return "error \(code)" }
            // The text lies in `room` or is static: it is copied before either can go.
            return unsafe String(cString: ces_error_text(code, start, buffer.count))
        }
    }

    /// Turns a result of the shim (negative: an `errno`) into a value or an error.
    @discardableResult
    static func check(_ result: Int32, _ call: @autoclosure () -> String) throws(SystemError) -> Int32 {
        guard result < 0 else { return result }
        throw SystemError(code: -result, call: call())
    }
}
