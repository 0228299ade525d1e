import Simulator

/// What happened in a round as seen from outside: by clients, and by whoever listens on the links. The simulator's
/// history knows the state of all servers; this one has nothing but what passed on sockets.
public struct Chronicle: Sendable {
    public var seed: UInt64
    /// Name of each client; nil for an anonymous one.
    public var clientNames: [String?] = []
    /// By client, then by number: the first activity of a client has number 0.
    public var activities: [[Activity]] = []
    public var presences: [Presence] = []
    /// By client, in the order of arrival.
    public var receptions: [[Reception]] = []
    public var grants: [Grant] = []
    public var deaths: [Death] = []
    /// Two networks that knew nothing of each other until then: what was accepted before is owed to its own side.
    var strangers: (sides: [[Int]], until: UInt64)?

    /// Violations of one kind that are told one by one.
    private static let toldMax = 5

    public init(seed: UInt64) { self.seed = seed }

    public struct Activity: Sendable {
        public var sentAt: UInt64
        /// The server that the sender was connected to.
        public var sentTo: Int
        /// Who is known to hold it, or to have held it, and since when; the first one accepted it.
        public var holders: [Holder] = []

        public var acceptedAt: UInt64? { holders.first?.time }
    }

    public struct Holder: Sendable, Hashable {
        public var server: Int
        public var time: UInt64
    }

    /// A time in which a client was logged in.
    public struct Presence: Sendable {
        public var client: Int
        public var server: Int
        public var start: UInt64
        /// nil: to the end of the round.
        public var end: UInt64?
    }

    public struct Reception: Sendable {
        public var sender: Int
        public var number: Int
        public var time: UInt64
        public var client: Int
        /// The server that the receiver was connected to.
        public var server: Int
        /// Which session of the receiver: one that follows a REDIRECT stays the same.
        public var session: Int
    }

    /// A REGISTER that was answered with success.
    public struct Grant: Sendable {
        public var name: String
        public var server: Int
        public var time: UInt64
    }

    public struct Death: Sendable {
        public var server: Int
        public var time: UInt64
    }
}

// MARK: - What is asked

extension Chronicle {
    func violations() -> [Violation] { owed() + disorder() }

    /// P1 and P7: what was accepted has reached all who were there and stayed, unless only killed servers had it; what
    /// was sent on a connection that stayed was accepted.
    func owed() -> [Violation] {
        var unreached: [Violation] = []
        var unaccepted: [Violation] = []
        let stayers = presences.filter { $0.end == nil }
        var received = receptions.map { _ in Set<Int>() }
        for (client, list) in receptions.enumerated() { for one in list { received[client].insert(key(one)) } }
        for (sender, sent) in activities.enumerated() {
            let own = stayers.first { $0.client == sender }
            for (number, activity) in sent.enumerated() {
                guard let accepted = activity.acceptedAt else {
                    guard let own, own.start <= activity.sentAt else { continue }
                    note(.notAccepted, activity.sentAt, "\(sender)/\(number): \(story(of: activity))", in: &unaccepted)
                    continue
                }
                if isLost(activity) { continue }
                for stayer in stayers where stayer.start <= accepted {
                    guard !received[stayer.client].contains(sender << 32 | number) else { continue }
                    if areStrangers(activity.sentTo, stayer.server, at: accepted) { continue }
                    let place = "at server \(stayer.server) since \(RealNetwork.seconds(stayer.start))"
                    note(
                        .notReached, accepted,
                        "\(sender)/\(number) did not reach client \(stayer.client), \(place); \(story(of: activity))",
                        in: &unreached)
                }
            }
        }
        return unreached + unaccepted
    }

    private func key(_ reception: Reception) -> Int { reception.sender << 32 | reception.number }

    private func note(_ kind: Violation.Kind, _ time: UInt64, _ text: String, in list: inout [Violation]) {
        guard list.count < Self.toldMax else { return }
        list.append(Violation(kind: kind, seed: seed, time: time, text: text))
    }

    private func areStrangers(_ first: Int, _ second: Int, at time: UInt64) -> Bool {
        guard let strangers, time < strangers.until else { return false }
        return !strangers.sides.contains { $0.contains(first) && $0.contains(second) }
    }

    /// Every server that had it was killed afterwards.
    private func isLost(_ activity: Activity) -> Bool {
        activity.holders.allSatisfy { holder in
            deaths.contains { $0.server == holder.server && $0.time >= holder.time }
        }
    }

    /// P2 and P3, within each session: once; and in sending order, as far as activities were sent to one life of a
    /// server. Those that a sender sent at two servers, if it has a name, by which servers know it again, and if the
    /// later server knew the earlier activity.
    private func disorder() -> [Violation] {
        var repeated: [Violation] = []
        var reordered: [Violation] = []
        for (client, list) in receptions.enumerated() {
            var seen: [[Int]] = Array(repeating: [], count: clientNames.count)
            var known = Set<Int>()
            var session = list.first?.session
            for reception in list {
                if reception.session != session {
                    (session, seen, known) = (reception.session, Array(repeating: [], count: clientNames.count), [])
                }
                let numbers = seen[reception.sender]
                let what = "\(reception.sender)/\(reception.number) came to client \(client)"
                if !known.insert(key(reception)).inserted {
                    note(.repeated, reception.time, "\(what) again\(story(of: reception, in: list))", in: &repeated)
                } else if let last = numbers.last, last > reception.number {
                    let text = overtaken(reception, numbers, in: list).map { "\(what) \($0)" }
                    if let text { note(.reordered, reception.time, text, in: &reordered) }
                }
                seen[reception.sender].append(reception.number)
            }
        }
        return repeated + reordered
    }

    /// By which later activity of its sender it must not have been overtaken; nil if it may.
    private func overtaken(_ reception: Reception, _ numbers: [Int], in list: [Reception]) -> String? {
        let sent = activities[reception.sender]
        let earlier = sent[reception.number]
        let isNamed = clientNames[reception.sender] != nil
        let overtaker = numbers.first { number in
            guard number > reception.number else { return false }
            return isSameLife(earlier, sent[number]) || isNamed && knew(earlier, before: sent[number])
        }
        guard let overtaker else { return nil }
        return "at server \(reception.server) after \(reception.sender)/\(overtaker): \(story(of: earlier)); the later "
            + story(of: sent[overtaker]) + storyBetween(reception, overtaker, in: list)
    }

    /// Where and when it came before, and where the client was by turns.
    private func story(of reception: Reception, in list: [Reception]) -> String {
        let places = presences.filter { $0.client == reception.client }.suffix(Self.toldMax)
            .map { "\($0.server) from \(RealNetwork.seconds($0.start))" }
        let first = list.first { key($0) == key(reception) && $0.session == reception.session }
        let before = first.map { "at server \($0.server) at \(RealNetwork.seconds($0.time))" } ?? "-"
        return ", at server \(reception.server), first \(before); it was at \(places.joined(separator: ", ")); "
            + story(of: activities[reception.sender][reception.number])
    }

    /// What the sender sent last before the later activity, and when each came to the client in that session: only what
    /// ties the two together orders them.
    private func storyBetween(_ reception: Reception, _ overtaker: Int, in list: [Reception]) -> String {
        let between = (reception.number + 1..<overtaker).suffix(Self.toldMax)
        return between.map { number in
            let came = list.first {
                $0.session == reception.session && $0.sender == reception.sender && $0.number == number
            }
            let when = came.map { "came at \(RealNetwork.seconds($0.time))" } ?? "never came"
            let activity = activities[reception.sender][number]
            return "; \(reception.sender)/\(number) \(when), \(story(of: activity))"
        }.joined()
    }

    private func hasDied(_ server: Int, from start: UInt64, to end: UInt64) -> Bool {
        deaths.contains { $0.server == server && $0.time >= start && $0.time <= end }
    }

    /// Both were sent to the same life of the same server.
    private func isSameLife(_ earlier: Activity, _ later: Activity) -> Bool {
        earlier.sentTo == later.sentTo && !hasDied(later.sentTo, from: earlier.sentAt, to: later.sentAt)
    }

    /// The life that took `later` had `earlier` at that moment.
    private func knew(_ earlier: Activity, before later: Activity) -> Bool {
        earlier.holders.contains { holder in
            holder.server == later.sentTo && holder.time <= later.sentAt
                && !hasDied(holder.server, from: holder.time, to: later.sentAt)
        }
    }

    private func story(of activity: Activity) -> String {
        let holders = activity.holders.map { "\($0.server) at \(RealNetwork.seconds($0.time))" }
        let by = holders.isEmpty ? "nobody" : holders.joined(separator: ", ")
        return "sent to \(activity.sentTo) at \(RealNetwork.seconds(activity.sentAt)), held by \(by)"
    }
}
