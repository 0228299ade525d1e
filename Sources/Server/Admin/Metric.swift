/// What `/metrics` shows, in one table: the counters of the node, the reactor and the shell under names after the
/// conventions of Prometheus (prometheus.io/docs/practices/naming). docs/metrics.md is the same table, and a test
/// compares the two; another one finds a counter that is missing here.

/// One row: a field of a structure of counters, or a family that is made by hand.
struct Metric {
    enum Source: CaseIterable {
        case node, reactor, shell
        /// Made in `MetricsDocument`.
        case family
    }

    enum Kind: String {
        case counter, gauge
    }

    let source: Source
    /// The name of the field; that of the label of a family, empty if it has none.
    let field: String
    let name: String
    let kind: Kind
    let help: String
    /// Base units: seconds where the field has nanoseconds.
    let divisor: Double

    private init(_ source: Source, _ field: String, _ name: String, _ kind: Kind, _ help: String, _ divisor: Double) {
        self.source = source
        self.field = field
        self.name = name
        self.kind = kind
        self.help = help
        self.divisor = divisor
    }

    private static func counter(
        _ source: Source, _ field: String, _ name: String, _ help: String, dividedBy divisor: Double = 1
    ) -> Metric { Metric(source, field, name, .counter, help, divisor) }

    private static func gauge(
        _ source: Source, _ field: String, _ name: String, _ help: String, dividedBy divisor: Double = 1
    ) -> Metric { Metric(source, field, name, .gauge, help, divisor) }

    static let all = families + members + records + trees + clients + survivors + loop + shell

    // MARK: Families

    static let families: [Metric] = [
        .gauge(.family, "version", "pando_build_info", "1; the version is its label."),
        .gauge(.family, "", "process_start_time_seconds", "When this server started, in seconds since 1970."),
        .counter(.family, "", "process_cpu_seconds_total", "Processor time of all threads."),
        .gauge(.family, "", "process_resident_memory_bytes", "Memory that is resident."),
        .gauge(.family, "", "pando_whole", "1 if this server serves, and reaches every member that it owes records."),
        .gauge(.family, "", "pando_members_unreachable", "Members that are silent and still owed their records."),
        .counter(.family, "reason", "pando_connections_closed_total", "Connections that ended, by reason."),
        .gauge(.family, "state", "pando_clients", "Clients by state."),
        .gauge(.family, "limit", "pando_limit_used", "How much of a limit is used."),
        .gauge(.family, "limit", "pando_limit_max", "The limit itself."),
        .gauge(
            .family, "neighbour", "pando_queue_records", "Records held here that a present or former neighbour lacks."),
        .gauge(.family, "neighbour", "pando_queue_bytes", "Their bytes."),
        .gauge(
            .family, "neighbour", "pando_queue_oldest_seconds",
            "How long ago the oldest of them came, or up to 5 s more."),
        .gauge(.family, "neighbour", "pando_link_up", "1 if there is a link to it."),
        .gauge(
            .family, "neighbour", "pando_link_round_trip_seconds", "Round trip of the link, as the system measures it."
        ),
        .counter(.family, "code", "pando_admin_requests_total", "Answers of the admin endpoint, by status."),
        .counter(
            .family, "", "pando_admin_connections_refused_total",
            "Connections to the admin endpoint closed without an answer: there were too many."),
    ]

    // MARK: The node

    private static let members: [Metric] = [
        .gauge(.node, "members", "pando_members", "Reachable members, this server included."),
        .gauge(.node, "membersServing", "pando_members_serving", "Reachable members that serve clients."),
        .gauge(.node, "serversKnown", "pando_servers_known", "Servers whose streams are known, living and dead."),
        .gauge(.node, "tombstones", "pando_tombstones", "Forgotten servers whose ends are remembered."),
        .gauge(.node, "links", "pando_links", "Links to neighbours that are open."),
        .gauge(
            .node, "linksByOtherSecret", "pando_links_by_other_secret",
            "Of them, those that were proved by another secret than the one by which this server proves itself."),
        .gauge(.node, "sessions", "pando_sessions", "Logged-in clients."),
        .gauge(.node, "claims", "pando_claims", "Registered users."),
        .gauge(
            .node, "isStateFailing", "pando_state_failing",
            "1 while the state cannot be written to the disk: users are in memory only."),
        .gauge(.node, "stateRowsPending", "pando_state_rows_pending", "What is still to be written of the state."),
        .counter(.node, "stateWrites", "pando_state_writes_total", "Writes of state, each one wait for the disk."),
        .counter(.node, "stateWritesFailed", "pando_state_writes_failed_total", "Writes of state that failed."),
        .counter(
            .node, "registrationsUnstored", "pando_registrations_unstored_total",
            "Registrations answered although the disk had not got them, since it failed."),
        .counter(.node, "accountChanges", "pando_account_changes_total", "Users changed by operators of this server."),
        .gauge(.node, "isServing", "pando_ready", "1 while clients are served; 0 while the server drains."),
        .counter(
            .node, "originsForgotten", "pando_origins_forgotten_total", "Ended streams that moved into a tombstone."),
        .counter(
            .node, "originsForgottenEarly", "pando_origins_forgotten_early_total",
            "Of them, those that were given up because the table of servers was full."),
        .counter(
            .node, "tombstonesRevived", "pando_tombstones_revived_total",
            "Forgotten servers that were heard of again with something new."),
        .counter(
            .node, "membersRevived", "pando_members_revived_total", "Departed members that turned out to live."),
        .counter(.node, "membersDeparted", "pando_members_departed_total", "Members that are gone for good."),
        .counter(
            .node, "forgottenHits", "pando_forgotten_hits_total",
            "Streams that were stepped over because their tombstone may have been evicted."),
        .counter(
            .node, "rankRaises", "pando_rank_raises_total",
            "Times that this server raised its rank above another incarnation at its address."),
        .counter(
            .node, "registryRepairs", "pando_registry_repairs_total",
            "State transfers because a neighbour's registry differed at equal vectors; 0 in a sound network."),
        .counter(
            .node, "clockAhead", "pando_clock_ahead_total",
            "Claims and neighbours with stamps too far ahead of this server's network time."),
        .counter(
            .node, "pauses", "pando_pauses_total", "Times that the process stood still for longer than a heartbeat."),
    ]

    private static let records: [Metric] = [
        .gauge(.node, "storeRecords", "pando_store_records", "Records that are kept."),
        .gauge(.node, "storeBytes", "pando_store_bytes", "Their bytes."),
        .counter(.node, "recordsOriginated", "pando_records_originated_total", "Records that arose here."),
        .counter(
            .node, "recordsReceived", "pando_records_received_total", "Records that came over links, each copy."),
        .counter(.node, "recordsDuplicate", "pando_records_duplicate_total", "Of them, copies of what was here."),
        .counter(.node, "recordsSent", "pando_records_sent_total", "Records pushed over links."),
        .counter(
            .node, "recordsOutOfOrder", "pando_records_out_of_order_total", "Records that came with a gap before."),
        .counter(
            .node, "recordsUnknown", "pando_records_unknown_total",
            "Records of kinds that only newer servers know: kept and passed on."),
        .counter(
            .node, "activitiesDelivered", "pando_activities_delivered_total", "Activities shown to the clients here."),
        .counter(
            .node, "dependenciesAwaited", "pando_dependencies_awaited_total",
            "Times that a stream waited for what its sender had sent before, elsewhere."),
        .counter(
            .node, "deliveriesPostponed", "pando_deliveries_postponed_total",
            "Times that a stream stood still because the readers were behind."),
        .counter(
            .node, "dependenciesExpired", "pando_dependencies_expired_total",
            "Records delivered although what they waited for had not come in ten seconds, "
                + "or was not delivered in thirty."),
        .counter(
            .node, "recordsGivenUp", "pando_records_given_up_total", "Records given up at the store's bound: lost."),
        .counter(
            .node, "recordsSkipped", "pando_records_skipped_total",
            "Records stepped over because nobody holds them any more: lost here."),
        .counter(.node, "gapsPutOff", "pando_gaps_put_off_total", "Gaps that were not stepped over at once."),
        .counter(
            .node, "gapsFilled", "pando_gaps_filled_total", "Of them, those that another neighbour filled."),
        .counter(
            .node, "resends", "pando_resends_total",
            "Streams sent again to a neighbour that had consumed them and does not hold them."),
        .counter(
            .node, "gapsWithState", "pando_gaps_with_state_total",
            "Gaps told with claims in them, which followed as state."),
    ]

    private static let trees: [Metric] = [
        .counter(.node, "prunesSent", "pando_prunes_sent_total", "Links made lazy for a stream."),
        .counter(.node, "graftsSent", "pando_grafts_sent_total", "Links made eager for a stream."),
        .counter(
            .node, "graftsByParent", "pando_grafts_by_parent_total",
            "Grafts that came from the parent: the way to the origin was lost there, and so here."),
        .counter(
            .node, "prunesWithheld", "pando_prunes_withheld_total",
            "Copies that did not prune their link because they were under way when it was grafted."),
        .counter(.node, "repairs", "pando_repairs_total", "Grafts because a digest told of something missing."),
        .counter(
            .node, "treeImprovements", "pando_tree_improvements_total",
            "Grafts of links whose digests kept coming before the records over the parent."),
        .counter(.node, "digestsSent", "pando_digests_sent_total", "Digests sent over lazy links."),
        .counter(
            .node, "announcementsSent", "pando_announcements_sent_total", "Announcements sent, each link counted."),
        .counter(.node, "announcementsReceived", "pando_announcements_received_total", "Announcements that came."),
        .counter(
            .node, "creditExhausted", "pando_credit_exhausted_total",
            "Times that a link's credit was used up: what is new waits."),
        .counter(
            .node, "proofsByOtherSecret", "pando_link_proofs_by_other_secret_total",
            "Links that were proved by another secret than the one by which this server proves itself."),
        .counter(.node, "framesReceived", "pando_frames_received_total", "Frames that came over links."),
        .counter(.node, "framesUnknown", "pando_frames_unknown_total", "Of them, frames of unknown kinds."),
        .counter(
            .node, "unicastsForwarded", "pando_unicasts_forwarded_total", "Requests and answers passed on to others."),
        .counter(
            .node, "unicastsDropped", "pando_unicasts_dropped_total",
            "Requests and answers without a next hop, or with their hop limit used up."),
        .counter(
            .node, "unicastsUnknown", "pando_unicasts_unknown_total",
            "Requests and answers to this server that it cannot read: of a newer one, or broken."),
    ]

    private static let clients: [Metric] = [
        .counter(.node, "logins", "pando_logins_total", "Logins."),
        .counter(.node, "loginsFailed", "pando_logins_failed_total", "Logins that were refused."),
        .counter(
            .node, "loginsBackedOff", "pando_logins_backed_off_total",
            "Of them, those that were not looked at: too many from their address had failed."),
        .counter(
            .node, "loginsDelayed", "pando_logins_delayed_total",
            "Logins whose answer was put off: their name was guessed at."),
        .counter(
            .node, "hashesRefused", "pando_hashes_refused_total",
            "Secrets that were not hashed: too many waited for it."),
        .counter(.node, "registrations", "pando_registrations_total", "Registrations."),
        .counter(.node, "registrationsFailed", "pando_registrations_failed_total", "Registrations that failed."),
        .counter(.node, "redirects", "pando_redirects_total", "Clients sent to another server."),
        .counter(.node, "ticketsGranted", "pando_tickets_granted_total", "Leave given for clients to come."),
        .counter(.node, "ticketsRefused", "pando_tickets_refused_total", "Leave that was refused."),
        .counter(.node, "ticketsUsed", "pando_tickets_used_total", "Clients that came with leave."),
        .counter(
            .node, "claimsUnconfirmed", "pando_claims_unconfirmed_total",
            "Registrations answered before a second server was known to hold the claim."),
        .counter(
            .node, "requestsTimedOut", "pando_requests_timed_out_total",
            "Requests to other servers that nobody answered in time."),
        .counter(.node, "invalidMessages", "pando_invalid_messages_total", "Lines answered with INVALID_MESSAGE."),
        .counter(.node, "claimConflicts", "pando_claim_conflicts_total", "Claims that lost against an older one."),
        .counter(
            .node, "claimLosersClosed", "pando_claim_losers_closed_total",
            "Sessions that were closed because their claim lost."),
        .counter(
            .node, "reservationsContested", "pando_reservations_contested_total",
            "Reservations refused here because another claim had the name reserved."),
        .counter(
            .node, "arbitersSilent", "pando_arbiters_silent_total",
            "Arbiters of registrations that did not answer in time."),
        .counter(
            .node, "claimsLookedUp", "pando_claims_looked_up_total", "Logins by a claim that only an arbiter knew."),
        .counter(
            .node, "loginsOfLosers", "pando_logins_of_losers_total", "Logins by the secret of a claim that lost."),
    ]

    private static let survivors: [Metric] = [
        .gauge(
            .node, "sessionsCatchingUp", "pando_sessions_catching_up",
            "Sessions that are fed one by one: from a floor, or with exact positions."),
        .gauge(
            .node, "sessionsHeld", "pando_sessions_held",
            "Named sessions whose connection broke, and whose floor is kept."),
        .gauge(
            .node, "sessionsElsewhere", "pando_sessions_elsewhere", "Named sessions that are known of at other servers."
        ),
        .counter(.node, "sessionsMoved", "pando_sessions_moved_total", "Sessions that were moved to another server."),
        .counter(.node, "movesFailed", "pando_moves_failed_total", "Moves that did not come about."),
        .counter(
            .node, "movesPutOff", "pando_moves_put_off_total",
            "Sessions that stayed because their clients read too slowly to follow at once."),
        .counter(.node, "movedNeverCame", "pando_moved_never_came_total", "Moved sessions that never came."),
        .counter(
            .node, "arrivalsExpired", "pando_arrivals_expired_total",
            "Sessions expected here that did not come in time."),
        .counter(
            .node, "sessionsDetached", "pando_sessions_detached_total",
            "Named sessions whose connection broke without LOGOUT."),
        .counter(
            .node, "sessionsResumed", "pando_sessions_resumed_total",
            "Floors of such sessions with which a login here went on."),
        .counter(
            .node, "floorsGuessed", "pando_floors_guessed_total", "Of them, those whose server could not be asked."),
        .counter(
            .node, "floorsIncomplete", "pando_floors_incomplete_total",
            "Floors of dead servers' sessions of which only a part had come: those begin at the present."),
        .counter(.node, "floorsExpired", "pando_floors_expired_total", "Floors that nobody came for."),
        .counter(
            .node, "floorsSuperseded", "pando_floors_superseded_total",
            "Floors of sessions that had been broken, unnoticed, before a later one of their user began: not kept."),
        .counter(
            .node, "floorsCut", "pando_floors_cut_total", "Detached sessions that were further behind than is known."),
        .counter(
            .node, "activitiesRepeated", "pando_activities_repeated_total",
            "Numbered activities that were sent again and were known."),
        .counter(
            .node, "holdersAwaitedInVain", "pando_holders_awaited_in_vain_total",
            "Times that no other server said in time that it holds a numbered activity: shown without."),
        .counter(
            .node, "linesTooLongForLog", "pando_lines_too_long_total",
            "Lines that do not fit into the clients' log: not shown here."),
        .counter(
            .node, "linesMalformed", "pando_lines_malformed_total",
            "Activities of other servers that are not one line: not shown."),
        .counter(.node, "floorsUsed", "pando_floors_used_total", "Sessions that began at a floor."),
        .counter(
            .node, "floorsRefused", "pando_floors_refused_total",
            "Of them, those that found too many others catching up."),
        .counter(.node, "sessionsCaughtUp", "pando_sessions_caught_up_total", "Of them, those that turned live."),
        .counter(
            .node, "positionsLeftOut", "pando_positions_left_out_total",
            "Positions left out of floors because there were too many of servers that are unknown here."),
        .counter(
            .node, "positionsRefused", "pando_positions_refused_total",
            "Sessions whose clients asked for positions and are told none, because too many others are."),
        .counter(.node, "recordsFed", "pando_records_fed_total", "Activities fed to sessions that were catching up."),
        .counter(
            .node, "recordsMissed", "pando_records_missed_total",
            "Records that a session was owed and that were not held any more."),
        .counter(
            .node, "floorsEnded", "pando_floors_ended_total",
            "Streams of which a session was shown more than anybody who can be reached has."),
    ]

    // MARK: The reactor

    private static let loop: [Metric] = [
        .gauge(.reactor, "open", "pando_reactor_connections", "Connections open now, dialling ones included."),
        .gauge(.reactor, "subscribers", "pando_reactor_subscribers", "Clients that follow the activity log."),
        .counter(.reactor, "accepted", "pando_reactor_accepted_total", "Connections accepted."),
        .counter(.reactor, "dialled", "pando_reactor_dials_total", "Dials begun."),
        .counter(.reactor, "connected", "pando_reactor_dials_connected_total", "Dials that succeeded."),
        .gauge(
            .reactor, "bufferBytes", "pando_reactor_buffer_bytes",
            "Memory of partial lines and of private output that waits."),
        .counter(
            .reactor, "acceptsCut", "pando_reactor_accepts_cut_total",
            "Times that accepting ended at the budget of its turn."),
        .counter(.reactor, "bytesReceived", "pando_reactor_received_bytes_total", "Bytes read from connections."),
        .counter(.reactor, "bytesSent", "pando_reactor_sent_bytes_total", "Bytes written to connections."),
        .counter(
            .reactor, "bytesPublished", "pando_reactor_published_bytes_total", "Bytes published to the activity log."),
        .counter(.reactor, "receives", "pando_reactor_receives_total", "Reads that returned bytes or an end."),
        .counter(.reactor, "sends", "pando_reactor_sends_total", "Writes that took bytes."),
        .counter(
            .reactor, "sendBatches", "pando_reactor_send_batches_total",
            "System calls that carried writes of many connections."),
        .counter(
            .reactor, "partialWrites", "pando_reactor_partial_writes_total", "Writes that took less than was offered."),
        .counter(.reactor, "turns", "pando_reactor_turns_total", "Turns of the loop."),
        .gauge(
            .reactor, "longestTurnNanoseconds", "pando_reactor_longest_turn_seconds",
            "The longest turn since the start, waiting excluded.", dividedBy: 1e9),
        .gauge(
            .reactor, "longestTurnProcessorNanoseconds", "pando_reactor_longest_turn_processor_seconds",
            "The longest turn in processor time of its thread.", dividedBy: 1e9),
        .counter(
            .reactor, "turnsCut", "pando_reactor_turns_cut_total",
            "Steps of turns that were cut at their budget of input or time."),
        .counter(
            .reactor, "staleEvents", "pando_reactor_stale_events_total",
            "Events for connections that had ended within the same batch."),
        .counter(
            .reactor, "acceptPausesNoDescriptors", "pando_reactor_accept_pauses_no_descriptors_total",
            "Times that accepting paused because descriptors or memory ran out."),
        .counter(
            .reactor, "acceptPausesNoSlots", "pando_reactor_accept_pauses_no_slots_total",
            "Times that accepting paused because all connections were in use."),
        .counter(
            .reactor, "ringOverruns", "pando_reactor_ring_overruns_total",
            "Clients closed because the activity log overran them."),
        .counter(
            .reactor, "fanOutSlices", "pando_reactor_fan_out_slices_total", "Turns whose fan-out was cut."),
        .counter(
            .reactor, "bytesDroppedAfterEnd", "pando_reactor_dropped_bytes_total",
            "Bytes dropped because their connection had stopped sending."),
        .counter(.reactor, "tlsHandshakes", "pando_reactor_tls_handshakes_total", "Handshakes of TLS completed."),
        .gauge(
            .reactor, "tlsHandshakesUnderWay", "pando_reactor_tls_handshakes_under_way",
            "Accepted connections in the midst of a handshake."),
    ]

    // MARK: The shell

    private static let shell: [Metric] = [
        .counter(
            .shell, "inputsHeld", "pando_inputs_held_total",
            "Times that a connection's input had to wait because the fan-out was behind."),
        .counter(
            .shell, "inputsPaced", "pando_inputs_paced_total",
            "Times that a client's input had to wait because it came faster than --activities-per-second."),
        .counter(
            .shell, "reportsSuppressed", "pando_log_reports_suppressed_total",
            "Reports that were not logged because there were too many of their kind."),
        .counter(
            .shell, "followsRefused", "pando_follows_refused_total",
            "Clients that ended in the turn in which they were to follow the activity log."),
        .gauge(
            .shell, "certificateExpirySeconds", "pando_certificate_expiry_timestamp_seconds",
            "When this server's certificate expires, in seconds since 1970; 0 without TLS."),
        .counter(
            .shell, "hashesCancelled", "pando_hashes_cancelled_total",
            "Hashes that were not computed because their clients were gone."),
    ]
}
