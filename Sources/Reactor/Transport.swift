/// The functions through which every byte of a connection passes, and the end of its stream. Nothing else in the module
/// reads or writes a connection, so that TLS takes its place here (see `Reactor+TLS`), and nobody else notices.
internal import CEpollShim

/// What a read or a write came to.
enum TransferResult {
    /// That many bytes, more than 0.
    case bytes(Int)
    /// Writing only: that many bytes were taken, but the kernel has not got them all; readiness will tell when to go
    /// on.
    case sealed(Int)
    /// Nothing now; readiness will tell when to try again.
    case blocked
    /// Reading only: the peer has ended its stream.
    case ended
    /// Reading only: the connection is ready for its first bytes.
    case established
    /// A positive errno.
    case failed(Int32)
    /// Reading only: the transport gives the connection up.
    case broken(CloseReason)
}

extension Reactor {
    /// Reads once, into the shared receive buffer.
    mutating func transportReceive(_ slot: Int) -> TransferResult {
        connections[slot].transport == .plain ? plainReceive(slot) : secureReceive(slot)
    }

    /// Writes once. The bytes are not kept: what was not taken is to be offered again.
    @inline(__always)
    mutating func transportSend(_ slot: Int, _ bytes: UnsafeRawBufferPointer) -> TransferResult {
        connections[slot].transport == .tls ? unsafe tlsSend(slot, bytes) : unsafe plainSend(slot, bytes)
    }

    /// Ends our side of the stream, after the last byte. Returns whether that is done; if not, writability is to be
    /// waited for.
    mutating func transportEnd(_ slot: Int) -> Bool {
        endSession(slot)
        if case .blocked = pushTransport(slot) { return false }
        // It fails only if the peer is gone; reading finds that as well.
        _ = ces_shutdown_write(connections[slot].fd)
        return true
    }

    mutating func plainReceive(_ slot: Int) -> TransferResult {
        while true {
            // The slab is as large as it says and lives as long as the reactor.
            let start = unsafe receiveBuffer.start
            let result = unsafe ces_receive(connections[slot].fd, start, receiveBuffer.capacity)
            if result > 0 {
                statistics.receives += 1
                statistics.bytesReceived += UInt64(result)
                return .bytes(result)
            }
            if result == 0 { return .ended }
            let code = Int32(-result)
            if code == SystemErrno.interrupted { continue }
            return code == SystemErrno.wouldBlock ? .blocked : .failed(code)
        }
    }

    @inline(__always)
    mutating func plainSend(_ slot: Int, _ bytes: UnsafeRawBufferPointer) -> TransferResult {
        guard let start = bytes.baseAddress else { return .blocked }
        while true {
            // The caller's range is valid during the call.
            let result = unsafe ces_send(connections[slot].fd, start, bytes.count)
            if result >= 0 {
                statistics.sends += 1
                statistics.bytesSent += UInt64(result)
                return .bytes(result)
            }
            let code = Int32(-result)
            if code == SystemErrno.interrupted { continue }
            return code == SystemErrno.wouldBlock ? .blocked : .failed(code)
        }
    }
}
