/*
 * One key that we sign with.
 */
#pragma once

#include <glib.h>

typedef struct {
    char *domain;     /* d=: lower case */
    char *selector;   /* s= */
    gboolean ed25519; /* ed25519-sha256 (RFC 8463), else rsa-sha256 */
    guint bits;       /* RSA: of the modulus */
    char *secret;     /* the private key, PKCS #8 in PEM form; wiped when freed */
    char *published;  /* p= of its record: base64 */
} PosternSignKey;

/*
 * Reads the private key in the file at path: PEM, as openssl writes it (RSA in either of its two forms), no
 * pass phrase. warnings as in file.h, and RSA keys that verifiers may not take. NULL and error name the
 * file and say what is wrong with it: RSA of POSTERN_DKIM_RSA_MIN_BITS or more and Ed25519 are right.
 */
PosternSignKey *postern_sign_key_load(const char *domain, const char *selector, const char *path,
                                      GPtrArray *warnings, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void postern_sign_key_free(PosternSignKey *key);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternSignKey, postern_sign_key_free)

/* Where its record is to be published, "SELECTOR._domainkey.DOMAIN", and the record; new strings. */
char *postern_sign_key_name(const PosternSignKey *key);
char *postern_sign_key_record(const PosternSignKey *key);
