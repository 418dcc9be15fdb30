/*
 * Multiparts of which libclamav passes parts over in silence: of multipart/signed and multipart/parallel it
 * scans the text only, of multipart/plain, html, enriched and richtext nothing. Whatever kind it has never
 * heard of it scans whole, as multipart/mixed (RFC 2046 5.1.3); so these are given such a name before it sees
 * them.
 */
#pragma once

#include <glib.h>

/*
 * Renames such kinds in all fields Content-Type, in place and with the length kept: wherever a line begins
 * one, for what has the header of an enclosed message is not known here. TRUE: there was one. *work (or NULL)
 * grows by the octets looked at, at most a few times length whatever they are.
 */
gboolean postern_virus_multipart_rename(char *octets, gsize length, guint64 *work);

/* TRUE if there is one to rename. */
gboolean postern_virus_multipart_is_hidden(const char *octets, gsize length, guint64 *work);
