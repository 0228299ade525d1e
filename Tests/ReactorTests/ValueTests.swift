import Testing

@testable import Reactor

@Suite struct ValueTests {
    @Test func addressesAreParsedAndPrinted() throws {
        let four = try #require(SocketAddress("1.2.3.4:80"))
        #expect(four.description == "1.2.3.4:80")
        #expect(four.ipBytes == [1, 2, 3, 4] && four.port == 80 && four.family == .ipv4 && !four.isLoopback)
        let six = try #require(SocketAddress("[fe80::1]:65535"))
        #expect(six.description == "[fe80::1]:65535")
        #expect(six.ipBytes.count == 16 && six.family == .ipv6)
        #expect(SocketAddress(ipBytes: six.ipBytes, port: 65_535) == six)
        #expect(SocketAddress("[::1]:1")?.isLoopback == true)
        #expect(SocketAddress("127.9.9.9:1")?.isLoopback == true)
        #expect(SocketAddress(ip: "::ffff:127.0.0.1", port: 1) == .loopback(port: 1))
        #expect(SocketAddress(ip: "0.0.0.0", port: 1)?.isUnspecified == true)
    }

    @Test(arguments: [
        "", ":", "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536", "1.2.3:80", "::1:80", "[::1:80", "name:80", "1.2.3.4:-1",
    ])
    func otherTextIsNoAddress(_ text: String) {
        #expect(SocketAddress(text) == nil)
    }

    @Test func addressesOfOneHostAreOneNetwork() throws {
        func network(_ ip: String) throws -> UInt64 { try #require(SocketAddress(ip: ip, port: 1)).network }
        #expect(try network("2001:db8:1:2::1") == network("2001:db8:1:2:ffff::9"))
        #expect(try network("2001:db8:1:2::1") != network("2001:db8:1:3::1"))
        #expect(try network("10.0.0.1") != network("10.0.0.2"))
        let all = try ["10.0.0.1", "::1", "::", "0.0.0.0", "a00:1::"].map(network)
        #expect(Set(all).count == 4, "and the two that stand for no host are the only ones alike")
        #expect(!all.contains(0))
    }

    @Test func idsKeepTheirParts() {
        let id = ConnectionID(slot: 7, generation: 9)
        #expect(ConnectionID(rawValue: id.rawValue) == id)
        #expect(id.rawValue == 9 << 32 | 7)
        #expect(id.description == "7.9")
    }

    @Test func errorsNameCallAndCause() {
        #expect(
            SystemError(code: 98, call: "bind 127.0.0.1:1").description == "bind 127.0.0.1:1: Address already in use")
    }

    @Test func randomBytesDiffer() {
        #expect(SystemRandom.bytes(0).isEmpty)
        #expect(SystemRandom.bytes(16) != SystemRandom.bytes(16))
        #expect(SystemRandom.word() != SystemRandom.word())
    }

    // RFC 4231, test cases 1 and 2.
    @Test func hmacMatchesTheStandard() throws {
        let first = try Crypto.hmacSHA256(key: [UInt8](repeating: 0x0B, count: 20), message: Array("Hi There".utf8))
        #expect(hex(first) == "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7")
        let second = try Crypto.hmacSHA256(key: Array("Jefe".utf8), message: Array("what do ya want for nothing?".utf8))
        #expect(hex(second) == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
        #expect(try Crypto.hmacSHA256(key: [], message: []).count == 32)
    }

    // RFC 7914, section 12.
    @Test func scryptMatchesTheStandard() throws {
        let empty = try Crypto.scrypt(secret: [], salt: [], n: 16, r: 1, p: 1, length: 64)
        #expect(hex(empty).hasPrefix("77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"))
        let nacl = try Crypto.scrypt(
            secret: Array("password".utf8), salt: Array("NaCl".utf8), n: 1_024, r: 8, p: 16, length: 64)
        #expect(hex(nacl).hasPrefix("fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"))
        #expect(throws: CryptoError.self) { try Crypto.scrypt(secret: [1], salt: [2], n: 3, r: 8, p: 1, length: 16) }
    }

    // FIPS 180-4, "abc".
    @Test func sha256MatchesTheStandard() throws {
        let digest = try Crypto.sha256(Array("abc".utf8))
        #expect(hex(digest) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }

    @Test func comparesInConstantTime() {
        #expect(Crypto.constantTimeEqual([1, 2], [1, 2]) && Crypto.constantTimeEqual([], []))
        #expect(!Crypto.constantTimeEqual([1, 2], [1, 3]) && !Crypto.constantTimeEqual([1], [1, 2]))
        var secret: [UInt8] = [1, 2, 3]
        Crypto.wipe(&secret)
        #expect(secret == [0, 0, 0])
    }

    private func hex(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
