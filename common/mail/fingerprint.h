/*
 * What a message is known by if it comes again: a digest of its octets without the trace that the last hop
 * put on top of them, which is another at each attempt. A before-queue filter gets a new Received from its
 * MTA each time, and a new field of a policy service.
 */
#pragma once

#include "mail/message.h"

#define POSTERN_FINGERPRINT_OCTETS POSTERN_MESSAGE_DIGEST_OCTETS

/* TRUE: a field of that name, in any case, is trace. */
gboolean postern_fingerprint_is_trace(const char *name, gsize length);

/*
 * Octets at the front of a message that are left out: whole fields of trace, POSTERN_TRACE_FIELDS_MAX and
 * POSTERN_TRACE_MAX_OCTETS at most, of printable ASCII, in lines that end in CRLF, with names that decide
 * nothing about how the rest is read. 0 if there are none, or more.
 */
gsize postern_fingerprint_trace(const char *octets, gsize length);

/*
 * SHA-256 of a sealed message without its trace, and of question, what it is asked about. FALSE: the message
 * cannot be read.
 */
gboolean postern_fingerprint(PosternMessage *message, guint64 question,
                             guint8 ret_fingerprint[POSTERN_FINGERPRINT_OCTETS]) G_GNUC_WARN_UNUSED_RESULT;
