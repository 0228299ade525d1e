import Codecs

/// A REGISTER or LOGIN under way: the session's input waits for its answer.
struct SessionJob: Sendable {
    enum Stage: Sendable {
        /// The name was guessed at: its turn comes later.
        case delayed
        /// Asking an arbiter who holds the name.
        case lookingUp
        /// The secret is with a helper thread.
        case hashing
        /// Asking arbiters to keep the name.
        case reserving
        /// The claim is made; a second server has to hold it.
        case recorded
        /// Asking another server to take the client, and telling it where the client begins.
        case ticketing
        /// It has come from another server, which may still hear it.
        case arriving
        /// Looking for an older session of the claim whose connection has broken.
        case resuming
    }

    enum Kind: Sendable { case register, login, changeSecret }

    /// The session of a job that is an operator's.
    static let nobody = SessionID(slot: .max, generation: .max)

    var session: SessionID
    var kind: Kind
    var stage: Stage
    var name: [UInt8]
    var secret: [UInt8]
    /// Of a login: the claim to check against, nil as long as none is known; of a registration: the claim made.
    var claim: Claim?
    /// Of an operator's job: who is to be answered.
    var request: AccountRequestID?
    /// Arbiters still to be asked, the next one first.
    var arbiters: [ServerID] = []
    /// Arbiters that keep the name for this claim.
    var granted: [ServerID] = []
    /// Servers that refused a ticket.
    var tried: [ServerID] = []
    /// The hash that was asked for last.
    var hash: HashID?
    /// Where the session begins if no older one of its claim is found.
    var floor: Floor?
    /// Sessions of the claim that may have lost their connection: here, elsewhere, and the one that is asked for now.
    var suspects: [SessionID] = []
    var places: [Whereabouts.Place] = []
    var place: Whereabouts.Place?
    /// There was no room to ask for one of them, and the job has waited for some.
    var hasWaited = false
}

/// LOGIN: who is it, is it them, and should they be here?
extension Node {
    mutating func handleLogin(
        _ username: TextMember, _ secret: TextMember, line: Span<UInt8>, of slot: Int
    ) {
        guard case .text(let text) = username else {
            return invalid("LOGIN needs a \"username\" that is a string", slot)
        }
        ask(ClientExtensions(login: line), slot)
        let name = text.decoded(in: line)
        if name == sessions.users[Int(SessionTable.anonymous)].name {
            return loggedIn(slot, user: SessionTable.anonymous)
        }
        guard case .text(let secretText) = secret else {
            return invalid("LOGIN by name needs a \"secret\" that is a string", slot)
        }
        let secret = secretText.decoded(in: line)
        // Longer ones cannot have been registered anywhere.
        if name.count > Claim.Limit.userNameBytes || secret.count > Claim.Limit.secretBytes {
            return refuseLogin(slot, .unknownUserOrSecret)
        }
        guard waitAfterGuesses(of: slot) == 0 else {
            counters.loginsBackedOff += 1
            return refuseLogin(slot, .loginFailed("too many failed logins, try again later"))
        }
        checkUser(name, secret, of: slot)
    }

    /// While a name is guessed at, all have to wait but who was verified here before.
    private mutating func checkUser(_ name: [UInt8], _ secret: [UInt8], of slot: Int) {
        var job = SessionJob(
            session: sessions.id(of: slot), kind: .login, stage: .lookingUp, name: name, secret: secret)
        job.claim = knownClaim(of: name)
        let delay = delayAfterGuesses(at: name, by: slot)
        if delay > 0, !hasVerified(job) {
            job.stage = .delayed
            counters.loginsDelayed += 1
            let id = begin(job, slot: slot)
            return timers.set(.login(id), at: now.adding(milliseconds: delay))
        }
        identify(begin(job, slot: slot))
    }

    /// The answer to a login was put off until now.
    mutating func loginDelayExpired(_ id: UInt64) {
        guard jobs[id]?.stage == .delayed else { return }
        jobs[id]?.stage = .lookingUp
        identify(id)
    }

    private mutating func identify(_ id: UInt64) {
        guard let name = jobs[id]?.name else { return }
        if let claim = knownClaim(of: name) {
            jobs[id]?.claim = claim
            return verify(id)
        }
        // Its secret is hashed like that of any other, so that the time does not tell who is registered.
        guard let secret = jobs[id]?.secret,
            hash(secret, salt: decoySalt(of: name), cost: configuration.hashCost, for: id)
        else { return failBusy(id) }
        let others = arbiters(of: name).filter { $0 != self.id }
        jobs[id]?.arbiters = Array(others.prefix(2))
        lookUpNext(id)
    }

    private func decoySalt(of name: [UInt8]) -> [UInt8] {
        Array(cryptography.hmac(verifierKey, name).prefix(Claim.Limit.saltBytes))
    }

    /// The claim to a name, as far as this server knows: registered, or being registered with it as an arbiter.
    func knownClaim(of name: [UInt8]) -> Claim? { registry.claim(of: name) ?? reservations.claim(of: name) }

    // MARK: Jobs

    mutating func begin(_ job: SessionJob, slot: Int) -> UInt64 {
        precondition(!sessions.sessions[slot].hasJob, "a session has one job at a time")
        nextJob += 1
        jobs[nextJob] = job
        sessions.setJob(nextJob, of: slot)
        outbox.append(.pause(job.session))
        return nextJob
    }

    /// Takes the job off its session, whose input goes on, and wipes its secret. Returns the session's slot.
    mutating func end(_ id: UInt64) -> (job: SessionJob, slot: Int)? {
        guard var job = jobs.removeValue(forKey: id), let slot = sessions.slot(of: job.session) else { return nil }
        cryptography.wipe(&job.secret)
        sessions.setJob(nil, of: slot)
        // It was closed meanwhile (its claim lost, or this server leaves) and has had its last reply.
        guard sessions.sessions[slot].state != .closing else { return nil }
        outbox.append(.resume(job.session))
        // It was sent elsewhere meanwhile, and asks again there. What else it has said here counts.
        guard sessions.sessions[slot].state != .redirected else { return nil }
        return (job, slot)
    }

    /// The client is gone before its answer.
    mutating func abandonJob(of slot: Int) {
        guard let id = sessions.job(of: slot), var job = jobs.removeValue(forKey: id) else { return }
        cryptography.wipe(&job.secret)
        sessions.setJob(nil, of: slot)
        if let hash = job.hash { hashJobs[hash] = nil }
        // Whoever does not wait for the answer may be guessing all the same.
        if job.kind == .login, [.delayed, .lookingUp, .hashing].contains(job.stage) {
            noteGuess(at: job.name, by: slot)
        }
        // A claim that is recorded stays: the client may come back with the secret that it chose.
        if job.kind == .register, job.stage != .recorded { release(job) }
    }

    private mutating func fail(_ id: UInt64, _ reply: ServerReply) {
        guard let (_, slot) = end(id) else {
            counters.loginsFailed += 1
            return
        }
        refuseLogin(slot, reply)
    }

    /// The one answer to an unknown name and to a wrong secret.
    private mutating func failUnknown(_ id: UInt64) {
        if let job = jobs[id], let slot = sessions.slot(of: job.session) { noteGuess(at: job.name, by: slot) }
        fail(id, .unknownUserOrSecret)
    }

    private mutating func failBusy(_ id: UInt64) {
        fail(id, .loginFailed("the server is too busy to check secrets, try again later"))
    }

    private mutating func refuseLogin(_ slot: Int, _ reply: ServerReply) {
        counters.loginsFailed += 1
        leave(slot)
        self.reply(reply, to: slot)
        finish(slot, .loginFailed, keepsReading: false)
    }

    // MARK: Looking up

    private mutating func lookUpNext(_ id: UInt64) {
        guard let name = jobs[id]?.name else { return }
        guard let arbiter = jobs[id]?.arbiters.first, requests.count < configuration.limits.requests else {
            guard let hash = jobs[id]?.hash, hashJobs[hash] != nil else { return failUnknown(id) }
            // Nobody knows the name; the answer comes when the hash is done.
            jobs[id]?.stage = .hashing
            return
        }
        jobs[id]?.arbiters.removeFirst()
        request(.lookUp(name: name), of: arbiter, for: id)
    }

    mutating func lookUpAnswered(_ claim: Claim?, job id: UInt64) {
        guard var job = jobs[id], job.stage == .lookingUp else { return }
        if claim != nil { counters.claimsLookedUp += 1 }
        // The record may have come in the meantime.
        guard let claim = claim ?? knownClaim(of: job.name), claim.name == job.name else {
            return lookUpNext(id)
        }
        job.claim = claim
        jobs[id] = job
        verify(id)
    }

    // MARK: Verifying

    /// A claim that was verified here before costs no hash.
    private mutating func verify(_ id: UInt64) {
        guard let claim = jobs[id]?.claim else { return }
        if jobs[id].map(hasVerified) ?? false { return verified(id) }
        // A wrong secret takes as long as one that is not known yet.
        hash(against: claim, for: id)
    }

    private mutating func hash(against claim: Claim, for id: UInt64) {
        jobs[id]?.claim = claim
        jobs[id]?.stage = .hashing
        if !hash(jobs[id]?.secret ?? [], salt: claim.salt, cost: claim.cost, for: id) { failBusy(id) }
    }

    /// Whether the secret is one that was found to be right before.
    private func hasVerified(_ job: SessionJob) -> Bool {
        guard let claim = job.claim, let known = registry.verifier(of: claim) ?? tickets.verifier(of: claim.id) else {
            return false
        }
        return Handshake.areEqual(known, verifier(of: job.secret, claim: claim.id))
    }

    /// The secret is not that of the name's claim, but it may be that of a claim that lost the name: whoever chose it
    /// is told what has happened.
    private mutating func tryLoser(_ id: UInt64) {
        guard let name = jobs[id]?.name, let loser = registry.loser(of: name), jobs[id]?.claim?.id != loser.id else {
            return failUnknown(id)
        }
        hash(against: loser, for: id)
    }

    /// Gives a secret to the helper threads. Returns false if too many wait there.
    mutating func hash(_ secret: [UInt8], salt: [UInt8], cost: UInt8, for job: UInt64) -> Bool {
        let isFull = hashJobs.count >= configuration.limits.hashJobs
        noteLimit("secrets that wait to be hashed", isReached: isFull)
        guard !isFull else {
            counters.hashesRefused += 1
            return false
        }
        nextHash += 1
        let id = HashID(rawValue: nextHash)
        hashJobs[id] = job
        jobs[job]?.hash = id
        outbox.append(.hash(id, secret: secret, salt: salt, cost: cost))
        return true
    }

    /// The hash that a session waits for. Once the session is closed nobody wants it: a driver that can still take it
    /// back need not answer with `hashed`.
    public func hashUnderWay(of session: SessionID) -> HashID? {
        guard let slot = sessions.slot(of: session), let id = sessions.job(of: slot), let job = jobs[id] else {
            return nil
        }
        return job.hash.flatMap { hashJobs[$0] == nil ? nil : $0 }
    }

    /// A hash is done; nil if the helper threads could not take it.
    public mutating func hashed(_ id: HashID, digest: [UInt8]?, at now: Instant) {
        self.now = now
        // A name that was unknown may have been found before its secret was hashed.
        guard let jobID = hashJobs.removeValue(forKey: id), jobs[jobID]?.hash == id, let kind = jobs[jobID]?.kind,
            jobs[jobID]?.stage == .hashing
        else { return }
        switch kind {
        case .register: registrationHashed(jobID, digest: digest)
        case .changeSecret: secretHashed(jobID, digest: digest)
        case .login: loginHashed(jobID, digest: digest)
        }
    }

    private mutating func loginHashed(_ id: UInt64, digest: [UInt8]?) {
        guard let digest else { return failBusy(id) }
        guard let claim = jobs[id]?.claim else { return failUnknown(id) }
        guard Handshake.areEqual(digest, claim.digest) else { return tryLoser(id) }
        registry.setVerifier(verifier(of: jobs[id]?.secret ?? [], claim: claim.id), of: claim)
        verified(id)
    }

    /// For the user of a claim that an older one has beaten.
    static let claimLostReply = ServerReply.loginFailed(
        "the name was registered earlier in another part of the network")

    private mutating func verified(_ id: UInt64) {
        guard let claim = jobs[id]?.claim else { return }
        if let present = registry.claim(of: claim.name), present.id != claim.id {
            counters.loginsOfLosers += 1
            return fail(id, Self.claimLostReply)
        }
        if let present = registry.claim(of: claim.name), present.digest != claim.digest {
            // It was changed while this one was checked.
            return failUnknown(id)
        }
        if let name = jobs[id]?.name, registry.removed(name).map({ claim.id <= $0 }) ?? false {
            return failUnknown(id)
        }
        // The registry's, if it has the claim: the secret was found to be right, so the two are equal, and one is kept.
        let verifier = registry.verifier(of: claim) ?? verifier(of: jobs[id]?.secret ?? [], claim: claim.id)
        guard let (_, slot) = end(id) else { return }
        if registry.place(of: claim.name) == nil, unrecordedLogins.count < configuration.limits.reservations {
            unrecordedLogins[claim.name] = claim
        }
        let user = sessions.userIndex(name: claim.name, claim: claim.id, verifier: verifier)
        loggedIn(slot, user: user)
    }

    // MARK: Logged in

    /// The client is who it says. It stays, or goes where there are fewer.
    private mutating func loggedIn(_ slot: Int, user: Int32) {
        counters.logins += 1
        hasServed = true
        if sessions.sessions[slot].isPresent {
            // A second LOGIN on a connection changes who it is, not where.
            closeSession(slot)
            sessions.setUser(user, of: slot)
            if sessions.sessions[slot].state == .live {
                sessions.setFollowedFrom(publications.end, of: slot)
                fedLines[slot] = nil
            }
            openSession(slot, at: floor(of: slot))
            return welcome(slot)
        }
        sessions.setUser(user, of: slot)
        if tickets.unusedCount > 0, let ticket = tickets.use(ticketHolder(slot), defect: configuration.defect) {
            return arrive(slot, with: ticket)
        }
        if tickets.useLate(ticketHolder(slot), at: now) {
            // It may still have a place elsewhere; it has been sent on once.
            sessions.setMoved(at: seconds, of: slot)
            return stayOrRefuse(slot)
        }
        let job = SessionJob(
            session: sessions.id(of: slot), kind: .login, stage: .ticketing, name: [], secret: [])
        guard requests.count < configuration.limits.requests, let target = redirectTarget() else {
            return stayOrRefuse(slot)
        }
        askTicket(of: target, job: begin(job, slot: slot))
    }

    /// The client found no better place.
    private mutating func stayOrRefuse(_ slot: Int) {
        guard isDraining else { return stay(slot) }
        refuseLogin(slot, .loginFailed("this server is about to stop, try another one"))
    }

    func ticketHolder(_ slot: Int) -> Unicast.TicketHolder {
        sessions.user(of: slot).claim.map { .claim($0) } ?? .address(sessions.address(of: slot))
    }

    /// LOGIN_SUCCESS; from here on, or from its floor on, the client gets every activity.
    mutating func succeed(_ slot: Int, at floor: Floor? = nil) {
        // Who was to go elsewhere has had it.
        if sessions.sessions[slot].state != .away { welcome(slot) }
        begin(slot, at: floor)
        holdNewcomer(slot)
    }

    private mutating func welcome(_ slot: Int) {
        reply(.loginSuccess(username: sessions.user(of: slot).name.span), to: slot)
    }

    // MARK: Going elsewhere

    private mutating func askTicket(of target: ServerID, job id: UInt64) {
        guard let job = jobs[id], let slot = sessions.slot(of: job.session) else { return }
        noteTicketsAsked(of: target)
        // An anonymous client is taken from a server that stops like one that was there before. Who has a name may have
        // an older session to go on from, which the target looks for at a login only: any server is a better place.
        let isAnonymous = sessions.sessions[slot].isAnonymous
        let ticket = Unicast.TicketRequest(
            holder: ticketHolder(slot), cause: isDraining && isAnonymous ? .drain : .login,
            sourceLoad: isDraining ? .max : UInt32(clamping: ownBurden.load + 1),
            sourceWeight: isDraining ? 1 : configuration.weight)
        request(.requestTicket(ticket), of: target, for: id)
    }

    mutating func ticketAnswered(_ isGranted: Bool, ticket: UInt64, by target: ServerID, job id: UInt64) {
        guard var job = jobs[id], job.stage == .ticketing else { return }
        if !isGranted {
            job.tried.append(target)
            jobs[id] = job
            if job.tried.count < Self.ticketAttempts,
                let next = redirectTarget(besides: job.tried)
            {
                return askTicket(of: next, job: id)
            }
        }
        let ended = end(id)
        guard isGranted, phase == .serving, let slot = ended?.slot, let server = servers.index(of: target) else {
            if isGranted { withdraw(ticket: ticket, from: target) }
            if let slot = ended?.slot { stayOrRefuse(slot) }
            return
        }
        sentOn = now
        welcome(slot)
        if sessions.user(of: slot).claim != nil || isDraining {
            moveNewcomer(slot, ticket: ticket, to: target)
        } else {
            redirect(slot, to: server)
        }
    }
}
