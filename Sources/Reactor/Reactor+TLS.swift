/// The transport under TLS: the socket's bytes go through a session, which lies in a side table, so that a plain
/// connection pays for none of this but one comparison.
///
/// # What is easily missed
///
/// - Bytes may wait inside a session while the socket is quiet: such connections are on the list `undrained`.
/// - Reading can give rise to bytes that must be written: after each read the output is looked at.
/// - What a session has taken is not what the kernel has taken: the rest is pushed before anything else.
/// - An end of the stream without the session's own end is a cut, not an end.
internal import CEpollShim
public import TLS

/// What conversations under TLS are begun with from now on; those under way keep theirs.
public struct TLSSetup: Sendable {
    /// For links between servers, dialled or accepted; nil: they have no TLS.
    public var links: TLSContext?
    /// For clients; nil: they have no TLS.
    public var clients: TLSContext?

    public init(links: TLSContext? = nil, clients: TLSContext? = nil) {
        self.links = links
        self.clients = clients
    }

    /// Whether TLS is spoken at all; if not, its bytes are bytes like any other.
    public var isOn: Bool { links != nil || clients != nil }
}

/// How the bytes of a connection get to the network.
enum TransportKind: UInt8 {
    case plain
    /// Accepted where TLS is spoken: the first byte tells.
    case undecided
    case tls
}

extension Reactor {
    // MARK: Questions

    /// Whether a connection is under TLS with its handshake complete.
    public func isSecured(_ id: ConnectionID) -> Bool { session(of: id)?.isEstablished ?? false }

    /// Whether both ends of a connection are servers whose certificates have been accepted.
    public func isSecuredLink(_ id: ConnectionID) -> Bool { session(of: id)?.isLink ?? false }

    /// The common name in the certificate of the other end of a connection under TLS.
    public func peerName(of id: ConnectionID) -> String? { session(of: id)?.peerName }

    /// 32 bytes that only the two ends of this connection have, for what must not be relayed to another (RFC 5705); nil
    /// without TLS.
    public func exportedKey(of id: ConnectionID, label: String) -> [UInt8]? {
        guard let session = session(of: id), session.isEstablished else { return nil }
        return session.exportedKey(label: label)
    }

    /// What TLS said when it broke a connection. To be asked within `closed`; nil later, or if it did not.
    public func tlsFailure(of id: ConnectionID) -> String? { tlsFailures[id.rawValue] }

    private func session(of id: ConnectionID) -> TLSSession? {
        guard let slot = live(id), connections[slot].transport == .tls else { return nil }
        return session(slot)
    }

    private func session(_ slot: Int) -> TLSSession {
        guard let session = tlsSessions[UInt32(slot)] else { preconditionFailure("a transport of TLS has a session") }
        return session
    }

    // MARK: Beginning

    /// Puts a dial under TLS; the other end's certificate must have `name`. Returns whether that was possible.
    mutating func secureDial(_ slot: Int, name: String) -> Bool {
        do throws(TLSError) {
            // Who dials under TLS has looked whether there is any.
            guard let context = tls.links else { return false }
            tlsSessions[UInt32(slot)] = try TLSSession(dialling: name, context, isLink: true)
            connections[slot].transport = .tls
            return true
        } catch {
            tlsFailures[id(slot).rawValue] = error.description
            return false
        }
    }

    /// Connected: the dialler speaks first.
    mutating func beginHandshake(_ slot: Int) {
        guard case .failed = session(slot).handshake() else { return markDirty(slot) }
        end(slot, breakDown(slot))
    }

    /// Whether a connection is the accepting end of a conversation under TLS.
    func isAcceptedSession(_ slot: Int) -> Bool { tlsSessions[UInt32(slot)]?.isDialler == false }

    /// The first bytes of an accepted connection: a handshake of TLS begins with 0x16, nothing else does here.
    private mutating func decide(_ slot: Int, _ first: UnsafeRawBufferPointer) -> TransferResult {
        guard unsafe first[0] == 0x16, tls.isOn else {
            connections[slot].transport = .plain
            return .bytes(first.count)
        }
        do throws(TLSError) {
            let session = try TLSSession(accepting: tls.links, clients: tls.clients)
            // The receive buffer; copied.
            unsafe session.feed(first)
            session.isUndrained = true
            tlsSessions[UInt32(slot)] = session
            connections[slot].transport = .tls
            // Who has been given a shorter time for its first words has no longer one for this.
            let milliseconds = configuration.tlsHandshakeMilliseconds
            if deadlines.due(of: UInt32(slot)) ?? .max > now + UInt64(milliseconds) * 1_000_000 {
                startDeadline(slot, milliseconds, .tlsTimedOut)
            }
            makeRoomForHandshake(of: slot)
            return tlsReceive(slot)
        } catch {
            tlsFailures[id(slot).rawValue] = error.description
            return .broken(.tlsFailed)
        }
    }

    /// Handshakes are dear, and half of one costs the other end nothing. Beyond a number of them the oldest gives way:
    /// a crowd that does not go on keeps out nobody who does, unless more than that number come within the time of a
    /// handshake.
    private mutating func makeRoomForHandshake(of slot: Int) {
        handshakes.append(id(slot).rawValue)
        statistics.tlsHandshakesUnderWay += 1
        let limit = configuration.tlsHandshakesMax
        if statistics.tlsHandshakesUnderWay > limit {
            for word in handshakes {
                guard let oldest = slotOfHandshake(word) else { continue }
                end(oldest, .tlsCrowdedOut)
                break
            }
        }
        // Then half of the entries and more are of handshakes that are over.
        if handshakes.count > 2 * limit { handshakes = handshakes.filter { slotOfHandshake($0) != nil } }
    }

    private func slotOfHandshake(_ word: UInt64) -> Int? {
        guard let slot = live(ConnectionID(rawValue: word)), connections[slot].transport == .tls else { return nil }
        return session(slot).isEstablished ? nil : slot
    }

    // MARK: Reading

    /// Reads of a connection that is not plain.
    mutating func secureReceive(_ slot: Int) -> TransferResult {
        if connections[slot].transport == .tls { return tlsReceive(slot) }
        let result = plainReceive(slot)
        guard case .bytes(let count) = result else { return result }
        // Just filled.
        return unsafe decide(slot, UnsafeRawBufferPointer(start: receiveBuffer.start, count: count))
    }

    private mutating func tlsReceive(_ slot: Int) -> TransferResult {
        let session = session(slot)
        if session.failure != nil { return .broken(breakDown(slot)) }
        if !session.isUndrained {
            switch plainReceive(slot) {
            // Just filled; the session copies.
            case .bytes(let count): unsafe session.feed(.init(start: receiveBuffer.start, count: count))
            case .ended: return session.hasEnded ? .ended : .broken(truncate(slot))
            case let other: return other
            }
        }
        session.isUndrained = false
        let result = session.isEstablished ? decrypt(slot, session) : goOn(slot, session)
        // A read may want to write: a flight of the handshake, a change of keys.
        guard session.outputCount <= Self.unreadBytesMax else {
            tlsFailures[id(slot).rawValue] = "the other end asks without reading the answers"
            return .broken(.tlsUnread)
        }
        if session.outputCount > 0 {
            countSealed(slot)
            markDirty(slot)
        }
        return result
    }

    private mutating func goOn(_ slot: Int, _ session: TLSSession) -> TransferResult {
        switch session.handshake() {
        case .failed: return .broken(breakDown(slot))
        case .blocked, .ended: return .blocked
        case .bytes:
            statistics.tlsHandshakes += 1
            if !session.isDialler { statistics.tlsHandshakesUnderWay -= 1 }
            // The first bytes of the conversation may have come with the last ones of the handshake.
            leaveUndrained(slot, session)
            return .established
        }
    }

    /// Fills the receive buffer, which the socket's bytes have left already, as far as there is something.
    private mutating func decrypt(_ slot: Int, _ session: TLSSession) -> TransferResult {
        var filled = 0
        while true {
            guard filled < receiveBuffer.capacity else {
                leaveUndrained(slot, session)
                return .bytes(filled)
            }
            // The rest of the slab.
            let room = unsafe UnsafeMutableRawBufferPointer(
                start: receiveBuffer.start + filled, count: receiveBuffer.capacity - filled)
            switch unsafe session.read(into: room) {
            case .bytes(let count): filled += count
            case .blocked: return filled > 0 ? .bytes(filled) : .blocked
            // What came before is shown first.
            case .ended, .failed:
                guard filled == 0 else {
                    leaveUndrained(slot, session)
                    return .bytes(filled)
                }
                return session.hasEnded ? .ended : .broken(breakDown(slot))
            }
        }
    }

    private mutating func leaveUndrained(_ slot: Int, _ session: TLSSession) {
        session.isUndrained = true
        listUndrained(slot)
    }

    /// Makes this turn or the next look inside a session in which bytes may wait.
    mutating func listUndrained(_ slot: Int) {
        let session = session(slot)
        guard session.isUndrained, !session.isListed else { return }
        session.isListed = true
        undrained.append(id(slot).rawValue)
    }

    /// Takes a connection that was listed; nil if it has ended or wants no input now.
    mutating func takeUndrained(_ word: UInt64) -> Int? {
        guard let slot = live(ConnectionID(rawValue: word)) else { return nil }
        session(slot).isListed = false
        return session(slot).isUndrained && connections[slot].wantsInput ? slot : nil
    }

    // MARK: Breaking

    private mutating func breakDown(_ slot: Int) -> CloseReason {
        tlsFailures[id(slot).rawValue] = session(slot).failure
        return .tlsFailed
    }

    private mutating func truncate(_ slot: Int) -> CloseReason {
        let isEstablished = session(slot).isEstablished
        tlsFailures[id(slot).rawValue] =
            isEstablished ? "the connection was cut" : "the other end closed during the TLS handshake"
        return isEstablished ? .tlsTruncated : .tlsFailed
    }

    // MARK: Writing

    /// Ciphertext made before it is given to the kernel: four records for one send. More would only be copied back and
    /// forth where the kernel takes less. A guess.
    private static var sealedBytesMax: Int { 64 << 10 }

    /// What a session may have for the network while its other end is heard. What is written for the conversation never
    /// makes so much of it: only who asks for answers of TLS again and again, and does not read them.
    static var unreadBytesMax: Int { 2 * sealedBytesMax }

    /// Writes as much as the kernel takes, in whole records.
    mutating func tlsSend(_ slot: Int, _ bytes: UnsafeRawBufferPointer) -> TransferResult {
        let session = session(slot)
        guard session.isEstablished else { return .blocked }
        // Part of a share may have been sealed before: a session that failed sends nothing more.
        guard session.failure == nil else { return .failed(SystemErrno.brokenProtocol) }
        var taken = 0
        while true {
            if let failure = push(slot, session) { return .failed(failure) }
            if session.outputCount > 0 { return taken > 0 ? .sealed(taken) : .blocked }
            if taken == bytes.count { return .bytes(taken) }
            while taken < bytes.count, session.outputCount < Self.sealedBytesMax {
                // Within the caller's bytes.
                let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[taken...])
                guard case .bytes(let count) = unsafe session.write(rest) else {
                    return .failed(SystemErrno.brokenProtocol)
                }
                taken += count
            }
        }
    }

    /// The longest share that waits in a batch: one record. Beside more bytes than that a call saved should weigh
    /// little, and what is sealed for hundreds of sessions may have left the processor's caches before the kernel reads
    /// it. A guess: no other bound was measured.
    private static var batchedBytesMax: Int { 16 << 10 }

    /// All of these bytes as they are to go to the network, valid until the session is used again; nil if that is not
    /// possible now, or too much for a batch.
    func sealed(_ slot: Int, _ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        let session = session(slot)
        guard session.isEstablished, session.outputCount == 0, bytes.count <= Self.batchedBytesMax else { return nil }
        var taken = 0
        while taken < bytes.count {
            // Within the caller's bytes. A session that fails here fails again where that is told.
            let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[taken...])
            guard case .bytes(let count) = unsafe session.write(rest) else { return nil }
            taken += count
        }
        return unsafe session.output
    }

    /// The kernel has taken so many of the sealed bytes; none, if it is an error.
    func consumeSealed(_ slot: Int, _ count: Int) {
        if count > 0 { session(slot).consumeOutput(count) }
    }

    /// Gives the kernel what the session has for it. Returns the errno if that fails.
    private mutating func push(_ slot: Int, _ session: TLSSession) -> Int32? {
        while session.outputCount > 0 {
            // OpenSSL's buffer stays during the send.
            switch unsafe plainSend(slot, session.output) {
            case .bytes(let count): session.consumeOutput(count)
            case .failed(let code): return code
            default: return nil
            }
        }
        return nil
    }

    enum PushResult {
        case done
        /// The kernel takes no more now.
        case blocked
        case failed(Int32)
    }

    /// What must be written before anything else, if the transport has such bytes.
    mutating func pushTransport(_ slot: Int) -> PushResult {
        guard connections[slot].transport == .tls else { return .done }
        let session = session(slot)
        if let failure = push(slot, session) { return .failed(failure) }
        return session.outputCount == 0 ? .done : .blocked
    }

    /// Whether bytes of the conversation can be written yet.
    func isTransportReady(_ slot: Int) -> Bool {
        connections[slot].transport != .tls || session(slot).isEstablished
    }

    /// A connection under TLS ends: our reason or our goodbye goes out, as far as the kernel takes it now.
    mutating func endTransport(_ slot: Int) {
        let session = session(slot)
        if !session.isDialler, !session.isEstablished { statistics.tlsHandshakesUnderWay -= 1 }
        session.end()
        _ = push(slot, session)
    }

    /// Says the end of the stream in the session's own words. What is not taken at once has to be pushed.
    mutating func endSession(_ slot: Int) {
        if connections[slot].transport == .tls { session(slot).end() }
    }

    /// What is sealed and waits is memory like that of other buffers. After each change that outlasts a flush.
    mutating func countSealed(_ slot: Int) {
        guard connections[slot].transport == .tls else { return }
        let session = session(slot)
        statistics.bufferBytes += session.outputCount - session.countedOutput
        session.countedOutput = session.outputCount
    }

    /// The connection is over, and with it its session.
    mutating func releaseSession(_ slot: Int) {
        guard connections[slot].transport == .tls else { return }
        statistics.bufferBytes -= session(slot).countedOutput
        tlsSessions[UInt32(slot)] = nil
    }

    /// Bytes that the session has taken and the kernel has not.
    func sealedBytes(_ slot: Int) -> Int { connections[slot].transport == .tls ? session(slot).outputCount : 0 }
}
