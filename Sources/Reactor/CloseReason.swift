/// Why a connection ended. One close path, one reason, one counter each: what a statistics page shows under these names
/// is what happened.

/// Why a connection ended. The first cause wins: what happens to a connection that is already ending changes nothing.
///
/// The reactor itself gives the first ones, its user any. `String(describing:)` is the name that counters and logs
/// show.
public enum CloseReason: UInt8, CaseIterable, Sendable, BitwiseCopyable {
    // What the reactor finds.

    /// The peer reset the connection, or sent into one that it had closed.
    case reset
    /// A read failed with anything but a reset.
    case readFailed
    /// A write failed with anything but a reset.
    case writeFailed
    /// More was to be sent privately than the output limit allows.
    case outputOverflow
    /// The input limit was reached and nothing was taken from it: an endless line, for instance.
    case inputOverflow
    /// The bytes that a subscriber had still to get were overwritten in the ring.
    case slowConsumer
    /// The peer took nothing for too long, although something waited for it.
    case writeTimedOut
    /// The network lost it: retransmissions or keep-alive probes went unanswered, or a route is gone.
    case lost
    /// Nobody listens at the dialled address.
    case dialRefused
    /// No answer within the deadline of the dial.
    case dialTimedOut
    /// Any other failure of a dial: no route, network down.
    case dialFailed
    /// TLS could not be agreed upon, or broke: a certificate that is not accepted, here or there, or nonsense.
    case tlsFailed
    /// An accepted connection began with TLS and did not come to the end of the handshake in time.
    case tlsTimedOut
    /// It was the oldest of too many connections in the midst of a handshake.
    case tlsCrowdedOut
    /// It asked for more and more answers of TLS itself, and read none.
    case tlsUnread
    /// A conversation under TLS ended without saying so: somebody may have cut it.
    case tlsTruncated

    // What the user of the reactor gives.

    /// The peer ended its stream and there was nothing left to say.
    case peerEnded
    /// The conversation came to its regular end.
    case finished
    /// It did not become clear in time who speaks.
    case helloTimeout
    /// A client did not log in in time.
    case loginTimedOut
    /// A line that was begun did not come to its end in time.
    case lineTimedOut
    /// A line before the login was too long.
    case loginLineTooLong
    /// It was the oldest of too many connections that had not logged in.
    case crowdedOut
    /// There were too many connections from its address.
    case tooManyFromAddress
    /// A client came while the buffers of the others took too much memory.
    case buffersFull
    /// Its buffers were the largest when all together took far too much memory.
    case tooMuchBuffered
    /// The table is full but for what is kept for servers.
    case serverFull
    /// A link without TLS came where TLS is required.
    case plaintextRefused
    /// A client without TLS came where TLS is required.
    case plaintextClientRefused
    /// TLS was spoken where there is none.
    case tlsRefused
    /// A request at the admin endpoint, or the taking of its answer, took too long.
    case adminTimedOut
    /// This server is going down.
    case shutdown
    /// An error of ours.
    case internalError
}
