import Codecs

/// REGISTER: one name, one user, in the whole network.
///
/// The claim goes to the name's first arbiter and, when that one grants it, to the second. Since all ask in the same
/// order, of two that register a name at the same moment exactly one gets past the first arbiter. Each arbiter keeps
/// the name until it holds the claim's record. The client is told when two servers hold the record.
extension Node {
    /// How many arbiters have to keep a name.
    static let arbitersNeeded = 2

    mutating func handleRegister(
        _ username: TextMember, _ secret: TextMember, line: Span<UInt8>, of slot: Int
    ) {
        guard !sessions.sessions[slot].isLoggedIn else {
            return invalid("REGISTER is not possible after a login on the same connection", slot)
        }
        guard case .text(let nameText) = username else {
            return invalid("REGISTER needs a \"username\" that is a string", slot)
        }
        guard case .text(let secretText) = secret else {
            return invalid("REGISTER needs a \"secret\" that is a string", slot)
        }
        let name = nameText.decoded(in: line)
        guard !name.isEmpty else { return invalid("REGISTER needs a \"username\" that is not empty", slot) }
        guard name.count <= Claim.Limit.userNameBytes else {
            return refuse(slot, .registerFailed(InfoText("a user name has at most \(Claim.Limit.userNameBytes) bytes")))
        }
        let secret = secretText.decoded(in: line)
        guard secret.count <= Claim.Limit.secretBytes else {
            return refuse(slot, .registerFailed(InfoText("a secret has at most \(Claim.Limit.secretBytes) bytes")))
        }
        guard name != sessions.users[Int(SessionTable.anonymous)].name, knownClaim(of: name) == nil else {
            return refuse(slot, .alreadyRegistered(username: name.span))
        }
        let job = SessionJob(
            session: sessions.id(of: slot), kind: .register, stage: .hashing, name: name, secret: secret)
        beginRegistration(begin(job, slot: slot))
    }

    mutating func beginRegistration(_ id: UInt64) {
        guard let job = jobs[id] else { return }
        let claim = Claim(
            id: nextClaimID(after: registry.removed(job.name)), name: job.name,
            salt: random.bytes(Claim.Limit.saltBytes), cost: configuration.hashCost, digest: [])
        jobs[id]?.claim = claim
        if !hash(job.secret, salt: claim.salt, cost: claim.cost, for: id) { registrationBusy(id) }
    }

    private mutating func refuse(_ slot: Int, _ reply: ServerReply) {
        counters.registrationsFailed += 1
        self.reply(reply, to: slot)
        finish(slot, .registerFailed, keepsReading: false)
    }

    private mutating func fail(_ id: UInt64, _ reply: ServerReply) {
        guard let job = jobs[id] else { return }
        release(job)
        if answerOperator(id, .alreadyRegistered) { return }
        guard let (_, slot) = end(id) else { return }
        refuse(slot, reply)
    }

    private mutating func registrationBusy(_ id: UInt64) {
        if let job = jobs[id], job.request != nil {
            release(job)
            _ = answerOperator(id, .busy)
        }
        fail(id, .registerFailed("the server is too busy to register users, try again later"))
    }

    // MARK: Asking the arbiters

    /// All members that can be reached, in the order in which they are asked about the name.
    func arbiters(of name: [UInt8]) -> [ServerID] {
        Registry.arbiters(of: name, among: [id] + reachableOthers.map { servers[$0] })
    }

    mutating func registrationHashed(_ id: UInt64, digest: [UInt8]?) {
        guard var job = jobs[id] else { return }
        guard let digest, digest.count == Claim.Limit.digestBytes else { return registrationBusy(id) }
        job.claim?.digest = digest
        job.stage = .reserving
        job.arbiters = arbiters(of: job.name)
        jobs[id] = job
        reserveNext(id)
    }

    private mutating func reserveNext(_ id: UInt64) {
        guard var job = jobs[id], let claim = job.claim else { return }
        let needed = configuration.defect == .oneArbiter ? 1 : Self.arbitersNeeded
        guard job.granted.count < needed, !job.arbiters.isEmpty else { return record(id) }
        let arbiter = job.arbiters.removeFirst()
        jobs[id] = job
        if arbiter == self.id {
            reservationAnswered(arbitrate(claim), by: arbiter, job: id)
        } else if requests.count < configuration.limits.requests {
            request(.reserve(claim), of: arbiter, for: id)
        } else {
            registrationBusy(id)
        }
    }

    /// As an arbiter: may this claim have its name?
    mutating func arbitrate(_ claim: Claim) -> Unicast.Verdict {
        if let present = registry.claim(of: claim.name) { return present.id == claim.id ? .granted : .registered }
        let expires = now.adding(milliseconds: configuration.timing.reservation)
        timers.set(.reservations, at: expires)
        let verdict = reservations.reserve(claim, until: expires)
        noteLimit("reservations", isReached: verdict == .busy)
        if verdict == .reserved { counters.reservationsContested += 1 }
        return verdict
    }

    mutating func expireReservations() {
        reservations.expire(at: now)
        if let next = reservations.nextExpiry { timers.set(.reservations, at: next) }
    }

    /// An arbiter's verdict; nil if it did not answer in time, then the next in order is asked.
    mutating func reservationAnswered(_ verdict: Unicast.Verdict?, by arbiter: ServerID, job id: UInt64) {
        guard var job = jobs[id], job.stage == .reserving else { return }
        switch verdict {
        case .granted:
            job.granted.append(arbiter)
            jobs[id] = job
            reserveNext(id)
        case nil:
            counters.arbitersSilent += 1
            reserveNext(id)
        case .busy: registrationBusy(id)
        case .registered, .reserved: fail(id, .alreadyRegistered(username: job.name.span))
        }
    }

    /// The client went away while the arbiter was asked.
    mutating func releaseLate(_ claim: Claim, verdict: Unicast.Verdict, by arbiter: ServerID, job id: UInt64) {
        guard jobs[id] == nil, verdict == .granted, registry.claim(of: claim.name)?.id != claim.id else { return }
        post(.release(claim.id, name: claim.name), to: arbiter, request: 0)
    }

    /// The registration came to nothing: the arbiters that kept the name need not.
    mutating func release(_ job: SessionJob) {
        guard let claim = job.claim else { return }
        for arbiter in job.granted {
            if arbiter == id {
                reservations.release(claim.id, name: claim.name)
            } else {
                post(.release(claim.id, name: claim.name), to: arbiter, request: 0)
            }
        }
    }

    // MARK: Recording

    /// The name is ours: the claim becomes a record, which every server gets.
    private mutating func record(_ id: UInt64) {
        guard let job = jobs[id], let claim = job.claim else { return }
        guard merge(Account(claim)), registry.claim(of: claim.name)?.id == claim.id else {
            return fail(id, .alreadyRegistered(username: job.name.span))
        }
        registry.setVerifier(verifier(of: job.secret, claim: claim.id), of: claim)
        var payload: [UInt8] = []
        claim.encode(into: &payload)
        let seq = originate(
            RecordHeader(kind: RecordKind.claim.rawValue), payloadBytes: payload.count
        ) { bytes in bytes.append(contentsOf: payload) }
        if let place = registry.place(of: claim.name) { storing.note(urgent: place) }
        counters.registrations += 1
        awaitHolders(of: seq, job: id)
    }

    /// The client is answered when a second server holds the record, and the disk.
    mutating func awaitHolders(of seq: UInt64, job id: UInt64) {
        jobs[id]?.stage = .recorded
        unheldClaims.append((seq, id))
        timers.set(.registration(id), at: now.adding(milliseconds: configuration.timing.claimAcknowledgement))
        confirmClaims()
    }

    /// Tells the clients whose claims a second server holds. Alone in the network, one is all there are. Where there is
    /// a disk, it comes first.
    mutating func confirmClaims() {
        guard !unheldClaims.isEmpty else { return }
        let others = reachableOthers
        let holders = others.map { queues[$0].acknowledged[Self.ownIndex] }
        let held = others.isEmpty ? store.streams[Self.ownIndex].held : holders.max() ?? 0
        var confirmed = 0
        while confirmed < unheldClaims.count, unheldClaims[confirmed].seq <= held,
            storing.holds(unheldClaims[confirmed].seq)
        {
            registrationSucceeded(unheldClaims[confirmed].job)
            confirmed += 1
        }
        unheldClaims.removeFirst(confirmed)
    }

    /// No second server has shown that it holds the claim: availability first.
    mutating func claimAcknowledgementExpired(_ id: UInt64) {
        guard let seq = unheldClaims.first(where: { $0.job == id })?.seq else { return }
        checkStore()
        guard storing.holds(seq) else {
            return timers.set(
                .registration(id), at: now.adding(milliseconds: configuration.timing.claimAcknowledgement))
        }
        unheldClaims.removeAll { $0.job == id }
        counters.claimsUnconfirmed += 1
        registrationSucceeded(id)
    }

    private mutating func registrationSucceeded(_ id: UInt64) {
        if storing.isOn, storing.hasFailed { counters.registrationsUnstored += 1 }
        // An older claim has won the name meanwhile.
        if let claim = jobs[id]?.claim, registry.claim(of: claim.name)?.id != claim.id {
            return fail(id, .alreadyRegistered(username: claim.name.span))
        }
        if answerOperator(id, .done) { return }
        guard let (job, slot) = end(id) else { return }
        reply(.registerSuccess(username: job.name.span), to: slot)
    }
}
