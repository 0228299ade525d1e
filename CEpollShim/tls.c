// TLS over memory, without OpenSSL's types: bytes of the network in, bytes for the network out. The error queue is
// cleared before each call, and read before the next one: a stale entry would else be blamed on an innocent call.
#include "CEpollShim.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ces_tls_context {
    SSL_CTX *context;
    /// Names of which the other end's certificate must have one; any if there are none.
    char **pins;
    size_t pin_count;
};

/// Bytes on their way. Without bytes there is no memory, once they have gone.
struct bytes {
    uint8_t *start;
    size_t begin, end, room;
};

struct ces_tls {
    SSL *ssl;
    /// What came from the network and what goes there.
    struct bytes in, out;
    /// Of an accepted session: what a client and a server are given; one may be missing.
    const ces_tls_context *links, *clients;
    int is_link;
    /// Why this end will not have it, if that is not OpenSSL's affair.
    const char *refusal;
};

/// By this name of a protocol (RFC 7301) a server that dials a server is told from a client.
static const uint8_t link_protocol[] = "\x0apando-link";
static const size_t link_protocol_size = sizeof link_protocol - 1;

// MARK: Words

static void say(char *text, size_t text_size, const char *what, const char *why) {
    snprintf(text, text_size, "%s%s%s", what, *what && *why ? ": " : "", why);
}

/// The reason of the first error in the queue.
static const char *reason(void) {
    unsigned long error = ERR_peek_error();
    // Of what the system says OpenSSL has no words of its own: a file that is not there.
    const char *found = ERR_SYSTEM_ERROR(error) ? strerror(ERR_GET_REASON(error)) : ERR_reason_error_string(error);
    return found == NULL ? "no reason given" : found;
}

/// 0, or CES_TLS_FAILED with OpenSSL's reason.
static int outcome(int ok, char *text, size_t text_size) {
    if (!ok) say(text, text_size, "", reason());
    ERR_clear_error();
    return ok ? 0 : CES_TLS_FAILED;
}

void ces_tls_failure(ces_tls *tls, char *text, size_t text_size) {
    unsigned long code = ERR_peek_error();
    long verdict = SSL_get_verify_result(tls->ssl);
    if (tls->refusal != NULL) {
        say(text, text_size, "", tls->refusal);
    } else if (ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) >= SSL_AD_REASON_OFFSET) {
        say(text, text_size, "the other end refuses", reason());
    } else if (verdict == X509_V_ERR_APPLICATION_VERIFICATION) {
        say(text, text_size, "", "the certificate of the other end is not accepted: it has none of the pinned names");
    } else if (verdict != X509_V_OK) {
        say(text, text_size, "the certificate of the other end is not accepted", X509_verify_cert_error_string(verdict));
    } else if (ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER || ERR_GET_REASON(code) == SSL_R_HTTP_REQUEST) {
        say(text, text_size, "the other end does not speak TLS", reason());
    } else {
        say(text, text_size, "", reason());
    }
    ERR_clear_error();
}

// MARK: Bytes

static int reserve(struct bytes *to, size_t count) {
    size_t held = to->end - to->begin;
    if (count > to->room - to->end) {
        if (to->begin > 0) memmove(to->start, to->start + to->begin, held);
        to->begin = 0;
        to->end = held;
    }
    if (count <= to->room - to->end) return 1;
    size_t room = held + count < 2 * to->room ? 2 * to->room : held + count;
    uint8_t *moved = realloc(to->start, room);
    if (moved == NULL) return 0;
    to->start = moved;
    to->room = room;
    return 1;
}

static int append(struct bytes *to, const void *from, size_t count) {
    if (!reserve(to, count)) return 0;
    memcpy(to->start + to->end, from, count);
    to->end += count;
    return 1;
}

static void take(struct bytes *from, size_t count) {
    from->begin += count;
    if (from->begin < from->end) return;
    free(from->start);
    *from = (struct bytes){0};
}

/// OpenSSL's own memory never gives back what it once grew to. This does, so that an idle session holds none.
static int bio_write(BIO *bio, const char *bytes, int count) {
    BIO_clear_retry_flags(bio);
    return count > 0 && append(&((ces_tls *)BIO_get_data(bio))->out, bytes, (size_t)count) ? count : -1;
}

static int bio_read(BIO *bio, char *bytes, int count) {
    struct bytes *in = &((ces_tls *)BIO_get_data(bio))->in;
    size_t held = in->end - in->begin;
    BIO_clear_retry_flags(bio);
    if (held == 0 || count <= 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t given = (size_t)count < held ? (size_t)count : held;
    memcpy(bytes, in->start + in->begin, given);
    take(in, given);
    return (int)given;
}

static long bio_control(BIO *bio, int command, long number, void *pointer) {
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *bio_method;
static pthread_once_t bio_method_once = PTHREAD_ONCE_INIT;

static void make_bio_method(void) {
    BIO_METHOD *made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "bytes of ces_tls");
    if (made == NULL) return;
    BIO_meth_set_write(made, bio_write);
    BIO_meth_set_read(made, bio_read);
    BIO_meth_set_ctrl(made, bio_control);
    bio_method = made;
}

static BIO *new_bio(ces_tls *tls) {
    pthread_once(&bio_method_once, make_bio_method);
    BIO *bio = bio_method == NULL ? NULL : BIO_new(bio_method);
    if (bio == NULL) return NULL;
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    return bio;
}

// MARK: Contexts

/// Called for each certificate of the other end's chain, its own one last.
static int judge(int accepted, X509_STORE_CTX *store) {
    if (!accepted || X509_STORE_CTX_get_error_depth(store) != 0) return accepted;
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    const ces_tls_context *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    X509 *certificate = X509_STORE_CTX_get_current_cert(store);
    for (size_t index = 0; index < context->pin_count; index++) {
        const char *name = context->pins[index];
        if (X509_check_host(certificate, name, 0, X509_CHECK_FLAG_NO_WILDCARDS, NULL) == 1) return 1;
        if (X509_check_ip_asc(certificate, name, 0) == 1) return 1;
    }
    if (context->pin_count == 0) return 1;
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    return 0;
}

static int offers_links(SSL *ssl) {
    const uint8_t *list = NULL;
    size_t count = 0;
    if (!SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &list, &count)) return 0;
    // Two bytes of length, then names, each behind a byte of length.
    for (size_t at = 2; at < count; at += 1 + (size_t)list[at]) {
        if (count - at < link_protocol_size) return 0;
        if (memcmp(list + at, link_protocol, link_protocol_size) == 0) return 1;
    }
    return 0;
}

/// The first message of an accepted session tells who comes. A client is asked for no certificate.
static int choose(SSL *ssl, int *alert, void *unused) {
    (void)unused;
    ces_tls *tls = SSL_get_app_data(ssl);
    tls->is_link = offers_links(ssl);
    if (tls->is_link && tls->links == NULL) {
        tls->refusal = "a server comes under TLS, and links have none here";
        *alert = SSL_AD_NO_APPLICATION_PROTOCOL;
        return SSL_CLIENT_HELLO_ERROR;
    }
    if (!tls->is_link && tls->clients == NULL) {
        tls->refusal = "a client comes under TLS, and clients have none here";
        *alert = SSL_AD_ACCESS_DENIED;
        return SSL_CLIENT_HELLO_ERROR;
    }
    SSL_CTX *context = (tls->is_link ? tls->links : tls->clients)->context;
    int ok = SSL_set_SSL_CTX(ssl, context) != NULL &&
             SSL_set_min_proto_version(ssl, SSL_CTX_get_min_proto_version(context)) == 1;
    SSL_set_verify(ssl, SSL_CTX_get_verify_mode(context), SSL_CTX_get_verify_callback(context));
    if (ok) return SSL_CLIENT_HELLO_SUCCESS;
    *alert = SSL_AD_INTERNAL_ERROR;
    return SSL_CLIENT_HELLO_ERROR;
}

static int confirm_links(SSL *ssl, const unsigned char **name, unsigned char *size, const unsigned char *offered,
                         unsigned int offered_size, void *unused) {
    (void)offered, (void)offered_size, (void)unused;
    if (!((ces_tls *)SSL_get_app_data(ssl))->is_link) return SSL_TLSEXT_ERR_NOACK;
    *name = link_protocol + 1;
    *size = (unsigned char)(link_protocol_size - 1);
    return SSL_TLSEXT_ERR_OK;
}

/// Nothing that nobody here has a use for: no tickets, no sessions kept, no renegotiation, no old ciphers.
static int configure(SSL_CTX *context, int version) {
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_client_hello_cb(context, choose, NULL);
    SSL_CTX_set_alpn_select_cb(context, confirm_links, NULL);
    return SSL_CTX_set_min_proto_version(context, version) == 1 && SSL_CTX_set_num_tickets(context, 0) == 1 &&
           SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1;
}

ces_tls_context *ces_tls_context_open(int minor_version, char *text, size_t text_size) {
    ERR_clear_error();
    ces_tls_context *made = calloc(1, sizeof *made);
    SSL_CTX *context = made == NULL ? NULL : SSL_CTX_new(TLS_method());
    if (context != NULL && configure(context, minor_version == 3 ? TLS1_3_VERSION : TLS1_2_VERSION)) {
        made->context = context;
        SSL_CTX_set_app_data(context, made);
        return made;
    }
    outcome(0, text, text_size);
    SSL_CTX_free(context);
    free(made);
    return NULL;
}

void ces_tls_context_close(ces_tls_context *context) {
    SSL_CTX_free(context->context);
    for (size_t index = 0; index < context->pin_count; index++) free(context->pins[index]);
    free(context->pins);
    free(context);
}

int ces_tls_context_set_certificate(ces_tls_context *context, const char *path, char *text, size_t text_size) {
    ERR_clear_error();
    return outcome(SSL_CTX_use_certificate_chain_file(context->context, path) == 1, text, text_size);
}

int ces_tls_context_set_key(ces_tls_context *context, const char *path, char *text, size_t text_size) {
    ERR_clear_error();
    // A key with a passphrase must not ask a terminal for it.
    SSL_CTX_set_default_passwd_cb_userdata(context->context, (void *)"");
    int ok = SSL_CTX_use_PrivateKey_file(context->context, path, SSL_FILETYPE_PEM) == 1;
    return outcome(ok && SSL_CTX_check_private_key(context->context) == 1, text, text_size);
}

int ces_tls_context_set_authority(ces_tls_context *context, const char *path, char *text, size_t text_size) {
    ERR_clear_error();
    SSL_CTX_set_verify(context->context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, judge);
    if (path == NULL) return outcome(SSL_CTX_set_default_verify_paths(context->context) == 1, text, text_size);
    if (SSL_CTX_load_verify_file(context->context, path) != 1) return outcome(0, text, text_size);
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(path);
    // Taken over.
    if (names != NULL) SSL_CTX_set_client_CA_list(context->context, names);
    return outcome(names != NULL, text, text_size);
}

int ces_tls_context_set_revocations(ces_tls_context *context, const char *path, char *text, size_t text_size) {
    ERR_clear_error();
    X509_STORE *store = SSL_CTX_get_cert_store(context->context);
    X509_LOOKUP *lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());
    int ok = lookup != NULL && X509_load_crl_file(lookup, path, X509_FILETYPE_PEM) > 0 &&
             X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK) == 1;
    return outcome(ok, text, text_size);
}

int ces_tls_context_add_pin(ces_tls_context *context, const char *name) {
    char **pins = realloc(context->pins, (context->pin_count + 1) * sizeof *pins);
    if (pins == NULL) return CES_TLS_FAILED;
    context->pins = pins;
    pins[context->pin_count] = strdup(name);
    if (pins[context->pin_count] == NULL) return CES_TLS_FAILED;
    context->pin_count++;
    return 0;
}

// MARK: What expires

static int64_t seconds(const ASN1_TIME *time) {
    int days = 0, rest = 0;
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int ok = epoch != NULL && time != NULL && ASN1_TIME_diff(&days, &rest, epoch, time) == 1;
    ASN1_TIME_free(epoch);
    return ok ? (int64_t)days * 86400 + rest : 0;
}

static void describe(const X509_NAME *name, char *text, size_t text_size) {
    if (X509_NAME_get_text_by_NID(name, NID_commonName, text, (int)text_size) >= 0) return;
    if (X509_NAME_oneline(name, text, (int)text_size) == NULL) say(text, text_size, "", "no name");
}

static int64_t certificate_end(X509 *certificate, char *name, size_t name_size) {
    describe(X509_get_subject_name(certificate), name, name_size);
    return seconds(X509_get0_notAfter(certificate));
}

int64_t ces_tls_context_expiry(const ces_tls_context *context, int index, int *kind, char *name, size_t name_size) {
    STACK_OF(X509) *chain = NULL;
    X509 *own = SSL_CTX_get0_certificate(context->context);
    STACK_OF(X509_OBJECT) *store = X509_STORE_get0_objects(SSL_CTX_get_cert_store(context->context));
    SSL_CTX_get0_chain_certs(context->context, &chain);
    int own_count = own == NULL ? 0 : 1, chain_count = chain == NULL ? 0 : sk_X509_num(chain);
    int64_t end = -1;
    if (index < own_count) {
        *kind = CES_TLS_OWN;
        end = certificate_end(own, name, name_size);
    } else if (index < own_count + chain_count) {
        *kind = CES_TLS_CHAIN;
        end = certificate_end(sk_X509_value(chain, index - own_count), name, name_size);
    } else if (index < own_count + chain_count + sk_X509_OBJECT_num(store)) {
        X509_OBJECT *object = sk_X509_OBJECT_value(store, index - own_count - chain_count);
        X509_CRL *list = X509_OBJECT_get0_X509_CRL(object);
        *kind = list == NULL ? CES_TLS_AUTHORITY : CES_TLS_REVOCATIONS;
        if (list == NULL) {
            end = certificate_end(X509_OBJECT_get0_X509(object), name, name_size);
        } else {
            describe(X509_CRL_get_issuer(list), name, name_size);
            end = seconds(X509_CRL_get0_nextUpdate(list));
        }
    }
    ERR_clear_error();
    return end;
}

// MARK: Sessions

/// The certificate must be for this name; an address is compared as one.
static int expect(SSL *ssl, const char *name) {
    // OpenSSL takes an empty name for none to be compared.
    if (*name == 0) return 0;
    X509_VERIFY_PARAM *rules = SSL_get0_param(ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(rules, name) == 1) return 1;
    ERR_clear_error();
    X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(rules, name, 0) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

static ces_tls *open_session(const ces_tls_context *context, char *text, size_t text_size) {
    ERR_clear_error();
    ces_tls *tls = calloc(1, sizeof *tls);
    SSL *ssl = tls == NULL ? NULL : SSL_new(context->context);
    BIO *bio = ssl == NULL ? NULL : new_bio(tls);
    if (bio != NULL) {
        // From here on the session owns it.
        SSL_set_bio(ssl, bio, bio);
        SSL_set_app_data(ssl, tls);
        tls->ssl = ssl;
        return tls;
    }
    outcome(0, text, text_size);
    SSL_free(ssl);
    free(tls);
    return NULL;
}

ces_tls *ces_tls_dial(const ces_tls_context *context, const char *name, int is_link, char *text, size_t text_size) {
    ces_tls *tls = open_session(context, text, text_size);
    if (tls == NULL) return NULL;
    SSL_set_connect_state(tls->ssl);
    tls->is_link = is_link;
    // This one call returns 0 for success.
    int ok = (name == NULL || expect(tls->ssl, name)) &&
             (!is_link || SSL_set_alpn_protos(tls->ssl, link_protocol, (unsigned)link_protocol_size) == 0);
    if (ok) return tls;
    say(text, text_size, name == NULL ? "" : name, reason());
    ERR_clear_error();
    ces_tls_close(tls);
    return NULL;
}

ces_tls *ces_tls_accept(const ces_tls_context *links, const ces_tls_context *clients, char *text, size_t text_size) {
    const ces_tls_context *context = clients == NULL ? links : clients;
    if (context == NULL) {
        say(text, text_size, "", "no TLS here");
        return NULL;
    }
    ces_tls *tls = open_session(context, text, text_size);
    if (tls == NULL) return NULL;
    tls->links = links;
    tls->clients = clients;
    SSL_set_accept_state(tls->ssl);
    return tls;
}

void ces_tls_close(ces_tls *tls) {
    SSL_free(tls->ssl);
    free(tls->in.start);
    free(tls->out.start);
    free(tls);
}

int ces_tls_is_link(const ces_tls *tls) { return tls->is_link; }

int ces_tls_feed(ces_tls *tls, const void *bytes, size_t count) {
    return count == 0 || append(&tls->in, bytes, count) ? 0 : CES_TLS_FAILED;
}

int ces_tls_handshake(ces_tls *tls) {
    ERR_clear_error();
    int result = SSL_do_handshake(tls->ssl);
    if (result == 1) return 1;
    return SSL_get_error(tls->ssl, result) == SSL_ERROR_WANT_READ ? 0 : CES_TLS_FAILED;
}

ptrdiff_t ces_tls_read(ces_tls *tls, void *bytes, size_t count) {
    ERR_clear_error();
    size_t got = 0;
    int result = SSL_read_ex(tls->ssl, bytes, count, &got);
    if (result == 1) return (ptrdiff_t)got;
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return 0;
    case SSL_ERROR_ZERO_RETURN:
        return CES_TLS_ENDED;
    default:
        return CES_TLS_FAILED;
    }
}

/// What a caller with much to write writes before it sends, and what a record adds to its bytes at most (RFC 8446, 5.2).
enum { write_ahead = 64 << 10, record_bytes = 16 << 10, record_overhead = 5 + 256 };

ptrdiff_t ces_tls_write(ces_tls *tls, const void *bytes, size_t count) {
    ERR_clear_error();
    // All at once: memory that grows from record to record is copied each time.
    size_t expected = count < write_ahead ? count : write_ahead;
    size_t records = expected / record_bytes + 1;
    if (tls->out.start == NULL && !reserve(&tls->out, expected + records * record_overhead)) return CES_TLS_FAILED;
    size_t taken = 0;
    int result = SSL_write_ex(tls->ssl, bytes, count, &taken);
    if (result == 1) return (ptrdiff_t)taken;
    return SSL_get_error(tls->ssl, result) == SSL_ERROR_WANT_READ ? 0 : CES_TLS_FAILED;
}

void ces_tls_end(ces_tls *tls) {
    ERR_clear_error();
    (void)SSL_shutdown(tls->ssl);
    ERR_clear_error();
}

size_t ces_tls_output(const ces_tls *tls, const void *_Nullable *bytes) {
    *bytes = tls->out.start == NULL ? NULL : tls->out.start + tls->out.begin;
    return tls->out.end - tls->out.begin;
}

void ces_tls_output_taken(ces_tls *tls, size_t count) {
    size_t held = tls->out.end - tls->out.begin;
    take(&tls->out, count < held ? count : held);
}

int ces_tls_peer_name(const ces_tls *tls, char *text, size_t text_size) {
    X509 *certificate = SSL_get0_peer_certificate(tls->ssl);
    if (certificate == NULL) return CES_TLS_FAILED;
    describe(X509_get_subject_name(certificate), text, text_size);
    ERR_clear_error();
    return 0;
}

int ces_tls_export(ces_tls *tls, const char *label, uint8_t *key, size_t key_count) {
    ERR_clear_error();
    int ok = SSL_export_keying_material(tls->ssl, key, key_count, label, strlen(label), NULL, 0, 0);
    ERR_clear_error();
    return ok == 1 ? 0 : CES_TLS_FAILED;
}
