/// The network as a drawing: servers, the links between them, and the way of the activities of one of them as far as
/// it passes the server that was asked.
import Glibc

struct Graph {
    struct Edge: Hashable {
        /// Places in `servers`, the lesser first.
        var from: Int
        var to: Int
        /// On the way of the chosen server's activities.
        var isOnTree = false
        /// Told by one end only: it begins or ends.
        var isHalf = false
        /// Of a link of the server that was asked.
        var roundTripMicroseconds: Int?
    }

    var servers: [Report.Member]
    var edges: [Edge]
    /// Whose activities are followed: a place in `servers`.
    var origin: Int?

    /// - Parameter origin: an address; nil is the server that was asked.
    init(_ report: Report, origin: String? = nil) throws(Failure) {
        servers = report.present
        let places = Dictionary(servers.enumerated().map { ($1.id, $0) }) { first, _ in first }
        let chosen = servers.firstIndex { server in origin.map { $0 == server.address } ?? server.isOwn }
        if let origin, chosen == nil {
            let known = servers.map(\.address).joined(separator: ", ")
            throw Failure(what: "there is no server \(origin)", advice: "there are \(known)")
        }
        self.origin = chosen
        var found: [[Int]: Edge] = [:]
        for (place, server) in servers.enumerated() {
            for neighbour in server.neighbours {
                guard let other = places[neighbour], other != place else { continue }
                let key = [min(place, other), max(place, other)]
                let isToldByBoth = found[key] != nil
                found[key] = Edge(from: key[0], to: key[1], isHalf: !isToldByBoth)
            }
        }
        if let own = servers.firstIndex(where: \.isOwn) {
            for link in report.links where link.phase == "open" {
                guard let other = places[link.neighbour] else { continue }
                found[[min(own, other), max(own, other)]]?.roundTripMicroseconds = link.roundTripMicroseconds
            }
            if let chosen {
                let next = servers[chosen].pushedTo + [servers[chosen].parent].compactMap { $0 }
                for other in next.compactMap({ places[$0] }) {
                    found[[min(own, other), max(own, other)]]?.isOnTree = true
                }
            }
        }
        edges = found.values.sorted { ($0.from, $0.to) < ($1.from, $1.to) }
    }

    // MARK: Text

    var lines: [String] {
        servers.enumerated().flatMap { place, server in
            let mark = server.isReachable ? (server.isServing ? "●" : "◌") : "✗"
            let role = server.isOwn ? ", asked" : ""
            var lines = ["\(mark) \(server.address)  \(Self.clients(server)), \(server.state)\(role)"]
            let own = edges.filter { $0.from == place || $0.to == place }
            for (index, edge) in own.enumerated() {
                let other = servers[edge.from == place ? edge.to : edge.from]
                var line = (index == own.count - 1 ? "└" : "├") + (edge.isOnTree ? "══ " : edge.isHalf ? "┄┄ " : "── ")
                line += other.address
                if let time = edge.roundTripMicroseconds { line += "  \(Quantity.time(microseconds: time))" }
                lines.append(line)
            }
            return lines
        }
    }

    private static func clients(_ server: Report.Member) -> String {
        server.load == 1 ? "1 client" : "\(server.load) clients"
    }

    // MARK: DOT

    /// For `dot`, `neato` and the like (graphviz.org).
    var dot: [String] {
        var lines = ["graph pando {", "  layout=circo; node [shape=circle, fontname=\"sans-serif\"];"]
        for (place, server) in servers.enumerated() {
            var style = server.isReachable ? "" : ", shape=box, style=dashed"
            if server.isOwn { style = ", penwidth=2" }
            let label = Self.quoted("\(server.address)\\n\(server.isReachable ? "\(server.load)" : server.state)")
            lines.append("  n\(place) [label=\(label)\(style)];")
        }
        for edge in edges {
            var style = [edge.isOnTree ? "penwidth=3" : nil, edge.isHalf ? "style=dashed" : nil].compactMap { $0 }
            if let time = edge.roundTripMicroseconds { style.append("label=\"\(Quantity.time(microseconds: time))\"") }
            let list = style.isEmpty ? "" : " [\(style.joined(separator: ", "))]"
            lines.append("  n\(edge.from) -- n\(edge.to)\(list);")
        }
        return lines + ["}"]
    }

    private static func quoted(_ text: String) -> String { "\"\(text.replacing("\"", with: "\\\""))\"" }

    // MARK: SVG

    /// A picture that needs nothing else: servers on a circle in the order of their addresses. What differs in colour
    /// differs in form as well.
    var svg: [String] {
        let radius = max(140.0, Double(servers.count) * 30)
        let size = Int(2 * radius + 260)
        func point(_ place: Int, further: Double = 0) -> (x: Int, y: Int) {
            let angle = 2 * Double.pi * Double(place) / Double(max(1, servers.count)) - Double.pi / 2
            let middle = Double(size) / 2
            return (Int(middle + (radius + further) * cos(angle)), Int(middle + (radius + further) * sin(angle)))
        }
        let font = "font-family='sans-serif' font-size='13' text-anchor='middle'"
        var lines = [
            "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 \(size) \(size)' \(font)>",
            "<title>Pando: \(servers.count) servers</title>",
            "<rect width='100%' height='100%' fill='#fff'/>",
        ]
        for edge in edges {
            let (a, b) = (point(edge.from), point(edge.to))
            var style = edge.isOnTree ? "stroke='#0072b2' stroke-width='5'" : "stroke='#666' stroke-width='1.5'"
            if edge.isHalf { style += " stroke-dasharray='5 4'" }
            lines.append("<line x1='\(a.x)' y1='\(a.y)' x2='\(b.x)' y2='\(b.y)' \(style)/>")
            guard let time = edge.roundTripMicroseconds else { continue }
            let (x, y) = ((a.x + b.x) / 2, (a.y + b.y) / 2 - 4)
            lines.append(
                "<text x='\(x)' y='\(y)' font-size='11' \(Self.halo)>\(Quantity.time(microseconds: time))</text>")
        }
        for (place, server) in servers.enumerated() {
            lines += Self.node(server, at: point(place), name: point(place, further: 46))
        }
        return lines + ["</svg>"]
    }

    /// A text that can be read across a line.
    private static let halo = "paint-order='stroke' stroke='#fff' stroke-width='4'"

    private static func node(
        _ server: Report.Member, at point: (x: Int, y: Int), name place: (x: Int, y: Int)
    ) -> [String] {
        let (x, y) = point
        let name = "<text x='\(place.x)' y='\(place.y + 4)' \(halo)>\(escaped(server.address))</text>"
        guard server.isReachable else {
            let style = "fill='#fff' stroke='#d55e00' stroke-width='2' stroke-dasharray='5 4'"
            return [
                "<rect x='\(x - 24)' y='\(y - 24)' width='48' height='48' \(style)/>",
                "<text x='\(x)' y='\(y + 6)' fill='#d55e00' font-size='20'>✗</text>", name,
            ]
        }
        let style =
            "fill='\(server.isServing ? "#e0f0fa" : "#fff")' stroke='#000' stroke-width='\(server.isOwn ? 4 : 2)'"
        return [
            "<circle cx='\(x)' cy='\(y)' r='26' \(style)/>", "<text x='\(x)' y='\(y + 5)'>\(server.load)</text>", name,
        ]
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
    }

    // MARK: JSON

    var json: JSONTree {
        [
            "servers": .array(
                servers.map { server in
                    [
                        "address": .string(server.address), "state": .string(server.state),
                        "clients": .integer(server.load), "asked": .boolean(server.isOwn),
                    ]
                }),
            "links": .array(
                edges.map { edge in
                    [
                        "from": .string(servers[edge.from].address), "to": .string(servers[edge.to].address),
                        "on_tree": .boolean(edge.isOnTree), "told_by_both": .boolean(!edge.isHalf),
                    ]
                }),
            "origin": origin.map { .string(servers[$0].address) } ?? .null,
        ]
    }
}
