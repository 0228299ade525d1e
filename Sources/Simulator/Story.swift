import Codecs
import Node

/// The causal story of one record: what happened to it, and to the links of the servers that never got it. A run keeps
/// none; it is told by a second run of the same world (`WorldOptions.focus`), which notes what concerns the record and
/// nothing else. Like `Witness` it plans no event and draws no number, so that both runs are the same.
struct Story {
    let focus: Violation.Focus
    /// Lives that neither hold it nor have stepped over it: what their links do matters.
    fileprivate(set) var waiting: Set<Int>
    private var events: [Event] = []
    /// The activity has been sent.
    private var hasBegun = false
    /// Subjects of which one event is enough.
    private var told: Set<String> = []

    private struct Event {
        var time: UInt64
        var text: String
        var subject: String
        /// Of the record, not of links and servers.
        var isOfRecord: Bool
    }

    /// Lines of a story: what a reader takes in at once.
    static let linesMax = 30

    init(of focus: Violation.Focus) {
        self.focus = focus
        waiting = Set(focus.lives)
    }

    /// Before the activity is sent, of each subject only the last event counts: how things stood then.
    mutating func note(_ text: String, of subject: String, at time: UInt64) {
        if !hasBegun { events.removeAll { $0.subject == subject } }
        events.append(Event(time: time, text: text, subject: subject, isOfRecord: false))
    }

    /// What happens to the record.
    mutating func note(_ text: String, at time: UInt64) {
        events.append(Event(time: time, text: text, subject: "record", isOfRecord: true))
    }

    mutating func noteOnce(_ text: String, of subject: String, at time: UInt64) {
        if told.insert(subject).inserted { note(text, of: subject, at: time) }
    }

    mutating func noteSending(_ mark: ActivityMark, to server: Int, at time: UInt64) {
        guard mark == focus.mark else { return }
        note("client \(mark.sender) sends it to s\(server)", at: time)
        hasBegun = true
    }

    /// The story with a headline and a conclusion. If it is long, the middle is cut of what the links did; and of what
    /// happened to the record, if that alone is long.
    func lines(in history: History) -> [String] {
        guard history.lives.indices.contains(focus.origin) else { return [] }
        let origin = history.lives[focus.origin].server
        let headline = "activity \(focus.mark) is record \(focus.seq) of life \(focus.origin), a life of s\(origin)"
        // Headline, conclusion, and what tells of the cut.
        let ofRecord = Self.ends(of: events.indices.filter { events[$0].isOfRecord }, count: Self.linesMax * 2 / 3)
        let room = Self.linesMax - 3 - ofRecord.count
        let ofLinks = Self.ends(of: events.indices.filter { !events[$0].isOfRecord }, count: room)
        let shown = Set(ofRecord + ofLinks)
        let cut = events.indices.first { !shown.contains($0) }
        let told = events.indices.compactMap { index -> String? in
            if index == cut { return "… \(events.count - shown.count) more" }
            return shown.contains(index) ? "\(Trace.stamp(events[index].time)) \(events[index].text)" : nil
        }
        return [headline] + told + [conclusion(in: history)]
    }

    /// The first ones and the last ones.
    private static func ends(of indices: [Int], count: Int) -> [Int] {
        guard indices.count > count else { return indices }
        return indices.prefix(count / 2) + indices.suffix(count - count / 2)
    }

    private func conclusion(in history: History) -> String {
        let place = History.RecordPlace(origin: focus.origin, seq: focus.seq, time: 0)
        let ends = focus.lives.filter { history.lives.indices.contains($0) }.map { number in
            let life = history.lives[number]
            let published = life.log.count { $0.mark == focus.mark }
            let times =
                published == 0 ? "never published it" : "published it \(published == 1 ? "once" : "\(published) times")"
            return "s\(life.server) " + (life.hasHeld(place) ? "held it and \(times)" : "never held it")
        }
        return "in the end: " + ends.joined(separator: ", ")
    }
}

extension World {
    /// The story that the options ask for.
    var causes: [String] { story?.lines(in: history) ?? [] }
}

// MARK: - Links

extension World {
    /// A server has written frames to a link towards another one.
    func tellFrames(from server: SimulatedServer, to peer: Int) {
        guard let waiting = story?.waiting, let frames = tap.watch?.frames else { return }
        let isConcerned = waiting.contains(server.witness.life) || waiting.contains(servers[peer].witness.life)
        for frame in frames {
            guard let header = try? PeerFrame.header(of: frame.span, at: 0, limit: PeerFrame.Limit.provenBytes),
                let kind = PeerFrame.Kind(rawValue: header.kind)
            else { continue }
            if kind == .records {
                tellRecords(frame, from: server.index, to: peer)
            } else if isConcerned,
                let frame = try? PeerFrame.decode(kind, body: Array(frame[PeerFrame.Limit.headerBytes...]))
            {
                tell(frame, from: server.index, to: peer)
            }
        }
    }

    private func isOrigin(_ id: ServerID) -> Bool { lifeOf[id] == story?.focus.origin }

    private func tellRecords(_ frame: [UInt8], from server: Int, to peer: Int) {
        guard let seq = story?.focus.seq,
            let prefix = try? RecordsFrame.prefix(of: frame.span, frame: frame.indices), isOrigin(prefix.origin)
        else { return }
        let last = prefix.first + UInt64(prefix.count) - 1
        guard (prefix.first...last).contains(seq) else { return }
        let others = prefix.count == 1 ? "" : ", with all of \(prefix.first) to \(last)"
        story?.note("s\(server) pushes it to s\(peer)\(others)", at: now)
    }

    private func tell(_ frame: PeerFrame, from server: Int, to peer: Int) {
        guard let seq = story?.focus.seq else { return }
        let way = "\(server) \(peer)"
        switch frame {
        case .prune(let id) where isOrigin(id):
            story?.note("s\(server) prunes s\(peer) for the origin", of: "tree \(way)", at: now)
        case .graft(let digests):
            guard let digest = digests.first(where: { isOrigin($0.origin) }) else { return }
            story?.note(
                "s\(server) grafts s\(peer) for the origin, holding \(digest.held)", of: "tree \(way)", at: now)
        case .have(let digests), .haveSince(let digests):
            guard digests.contains(where: { isOrigin($0.origin) && $0.held >= seq }) else { return }
            story?.noteOnce("s\(server) tells s\(peer) that it holds it", of: "have \(way)", at: now)
        case .level(let level):
            guard let entry = level.entries.first(where: { isOrigin($0.origin) }) else { return }
            let span =
                switch entry.held {
                case 0: "nothing"
                case ..<entry.oldest: "nothing any more, of \(entry.held),"
                default: "\(entry.oldest) to \(entry.held)"
                }
            let text = "s\(server) tells s\(peer) that it holds \(span) of the stream"
            story?.note(text, of: "level \(way)", at: now)
        case .gap(let position) where isOrigin(position.origin) && position.seq >= seq:
            story?.note("s\(server) tells s\(peer) that all up to \(position.seq) is gone", of: "gap \(way)", at: now)
        default: break
        }
    }

    /// Bytes of a link have come to a server.
    func tellArrivals(at server: Int) {
        guard let seq = story?.focus.seq, let landed = tap.watch?.landed else { return }
        for copies in landed where isOrigin(copies.origin) && copies.seqs.contains(seq) {
            story?.note("it arrives at s\(server) from s\(copies.sender)", at: now)
        }
    }
}

// MARK: - Servers

extension World {
    /// A server's life begins or ends.
    func tellLife(of server: SimulatedServer, _ text: String) {
        guard let focus = story?.focus, focus.servers.contains(server.index) else { return }
        story?.note("s\(server.index) \(text)", of: "life \(server.index)", at: now)
    }

    /// A server has accepted a record from a client.
    func tellRecord(_ mark: ActivityMark, seq: UInt64, at server: SimulatedServer) {
        guard story?.focus.mark == mark else { return }
        story?.note(
            "s\(server.index) accepts it as record \(seq) of life \(server.witness.life)", at: now)
    }

    /// What a server holds of a stream has grown.
    func tellStream(
        _ origin: Int, before: UInt64, held: UInt64, stored: ClosedRange<UInt64>?, at server: SimulatedServer
    ) {
        guard let focus = story?.focus, origin == focus.origin, before < focus.seq, focus.seq <= held else { return }
        let spans = stored.map { "\($0.lowerBound) to \($0.upperBound)" } ?? "nothing"
        let what = stored?.contains(focus.seq) == true ? "holds it" : "steps over it"
        let text = "s\(server.index) \(what): it had all up to \(before), and stores \(spans)"
        if origin != server.witness.life { story?.note(text, at: now) }
        story?.waiting.remove(server.witness.life)
    }

    func tellPublication(of mark: ActivityMark, by server: Int) {
        guard story?.focus.mark == mark else { return }
        story?.note("s\(server) publishes it", at: now)
    }

    func tell(_ report: Report, by server: SimulatedServer) {
        guard let focus = story?.focus else { return }
        func isConcerned(_ id: ServerID) -> Bool {
            guard let waiting = story?.waiting else { return false }
            return waiting.contains(server.witness.life) || lifeOf[id].map(waiting.contains) ?? false
        }
        let name = "s\(server.index)"
        switch report {
        case .linkUp(let id, let address, _) where isConcerned(id):
            story?.note("\(name) opens a link with \(self.name(of: address))", of: "link \(name) \(address)", at: now)
        case .linkDown(let id, let address, let cause) where isConcerned(id):
            story?.note(
                "\(name) has no link with \(self.name(of: address)) any more: \(cause.text)",
                of: "link \(name) \(address)",
                at: now)
        case .memberDeparted(let id, let address, let cause):
            guard let life = lifeOf[id], life == focus.origin || focus.lives.contains(life) else { return }
            story?.note(
                "\(name) takes life \(life) of \(self.name(of: address)) to be over: \(cause)",
                of: "departure \(name) \(life)", at: now)
        case .gap(let position, let records)
        where isOrigin(position.origin) && focus.isAmong(records, upTo: position.seq):
            story?.note("\(name) reports a gap of \(records) up to \(position.seq)", at: now)
        case .givenUp(let position, let records)
        where isOrigin(position.origin) && focus.isAmong(records, upTo: position.seq):
            story?.note("\(name) gives up \(records) up to \(position.seq)", at: now)
        default: break
        }
    }

    private func name(of address: PeerAddress) -> String { server(at: address).map { "s\($0)" } ?? "\(address)" }
}

extension LinkDownCause {
    fileprivate var text: String {
        switch self {
        case .closed(let reason): "\(reason)"
        case .lost: "lost"
        case .peerSaidBye(let reason): "the other end said \(reason)"
        }
    }
}

extension Violation.Focus {
    fileprivate func isAmong(_ records: UInt64, upTo last: UInt64) -> Bool { seq <= last && last - seq < records }
}
