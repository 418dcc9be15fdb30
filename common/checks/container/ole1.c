#include <string.h>

#include "checks/container/enclosed.h"

#define FIXED_OCTETS 8 /* version and kind */
#define STRINGS 3      /* class, topic, item */
#define PACKAGE_EMBEDDED 3

/* What is still to be read. */
typedef struct {
    const guint8 *octets;
    gsize length;
} Rest;

static gboolean skip(Rest *rest, guint64 count)
{
    if (count > rest->length)
        return FALSE;
    rest->octets += count;
    rest->length -= (gsize)count;
    return TRUE;
}

/* One of 32 bits. FALSE: it is not there. */
static gboolean take_number(Rest *rest, guint32 *ret_number)
{
    if (rest->length < 4)
        return FALSE;
    *ret_number = postern_octets_32(rest->octets);
    return skip(rest, 4);
}

/* A text to its NUL, added to names by what is behind its last backslash. */
static gboolean take_name(Rest *rest, GPtrArray *names)
{
    const guint8 *end = memchr(rest->octets, '\0', rest->length);
    if (end == NULL)
        return FALSE;
    gsize length = (gsize)(end - rest->octets);
    const guint8 *slash = length > 0 ? memrchr(rest->octets, '\\', length) : NULL;
    const guint8 *start = slash != NULL ? slash + 1 : rest->octets;
    postern_names_add(names, start, (gsize)(end - start));
    return skip(rest, (guint64)length + 1);
}

static void hand_on(PosternOpening *opening, GPtrArray *names, Rest file, guint32 size)
{
    gsize length = MIN(file.length, size);
    if (length == 0 || !postern_opening_allow(opening, length))
        return;
    g_autoptr(GBytes) octets =
        g_bytes_new_from_bytes(opening->item->octets, (gsize)(file.octets - opening->octets), length);
    postern_opening_member(opening, names, octets);
}

/* A file that Windows puts in documents: its label, its path, how it is there, its path again, its octets. */
static void take_package(PosternOpening *opening, Rest rest)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    guint32 kind = 0, path = 0, size = 0;
    if (skip(&rest, 2) && take_name(&rest, names) && take_name(&rest, names) && take_number(&rest, &kind) &&
        kind >> 16 == PACKAGE_EMBEDDED && take_number(&rest, &path) && skip(&rest, path) &&
        take_number(&rest, &size))
        hand_on(opening, names, rest, size);
}

void postern_ole1_open(PosternOpening *opening)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    Rest rest = {opening->octets, opening->length};
    guint32 size = 0;
    gboolean good = skip(&rest, FIXED_OCTETS);
    for (guint i = 0; i < STRINGS && good; i++)
        good = take_number(&rest, &size) && skip(&rest, size);
    if (!good || !take_number(&rest, &size))
        return;
    hand_on(opening, names, rest, size);
    take_package(opening, rest);
}
