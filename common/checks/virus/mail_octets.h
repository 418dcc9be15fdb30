/*
 * What of a message is scanned for signatures of mail: all but the bulk of what is encoded, for that is
 * decoded and scanned as files (content/item.h).
 */
#pragma once

#include <glib.h>

/* Of each run of base64 lines, so much of its begin and end stays. */
#define POSTERN_VIRUS_BASE64_BEGIN_OCTETS 16384
#define POSTERN_VIRUS_BASE64_END_OCTETS 1024

/*
 * A field in front by which libclamav knows mail, and the message; cut: without the middle of runs of lines
 * that are nothing but base64 (RFC 2045 6.8): what is decoded of them is scanned elsewhere, and so are they
 * for signatures that their letters may match (encoded_signatures.h). Linear in length. NULL: no memory.
 */
GBytes *postern_virus_mail_octets(const char *octets, gsize length, gboolean cut);
