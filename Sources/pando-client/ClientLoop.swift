import Glibc
import TLS

/// The driver of a session: one poll(2) over standard input, the connection, the signal pipe and standard output.
struct ClientLoop {
    private var session: ClientSession
    /// Words for the user, other than faults, are left out.
    private let isQuiet: Bool
    private let signals: Int32
    private var dialer = Dialer()
    /// The connection, or the one that is coming about; -1: none.
    private var socket: Int32 = -1
    private var isConnecting = false
    /// What the connection carries; nil while there is none.
    private var channel: Channel?
    private let security: Security?
    /// The name of the server that is dialled, for its certificate.
    private var dialledName = ""
    /// Activities for standard output, gathered during a turn.
    private var shown: [UInt8] = []
    private var outputIsOpen = true
    private var buffer = [UInt8](repeating: 0, count: 16_384)
    private var status: ExitStatus?

    /// TLS, and how the servers are judged.
    struct Security {
        let context: TLSContext
        /// The name that the certificate of the server that was given must have, if it is another one than that of its
        /// host. Servers to which that one sends us are judged by the names that it tells.
        var name: String?
        /// Any server will do.
        var isCredulous = false
    }

    init(_ session: ClientSession, isQuiet: Bool, security: Security? = nil) {
        self.session = session
        self.security = security
        self.isQuiet = isQuiet
        Descriptor.openStandardOnes()
        signals = Interrupts.install()
    }

    /// Runs until the session ends.
    mutating func run() -> ExitStatus {
        pass(.start)
        while true {
            writeSocket()
            flushShown()
            if let status { return status }
            turn()
        }
    }

    // MARK: One turn

    private enum Source {
        case typing, connection, signal, output
    }

    private mutating func turn() {
        var entries: [pollfd] = []
        var sources: [Source] = []
        func watch(_ source: Source, _ descriptor: Int32, _ events: Int32) {
            entries.append(pollfd(fd: descriptor, events: Int16(events), revents: 0))
            sources.append(source)
        }
        watch(.signal, signals, POLLIN)
        // Asked for nothing, a pipe still reports that its reader has gone.
        if outputIsOpen { watch(.output, STDOUT_FILENO, 0) }
        if session.wantsTyping { watch(.typing, STDIN_FILENO, POLLIN) }
        if socket >= 0 { watch(.connection, socket, socketEvents) }

        // As many entries as the array has, alive during the call.
        let count = unsafe poll(&entries, nfds_t(entries.count), timeout)
        if count > 0 {
            for (entry, source) in zip(entries, sources) where entry.revents != 0 && status == nil {
                onReady(source, entry)
            }
        }
        if let deadline = session.deadline, deadline <= Self.now { pass(.timeout) }
    }

    private var socketEvents: Int32 {
        if isConnecting { return POLLOUT }
        guard let channel else { return POLLIN }
        return channel.isFull || (channel.isReady && session.hasChunk) ? POLLIN | POLLOUT : POLLIN
    }

    /// Milliseconds for poll: until the session's deadline, or without end.
    private var timeout: Int32 {
        guard let deadline = session.deadline else { return -1 }
        let now = Self.now
        return deadline > now ? Int32(clamping: deadline - now) : 0
    }

    private mutating func onReady(_ source: Source, _ entry: pollfd) {
        switch source {
        case .signal:
            // Read away, or it would be reported for ever.
            _ = Descriptor.read(signals, into: &buffer)
            pass(.interrupted)
        case .output:
            guard Self.isReaderGone(entry.revents), outputIsOpen else { return }
            outputIsOpen = false
            pass(.outputFailed(nil))
        case .typing:
            if session.wantsTyping { readTyped() }
        case .connection:
            // What came before it in this turn may have closed or exchanged it.
            guard entry.fd == socket else { return }
            if isConnecting { take(dialer.advance()) } else { onSocket(entry.revents) }
        }
    }

    /// Whether what poll(2) reports of the standard output means that nobody reads it. A pipe reports an error, a
    /// socket pair and a terminal a hang-up; each repeats it for ever.
    static func isReaderGone(_ events: Int16) -> Bool { Int32(events) & (POLLERR | POLLHUP | POLLNVAL) != 0 }

    private mutating func readTyped() {
        switch Descriptor.read(STDIN_FILENO, into: &buffer) {
        case .bytes(0), .failed: pass(.typedEnd)
        case .bytes(let count): pass(.typed(Array(buffer[..<count])))
        case .later: break
        }
    }

    private mutating func onSocket(_ events: Int16) {
        guard let channel, Int32(events) & (POLLIN | POLLERR | POLLHUP) != 0 else { return }
        take(channel.read(&buffer))
    }

    private mutating func take(_ input: Channel.Input) {
        switch input {
        case .later: break
        case .bytes(let bytes): pass(.received(bytes))
        case .ready:
            pass(.connected)
            if let channel { take(channel.rest(&buffer)) }
        case .over(let words):
            let wasReady = channel?.isReady ?? false
            if wasReady { return pass(.disconnected(words)) }
            closeSocket()
            pass(.connectionFailed(words))
        }
    }

    // MARK: Effects

    private mutating func pass(_ input: ClientSession.Input) {
        for effect in session.handle(input, at: Self.now) {
            switch effect {
            case .connect(let server):
                dialledName = String(decoding: server.host, as: UTF8.self)
                if server == session.options.server, let name = security?.name { dialledName = name }
                take(dialer.start(host: server.host, port: server.port))
            case .close: closeSocket()
            case .show(let activity):
                shown += activity
                shown.append(UInt8(ascii: "\n"))
            case .tell(let words): if !isQuiet { Descriptor.tell(words) }
            case .exit(let status): self.status = status
            }
        }
    }

    private mutating func take(_ step: Dialer.Step) {
        switch step {
        case .pending(let descriptor):
            socket = descriptor
            isConnecting = true
        case .connected(let descriptor):
            socket = descriptor
            isConnecting = false
            open()
        case .failed(let words):
            socket = -1
            isConnecting = false
            pass(.connectionFailed(words))
        }
    }

    /// The socket is connected; under TLS that is half the way.
    private mutating func open() {
        do throws(TLSError) {
            let name = security?.isCredulous == true ? nil : dialledName
            let session = try security.map { security throws(TLSError) in
                try TLSSession(dialling: name, security.context, isLink: false)
            }
            let channel = Channel(socket, session)
            self.channel = channel
            take(channel.begin())
        } catch {
            closeSocket()
            pass(.connectionFailed("TLS: \(error)"))
        }
    }

    private mutating func closeSocket() {
        if isConnecting { dialer.cancel() } else if socket >= 0 { _ = close(socket) }
        socket = -1
        isConnecting = false
        channel = nil
    }

    /// Writes what the session has for the server, as far as the connection takes it.
    private mutating func writeSocket() {
        guard let channel else { return }
        channel.push()
        guard channel.isReady else { return }
        var chunk = session.chunk()
        while !chunk.isEmpty {
            guard case .bytes(let count) = channel.write(chunk), count > 0 else {
                // Full, or broken: of the latter, reading tells, after what the server still had to say.
                return
            }
            session.wrote(count, at: Self.now)
            chunk = session.chunk()
        }
        if session.isDoneWriting { self.channel?.shutDown() }
    }

    /// Writes what the turn had to show. A slow reader makes us wait, and so the server; but a user who wants to end
    /// does not wait for the reader.
    private mutating func flushShown() {
        defer { shown.removeAll(keepingCapacity: true) }
        var offset = 0
        while offset < shown.count, outputIsOpen {
            if Interrupts.isPending, !Descriptor.isWritable(STDOUT_FILENO, within: 0) { return }
            switch Descriptor.write(STDOUT_FILENO, shown, from: offset) {
            case .bytes(let count): offset += count
            case .later: _ = Descriptor.isWritable(STDOUT_FILENO, within: 1000)
            case .failed(let code):
                outputIsOpen = false
                pass(.outputFailed(code == EPIPE ? nil : Descriptor.words(code)))
            }
        }
    }

    /// Milliseconds of the monotonic clock.
    private static var now: UInt64 {
        var time = timespec()
        // A timespec, alive during the call.
        _ = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1000 + UInt64(time.tv_nsec) / 1_000_000
    }
}
