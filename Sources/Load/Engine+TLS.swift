// The bytes of a client: plain, or under TLS. Nothing else in the engine reads or writes a connection.

import CEpollShim
import Glibc
import TLS

/// TLS of all clients.
public struct LoadSecurity: Hashable, Sendable {
    /// Who judges the servers, a PEM file; nil: the authorities of this system.
    public var authority: String?
    /// The name that every server's certificate must have; nil: that under which it is dialled.
    public var name: String?
    /// Any server will do.
    public var isCredulous = false

    public init() {}

    func makeContext() throws(LoadFailure) -> TLSContext {
        do throws(TLSError) {
            return isCredulous ? try TLSContext(credulous: ()) : try TLSContext(client: authority)
        } catch {
            throw LoadFailure(.unavailable, "TLS cannot be set up: \(error)")
        }
    }
}

extension Engine {
    /// The socket is connected. Returns whether the client can begin to speak.
    mutating func secure(_ index: Int) -> Bool {
        guard let context, let security = plan.security else { return true }
        do throws(TLSError) {
            let host = names[Int(slots[index].place)]
            let name = security.isCredulous ? nil : security.name ?? host
            let session = try TLSSession(dialling: name, context, isLink: false)
            sessions[index] = session
            _ = session.handshake()
            push(index, session)
        } catch {
            fail(LoadFailure(.unavailable, "TLS: \(error)"))
        }
        return false
    }

    /// As `ces_receive`. A handshake that is complete by now lets the client speak.
    mutating func receive(_ index: Int, _ room: UnsafeMutableRawPointer, _ size: Int) -> Int {
        guard let session = sessions[index] else { return ces_receive(slots[index].fd, room, size) }
        // Room for the record that is being completed: what came must fit, since the socket may say nothing more.
        let got = ces_receive(slots[index].fd, room, size - Self.recordSize)
        guard got > 0 else { return got }
        session.feed(UnsafeRawBufferPointer(start: room, count: got))
        if !session.isEstablished, case .bytes = session.handshake() {
            push(index, session)
            greet(index)
        }
        let filled = session.isEstablished ? decrypt(session, room, size) : 0
        // A handshake goes on; or a change of keys is answered.
        push(index, session)
        if let words = session.failure, !session.isEstablished {
            fail(LoadFailure(.unavailable, "client \(slots[index].client): TLS: \(words)"))
        }
        if filled > 0 { return filled }
        if session.failure != nil { return -Int(EBADMSG) }
        return session.hasEnded ? 0 : -Int(EAGAIN)
    }

    /// The longest record of TLS, with its head and seal.
    private static var recordSize: Int { 17 << 10 }

    /// All that is there: what came, and at most one record that was not complete before.
    private func decrypt(_ session: TLSSession, _ room: UnsafeMutableRawPointer, _ size: Int) -> Int {
        var filled = 0
        while filled < size,
            case .bytes(let count) = session.read(into: .init(start: room + filled, count: size - filled))
        { filled += count }
        return filled
    }

    /// As `ces_send`: what the session has taken counts as taken, and goes out before anything else does.
    func transmit(_ index: Int, _ bytes: UnsafeRawPointer, _ count: Int) -> Int {
        guard let session = sessions[index] else { return ces_send(slots[index].fd, bytes, count) }
        push(index, session)
        var taken = 0
        while taken < count, session.outputCount < Self.sendSize,
            case .bytes(let more) = session.write(.init(start: bytes + taken, count: count - taken))
        { taken += more }
        push(index, session)
        return taken
    }

    /// Gives the socket what the session has for it, and asks to be told when it takes more.
    func push(_ index: Int, _ session: TLSSession) {
        while session.outputCount > 0, let start = session.output.baseAddress {
            let count = ces_send(slots[index].fd, start, session.outputCount)
            guard count > 0 else { return watch(index, CES_IN | CES_OUT) }
            session.consumeOutput(count)
        }
    }

    /// The socket takes more. Returns whether the session has nothing left for it.
    func pushRest(_ index: Int) -> Bool {
        guard let session = sessions[index] else { return true }
        push(index, session)
        return session.outputCount == 0
    }
}
