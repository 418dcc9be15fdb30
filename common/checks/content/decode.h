/*
 * What the body of one MIME part decodes to (RFC 2045 6), by every reading that readers of mail are known to
 * have: one, unless it is written in a way that they differ on.
 */
#pragma once

#include <glib.h>

typedef enum {
    POSTERN_CONTENT_IDENTITY,
    POSTERN_CONTENT_BASE64,
    POSTERN_CONTENT_QUOTED_PRINTABLE,
} PosternContentEncoding;

#define POSTERN_CONTENT_READINGS_MAX 9

/*
 * Base64: letters behind padding belong to another piece, or go on as if there was none, or nothing follows
 * it; padding may be letters of the value 0; what is no letter is passed over, or ends it; each line may
 * begin anew. Quoted-printable: white space behind a soft line break, and at the end of a line, is deleted,
 * or stays; a doubled equals sign is one, or two. If line ends of such text, or of what is not encoded, are
 * CR LF, they may become LF too.
 *
 * New octets, each reading unlike the ones before it, of at most length octets. line_ends: those of text may
 * become LF. FALSE: no memory.
 */
gboolean postern_content_decode(PosternContentEncoding encoding, const char *octets, gsize length,
                                gboolean line_ends, GBytes *readings[POSTERN_CONTENT_READINGS_MAX],
                                guint *ret_count);
