/*
 * Numbers and texts as octets between our own processes, and in capsules: little-endian numbers, texts with
 * their length in front.
 */
#pragma once

#include <glib.h>

/* Appends number in so many octets, 1 to 8. */
void postern_octets_add_number(GByteArray *out, guint64 number, guint octets);
/* Appends length octets of text; NULL is none, which is another thing than an empty one. */
void postern_octets_add_text(GByteArray *out, gconstpointer text, gsize length);

/*
 * Untrusted octets, read from the front. Whoever reads asks at the end whether it was good: what is cut
 * off reads as 0 and as no text, and makes it bad.
 */
typedef struct {
    const guint8 *at;
    gsize left;
    gboolean bad;
} PosternOctets;

/* octets are the caller's, and must outlive it. */
PosternOctets postern_octets_of(GBytes *octets);
guint64 postern_octets_number(PosternOctets *in, guint octets);
/* A text, within the octets; NULL: none. */
const char *postern_octets_text(PosternOctets *in, gsize *ret_length);
/* The same as a new string. It is bad if it has over maximum octets, or a NUL inside. */
char *postern_octets_string(PosternOctets *in, gsize maximum);
/* TRUE if all that was read was there, and nothing is left; else error (POSTERN_ERROR_PROTOCOL) names what.
 */
gboolean postern_octets_end(const PosternOctets *in, const char *what,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;
