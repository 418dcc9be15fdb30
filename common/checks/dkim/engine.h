/*
 * libopendkim, for verification, as the DKIM check uses it, and how a message goes into it. Keys come from
 * the signatures themselves, which carry what the answers said; the library asks nobody.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <opendkim/dkim.h>

#include "checks/check.h"
#include "checks/dkim/signature.h"

/* TRUE if a signature of a part of the body passes (postern_dkim_engine_accept_partial_body()). */
gboolean postern_dkim_engine_accepts_partial_body(const PosternDkimEngine *engine);

/*
 * Evaluates the signatures that are not decided (of PosternDkimSignature *, in the order of the header):
 * octets is the message that header indexes. Every one is decided afterwards.
 */
void postern_dkim_engine_verify(PosternDkimEngine *engine, const char *octets, gsize length,
                                const PosternHeader *header, GPtrArray *signatures);

/* The field, without its final line end. */
DKIM_STAT postern_dkim_feed_field(DKIM *dkim, const PosternHeaderField *field);

/* All of the body; a last line without an end gets one, as an MTA would give it (RFC 6376 3.4.3). */
DKIM_STAT postern_dkim_feed_body(DKIM *dkim, const char *body, gsize length);
