/*
 * What of a header may be told to a stranger, for failure reports (RFC 9991 7, RFC 6590). Pure.
 *
 * A local part becomes 16 letters that the same one always gets from the same key, and that cannot be undone
 * without it. Display names, subjects and fields that are not known are left out.
 */
#pragma once

#include "mail/header.h"

#define POSTERN_REDACTION_KEY_OCTETS 32

/* Appends length octets of text, each local part before an '@' (or "%40") redacted; what is not printable
 * ASCII becomes '?'. */
void postern_redact_text(GString *out, const char *text, gsize length,
                         const guint8 key[POSTERN_REDACTION_KEY_OCTETS]);

/* Appends a field of one line, folded where it has blanks (RFC 5322 2.2.3), with CRLF at its end. */
void postern_redact_append_field(GString *out, const char *name, const char *value);

/*
 * Of header the fields that tell of its way and its authentication, redacted: Received, DKIM-Signature
 * without z=, the domains of From and To and so on. At most POSTERN_FAILURE_HEADER_MAX_OCTETS, CRLF at the
 * end of each line. A new string.
 */
GString *postern_redact_header(const PosternHeader *header, const guint8 key[POSTERN_REDACTION_KEY_OCTETS]);
