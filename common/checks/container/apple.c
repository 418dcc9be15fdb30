#include "checks/container/enclosed.h"

#include <string.h>

#define SINGLE_HEADER_OCTETS 26
#define SINGLE_ENTRY_OCTETS 12
#define BINARY_HEADER_OCTETS 128
#define NAME_MAX_OCTETS 63

/* Entries of AppleSingle (RFC 1740 appendix A). */
enum { DATA_FORK = 1, RESOURCE_FORK = 2, REAL_NAME = 3 };

static guint32 number(const guint8 *octets)
{
    return (guint32)octets[0] << 24 | (guint32)octets[1] << 16 | (guint32)octets[2] << 8 | octets[3];
}

static void take_fork(PosternOpening *opening, const guint8 *name, gsize name_length, gsize place,
                      gsize length)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    if (length == 0 || !postern_opening_allow(opening, length))
        return;
    g_autoptr(GBytes) octets = g_bytes_new_from_bytes(opening->item->octets, place, length);
    if (name != NULL)
        postern_names_add(names, name, name_length);
    postern_opening_member(opening, names, octets);
}

/* An entry of that kind, whole; or NULL. */
static const guint8 *find_entry(const PosternOpening *opening, guint32 kind, guint32 *ret_length)
{
    const guint8 *octets = opening->octets;
    for (gsize at = SINGLE_HEADER_OCTETS, left = (gsize)octets[24] << 8 | octets[25];
         left > 0 && opening->length - at >= SINGLE_ENTRY_OCTETS; left--, at += SINGLE_ENTRY_OCTETS) {
        guint32 place = number(octets + at + 4), length = number(octets + at + 8);
        if (number(octets + at) == kind && place <= opening->length && length <= opening->length - place) {
            *ret_length = length;
            return octets + place;
        }
    }
    return NULL;
}

void postern_apple_open(PosternOpening *opening)
{
    static const guint32 forks[] = {DATA_FORK, RESOURCE_FORK};
    guint32 name_length = 0, length = 0;
    if (opening->length < SINGLE_HEADER_OCTETS) {
        postern_opening_note(opening, POSTERN_VIRUS_AMBIGUOUS, "it is cut or damaged");
        return;
    }
    const guint8 *name = find_entry(opening, REAL_NAME, &name_length);
    for (gsize i = 0; i < G_N_ELEMENTS(forks); i++) {
        const guint8 *fork = find_entry(opening, forks[i], &length);
        if (fork != NULL)
            take_fork(opening, name, name_length, (gsize)(fork - opening->octets), length);
    }
}

static gsize padded(guint32 length)
{
    return ((gsize)length + BINARY_HEADER_OCTETS - 1) / BINARY_HEADER_OCTETS * BINARY_HEADER_OCTETS;
}

/* Its zeros are where they should be, and the forks fit. */
gboolean postern_macbinary_is(const guint8 *octets, gsize length)
{
    if (length <= BINARY_HEADER_OCTETS || octets[0] != 0 || octets[1] == 0 || octets[1] > NAME_MAX_OCTETS ||
        octets[74] != 0 || octets[82] != 0)
        return FALSE;
    guint32 data = number(octets + 83), resource = number(octets + 87);
    return (data > 0 || resource > 0) && BINARY_HEADER_OCTETS + (gsize)data <= length &&
           BINARY_HEADER_OCTETS + padded(data) + resource <= padded((guint32)MIN(length, G_MAXUINT32)) &&
           memchr(octets + 2, '\0', octets[1]) == NULL;
}

void postern_macbinary_open(PosternOpening *opening)
{
    const guint8 *octets = opening->octets;
    guint32 data = number(octets + 83), resource = number(octets + 87);
    gsize place = BINARY_HEADER_OCTETS + padded(data);
    take_fork(opening, octets + 2, octets[1], BINARY_HEADER_OCTETS, data);
    if (place < opening->length)
        take_fork(opening, octets + 2, octets[1], place, MIN(resource, opening->length - place));
}
