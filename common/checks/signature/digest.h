/*
 * SHA-256 over what a signature covers (RFC 6376 3.7, 5.4.2), for DKIM and ARC.
 */
#pragma once

#include "checks/signature/canonical.h"

#define POSTERN_DIGEST_OCTETS 32

/* A body, and what is known of it: each of its forms is hashed whole once, however many signatures there are.
 */
typedef struct {
    const char *octets;
    gsize length;
    struct {
        gboolean known;
        gsize length;
        guint8 digest[POSTERN_DIGEST_OCTETS];
    } forms[2]; /* simple, relaxed */
} PosternDigestBody;

/*
 * Of the canonical body: its first limit octets (l=), all if limit is negative. Returns the length of the
 * canonical body, all of it.
 */
gsize postern_digest_body(PosternDigestBody *body, gboolean relaxed, gint64 limit,
                          guint8 ret_digest[POSTERN_DIGEST_OCTETS]);

/*
 * Of the fields that names (h=: names with colons and white space between) calls for, of each name from the
 * bottom up, signature itself left out; then of signature without its b=.
 */
void postern_digest_header(const PosternHeader *header, const char *names,
                           const PosternHeaderField *signature, gboolean relaxed,
                           guint8 ret_digest[POSTERN_DIGEST_OCTETS]);
