/// Requests to the admin endpoint, as far as pages that only show something need them (RFC 9110, RFC 9112). The bytes
/// are parsed by http-parser; here is what is asked of the result.
internal import CHTTPShim

/// The head of a request.
struct HTTPRequest: Hashable {
    enum Method {
        case get, head, post, other
    }

    /// What some bytes came to.
    enum Reading: Hashable {
        case incomplete
        case malformed
        case complete(HTTPRequest)
    }

    var method: Method
    /// The path, without what stands behind a question mark.
    var path: String
    var host: String?
    var authorization: String?
    var hasBody: Bool
    /// Its bytes; 0 if the head does not say.
    var bodyBytes: Int
    /// Where it begins.
    var headBytes: Int
    /// A field that may stand once stands twice.
    var isAmbiguous: Bool
    var majorVersion: Int
    var minorVersion: Int

    static func read(_ bytes: Span<UInt8>) -> Reading {
        var raw = chs_request()
        // The span is valid during the call, which keeps nothing of it; ranges are within it.
        let parsed = unsafe bytes.withUnsafeBytes { buffer -> Int in
            guard let start = buffer.baseAddress else { return 0 }
            return unsafe chs_parse_request(start, buffer.count, &raw)
        }
        if parsed == 0 { return .incomplete }
        if parsed < 0 { return .malformed }
        let target = text(raw.target, of: bytes) ?? ""
        return .complete(
            HTTPRequest(
                method: method(raw.method),
                path: String(target.prefix { $0 != "?" }), host: text(raw.host, of: bytes),
                authorization: text(raw.authorization, of: bytes), hasBody: raw.has_body != 0,
                bodyBytes: Int(clamping: raw.content_length), headBytes: parsed,
                isAmbiguous: raw.is_ambiguous != 0,
                majorVersion: Int(raw.major_version), minorVersion: Int(raw.minor_version)))
    }

    private static func method(_ method: chs_method) -> Method {
        switch method {
        case CHS_GET: .get
        case CHS_HEAD: .head
        case CHS_POST: .post
        default: .other
        }
    }

    private static func text(_ range: chs_range, of bytes: Span<UInt8>) -> String? {
        if range.end == 0 { return nil }
        var part: [UInt8] = []
        for index in Int(range.start)..<Int(range.end) { part.append(bytes[index]) }
        return String(decoding: part, as: UTF8.self)
    }
}
