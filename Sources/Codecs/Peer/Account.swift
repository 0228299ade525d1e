/// All that is known of a name: who registered it, with which secret now, and that it was removed. It is state: parts
/// of it are merged in any order, any number of times, with the same end everywhere.
///
/// - Of two claims the smaller one counts.
/// - Of two secrets of one claim the one with the greater revision counts.
/// - Claims up to `removed` are gone for good; a later one may have the name.
public struct Account: Hashable, Sendable {
    public var name: [UInt8]
    /// Nil if the name is nobody's.
    public var claim: Claim?
    /// When and where the claim got its present secret; nil if that is the one with which it was registered.
    public var revision: ClaimID?
    /// Claims with this identifier or a smaller one were removed.
    public var removed: ClaimID?

    public init(name: [UInt8], claim: Claim? = nil, revision: ClaimID? = nil, removed: ClaimID? = nil) {
        self.name = name
        self.claim = claim
        self.revision = revision
        self.removed = removed
    }

    /// A name of which nothing is known but who registered it.
    public init(_ claim: Claim) { self.init(name: claim.name, claim: claim) }

    private static let flagClaim: UInt8 = 1
    private static let flagRevision: UInt8 = 2
    private static let flagRemoved: UInt8 = 4

    /// Bytes of the shortest account on the wire.
    static let sizeMin = 1 + 2 + 1

    public func encode(into bytes: inout [UInt8]) {
        bytes.append(
            (claim == nil ? 0 : Self.flagClaim) | (revision == nil ? 0 : Self.flagRevision)
                | (removed == nil ? 0 : Self.flagRemoved))
        bytes.appendShort(name)
        claim?.encode(into: &bytes)
        revision?.encode(into: &bytes)
        removed?.encode(into: &bytes)
    }

    public init(from reader: inout WireReader) throws(FrameFault) {
        let flags: UInt8 = try reader.integer()
        guard flags & ~(Self.flagClaim | Self.flagRevision | Self.flagRemoved) == 0 else {
            throw .invalidValue(field: "account flags", value: UInt64(flags))
        }
        name = try reader.short("user name", limit: Claim.Limit.userNameBytes)
        guard !name.isEmpty else { throw .invalidValue(field: "user name length", value: 0) }
        claim = flags & Self.flagClaim != 0 ? try Claim(from: &reader) : nil
        revision = flags & Self.flagRevision != 0 ? try ClaimID(from: &reader) : nil
        removed = flags & Self.flagRemoved != 0 ? try ClaimID(from: &reader) : nil
        guard claim?.name ?? name == name else {
            throw .invalidValue(field: "user name", value: UInt64(name.count))
        }
        guard revision == nil || claim != nil else { throw .invalidValue(field: "revision", value: UInt64(flags)) }
    }
}
