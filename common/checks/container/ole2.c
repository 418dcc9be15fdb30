#include <string.h>

#include "checks/container/encrypted.h"

#define HEADER_OCTETS 512
#define HEADER_FAT_SECTORS 109 /* whose places stand in the header */
#define ENTRY_OCTETS 128
#define NAME_OCTETS 64
#define SMALL_SECTOR_OCTETS 64
#define LAST_SECTOR 0xfffffff9U /* those above it end a chain */

/* A compound file (MS-CFB): sectors, their chains in a table, and a directory of streams. */
typedef struct {
    const guint8 *octets;
    gsize length;
    gsize sector;         /* octets */
    guint32 root;         /* first sector of the stream that small streams are in */
    guint32 small_octets; /* a smaller stream is in there */
} File;

/* Octets of a sector, or NULL: the file has no such. */
static const guint8 *sector_at(const File *file, guint32 number)
{
    guint64 place = ((guint64)number + 1) * file->sector;
    return number <= LAST_SECTOR && place + file->sector <= file->length ? file->octets + place : NULL;
}

/* The sector that holds that part of the table of chains. */
static guint32 table_sector(const File *file, guint32 part)
{
    if (part < HEADER_FAT_SECTORS)
        return postern_octets_32(file->octets + 76 + 4 * (gsize)part);
    guint32 each = (guint32)(file->sector / 4) - 1;
    guint32 sector = postern_octets_32(file->octets + 68);
    const guint8 *octets = sector_at(file, sector);
    for (part -= HEADER_FAT_SECTORS; octets != NULL && part >= each; part -= each)
        octets = sector_at(file, postern_octets_32(octets + 4 * (gsize)each));
    return octets != NULL ? postern_octets_32(octets + 4 * (gsize)part) : G_MAXUINT32;
}

static guint32 next_sector(const File *file, guint32 sector)
{
    guint32 each = (guint32)(file->sector / 4);
    const guint8 *octets = sector_at(file, table_sector(file, sector / each));
    return octets != NULL ? postern_octets_32(octets + 4 * (gsize)(sector % each)) : G_MAXUINT32;
}

/* Where a stream begins, and how many octets of it stand there together. */
static const guint8 *begin_of(const File *file, const guint8 *entry, gsize *ret_length)
{
    guint32 sector = postern_octets_32(entry + 116), size = postern_octets_32(entry + 120);
    gsize within = 0, together = file->sector;
    if (size < file->small_octets) {
        guint64 place = (guint64)sector * SMALL_SECTOR_OCTETS;
        sector = file->root;
        for (; place >= file->sector && sector <= LAST_SECTOR && sector_at(file, sector) != NULL;
             place -= file->sector)
            sector = next_sector(file, sector);
        within = (gsize)place;
        together = SMALL_SECTOR_OCTETS;
    }
    const guint8 *octets = within < file->sector ? sector_at(file, sector) : NULL;
    *ret_length = MIN(together, size);
    return octets != NULL ? octets + within : NULL;
}

static gboolean always(const guint8 *octets, gsize length)
{
    return TRUE;
}

/* The record FILEPASS is the second, or behind WRITEPROTECT. */
static gboolean is_encrypted_workbook(const guint8 *octets, gsize length)
{
    for (guint record = 0; record < 3 && length >= 4; record++) {
        gsize size = (gsize)postern_octets_16(octets + 2) + 4;
        if (postern_octets_16(octets) == 0x2f)
            return TRUE;
        if (size > length)
            break;
        octets += size;
        length -= size;
    }
    return FALSE;
}

static gboolean is_encrypted_word(const guint8 *octets, gsize length)
{
    return length >= 12 && postern_octets_16(octets) == 0xa5ec &&
           (postern_octets_16(octets + 10) & 0x100) != 0;
}

static gboolean is_encrypted_presentation(const guint8 *octets, gsize length)
{
    return length >= 16 && postern_octets_32(octets + 12) == 0xf3d1c4dfU;
}

static const struct {
    const char *name; /* of a stream */
    gboolean (*is_encrypted)(const guint8 *octets, gsize length);
} streams[] = {
    {"EncryptedPackage", always},
    {"Workbook", is_encrypted_workbook},
    {"Book", is_encrypted_workbook},
    {"WordDocument", is_encrypted_word},
    {"Current User", is_encrypted_presentation},
};

/* Names are UTF-16, and have a NUL. */
static gboolean has_name(const guint8 *entry, const char *name)
{
    for (gsize i = 0; i < NAME_OCTETS / 2; i++) {
        if (postern_octets_16(entry + 2 * i) != (guchar)name[i])
            return FALSE;
        if (name[i] == '\0')
            return TRUE;
    }
    return FALSE;
}

static gboolean is_encrypted(const File *file, const guint8 *entry)
{
    gsize length = 0;
    for (gsize i = 0; i < G_N_ELEMENTS(streams); i++) {
        if (!has_name(entry, streams[i].name))
            continue;
        const guint8 *octets = begin_of(file, entry, &length);
        return streams[i].is_encrypted == always ||
               (octets != NULL && streams[i].is_encrypted(octets, length));
    }
    return FALSE;
}

void postern_ole2_open(PosternOpening *opening)
{
    const guint8 *octets = opening->octets;
    File file = {.octets = octets, .length = opening->length, .root = G_MAXUINT32};
    guint shift = opening->length >= HEADER_OCTETS ? postern_octets_16(octets + 30) : 0;
    if (shift < 9 || shift > 12)
        return;
    file.sector = (gsize)1 << shift;
    file.small_octets = postern_octets_32(octets + 56);
    guint32 sector = postern_octets_32(octets + 48);
    /* (As many as there are: a chain may be a circle.) */
    for (gsize left = file.length / file.sector; left > 0; left--) {
        const guint8 *entries = sector_at(&file, sector);
        for (gsize at = 0; entries != NULL && at < file.sector; at += ENTRY_OCTETS) {
            if (file.root == G_MAXUINT32)
                file.root = postern_octets_32(entries + 116);
            if (is_encrypted(&file, entries + at)) {
                postern_opening_note(opening, POSTERN_VIRUS_ENCRYPTED, "it has a password");
                return;
            }
        }
        if (entries == NULL)
            return;
        sector = next_sector(&file, sector);
    }
}
