import Foundation

/// A second opinion on what is JSON: Foundation's parser.
///
/// It is milder than RFC 8259 in some respects (trailing commas), so it can only say that what we accept is right.
enum JSONOracle {
    static func isValid(_ bytes: some Sequence<UInt8>) -> Bool {
        (try? JSONSerialization.jsonObject(with: Data(bytes), options: [.fragmentsAllowed])) != nil
    }
}
