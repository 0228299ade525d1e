/// TLS as values of Swift: a context, and a session that turns bytes of the network into bytes of the conversation and
/// back. No socket is in sight here; `Reactor+TLS` moves the bytes.
internal import CEpollShim

/// TLS that could not be set up, with OpenSSL's own text.
public struct TLSError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What failed and why, for instance `red.key: key values mismatch`.
    public let description: String
}

/// Who this end is and by which authority it judges the other: mutual TLS 1.3. Nothing in it changes; a connection
/// keeps what it began with.
@safe public final class TLSContext {
    private let handle: OpaquePointer

    /// Reads a certificate with its chain, its key, and the certificates of the authority, all PEM files.
    ///
    /// - Throws: with the file and the reason, also if key and certificate do not belong together.
    public init(certificate: String, key: String, authority: String) throws(TLSError) {
        var text = FailureText()
        let opened = unsafe text.write { room, size in
            // The strings live through the call, the room is as large as it says.
            unsafe ces_tls_context_open(certificate, key, authority, room, size)
        }
        guard let opened = unsafe opened else { throw TLSError(description: text.string) }
        unsafe handle = opened
    }

    deinit {
        // Opened in `init`; sessions hold what they need of it by themselves.
        unsafe ces_tls_context_close(handle)
    }

    /// When our certificate expires, in seconds since 1970; nil if that cannot be told.
    public var expirySeconds: Int64? {
        // The handle is open until `deinit`.
        let expiry = unsafe ces_tls_context_expiry(handle)
        return expiry > 0 ? expiry : nil
    }

    /// A session of the end that dialled `name`, or (nil) of the one that accepted.
    func open(name: String?) throws(TLSError) -> TLSSession {
        var text = FailureText()
        let opened = unsafe text.write { room, size in
            // As above.
            unsafe ces_tls_open(handle, name, room, size)
        }
        guard let opened = unsafe opened else { throw TLSError(description: text.string) }
        return unsafe TLSSession(opened, isDialler: name != nil)
    }
}

/// One end of a conversation under TLS. A class, because its end is that of OpenSSL's session.
@safe final class TLSSession {
    private let handle: OpaquePointer
    let isDialler: Bool
    /// The handshake is complete, as far as this end can know: with TLS 1.3 the other one may still refuse us.
    private(set) var isEstablished = false
    /// The other end has said that it ends.
    private(set) var hasEnded = false
    private var hasSaidEnd = false
    /// Why it broke; nothing works any more then.
    private(set) var failure: String?
    /// Bytes may wait inside although the socket is quiet.
    var isUndrained = false
    /// On the reactor's list of those.
    var isListed = false

    enum Outcome {
        case bytes(Int)
        /// More bytes of the other end are needed.
        case blocked
        case ended
        /// See `failure`.
        case failed
    }

    init(_ handle: OpaquePointer, isDialler: Bool) {
        unsafe self.handle = handle
        self.isDialler = isDialler
    }

    deinit {
        // Opened for this object alone.
        unsafe ces_tls_close(handle)
    }

    func feed(_ bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress else { return }
        // Copied during the call.
        if unsafe ces_tls_feed(handle, start, bytes.count) != 0 { failure = "out of memory" }
    }

    /// Goes on with the handshake; `bytes` (of none) when it is complete.
    func handshake() -> Outcome {
        var text = FailureText()
        let result = unsafe text.write { room, size in unsafe ces_tls_handshake(handle, room, size) }
        isEstablished = result == 1
        return settle(Int(result), text)
    }

    func read(into room: UnsafeMutableRawBufferPointer) -> Outcome {
        guard let start = room.baseAddress else { return .blocked }
        var text = FailureText()
        // At most `count` bytes of the caller's room.
        let result = unsafe text.write { unsafe ces_tls_read(handle, start, room.count, $0, $1) }
        if result == Int(CES_TLS_ENDED) { hasEnded = true }
        return settle(result, text)
    }

    /// Takes at most one record.
    func write(_ bytes: UnsafeRawBufferPointer) -> Outcome {
        guard let start = bytes.baseAddress else { return .blocked }
        var text = FailureText()
        // The caller's bytes are valid during the call.
        return settle(unsafe text.write { unsafe ces_tls_write(handle, start, bytes.count, $0, $1) }, text)
    }

    private func settle(_ result: Int, _ text: FailureText) -> Outcome {
        switch result {
        case 1...: return .bytes(result)
        case 0: return .blocked
        case Int(CES_TLS_ENDED): return .ended
        default:
            failure = text.string
            return .failed
        }
    }

    /// Says that nothing more will be written; once, and only where the other end can understand it.
    func end() {
        guard isEstablished, failure == nil, !hasSaidEnd else { return }
        hasSaidEnd = true
        // The handle is open until `deinit`.
        unsafe ces_tls_end(handle)
    }

    /// Bytes for the network. Valid until the next call.
    var output: UnsafeRawBufferPointer {
        var start: UnsafeRawPointer?
        // OpenSSL's own buffer and its count.
        let count = unsafe ces_tls_output(handle, &start)
        return unsafe UnsafeRawBufferPointer(start: start, count: count)
    }

    /// How many bytes for the network there are.
    var outputCount: Int { unsafe output.count }

    func consumeOutput(_ count: Int) {
        // At most what is there is taken.
        unsafe ces_tls_output_taken(handle, count)
    }

    /// The common name in the other end's certificate.
    var peerName: String? {
        var text = FailureText()
        let result = unsafe text.write { room, size in unsafe ces_tls_peer_name(handle, room, size) }
        return result == 0 ? text.string : nil
    }

    /// 32 bytes that only the two ends of this session have (RFC 5705).
    func exportedKey(label: String) -> [UInt8]? {
        var key = [UInt8](repeating: 0, count: 32)
        // The label lives through the call, the key has that size.
        return unsafe ces_tls_export(handle, label, &key, key.count) == 0 ? key : nil
    }
}

/// Room for a text of the shim.
private struct FailureText {
    private var room = [CChar](repeating: 0, count: 256)

    mutating func write<Value>(_ call: (UnsafeMutablePointer<CChar>, Int) -> Value) -> Value {
        unsafe room.withUnsafeMutableBufferPointer { buffer in
            guard let start = buffer.baseAddress else { preconditionFailure("an array of 256 has an address") }
            // The whole array, during the call.
            return unsafe call(start, buffer.count)
        }
    }

    /// Certificates are the peer's words: only what prints is kept.
    var string: String {
        let bytes = room.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return String(decoding: bytes.map { $0 < 0x20 || $0 > 0x7E ? UInt8(ascii: "?") : $0 }, as: UTF8.self)
    }
}
