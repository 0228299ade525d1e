/// What Swift cannot call itself: macros, variadic functions, transparent unions, calls that its Glibc module lacks,
/// and OpenSSL. No policy, no state, no loop lives here.
///
/// Every function that can fail returns a negated errno on failure, so that no call of the Swift runtime in between can
/// overwrite the cause. Restarting after EINTR is the caller's decision.
#ifndef CEPOLLSHIM_H
#define CEPOLLSHIM_H

// No system header beyond these two: with _GNU_SOURCE some types (fd_set) look different from those that Swift's Glibc
// module was built with, and a program that imports both would not compile. The sources define it, this header does
// not.
#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

// MARK: Polling. Not in the Glibc module. The layout and the numbers are the kernel's; poll.c asserts that they are.

static const uint32_t CES_IN = 0x1;
static const uint32_t CES_OUT = 0x4;
static const uint32_t CES_ERR = 0x8;
static const uint32_t CES_HUP = 0x10;
static const uint32_t CES_RDHUP = 0x2000;

#ifdef __x86_64__
#define CES_PACKED __attribute__((packed))
#else
#define CES_PACKED
#endif

/// struct epoll_event.
typedef struct ces_event {
    uint32_t events;
    uint64_t word;
} CES_PACKED ces_event;

int ces_epoll_create(void);
int ces_epoll_add(int poller, int fd, uint32_t events, uint64_t word);
int ces_epoll_modify(int poller, int fd, uint32_t events, uint64_t word);
int ces_epoll_remove(int poller, int fd);
/// Returns the number of events.
int ces_epoll_wait(int poller, ces_event *events, int count, int timeout_ms);

// MARK: Wake-ups and signals. eventfd and signalfd are not in the Glibc module.

/// A non-blocking counter.
int ces_event_open(void);
/// A blocking semaphore: each read takes one.
int ces_semaphore_open(void);
int ces_event_add(int fd, uint64_t value);
/// Returns 0 when something was taken.
int ces_event_take(int fd);
/// Blocks the signals in the calling thread and opens a descriptor that reads them.
int ces_signals_open(const int *signals, int count);
/// Returns the signal's number, or -EAGAIN.
int ces_signals_read(int fd);
/// Blocks every signal in the calling thread and leaves in `saved` (128 bytes) what was blocked before.
int ces_signals_block_all(void *saved);
int ces_signals_restore(const void *saved);
int ces_ignore_sigpipe(void);

// MARK: Sockets. With _GNU_SOURCE the address parameters are transparent unions, which Swift cannot pass.

/// An Internet address, free of sockaddr.
typedef struct ces_address {
    /// 4 or 6.
    uint8_t family;
    /// Network order; the first four for IPv4.
    uint8_t bytes[16];
    /// Host order.
    uint16_t port;
    /// Scope of a link-local IPv6 address, else 0.
    uint32_t scope;
} ces_address;

int ces_tcp_socket(uint8_t family);
int ces_bind(int fd, const ces_address *address);
int ces_listen(int fd, int backlog);
int ces_accept(int fd, ces_address *peer);
int ces_connect(int fd, const ces_address *address);
int ces_local_address(int fd, ces_address *address);
int ces_peer_address(int fd, ces_address *address);
int ces_shutdown_write(int fd);
int ces_close(int fd);
/// Takes the pending error of a socket: 0 or a positive errno.
int ces_take_socket_error(int fd);
int ces_set_reuse_address(int fd);
int ces_set_v6_only(int fd, int on);
int ces_set_no_delay(int fd);
int ces_set_keep_alive(int fd, int idle_seconds, int interval_seconds, int probes);
int ces_set_not_sent_low_water(int fd, int bytes);
/// Returns the round trip as the kernel has measured it, in microseconds.
int ces_round_trip(int fd);
ptrdiff_t ces_send(int fd, const void *bytes, size_t count);
ptrdiff_t ces_receive(int fd, void *bytes, size_t count);

// MARK: Many sends in one system call: io_uring, whose queues Swift cannot share with the kernel.

typedef struct ces_batch ces_batch;

/// Room for `count` sends. NULL if the kernel has it not or does not allow it, with `error` negated errno.
ces_batch *_Nullable ces_batch_open(uint32_t count, int *error);
void ces_batch_close(ces_batch *batch);
int ces_batch_descriptor(const ces_batch *batch);
/// Adds a send, at most `count` of them; the bytes stay where they are until they are sent.
void ces_batch_add(ces_batch *batch, int fd, const void *bytes, size_t count);
/// Does what was added, in that order; `results` gets for each what ces_send would have returned. A negated errno if
/// the kernel refused: the batch is of no use any more, -EAGAIN stands for sends that were not begun, and -EIO for those
/// of which nobody knows.
int ces_batch_send(ces_batch *batch, int32_t *results);

/// What the other end of a TCP connection has acknowledged.
typedef struct ces_output_progress {
    /// Bytes since the connection was accepted. It stays what it was when the connection is reset.
    uint64_t acknowledged;
    /// Segments under way.
    uint32_t in_flight;
    /// Times in a row that the oldest of them was sent again in vain.
    uint32_t retransmits;
    /// Since the last acknowledgement.
    uint32_t last_acknowledged_ms;
} ces_output_progress;

int ces_progress(int fd, ces_output_progress *progress);
/// The bytes that were written and are not acknowledged (SIOCOUTQ), or a negated errno.
int ces_unacknowledged(int fd);

/// Numeric text to address: 0, or -EINVAL.
int ces_parse_ip(const char *text, ces_address *address);
/// Address without port as text; `size` at least 64.
int ces_format_ip(const ces_address *address, char *text, size_t size);
/// getaddrinfo for streams. Returns the number of addresses, or minus an EAI code; for EAI_SYSTEM `cause` gets errno.
int ces_resolve(const char *host, uint16_t port, ces_address *addresses, int count, int *cause);
/// The text of an EAI code (positive for the codes as ces_resolve returns them: pass the returned value).
const char *ces_resolve_text(int code);

// MARK: The process.

/// Maps `size` bytes (a multiple of the page size) twice in a row. NULL on failure, with `error` negated errno.
void *_Nullable ces_mirror_map(size_t size, int *error);
void ces_mirror_unmap(void *base, size_t size);
size_t ces_page_size(void);
/// Raises the soft limit of descriptors to the hard one; returns it, or a negated errno.
int64_t ces_raise_descriptor_limit(void);
uint64_t ces_monotonic_ns(void);
/// Processor time of the calling thread. A system call, which the clocks are not.
uint64_t ces_thread_cpu_ns(void);
int64_t ces_realtime_ms(void);
int ces_random(void *bytes, size_t count);
/// The text of an errno, thread-safe.
const char *ces_error_text(int code, char *text, size_t size);

// MARK: OpenSSL. Kept behind plain functions so that none of its types reaches Swift.

/// `digest` gets 32 bytes. 0, or minus one with the cause in `text`.
int ces_sha256(const void *_Nullable message, size_t count, uint8_t *digest, char *text, size_t text_size);
int ces_hmac_sha256(const void *_Nullable key, size_t key_count, const void *_Nullable message, size_t count,
                    uint8_t *digest, char *text, size_t text_size);
int ces_scrypt(const void *_Nullable secret, size_t secret_count, const void *_Nullable salt, size_t salt_count,
               uint64_t n, uint64_t r, uint64_t p, uint64_t memory_max, uint8_t *key, size_t key_count, char *text,
               size_t text_size);
/// 1 if equal. The time depends on `count` only.
int ces_constant_time_equal(const void *_Nullable left, const void *_Nullable right, size_t count);
/// Overwrites memory in a way that the compiler keeps.
void ces_wipe(void *bytes, size_t count);

// MARK: TLS over memory. A session turns bytes of the network into bytes of the conversation and back; who moves them is
// the caller's affair. A `text` gets the cause where a function fails.

typedef struct ces_tls_context ces_tls_context;
typedef struct ces_tls ces_tls;

/// The other end has ended its side of the conversation, and said so.
static const int CES_TLS_ENDED = -1;
static const int CES_TLS_FAILED = -2;

/// What a session begins with: without certificates, and judging nobody. TLS 1.2 or 1.3 at least.
ces_tls_context *_Nullable ces_tls_context_open(int minor_version, char *text, size_t text_size);
/// To be called after the sessions that were opened with it are closed.
void ces_tls_context_close(ces_tls_context *context);
/// Files in PEM form: our certificate with its chain, then its key.
int ces_tls_context_set_certificate(ces_tls_context *context, const char *path, char *text, size_t text_size);
int ces_tls_context_set_key(ces_tls_context *context, const char *path, char *text, size_t text_size);
/// By whom the other end, which must have a certificate from now on, is judged: a file, or else the system's own.
int ces_tls_context_set_authority(ces_tls_context *context, const char *_Nullable path, char *text, size_t text_size);
/// A list of revoked certificates of that authority; it must be in force.
int ces_tls_context_set_revocations(ces_tls_context *context, const char *path, char *text, size_t text_size);
/// The other end's certificate must have one of the names that are pinned.
int ces_tls_context_add_pin(ces_tls_context *context, const char *name);

static const int CES_TLS_OWN = 0;
static const int CES_TLS_CHAIN = 1;
static const int CES_TLS_AUTHORITY = 2;
static const int CES_TLS_REVOCATIONS = 3;
/// When the certificate or list with that index expires, in seconds since 1970; 0 if that is not known, -1 if there is
/// none. `kind` says what it is of this end.
int64_t ces_tls_context_expiry(const ces_tls_context *context, int index, int *kind, char *name, size_t name_size);

/// A session of the end that connected to `name`, which the other end's certificate must have (any if it is NULL), as a
/// server that links to another or as a client.
ces_tls *_Nullable ces_tls_dial(const ces_tls_context *context, const char *_Nullable name, int is_link, char *text,
                                size_t text_size);
/// A session of the end that accepted: what a server is given that comes, and what a client. Each may be missing.
ces_tls *_Nullable ces_tls_accept(const ces_tls_context *_Nullable links, const ces_tls_context *_Nullable clients,
                                  char *text, size_t text_size);
void ces_tls_close(ces_tls *tls);
/// Whether it is between two servers.
int ces_tls_is_link(const ces_tls *tls);
/// Takes bytes that came from the network. Fails only without memory.
int ces_tls_feed(ces_tls *tls, const void *bytes, size_t count);
/// 1 once it is complete, 0 while bytes are missing.
int ces_tls_handshake(ces_tls *tls);
/// The count, at most one record; 0 while bytes are missing.
ptrdiff_t ces_tls_read(ces_tls *tls, void *bytes, size_t count);
/// How many bytes were taken, at most one record; 0 while bytes of the other end are missing.
ptrdiff_t ces_tls_write(ces_tls *tls, const void *bytes, size_t count);
/// Why the last call on this session failed, as an operator wants to read it. To be asked before any other call.
void ces_tls_failure(ces_tls *tls, char *text, size_t text_size);
/// Says that nothing more will be written.
void ces_tls_end(ces_tls *tls);
/// Bytes that are to go to the network: how many, and where they lie until the next call.
size_t ces_tls_output(const ces_tls *tls, const void *_Nullable *_Nonnull bytes);
void ces_tls_output_taken(ces_tls *tls, size_t count);
/// The common name of the other end's certificate.
int ces_tls_peer_name(const ces_tls *tls, char *text, size_t text_size);
/// Keying material that only the two ends of this session have (RFC 5705).
int ces_tls_export(ces_tls *tls, const char *label, uint8_t *key, size_t key_count);

#pragma clang assume_nonnull end

#endif
