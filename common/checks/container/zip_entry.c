#include "checks/container/zip_entry.h"

#include <string.h>
#include <zlib.h>

#include "checks/container/archive.h"
#include "checks/container/inflate.h"

#define EXTRA_ZIP64 0x0001
#define EXTRA_UNICODE_PATH 0x7075
#define UNICODE_PATH_FIXED_OCTETS 5 /* version and checksum of the raw name */
#define METHOD_STORED 0
#define METHOD_DEFLATED 8
#define METHOD_AES 99

/* Methods (APPNOTE 4.4.5) that libarchive unpacks. */
static const guint archive_methods[] = {12 /* bzip2 */, 14 /* LZMA */, 93 /* zstd */, 95 /* xz */,
                                        98 /* PPMd */};

/* The extra field of that kind; NULL: there is none. */
static const guint8 *find_extra(const PosternZipEntry *entry, guint kind, guint *ret_length)
{
    for (guint at = 0; at + 4 <= entry->extra_length;) {
        guint length = postern_octets_16(entry->extra + at + 2);
        if (at + 4 + length > entry->extra_length)
            return NULL;
        if (postern_octets_16(entry->extra + at) == kind) {
            *ret_length = length;
            return entry->extra + at + 4;
        }
        at += 4 + length;
    }
    return NULL;
}

/* Sizes that do not fit into the header are in an extra field, in order (APPNOTE 4.5.3). */
static void read_zip64(PosternZipEntry *entry, gboolean central)
{
    guint64 *const values[] = {&entry->size, &entry->packed, &entry->place};
    guint length = 0, at = 0;
    const guint8 *extra = find_extra(entry, EXTRA_ZIP64, &length);
    for (guint i = 0; i < (central ? 3U : 2U); i++) {
        if (*values[i] != G_MAXUINT32)
            continue;
        if (extra == NULL || at + 8 > length) {
            entry->damaged = TRUE;
            return;
        }
        *values[i] = postern_octets_64(extra + at);
        at += 8;
    }
}

/* What both headers have in this order, from the flags on. */
static void read_common(PosternZipEntry *entry, const guint8 *octets)
{
    entry->flags = postern_octets_16(octets);
    entry->method = postern_octets_16(octets + 2);
    entry->checksum = postern_octets_32(octets + 8);
    entry->packed = postern_octets_32(octets + 12);
    entry->size = postern_octets_32(octets + 16);
    entry->name_length = postern_octets_16(octets + 20);
    entry->extra_length = postern_octets_16(octets + 22);
}

static gboolean set_end(PosternZipEntry *entry, const guint8 *octets, gsize length, gsize fixed_end,
                        guint comment)
{
    entry->name = octets + fixed_end;
    entry->extra = entry->name + entry->name_length;
    entry->end = fixed_end + entry->name_length + entry->extra_length + comment;
    return entry->end <= length;
}

static gboolean has_mark(const guint8 *octets, gsize length, gsize place, gsize header, guint32 mark)
{
    return place <= length && length - place >= header && postern_octets_32(octets + place) == mark;
}

gboolean postern_zip_central(const guint8 *octets, gsize length, gsize place, PosternZipEntry *entry)
{
    *entry = (PosternZipEntry){NULL};
    if (!has_mark(octets, length, place, POSTERN_ZIP_CENTRAL_OCTETS, POSTERN_ZIP_CENTRAL_MARK))
        return FALSE;
    read_common(entry, octets + place + 8);
    entry->place = postern_octets_32(octets + place + 42);
    guint disk = postern_octets_16(octets + place + 34);
    entry->damaged = disk != 0 && disk != G_MAXUINT16;
    if (!set_end(entry, octets, length, place + POSTERN_ZIP_CENTRAL_OCTETS,
                 postern_octets_16(octets + place + 32)))
        return FALSE;
    read_zip64(entry, TRUE);
    return TRUE;
}

gboolean postern_zip_local(const guint8 *octets, gsize length, gsize place, PosternZipEntry *entry)
{
    *entry = (PosternZipEntry){NULL};
    if (!has_mark(octets, length, place, POSTERN_ZIP_LOCAL_OCTETS, POSTERN_ZIP_LOCAL_MARK))
        return FALSE;
    read_common(entry, octets + place + 6);
    entry->place = place;
    if (!set_end(entry, octets, length, place + POSTERN_ZIP_LOCAL_OCTETS, 0))
        return FALSE;
    read_zip64(entry, FALSE);
    return TRUE;
}

void postern_zip_entry_names(const PosternZipEntry *entry, GPtrArray *names)
{
    guint length = 0;
    const guint8 *path = find_extra(entry, EXTRA_UNICODE_PATH, &length);
    postern_names_add(names, entry->name, entry->name_length);
    if (path != NULL && length > UNICODE_PATH_FIXED_OCTETS)
        postern_names_add(names, path + UNICODE_PATH_FIXED_OCTETS, length - UNICODE_PATH_FIXED_OCTETS);
}

gboolean postern_zip_entry_is_encrypted(const PosternZipEntry *entry)
{
    return (entry->flags & (POSTERN_ZIP_ENCRYPTED | POSTERN_ZIP_STRONG | POSTERN_ZIP_MASKED)) != 0 ||
           entry->method == METHOD_AES;
}

static GBytes *inflate_entry(PosternOpening *opening, const PosternZipEntry *entry, gsize data,
                             gsize *ret_consumed)
{
    g_auto(PosternUnpacked) unpacked = {NULL};
    if (!postern_inflate(opening, opening->octets + data, (gsize)entry->packed, NULL, entry->size, &unpacked,
                         ret_consumed) &&
        !opening->over && !opening->item->guessed)
        postern_opening_note(opening, POSTERN_VIRUS_AMBIGUOUS, "a member is cut or damaged");
    return postern_unpacked_steal(&unpacked);
}

GBytes *postern_zip_entry_unpack(PosternOpening *opening, const PosternZipEntry *entry, gsize data,
                                 gsize *ret_consumed)
{
    *ret_consumed = (gsize)entry->packed;
    if (entry->method == METHOD_STORED)
        return postern_opening_allow(opening, entry->packed)
                   ? g_bytes_new_from_bytes(opening->item->octets, data, (gsize)entry->packed)
                   : NULL;
    if (entry->method == METHOD_DEFLATED)
        return inflate_entry(opening, entry, data, ret_consumed);
    for (gsize i = 0; i < G_N_ELEMENTS(archive_methods); i++)
        if (archive_methods[i] == entry->method)
            return postern_archive_zip_member(opening, entry, data);
    postern_opening_note(opening, POSTERN_VIRUS_UNKNOWN_CONTAINER, "a member is packed by an unknown method");
    return NULL;
}
