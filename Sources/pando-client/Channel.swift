import Glibc
import TLS

/// The bytes of a connection, plain or under TLS.
struct Channel {
    private let socket: Int32
    private let session: TLSSession?
    private var hasShutDown = false

    enum Input: Equatable {
        case bytes([UInt8])
        /// Nothing now.
        case later
        /// The handshake is complete.
        case ready
        /// It is over: why, in words.
        case over(String)
    }

    /// - Parameter session: of the end that dialled; nil: the connection is plain.
    init(_ socket: Int32, _ session: TLSSession?) {
        self.socket = socket
        self.session = session
    }

    /// Whether the conversation can begin, or has begun.
    var isReady: Bool { session?.isEstablished ?? true }

    /// Whether bytes wait for the connection to take them.
    var isFull: Bool { (session?.outputCount ?? 0) > 0 }

    // MARK: Reading

    /// Begins the handshake.
    func begin() -> Input { session.map(shakeHands) ?? .ready }

    /// What has come. `buffer` is room for the call.
    func read(_ buffer: inout [UInt8]) -> Input {
        switch Descriptor.read(socket, into: &buffer) {
        case .later: return .later
        case .failed(let code): return .over(Descriptor.words(code))
        case .bytes(0):
            guard let session, !session.hasEnded else { return .over("the server closed it") }
            return .over(session.isEstablished ? "it was cut" : "the server closed it during the TLS handshake")
        case .bytes(let count):
            guard let session else { return .bytes(Array(buffer[..<count])) }
            // The part that was just filled; the session copies.
            unsafe buffer[..<count].withUnsafeBytes { unsafe session.feed($0) }
            return session.isEstablished ? decrypt(session, &buffer) : shakeHands(session)
        }
    }

    private func shakeHands(_ session: TLSSession) -> Input {
        defer { push() }
        switch session.handshake() {
        case .bytes: return .ready
        case .failed: return .over("TLS: \(session.failure ?? "")")
        case .blocked, .ended: return .later
        }
    }

    /// What waits inside, which may be something directly behind the handshake.
    func rest(_ buffer: inout [UInt8]) -> Input { session.map { decrypt($0, &buffer) } ?? .later }

    private func decrypt(_ session: TLSSession, _ buffer: inout [UInt8]) -> Input {
        var bytes: [UInt8] = []
        // A read may have to write: a change of keys.
        defer { push() }
        while true {
            // The room is valid during the call.
            switch unsafe buffer.withUnsafeMutableBytes({ unsafe session.read(into: $0) }) {
            case .bytes(let count): bytes += buffer[..<count]
            // Its own end is followed by that of the connection.
            case .blocked, .ended: return bytes.isEmpty ? .later : .bytes(bytes)
            case .failed: return bytes.isEmpty ? .over("TLS: \(session.failure ?? "")") : .bytes(bytes)
            }
        }
    }

    // MARK: Writing

    /// Takes bytes for the server: how many, `later` if none now.
    func write(_ bytes: [UInt8]) -> Descriptor.Result {
        guard let session else { return Descriptor.write(socket, bytes) }
        push()
        guard session.failure == nil else { return .failed(EPROTO) }
        guard !isFull else { return .later }
        // Valid during the call.
        guard case .bytes(let count) = unsafe bytes.withUnsafeBytes({ unsafe session.write($0) }) else { return .later }
        push()
        return .bytes(count)
    }

    /// Gives the connection what the session has for it. If it fails, reading tells.
    func push() {
        while let session, session.outputCount > 0 {
            // The session's bytes stay during the copy.
            guard case .bytes(let count) = Descriptor.write(socket, unsafe Array(session.output)), count > 0 else {
                return
            }
            session.consumeOutput(count)
        }
    }

    /// Ends our side, when all is written.
    mutating func shutDown() {
        session?.end()
        push()
        guard !isFull, !hasShutDown else { return }
        hasShutDown = true
        _ = shutdown(socket, Int32(SHUT_WR))
    }
}
