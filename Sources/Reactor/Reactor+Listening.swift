/// Listening sockets: accepting within a budget, and standing still when descriptors or slots run out. A
/// level-triggered listener that nobody accepts from would otherwise turn the loop without end.
internal import CEpollShim

/// A listening socket.
struct Listener {
    /// -1 once closed.
    var fd: Int32
    var pauseMilliseconds = 0
    /// While paused: when to try again, in nanoseconds of the reactor's clock.
    var resumeAt: UInt64?
}

extension Reactor {
    /// Listens on an address. Port 0 lets the kernel choose (see ``localAddress(of:)-listener``). The unspecified IPv6
    /// address takes IPv4 as well, any other address only its own family.
    ///
    /// - Throws: with the call and the address: `bind 127.0.0.1:3780: Address already in use`.
    public mutating func listen(on address: SocketAddress, backlog: Int = 1_024) throws(SystemError) -> ListenerID {
        precondition(listeners.count < 256, "listeners are opened by configuration, not by peers")
        let fd = try SystemError.check(ces_tcp_socket(address.family.rawValue), "socket for \(address)")
        do {
            try open(fd, address, backlog)
            let word = SpecialSlot.word(SpecialSlot.firstListener + UInt32(listeners.count))
            try SystemError.check(ces_epoll_add(poller.fd, fd, CES_IN, word), "epoll_ctl")
        } catch {
            _ = ces_close(fd)
            throw error
        }
        listeners.append(Listener(fd: fd))
        return ListenerID(index: listeners.count - 1)
    }

    private func open(_ fd: Int32, _ address: SocketAddress, _ backlog: Int) throws(SystemError) {
        try SystemError.check(ces_set_reuse_address(fd), "setsockopt SO_REUSEADDR")
        if address.family == .ipv6 {
            try SystemError.check(ces_set_v6_only(fd, address.isUnspecified ? 0 : 1), "setsockopt IPV6_V6ONLY")
        }
        var raw = address.raw
        // `raw` is ours.
        try SystemError.check(unsafe ces_bind(fd, &raw), "bind \(address)")
        try SystemError.check(ces_listen(fd, Int32(clamping: backlog)), "listen \(address)")
    }

    /// The address on which a listener really listens: with the port that the kernel chose.
    public func localAddress(of listener: ListenerID) -> SocketAddress? {
        var raw = ces_address()
        // `raw` is ours.
        return unsafe ces_local_address(listeners[listener.index].fd, &raw) == 0 ? SocketAddress(raw) : nil
    }

    /// Stops listening; who waits to be accepted is reset. Harmless if closed already.
    public mutating func closeListener(_ listener: ListenerID) {
        let fd = listeners[listener.index].fd
        guard fd >= 0 else { return }
        _ = ces_epoll_remove(poller.fd, fd)
        _ = ces_close(fd)
        listeners[listener.index] = Listener(fd: -1)
    }

    // MARK: Accepting

    mutating func accept<Handler: ReactorHandler & ~Copyable>(_ index: Int, _ handler: inout Handler) {
        for _ in 0..<configuration.acceptBudget {
            // The handler may have closed the listener, or an event of this batch may be older than a pause.
            guard listeners[index].fd >= 0, listeners[index].resumeAt == nil else { return }
            guard hasFreeSlot else {
                statistics.acceptPausesNoSlots += 1
                return pause(index)
            }
            var raw = ces_address()
            // `raw` is ours.
            let injected = injectedAcceptFailure
            let result = unsafe injected == 0 ? ces_accept(listeners[index].fd, &raw) : -injected
            if result >= 0 {
                listeners[index].pauseMilliseconds = 0
                welcome(result, SocketAddress(raw) ?? .loopback(port: 0), ListenerID(index: index), &handler)
            } else if result == -SystemErrno.wouldBlock {
                return
            } else if !SystemErrno.isOfOneAccept(-result) {
                // EMFILE, ENFILE, ENOBUFS, ENOMEM; anything unforeseen must not spin either.
                statistics.acceptPausesNoDescriptors += 1
                return pause(index)
            }
        }
        statistics.acceptsCut += 1
    }

    private mutating func welcome<Handler: ReactorHandler & ~Copyable>(
        _ fd: Int32, _ peer: SocketAddress, _ listener: ListenerID, _ handler: inout Handler
    ) {
        statistics.accepted += 1
        let id = adopt(fd)
        handler.accepted(id, from: peer, listener: listener, in: &self)
    }

    /// Makes a connected, non-blocking descriptor a connection. Precondition: there is a free slot.
    mutating func adopt(_ fd: Int32) -> ConnectionID {
        setOptions(fd)
        let slot = takeSlot(fd, .open)
        if tls.isOn { connections[slot].transport = .undecided }
        let id = self.id(slot)
        register(slot)
        return id
    }

    private mutating func pause(_ index: Int) {
        let first = configuration.acceptPauseMilliseconds
        let doubled = listeners[index].pauseMilliseconds * 2
        let pause = max(first, min(doubled, configuration.acceptPauseMaxMilliseconds))
        listeners[index].pauseMilliseconds = pause
        listeners[index].resumeAt = now + UInt64(pause) * 1_000_000
        poll(index, events: 0)
    }

    /// Listeners whose pause is over.
    mutating func resumeListeners() {
        for index in listeners.indices {
            guard let time = listeners[index].resumeAt, time <= now else { continue }
            listeners[index].resumeAt = nil
            poll(index, events: CES_IN)
        }
    }

    /// A descriptor and perhaps a slot became free: what was paused need not wait any longer.
    mutating func retryPausedListeners() {
        for index in listeners.indices where listeners[index].resumeAt != nil {
            listeners[index].resumeAt = now
        }
    }

    private func poll(_ index: Int, events: UInt32) {
        let word = SpecialSlot.word(SpecialSlot.firstListener + UInt32(index))
        let result = ces_epoll_modify(poller.fd, listeners[index].fd, events, word)
        precondition(result == 0, "a listener is registered while it is open")
    }
}
