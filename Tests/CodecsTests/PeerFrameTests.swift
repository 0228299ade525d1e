import Testing

@testable import Codecs

/// The frames between servers: each is its own inverse, none of their decoders can be stopped by any bytes.
@Suite struct PeerFrameTests {
    private func header(of bytes: [UInt8], limit: Int = 512) throws -> PeerFrame.Header? {
        try PeerFrame.header(of: bytes.span, at: 0, limit: limit)
    }

    @Test(arguments: PeerSamples.frames)
    func `a frame is decoded as it was encoded`(frame: PeerFrame) throws {
        let bytes = PeerSamples.encoded(frame)
        let header = try #require(try header(of: bytes, limit: PeerFrame.Limit.provenBytes))
        #expect(header.size == bytes.count)
        let kind = try #require(PeerFrame.Kind(rawValue: header.kind))
        #expect(try PeerFrame.decode(kind, body: Array(bytes[5...])) == frame)
    }

    @Test func `the samples are of every kind`() {
        let kinds = Set(PeerSamples.frames.map(\.kind) + [.records])
        #expect(kinds == Set(PeerFrame.Kind.allCases))
    }

    @Test func `types have the numbers of the document`() {
        let numbers = PeerFrame.Kind.allCases.map(\.rawValue)
        #expect(numbers == Array(1...5) + Array(16...33))
        #expect(PeerFrame.Refusal.allCases.map(\.rawValue) == Array(1...9))
    }

    @Test func `hello is the versions and a nonce`() {
        let bytes = PeerSamples.encoded(.hello(versions: 1...0x0203, nonce: PeerSamples.bytes(32)))
        #expect(bytes == [37, 0, 0, 0, 1, 1, 0, 3, 2] + PeerSamples.bytes(32))
    }

    @Test func `have and graft are a count and 32 bytes a stream, with ages 36`() {
        let digest = PeerFrame.Digest(
            origin: ServerID(startStamp: 0x0102, random: 0x0304), held: 5, announcement: 0x0600, age: 0x0708)
        let stream: [UInt8] =
            [2, 1, 0, 0, 0, 0, 0, 0] + [4, 3, 0, 0, 0, 0, 0, 0] + [5, 0, 0, 0, 0, 0, 0, 0] + [0, 6, 0, 0, 0, 0, 0, 0]
        #expect(PeerSamples.encoded(.have([digest])) == [37, 0, 0, 0, 23, 1, 0, 0, 0] + stream)
        #expect(PeerSamples.encoded(.graft([digest])) == [37, 0, 0, 0, 25, 1, 0, 0, 0] + stream)
        #expect(PeerSamples.encoded(.haveSince([digest])) == [41, 0, 0, 0, 33, 1, 0, 0, 0] + stream + [8, 7, 0, 0])
    }

    @Test func `records are origin, first, count and the records as they are stored`() {
        var bytes: [UInt8] = []
        RecordsFrame.encodeHeader(
            origin: ServerID(startStamp: 1, random: 2), first: 3, count: 2, recordBytes: 13, into: &bytes)
        RecordHeader(kind: 1).encode(payloadBytes: 1, into: &bytes)
        bytes.append(0x78)
        RecordHeader(kind: 9).encode(payloadBytes: 0, into: &bytes)
        #expect(
            bytes == [42, 0, 0, 0, 21]
                + [1, 0, 0, 0, 0, 0, 0, 0] + [2, 0, 0, 0, 0, 0, 0, 0] + [3, 0, 0, 0, 0, 0, 0, 0] + [2, 0, 0, 0]
                + [3, 0, 0, 0, 1, 0, 0x78] + [2, 0, 0, 0, 9, 0])
    }

    @Test func `a frame longer than the limit or without a type is refused`() {
        #expect(throws: FrameFault.truncated) { try header(of: [0, 0, 0, 0, 1]) }
        #expect(throws: FrameFault.tooLong(bytes: 513, limit: 512)) {
            try header(of: [1, 2, 0, 0, 1])
        }
        #expect(throws: FrameFault.tooLong(bytes: 0xFFFF_FFFF, limit: 512)) {
            try header(of: [255, 255, 255, 255, 1])
        }
    }

    @Test func `every frame before the proof fits the unproven limit`() {
        let text = String(repeating: "x", count: 1000)
        let frames = PeerSamples.frames.filter { $0.kind.rawValue < 16 } + [.refusal(.version, text: text)]
        for frame in frames { #expect(PeerSamples.encoded(frame).count - 4 <= PeerFrame.Limit.unprovenBytes) }
    }

    @Test func `of a refusal's text no more reaches the log than a server may send`() throws {
        let body = [PeerFrame.Refusal.version.rawValue] + [UInt8](repeating: 0x61, count: 507)
        guard case .refusal(_, let text) = try PeerFrame.decode(.refusal, body: body) else {
            Issue.record("it is one")
            return
        }
        #expect(text.utf8.count == PeerFrame.Limit.textBytes)
    }

    @Test func `a refusal's text reaches the log as printable ASCII`() throws {
        let bytes = PeerSamples.encoded(.refusal(.version, text: "a\u{1B}[31m\nü b"))
        #expect(try PeerFrame.decode(.refusal, body: Array(bytes[5...])) == .refusal(.version, text: "a[31m b"))
    }

    @Test(arguments: PeerSamples.frames)
    func `every truncation is a fault or a shorter value`(frame: PeerFrame) {
        let body = Array(PeerSamples.encoded(frame)[5...])
        for count in body.indices {
            guard let shorter = try? PeerFrame.decode(frame.kind, body: Array(body[..<count])) else { continue }
            #expect(shorter != frame)
        }
        // A refusal's text is all that is left of it, and a hello may be longer; all others end with their last field.
        if frame.kind != .refusal, frame.kind != .hello {
            #expect(throws: FrameFault.trailingBytes(1)) { try PeerFrame.decode(frame.kind, body: body + [0x20]) }
        }
    }

    @Test(arguments: PeerSamples.frames)
    func `every change of one byte is a fault or another value`(frame: PeerFrame) throws {
        let body = Array(PeerSamples.encoded(frame)[5...])
        for index in body.indices {
            for value in 0...255 as ClosedRange<UInt8> where value != body[index] {
                var mutant = body
                mutant[index] = value
                guard let other = try? PeerFrame.decode(frame.kind, body: mutant) else { continue }
                // A refusal's text is cleaned, and reasons that are not known are one; every other value has one form
                // only.
                if frame.kind != .refusal, frame.kind != .bye, PeerSamples.encoded(other)[5...] != mutant[...] {
                    Issue.record("byte \(index) as \(value): \(other)")
                }
            }
        }
    }

    /// What two servers say before they know each other's versions can be said by newer ones than this.
    @Test func `a newer hello and a newer reason are understood`() throws {
        let hello = PeerFrame.hello(versions: 3...9, nonce: PeerSamples.bytes(32))
        let longer = Array(PeerSamples.encoded(hello)[5...]) + PeerSamples.bytes(40)
        #expect(try PeerFrame.decode(.hello, body: longer) == hello)
        #expect(
            try PeerFrame.decode(.refusal, body: [77] + Array("not today".utf8))
                == .refusal(.protocolError, text: "not today"))
        #expect(try PeerFrame.decode(.bye, body: [77]) == .bye(.protocolError))
    }

    @Test func `no random bytes stop a decoder`() {
        var generator = SplitMix64(seed: 20260401)
        let kinds = PeerFrame.Kind.allCases
        var values = 0
        for _ in 0..<200_000 {
            let bytes = PeerSamples.random(&generator)
            let kind = kinds[Int(generator.next() % UInt64(kinds.count))]
            if (try? PeerFrame.decode(kind, body: bytes)) != nil { values += 1 }
            _ = try? PeerFrame.header(of: bytes.span, at: Int(generator.next() % 8) % (bytes.count + 1), limit: 512)
            let from = Int(generator.next() % UInt64(bytes.count + 1))
            _ = try? RecordsFrame.prefix(of: bytes.span, frame: from..<bytes.count)
            _ = try? RecordHeader.recordSize(in: bytes.span, at: from)
            _ = try? RecordHeader.decode(in: bytes.span, at: from..<bytes.count)
        }
        #expect(values > 3900, "too wild to reach the inside")
    }
}

/// A value of every kind of frame, with every optional part.
enum PeerSamples {
    static func bytes(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7 + 1) } }

    static func encoded(_ frame: PeerFrame) -> [UInt8] {
        var bytes: [UInt8] = []
        frame.encode(into: &bytes)
        return bytes
    }

    static let server = ServerID(startStamp: 1_700_000_000_000, random: 0x0123_4567_89AB_CDEF)
    static let other = ServerID(startStamp: .max, random: 0)
    static let claim = Claim(
        id: ClaimID(stamp: 1_700_000_000_001, origin: server, counter: 7), name: Array("zoë".utf8), salt: bytes(16),
        cost: 10, digest: bytes(32))
    static let announcement = Announcement(
        id: server, number: 3, rank: 4, address: PeerAddress(host: "::1", port: 3780), weight: 100, load: 5,
        loadClock: 6,
        isServing: true, isLeaving: false, registryDigest: digest, neighbours: [other],
        held: [StreamPosition(origin: server, seq: 9), StreamPosition(origin: other, seq: .max)],
        ended: [StreamPosition(origin: other, seq: 2)])
    static var newer: Announcement {
        var newer = announcement
        newer.more = bytes(5)
        return newer
    }
    static var digest: RegistryDigest {
        var digest = RegistryDigest()
        digest.add(claim)
        return digest
    }

    static func unicast(_ body: Unicast.Body) -> PeerFrame {
        .unicast(Unicast(source: server, destination: other, request: 11, hopLimit: 32, body: body))
    }

    static let frames: [PeerFrame] =
        [
            .hello(versions: 1...2, nonce: bytes(32)), .challenge(version: 1, nonce: bytes(32)), .proof(bytes(32)),
            .welcome(bytes(32)), .refusal(.addressTaken, text: "taken"),
            .introduction(
                PeerFrame.Introduction(
                    id: server, address: PeerAddress(host: "a.example", port: 1), networkTime: 12, rank: 13,
                    known: other, knownRank: 14)),
            .level(
                PeerFrame.Level(
                    registryDigest: digest,
                    entries: [
                        PeerFrame.Level.Entry(origin: server, held: 5, oldest: 6),
                        PeerFrame.Level.Entry(origin: other, held: (1 << 63) - 1, oldest: 0),
                    ],
                    ended: [PeerFrame.Digest(origin: other, held: 8, announcement: 9)])),
            .claims([claim, claim]), .claims([]), .members([announcement, announcement], unreachable: [announcement]),
            .members([], unreachable: []), .stateEnd, .accounts([]),
            .accounts([
                Account(claim), Account(name: claim.name, claim: claim, revision: claim.id, removed: claim.id),
                Account(name: claim.name, removed: claim.id),
            ]),
            .gap(StreamPosition(origin: server, seq: 8)),
            .have([PeerFrame.Digest(origin: server, held: 1, announcement: 2)]),
            .haveSince([
                PeerFrame.Digest(origin: server, held: 1, announcement: 2, age: .max),
                PeerFrame.Digest(origin: other, held: .max, announcement: .max),
            ]),
            .prune(server), .graft([PeerFrame.Digest(origin: other, held: 4, announcement: 5)]),
            .announcement(announcement), .announcement(newer),
            .credit(consumed: .max), .heartbeat, .want(true), .want(false), .bye(.shutdown),
        ]
        + [
            .reserve(claim), .reserved(.busy), .release(claim.id, name: claim.name), .lookUp(name: claim.name),
            .found(nil), .found(claim),
            .requestTicket(Unicast.TicketRequest(holder: .claim(claim.id), cause: .login, sourceLoad: 9)),
            .requestTicket(
                Unicast.TicketRequest(
                    holder: .address(bytes(16)), cause: .drain, count: .max, sourceLoad: .max, sourceWeight: .max)),
            .ticket(granted: 3, load: 1, loadClock: 2),
            .handOver(
                Unicast.HandOver(
                    ticket: 7, verifier: bytes(32), floor: Floor([StreamPosition(origin: server, seq: 3)]))),
            .handOver(Unicast.HandOver(ticket: 7, verifier: nil, floor: Floor())),
            .moved(ticket: 8, after: [StreamPosition(origin: server, seq: 3)]), .noted(true), .withdraw(ticket: 9),
            .takeFloor(claim.id, number: .max), .floorTaken(.gone), .floorTaken(.alive), .floorTaken(.floor(Floor())),
            .floorTaken(.floor(Floor([StreamPosition(origin: other, seq: 2)]))),
            .listSessions(after: 7),
            .sessions(.init(entries: [], reached: Floor(), isLast: true)),
            .sessions(
                .init(
                    entries: [.init(claim: claim.id, number: 3), .init(claim: claim.id, number: .max)],
                    reached: Floor([StreamPosition(origin: other, seq: 2)]), isLast: false)),
        ].map(unicast)

    /// Random bytes; half of them begin like a real body, so that decoders come further than the first field.
    static func random(_ generator: inout SplitMix64) -> [UInt8] {
        let choice = generator.next()
        let noise = (0..<Int(choice % 80)).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
        guard choice & 1024 != 0 else { return noise }
        var body = Array(encodedSamples[Int((choice >> 16) % UInt64(encodedSamples.count))][5...])
        for _ in 0..<Int((choice >> 32) % 4) where !body.isEmpty {
            body[Int(generator.next() % UInt64(body.count))] = UInt8(truncatingIfNeeded: generator.next())
        }
        return choice & 2048 != 0 ? body : body + noise
    }

    private static let encodedSamples = frames.map(encoded)
}
