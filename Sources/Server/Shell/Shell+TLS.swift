/// Links under TLS: who is refused, and how both ends learn why. Certificates are OpenSSL's affair; here is only which
/// connections must have one.
internal import Codecs
internal import Logging
internal import Node
internal import Reactor

extension Shell {
    /// The name by which the other end of a dial is judged; nil without TLS.
    func tlsName(of target: PeerAddress, in reactor: borrowing Reactor) -> String? {
        reactor.tlsContext == nil ? nil : target.host
    }

    /// For the key that binds the proof of the secret to its channel (RFC 5705 has the prefix).
    static let bindingLabel = "EXPORTER-pando-link"

    /// Whether a connection that began as a link may be one.
    func mayBeLink(_ id: ConnectionID, in reactor: borrowing Reactor) -> Bool {
        reactor.tlsContext == nil || reactor.isSecured(id)
    }

    /// A server without TLS. Its own log shows these words: they are a regular frame of the protocol.
    mutating func refusePlaintext(_ id: ConnectionID, in reactor: inout Reactor) {
        let text = "its links are under TLS, give --tls-cert, --tls-key and --tls-ca"
        var words = Preamble.bytes
        PeerFrame.refusal(.version, text: text).encode(into: &words)
        refuse(id, .plaintextRefused, words, "a link without TLS is refused", in: &reactor)
    }

    /// A handshake of TLS begins with this byte; neither JSON nor the preamble does.
    static let tlsFirstByte: UInt8 = 0x16

    /// TLS where there is none. An answer that is not TLS is what tells the other end.
    mutating func refuseTLS(_ id: ConnectionID, in reactor: inout Reactor) {
        let words = ServerReply.invalidMessage("this server has no TLS").rendered()
        refuse(id, .tlsRefused, words, "a connection under TLS is refused: no --tls-cert was given here", in: &reactor)
    }

    private mutating func refuse(
        _ id: ConnectionID, _ reason: CloseReason, _ words: [UInt8], _ message: Logger.Message,
        in reactor: inout Reactor
    ) {
        let peer = connections.takeAddress(of: id).map { "\($0)" } ?? "unknown"
        log.tell(.tlsRefused, message, ["peer": "\(peer)"], at: reactor.now)
        admission.remove(id)
        connections.setRole(.refused, of: id)
        reactor.send(id, words)
        reactor.finish(id, reason, lingerMilliseconds: ShellSettings.linkLingerMilliseconds, keepReading: false)
    }

    /// A connection is over because of TLS: says why, and whose it was. To be called before it is forgotten.
    mutating func tellBrokenTLS(_ id: ConnectionID, in reactor: borrowing Reactor) {
        let link = tlsLinks.removeValue(forKey: id)
        guard let text = reactor.tlsFailure(of: id) else { return }
        let address = connections.takeAddress(of: id)
        let peer = dials[id].map { "\($0.target)" } ?? link ?? address.map { "\($0)" } ?? "unknown"
        log.tell(.tlsRefused, "TLS failed", ["peer": "\(peer)", "reason": "\(text)"], at: reactor.now)
    }
}
