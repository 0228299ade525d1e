/// What a conversation under TLS begins with: who this end is, and by which authority it judges the other.
internal import CEpollShim

/// TLS that could not be set up, with OpenSSL's own text.
public struct TLSError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What failed and why, for instance `red.key: key values mismatch`.
    public let description: String
}

/// A certificate with its chain, and its key: PEM files.
public struct TLSIdentity: Hashable, Sendable {
    public var certificate: String
    public var key: String

    public init(certificate: String, key: String) {
        self.certificate = certificate
        self.key = key
    }
}

/// What conversations begin with. Nothing in it changes, so it can be made by any thread; a conversation keeps what it
/// began with. What is new is made whole, and then put in the place of the old one.
@safe public final class TLSContext: @unchecked Sendable {
    let handle: OpaquePointer

    /// For links between servers, both ends of them: mutual TLS 1.3.
    ///
    /// - Parameter authority: The certificates of the authority that judges; a PEM file.
    /// - Parameter revocations: Certificates that this authority has taken back; a PEM file.
    /// - Parameter pins: Names of which the other end's certificate must have one; empty: any name will do.
    /// - Throws: with the file and the reason, also if key and certificate do not belong together.
    public convenience init(
        links identity: TLSIdentity, authority: String, revocations: String? = nil, pins: [String] = []
    ) throws(TLSError) {
        try self.init(minorVersion: 3)
        try identify(identity)
        // All strings live through their calls; the room is as large as it says.
        try unsafe step(authority) { unsafe ces_tls_context_set_authority(handle, authority, $0, $1) }
        if let revocations {
            try unsafe step(revocations) { unsafe ces_tls_context_set_revocations(handle, revocations, $0, $1) }
        }
        for pin in pins where unsafe ces_tls_context_add_pin(handle, pin) != 0 {
            throw TLSError(description: "out of memory")
        }
    }

    /// For clients, at the server: TLS 1.2 or 1.3. Clients are asked for no certificate.
    public convenience init(server identity: TLSIdentity) throws(TLSError) {
        try self.init(minorVersion: 2)
        try identify(identity)
    }

    /// For a client: TLS 1.2 or 1.3.
    ///
    /// - Parameter authority: By whom the server is judged: a PEM file; nil: the authorities of this system.
    public convenience init(client authority: String?) throws(TLSError) {
        try self.init(minorVersion: 2)
        // A nil string becomes a null pointer.
        try unsafe step(authority ?? "the authorities of this system") {
            unsafe ces_tls_context_set_authority(handle, authority, $0, $1)
        }
    }

    /// For a client that takes any server for the right one.
    public convenience init(credulous: Void) throws(TLSError) { try self.init(minorVersion: 2) }

    private init(minorVersion: Int32) throws(TLSError) {
        var text = FailureText()
        let opened = unsafe text.write { unsafe ces_tls_context_open(minorVersion, $0, $1) }
        guard let opened = unsafe opened else { throw TLSError(description: text.string) }
        unsafe handle = opened
    }

    deinit {
        // Opened in `init`; sessions hold this object.
        unsafe ces_tls_context_close(handle)
    }

    private func identify(_ identity: TLSIdentity) throws(TLSError) {
        try unsafe step(identity.certificate) {
            unsafe ces_tls_context_set_certificate(handle, identity.certificate, $0, $1)
        }
        try unsafe step(identity.key) { unsafe ces_tls_context_set_key(handle, identity.key, $0, $1) }
    }

    private func step(_ what: String, _ call: (UnsafeMutablePointer<CChar>, Int) -> Int32) throws(TLSError) {
        var text = FailureText()
        if unsafe text.write(call) != 0 { throw TLSError(description: "\(what): \(text.string)") }
    }

    // MARK: What expires

    /// Something that is of no use after its time.
    public struct Expiry: Hashable, Sendable {
        public enum Kind: String, Sendable {
            case own, chain, authority, revocations
        }

        public var kind: Kind
        /// The common name of a certificate, or of who made the list.
        public var name: String
        /// Seconds since 1970.
        public var seconds: Int64

        public init(kind: Kind, name: String, seconds: Int64) {
            self.kind = kind
            self.name = name
            self.seconds = seconds
        }
    }

    /// Everything in here that expires, our own certificate first.
    public var expiries: [Expiry] {
        let kinds = [
            CES_TLS_OWN: Expiry.Kind.own, CES_TLS_CHAIN: .chain, CES_TLS_AUTHORITY: .authority,
            CES_TLS_REVOCATIONS: .revocations,
        ]
        var result: [Expiry] = []
        while true {
            var (kind, name) = (Int32(0), FailureText())
            // `kind` is ours, the room as large as it says.
            let end = unsafe name.write { room, size in
                unsafe ces_tls_context_expiry(handle, Int32(result.count), &kind, room, size)
            }
            guard end >= 0, let kind = kinds[kind] else { return result }
            result.append(Expiry(kind: kind, name: name.string, seconds: end))
        }
    }
}

/// Room for a text of the shim.
struct FailureText {
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
