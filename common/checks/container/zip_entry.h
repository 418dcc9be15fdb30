/*
 * The two headers of a member of a zip archive, and its octets.
 */
#pragma once

#include "checks/container/opening.h"

#define POSTERN_ZIP_LOCAL_MARK 0x04034b50
#define POSTERN_ZIP_CENTRAL_MARK 0x02014b50
#define POSTERN_ZIP_LOCAL_OCTETS 30
#define POSTERN_ZIP_CENTRAL_OCTETS 46

/* Flags (APPNOTE 4.4.4). */
typedef enum {
    POSTERN_ZIP_ENCRYPTED = 1 << 0,
    POSTERN_ZIP_DESCRIPTOR = 1 << 3, /* checksum and sizes follow the data */
    POSTERN_ZIP_STRONG = 1 << 6,     /* strong encryption */
    POSTERN_ZIP_UTF8 = 1 << 11,
    POSTERN_ZIP_MASKED = 1 << 13, /* the directory is encrypted */
} PosternZipFlags;

typedef struct {
    const guint8 *name, *extra;
    guint name_length, extra_length;
    guint flags, method;
    guint32 checksum;
    guint64 packed, size; /* octets */
    guint64 place;        /* of the local header, as the directory has it */
    gsize end;            /* where the header ends, in the archive */
    gboolean damaged;     /* its extra field is, or it names another disk */
} PosternZipEntry;

/* A header of the directory, or a local one, at place. FALSE: none is there. */
gboolean postern_zip_central(const guint8 *octets, gsize length, gsize place, PosternZipEntry *entry);
gboolean postern_zip_local(const guint8 *octets, gsize length, gsize place, PosternZipEntry *entry);

/* Every name: raw, and that of the Info-ZIP Unicode path extra field (APPNOTE 4.6.9). */
void postern_zip_entry_names(const PosternZipEntry *entry, GPtrArray *names);
gboolean postern_zip_entry_is_encrypted(const PosternZipEntry *entry);

/*
 * Unpacks a member whose packed octets are those at data, entry->packed of them at most. *ret_consumed: how
 * many belong to it, where the method knows (or all). NULL: not possible, which is noted.
 */
GBytes *postern_zip_entry_unpack(PosternOpening *opening, const PosternZipEntry *entry, gsize data,
                                 gsize *ret_consumed);
