import Codecs

/// Trees become what a flood's are: each record over the fastest way there is.
///
/// A tree is formed by the first copies that pass, link after link; then the overlay changes, or ways become slow. Each
/// digest tells for how long its sender has had what it tells, so the receiver knows when the record would have come
/// over that link, and compares with when it came. A neighbour that would have been first much more often than not is
/// grafted, and the next copies decide as they did at first. (Plumtree compares hops; what counts here is time.)
///
/// What comes of an origin has a version: the sum of what is held of its stream and of its announcement's number. Both
/// only grow, and come in the same order everywhere but for a few.
extension Node {
    /// What the neighbour is known to have of the origin.
    func version(of origin: Int, by link: Int) -> UInt64 {
        known(origin, by: link) &+ links[link].edges[origin].announcement
    }

    /// What is known here of the origin has just changed.
    mutating func noteNews(of origin: Int) {
        let version = store.streams[origin].held &+ members[origin].announcementNumber
        members[origin].arrivals.note(version, at: now)
    }

    /// A digest of a link that is not the parent tells something new: would it have been here first?
    ///
    /// It must be one thing. Of several a digest tells the age of the last, which is the more often the last that is
    /// told of the earlier it came: then each way would seem to be faster than it is, and trees would never settle.
    mutating func compare(_ digest: PeerFrame.Digest, of origin: Int, link index: Int) {
        guard let parent = members[origin].parent, parent != links[index].id else { return }
        let wasFirst = members[origin].arrivals.isBefore(
            digest.held &+ digest.announcement, at: now.subtracting(microseconds: UInt64(digest.age)))
        let lead = links[index].edges[origin].lead
        links[index].edges[origin].lead = wasFirst ? lead + 1 : max(0, lead - 2)
        if wasFirst, lead + 1 >= leadWanted(of: origin, link: index) { members[origin].fasterWay = links[index].id }
    }

    /// Of two ways that are equally fast each is first now and then; a way may be faster for digests than for records;
    /// and each trial costs copies. So each trial of a link wants four times the lead of the one before.
    private func leadWanted(of origin: Int, link index: Int) -> Int {
        configuration.limits.overtakes << (2 * links[index].edges[origin].trials)
    }

    /// Where that ends: what has become the faster way is found some time. (A guess.)
    private static let trialsMax = 4

    /// What came to the neighbour before the graft did comes late through no fault of its own; then it is the first
    /// time after time, most often, but not each time.
    private static let trialCopies = 4

    /// Grafts the way that has proved to be faster, at a moment when all is here that it has told: what it would have
    /// to send again is what has come to it since.
    mutating func improve(_ origin: Int, by index: Int, announcement: UInt64) {
        guard links[index].isOpen, members[origin].parent != links[index].id, !hasGap(in: origin, link: index),
            links[index].edges[origin].lead >= leadWanted(of: origin, link: index)
        else {
            members[origin].fasterWay = nil
            return
        }
        guard version(of: origin, by: index) <= store.streams[origin].held &+ announcement else { return }
        members[origin].fasterWay = nil
        links[index].edges[origin].trials = min(Self.trialsMax, links[index].edges[origin].trials + 1)
        links[index].edges[origin].lead = 0
        counters.treeImprovements += 1
        graft([origin], link: index)
        links[index].edges[origin].trialCopies = Self.trialCopies
    }
}
