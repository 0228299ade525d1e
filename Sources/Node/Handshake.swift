import Codecs

/// Two servers prove to each other that they know the network's secret, which never crosses the wire: each computes an
/// HMAC over both sides' nonces, and the dialler proves itself first, so that nobody learns anything without it.
///
///     dialler                                acceptor
///     preamble, HELLO(versions, nonce)  ->
///                                       <-   preamble, CHALLENGE(version, nonce)
///     PROOF(hmac)                       ->
///                                       <-   WELCOME(hmac)
///
/// The two proofs are over different labels, so that one cannot be sent back as the other (reflection).
struct Handshake: Sendable {
    /// The protocol's versions that this code speaks.
    static let versions: ClosedRange<UInt16> = 1...1

    enum State: Sendable {
        case awaitingHello
        case awaitingChallenge
        case awaitingProof
        case awaitingWelcome
        case proven
    }

    enum Result: Sendable {
        case send(PeerFrame)
        /// Send this, and the other end is proven.
        case proven(PeerFrame?)
        case refuse(PeerFrame.Refusal, LinkCloseReason, String)
        case unexpected
    }

    private(set) var state: State
    /// What only the two ends of this channel have, where there is a channel that gives such (TLS): a proof that was
    /// relayed from another channel is then no proof. Empty otherwise.
    var binding: [UInt8] = []
    private var diallerNonce: [UInt8] = []
    private var acceptorNonce: [UInt8] = []
    private var offered: ClosedRange<UInt16> = Handshake.versions
    private(set) var version: UInt16 = 0

    /// The dialler's side and the frame that it begins with.
    static func dialling(nonce: [UInt8]) -> (Handshake, PeerFrame) {
        var handshake = Handshake(state: .awaitingChallenge)
        handshake.diallerNonce = nonce
        return (handshake, .hello(versions: versions, nonce: nonce))
    }

    static func accepting() -> Handshake { Handshake(state: .awaitingHello) }

    private init(state: State) { self.state = state }

    var isProven: Bool { state == .proven }

    /// The next frame of the other end. `nonce` is used by the acceptor.
    mutating func handle(
        _ frame: PeerFrame, nonce: @autoclosure () -> [UInt8], secret: [UInt8], cryptography: Cryptography
    ) -> Result {
        switch (state, frame) {
        case (.awaitingHello, .hello(let versions, let peerNonce)):
            let common = versions.clamped(to: Self.versions)
            guard common.overlaps(versions), common.overlaps(Self.versions) else {
                let text = "this server speaks versions \(Self.versions.lowerBound) to \(Self.versions.upperBound)"
                return .refuse(.version, .versionMismatch, text)
            }
            (offered, version) = (versions, common.upperBound)
            (diallerNonce, acceptorNonce) = (peerNonce, nonce())
            state = .awaitingProof
            return .send(.challenge(version: version, nonce: acceptorNonce))
        case (.awaitingChallenge, .challenge(let chosen, let peerNonce)):
            guard Self.versions.contains(chosen) else {
                return .refuse(.version, .versionMismatch, "version \(chosen) was not offered")
            }
            (version, acceptorNonce) = (chosen, peerNonce)
            state = .awaitingWelcome
            return .send(.proof(proof("dialler", secret, cryptography)))
        case (.awaitingProof, .proof(let mac)):
            guard Self.areEqual(mac, proof("dialler", secret, cryptography)) else {
                return .refuse(.wrongSecret, .wrongSecret, "the network's secret is another one")
            }
            state = .proven
            return .proven(.welcome(proof("acceptor", secret, cryptography)))
        case (.awaitingWelcome, .welcome(let mac)):
            guard Self.areEqual(mac, proof("acceptor", secret, cryptography)) else {
                return .refuse(.wrongSecret, .wrongSecret, "the network's secret is another one")
            }
            state = .proven
            return .proven(nil)
        default:
            return .unexpected
        }
    }

    private func proof(_ role: String, _ secret: [UInt8], _ cryptography: Cryptography) -> [UInt8] {
        var message = Array("pando link \(role) \(offered.lowerBound) \(offered.upperBound) \(version)\0".utf8)
        message.append(contentsOf: diallerNonce)
        message.append(contentsOf: acceptorNonce)
        message.append(contentsOf: binding)
        return cryptography.hmac(secret, message)
    }

    /// Compares in a time that depends on the length alone, so that a proof cannot be guessed byte by byte.
    static func areEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        guard left.count == right.count else { return false }
        var difference: UInt8 = 0
        for index in left.indices { difference |= left[index] ^ right[index] }
        return difference == 0
    }
}
