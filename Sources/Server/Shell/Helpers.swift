/// What may not be done on the reactor's thread. Three pools, so that a slow name server delays no login and a slow
/// disk neither.
internal import Codecs
internal import Node
internal import Reactor

/// The threads beside the reactor's, and what they bring back.
struct Helpers {
    let hashes: HelperPool<HashResult>
    let names: HelperPool<NameResult>
    /// Nil if there is nothing to read or write.
    let files: HelperPool<FileResult>?

    /// Names looked up at the same time. The overlay dials a handful of servers; a silent name server takes ten
    /// seconds.
    private static let nameThreads = 2
    private static let nameLimit = 64
    /// One file being read or written, one waiting.
    private static let fileLimit = 2

    init(hashThreads: Int, hashLimit: Int, usesFiles: Bool, waker: Waker) throws(SystemError) {
        hashes = try HelperPool(threads: hashThreads, limit: hashLimit, waker: waker)
        names = try HelperPool(threads: Self.nameThreads, limit: Self.nameLimit, waker: waker)
        files = usesFiles ? try HelperPool(threads: 1, limit: Self.fileLimit, waker: waker) : nil
    }
}

/// A hashed secret.
struct HashResult: Sendable {
    let id: HashID
    /// Nil if OpenSSL refused.
    let digest: [UInt8]?

    /// Hashes. Slow by intent: 3 ms at cost 10, twice that for each step.
    init(id: HashID, secret: [UInt8], salt: [UInt8], cost: UInt8) {
        self.id = id
        guard (1...Claim.Limit.cost).contains(cost) else {
            digest = nil
            return
        }
        digest = try? Crypto.scrypt(
            secret: secret, salt: salt, n: 1 << UInt64(cost), r: 8, p: 1, length: Claim.Limit.digestBytes)
    }
}

/// A name that was looked up for a dial.
struct NameResult: Sendable {
    let id: DialID
    let target: PeerAddress
    let resolution: Resolution
}

/// What was done with files.
enum FileResult: Sendable {
    /// A document was written, or why not.
    case statistics(SystemError?)
    case reload(Reloaded)
}
