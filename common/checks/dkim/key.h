/*
 * A DKIM key record (RFC 6376 3.6.1): chosen from the TXT records at a selector, judged, and made into the
 * short form that libopendkim can take: it cuts a record at 1,024 octets and knows only the
 * SubjectPublicKeyInfo form of an RSA key, where RFC 6376 allows notes of any length and the RSAPublicKey
 * form (3.6.1, k=).
 */
#pragma once

#include "dns/answers.h"
#include "verdict/findings.h"

typedef struct {
    PosternDkimResult result; /* NONE: record can be verified with; else the result for the signature */
    char *reason;             /* why it cannot, or NULL; owned */
    char *record;             /* "v=DKIM1; k=…; p=…", or NULL; owned */
    guint bits;               /* of the key; 0: not known */
    gboolean testing;         /* t=y */
    gboolean strict;          /* t=s: i= has the domain of d=, not one below it */
} PosternDkimKey;

/*
 * The keys for a signature of algorithm ("rsa-sha256" or "ed25519-sha256"), of PosternDkimKey *, those to be
 * verified with first; never empty. What several mean is undefined (RFC 6376 3.6.2.2): each may be tried, and
 * a pass by one is a pass. There are at most POSTERN_DKIM_KEYS_TRIED_MAX; a record that is no key, such as a
 * wildcard's SPF record, counts only if there is nothing else.
 */
GPtrArray *postern_dkim_keys_load(const PosternAnswer *answer, const char *algorithm);
