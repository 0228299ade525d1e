/// The admin endpoint of a server: where it is, and one request to it. HTTP/1.0 is all that this takes: the head, then
/// the body up to the end of the connection.
import Codecs
import Glibc
import TLS

struct Endpoint: Sendable {
    var isSecure = false
    var host: String
    var port: UInt16
    var token: String?
    /// The authorities that judge the server's certificate, a PEM file; nil: those of this system.
    var authority: String?
    /// For each request.
    var milliseconds = 5000

    /// A body that is longer is no answer of a server: ten thousand connections are two million bytes.
    static let bytesMax = 256 << 20

    /// `3790`, `HOST:PORT`, `[ADDRESS]:PORT`, each with or without `http://` or `https://` before it; nil for anything
    /// else.
    init?(_ text: String) {
        var rest = text[...]
        for (scheme, isSecure) in [("http://", false), ("https://", true)] where rest.hasPrefix(scheme) {
            rest = rest.dropFirst(scheme.count)
            self.isSecure = isSecure
        }
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        guard let colon = rest.lastIndex(of: ":") else {
            guard let port = UInt16(rest), port > 0, rest.first?.isNumber == true else { return nil }
            (host, self.port) = ("127.0.0.1", port)
            return
        }
        let digits = rest[rest.index(after: colon)...]
        guard let port = UInt16(digits), port > 0, digits.first?.isNumber == true else { return nil }
        var name = rest[..<colon]
        if name.hasPrefix("["), name.hasSuffix("]") {
            name = name.dropFirst().dropLast()
        } else if name.contains(":") {
            return nil
        }
        guard !name.isEmpty, !name.contains(where: { "/@?# []\r\n\0".contains($0) }) else { return nil }
        (host, self.port) = (String(name), port)
    }

    var url: String { "\(isSecure ? "https" : "http")://\(authorityPart)/" }
    private var authorityPart: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// The document at a path.
    func document(_ path: String) throws(Failure) -> JSONTree {
        let answer = try get(path)
        do throws(JSONFault) {
            return try JSONTree(answer)
        } catch {
            throw notOurs("what stands at \(path) is no JSON (\(error))")
        }
    }

    /// What stands at a path.
    func get(_ path: String) throws(Failure) -> [UInt8] {
        try ask("GET", path, [])
    }

    /// Gives a document to a path, and returns what is said about it.
    func post(_ path: String, _ document: [UInt8]) throws(Failure) -> [UInt8] {
        try ask("POST", path, document)
    }

    private func ask(_ method: String, _ path: String, _ document: [UInt8]) throws(Failure) -> [UInt8] {
        var request = "\(method) \(path) HTTP/1.0\r\nHost: \(authorityPart)\r\nUser-Agent: pandoctl\r\n"
        if let token { request += "Authorization: Bearer \(token)\r\n" }
        if !document.isEmpty { request += "Content-Length: \(document.count)\r\n" }
        var connection = try Connection(self)
        defer { connection.close() }
        let answer = try connection.exchange(Array((request + "\r\n").utf8) + document)
        return try body(of: answer, path, isChange: method == "POST")
    }

    private func body(of answer: [UInt8], _ path: String, isChange: Bool) throws(Failure) -> [UInt8] {
        let end = Array("\r\n\r\n".utf8)
        guard let length = answer.indices.first(where: { answer[$0...].starts(with: end) }) else {
            throw notOurs("the answer of \(url) is no HTTP")
        }
        let head = String(decoding: answer[..<length], as: UTF8.self)
        let words = head.prefix { $0 != "\r\n" }.split(separator: " ", maxSplits: 2)
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) else {
            throw notOurs("the answer of \(url) is no HTTP")
        }
        let body = Array(answer[(length + end.count)...])
        switch status {
        case 200: return body
        case 401:
            throw Failure(what: "\(url) wants \(token == nil ? "a token" : "another token")", advice: Self.tokenAdvice)
        case 404 where isChange: throw refusal(body, "'pandoctl users' lists those that there are")
        case 409 where isChange: throw refusal(body, "choose another one, or change its secret by 'user set-secret'")
        case 400..<600 where isChange: throw refusal(body, "nothing was changed")
        case 503: return body
        case 403: throw Failure(what: "\(url) answers under TLS only", advice: "say https:// in --admin")
        case 404: throw notOurs("there is nothing at \(path)")
        default:
            throw refusal(body, "is it a pando-server that answers \(status) \(words.count > 2 ? words[2] : "")?")
        }
    }

    /// In the words of the server.
    private func refusal(_ body: [UInt8], _ advice: String) -> Failure {
        let line = String(decoding: body.prefix(200), as: UTF8.self).split(separator: "\n").first ?? ""
        return Failure(what: "\(url) refuses: \(line.last == "." ? line.dropLast() : line)", advice: advice)
    }

    private static let tokenAdvice =
        "it is the first line of the server's --admin-token-file: name that file with --token-file or "
        + "PANDO_ADMIN_TOKEN_FILE, or give the token in PANDO_ADMIN_TOKEN"

    func notOurs(_ what: String) -> Failure {
        Failure(what: what, advice: "is \(url) the admin endpoint (--admin) of a pando-server?")
    }

    func silence(_ reason: String) -> Failure {
        Failure(
            what: "\(url) does not answer: \(reason)",
            advice: "does the server run, with --admin, and is this its address? Say another one with --admin",
            isSilence: true)
    }
}
