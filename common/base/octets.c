#include "base/octets.h"

#include <string.h>

#include "base/error.h"

#define LENGTH_OCTETS 4

void postern_octets_add_number(GByteArray *out, guint64 number, guint octets)
{
    guint64 value = GUINT64_TO_LE(number);
    g_byte_array_append(out, (const guint8 *)&value, octets);
}

/* In front stands the length and one more, or 0. */
void postern_octets_add_text(GByteArray *out, gconstpointer text, gsize length)
{
    postern_octets_add_number(out, text != NULL ? length + 1 : 0, LENGTH_OCTETS);
    if (text != NULL)
        g_byte_array_append(out, text, (guint)length);
}

PosternOctets postern_octets_of(GBytes *octets)
{
    PosternOctets in = {0};
    in.at = g_bytes_get_data(octets, &in.left);
    return in;
}

/* length octets, or NULL: there are not so many. */
static const guint8 *take(PosternOctets *in, gsize length)
{
    const guint8 *at = in->at;
    if (in->bad || length > in->left) {
        in->bad = TRUE;
        return NULL;
    }
    in->at += length;
    in->left -= length;
    return at;
}

guint64 postern_octets_number(PosternOctets *in, guint octets)
{
    guint64 value = 0;
    const guint8 *at = take(in, octets);
    if (at != NULL)
        memcpy(&value, at, octets);
    return GUINT64_FROM_LE(value);
}

const char *postern_octets_text(PosternOctets *in, gsize *ret_length)
{
    guint64 length = postern_octets_number(in, LENGTH_OCTETS);
    const guint8 *text = length > 0 ? take(in, length - 1) : NULL;
    *ret_length = text != NULL ? length - 1 : 0;
    return (const char *)text;
}

char *postern_octets_string(PosternOctets *in, gsize maximum)
{
    gsize length = 0;
    const char *text = postern_octets_text(in, &length);
    if (text == NULL)
        return NULL;
    if (length <= maximum && memchr(text, '\0', length) == NULL)
        return g_strndup(text, length);
    in->bad = TRUE;
    return NULL;
}

gboolean postern_octets_end(const PosternOctets *in, const char *what, GError **error)
{
    if (!in->bad && in->left == 0)
        return TRUE;
    return postern_error_set(error, POSTERN_ERROR_PROTOCOL, "%s is cut off, too long or malformed", what);
}
