/// One connection to an endpoint: a question, and the answer up to its end. Everything waits for the socket, and no
/// longer than until the deadline.
import Glibc
import TLS

struct Connection {
    private let endpoint: Endpoint
    private let socket: Int32
    private let session: TLSSession?
    private let deadline: Moment

    /// Connects to the first address of the name that takes it.
    init(_ endpoint: Endpoint) throws(Failure) {
        self.endpoint = endpoint
        deadline = Moment.now.later(milliseconds: endpoint.milliseconds)
        session = try Self.session(endpoint)
        socket = try Self.connect(endpoint, deadline)
    }

    func close() { _ = Glibc.close(socket) }

    // MARK: Connecting

    private static func session(_ endpoint: Endpoint) throws(Failure) -> TLSSession? {
        guard endpoint.isSecure else { return nil }
        do throws(TLSError) {
            let context = try TLSContext(client: endpoint.authority)
            return try TLSSession(dialling: endpoint.host, context, isLink: false)
        } catch {
            throw Failure(what: "TLS cannot be set up: \(error)", advice: "--tls-ca names a file of certificates (PEM)")
        }
    }

    private static func connect(_ endpoint: Endpoint, _ deadline: Moment) throws(Failure) -> Int32 {
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        unsafe hints.ai_flags = AI_NUMERICSERV
        var list: UnsafeMutablePointer<addrinfo>?
        // Swift terminates the strings and keeps them alive during the call; the list is freed below, once.
        let code = unsafe getaddrinfo(endpoint.host, String(endpoint.port), &hints, &list)
        guard code == 0 else {
            // A constant, terminated text of the library.
            throw endpoint.silence(unsafe String(cString: gai_strerror(code)))
        }
        defer { unsafe freeaddrinfo(list) }
        var reason = "no address"
        var next = unsafe list
        while let entry = unsafe next {
            // Each entry of the list is valid until it is freed.
            let result = unsafe dial(entry.pointee, deadline)
            if result >= 0 { return result }
            reason = words(-result)
            unsafe next = entry.pointee.ai_next
        }
        throw endpoint.silence(reason)
    }

    /// A connected socket, or a negated errno.
    private static func dial(_ entry: addrinfo, _ deadline: Moment) -> Int32 {
        let flags = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let socket = unsafe Glibc.socket(entry.ai_family, flags, 0)
        guard socket >= 0 else { return -errno }
        // The address is the list's, which lives.
        if unsafe Glibc.connect(socket, entry.ai_addr, entry.ai_addrlen) == 0 { return socket }
        var code = errno
        if code == EINPROGRESS {
            var size = socklen_t(MemoryLayout<Int32>.size)
            // An Int32 and its size, both alive during the call.
            let isThere = deadline.wait(for: socket, Int16(POLLOUT))
            code = ETIMEDOUT
            if isThere, unsafe getsockopt(socket, SOL_SOCKET, SO_ERROR, &code, &size) == 0, code == 0 { return socket }
        }
        _ = Glibc.close(socket)
        return -code
    }

    private static func words(_ code: Int32) -> String {
        // A terminated string that is copied before any other call; there is one thread.
        unsafe String(cString: strerror(code))
    }

    // MARK: Talking

    mutating func exchange(_ question: [UInt8]) throws(Failure) -> [UInt8] {
        try shakeHands()
        if let session {
            // Valid during the call. Under TLS a question is one record.
            _ = unsafe question.withUnsafeBytes { unsafe session.write($0) }
            try push()
        } else {
            try send(question)
        }
        var answer: [UInt8] = []
        while let bytes = try receive() {
            answer += try decrypted(bytes)
            guard answer.count <= Endpoint.bytesMax else { throw endpoint.notOurs("the answer does not end") }
        }
        return answer
    }

    private func shakeHands() throws(Failure) {
        guard let session else { return }
        while true {
            let outcome = session.handshake()
            try push()
            switch outcome {
            case .bytes: return
            case .blocked:
                guard let bytes = try receive() else { throw endpoint.silence("it closes during the TLS handshake") }
                // The session copies.
                unsafe bytes.withUnsafeBytes { unsafe session.feed($0) }
            case .ended, .failed:
                throw Failure(
                    what: "\(endpoint.url): TLS: \(session.failure ?? "it ends")",
                    advice: "name the authority of its certificate with --tls-ca, and the server by a name in it; or, "
                        + "if it does not speak TLS, say http://")
            }
        }
    }

    private func decrypted(_ bytes: [UInt8]) throws(Failure) -> [UInt8] {
        guard let session else { return bytes }
        // The session copies.
        unsafe bytes.withUnsafeBytes { unsafe session.feed($0) }
        var (clear, room) = ([UInt8](), [UInt8](repeating: 0, count: 1 << 16))
        while true {
            // The room is valid during the call.
            switch unsafe room.withUnsafeMutableBytes({ unsafe session.read(into: $0) }) {
            case .bytes(let count): clear += room[..<count]
            case .blocked, .ended:
                try push()
                return clear
            case .failed: throw endpoint.silence("TLS: \(session.failure ?? "")")
            }
        }
    }

    /// Gives the connection what the session has for it.
    private func push() throws(Failure) {
        guard let session, session.outputCount > 0 else { return }
        // The session's bytes stay during the copy.
        let bytes = unsafe Array(session.output)
        session.consumeOutput(bytes.count)
        try send(bytes)
    }

    // MARK: Bytes

    private func send(_ bytes: [UInt8]) throws(Failure) {
        var rest = bytes[...]
        while !rest.isEmpty {
            // Valid during the call.
            let count = unsafe rest.withUnsafeBytes {
                unsafe Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else {
                try waitAfter(errno, Int16(POLLOUT))
            }
        }
    }

    /// What comes next; nil at the end.
    private func receive() throws(Failure) -> [UInt8]? {
        var room = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            // The room is valid during the call.
            let count = unsafe room.withUnsafeMutableBytes { unsafe recv(socket, $0.baseAddress, $0.count, 0) }
            if count >= 0 { return count == 0 ? nil : Array(room[..<count]) }
            try waitAfter(errno, Int16(POLLIN))
        }
    }

    private func waitAfter(_ code: Int32, _ events: Int16) throws(Failure) {
        switch code {
        case EINTR: return
        case EAGAIN:
            guard deadline.wait(for: socket, events) else {
                throw endpoint.silence("nothing for \(endpoint.milliseconds) ms")
            }
        default: throw endpoint.silence(Self.words(code))
        }
    }
}

/// A point of the clock that is never set.
struct Moment {
    private var nanoseconds: Int

    static var now: Moment {
        var time = timespec()
        // A local of the right type; this clock is always there.
        _ = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Moment(nanoseconds: time.tv_sec * 1_000_000_000 + time.tv_nsec)
    }

    func later(milliseconds: Int) -> Moment { Moment(nanoseconds: nanoseconds + milliseconds * 1_000_000) }

    func milliseconds(since other: Moment) -> Int { (nanoseconds - other.nanoseconds) / 1_000_000 }

    /// Whether something happens at a socket before this moment.
    func wait(for socket: Int32, _ events: Int16) -> Bool {
        while true {
            let left = milliseconds(since: .now)
            guard left > 0 else { return false }
            var entry = pollfd(fd: socket, events: events, revents: 0)
            // One entry of our own.
            let result = unsafe poll(&entry, 1, Int32(clamping: left))
            if result > 0 { return true }
            if result < 0, errno != EINTR { return false }
        }
    }

    /// Sleeps until this moment.
    func sleep() {
        while case let left = milliseconds(since: .now), left > 0 { usleep(UInt32(left) * 1000) }
    }
}
