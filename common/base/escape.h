/*
 * Peer text made safe to log, to print and to put into a reply: printable ASCII stays, everything else
 * becomes \xHH, so no line break, control octet or terminal sequence of others gets through.
 */
#pragma once

#include <glib.h>

/*
 * Appends length octets of text to out, escaped; '\\' becomes "\\\\" and '"' becomes "\\\"". At most
 * maximum octets of text are taken; if more were there, "..." follows.
 */
void postern_escape_append(GString *out, const char *text, gsize length, gsize maximum);

/* The same into a new string that the caller frees. NULL text gives "". */
char *postern_escape(const char *text, gsize length, gsize maximum);

/*
 * Replaces, in place, every octet of text outside 0x20 to 0x7e by '?': for text that goes into an SMTP
 * reply, where RFC 5321 4.2 allows nothing else. Returns text.
 */
char *postern_escape_for_reply(char *text);

/*
 * The same for text of senders in header fields of ours, and "=?" becomes "??": readers decode encoded words
 * (RFC 2047) wherever they stand, and would find the end of a quoted string in one. Returns text.
 */
char *postern_escape_for_header(char *text);
