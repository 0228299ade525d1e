import Codecs
import Node

/// Bytes of somebody who does not know the network's secret, to a node that accepted or dialled. It is never taken for
/// a server, hears nothing but the handshake, and hears the same however the bytes are cut.
enum HandshakeTarget {
    private static let accepting = Table(bootstrap: nil)
    private static let dialling = Table(bootstrap: Peer.address(0))
    private static let said: Set<UInt8> = [
        PeerFrame.Kind.hello.rawValue, PeerFrame.Kind.challenge.rawValue, PeerFrame.Kind.proof.rawValue,
        PeerFrame.Kind.refusal.rawValue,
    ]

    static func run(_ bytes: [UInt8]) {
        guard let first = bytes.first else { return }
        let input = Array(bytes.dropFirst())
        let segment = 1 + Int(first >> 1)
        let template = first & 1 == 0 ? accepting : dialling
        let whole = sent(input, segment: input.count, to: template)
        must(sent(input, segment: segment, to: template) == whole, "other segments, another answer")
        check(whole)
    }

    private static func sent(_ bytes: [UInt8], segment: Int, to template: Table) -> [UInt8] {
        var table = template
        let link = table.openLink(dial: table.dials.first)
        var offset = 0
        while offset < bytes.count, table.links.contains(where: { $0.id == link }) {
            let end = min(offset + segment, bytes.count)
            table.say(Array(bytes[offset..<end]), over: link)
            offset = end
        }
        must(!table.hasLinkedUp, "who cannot prove itself is no server")
        return table.sent
    }

    private static func check(_ bytes: [UInt8]) {
        must(bytes.starts(with: Preamble.bytes), "the preamble comes first")
        var offset = Preamble.bytes.count
        while offset < bytes.count {
            guard let header = try? PeerFrame.header(of: bytes.span, at: offset, limit: PeerFrame.Limit.unprovenBytes)
            else { fatalError("whole frames are sent") }
            must(said.contains(header.kind), "frame \(header.kind) went to who has not proved itself")
            offset += header.size
        }
    }
}
