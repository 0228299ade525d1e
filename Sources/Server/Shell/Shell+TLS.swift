/// Who is under TLS, who is refused, and how both ends learn why. Certificates are OpenSSL's affair.
internal import Codecs
internal import Logging
internal import Node
internal import Reactor

extension Shell {
    /// The name by which the other end of a dial is judged; nil without TLS.
    func tlsName(of target: PeerAddress, in reactor: borrowing Reactor) -> String? {
        reactor.tls.links == nil ? nil : target.host
    }

    /// For the key that binds the proof of the secret to its channel (RFC 5705 has the prefix).
    static let bindingLabel = "EXPORTER-pando-link"

    /// Whether a connection that began as a link may be one.
    func mayBeLink(_ id: ConnectionID, in reactor: borrowing Reactor) -> Bool {
        reactor.tls.links == nil ? !reactor.isSecured(id) : reactor.isSecuredLink(id)
    }

    /// The other server's log shows these words: they are a regular frame of the protocol.
    mutating func refuseLink(_ id: ConnectionID, in reactor: inout Reactor) {
        let isPlain = reactor.tls.links != nil
        let text =
            isPlain
            ? "its links are under TLS, give --tls-cert, --tls-key and --tls-ca" : "its links are not under TLS"
        var words = Preamble.bytes
        PeerFrame.refusal(.version, text: text).encode(into: &words)
        if isPlain {
            refuse(id, .plaintextRefused, words, "a link without TLS is refused", in: &reactor)
        } else {
            refuse(id, .tlsRefused, words, "a link under TLS is refused: links have none here", in: &reactor)
        }
    }

    /// Whether a connection that began as a client may be one.
    func mayBeClient(_ id: ConnectionID, in reactor: borrowing Reactor) -> Bool {
        reloading.inForce.clientTLS != .required || reactor.isSecured(id)
    }

    mutating func refusePlaintextClient(_ id: ConnectionID, in reactor: inout Reactor) {
        let words = ServerReply.invalidMessage("this server takes clients under TLS only").rendered()
        refuse(id, .plaintextClientRefused, words, "a client without TLS is refused", in: &reactor)
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
        // Many a client just vanishes; that is counted, and no news.
        guard let text = reactor.tlsFailure(of: id), connections.role(of: id) != .client else { return }
        let address = connections.takeAddress(of: id)
        let peer = dials[id].map { "\($0.target)" } ?? link ?? address.map { "\($0)" } ?? "unknown"
        log.tell(.tlsRefused, "TLS failed", ["peer": "\(peer)", "reason": "\(text)"], at: reactor.now)
    }

    // MARK: Certificates

    /// Takes new certificates for the connections to come.
    mutating func renewTLS(_ renewed: ServerTLS, in reactor: inout Reactor) {
        tls = renewed
        reactor.tls = renewed.setup
        counts.certificateExpirySeconds = renewed.expirySeconds
        renewed.tell(reloading.inForce, log.logger)
        watchCertificates(in: &reactor)
    }

    /// Once a day it is looked which certificates expire.
    func watchCertificates(in reactor: inout Reactor) {
        guard !tls.certificates.isEmpty else { return }
        reactor.setTimer(TimerToken.certificates, afterMilliseconds: 86_400_000)
    }
}
