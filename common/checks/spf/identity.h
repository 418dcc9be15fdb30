/*
 * Whom SPF checks: the identity that the client claims (RFC 7208 2.3, 2.4).
 */
#pragma once

#include <glib.h>

#include "mail/envelope.h"
#include "verdict/findings.h"

typedef struct {
    gboolean helo;    /* HELO, else MAIL FROM */
    char *local_part; /* "postmaster" if it has none (RFC 7208 4.3) */
    char *domain;     /* as given, lower case */
    char *ascii;      /* as the DNS has it, or NULL: it cannot */
} PosternSpfIdentity;

/*
 * MAIL FROM if it has a domain, else HELO. FALSE: neither is known, or the client's address is not: there
 * is nothing to check. Tells that as a step. *identity must be zeroed.
 */
gboolean postern_spf_identity_find(const PosternEnvelope *envelope, PosternFindings *findings,
                                   PosternSpfIdentity *identity);

void postern_spf_identity_clear(PosternSpfIdentity *identity);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PosternSpfIdentity, postern_spf_identity_clear)
