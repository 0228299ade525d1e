// Connecting, logging in, following redirections, leaving and coming back.

import CEpollShim
import CLoadShim
import Glibc

extension Engine {
    // MARK: When

    /// Somebody waits to be dialled, and there is room at the door.
    var mayDial: Bool {
        (nextClient < slots.count || !returning.isEmpty) && atDoor < max(1, (plan.atOnce ?? W.atOnce) / plan.workers)
    }

    /// Begins what the ramp allows by now.
    mutating func dialDue() {
        while failure == nil, mayDial, now >= nextDial {
            if let ramp = plan.ramp {
                if nextDial == 0 { nextDial = now }
                nextDial += UInt64(1e9 * Double(plan.workers) / ramp)
            }
            let index: Int
            if let back = returning.popLast() {
                index = Int(back)
            } else {
                index = nextClient
                nextClient += 1
            }
            slots[index].since = now
            atDoor += 1
            dial(index)
        }
    }

    /// Receivers that are due to leave do so, and come back at once.
    mutating func churnDue() {
        while now >= nextChurn, now < end {
            nextChurn += UInt64(1e9 * Double(plan.workers) / plan.churn)
            for _ in slots.indices {
                churnSlot = (churnSlot + 1) % slots.count
                let slot = slots[churnSlot]
                guard slot.stage == .live, slot.sender < 0, slot.witnessed < 0 else { continue }
                leave(churnSlot)
                slots[churnSlot].isOwed = false
                count(.live, -1)
                count(.churned)
                returning.append(Int32(churnSlot))
                break
            }
        }
        if now >= end { nextChurn = .max }
    }

    // MARK: Connecting

    /// The number of a place, known or new.
    mutating func find(_ server: ServerPlace) throws(LoadFailure) -> Int {
        if let known = placeIndex[server] { return known }
        var address = ces_address()
        var cause: Int32 = 0
        // An IPv4 address is preferred: only there are there many local addresses to dial from.
        var found = [ces_address](repeating: ces_address(), count: 8)
        let count = ces_resolve(server.host, server.port, &found, 8, &cause)
        guard count > 0 else {
            let reason = cause != 0 ? LoadFailure.reason(cause) : String(cString: ces_resolve_text(count))
            throw LoadFailure(.unavailable, "\(server.host): \(reason)")
        }
        address = found[..<Int(count)].first { $0.family == 4 } ?? found[0]
        names.append(server.host)
        places.append(Place(address: address, isLoopback: address.family == 4 && address.bytes.0 == 127))
        placeIndex[server] = places.count - 1
        return places.count - 1
    }

    mutating func dial(_ index: Int) {
        let place = places[Int(slots[index].place)]
        let fd = ces_tcp_socket(place.address.family)
        guard fd >= 0 else { return fail(.call("socket", fd)) }
        slots[index].fd = fd
        slots[index].generation &+= 1
        slots[index].stage = .connecting
        if slots[index].sender >= 0 { _ = ces_set_no_delay(fd) }
        if counters[Counter.firstDial.rawValue] == 0 { note(.firstDial, now) }
        if plan.spreadsSources, place.isLoopback {
            // Each worker has addresses of its own.
            var source = ces_address()
            source.family = 4
            let number = 2 + Int(slots[index].client) / LoadPlan.clientsPerAddressMax
            source.bytes = (127, 0, UInt8(worker + 1), UInt8(number), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
            _ = cls_choose_port_late(fd)
            let bound = ces_bind(fd, &source)
            guard bound == 0 else { return fail(.call("bind 127.0.\(worker + 1).\(number)", bound)) }
        }
        var address = place.address
        let result = ces_connect(fd, &address)
        guard result == 0 || result == -EINPROGRESS else { return refused(index, -result) }
        let added = ces_epoll_add(poller, fd, CES_OUT, slots[index].word(index: index))
        guard added == 0 else { return fail(.call("epoll_ctl", added)) }
    }

    mutating func connected(_ index: Int) {
        let error = ces_take_socket_error(slots[index].fd)
        guard error == 0 else { return refused(index, error) }
        if start == .max { note(.lastConnect, now) }
        count(.connected)
        slots[index].stage = .greeting
        watch(index, CES_IN)
        if secure(index) { greet(index) }
    }

    /// The client begins to speak.
    mutating func greet(_ index: Int) {
        say(index, wire.greeting(Int(slots[index].client), step: slots[index].step))
    }

    private mutating func refused(_ index: Int, _ error: Int32) {
        let server = placeIndex.first { $0.value == Int(slots[index].place) }?.key
        let name = server.map { "\($0.host):\($0.port)" } ?? "a server"
        fail(LoadFailure(.unavailable, "\(name): \(LoadFailure.reason(error))"))
    }

    mutating func fail(_ failure: LoadFailure) {
        if self.failure == nil { self.failure = failure }
    }

    func watch(_ index: Int, _ events: UInt32) {
        _ = ces_epoll_modify(poller, slots[index].fd, events, slots[index].word(index: index))
    }

    /// Sends a line of the login, which a new socket always has room for.
    private mutating func say(_ index: Int, _ bytes: [UInt8]) {
        let sent = bytes.withUnsafeBytes {
            transmit(index, $0.baseAddress ?? UnsafeRawPointer(buffer), $0.count)
        }
        // A broken connection shows when it is read.
        guard sent >= 0, sent < bytes.count else { return }
        fail(LoadFailure(.unavailable, "client \(slots[index].client) could not send: its server reads nothing"))
    }

    /// Answers what a server asked at any time: behind what a sender's socket has not taken yet, never inside it.
    private mutating func answer(_ index: Int, _ bytes: [UInt8]) {
        let sender = Int(slots[index].sender)
        guard sender >= 0, !senders[sender].unsent.isEmpty else { return say(index, bytes) }
        guard !senders[sender].unsent.append(bytes) else { return }
        fail(LoadFailure(.unavailable, "client \(slots[index].client): its server asks and reads nothing"))
    }

    // MARK: What servers say

    /// A frame that is no activity of ours.
    mutating func react(_ index: Int, to frame: UnsafeRawBufferPointer) {
        let client = Int(slots[index].client)
        var step = slots[index].step
        let reaction = wire.react(to: frame, client: client, step: &step)
        slots[index].step = step
        switch reaction {
        case .none: break
        case .answer(let bytes): answer(index, bytes)
        case .ready: loggedIn(index)
        case .redirect(let place): redirect(index, to: place)
        case .refused(let text):
            fail(LoadFailure(.unavailable, "client \(client) was refused: \(text)"))
        }
    }

    private mutating func loggedIn(_ index: Int) {
        guard slots[index].stage == .greeting else { return }
        atDoor -= 1
        if start == .max { note(.lastLogin, now) }
        count(.loggedIn)
        count(.live)
        slots[index].stage = .live
        if slots[index].row >= 0, !slots[index].isOwed {
            for sender in 0..<plan.senders {
                checks.begin(row: Int(slots[index].row), sender: sender, after: board.sent(by: sender))
            }
        }
        if slots[index].sender >= 0 { unblock(Int(slots[index].sender)) }
        if start != .max { stall(index) }
    }

    /// The old connection is closed without a reset, so that what was written to it arrives.
    private mutating func redirect(_ index: Int, to server: ServerPlace) {
        do {
            slots[index].place = Int32(try find(server))
        } catch {
            return fail(error)
        }
        count(.redirected)
        if slots[index].stage == .live {
            // Counted again when it is logged in where it was sent.
            count(.loggedIn, -1)
            count(.live, -1)
            atDoor += 1
            slots[index].since = now
        }
        close(index)
        dial(index)
    }

    // MARK: Leaving

    private mutating func close(_ index: Int) {
        _ = ces_close(slots[index].fd)
        slots[index].fd = -1
        sessions[index] = nil
        slots[index].heldCount = 0
        slots[index].stage = .idle
        if slots[index].sender >= 0 { rewind(Int(slots[index].sender)) }
    }

    /// Closes a connection and leaves no port behind.
    private mutating func leave(_ index: Int) {
        _ = cls_reset_on_close(slots[index].fd)
        close(index)
    }

    /// The server has ended a connection, or it broke.
    mutating func cutOff(_ index: Int, _ error: Int32) {
        guard slots[index].stage == .live else {
            let reason = error == 0 ? "the server closed the connection" : LoadFailure.reason(error)
            return fail(LoadFailure(.unavailable, "client \(slots[index].client) could not log in: \(reason)"))
        }
        count(.live, -1)
        count(.cutOff)
        close(index)
        slots[index].stage = .closed
    }

    /// Those that never read stop doing so when sending begins. Until then they go where they are sent.
    mutating func stall() {
        for index in slots.indices { stall(index) }
    }

    private func stall(_ index: Int) {
        guard slots[index].row < 0, slots[index].stage == .live else { return }
        slots[index].stage = .stalled
        // Errors are told all the same; the end of the connection too, if what lies before it fits into the socket.
        watch(index, CES_RDHUP)
    }

    mutating func stalledCutOff(_ index: Int) {
        count(.live, -1)
        count(.slowCutOff)
        close(index)
        slots[index].stage = .closed
    }

    /// Leaves in order enough: nothing is under way any more.
    mutating func leaveAll() {
        for index in slots.indices where slots[index].fd >= 0 { leave(index) }
    }

    /// Ends the run if a client waits for its login for too long. Looked at once a second.
    mutating func losePatience() {
        guard atDoor > 0, now >= nextPatience else { return }
        nextPatience = now + 1_000_000_000
        let patience = UInt64(plan.patienceSeconds * 1e9)
        for slot in slots where slot.stage == .connecting || slot.stage == .greeting {
            guard now > slot.since + patience else { continue }
            let what = slot.stage == .connecting ? "connect" : "log in"
            let seconds = Figures.plain(plan.patienceSeconds)
            return fail(LoadFailure(.unavailable, "client \(slot.client) could not \(what) within \(seconds) s"))
        }
    }
}
