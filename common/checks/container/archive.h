/*
 * What libarchive opens. It is told the one format that is meant, and never may start a program.
 */
#pragma once

#include <archive.h>

#include "checks/container/opening.h"
#include "checks/container/zip_entry.h"

typedef struct {
    int (*format)(struct archive *archive); /* archive_read_support_format_…; NULL: a single packed file */
    int (*filter)(struct archive *archive); /* archive_read_support_filter_…; NULL: not packed */
    gboolean whole;                         /* it has an end, behind which nothing may stand */
    gboolean several;                       /* it has several directories; each is read */
    const GArray
        *checksums; /* of guint64: the CRC-32 that each file should have, larger: not told; or NULL */
    PosternVirusKind failure; /* what it is if libarchive cannot read it */
} PosternArchiveKind;

/*
 * Hands on each member of the archive that begins at octet start. What libarchive says is wrong is noted as
 * kind->failure, methods that it does not know as UNKNOWN_CONTAINER, encryption as ENCRYPTED. Returns how
 * many files it had.
 */
guint postern_archive_open(PosternOpening *opening, const PosternArchiveKind *kind, gsize start);

/* As postern_zip_entry_unpack() does it. */
GBytes *postern_archive_zip_member(PosternOpening *opening, const PosternZipEntry *entry, gsize data);
