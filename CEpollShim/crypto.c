// OpenSSL's digests and key derivation, without its types. The error queue is cleared before each call and read at once
// after it: a stale entry would else be blamed on an innocent call.
#include "CEpollShim.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

static int outcome(int ok, char *text, size_t text_size) {
    unsigned long code = ERR_get_error();
    if (ok) return 0;
    if (code == 0) {
        strncpy(text, "no reason given", text_size - 1);
        text[text_size - 1] = 0;
    } else {
        ERR_error_string_n(code, text, text_size);
    }
    return -1;
}

int ces_sha256(const void *message, size_t count, uint8_t *digest, char *text, size_t text_size) {
    ERR_clear_error();
    unsigned int size = 32;
    return outcome(EVP_Digest(message, count, digest, &size, EVP_sha256(), NULL) == 1, text, text_size);
}

int ces_hmac_sha256(const void *key, size_t key_count, const void *message, size_t count, uint8_t *digest, char *text,
                    size_t text_size) {
    ERR_clear_error();
    unsigned int size = 32;
    // An empty key has no address in Swift, but a NULL key means "the key of before" to HMAC.
    const void *present = key == NULL ? "" : key;
    int ok = HMAC(EVP_sha256(), present, (int)key_count, message, count, digest, &size) != NULL;
    return outcome(ok, text, text_size);
}

int ces_scrypt(const void *secret, size_t secret_count, const void *salt, size_t salt_count, uint64_t n, uint64_t r,
               uint64_t p, uint64_t memory_max, uint8_t *key, size_t key_count, char *text, size_t text_size) {
    ERR_clear_error();
    const char *present = secret == NULL ? "" : secret;
    const unsigned char *seasoning = salt == NULL ? (const unsigned char *)"" : salt;
    int ok = EVP_PBE_scrypt(present, secret_count, seasoning, salt_count, n, r, p, memory_max, key, key_count) == 1;
    return outcome(ok, text, text_size);
}

int ces_constant_time_equal(const void *left, const void *right, size_t count) {
    return count == 0 || CRYPTO_memcmp(left, right, count) == 0;
}

void ces_wipe(void *bytes, size_t count) { OPENSSL_cleanse(bytes, count); }
