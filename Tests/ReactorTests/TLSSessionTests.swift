import Glibc
import TLS
import Testing

/// Two ends of a conversation without a network between them: what the one says is given to the other.
private final class Conversation {
    let dialler: TLSSession
    let acceptor: TLSSession

    init(_ dialler: TLSSession, _ acceptor: TLSSession) {
        self.dialler = dialler
        self.acceptor = acceptor
    }

    /// Until nobody has anything to say; what was read from each.
    @discardableResult
    func run() -> (dialler: [UInt8], acceptor: [UInt8]) {
        var read: (dialler: [UInt8], acceptor: [UInt8]) = ([], [])
        for _ in 0..<50 {
            read.dialler += Self.step(dialler)
            Self.carry(dialler, acceptor)
            read.acceptor += Self.step(acceptor)
            Self.carry(acceptor, dialler)
        }
        return read
    }

    private static func step(_ session: TLSSession) -> [UInt8] {
        if session.failure != nil { return [] }
        guard session.isEstablished else {
            _ = session.handshake()
            return []
        }
        var read: [UInt8] = []
        var room = [UInt8](repeating: 0, count: 1000)
        while case .bytes(let count) = room.withUnsafeMutableBytes({ session.read(into: $0) }) {
            read += room[..<count]
        }
        return read
    }

    private static func carry(_ from: TLSSession, _ to: TLSSession) {
        to.feed(from.output)
        from.consumeOutput(from.outputCount)
    }

    var isEstablished: Bool { dialler.isEstablished && acceptor.isEstablished }
    var words: (String, String) { (dialler.failure ?? "", acceptor.failure ?? "") }
}

private func say(_ text: String, in session: TLSSession) {
    let bytes = Array(text.utf8)
    guard case .bytes(bytes.count) = bytes.withUnsafeBytes({ session.write($0) }) else {
        Issue.record("not taken: \(session.failure ?? "")")
        return
    }
}

private func link(
    from dialler: TLSContext, to links: TLSContext?, clients: TLSContext? = nil, name: String = "red"
) throws -> Conversation {
    let conversation = Conversation(
        try TLSSession(dialling: name, dialler, isLink: true), try TLSSession(accepting: links, clients: clients))
    conversation.run()
    return conversation
}

private func visit(
    _ clients: TLSContext?, links: TLSContext? = nil, by context: TLSContext? = nil, name: String? = "red"
) throws -> Conversation {
    let conversation = Conversation(
        try TLSSession(
            dialling: name, try context ?? TLSContext(client: try Certificates.path("one/ca.pem")), isLink: false),
        try TLSSession(accepting: links, clients: clients))
    conversation.run()
    return conversation
}

@Suite struct TLSSessionTests {
    // MARK: Who comes

    @Test func aServerAndAClientAreToldApart() throws {
        let (links, clients) = (
            try Certificates.context("one/red"), try TLSContext(server: try Certificates.identity("one/red"))
        )
        let link = try link(from: try Certificates.context("one/blue"), to: links, clients: clients)
        #expect(link.isEstablished && link.dialler.isLink && link.acceptor.isLink)
        #expect(link.acceptor.peerName == "blue")
        let visit = try visit(clients, links: links)
        #expect(visit.isEstablished && !visit.dialler.isLink && !visit.acceptor.isLink)
        #expect(visit.acceptor.peerName == nil && visit.dialler.peerName == "red")
    }

    @Test func clientsMayBeShownAnotherCertificate() throws {
        let links = try Certificates.context("one/red")
        let clients = try TLSContext(server: try Certificates.identity("two/blue"))
        let visit = try visit(
            clients, links: links, by: try TLSContext(client: try Certificates.path("two/ca.pem")), name: "blue")
        #expect(visit.isEstablished && visit.dialler.peerName == "blue", "\(visit.words)")
        let link = try link(from: try Certificates.context("one/blue"), to: links, clients: clients)
        #expect(link.dialler.isLink && link.dialler.peerName == "red", "\(link.words)")
    }

    @Test func whoComesForWhatIsNotThereIsRefused() throws {
        let clients = try TLSContext(server: try Certificates.identity("one/red"))
        let link = try link(from: try Certificates.context("one/blue"), to: nil, clients: clients)
        #expect(link.words.0 == "the other end refuses: tlsv1 alert no application protocol")
        #expect(link.words.1 == "a server comes under TLS, and links have none here")
        let visit = try visit(nil, links: try Certificates.context("one/red"))
        #expect(visit.words.0 == "the other end refuses: tlsv1 alert access denied")
        #expect(visit.words.1 == "a client comes under TLS, and clients have none here")
    }

    /// Who says that it is a server must show it: being let in as a client is no way round.
    @Test func aLinkWithoutACertificateIsRefused() throws {
        let clients = try TLSContext(server: try Certificates.identity("one/red"))
        let impostor = Conversation(
            try TLSSession(dialling: nil, try TLSContext(credulous: ()), isLink: true),
            try TLSSession(accepting: try Certificates.context("one/red"), clients: clients))
        impostor.run()
        #expect(!impostor.acceptor.isEstablished && !impostor.acceptor.isLink)
        #expect(impostor.words.1 == "peer did not return a certificate", "\(impostor.words)")
    }

    // MARK: Clients

    @Test func aClientJudgesTheServer() throws {
        let clients = try TLSContext(server: try Certificates.identity("one/red"))
        let foreign = try visit(clients, by: try TLSContext(client: try Certificates.path("two/ca.pem")))
        #expect(foreign.words.0.contains("not accepted") && foreign.words.1.contains("unknown ca"), "\(foreign.words)")
        let unknown = try visit(clients, by: try TLSContext(client: nil))
        #expect(unknown.words.0.contains("not accepted"), "\(unknown.words)")
        let elsewhere = try visit(clients, name: "green")
        #expect(elsewhere.words.0.contains("mismatch"), "\(elsewhere.words)")
        let old = try visit(try TLSContext(server: try Certificates.identity("one/old")), name: "old")
        #expect(old.words.0.contains("expired"), "\(old.words)")
        #expect(try visit(clients, by: try TLSContext(credulous: ()), name: nil).isEstablished)
    }

    // MARK: Revoked and pinned

    @Test func aRevokedCertificateIsRefused() throws {
        let strict = try Certificates.context("one/red", revocations: "one/revoked.pem")
        let gone = try link(from: try Certificates.context("one/gone"), to: strict)
        #expect(gone.words.1 == "the certificate of the other end is not accepted: certificate revoked")
        #expect(gone.words.0 == "the other end refuses: sslv3 alert certificate revoked")
        #expect(try link(from: try Certificates.context("one/blue"), to: strict).isEstablished)
        #expect(
            try link(from: try Certificates.context("one/gone"), to: try Certificates.context("one/red")).isEstablished)
        // The dialling end looks as well.
        let dialled = try link(
            from: try Certificates.context("one/blue", revocations: "one/revoked.pem"),
            to: try Certificates.context("one/gone"), name: "gone")
        #expect(dialled.words.0.contains("certificate revoked"), "\(dialled.words)")
    }

    @Test(arguments: [(["blue"], true), (["green", "blue"], true), (["127.0.0.1"], true), (["green", "blu"], false)])
    func aPinnedNameMustBeThere(_ pins: [String], isAccepted: Bool) throws {
        let there = try link(
            from: try Certificates.context("one/blue"), to: try Certificates.context("one/red", pins: pins))
        let back = try link(
            from: try Certificates.context("one/red", pins: pins), to: try Certificates.context("one/blue"),
            name: "blue")
        #expect(there.isEstablished == isAccepted && back.isEstablished == isAccepted)
        if isAccepted { return }
        let words = "the certificate of the other end is not accepted: it has none of the pinned names"
        #expect(there.words.1 == words && back.words.0 == words)
        #expect(there.words.0.contains("the other end refuses") && back.words.1.contains("the other end refuses"))
    }

    // MARK: OpenSSL's traps

    /// A call that fails leaves its errors in a queue of the thread, and OpenSSL blames the next one for them.
    @Test func errorsOfOthersAreNotOurs() throws {
        func leaveAnError() throws {
            typealias Open = @convention(c) (UnsafePointer<CChar>, UnsafePointer<CChar>) -> OpaquePointer?
            typealias Peek = @convention(c) () -> CUnsignedLong
            let (open, peek) = (try #require(dlsym(nil, "BIO_new_file")), try #require(dlsym(nil, "ERR_peek_error")))
            #expect(unsafeBitCast(open, to: Open.self)("/nowhere/at/all", "r") == nil)
            #expect(unsafeBitCast(peek, to: Peek.self)() != 0, "there is an error in the queue")
        }
        let conversation = Conversation(
            try TLSSession(dialling: "red", try Certificates.context("one/blue"), isLink: true),
            try TLSSession(accepting: try Certificates.context("one/red"), clients: nil))
        for session in [conversation.dialler, conversation.acceptor] {
            try leaveAnError()
            if case .failed = session.handshake() { Issue.record("\(session.failure ?? "")") }
        }
        conversation.run()
        #expect(conversation.isEstablished)
        var room = [UInt8](repeating: 0, count: 10)
        try leaveAnError()
        if case .failed = room.withUnsafeMutableBytes({ conversation.acceptor.read(into: $0) }) {
            Issue.record("\(conversation.acceptor.failure ?? "")")
        }
        try leaveAnError()
        say("hello", in: conversation.dialler)
        #expect(conversation.run().acceptor == Array("hello".utf8))
    }

    /// A conversation keeps what it began with, whatever is begun with later.
    @Test func aContextMayGoBeforeItsConversations() throws {
        weak var gone: TLSContext?
        var conversation: Conversation?
        do {
            let context = try Certificates.context("one/red", pins: ["blue"])
            gone = context
            conversation = Conversation(
                try TLSSession(dialling: "red", try Certificates.context("one/blue"), isLink: true),
                try TLSSession(accepting: context, clients: nil))
        }
        #expect(gone != nil, "the conversation holds it")
        conversation?.run()
        #expect(conversation?.isEstablished == true)
        conversation = nil
        #expect(gone == nil)
    }

    @Test func anIdleConversationHoldsNoBytes() throws {
        let conversation = try link(from: try Certificates.context("one/blue"), to: try Certificates.context("one/red"))
        for session in [conversation.dialler, conversation.acceptor] {
            say("hello", in: session)
            #expect(session.output.baseAddress != nil)
            conversation.run()
            #expect(session.output.baseAddress == nil, "its memory is given back")
        }
    }

    // MARK: Setting up

    @Test func saysWhatIsWrongWithTheFiles() throws {
        func failure(_ certificate: String, _ key: String, _ authority: String, _ revocations: String? = nil) -> String
        {
            do throws(TLSError) {
                _ = try TLSContext(
                    links: TLSIdentity(certificate: certificate, key: key), authority: authority,
                    revocations: revocations)
                return ""
            } catch { return error.description }
        }
        let (red, blue) = (try Certificates.path("one/red"), try Certificates.path("one/blue"))
        let ca = try Certificates.path("one/ca.pem")
        #expect(failure("\(red).pem", "\(red).key", ca) == "")
        #expect(failure("\(red).pem", "\(blue).key", ca) == "\(blue).key: key values mismatch")
        #expect(failure("/nowhere.pem", "\(red).key", ca).hasPrefix("/nowhere.pem: "))
        #expect(failure("\(red).pem", "/nowhere.key", ca).hasPrefix("/nowhere.key: "))
        #expect(failure("\(red).pem", "\(red).key", "\(red).key").hasPrefix("\(red).key: "))
        #expect(failure("\(red).pem", "\(red).key", ca, "/nowhere.crl").hasPrefix("/nowhere.crl: "))
        #expect(failure("\(red).pem", "\(red).key", ca, ca).hasPrefix("\(ca): "))
    }

    @Test func knowsWhatExpiresWhen() throws {
        let fresh = try Certificates.context("one/red", revocations: "one/revoked.pem").expiries
        // Asked after they were made.
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        let now = Int64(time.tv_sec)
        #expect(fresh.map(\.kind) == [.own, .authority, .revocations])
        #expect(fresh.map(\.name) == ["red", "Pando test authority", "Pando test authority"])
        let days = fresh.map { ($0.seconds - now + 43_200) / 86_400 }
        #expect(days == [365, 3650, 30])
        let old = try Certificates.context("one/old").expiries
        #expect(old.first?.kind == .own && old[0].seconds <= now)
        #expect(try TLSContext(server: try Certificates.identity("two/blue")).expiries.map(\.name) == ["blue"])
    }
}
