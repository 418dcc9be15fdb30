/*
 * Makes keys, key records and signed messages for tests, with OpenSSL and libopendkim's signer.
 */
#pragma once

#include <stdbool.h>
#include <string.h>
#include <sys/types.h>

#include <glib.h>
#include <inttypes.h>
#include <opendkim/dkim.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

/* libopendkim's signer keeps the keys that it loads for good; its verifier keeps nothing. */
#if defined POSTERN_SANITIZED && !defined __SANITIZE_THREAD__
#include <sanitizer/lsan_interface.h>
#else
#define __lsan_disable()
#define __lsan_enable()
#endif

typedef struct {
    EVP_PKEY *key;
    dkim_alg_t algorithm;
    dkim_canon_t header_form;
    dkim_canon_t body_form;
    ssize_t length;     /* l=, or -1 */
    uint64_t signed_at; /* t= */
    uint64_t lifetime;  /* x= is so much later; 0: none */
    gboolean oversign;  /* From is named once more than it is there */
} DkimSigner;

static inline EVP_PKEY *dkim_signer_rsa(guint bits)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)bits);
    g_assert_nonnull(key);
    return key;
}

static inline EVP_PKEY *dkim_signer_ed25519(void)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    g_assert_nonnull(key);
    return key;
}

/* p=: SubjectPublicKeyInfo, or bare RSAPublicKey, or the 32 octets of Ed25519. */
static inline char *dkim_signer_public(EVP_PKEY *key, gboolean bare)
{
    guint8 *der = NULL;
    guint8 raw[32];
    size_t length = sizeof raw;
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519) {
        g_assert_cmpint(EVP_PKEY_get_raw_public_key(key, raw, &length), ==, 1);
        return g_base64_encode(raw, length);
    }
    int octets = bare ? i2d_PublicKey(key, &der) : i2d_PUBKEY(key, &der);
    g_assert_cmpint(octets, >, 0);
    char *text = g_base64_encode(der, (gsize)octets);
    OPENSSL_free(der);
    return text;
}

static inline char *dkim_signer_record(EVP_PKEY *key)
{
    g_autofree char *text = dkim_signer_public(key, FALSE);
    gboolean rsa = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;
    return g_strdup_printf("v=DKIM1; k=%s; p=%s", rsa ? "rsa" : "ed25519", text);
}

static inline char *dkim_signer_secret(EVP_PKEY *key)
{
    BIO *out = BIO_new(BIO_s_mem());
    g_assert_cmpint(PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL), ==, 1);
    char *data = NULL;
    long length = BIO_get_mem_data(out, &data);
    char *text = g_strndup(data, (gsize)length);
    BIO_free(out);
    return text;
}

static inline DKIM_LIB *dkim_signer_library(const DkimSigner *signer)
{
    static const u_char *from_only[] = {(const u_char *)"From", NULL};
    static const u_char *fields[] = {(const u_char *)"From", (const u_char *)"To", (const u_char *)"Subject",
                                     (const u_char *)"Date", NULL};
    DKIM_LIB *library = dkim_init(NULL, NULL);
    uint64_t signed_at = signer->signed_at, lifetime = signer->lifetime;
    unsigned int bits = 512;
    g_assert_nonnull(library);
    g_assert_cmpint(dkim_options(library, DKIM_OP_SETOPT, DKIM_OPTS_FIXEDTIME, &signed_at, sizeof signed_at),
                    ==, 0);
    g_assert_cmpint(dkim_options(library, DKIM_OP_SETOPT, DKIM_OPTS_SIGNATURETTL, &lifetime, sizeof lifetime),
                    ==, 0);
    g_assert_cmpint(dkim_options(library, DKIM_OP_SETOPT, DKIM_OPTS_SIGNHDRS, fields, sizeof(u_char **)), ==,
                    0);
    g_assert_cmpint(dkim_options(library, DKIM_OP_SETOPT, DKIM_OPTS_MINKEYBITS, &bits, sizeof bits), ==, 0);
    if (signer->oversign)
        g_assert_cmpint(
            dkim_options(library, DKIM_OP_SETOPT, DKIM_OPTS_OVERSIGNHDRS, from_only, sizeof(u_char **)), ==,
            0);
    return library;
}

static inline void dkim_signer_feed(DKIM *dkim, const char *header, const char *body)
{
    g_auto(GStrv) fields = g_strsplit(header, "\r\n", -1);
    for (guint i = 0; fields[i] != NULL && *fields[i] != '\0'; i++)
        g_assert_cmpint(dkim_header(dkim, (u_char *)fields[i], strlen(fields[i])), ==, DKIM_STAT_OK);
    g_assert_cmpint(dkim_eoh(dkim), ==, DKIM_STAT_OK);
    g_autofree char *copy = g_strdup(body);
    if (*copy != '\0')
        g_assert_cmpint(dkim_body(dkim, (u_char *)copy, strlen(copy)), ==, DKIM_STAT_OK);
    g_assert_cmpint(dkim_eom(dkim, NULL), ==, DKIM_STAT_OK);
}

/* The field with its line end, by s=selector d=domain. header has no folds, its lines end in CRLF, the last
 * too. */
static inline char *dkim_signer_field(const DkimSigner *signer, const char *selector, const char *domain,
                                      const char *header, const char *body)
{
    DKIM_STAT status;
    __lsan_disable();
    DKIM_LIB *library = dkim_signer_library(signer);
    g_autofree char *secret = dkim_signer_secret(signer->key);
    DKIM *dkim = dkim_sign(library, (const u_char *)"test", NULL, (u_char *)secret, (const u_char *)selector,
                           (const u_char *)domain, signer->header_form, signer->body_form, signer->algorithm,
                           signer->length, &status);
    g_assert_nonnull(dkim);
    dkim_set_margin(dkim, 0);
    if (signer->length >= 0)
        dkim_setpartial(dkim, TRUE);
    dkim_signer_feed(dkim, header, body);
    u_char *text = NULL;
    size_t length = 0;
    g_assert_cmpint(dkim_getsighdr_d(dkim, strlen("DKIM-Signature: "), &text, &length), ==, DKIM_STAT_OK);
    g_autofree char *value = g_strndup((const char *)text, length);
    dkim_free(dkim);
    dkim_close(library);
    __lsan_enable();
    return g_strconcat("DKIM-Signature: ", value, "\r\n", NULL);
}
