/// The frames' bytes. `encode` and `decode` are each other's inverse, field by field in the same order.
extension PeerFrame {
    public func encode(into bytes: inout [UInt8]) {
        let start = bytes.count
        bytes.append(contentsOf: [0, 0, 0, 0, kind.rawValue])
        encodeBody(into: &bytes)
        bytes.storeInteger(UInt32(bytes.count - start - 4), at: start)
    }

    /// The length of the frame at the start of `bytes` (its header included) and its type, or nil as long as the
    /// header is not complete. The frame itself may still be incomplete.
    public static func header(of bytes: Span<UInt8>, at offset: Int, limit: Int) throws(FrameFault) -> Header? {
        guard bytes.count - offset >= Limit.headerBytes else { return nil }
        var length: UInt32 = 0
        for index in 0..<4 { length |= UInt32(bytes[offset + index]) << UInt32(8 * index) }
        guard length >= 1 else { throw .truncated }
        guard Int(length) <= limit else {
            throw .tooLong(bytes: UInt64(length), limit: UInt64(limit))
        }
        return Header(size: Int(length) + 4, kind: bytes[offset + 4])
    }

    public struct Header: Sendable {
        /// Bytes of the whole frame.
        public var size: Int
        /// Raw: an unknown type is skipped, so that a newer server may say more.
        public var kind: UInt8
    }

    /// Decodes the body of a frame of any kind but `records`.
    public static func decode(_ kind: Kind, body: [UInt8]) throws(FrameFault) -> PeerFrame {
        var reader = WireReader(body)
        let frame = try decodeBody(kind, from: &reader)
        try reader.finish()
        return frame
    }

    var kind: Kind {
        switch self {
        case .hello: .hello
        case .challenge: .challenge
        case .proof: .proof
        case .welcome: .welcome
        case .refusal: .refusal
        case .introduction: .introduction
        case .level: .level
        case .claims: .claims
        case .members: .members
        case .stateEnd: .stateEnd
        case .gap: .gap
        case .have: .have
        case .haveSince: .haveSince
        case .prune: .prune
        case .graft: .graft
        case .announcement: .announcement
        case .unicast: .unicast
        case .credit: .credit
        case .heartbeat: .heartbeat
        case .want: .want
        case .bye: .bye
        case .accounts: .accounts
        }
    }

    private func encodeBody(into bytes: inout [UInt8]) {
        switch self {
        case .hello(let versions, let nonce):
            bytes.appendInteger(versions.lowerBound)
            bytes.appendInteger(versions.upperBound)
            bytes.append(contentsOf: nonce)
        case .challenge(let version, let nonce):
            bytes.appendInteger(version)
            bytes.append(contentsOf: nonce)
        case .proof(let mac), .welcome(let mac): bytes.append(contentsOf: mac)
        case .refusal(let reason, let text):
            bytes.append(reason.rawValue)
            bytes.append(contentsOf: text.utf8.prefix(Limit.textBytes))
        case .introduction(let introduction): introduction.encode(into: &bytes)
        case .level(let level): level.encode(into: &bytes)
        case .claims(let claims):
            bytes.appendInteger(UInt32(claims.count))
            for claim in claims { claim.encode(into: &bytes) }
        case .members(let reachable, let unreachable):
            for members in [reachable, unreachable] {
                bytes.appendInteger(UInt32(members.count))
                for member in members { member.encode(into: &bytes) }
            }
        case .gap(let position):
            bytes.appendServerID(position.origin)
            bytes.appendInteger(position.seq)
        case .haveSince(let digests): bytes.appendDigests(digests, withAges: true)
        case .have(let digests), .graft(let digests): bytes.appendDigests(digests)
        case .prune(let origin): bytes.appendServerID(origin)
        case .announcement(let announcement): announcement.encode(into: &bytes)
        case .unicast(let unicast): unicast.encode(into: &bytes)
        case .credit(let consumed): bytes.appendInteger(consumed)
        case .want(let isWanted): bytes.appendBoolean(isWanted)
        case .bye(let reason): bytes.append(reason.rawValue)
        case .accounts(let accounts):
            bytes.appendInteger(UInt32(accounts.count))
            for account in accounts { account.encode(into: &bytes) }
        case .stateEnd, .heartbeat: break
        }
    }

    private static func decodeBody(_ kind: Kind, from reader: inout WireReader) throws(FrameFault) -> PeerFrame {
        switch kind {
        case .hello:
            let lowest: UInt16 = try reader.integer()
            let highest: UInt16 = try reader.integer()
            guard lowest <= highest else { throw .invalidValue(field: "version range", value: UInt64(lowest)) }
            let nonce = try reader.fixed(Limit.nonceBytes)
            // Both ends must understand it before they know each other's versions: a newer server may say more here.
            _ = reader.rest()
            return .hello(versions: lowest...highest, nonce: nonce)
        case .challenge:
            let version: UInt16 = try reader.integer()
            return .challenge(version: version, nonce: try reader.fixed(Limit.nonceBytes))
        case .proof: return .proof(try reader.fixed(Limit.macBytes))
        case .welcome: return .welcome(try reader.fixed(Limit.macBytes))
        case .refusal:
            let reason = try Refusal(from: &reader)
            let text = reader.rest().prefix(Limit.textBytes)
            // A peer's text goes to a log: only what a terminal shows as it is.
            return .refusal(reason, text: String(decoding: text.filter { (0x20..<0x7F).contains($0) }, as: UTF8.self))
        case .introduction: return .introduction(try Introduction(from: &reader))
        case .level: return .level(try Level(from: &reader))
        case .claims:
            var claims: [Claim] = []
            for _ in 0..<(try reader.count("claims", entrySize: Claim.sizeMin)) {
                claims.append(try Claim(from: &reader))
            }
            return .claims(claims)
        case .members:
            let reachable = try announcements(from: &reader)
            return .members(reachable, unreachable: try announcements(from: &reader))
        case .stateEnd: return .stateEnd
        case .gap:
            let origin = try reader.serverID()
            return .gap(StreamPosition(origin: origin, seq: try reader.integer()))
        case .have: return .have(try reader.digests("digests"))
        case .haveSince: return .haveSince(try reader.digests("digests", withAges: true))
        case .prune: return .prune(try reader.serverID())
        case .graft: return .graft(try reader.digests("grafts"))
        case .announcement: return .announcement(try Announcement(from: &reader))
        case .unicast: return .unicast(try Unicast(from: &reader))
        case .credit: return .credit(consumed: try reader.integer())
        case .heartbeat: return .heartbeat
        case .want: return .want(try reader.boolean("wanted"))
        case .bye: return .bye(try Refusal(from: &reader))
        case .accounts:
            var accounts: [Account] = []
            for _ in 0..<(try reader.count("accounts", entrySize: Account.sizeMin)) {
                accounts.append(try Account(from: &reader))
            }
            return .accounts(accounts)
        case .records: throw .invalidValue(field: "frame type", value: UInt64(kind.rawValue))
        }
    }

    private static func announcements(from reader: inout WireReader) throws(FrameFault) -> [Announcement] {
        var announcements: [Announcement] = []
        for _ in 0..<(try reader.count("members", entrySize: Announcement.sizeMin)) {
            announcements.append(try Announcement(from: &reader))
        }
        return announcements
    }
}

extension [UInt8] {
    /// The header of a frame whose body follows.
    public mutating func appendHeader(of kind: PeerFrame.Kind, bodyBytes: Int) {
        appendInteger(UInt32(bodyBytes + 1))
        append(kind.rawValue)
    }

    fileprivate mutating func appendDigests(_ digests: [PeerFrame.Digest], withAges: Bool = false) {
        appendInteger(UInt32(digests.count))
        for digest in digests {
            appendServerID(digest.origin)
            appendInteger(digest.held)
            appendInteger(digest.announcement)
            if withAges { appendInteger(digest.age) }
        }
    }
}

extension WireReader {
    fileprivate mutating func digests(
        _ field: String, withAges: Bool = false
    ) throws(FrameFault) -> [PeerFrame.Digest] {
        var digests: [PeerFrame.Digest] = []
        for _ in 0..<(try count(field, entrySize: withAges ? 36 : 32)) {
            let origin = try serverID()
            let held: UInt64 = try integer()
            let announcement: UInt64 = try integer()
            let age: UInt32 = withAges ? try integer() : 0
            digests.append(PeerFrame.Digest(origin: origin, held: held, announcement: announcement, age: age))
        }
        return digests
    }
}

extension PeerFrame.Refusal {
    init(from reader: inout WireReader) throws(FrameFault) {
        let raw: UInt8 = try reader.integer()
        // A newer server may have more reasons; its text tells.
        self = Self(rawValue: raw) ?? .protocolError
    }
}

extension PeerFrame.Introduction {
    func encode(into bytes: inout [UInt8]) {
        bytes.appendServerID(id)
        address.encode(into: &bytes)
        bytes.appendInteger(networkTime)
        bytes.appendInteger(rank)
        bytes.appendServerID(known)
        bytes.appendInteger(knownRank)
    }

    init(from reader: inout WireReader) throws(FrameFault) {
        id = try reader.serverID()
        address = try PeerAddress(from: &reader)
        networkTime = try reader.integer()
        rank = try reader.integer()
        known = try reader.serverID()
        knownRank = try reader.integer()
    }
}

extension PeerFrame.Level {
    func encode(into bytes: inout [UInt8]) {
        registryDigest.encode(into: &bytes)
        bytes.appendInteger(UInt32(entries.count))
        for entry in entries {
            bytes.appendServerID(entry.origin)
            bytes.appendInteger(entry.held)
            bytes.appendInteger(entry.oldest)
        }
        bytes.appendDigests(ended)
    }

    init(from reader: inout WireReader) throws(FrameFault) {
        registryDigest = try RegistryDigest(from: &reader)
        entries = []
        for _ in 0..<(try reader.count("streams", entrySize: 32)) {
            let origin = try reader.serverID()
            let held: UInt64 = try reader.integer()
            let oldest: UInt64 = try reader.integer()
            // `held` counts records that were made: 2^63 of them is absurd, and sums must not overflow.
            guard held < 1 << 63, oldest <= held + 1 else { throw .invalidValue(field: "stream", value: held) }
            entries.append(Entry(origin: origin, held: held, oldest: oldest))
        }
        ended = try reader.digests("ended streams")
        for digest in ended where digest.held >= 1 << 63 {
            throw .invalidValue(field: "ended stream", value: digest.held)
        }
    }
}
