/*
 * What the body of one MIME part decodes to (RFC 2045 6), by every reading that readers of mail are known to
 * have: one, unless it is written in a way that they differ on.
 */
#pragma once

#include "checks/content/part.h"

#define POSTERN_CONTENT_READINGS_MAX 4

/*
 * Base64: letters behind padding belong to another piece, or go on as if there was none, or nothing follows
 * it; what is no letter of base64 is passed over, or ends it. Quoted-printable: white space behind a soft
 * line break, and at the end of a line, is deleted, or stays. If line ends of such text, or of what is not
 * encoded, are CR LF, they may become LF too.
 *
 * New octets, each reading unlike the ones before it; together at most POSTERN_CONTENT_READINGS_MAX times
 * length. FALSE: no memory.
 */
gboolean postern_content_decode(PosternContentEncoding encoding, const char *octets, gsize length,
                                GBytes *readings[POSTERN_CONTENT_READINGS_MAX], guint *ret_count);
