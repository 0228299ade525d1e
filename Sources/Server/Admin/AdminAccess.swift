/// Who may look: everybody on this host, or whoever has the token.
internal import Reactor

struct AdminAccess {
    enum Verdict {
        case granted
        case needsToken
        /// A name of somebody else: a browser was led here by a page that gave its own name our address.
        case foreignHost
    }

    /// Nil: none is needed.
    private let digest: [UInt8]?

    /// - Parameter token: nil only for an endpoint that nobody but this host reaches.
    init(token: String?) throws(CryptoError) {
        digest = try token.map { token throws(CryptoError) in try Crypto.sha256(Array(token.utf8)) }
    }

    /// Whoever looks has to know something.
    var hasToken: Bool { digest != nil }

    func judge(_ request: HTTPRequest) -> Verdict {
        guard let digest else {
            return request.host.map(Self.isOfThisHost) ?? true ? .granted : .foreignHost
        }
        guard let given = request.authorization.flatMap(Self.token), let other = try? Crypto.sha256(given) else {
            return .needsToken
        }
        return Crypto.constantTimeEqual(digest, other) ? .granted : .needsToken
    }

    /// Whether a request may change something, other than look: with the token, and not one that a browser keeps.
    func mayChange(_ request: HTTPRequest) -> Bool {
        guard digest != nil, judge(request) == .granted else { return false }
        return request.authorization?.split(separator: " ").first?.lowercased() == "bearer"
    }

    /// A name that no page of the network can have: `localhost`, or an address.
    static func isOfThisHost(_ host: String) -> Bool {
        var name = host[...]
        if let colon = name.lastIndex(of: ":"), name[name.index(after: colon)...].allSatisfy(\.isNumber),
            name.hasPrefix("[") ? name[..<colon].hasSuffix("]") : !name[..<colon].contains(":")
        {
            name = name[..<colon]
        }
        return name.lowercased() == "localhost" || SocketAddress(ip: String(name), port: 0) != nil
    }

    /// What an Authorization field brings: `Bearer TOKEN`, or `Basic` with any user and the token as the password, as
    /// browsers ask for it (RFC 6750, RFC 7617).
    static func token(_ field: String) -> [UInt8]? {
        let words = field.split(separator: " ", maxSplits: 1)
        guard words.count == 2 else { return nil }
        let value = words[1].drop { $0 == " " }
        switch words[0].lowercased() {
        case "bearer": return Array(value.utf8)
        case "basic":
            guard let pair = decodeBase64(value.utf8), let colon = pair.firstIndex(of: UInt8(ascii: ":")) else {
                return nil
            }
            return Array(pair[(colon + 1)...])
        default: return nil
        }
    }

    /// RFC 4648, section 4; nil for anything else.
    static func decodeBase64(_ text: some Sequence<UInt8>) -> [UInt8]? {
        var result: [UInt8] = []
        var (bits, count, padding) = (UInt32(0), 0, 0)
        for byte in text {
            if byte == UInt8(ascii: "=") {
                padding += 1
                continue
            }
            guard padding == 0, let value = sextet(byte) else { return nil }
            bits = bits << 6 | UInt32(value)
            count += 1
            // Eight bits are complete behind the second, third and fourth digit of each four.
            let left = (count * 6) % 8
            if count % 4 != 1 { result.append(UInt8(truncatingIfNeeded: bits >> UInt32(left))) }
        }
        return (count + padding).isMultiple(of: 4) && padding <= 2 ? result : nil
    }

    private static func sextet(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): byte - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0") + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
