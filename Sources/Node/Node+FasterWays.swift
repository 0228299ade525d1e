import Codecs

/// Trees become what a flood's are: each record over the fastest way there is.
///
/// A tree is formed by the first copies that pass, link after link; then the overlay changes, or ways become slow. Each
/// digest tells for how long its sender has had what it tells, so the receiver knows when the record would have come
/// over that link, and compares with when it came. A neighbour that would have been first much more often than not is
/// grafted, and the parent is pruned: so nothing comes twice but what is under way. (Plumtree compares hops, and lets
/// both push; what counts here is time, and copies cost.) Whatever comes then makes who brought it the parent; until
/// then the former one is the parent in name, so that its loss, or its graft, is the loss of the way.
///
/// What comes of an origin has a version: the sum of what is held of its stream and of its announcement's number. Both
/// only grow, and come in the same order everywhere but for a few.
extension Node {
    /// What the neighbour is known to have of the origin.
    func version(of origin: Int, by link: Int) -> UInt64 {
        Self.version(held: known(origin, by: link), announcement: links[link].edges[origin].announcement)
    }

    /// A faulty peer may tell of any announcement.
    private static func version(held: UInt64, announcement: UInt64) -> UInt64 {
        let (sum, overflow) = held.addingReportingOverflow(announcement)
        return overflow ? .max : sum
    }

    /// What is known here of the origin has just changed.
    mutating func noteNews(of origin: Int) {
        let number = members[origin].announcementNumber
        members[origin].arrivals.note(
            Self.version(held: store.streams[origin].held, announcement: number), at: now)
    }

    /// A digest of a link that is not the parent tells something new: would it have been here first?
    ///
    /// It must be one thing. Of several a digest tells the age of the last, which is the more often the last that is
    /// told of the earlier it came: then each way would seem to be faster than it is, and trees would never settle.
    mutating func compare(_ digest: PeerFrame.Digest, of origin: Int, link index: Int) {
        guard let parent = members[origin].parent, parent != links[index].id else { return }
        let wasFirst = members[origin].arrivals.wasMissing(
            Self.version(held: digest.held, announcement: digest.announcement),
            at: now.subtracting(microseconds: UInt64(digest.age)))
        let lead = links[index].edges[origin].lead
        links[index].edges[origin].lead = wasFirst ? lead + 1 : max(0, lead - 2)
        if wasFirst, lead + 1 >= leadWanted(of: origin, link: index) { members[origin].fasterWay = links[index].id }
    }

    /// Of two ways that are equally fast each is first now and then, and a way may be faster for digests than for
    /// records. So each graft of a link wants four times the lead of the one before, and trees settle.
    private func leadWanted(of origin: Int, link index: Int) -> Int {
        configuration.limits.overtakes << (2 * links[index].edges[origin].trials)
    }

    /// Where that ends: what has become the faster way is found some time. (A guess.)
    private static let trialsMax = 4

    /// Takes the way that has proved to be faster instead of the parent, at a moment when all is here that it has told:
    /// what comes twice is what has come to it since.
    mutating func takeFasterWay(to origin: Int) {
        guard let way = members[origin].fasterWay else { return }
        guard let index = linkIndex(way), links[index].isOpen, members[origin].chosen == nil,
            let parent = members[origin].parent.flatMap({ linkIndex($0) }), parent != index,
            links[parent].edges[origin].receives, members[origin].gapSince == nil,
            links[index].edges[origin].lead >= leadWanted(of: origin, link: index)
        else {
            members[origin].fasterWay = nil
            return
        }
        let here = Self.version(held: store.streams[origin].held, announcement: members[origin].announcementNumber)
        guard version(of: origin, by: index) <= here else { return }
        members[origin].fasterWay = nil
        links[index].edges[origin].trials = min(Self.trialsMax, links[index].edges[origin].trials + 1)
        links[index].edges[origin].lead = 0
        counters.treeImprovements += 1
        graft([origin], link: index)
        members[origin].chosen = links[index].id
        prune(origin, link: parent)
    }

    /// Another way has been found, or that one is lost.
    mutating func endChoice(of origin: Int) {
        members[origin].chosen = nil
        members[origin].fasterWay = nil
    }
}
