/*
 * DKIM key records (RFC 6376 3.6.1): chosen from the TXT records at a selector, judged and decoded. Decoding
 * one costs several times what its use does, so a ring keeps what it has decoded.
 */
#pragma once

#include <openssl/evp.h>

#include "dns/answers.h"
#include "verdict/findings.h"

typedef struct {
    PosternDkimResult result; /* NONE: there is a key; else the result for the signature */
    char *reason;             /* why there is none, or NULL; owned */
    EVP_PKEY *key;            /* RSA (SubjectPublicKeyInfo, or RSAPublicKey as it is) or Ed25519; or NULL */
    guint bits;               /* of the key; 0: not known */
    gboolean testing;         /* t=y */
    gboolean strict;          /* t=s: i= has the domain of d=, not one below it */
} PosternDkimKey;

/* Keys by the digest of their records, POSTERN_DKIM_KEYS_KEPT_MAX at most. Never NULL. */
typedef struct PosternDkimKeyRing PosternDkimKeyRing;
PosternDkimKeyRing *postern_dkim_key_ring_new(void);
void postern_dkim_key_ring_free(PosternDkimKeyRing *ring);

/*
 * The keys for a signature of algorithm ("rsa-sha256" or "ed25519-sha256"), of PosternDkimKey *, those to be
 * verified with first; never empty. What several mean is undefined (RFC 6376 3.6.2.2): each may be tried, and
 * a pass by one is a pass. There are at most POSTERN_DKIM_KEYS_TRIED_MAX; a record that is no key, such as a
 * wildcard's SPF record, counts only if there is nothing else.
 */
GPtrArray *postern_dkim_keys_load(PosternDkimKeyRing *ring, const PosternAnswer *answer,
                                  const char *algorithm);

/*
 * The first of keys that made signature over a SHA-256 digest, as rsa-sha256 (RFC 6376 3.3.1) and
 * ed25519-sha256 (RFC 8463 3) make it, or NULL.
 */
const PosternDkimKey *postern_dkim_keys_find(const GPtrArray *keys, const guint8 *digest, gsize length,
                                             GBytes *signature);
