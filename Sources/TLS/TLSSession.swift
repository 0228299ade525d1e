/// One end of a conversation under TLS: bytes of the network become bytes of the conversation, and back. No socket is
/// in sight here; who has one moves the bytes.
internal import CEpollShim

/// One end of a conversation under TLS. A class, because its end is that of OpenSSL's session.
@safe public final class TLSSession {
    private let handle: OpaquePointer
    /// OpenSSL's session looks into them.
    private let contexts: (TLSContext?, TLSContext?)
    public let isDialler: Bool
    /// The handshake is complete, as far as this end can know: with TLS 1.3 the other one may still refuse us.
    public private(set) var isEstablished = false
    /// The other end has said that it ends.
    public private(set) var hasEnded = false
    private var hasSaidEnd = false
    /// Why it broke; nothing works any more then.
    public private(set) var failure: String?
    /// Bytes may wait inside although the socket is quiet. For the owner, as the next one.
    public var isUndrained = false
    /// On the owner's list of those.
    public var isListed = false
    /// How much of the output the owner has counted as memory.
    public var countedOutput = 0

    public enum Outcome {
        case bytes(Int)
        /// More bytes of the other end are needed.
        case blocked
        case ended
        /// See `failure`.
        case failed
    }

    /// The end that has connected.
    ///
    /// - Parameter name: The other end's certificate must have it; an address is compared as one. Nil: any will do.
    /// - Parameter isLink: A server connects to another one.
    public convenience init(dialling name: String?, _ context: TLSContext, isLink: Bool) throws(TLSError) {
        try unsafe self.init((context, nil), isDialler: true) { room, size in
            // The string lives through the call, the room is as large as it says.
            unsafe ces_tls_dial(context.handle, name, isLink ? 1 : 0, room, size)
        }
    }

    /// The end that has accepted. Who comes shows in the first message, and gets what is for it; where there is nothing
    /// for it, it is refused.
    public convenience init(accepting links: TLSContext?, clients: TLSContext?) throws(TLSError) {
        try unsafe self.init((links, clients), isDialler: false) { room, size in
            // The room is as large as it says.
            unsafe ces_tls_accept(links?.handle, clients?.handle, room, size)
        }
    }

    private init(
        _ contexts: (TLSContext?, TLSContext?), isDialler: Bool,
        _ open: (UnsafeMutablePointer<CChar>, Int) -> OpaquePointer?
    ) throws(TLSError) {
        var text = FailureText()
        guard let handle = unsafe text.write(open) else { throw TLSError(description: text.string) }
        unsafe self.handle = handle
        self.contexts = contexts
        self.isDialler = isDialler
    }

    deinit {
        // Opened for this object alone; the contexts are still there.
        unsafe ces_tls_close(handle)
    }

    /// Whether both ends are servers, each with a certificate that the other has accepted. Known with the handshake.
    public var isLink: Bool { unsafe isEstablished && ces_tls_is_link(handle) != 0 }

    public func feed(_ bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress else { return }
        // Copied during the call.
        if unsafe ces_tls_feed(handle, start, bytes.count) != 0 { failure = "out of memory" }
    }

    /// Goes on with the handshake; `bytes` (of none) when it is complete.
    public func handshake() -> Outcome {
        let result = unsafe ces_tls_handshake(handle)
        isEstablished = result == 1
        return settle(Int(result))
    }

    public func read(into room: UnsafeMutableRawBufferPointer) -> Outcome {
        guard let start = room.baseAddress else { return .blocked }
        // At most `count` bytes of the caller's room.
        let result = unsafe ces_tls_read(handle, start, room.count)
        if result == Int(CES_TLS_ENDED) { hasEnded = true }
        return settle(result)
    }

    /// Takes at most one record.
    public func write(_ bytes: UnsafeRawBufferPointer) -> Outcome {
        guard let start = bytes.baseAddress else { return .blocked }
        // The caller's bytes are valid during the call.
        let result = unsafe ces_tls_write(handle, start, bytes.count)
        guard result == 0, isEstablished else { return settle(result) }
        // Only a handshake message that came in part does that, which nobody who means well sends.
        failure = "nothing can be written before something is read"
        return .failed
    }

    private func settle(_ result: Int) -> Outcome {
        switch result {
        case 1...: return .bytes(result)
        case 0: return .blocked
        case Int(CES_TLS_ENDED): return .ended
        default:
            var text = FailureText()
            // OpenSSL's errors of the call that has just failed.
            unsafe text.write { unsafe ces_tls_failure(handle, $0, $1) }
            failure = text.string
            return .failed
        }
    }

    /// Says that nothing more will be written; once, and only where the other end can understand it.
    public func end() {
        guard isEstablished, failure == nil, !hasSaidEnd else { return }
        hasSaidEnd = true
        // The handle is open until `deinit`.
        unsafe ces_tls_end(handle)
    }

    /// Bytes for the network. Valid until the next call.
    public var output: UnsafeRawBufferPointer {
        var start: UnsafeRawPointer?
        // The session's own buffer and its count.
        let count = unsafe ces_tls_output(handle, &start)
        return unsafe UnsafeRawBufferPointer(start: start, count: count)
    }

    /// How many bytes for the network there are.
    public var outputCount: Int { unsafe output.count }

    public func consumeOutput(_ count: Int) {
        // At most what is there is taken.
        unsafe ces_tls_output_taken(handle, count)
    }

    /// The common name in the other end's certificate.
    public var peerName: String? {
        var text = FailureText()
        let result = unsafe text.write { room, size in unsafe ces_tls_peer_name(handle, room, size) }
        return result == 0 ? text.string : nil
    }

    /// 32 bytes that only the two ends of this session have (RFC 5705).
    public func exportedKey(label: String) -> [UInt8]? {
        var key = [UInt8](repeating: 0, count: 32)
        // The label lives through the call, the key has that size.
        return unsafe ces_tls_export(handle, label, &key, key.count) == 0 ? key : nil
    }
}
