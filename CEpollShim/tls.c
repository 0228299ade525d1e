// TLS over memory, without OpenSSL's types: bytes of the network in, bytes for the network out. The error queue is
// cleared before each call and read at once after it: a stale entry would else be blamed on an innocent call.
#include "CEpollShim.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ces_tls_context {
    SSL_CTX *context;
};

struct ces_tls {
    SSL *ssl;
    /// What came from the network and what goes there; both belong to `ssl`.
    BIO *in, *out;
};

static void say(char *text, size_t text_size, const char *what, const char *why) {
    snprintf(text, text_size, "%s%s%s", what, *what && *why ? ": " : "", why);
}

/// The reason of the first error in the queue.
static const char *reason(void) {
    const char *found = ERR_reason_error_string(ERR_peek_error());
    return found == NULL ? "no reason given" : found;
}

/// Why the last call on a session failed, as an operator wants to read it.
static int failure(ces_tls *tls, char *text, size_t text_size) {
    unsigned long code = ERR_peek_error();
    long verdict = SSL_get_verify_result(tls->ssl);
    if (ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) >= SSL_AD_REASON_OFFSET) {
        say(text, text_size, "the other end refuses", reason());
    } else if (verdict != X509_V_OK) {
        say(text, text_size, "the certificate of the other end is not accepted", X509_verify_cert_error_string(verdict));
    } else if (ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER || ERR_GET_REASON(code) == SSL_R_HTTP_REQUEST) {
        say(text, text_size, "the other end does not speak TLS", reason());
    } else {
        say(text, text_size, "", reason());
    }
    ERR_clear_error();
    return CES_TLS_FAILED;
}

// MARK: Contexts

/// Mutual TLS 1.3, and nothing that a link has no use for: no tickets, no sessions kept, no renegotiation (TLS 1.3 has
/// none).
static int configure(SSL_CTX *context) {
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 && SSL_CTX_set_num_tickets(context, 0) == 1;
}

/// The name of the step that failed, or NULL.
static const char *load(SSL_CTX *context, const char *certificate, const char *key, const char *authority) {
    if (!configure(context)) return "TLS 1.3";
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1) return certificate;
    // A key with a passphrase must not ask a terminal for it.
    SSL_CTX_set_default_passwd_cb_userdata(context, (void *)"");
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) return key;
    if (SSL_CTX_check_private_key(context) != 1) return key;
    if (SSL_CTX_load_verify_file(context, authority) != 1) return authority;
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(authority);
    if (names == NULL) return authority;
    SSL_CTX_set_client_CA_list(context, names);
    return NULL;
}

ces_tls_context *ces_tls_context_open(const char *certificate, const char *key, const char *authority, char *text,
                                      size_t text_size) {
    ERR_clear_error();
    ces_tls_context *made = calloc(1, sizeof *made);
    SSL_CTX *context = made == NULL ? NULL : SSL_CTX_new(TLS_method());
    const char *culprit = context == NULL ? "no context" : load(context, certificate, key, authority);
    if (culprit == NULL) {
        made->context = context;
        return made;
    }
    say(text, text_size, culprit, reason());
    ERR_clear_error();
    SSL_CTX_free(context);
    free(made);
    return NULL;
}

void ces_tls_context_close(ces_tls_context *context) {
    SSL_CTX_free(context->context);
    free(context);
}

int64_t ces_tls_context_expiry(const ces_tls_context *context) {
    X509 *certificate = SSL_CTX_get0_certificate(context->context);
    int days = 0, seconds = 0;
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int ok = certificate != NULL && epoch != NULL &&
             ASN1_TIME_diff(&days, &seconds, epoch, X509_get0_notAfter(certificate)) == 1;
    ASN1_TIME_free(epoch);
    ERR_clear_error();
    return ok ? (int64_t)days * 86400 + seconds : 0;
}

// MARK: Sessions

/// The certificate must be for this name; an address is compared as one.
static int expect(SSL *ssl, const char *name) {
    X509_VERIFY_PARAM *rules = SSL_get0_param(ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(rules, name) == 1) return 1;
    ERR_clear_error();
    X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(rules, name, 0) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

ces_tls *ces_tls_open(ces_tls_context *context, const char *name, char *text, size_t text_size) {
    ERR_clear_error();
    ces_tls *tls = calloc(1, sizeof *tls);
    if (tls == NULL) {
        say(text, text_size, "", "out of memory");
        return NULL;
    }
    tls->ssl = SSL_new(context->context);
    tls->in = BIO_new(BIO_s_mem());
    tls->out = BIO_new(BIO_s_mem());
    if (tls->ssl != NULL && tls->in != NULL && tls->out != NULL) {
        // From here on the session owns both.
        SSL_set_bio(tls->ssl, tls->in, tls->out);
        if (name == NULL) SSL_set_accept_state(tls->ssl);
        else SSL_set_connect_state(tls->ssl);
        if (name == NULL || expect(tls->ssl, name)) return tls;
        say(text, text_size, name, reason());
        SSL_free(tls->ssl);
    } else {
        say(text, text_size, "", reason());
        SSL_free(tls->ssl);
        BIO_free(tls->in);
        BIO_free(tls->out);
    }
    ERR_clear_error();
    free(tls);
    return NULL;
}

void ces_tls_close(ces_tls *tls) {
    SSL_free(tls->ssl);
    free(tls);
}

int ces_tls_feed(ces_tls *tls, const void *bytes, size_t count) {
    if (count == 0 || count > INT_MAX) return count == 0 ? 0 : CES_TLS_FAILED;
    return BIO_write(tls->in, bytes, (int)count) == (int)count ? 0 : CES_TLS_FAILED;
}

int ces_tls_handshake(ces_tls *tls, char *text, size_t text_size) {
    ERR_clear_error();
    int result = SSL_do_handshake(tls->ssl);
    if (result == 1) return 1;
    return SSL_get_error(tls->ssl, result) == SSL_ERROR_WANT_READ ? 0 : failure(tls, text, text_size);
}

ptrdiff_t ces_tls_read(ces_tls *tls, void *bytes, size_t count, char *text, size_t text_size) {
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
        return failure(tls, text, text_size);
    }
}

ptrdiff_t ces_tls_write(ces_tls *tls, const void *bytes, size_t count, char *text, size_t text_size) {
    ERR_clear_error();
    size_t taken = 0;
    int result = SSL_write_ex(tls->ssl, bytes, count, &taken);
    if (result == 1) return (ptrdiff_t)taken;
    return SSL_get_error(tls->ssl, result) == SSL_ERROR_WANT_READ ? 0 : failure(tls, text, text_size);
}

void ces_tls_end(ces_tls *tls) {
    ERR_clear_error();
    (void)SSL_shutdown(tls->ssl);
    ERR_clear_error();
}

size_t ces_tls_output(ces_tls *tls, const void *_Nullable *bytes) {
    char *start = NULL;
    long count = BIO_get_mem_data(tls->out, &start);
    *bytes = start;
    return count > 0 ? (size_t)count : 0;
}

void ces_tls_output_taken(ces_tls *tls, size_t count) {
    char discarded[4096];
    while (count > 0) {
        int part = count < sizeof discarded ? (int)count : (int)sizeof discarded;
        int got = BIO_read(tls->out, discarded, part);
        if (got <= 0) return;
        count -= (size_t)got;
    }
}

int ces_tls_peer_name(ces_tls *tls, char *text, size_t text_size) {
    ERR_clear_error();
    X509 *certificate = SSL_get0_peer_certificate(tls->ssl);
    if (certificate == NULL) return CES_TLS_FAILED;
    int count = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, text, (int)text_size);
    ERR_clear_error();
    return count < 0 ? CES_TLS_FAILED : 0;
}

int ces_tls_export(ces_tls *tls, const char *label, uint8_t *key, size_t key_count) {
    ERR_clear_error();
    int ok = SSL_export_keying_material(tls->ssl, key, key_count, label, strlen(label), NULL, 0, 0);
    ERR_clear_error();
    return ok == 1 ? 0 : CES_TLS_FAILED;
}
