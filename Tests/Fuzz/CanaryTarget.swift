import Codecs

/// A planted bug: half of a surrogate pair in a string. Chance alone does not write `"\ud8`, but each byte of it reaches
/// code of the scanner that the one before does not: who finds it, from nothing, is guided by coverage.
enum CanaryTarget {
    static func run(_ bytes: [UInt8]) {
        do {
            try JSONScanner.validate(bytes.span)
        } catch {
            must(error.kind != .loneSurrogate, "the planted bug is found")
        }
    }
}
