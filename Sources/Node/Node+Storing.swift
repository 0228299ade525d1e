public import Codecs

/// State that outlives the process: what has changed is handed to the driver in batches, one at a time, so that all
/// that comes while one is written goes with the next; and at a start it is merged as what a neighbour tells is.
extension Node {
    // MARK: At the start

    /// Takes what the driver has kept, before `start`. In any order, in several parts.
    ///
    /// - Throws: if a row is none that a server wrote.
    public mutating func restore(_ rows: [StoredRow]) throws(FrameFault) {
        // What was told when it happened is no news.
        let counted = counters
        defer {
            counters = counted
            outbox.removeAll()
        }
        for row in rows {
            guard let kind = StoredRow.Kind(rawValue: row.kind), let value = row.value else {
                throw .invalidValue(field: "kind of a row", value: UInt64(row.kind))
            }
            var (key, reader) = (WireReader(row.key), WireReader(value))
            switch kind {
            case .account: merge(try Account(from: &reader))
            case .loser: merge(Account(try Claim(from: &reader)))
            case .tombstone:
                let origin = try key.serverID()
                let held: UInt64 = try reader.integer()
                tombstones.insert(
                    PeerFrame.Digest(origin: origin, held: held, announcement: try reader.integer()))
            case .address: addressesStored.append((try PeerAddress(from: &key), try reader.integer()))
            }
            try reader.finish()
        }
    }

    /// The rows are all in: nothing of them need be written again, and the servers of the last life are dialled.
    mutating func endRestoring() {
        guard storing.isOn else { return }
        _ = registry.takeLosers()
        _ = tombstones.takeChanges()
        let addresses = addressesStored.sorted { ($0.heard, $0.address) < ($1.heard, $1.address) }.map(\.address)
        addressesStored = []
        storing = Storing(isOn: true)
        storing.recall(addresses.suffix(Storing.addressesMax))
        let others = storing.addresses.filter { $0 != configuration.address && $0 != configuration.bootstrap }
        for address in others { overlay.remember(address, limit: configuration.limits.departedAddresses) }
        candidates = others.suffix(Self.candidatesMax)
    }

    /// Servers of the last life that are dialled at once; further ones once a minute.
    static let candidatesMax = 16

    /// A dial came to nothing. When all have, this server is alone.
    mutating func candidateFailed(_ address: PeerAddress) {
        candidatesTried.insert(address)
        guard phase == .joining, candidates.allSatisfy({ candidatesTried.contains($0) }),
            configuration.bootstrap.map({ candidatesTried.contains($0) }) ?? true
        else { return }
        serve(alone: true)
    }

    // MARK: While it lives

    /// How long after a failure the next attempt is made.
    static let storeRetry: UInt64 = 5000
    /// How long a registration waits for a disk that does not answer.
    static let storePatience: UInt64 = 10_000

    /// At the end of a turn: the next batch, unless one is being written.
    mutating func storeChanges() {
        guard storing.isOn, storing.batch == nil, storing.retry.map({ $0 <= now }) ?? true else { return }
        guard let rows = nextRows() else { return }
        outbox.append(.store(rows))
    }

    /// What has not been written yet, for the end of the process.
    public mutating func takeUnstored() -> [StoredRow] {
        guard storing.isOn else { return [] }
        if storing.batch != nil { storing.fail(retryAt: now) }
        var rows: [StoredRow] = []
        while let more = nextRows() {
            rows += more
            storing.succeed()
        }
        return rows
    }

    private mutating func nextRows() -> [StoredRow]? {
        let losers = registry.takeLosers()
        storing.note(losers.added.map { StoredRow(loser: $0) } + losers.dropped.map { StoredRow(dropped: $0) })
        let ends = tombstones.takeChanges()
        storing.note(ends.map { origin in tombstones[origin].map { StoredRow($0) } ?? StoredRow(removed: origin) })
        guard !storing.isIdle else { return nil }
        var rows: [StoredRow] = []
        if storing.takeNeedsOthers() {
            rows += registry.losers.map { StoredRow(loser: $0) } + tombstones.entries.map { StoredRow($0) }
            rows += storing.addresses.map { StoredRow($0, heard: networkTime()) }
        }
        let batch = storing.begin(
            claims: registry.claims.count, through: store.streams[Self.ownIndex].held, at: now)
        rows += (batch.urgent + batch.places).map { StoredRow(registry.account(at: $0)) }
        return rows + batch.others
    }

    /// What came of the rows of the last `store`.
    ///
    /// - Parameter failure: nil if they will be there after a loss of power.
    public mutating func stored(failure: String?, at now: Instant) {
        self.now = now
        guard storing.batch != nil else { return }
        let hadFailed = storing.hasFailed
        if let failure {
            counters.stateWritesFailed += 1
            if !hadFailed { outbox.report(.storeFailed(failure)) }
            let retry = now.adding(milliseconds: Self.storeRetry)
            storing.fail(retryAt: retry)
            timers.set(.store, at: retry)
        } else {
            counters.stateWrites += 1
            storing.succeed()
            if hadFailed { outbox.report(.storeRecovered) }
        }
        confirmClaims()
    }

    /// A registration waits for the disk for too long: it is answered without.
    mutating func checkStore() {
        guard let since = storing.batch?.since, !storing.hasFailed,
            now.milliseconds(since: since) >= Self.storePatience
        else { return }
        storing.giveUpWaiting(at: now)
        outbox.report(.storeFailed("the disk has not answered for \(Self.storePatience / 1000) s"))
    }
}
