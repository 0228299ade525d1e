public import Codecs

/// What an operator does to a user, in the whole network.
public struct AccountChange: Hashable, Sendable {
    public enum Action: String, Hashable, Sendable, CaseIterable {
        case add
        /// Another secret; sessions that were opened with the old one end.
        case setSecret = "set-secret"
        /// All sessions end.
        case kick
        /// The name is free again; all sessions end.
        case remove

        public var needsSecret: Bool { self == .add || self == .setSecret }
    }

    public var action: Action
    public var name: [UInt8]
    /// Empty where none is needed.
    public var secret: [UInt8]

    public init(_ action: Action, name: [UInt8], secret: [UInt8] = []) {
        self.action = action
        self.name = name
        self.secret = secret
    }
}

/// What came of it.
public enum AccountAnswer: String, Hashable, Sendable, CaseIterable {
    case done
    case unknownUser
    case alreadyRegistered
    /// The name or the secret is empty or too long, or the name is `anonymous`.
    case invalid
    /// Too much is under way.
    case busy
}

/// Operators change users: a registration without a client, a secret that is newer than the one before, the end of a
/// name. Each is a record and then state, as a claim is, and is answered when a registration would be.
///
/// A kick is a change of the secret to the one that it is: what is new to a server about a user ends its sessions
/// there.
extension Node {
    /// Does what an operator asks for; answers with `accountAnswered`.
    public mutating func changeAccount(_ request: AccountRequestID, _ change: AccountChange, at now: Instant) {
        self.now = now
        guard isValid(change) else { return answer(request, .invalid) }
        let isKnown = knownClaim(of: change.name) != nil
        guard isKnown != (change.action == .add) else {
            return answer(request, isKnown ? .alreadyRegistered : .unknownUser)
        }
        guard registry.claim(of: change.name) != nil || !isKnown, jobs.count < configuration.limits.requests else {
            return answer(request, .busy)
        }
        var job = SessionJob(
            session: SessionJob.nobody, kind: change.action == .add ? .register : .changeSecret, stage: .hashing,
            name: change.name, secret: change.secret)
        job.request = request
        nextJob += 1
        jobs[nextJob] = job
        outbox.report(.accountChanged(name: change.name, change.action))
        switch change.action {
        case .add: beginRegistration(nextJob)
        case .setSecret: hashNewSecret(nextJob)
        case .kick: recordSecret(nextJob, nil)
        case .remove: recordRemoval(nextJob)
        }
    }

    private func isValid(_ change: AccountChange) -> Bool {
        (1...Claim.Limit.userNameBytes).contains(change.name.count)
            && change.name != sessions.users[Int(SessionTable.anonymous)].name
            && change.secret.count <= Claim.Limit.secretBytes && (!change.action.needsSecret || !change.secret.isEmpty)
    }

    private mutating func answer(_ request: AccountRequestID, _ answer: AccountAnswer) {
        outbox.append(.accountAnswered(request, answer))
    }

    /// Answers an operator; false if the job is a client's.
    mutating func answerOperator(_ id: UInt64, _ answer: AccountAnswer) -> Bool {
        guard let request = jobs[id]?.request, var job = jobs.removeValue(forKey: id) else { return false }
        cryptography.wipe(&job.secret)
        self.answer(request, answer)
        return true
    }

    // MARK: Secrets

    private mutating func hashNewSecret(_ id: UInt64) {
        guard var job = jobs[id] else { return }
        let salt = random.bytes(Claim.Limit.saltBytes)
        // Only what is hashed matters of it.
        job.claim = Claim(
            id: ClaimID(stamp: 0, origin: self.id, counter: 0), name: job.name, salt: salt,
            cost: configuration.hashCost, digest: [])
        jobs[id] = job
        if !hash(job.secret, salt: salt, cost: configuration.hashCost, for: id) { _ = answerOperator(id, .busy) }
    }

    mutating func secretHashed(_ id: UInt64, digest: [UInt8]?) {
        guard let digest, digest.count == Claim.Limit.digestBytes, var hashed = jobs[id]?.claim else {
            _ = answerOperator(id, .busy)
            return
        }
        hashed.digest = digest
        recordSecret(id, hashed)
    }

    /// - Parameter secret: nil leaves it as it is.
    private mutating func recordSecret(_ id: UInt64, _ secret: Claim?) {
        guard let name = jobs[id]?.name, var claim = registry.claim(of: name), let place = registry.place(of: name)
        else {
            _ = answerOperator(id, .unknownUser)
            return
        }
        if let secret { (claim.salt, claim.cost, claim.digest) = (secret.salt, secret.cost, secret.digest) }
        let revision = nextClaimID(after: registry.account(at: place).revision)
        record(Account(name: name, claim: claim, revision: revision), .secretChanged, job: id)
    }

    // MARK: Removing

    private mutating func recordRemoval(_ id: UInt64) {
        guard let name = jobs[id]?.name else { return }
        // Beyond all claims that are known, those that lost included: none of them comes back.
        let known = ([registry.claim(of: name)] + registry.losers.filter { $0.name == name }).compactMap { $0?.id }
        record(Account(name: name, removed: nextClaimID(after: known.max())), .userRemoved, job: id)
    }

    private mutating func record(_ account: Account, _ kind: RecordKind, job id: UInt64) {
        merge(account)
        if let place = registry.place(of: account.name) { storing.note(urgent: place) }
        var payload: [UInt8] = []
        account.encode(into: &payload)
        let seq = originate(RecordHeader(kind: kind.rawValue), payloadBytes: payload.count) { bytes in
            bytes.append(contentsOf: payload)
        }
        counters.accountChanges += 1
        jobs[id]?.claim = nil
        awaitHolders(of: seq, job: id)
    }

    /// An identifier that is later than another one, whatever the clocks say.
    mutating func nextClaimID(after other: ClaimID?) -> ClaimID {
        claimCounter += 1
        let stamp = max(networkTime(), other.map { min($0.stamp, .max - 1) + 1 } ?? 0)
        return ClaimID(stamp: stamp, origin: id, counter: claimCounter)
    }

    // MARK: Looking

    /// A user, for operators.
    public struct UserStatus: Sendable {
        public var name: [UInt8]
        public var claim: ClaimID
        /// When the secret was changed last, or its user kicked; nil if neither was.
        public var revised: UInt64?
        /// Sessions here and, as far as is known, elsewhere.
        public var sessions: Int
        public var sessionsElsewhere: Int
    }

    /// Places in the registry, those of removed names included.
    public var userPlaces: Int { registry.claims.count }

    /// The user in a place; nil if the name was removed.
    public func userStatus(at place: Int) -> UserStatus? {
        let account = registry.account(at: place)
        guard let claim = account.claim else { return nil }
        return UserStatus(
            name: account.name, claim: claim.id, revised: account.revision?.stamp,
            sessions: sessions.count(of: claim.id), sessionsElsewhere: whereabouts.places(of: claim.id).count)
    }
}
