/// Answers of the admin endpoint. Each connection has one: what is simplest has the fewest states to be wrong in, and
/// nobody asks often enough to miss more.

/// How an answer begins.
enum HTTPStatus: Int, CaseIterable {
    case ok = 200
    case badRequest = 400
    case unauthorized = 401
    case forbidden = 403
    case notFound = 404
    case methodNotAllowed = 405
    case conflict = 409
    case contentTooLarge = 413
    case misdirected = 421
    case headTooLarge = 431
    case unavailable = 503
    case versionNotSupported = 505

    var phrase: String {
        switch self {
        case .ok: "OK"
        case .badRequest: "Bad Request"
        case .unauthorized: "Unauthorized"
        case .forbidden: "Forbidden"
        case .notFound: "Not Found"
        case .methodNotAllowed: "Method Not Allowed"
        case .conflict: "Conflict"
        case .contentTooLarge: "Content Too Large"
        case .misdirected: "Misdirected Request"
        case .headTooLarge: "Request Header Fields Too Large"
        case .unavailable: "Service Unavailable"
        case .versionNotSupported: "HTTP Version Not Supported"
        }
    }
}

enum HTTPAnswer {
    static let json = "application/json"
    static let text = "text/plain; charset=utf-8"
    static let html = "text/html; charset=utf-8"
    /// Prometheus' text format.
    static let metrics = "text/plain; version=0.0.4; charset=utf-8"

    /// How long the body is.
    enum Length {
        case bytes(Int)
        /// Not known yet: it comes in parts, each with its length before it.
        case parts
        /// The same for a client of HTTP/1.0: up to the end of the connection.
        case untilEnd
    }

    /// What a browser may do with a page of ours: nothing but to run it and to ask this server. Nobody may frame it,
    /// and nobody but this server learns that it was looked at.
    private static let restraints = """
        Content-Security-Policy: default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
        connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r
        Referrer-Policy: no-referrer\r
        X-Content-Type-Options: nosniff\r

        """

    /// - Parameter methods: those that the path takes, for who has asked by another one.
    static func head(
        _ status: HTTPStatus, type: String, length: Length, methods: String = "GET, HEAD"
    ) -> [UInt8] {
        var text = "HTTP/1.1 \(status.rawValue) \(status.phrase)\r\nContent-Type: \(type)\r\n"
        switch length {
        case .bytes(let count): text += "Content-Length: \(count)\r\n"
        case .parts: text += "Transfer-Encoding: chunked\r\n"
        case .untilEnd: break
        }
        if status == .unauthorized { text += "WWW-Authenticate: Basic realm=\"pando\", charset=\"UTF-8\"\r\n" }
        if status == .methodNotAllowed { text += "Allow: \(methods)\r\n" }
        text += "Cache-Control: no-store\r\n" + restraints + "Connection: close\r\n\r\n"
        return Array(text.utf8)
    }

    /// One part of a body that comes in parts. Without bytes it would be taken for the last.
    static func part(_ bytes: [UInt8]) -> [UInt8] {
        precondition(!bytes.isEmpty, "the last part has a form of its own")
        return Array((String(bytes.count, radix: 16) + "\r\n").utf8) + bytes + Array("\r\n".utf8)
    }

    static let lastPart = Array("0\r\n\r\n".utf8)
}
