#include "checks/container/weak_marks.h"

#include <string.h>

/* compress */
#define COMPRESS_HEADER_OCTETS 3
#define COMPRESS_BITS_MAX 16
#define CODE_BITS 9 /* of the first codes */
#define CODES_MAX 32
#define CLEAR 256

/* pack */
#define PACK_HEADER_OCTETS 7
#define PACK_LEVELS_MAX 25
#define PACK_LEAVES_MAX 256

/* Each code is an octet, or has been made by those before it. */
gboolean postern_compress_is(const guint8 *octets, gsize length)
{
    if (length <= COMPRESS_HEADER_OCTETS + 1 || memcmp(octets, "\x1f\x9d", 2) != 0 ||
        (octets[2] & 0x1f) > COMPRESS_BITS_MAX)
        return FALSE;
    gboolean block = (octets[2] & 0x80) != 0;
    guint next = block ? CLEAR : CLEAR - 1;
    gsize bits = (length - COMPRESS_HEADER_OCTETS) * 8;
    for (gsize i = 0; i < CODES_MAX && (i + 1) * CODE_BITS <= bits; i++) {
        gsize bit = i * CODE_BITS;
        const guint8 *at = octets + COMPRESS_HEADER_OCTETS + bit / 8;
        guint code = ((at[0] | (guint)at[1] << 8) >> bit % 8) & ((1U << CODE_BITS) - 1);
        if (i > 0 && block && code == CLEAR)
            return TRUE;
        if (code > next || (i == 0 && code >= CLEAR))
            return FALSE;
        next++;
    }
    return TRUE;
}

gboolean postern_pack_is(const guint8 *octets, gsize length)
{
    if (length <= PACK_HEADER_OCTETS || memcmp(octets, "\x1f\x1e", 2) != 0)
        return FALSE;
    guint levels = octets[6], nodes = 2, leaves = 0;
    if (levels == 0 || levels > PACK_LEVELS_MAX || length < PACK_HEADER_OCTETS + levels)
        return FALSE;
    for (guint level = 1; level <= levels; level++) {
        guint here = octets[PACK_HEADER_OCTETS + level - 1];
        if (here > nodes)
            return FALSE;
        leaves += here;
        nodes = MIN((nodes - here) * 2, PACK_LEAVES_MAX * 2);
    }
    return leaves < PACK_LEAVES_MAX;
}

gboolean postern_gzip_is(const guint8 *octets, gsize length)
{
    return length > 3 && memcmp(octets, "\x1f\x8b\x08", 3) == 0 && (octets[3] & 0xe0) == 0;
}
