/*
 * The domains that SPF and DKIM may vouch for (RFC 9989 4.3): whether they do is found out elsewhere.
 */
#pragma once

#include "mail/envelope.h"
#include "mail/header.h"

typedef struct {
    char *domain; /* lower case, A-labels; a name that the DNS can have */
    gboolean spf; /* what SPF checks; else a d= of DKIM */
} PosternDmarcIdentifier;

/*
 * Of the envelope, MAIL FROM or HELO (RFC 7208 2.4), and of the signatures that are evaluated
 * (dkim/select.h): of PosternDmarcIdentifier, the caller unrefs it.
 */
GPtrArray *postern_dmarc_identifiers(const PosternHeader *header, const PosternEnvelope *envelope);
