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
}
