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
///
/// Both speak the highest version that both know. While the secret is being changed there are two: a server proves
/// itself by the first, and takes a proof by either.
struct Handshake: Sendable {
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
    /// By which of the secrets the two prove themselves; nil if that one is used no more.
    var secret: Int? = 0
    private var diallerNonce: [UInt8] = []
    private var acceptorNonce: [UInt8] = []
    private let versions: ClosedRange<UInt16>
    /// The dialler's versions.
    private var offered: ClosedRange<UInt16>
    /// The version that both speak; 0 as long as that is open.
    private(set) var version: UInt16 = 0

    /// The dialler's side and the frame that it begins with.
    static func dialling(
        nonce: [UInt8], versions: ClosedRange<UInt16> = PeerFrame.versions
    ) -> (Handshake, PeerFrame) {
        var handshake = Handshake(state: .awaitingChallenge, versions)
        handshake.diallerNonce = nonce
        return (handshake, .hello(versions: versions, nonce: nonce))
    }

    static func accepting(versions: ClosedRange<UInt16> = PeerFrame.versions) -> Handshake {
        Handshake(state: .awaitingHello, versions)
    }

    private init(state: State, _ versions: ClosedRange<UInt16>) {
        (self.state, self.versions, offered) = (state, versions, versions)
    }

    var isProven: Bool { state == .proven }

    /// The next frame of the other end. `nonce` is used by the acceptor.
    mutating func handle(
        _ frame: PeerFrame, nonce: @autoclosure () -> [UInt8], secrets: [[UInt8]], cryptography: Cryptography
    ) -> Result {
        switch (state, frame) {
        case (.awaitingHello, .hello(let versions, let peerNonce)):
            guard versions.overlaps(self.versions) else {
                let text = "it speaks versions \(Self.text(versions)), this server \(Self.text(self.versions))"
                return .refuse(.version, .versionMismatch, text)
            }
            (offered, version) = (versions, min(versions.upperBound, self.versions.upperBound))
            (diallerNonce, acceptorNonce) = (peerNonce, nonce())
            state = .awaitingProof
            return .send(.challenge(version: version, nonce: acceptorNonce))
        case (.awaitingChallenge, .challenge(let chosen, let peerNonce)):
            guard versions.contains(chosen) else {
                return .refuse(.version, .versionMismatch, "version \(chosen) was not offered")
            }
            (version, acceptorNonce, secret) = (chosen, peerNonce, 0)
            state = .awaitingWelcome
            return .send(.proof(proof("dialler", secrets[0], cryptography)))
        case (.awaitingProof, .proof(let mac)):
            secret = nil
            // All are tried, so that the time does not tell which it was.
            for place in secrets.indices.reversed()
            where Self.areEqual(mac, proof("dialler", secrets[place], cryptography)) { secret = place }
            return proven(secret.map { .welcome(proof("acceptor", secrets[$0], cryptography)) }, by: secret)
        case (.awaitingWelcome, .welcome(let mac)):
            let isRight = secret.map { Self.areEqual(mac, proof("acceptor", secrets[$0], cryptography)) }
            return proven(nil, by: isRight == true ? secret : nil)
        default:
            return .unexpected
        }
    }

    private mutating func proven(_ answer: PeerFrame?, by secret: Int?) -> Result {
        guard secret != nil else {
            return .refuse(.wrongSecret, .wrongSecret, "the network's secret is another one")
        }
        state = .proven
        return .proven(answer)
    }

    private static func text(_ versions: ClosedRange<UInt16>) -> String {
        "\(versions.lowerBound) to \(versions.upperBound)"
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
