import Codecs
import Testing

@testable import Node

/// Servers of several versions make one network: what a newer one says passes through an older one.
@Suite struct UpgradeTests {
    private static let unknownKind: UInt8 = 200

    /// A record of a kind that is not known here, with flags that are not known either.
    private func unknownRecord(of origin: ServerID, seq: UInt64) -> [UInt8] {
        let record = [6, 0, 0, 0, Self.unknownKind, 0xF8] + Array("news".utf8)
        var frame: [UInt8] = []
        RecordsFrame.encodeHeader(origin: origin, first: seq, count: 1, recordBytes: record.count, into: &frame)
        return frame + record
    }

    private func frame(kind: UInt8, _ body: [UInt8]) -> [UInt8] {
        [UInt8(body.count + 1), 0, 0, 0, kind] + body
    }

    /// A request of a kind that is not known here.
    private func unknownUnicast(to destination: ServerID, hopLimit: UInt8 = 9) -> [UInt8] {
        var body: [UInt8] = []
        body.appendServerID(Peers.id(1))
        body.appendServerID(destination)
        body.appendInteger(UInt64(77))
        return body + [hopLimit, Self.unknownKind, 1, 2, 3]
    }

    @Test func `a record of an unknown kind is kept, passed on and counted, and what follows is shown`() {
        let desk = Desk()
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        let other = desk.join(Peers.id(2), at: Peers.address(2))
        _ = desk.anonymous()
        desk.say(unknownRecord(of: Peers.id(1), seq: 1), over: link)
        desk.say(Peers.records(Peers.id(1), from: 2, ["x"]), over: link)
        #expect(desk.published == [#"{"text":"x"}"#])
        #expect(desk.closed.isEmpty)
        #expect(desk.node.statistics.recordsUnknown == 1)
        #expect(desk.node.held(of: Peers.id(1)) == 2)
        let passedOn = desk.heard(over: other).reduce(0) { count, said in
            if case .records(_, _, let records) = said { count + records } else { count }
        }
        #expect(passedOn == 2)
    }

    @Test func `a request of an unknown kind is passed on unread, with one hop less`() {
        let desk = Desk()
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        let other = desk.join(Peers.id(2), at: Peers.address(2))
        let kind = PeerFrame.Kind.unicast.rawValue
        desk.say(frame(kind: kind, unknownUnicast(to: Peers.id(2))), over: link)
        let passedOn = desk.heard(over: other).filter { if case .unread = $0 { true } else { false } }
        #expect(passedOn == [.unread(kind: kind, body: unknownUnicast(to: Peers.id(2), hopLimit: 8))])
        #expect(desk.node.statistics.unicastsForwarded == 1)
        desk.say(frame(kind: kind, unknownUnicast(to: Peers.id(2), hopLimit: 1)), over: link)
        #expect(desk.heard(over: other).isEmpty)
        #expect(desk.node.statistics.unicastsDropped == 1)
        #expect(desk.closed.isEmpty)
    }

    @Test func `a request of an unknown kind to this server is dropped and counted, and breaks no link`() {
        let desk = Desk()
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        desk.say(frame(kind: PeerFrame.Kind.unicast.rawValue, unknownUnicast(to: desk.node.id)), over: link)
        #expect(desk.closed.isEmpty)
        #expect(desk.node.statistics.unicastsUnknown == 1)
    }

    @Test func `a frame of an unknown kind is skipped and counted`() {
        let desk = Desk()
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        desk.say(frame(kind: Self.unknownKind, [1, 2, 3]), over: link)
        #expect(desk.closed.isEmpty)
        #expect(desk.node.statistics.framesUnknown == 1)
    }

    @Test func `what a newer server announces beyond what is known here is passed on`() {
        let desk = Desk()
        let link = desk.join(Peers.id(1), at: Peers.address(1))
        let other = desk.join(Peers.id(2), at: Peers.address(2))
        var announcement = Peers.announcement(1, of: 1)
        announcement.more = [1, 2, 3]
        desk.say(.announcement(announcement), over: link)
        let passedOn = desk.heard(over: other).contains { said in
            if case .frame(.announcement(let heard)) = said { heard.more == [1, 2, 3] } else { false }
        }
        #expect(passedOn)
    }

    // MARK: Versions

    @Test(
        arguments: [(1...1, 1...3, 1), (1...3, 2...5, 3), (2...4, 1...2, 2)]
            as [(
                ClosedRange<UInt16>, ClosedRange<UInt16>, UInt16
            )])
    func `two servers speak the highest version that both know`(
        first: ClosedRange<UInt16>, second: ClosedRange<UInt16>, common: UInt16
    ) {
        let wires = Wires()
        wires.add { $0.versions = first }
        wires.add(bootstrap: 0) { $0.versions = second }
        #expect(wires.nodes.map { $0.linkStatuses.map(\.version) } == [[common], [common]])
    }

    @Test func `two servers without a common version tell it on both sides`() throws {
        let wires = Wires()
        wires.add { $0.versions = 1...2 }
        wires.add(bootstrap: 0) { $0.versions = 3...4 }
        let text = "it speaks versions 3 to 4, this server 1 to 2"
        let isTold = wires.reports[0].contains { report in
            if case .linkRefused(_, .version, nil, text) = report { true } else { false }
        }
        #expect(isTold)
        #expect(wires.reports[1].contains(.joinRefused(wires.address(0), .version, text)))
        #expect(wires.nodes.map(\.statistics.members) == [1, 1])
    }

    @Test func `a server goes on dialling one that it has no version in common with any more`() {
        let wires = Wires.network(2)
        wires.kill(0)
        wires.pass(milliseconds: 5000)
        wires.restart(0) { $0.versions = 7...7 }
        wires.pass(milliseconds: 20_000)
        let refusals = wires.reports[1].filter { report in
            if case .linkRefused(_, .version, wires.address(0), let text) = report {
                text.hasPrefix("it says: it speaks versions") && text.hasSuffix("this server 7 to 7")
            } else {
                false
            }
        }
        #expect(refusals.count > 1)
    }
}
