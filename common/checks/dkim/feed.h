/*
 * How a message goes into libopendkim, for verifying and for signing.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <opendkim/dkim.h>

#include "mail/header.h"

/* The field, without its final line end. */
DKIM_STAT postern_dkim_feed_field(DKIM *dkim, const PosternHeaderField *field);

/* All of the body; a last line without an end gets one, as an MTA would give it (RFC 6376 3.4.3). */
DKIM_STAT postern_dkim_feed_body(DKIM *dkim, const char *body, gsize length);
