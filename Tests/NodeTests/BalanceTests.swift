import Codecs
import Testing

@testable import Node

/// Clients go where there are fewer, once, and with leave.
@Suite struct BalanceTests {
    /// Logs in at a server and follows the redirect, as clients do. Returns the servers it came to.
    private func arrive(_ wires: Wires, at first: Int, address: UInt8 = 1) -> [Int] {
        var path = [first]
        while true {
            let client = wires.anonymous(at: path[path.count - 1], address: address)
            guard wires.commands(client) == ["LOGIN_SUCCESS", "REDIRECT"], path.count < 5 else { return path }
            let line = wires.clients[client].lines[1]
            guard let target = wires.nodes.indices.first(where: { line.contains("\"node\($0)\"") }) else { return path }
            wires.drop(client)
            path.append(target)
        }
    }

    @Test(arguments: [0, 1, 2])
    func `a burst at one of three servers is spread evenly and nobody is sent on twice`(first: Int) {
        let wires = Wires.network(3)
        var paths: [[Int]] = []
        for number in 0..<300 { paths.append(arrive(wires, at: first, address: UInt8(number % 200))) }
        #expect(wires.nodes.map(\.statistics.sessions) == [100, 100, 100])
        #expect(paths.allSatisfy { $0.count <= 2 && Set($0).count == $0.count })
        #expect(wires.nodes.allSatisfy { $0.tickets.unusedCount == 0 })
    }

    @Test func `logins at the same moment do not stampede`() {
        let wires = Wires.network(3)
        for to in 1...2 { wires.hold(to, 0) }
        let clients = (0..<30).map { wires.anonymous(at: 0, address: UInt8($0)) }
        for to in 1...2 { wires.release(to, 0) }
        let sent = clients.filter { wires.commands($0) == ["LOGIN_SUCCESS", "REDIRECT"] }
        #expect((18...22).contains(sent.count))
        let first = sent.count { wires.clients[$0].lines[1].contains("node1") }
        #expect(abs(2 * first - sent.count) <= 2)
    }

    @Test func `with one client fewer elsewhere nobody is sent away`() {
        let wires = Wires.network(2)
        #expect(arrive(wires, at: 0) == [0])
        #expect(arrive(wires, at: 0) == [0, 1])
        #expect(arrive(wires, at: 0) == [0])
    }

    // MARK: As the source

    /// A desk with two clients beside an empty server, and a third client that waits for a ticket.
    private func asking() -> (desk: Desk, link: LinkID, client: SessionID, request: UInt64) {
        let desk = Desk()
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        for address in 1...2 as ClosedRange<UInt8> { _ = desk.anonymous(address: address) }
        desk.say(.announcement(Peers.announcement(1, of: 1)), over: link)
        _ = desk.heard(over: link)
        let client = desk.anonymous(address: 3)
        var request: UInt64 = 0
        for case .frame(.unicast(let unicast)) in desk.heard(over: link) { request = unicast.request }
        return (desk, link, client, request)
    }

    private func ticket(_ isGranted: Bool, _ request: UInt64, for desk: Desk) -> PeerFrame {
        .unicast(
            Unicast(
                source: Peers.id(1), destination: desk.node.id, request: request, hopLimit: 3,
                body: .ticket(granted: isGranted ? 1 : 0, load: 1, loadClock: 9)))
    }

    private let success = #"{"command":"LOGIN_SUCCESS","info":"logged in as user anonymous"}"#
    private let redirect = #"{"command":"REDIRECT","hostname":"peer1","port":3780}"#

    @Test func `a ticket granted is a redirect, answered twice it is one redirect`() {
        let (desk, link, client, request) = asking()
        desk.say(ticket(true, request, for: desk), over: link)
        desk.say(ticket(true, request, for: desk), over: link)
        #expect(desk.replies[client] == [success, redirect])
        #expect(desk.finished[client] == .redirected)
        #expect(desk.node.statistics.sessions == 2)
        #expect(desk.node.members.map(\.ticketsAsked) == [0, 0])
    }

    @Test func `a ticket refused keeps the client`() {
        let (desk, link, client, request) = asking()
        desk.say(ticket(false, request, for: desk), over: link)
        #expect(desk.replies[client] == [success])
        #expect(desk.node.statistics.sessions == 3)
    }

    @Test func `a ticket that is not answered keeps the client after the wait`() {
        let (desk, _, client, _) = asking()
        desk.pass(milliseconds: 1400)
        #expect(desk.replies[client] == nil)
        desk.pass(milliseconds: 200)
        #expect(desk.replies[client] == [success])
        #expect(desk.node.statistics.requestsTimedOut == 1)
    }

    @Test func `what a redirected client still says counts until it closes`() {
        let (desk, link, client, request) = asking()
        desk.say(ticket(true, request, for: desk), over: link)
        desk.say(
            #"{"command":"ACTIVITY_MESSAGE","username":"anonymous","activity":{}}"# + "\n", by: client)
        #expect(desk.published.count == 1)
        desk.say(#"{"command":"LOGIN","username":"anonymous"}"# + "\n", by: client)
        #expect(desk.replies[client]?.count == 2)
        desk.say(#"{"command":"LOGOUT"}"# + "\n", by: client)
        #expect(desk.finished[client] == .logout)
    }

    // MARK: As the target

    private func ask(_ desk: Desk, _ link: LinkID, request: UInt64, load: UInt32, address: UInt8 = 1) -> [Bool] {
        _ = desk.heard(over: link)
        let holder = Unicast.TicketHolder.address([UInt8](repeating: 0, count: 15) + [address])
        desk.say(
            .unicast(
                Unicast(
                    source: Peers.id(1), destination: desk.node.id, request: request, hopLimit: 3,
                    body: .requestTicket(
                        Unicast.TicketRequest(holder: holder, cause: .login, sourceLoad: load)))), over: link)
        return desk.heard(over: link).compactMap { said in
            if case .frame(.unicast(let unicast)) = said, case .ticket(let granted, _, _) = unicast.body {
                granted == 1
            } else {
                nil
            }
        }
    }

    @Test func `leave is given to as many as keep the difference, and asked twice once`() {
        let desk = Desk()
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        #expect(ask(desk, link, request: 1, load: 1) == [false])
        #expect(ask(desk, link, request: 2, load: 3) == [true])
        #expect(ask(desk, link, request: 2, load: 3) == [true])
        #expect(desk.node.tickets.unusedCount == 1)
        #expect(ask(desk, link, request: 3, load: 3) == [true])
        #expect(ask(desk, link, request: 4, load: 3) == [false])
        #expect(desk.node.statistics.ticketsRefused == 2)
    }

    @Test func `a request that was refused is refused when it comes again`() {
        let desk = Desk()
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        let guest = desk.anonymous(address: 2)
        #expect(ask(desk, link, request: 1, load: 2) == [false])
        desk.say(#"{"command":"LOGOUT"}"# + "\n", by: guest)
        #expect(desk.node.load == 0)
        #expect(ask(desk, link, request: 1, load: 2) == [false])
        #expect(desk.node.load == 0)
        #expect(ask(desk, link, request: 2, load: 2) == [true])
    }

    @Test func `a ticket not used in time is void`() {
        let desk = Desk()
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        #expect(ask(desk, link, request: 1, load: 9) == [true])
        #expect(desk.node.load == 1)
        for _ in 0..<6 {
            desk.say(.heartbeat, over: link)
            desk.pass(milliseconds: 1000)
        }
        #expect(desk.node.load == 0)
    }

    @Test func `who comes when its ticket is void is not sent on either, once`() {
        let desk = Desk()
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        for number in 1...3 as ClosedRange<UInt64> { _ = ask(desk, link, request: number, load: 9) }
        for _ in 0..<6 {
            desk.say(.heartbeat, over: link)
            desk.pass(milliseconds: 1000)
        }
        desk.say(.announcement(Peers.announcement(1, of: 1)), over: link)
        for _ in 0..<3 { _ = desk.anonymous(address: 1) }
        #expect(desk.node.statistics.sessions == 3)
        _ = desk.anonymous(address: 1)
        #expect(desk.node.statistics.sessions == 3, "a fourth one was not expected: leave is asked for")
    }

    @Test func `who comes with a ticket is not sent on`() {
        let desk = Desk()
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        for number in 1...3 as ClosedRange<UInt64> { _ = ask(desk, link, request: number, load: 9) }
        desk.say(.announcement(Peers.announcement(1, of: 1)), over: link)
        let client = desk.anonymous(address: 1)
        #expect(desk.replies[client] == [success])
        #expect(desk.node.statistics.ticketsUsed == 1)
    }

    @Test func `who was sent on at its login is left alone for a minute`() {
        let desk = Desk()
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        _ = ask(desk, link, request: 1, load: 9)
        _ = desk.anonymous(address: 1)
        #expect(desk.node.nextToMove(limit: 1, besidesRested: true) == [])
        #expect(desk.node.nextToMove(limit: 1).count == 1)
        _ = desk.anonymous(address: 2)
        #expect(desk.node.nextToMove(limit: 1, besidesRested: true).count == 1)
    }
}
