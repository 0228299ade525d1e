/// Requests to the admin endpoint, as far as pages that only show something need them (RFC 9110, RFC 9112). The bytes
/// are parsed by http-parser; here is what is asked of the result.
internal import CHTTPShim

/// The head of a request. A body belongs to none that is answered.
struct HTTPRequest: Hashable {
    enum Method {
        case get, head, other
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
                method: raw.method == CHS_GET ? .get : raw.method == CHS_HEAD ? .head : .other,
                path: String(target.prefix { $0 != "?" }), host: text(raw.host, of: bytes),
                authorization: text(raw.authorization, of: bytes), hasBody: raw.has_body != 0,
                isAmbiguous: raw.is_ambiguous != 0,
                majorVersion: Int(raw.major_version), minorVersion: Int(raw.minor_version)))
    }

    private static func text(_ range: chs_range, of bytes: Span<UInt8>) -> String? {
        if range.end == 0 { return nil }
        var part: [UInt8] = []
        for index in Int(range.start)..<Int(range.end) { part.append(bytes[index]) }
        return String(decoding: part, as: UTF8.self)
    }
}
