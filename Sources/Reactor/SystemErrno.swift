/// The codes of errno(3) that are told apart, under readable names.
internal import Glibc

enum SystemErrno {
    static let interrupted = EINTR
    static let invalid = EINVAL
    static let tooManyFiles = EMFILE
    static let wouldBlock = EAGAIN
    static let inProgress = EINPROGRESS
    static let brokenProtocol = EPROTO

    /// The peer is gone and said so: nothing to report but the close.
    static func isReset(_ code: Int32) -> Bool { code == ECONNRESET || code == EPIPE }

    /// The network gave up: unanswered retransmissions or probes, or no route left.
    static func isLost(_ code: Int32) -> Bool {
        code == ETIMEDOUT || code == EHOSTUNREACH || code == ENETUNREACH || code == ENETDOWN
    }

    /// Why a dial ended with a code.
    static func dialReason(_ code: Int32) -> CloseReason {
        switch code {
        case ECONNREFUSED, ECONNRESET: .dialRefused
        case ETIMEDOUT: .dialTimedOut
        default: .dialFailed
        }
    }

    /// Errors that concern the one connection that was to be accepted; accept(2) says to go on with the next.
    static func isOfOneAccept(_ code: Int32) -> Bool {
        switch code {
        case EINTR, ECONNABORTED, EPROTO, EPERM, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH, EOPNOTSUPP,
            ENETUNREACH:
            true
        default: false
        }
    }
}
